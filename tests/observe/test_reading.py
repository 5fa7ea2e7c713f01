"""Local, broker, local: what a reading of two ports becomes, whatever they do."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from tests.decide.building import START, Side, cash, fill, moment, order, pos, side
from tests.live.virtual import VirtualLoop
from tieout.books.base import CanApply
from tieout.brokers.base import AccountInfo, Capabilities, OrderRequest
from tieout.clock import VirtualClock
from tieout.errors import (
    ActionRefused,
    SourceError,
    SourceIncomplete,
    SourceMalformed,
    SourceRefused,
    SourceThrottled,
    SourceTimeout,
    SourceUnreachable,
)
from tieout.model.changes import Change
from tieout.model.snapshot import (
    SECTIONS,
    Activity,
    Balance,
    Fill,
    Lookup,
    Observation,
    Order,
    Position,
    SideError,
    SideFailure,
    Snapshot,
)
from tieout.observe.reading import MAX_LOOKUPS, Reach, read_account

SLOW = "slow"
FULL = side(pos("X", "1"), cash("5"), order("c"), fill("f", "buy", "1"))


class Venue:
    """A broker that answers each question as told: with rows, a failure, or never."""

    name = "venue"

    def __init__(self, said: Side = FULL, *, known: Mapping[str, Any] | None = None, **answers: Any) -> None:
        self.answers = {section: tuple(getattr(said, section) or ()) for section in SECTIONS} | answers
        self.known = known or {}
        self.offered = frozenset(SECTIONS)
        self.lookups = True
        self.asked: list[str] = []
        self.since: set[datetime] = set()

    async def _answer(self, question: str, default: Any = None) -> Any:
        self.asked.append(question)
        answer = self.answers.get(question, default)
        if answer is SLOW:
            await asyncio.Event().wait()
        if isinstance(answer, SourceError):
            raise answer
        return answer

    async def get_positions(self) -> tuple[Position, ...]:
        return await self._answer("positions")  # type: ignore[no-any-return]

    async def get_balances(self) -> tuple[Balance, ...]:
        return await self._answer("balances")  # type: ignore[no-any-return]

    async def get_open_orders(self) -> tuple[Order, ...]:
        return await self._answer("orders")  # type: ignore[no-any-return]

    async def get_fills(self, since: datetime) -> tuple[Fill, ...]:
        self.since.add(since)
        return await self._answer("fills")  # type: ignore[no-any-return]

    async def get_activities(self, since: datetime) -> tuple[Activity, ...]:
        self.since.add(since)
        return await self._answer("activities")  # type: ignore[no-any-return]

    async def get_order(
        self, *, broker_order_id: str | None = None, client_order_id: str | None = None
    ) -> Order | None:
        name = client_order_id or broker_order_id or ""
        self.asked.append(f"order {name}")
        answer = self.known.get(name)
        if answer is SLOW:
            await asyncio.Event().wait()
        if isinstance(answer, SourceError):
            raise answer
        return answer

    async def get_account_info(self) -> AccountInfo:
        return AccountInfo(account="main", venue="venue")

    async def submit_order(self, request: OrderRequest) -> Order:
        raise ActionRefused("submit_order", "a reading never sends an order")

    async def cancel_order(self, *, broker_order_id: str | None = None, client_order_id: str | None = None) -> Order:
        raise ActionRefused("cancel_order", "a reading never cancels an order")

    async def server_time(self) -> datetime:
        return await self._answer("time", moment(-3))  # type: ignore[no-any-return]

    def capabilities(self) -> Capabilities:
        return Capabilities(sections=self.offered, order_lookup=self.lookups)

    async def close(self) -> None:
        return None


class Books:
    """Local books that give these statements, one a reading; the last one for ever."""

    can_apply = CanApply.NOT

    def __init__(self, *statements: Side | SourceError | str) -> None:
        self.statements = list(statements)

    async def read(self) -> Snapshot:
        said = self.statements.pop(0) if len(self.statements) > 1 else self.statements[0]
        if isinstance(said, SourceError):
            raise said
        if isinstance(said, str):
            await asyncio.Event().wait()
            raise AssertionError("unreachable")
        return said.said("local", START, "main")

    async def apply(self, changes: Sequence[Change], *, reason: str) -> None:
        raise AssertionError("a reading never writes")

    async def adopt(self, snapshot: Snapshot) -> None:
        raise AssertionError("a reading never adopts")


async def read(venue: Venue, *local: Side | SourceError | str, reach: Reach | None = None) -> Observation:
    """One reading of both ports."""
    return await read_account("main", Books(*(local or (FULL,))), venue, VirtualClock(START), reach)


def failure(kind: type[SourceError], *more: Any) -> SourceError:
    """A failure of the venue's."""
    return kind("venue", "something", "it did not work", *more)


def failing(*questions: str, kind: type[SourceError] | None = None) -> Venue:
    """A venue that fails at these questions in that way, or never answers them."""
    venue = Venue()
    venue.answers |= dict.fromkeys(questions, failure(kind) if kind is not None else SLOW)
    return venue


async def broker_of(venue: Venue, *local: Side | SourceError | str, reach: Reach | None = None) -> Snapshot:
    """The broker's statement, where there is one."""
    seen = (await read(venue, *local, reach=reach)).broker
    assert isinstance(seen, Snapshot)
    return seen


async def test_both_sides_are_read_whole() -> None:
    """Everything that was answered stands in the observation, with the times of both clocks."""
    one = await read(Venue())
    assert isinstance(one.broker, Snapshot) and isinstance(one.local, Snapshot)
    assert (one.at, one.local.as_of, one.broker.as_of) == (START, START, moment(-3))
    assert (one.broker.positions, one.broker.orders) == (one.local.positions, one.local.orders)
    assert one.broker.coverage is None
    assert one.lookups is None


async def test_lists_vouch_from_where_they_were_asked_for() -> None:
    """Fills and activities are asked for as far back as configured, by our clock where the venue's is near, and say so."""
    venue = Venue()
    seen = await broker_of(venue, reach=Reach(history_seconds=600))
    assert venue.since == {moment(-600)} == {seen.fills_since} == {seen.activities_since}


@pytest.mark.parametrize("section", SECTIONS)
async def test_a_failed_section_is_never_empty(section: str) -> None:
    """What could not be read is absent and called failed; the rest is complete."""
    seen = await broker_of(failing(section, kind=SourceMalformed))
    assert getattr(seen, section) is None
    assert seen.coverage is not None
    assert {name: state for name, state in seen.coverage.items() if state != "complete"} == {section: "failed"}
    assert (seen.fills_since is None) is (section == "fills")
    assert (seen.activities_since is None) is (section == "activities")


async def test_rows_that_did_come_are_kept_as_partial() -> None:
    """A part of an answer is called a part; a part without rows is a failure."""
    part = failure(SourceIncomplete, (pos("X", "1"),))
    seen = await broker_of(Venue(positions=part, fills=failure(SourceIncomplete)))
    assert seen.positions == (pos("X", "1"),)
    assert seen.fills is None
    assert seen.coverage is not None
    assert (seen.coverage["positions"], seen.coverage["fills"]) == ("partial", "failed")
    assert seen.fills_since is None


async def test_a_part_of_one_section_alone_is_still_a_statement() -> None:
    """Where all else failed, the rows that came are not thrown away."""
    answers: dict[str, Any] = dict.fromkeys(SECTIONS, failure(SourceTimeout))
    seen = await broker_of(Venue(**answers | {"positions": failure(SourceIncomplete, (pos("X", "1"),))}))
    assert seen.positions == (pos("X", "1"),)
    assert seen.balances is None


@pytest.mark.parametrize(("kind", "code"), [
    (SourceTimeout, "timeout"), (SourceThrottled, "rate_limited"), (SourceUnreachable, "unavailable"),
    (SourceRefused, "authentication"), (SourceMalformed, "malformed"), (SourceIncomplete, "other"),
])  # fmt: skip
async def test_a_side_of_which_nothing_could_be_read_is_an_error(kind: type[SourceError], code: str) -> None:
    """Every section failed, or the venue did not even say what time it is: why, in the contract's word."""
    for venue in (failing(*SECTIONS, kind=kind), Venue(time=failure(kind))):
        assert (await read(venue)).broker == SideError(SideFailure(code))
    assert (await read(Venue(), FULL, failure(kind))).local == SideError(SideFailure(code))


@pytest.mark.parametrize("question", ["time", *SECTIONS])
async def test_a_venue_that_never_answers_times_out(question: str) -> None:
    """A reading ends; what never came is a timeout, not an empty side."""
    one = await read(failing(question), reach=Reach(timeout_seconds=0))
    assert one.broker == SideError(SideFailure.TIMEOUT)


async def test_books_that_never_answer_time_out() -> None:
    """Local that hangs does not hang the reading."""
    one = await read(Venue(), SLOW, reach=Reach(timeout_seconds=0))
    assert one.local == SideError(SideFailure.TIMEOUT)


async def test_local_is_read_before_and_after() -> None:
    """Both readings of local stand in the observation; the first may fail without harm."""
    later = side(pos("X", "2"))
    one = await read(Venue(), FULL, later)
    assert one.local_before == FULL.said("local", START, "main")
    assert one.local == later.said("local", START, "main")
    assert (await read(Venue(), failure(SourceTimeout), later)).local_before is None


async def test_what_a_venue_does_not_offer_is_not_asked() -> None:
    """A section outside its capabilities is not fetched, and not empty."""
    venue = Venue()
    venue.offered = frozenset(("positions",))
    seen = await broker_of(venue)
    assert (seen.balances, seen.orders, seen.fills_since) == (None, None, None)
    assert venue.asked == ["time", "positions"]


# --- lookups


async def test_only_local_live_orders_that_the_list_lacks_are_looked_up() -> None:
    """An order listed under either id, an ended one, or a stranger's is not asked for."""
    local = side(
        order("gone"), order("ended", "cancelled"), order("listed"),
        order("by-broker-id", client_order_id=None, broker_order_id="b-1"),
    )  # fmt: skip
    theirs = (order("listed", broker_order_id=None), order("x", broker_order_id="b-1"), order("theirs"))
    venue = Venue(side(*theirs))
    one = await read(venue, local)
    assert [name for name in venue.asked if name.startswith("order ")] == ["order gone"]
    assert one.lookups == (Lookup("b-gone", "gone"),)


async def test_answers_are_told_apart() -> None:
    """No such order, the order itself, a failure and a silence are four answers; only the first is an absence."""
    ended = order("ended", "cancelled")
    venue = Venue(side(), known={"ended": ended, "broken": failure(SourceThrottled)})
    one = await read(venue, side(order("broken"), order("ended"), order("none")))
    assert one.lookups == (
        Lookup("b-broken", "broken", error=SideFailure.RATE_LIMITED), Lookup("b-ended", "ended", order=ended),
        Lookup("b-none", "none"),
    )  # fmt: skip


def test_a_lookup_that_never_answers_is_an_error() -> None:
    """Silence about an order proves nothing about it."""
    venue = Venue(side(), known={"c": SLOW})
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        one = runner.run(read(venue, side(order("c"))))
    assert one.lookups == (Lookup("b-c", "c", error=SideFailure.TIMEOUT),)


class Stopwatch(Venue):
    """A venue each of whose answers takes a virtual second; keeps when each question came and was answered."""

    def __init__(self, said: Side = FULL) -> None:
        super().__init__(said)
        self.times: dict[str, tuple[float, float]] = {}

    async def _answer(self, question: str, default: Any = None) -> Any:
        clock = asyncio.get_running_loop().time
        begun = clock()
        await asyncio.sleep(1)
        self.times[question] = begun, clock()
        return await super()._answer(question, default)


def test_what_leads_to_holdings_is_read_before_them() -> None:
    """Every record was answered before any holding was asked for; what leads to nothing of the other is read at once."""
    venue = Stopwatch()
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(read(venue, FULL))
    times = venue.times
    for earlier, later in pairwise((("time", "fills", "activities"), ("orders",), ("positions", "balances"))):
        assert max(times[name][1] for name in earlier) <= min(times[name][0] for name in later)
    assert max(end for _, end in times.values()) == 3


async def test_the_oldest_are_asked_first_and_a_few_at_a_time() -> None:
    """Orders without a time come first, then the oldest; no storm of questions."""
    many = [order(f"n{n:02}", updated_at=moment(-n)) for n in range(MAX_LOOKUPS + 5)]
    many.append(order("timeless", created_at=None, updated_at=None))
    venue = Venue(side())
    one = await read(venue, side(*many))
    assert one.lookups is not None
    names = [answer.client_order_id for answer in one.lookups]
    assert names == ["timeless", *(f"n{n:02}" for n in range(MAX_LOOKUPS + 4, 5, -1))]


@pytest.mark.parametrize("venue", [
    Venue(orders=failure(SourceTimeout)), Venue(time=failure(SourceTimeout)),
])  # fmt: skip
async def test_without_a_list_of_orders_nothing_is_looked_up(venue: Venue) -> None:
    """Orders are not known to be absent: nobody asks for them one by one."""
    assert (await read(venue, side(order("c")))).lookups is None


async def test_a_venue_without_lookups_is_not_asked() -> None:
    """A venue that cannot answer for one order is not asked."""
    venue = Venue(side())
    venue.lookups = False
    assert (await read(venue, side(order("c")))).lookups is None


async def test_local_that_failed_asks_for_nothing() -> None:
    """Without local's orders there is none to look up."""
    venue = Venue(side())
    assert (await read(venue, side(order("c")), failure(SourceTimeout))).lookups is None


class Clockwork(Venue):
    """A venue whose clock is *ahead* of ours, and which takes *seconds* to tell its time."""

    def __init__(self, clock: VirtualClock, *, ahead: timedelta, seconds: int) -> None:
        super().__init__()
        self.clock, self.ahead, self.seconds = clock, ahead, seconds

    async def server_time(self) -> datetime:
        await asyncio.sleep(0)
        self.clock.advance(self.seconds)
        return self.clock.now() + self.ahead


async def clockwork(ahead: timedelta, seconds: int) -> tuple[Snapshot, Clockwork]:
    """What is read of a venue with that clock."""
    clock = VirtualClock(START)
    venue = Clockwork(clock, ahead=ahead, seconds=seconds)
    seen = (await read_account("main", Books(FULL), venue, clock)).broker
    assert isinstance(seen, Snapshot)
    return seen, venue


@pytest.mark.parametrize("seconds", [0, 7])
async def test_the_broker_is_read_as_of_a_moment_before_its_lists(seconds: int) -> None:
    """The time is asked together with the first lists: an answer that took its time is no proof that they were later."""
    seen, venue = await clockwork(timedelta(seconds=2), seconds)
    assert seen.as_of == START + timedelta(seconds=2)
    assert venue.since == {seen.fills_since} == {START - timedelta(days=7)}


@pytest.mark.parametrize("ahead", [timedelta(days=-9), timedelta(days=9), timedelta(minutes=-2)])
async def test_a_clock_that_is_wrong_does_not_say_how_far_lists_reach(ahead: timedelta) -> None:
    """Where ours is far from the venue's, its own says from when on lists are asked for, and they are read after it."""
    seen, venue = await clockwork(ahead, 0)
    assert (seen.as_of, seen.fills_since) == (START + ahead, START + ahead - timedelta(days=7))
    assert venue.asked[-5:-3] == ["fills", "activities"] and venue.asked.count("fills") == 2


async def test_without_the_venues_time_nothing_was_read() -> None:
    """Lists that did come are of no known moment."""
    assert (await read(failing("time", kind=SourceMalformed))).broker == SideError(SideFailure.MALFORMED)
