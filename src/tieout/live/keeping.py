"""What an account's reconciliations leave in the record, and take from it at a start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from msgspec.structs import replace

from tieout.act import Effect, Unrecorded, Waiting, apply, recover, unwanted, withdraw
from tieout.act.terms import Terms
from tieout.books.base import LocalBooks
from tieout.brokers.base import BrokerAdapter
from tieout.clock import Clock, SystemClock
from tieout.errors import AccountTaken, BookError, RecordError
from tieout.live.alarm import Alarm
from tieout.live.configuration import Configuration, decode_configuration
from tieout.live.journal import RecordJournal
from tieout.live.rejudging import after, judge_again, state_before
from tieout.live.restarting import renamed, with_recovered
from tieout.live.road import Outcome, State
from tieout.model.case import Approved
from tieout.model.intent import Ended
from tieout.model.report import ReconciliationReport
from tieout.model.snapshot import Observation
from tieout.record.base import Reading, Record, Verdict, Waits, Word

NO_AUDIT, SHADOW = "no_audit", "shadow"
ALL = Waits(intents=True, words=True)
WHOLE_EVERY = 100  # readings between two states that are kept whole; a start judges at most that many again


class Keeping:
    """One account's side of the record. Where the record fails, checking goes on, acting stops, and a person is told why.

    Args:
        account: Its name.
        configuration: What it is judged by from now on.
        record: Where it is kept; None keeps nothing, and acts.
        alarm: The way to a person that does not lead through the record.
        clock: What the end of an order is waited for on.

    Attributes:
        terms: What its sides call things, and in which units they count.
        refusal: Why nothing is acted on in this reconciliation, in a sentence; None where nothing stands in the way.
        established: Whether what the record holds was read: until then nobody knows which halts stand.
    """

    def __init__(
        self,
        account: str,
        configuration: Configuration,
        record: Record | None,
        alarm: Alarm,
        clock: Clock | None = None,
    ) -> None:
        self._account, self._configuration = account, configuration
        clock = clock or SystemClock()
        policy, settings = configuration.policy, configuration.settings
        self._patience = Waiting(clock=clock, seconds=policy.send_wait_seconds, lag_seconds=settings.lag_seconds)
        self.terms = Terms(configuration.settings.assets, clock)
        self._record, self._alarm = record, alarm
        self._name: str | None = None
        self._claimed: int | None = None
        self._since_whole: int | None = WHOLE_EVERY  # None where what the record holds does not lead to the state
        self._under_way = False
        self._told: set[str] = set()
        self._said: list[Word] = []  # what was said where there is no record
        self._waiting: tuple[Word, ...] = ()
        self.refusal: str | None = None
        self.established = record is None

    async def begin(self, state: State, books: LocalBooks, broker: BrokerAdapter) -> State:
        """The state to go on from. At a start that is what the record kept, once every open intent was looked up."""
        if self.refusal is None:
            self._told.clear()  # the last round went well: should it come back, a person is told again
        self.refusal = None
        if self._record is None:
            return state
        if self._under_way:
            self._name = None  # the last one was broken off: what became of it only the record tells
        self._under_way = True
        try:
            await self._claim(self._record)
            # First of all: what a restored state counts as attempted depends on what became of it. A crash in here leaves the
            # intents that were not concluded yet to the next start; nothing was sent meanwhile.
            begun = self._name is not None
            waits = await self._record.waits(self._account, after=state.history.words.heard) if begun else ALL
            recovered = await self._recover(self._record, books, broker) if waits.intents else ()
            if not begun:
                state = await self._start(self._record, state)
            else:
                undone = {effect.plan.fingerprint for effect in recovered if effect.ended is Ended.UNDONE}
                tried = [effect.plan for effect in recovered if effect.ended is not Ended.HANDED]
                state = with_recovered(state, tried, undone)
            # Looking up takes its time: what was said meanwhile is heard, too.
            heard = state.history.words.heard
            asked = waits.words or waits.intents
            self._waiting = await self._record.words(self._account, after=heard) if asked else ()
            self.established = True
            return state
        except RecordError as error:
            # What the record holds of the last round it could not say: the state goes on from what this process knows of it.
            self._since_whole = None
            await self._refuse(error.why)
        return state

    async def judge_by(self, configuration: Configuration) -> None:
        """Judge by *configuration* from now on. Where that cannot be kept, nothing of this round is, and nothing acted on."""
        self._configuration = configuration
        if self._record is None or self._name is None:
            return
        self._name = None
        try:
            self._name = await self._record.configure(self._account, _encoder.encode(configuration))
        except RecordError as error:
            await self._refuse(error.why)

    @property
    def sure(self) -> bool:
        """Whether every halt that stands is known: what the record holds was read, and it took what came since."""
        return self.established and self.refusal is None

    @property
    def tells(self) -> bool:
        """Whether what a reading calls for goes into the outbox with it."""
        kept = self._record is not None and self._name is not None and self.refusal is None
        return kept and self._configuration.policy.mode != SHADOW

    def words(self, state: State) -> tuple[Word, ...]:
        """What people said that *state* has not heard."""
        said = self._said if self._record is None else self._waiting
        return tuple(word for word in said if word.entry is not None and word.entry > state.history.words.heard)

    async def listen(self, state: State) -> bool:
        """Whether somebody said something that *state* has not heard; False where that cannot be read now."""
        if self._record is None or self._name is None:
            return bool(self.words(state))
        try:
            return bool(await self._record.words(self._account, after=state.history.words.heard))
        except RecordError:
            return False  # the next reconciliation says so

    def waits(self, state: State, said: Mapping[str, int]) -> bool:
        """Whether the last word of those *said* by account is one that *state* has not heard."""
        if self._record is None or self._name is None:
            return bool(self.words(state))
        return said.get(self._account, -1) > state.history.words.heard

    def end(self) -> None:
        """What was begun came to its end: the next one goes on from the state that it left."""
        self._under_way = False

    async def keep(self, observation: Observation, outcome: Outcome, before: State) -> None:
        """Keep one reconciliation.

        Args:
            observation: What both sides said.
            outcome: What came of it.
            before: The state that it started from.
        """
        if self._record is None or self._name is None:
            return
        # Until this reading is on the disk the next one cannot count on it, and would be kept whole.
        since, self._since_whole = self._since_whole, None
        whole = since is None or since >= WHOLE_EVERY
        reading = Reading(
            observation=observation,
            report=outcome.report,
            plans=outcome.decided.plans,
            configuration=self._name,
            state_before=_encoder.encode(before) if whole else None,
            gap=since is None,
            heard=outcome.state.history.words.heard,
        )
        try:
            # A crash before it is on the disk leaves nothing of this reading: the next one sees the same, and decides again.
            # One after it leaves a decision without an intent, which is made again, too.
            await self._record.reading(reading)
        except RecordError as error:
            await self._refuse(error.why)
        else:
            self._since_whole = 1 if since is None or whole else since + 1

    async def look(self, observation: Observation, report: ReconciliationReport) -> None:
        """Keep a look: a reading that is not acted on, and that the next one knows nothing of."""
        if self._record is None or self._name is None:
            return
        looked = Reading(observation=observation, report=report, plans=(), configuration=self._name, look=True)
        try:
            await self._record.reading(looked)
        except RecordError as error:
            await self._refuse(error.why)

    async def say(self, word: Word) -> None:
        """Keep a person's word, before it counts.

        Raises:
            RecordError: It cannot be kept; it does not count.
        """
        if self._record is None:
            self._said.append(replace(word, entry=len(self._said)))
            return
        if (
            word.verdict is not Verdict.HALT
        ):  # a log that nobody may act on takes this, too: it stops, and acts on nothing
            await self._record.permit()
        await self._record.say(word)

    async def act(
        self, observation: Observation, outcome: Outcome, books: LocalBooks, broker: BrokerAdapter
    ) -> tuple[Effect, ...]:
        """Act on what was approved: each intent on the disk before it, its outcome after; nothing where that cannot be."""
        plans = [plan for plan in outcome.decided.plans if isinstance(plan, Approved)]
        shadow = self._configuration.policy.mode == SHADOW
        wanted = [] if shadow else plans
        unwanted = await self._unwanted(wanted, books)
        attempts = await self._permitted() if wanted or unwanted else {}
        if unwanted and self.refusal is None:
            await self._take_back(wanted, books)
        if not plans:
            return ()
        if shadow:
            return tuple(Effect(plan, None, SHADOW) for plan in plans)
        if self.refusal is not None:
            return tuple(Effect(plan, None, NO_AUDIT) for plan in plans)
        books, broker = self.terms.sides(books, broker, observation)
        return await apply(
            plans,
            account=self._account,
            report_id=outcome.report.report_id,
            books=books,
            broker=broker,
            journal=Unrecorded() if self._record is None else RecordJournal(self._record, self._refuse),
            attempts=attempts,
            observed=self.terms.local(observation),
            waiting=self._patience,
        )

    async def _unwanted(self, wanted: Sequence[Approved], books: LocalBooks) -> bool:
        """Whether something waits to be booked elsewhere that no plan wants; who may not act leaves it to who may."""
        if self.refusal is not None:
            return False
        try:
            return await unwanted(wanted, books, self._account)
        except BookError as error:
            await self._refuse(error.why)
            return False

    async def _take_back(self, wanted: Sequence[Approved], books: LocalBooks) -> None:
        try:
            if self._record is not None:
                await self._record.confirm(self._account)
            await withdraw(wanted, books, self._account)
        except (BookError, RecordError) as error:
            await self._refuse(error.why)

    async def _permitted(self) -> Mapping[str, int]:
        """How often each case was tried and never happened, where acting is allowed; else the refusal stands."""
        if self._record is None or self.refusal is not None:
            return {}
        try:
            await self._record.permit()
            return await self._record.attempts(self._account)
        except RecordError as error:
            await self._refuse(error.why)
            return {}

    async def _claim(self, record: Record) -> None:
        """Be the account's one writer. Where another process is, nothing of this one is recorded, and nothing acted on."""
        try:
            claimed = await record.claim(self._account)
        except AccountTaken:
            self._name, self.established = None, False  # what that one does only the record tells
            raise
        if claimed != self._claimed:  # and what one did meanwhile
            self._name, self.established, self._claimed = None, False, claimed

    async def _start(self, record: Record, state: State) -> State:
        # Written first: behind it, whatever a reconciliation that was broken off had asked to be written is there to be read.
        # A crash after it leaves a start in the log that judged nothing.
        name = await record.configure(self._account, _encoder.encode(self._configuration))
        restored = await record.restore(self._account)
        known: dict[str, Configuration] = {}
        if restored.state is not None or restored.readings:
            state = State() if restored.state is None else _state.decode(restored.state)
        for past in restored.readings:
            if past.configuration not in known:
                known[past.configuration] = decode_configuration(
                    await record.configuration(self._account, past.configuration)
                )
            state = after(past, judge_again(past, state_before(past, state), known[past.configuration]))
        self._name, self._since_whole = name, WHOLE_EVERY
        before = [known[past.configuration].settings for past in restored.readings[-1:]]
        return renamed(state, before, self._configuration.settings)

    async def _recover(self, record: Record, books: LocalBooks, broker: BrokerAdapter) -> tuple[Effect, ...]:
        """Look up every intent without an outcome, before anything else is sent."""
        open_intents = await record.unfinished(self._account)
        # Where an end may have been kept, or not, only the record tells what the state is: the next one starts from it.
        name, self._name = self._name, None if open_intents else self._name
        books, broker = self.terms.sides(books, broker)
        effects = await recover(open_intents, books, broker, RecordJournal(record, self._refuse), self._patience)
        self._name = name
        unknown = [effect for effect in effects if effect.ended in (None, Ended.UNKNOWN)]
        if unknown and self.refusal is None:
            await self._refuse(f"what became of {len(unknown)} earlier actions is not known yet ({unknown[0].why})")
        return effects

    async def _refuse(self, why: str) -> None:
        self.refusal = why
        if why not in self._told:
            # Once for each reason of an outage: what stands for hours is repeated by the outbox, which is in the record.
            self._told.add(why)
            await self._alarm.raise_alarm(self._account, f"acting is stopped: {why}")


_encoder, _state = msgspec.msgpack.Encoder(), msgspec.msgpack.Decoder(State)
