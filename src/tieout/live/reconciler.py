"""`PositionReconciler`: the road over live sides. It reads both, judges, acts where the policy lets it, and reports."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from functools import partial

from msgspec.structs import replace

from tieout.act import Effect
from tieout.clock import Clock, SystemClock
from tieout.decide import attempted
from tieout.errors import WordRefused
from tieout.live.account import Account
from tieout.live.alarm import Alarm, LoggedAlarm, Standing
from tieout.live.configuration import Configuration
from tieout.live.ear import spoken
from tieout.live.effects import not_acted_on, refused, with_effects
from tieout.live.keeping import SHADOW, Keeping
from tieout.live.listing import Listing
from tieout.live.looking import can_stand, name_of, only, part_of
from tieout.live.opening import read_opening
from tieout.live.quiet import stands
from tieout.live.road import Outcome, State, reconcile_observation
from tieout.live.touched import Touched
from tieout.model.case import Approved, Refused
from tieout.model.identity import identity_of
from tieout.model.intent import Ended
from tieout.model.report import ReconciliationReport, Trigger
from tieout.model.snapshot import Observation, Section, SideError, Snapshot
from tieout.observe import required_of
from tieout.observe.reading import READ_AT_ONCE, READ_ORDER, ReadOrder, Statement, read_account
from tieout.record.base import Record, Verdict, Word

__all__ = ["BY_HAND", "HALTS_UNKNOWN", "LOOK", "Account", "PositionReconciler", "Reported"]

BY_HAND, HALTS_UNKNOWN, LOOK = "by_hand", "halts_unknown", "look"
Reported = Callable[[ReconciliationReport], Awaitable[None]]


class PositionReconciler:
    """Reconciles accounts: reads both sides, compares, explains, decides, acts where the policy lets it, and reports.

    One reconciliation of an account runs at a time; other accounts do not wait for it.

    Args:
        accounts: The accounts by name.
        clock: Where time comes from.
        record: Where everything is kept: what it has not acknowledged is not acted upon. None keeps nothing, and acts.
        alarm: The way to a person for when the record fails.
        reported: Is given each report as it is returned, such as `ReportFiles.keep`. MUST NOT raise.
    """

    def __init__(
        self,
        accounts: Mapping[str, Account],
        clock: Clock | None = None,
        *,
        record: Record | None = None,
        alarm: Alarm | None = None,
        reported: Reported | None = None,
    ) -> None:
        assert all(name == each.name for name, each in accounts.items()), "an account goes by its own name"
        self._accounts = dict(accounts)
        self._clock, self._record = clock or SystemClock(), record
        self._states = {name: State() for name in self._accounts}
        self._judging, self._turns = asyncio.Lock(), {name: asyncio.Lock() for name in self._accounts}
        self.keepings = {
            name: Keeping(
                each.name, Configuration(each.settings, each.policy), record, alarm or LoggedAlarm(), self._clock
            )
            for name, each in self._accounts.items()
        }
        self._listings = {
            each.name: Listing(each.broker, each.settings, self._clock, each.reach.timeout_seconds)
            for each in self._accounts.values()
        }
        self._ahead: dict[str, dict[str, bool]] = {name: {} for name in self._accounts}  # halts not heard yet: kept?
        self._whole: dict[str, ReconciliationReport] = {}  # the last whole one of each, where that came to its end
        self._quiet: set[str] = set()  # accounts whose last reading, taken once, left nothing open
        self._reported, self._remarked = reported, Standing(alarm or LoggedAlarm())
        self.observed: dict[str, Observation] = {}
        self.plans: dict[str, tuple[Approved | Refused, ...]] = {}
        self._dry: dict[str, tuple[State, State]] = {}  # from which state on, and where dry runs led

    async def reconcile(
        self, account: str, *, trigger: Trigger = "manual", dry_run: bool = False
    ) -> ReconciliationReport:
        """One whole reconciliation of *account*; a dry run decides and records it, and acts on nothing.

        Returns:
            The report. A side that could not be read makes it `incomplete`; nothing is raised for that. Where the record
            fails, its actions are `skipped` and a warning says why.

        Raises:
            KeyError: There is no such account.
        """
        async with self._turns[account]:
            known, keeping = self._accounts[account], self.keepings[account]
            self._whole.pop(account, None)
            kept = [name for name, is_kept in self._ahead[account].items() if is_kept]
            before = await keeping.begin(self._states[account], known.local, known.broker)
            self._states[account] = before
            if dry_run:
                return await self._run_dry(account, await self._observe(account), trigger)
            observation, outcome = await self._reading(account, trigger, before)
            # Before anything is written: neither a full disk nor a crash leaves a gate open that should be shut.
            self._steer(account, outcome)
            if keeping.refusal is None:
                self._heard(account, kept)
            await keeping.keep(observation, outcome, before)
            # What goes into the outbox with the reading is told from there.
            await self._remarked.tell(account, () if keeping.tells else outcome.decided.remarks)
            effects = await keeping.act(observation, outcome, known.local, known.broker)
            self._whole[account] = report = self._remember(account, outcome, effects, keeping.refusal)
            keeping.end()
            return await self._report(report)

    async def look(self, account: str, sections: frozenset[Section]) -> ReconciliationReport | None:
        """A look at *sections* of *account*, soon after something touched them: for seeing, and followed by nothing.

        Returns:
            Its report; None where only a whole reconciliation, which is then due now, can judge what there is to tell.
        """
        async with self._turns[account]:
            whole, state = self._whole.get(account), self._states[account]
            if whole is None or whole.status != "matched" or await self.keepings[account].listen(state):
                return None  # it would say less than is known, or somebody's word is to be heard first
            self._quiet.discard(account)
            # The record is not begun with: nothing is sent, and what the next reading starts from stays what it is.
            observation = await self._read(account, part_of(READ_ORDER, sections))
            outcome = await self._judge(account, observation, "event", state, part=sections)
            if not can_stand(outcome.report, whole, sections):
                return None
            name = name_of(account, sections, observation.at, state.memory.readings)
            report = not_acted_on(replace(outcome.report, report_id=name, notices=()), LOOK)
            await self.keepings[account].look(observation, report)
            return await self._report(report)

    async def say(self, word: Word) -> None:
        """Keep a person's word; the next reconciliation of its account hears it. A halt of all of it shuts the gate at once.

        Raises:
            KeyError: There is no such account.
            RecordError: It cannot be kept, and does not count; a halt of all stands for as long as this process lives.
            WordRefused: A halt in shadow mode, which stops nothing.
        """
        known, ahead = self._accounts[word.account], self._ahead[word.account]
        gate, before = known.gate if word.subject == word.account else None, list(ahead)
        if word.verdict is Verdict.HALT and known.policy.mode == SHADOW:
            raise WordRefused(f"{word.account} is in shadow mode, which stops no trading: stop the engine itself")
        if gate is not None and word.verdict is Verdict.HALT:
            gate.close(BY_HAND, to="all" if known.policy.halt_mode == "all" else "opening")
            ahead[word.id] = False
        await self.keepings[word.account].say(word)
        if word.id in ahead:
            ahead[word.id] = True
        if gate is not None and word.verdict is Verdict.RESUME:
            self._heard(word.account, before)  # not what was said while this one was kept

    def _heard(self, account: str, words: Sequence[str]) -> None:
        """The gate was shut ahead for these halts: from now on it follows what was decided, whoever lifts them, and where."""
        for name in words:
            self._ahead[account].pop(name, None)
        gate = self._accounts[account].gate
        if gate is not None and words and not self._ahead[account]:
            gate.open(BY_HAND)

    async def listen(self, accounts: Collection[str]) -> Collection[str]:
        """Those of *accounts* of which somebody said something that no reconciliation has heard yet."""
        said = await spoken(self._record)
        return {name for name in accounts if self.keepings[name].waits(self._states[name], said)}

    async def adopt(
        self, account: str, *, actor: str = "owner", why: str = "", stated: Snapshot | None = None
    ) -> Snapshot:
        """Take what the broker holds as the opening entries of empty books. Ask the person first; it happens once.

        Args:
            account: Whose books.
            actor: Who says so.
            why: Their reason.
            stated: The statement of the broker that they agreed to, as `read_opening` gave it; None reads it now.

        Returns:
            The statement that was adopted.

        Raises:
            SourceError: The broker could not be read whole; nothing was adopted.
            RecordError: That it was asked for cannot be recorded; nothing was adopted.
            BookError: The books hold something already, or cannot be written.
        """
        async with self._turns[account]:
            known = self._accounts[account]
            stated = stated or await read_opening(known)
            name = hashlib.sha256(f"{account} {stated.as_of.isoformat()}".encode()).hexdigest()[:32]
            word = Word(id=name, account=account, subject=account, verdict=Verdict.ADOPT, actor=actor, text=why)
            await self.keepings[account].say(word)
            # A crash here leaves a wish and empty books: the person is asked again. Books refuse a second adoption.
            return await self.keepings[account].terms.adopt(stated, known.local)

    async def reconcile_positions(self, account: str) -> ReconciliationReport:
        """Compare positions alone. Looks and reports; what it finds is acted on by a whole reconciliation only."""
        return await self._look(account, "positions")

    async def reconcile_cash(self, account: str) -> ReconciliationReport:
        """Compare cash alone, looking only."""
        return await self._look(account, "balances")

    async def reconcile_orders(self, account: str) -> ReconciliationReport:
        """Compare orders alone, looking only."""
        return await self._look(account, "orders")

    async def _run_dry(self, account: str, observation: Observation, trigger: Trigger) -> ReconciliationReport:
        """The report of a reading that is not acted on. Dry runs in a row confirm each other; what follows knows of none."""
        base, state = self._states[account], self._states[account]
        if account in self._dry and self._dry[account][0] is base:
            state = self._dry[account][1]
        outcome, keeping = await self._judge(account, observation, trigger, state), self.keepings[account]
        self._dry[account] = base, outcome.state
        await keeping.look(observation, outcome.report)
        keeping.end()
        return await self._report(not_acted_on(outcome.report, "dry_run"))

    async def _look(self, account: str, section: Section) -> ReconciliationReport:
        async with self._turns[account]:
            known, keeping = self._accounts[account], self.keepings[account]
            # A look is judged by what the record kept, too: the same break has the same id.
            state = self._states[account] = await keeping.begin(self._states[account], known.local, known.broker)
            observation = only(await self._observe(account), section)
            narrowed = replace(self._accounts[account].settings, required=(section,))
            report = reconcile_observation(observation, state, narrowed, known.policy, trigger="manual").report
            report = replace(report, report_id=name_of(account, (section,), observation.at, state.memory.readings))
            await keeping.look(observation, report)
            keeping.end()
            return await self._report(report)

    async def _report(self, report: ReconciliationReport) -> ReconciliationReport:
        if self._reported is not None:
            await self._reported(report)
        return report

    async def _reading(self, account: str, trigger: Trigger, before: State) -> tuple[Observation, Outcome]:
        """Both sides, and the verdict. What was read at once and does not stand is read anew, in the strict order."""
        quiet = account in self._quiet and trigger == "schedule"
        # One that has to be read twice, or is broken off, is read in the strict order next.
        self._quiet.discard(account)
        if quiet:
            observation = await self._observe(account, READ_AT_ONCE)
            outcome = await self._judge(account, observation, trigger, before)
            if stands(observation, outcome.report) or isinstance(observation.broker, SideError):
                return self._read_so(account, observation, outcome)
        observation = await self._observe(account)
        outcome = await self._judge(account, observation, trigger, before)
        return (observation, outcome) if quiet else self._read_so(account, observation, outcome)

    def _read_so(self, account: str, observation: Observation, outcome: Outcome) -> tuple[Observation, Outcome]:
        """Note what one reading showed: where nothing is open, and nobody tells of a change, the next may be at once."""
        self.observed[account] = observation
        if stands(observation, outcome.report) and not isinstance(self._accounts[account].broker, Statement):
            self._quiet.add(account)
        return observation, outcome

    async def _observe(self, account: str, order: ReadOrder = READ_ORDER) -> Observation:
        """Both sides. Before they are judged: whoever calls a factor a break has to know what a contract is of."""
        observation, known = await self._read(account, order), self._accounts[account]
        settings = await self._listings[account].learn(observation)
        if settings != known.settings:
            self._accounts[account] = replace(known, settings=settings)
            await self.keepings[account].judge_by(Configuration(settings, known.policy))
        if order is READ_ORDER:
            self.observed[account] = observation
        return observation

    async def _read(self, account: str, order: ReadOrder) -> Observation:
        known, turn = self._accounts[account], self._states[account].memory.readings
        return await read_account(account, known.local, known.broker, self._clock, known.reach, turn=turn, order=order)

    async def _judge(
        self, account: str, observation: Observation, trigger: Trigger, state: State, *, part: Touched = None
    ) -> Outcome:
        """The verdict; where only a *part* was read on purpose, nothing else is missed, and no word is heard."""
        known = self._accounts[account]
        judged = partial(
            reconcile_observation,
            observation,
            state,
            known.settings if part is None else required_of(observation, known.settings, part),
            known.policy,
            trigger=trigger,
            finished_at=self._clock.now(),
            words=self.keepings[account].words(state) if part is None else (),
        )
        # Orders do not wait for it: it is pure, so a thread may have it. One at a time: two would only share a core.
        async with self._judging:
            return await asyncio.to_thread(judged)

    def _steer(self, account: str, outcome: Outcome) -> None:
        """Let the account's gate follow what was decided; shut it while nobody knows which halts stand."""
        self.plans[account] = outcome.decided.plans
        gate, policy = self._accounts[account].gate, self._accounts[account].policy
        if gate is None or policy.mode == SHADOW:
            return
        identity = identity_of(self._accounts[account].settings.assets)
        gate.follow(outcome.state.history.halts.values(), mode=policy.halt_mode, identity=identity)
        if self.keepings[account].established:
            gate.open(HALTS_UNKNOWN)
        else:
            gate.close(HALTS_UNKNOWN)

    def _remember(
        self, account: str, outcome: Outcome, effects: tuple[Effect, ...], refusal: str | None
    ) -> ReconciliationReport:
        tried = [effect.plan for effect in effects if effect.ended not in (None, Ended.UNDONE, Ended.HANDED)]
        history = attempted(outcome.state.history, tried)
        self._states[account] = replace(outcome.state, history=history)
        report = outcome.report if refusal is None else refused(outcome.report, refusal)
        if self._accounts[account].policy.mode == SHADOW:
            return not_acted_on(report, SHADOW)
        return with_effects(report, effects)
