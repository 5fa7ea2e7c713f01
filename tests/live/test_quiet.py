"""Readings at once: what stands is, row by row, a reading in the strict order; everything else is read in that order."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.proving import PROVE
from tieout.books.base import CanApply
from tieout.brokers.base import OrderRequest
from tieout.brokers.simulated import Fault, FaultRule, Instrument, SimulatedBroker, World
from tieout.clock import VirtualClock
from tieout.decide import Policy
from tieout.live import reconciler as road
from tieout.live.reconciler import Account, PositionReconciler
from tieout.model.changes import Change
from tieout.model.report import ReconciliationReport
from tieout.model.snapshot import SECTIONS, Activity, Balance, Fill, Order, Position, Section, Snapshot

START = datetime(2026, 11, 20, 14, tzinfo=UTC)
TICK = 0.001  # between any two things that happen
LISTS: tuple[Section, ...] = ("fills", "activities")
Deed = Literal["place", "fill", "cancel", "deposit", "trade"]
DEEDS: tuple[Deed, ...] = ("place", "fill", "cancel", "deposit", "trade")


def live(side: Snapshot) -> tuple[Order, ...]:
    """The orders that rest there."""
    return tuple(order for order in side.orders or () if order.live)


class Street:
    """A world in which somebody else trades the account, with amounts of which no sum is 0 and no two are equal."""

    def __init__(self) -> None:
        self.clock = VirtualClock(START)
        self.world = World(self.clock, seed=3)
        self.world.add_account("main")
        self.world.add_instrument(Instrument(asset="AAPL", kind="margin", currency="USD"))
        self.world.office.pay("main", "deposit", "USD", Decimal(900_000))
        self.world.set_price("AAPL", Decimal(190))
        self.world.trade("main", "AAPL", "buy", Decimal(100), Decimal(190))
        self.clock.advance(60)
        self._deeds = 0

    def happen(self, deed: Deed) -> None:
        """One thing happens at the venue, a moment after the last one."""
        self.clock.advance(TICK)
        self._deeds += 1
        amount, resting = Decimal(2) ** self._deeds, live(self.world.snapshot("main"))
        if deed == "deposit":
            self.world.office.pay("main", "deposit", "USD", amount * 10_000)
        elif deed == "trade":
            self.world.trade("main", "AAPL", "buy", amount, Decimal(190))
        elif deed == "place":
            request = OrderRequest(
                client_order_id=f"theirs-{self._deeds}",
                asset="AAPL",
                side="buy",
                quantity=amount,
                limit_price=Decimal(9),
            )
            self.world.submit("main", request)
        elif resting and resting[0].broker_order_id:
            name = resting[0].broker_order_id
            if deed == "fill":
                self.world.fill("main", name, resting[0].quantity, Decimal(9000))
            else:
                self.world.cancel("main", broker_order_id=name)
        self.clock.advance(TICK)


class Venue(SimulatedBroker):
    """The account at its venue, where things happen before each answer, and answers come in any order."""

    def __init__(self, street: Street) -> None:
        super().__init__(street.world, "main")
        self.street = street
        self.script: list[tuple[int, Sequence[Deed]]] = []
        self.answered: list[tuple[str, Snapshot]] = []

    async def _turn(self, question: str) -> None:
        turns, deeds = self.script.pop(0) if self.script else (0, ())
        for _ in range(turns):
            await asyncio.sleep(0)
        for deed in deeds:
            self.street.happen(deed)
        self.street.clock.advance(TICK)
        self.answered.append((question, self.world.snapshot("main")))

    async def server_time(self) -> datetime:
        await self._turn("time")
        return await super().server_time()

    async def get_positions(self) -> tuple[Position, ...]:
        await self._turn("positions")
        return await super().get_positions()

    async def get_balances(self) -> tuple[Balance, ...]:
        await self._turn("balances")
        return await super().get_balances()

    async def get_open_orders(self) -> tuple[Order, ...]:
        await self._turn("orders")
        return await super().get_open_orders()

    async def get_fills(self, since: datetime) -> tuple[Fill, ...]:
        await self._turn("fills")
        return await super().get_fills(since)

    async def get_activities(self, since: datetime) -> tuple[Activity, ...]:
        await self._turn("activities")
        return await super().get_activities(since)

    @property
    def asked(self) -> list[str]:
        """What was answered, in order, the time aside."""
        return [question for question, _ in self.answered if question not in ("began", "time")]


class Books:
    """Local: it hears of everything at once, or of nothing after the start."""

    can_apply = CanApply.NOT

    def __init__(self, world: World, *, hears: bool) -> None:
        self._world, self._hears = world, hears
        self._first = world.snapshot("main")

    async def read(self) -> Snapshot:
        held = self._world.snapshot("main") if self._hears else replace(self._first, as_of=self._world.clock.now())
        return replace(held, source="local")

    async def apply(self, changes: Sequence[Change], *, reason: str) -> None:
        raise AssertionError("nothing is booked here")

    async def adopt(self, snapshot: Snapshot) -> None:
        raise AssertionError("nothing is adopted here")


class Desk:
    """A reconciler of one account of which nothing is open: its last reading, in the strict order, matched."""

    def __init__(self, *, hears: bool = False) -> None:
        self.street = Street()
        self.venue = Venue(self.street)
        self.books = Books(self.street.world, hears=hears)
        account = Account(name="main", local=self.books, broker=self.venue, policy=Policy(mode="shadow"))
        self.reconciler = PositionReconciler({"main": account}, self.street.clock)

    async def quiet(self) -> Desk:
        assert (await self.read()).status == "matched"
        return self

    async def read(self, *, trigger: Any = "schedule") -> ReconciliationReport:
        """One reconciliation after a while."""
        self.street.clock.advance(60)
        self.venue.answered = [("began", self.street.world.snapshot("main"))]
        return await self.reconciler.reconcile("main", trigger=trigger)


def strictly(asked: Sequence[str]) -> bool:
    """Whether the last reading was in the strict order."""
    last = list(asked[-5:])
    return set(last[:2]) == set(LISTS) and last[2] == "orders" and set(last[3:]) == {"positions", "balances"}


def stated(venue: Venue, moments: dict[str, Snapshot]) -> dict[str, Any]:
    """What a reading in the strict order would say that begins when the last one did, and has its orders and holdings."""
    began = venue.answered[0][1]
    first: dict[Section, Snapshot] = dict.fromkeys(LISTS, began) | {
        section: moments[section] for section in ("orders", "positions", "balances")
    }
    rows: dict[str, Any] = {section: getattr(snapshot, section) or () for section, snapshot in first.items()}
    return rows | {"orders": live(first["orders"])}


SCRIPTS = st.lists(st.tuples(st.integers(0, 3), st.lists(st.sampled_from(DEEDS), max_size=2)), max_size=12)


@pytest.mark.parametrize("hears", [False, True])
@settings(max_examples=1500 if PROVE else 60, deadline=None)
@given(script=SCRIPTS, before=st.lists(st.sampled_from(DEEDS), max_size=2))
def test_what_stands_is_a_reading_in_the_strict_order_and_true_at_one_moment_of_it(
    hears: bool, script: list[tuple[int, list[Deed]]], before: list[Deed]
) -> None:
    """Whatever happens between its requests, MATCHED at once is said only of rows that the strict order would have had.

    At one moment of it, at least, everything at the venue was as local has it; and a difference is never from another order.
    """

    async def told() -> None:
        desk = await Desk(hears=hears).quiet()
        for deed in before:
            desk.street.happen(deed)
        desk.venue.script = list(script)
        report = await desk.read()
        seen, venue = desk.reconciler.observed["main"].broker, desk.venue
        assert isinstance(seen, Snapshot)
        if strictly(venue.asked):
            return
        assert (report.status, report.discrepancies, len(venue.asked)) == ("matched", (), 5)
        assert {section: getattr(seen, section) for section in SECTIONS} == stated(venue, dict(venue.answered))
        if not hears:
            held = await desk.books.read()
            agree = [_same(held, snapshot) for _, snapshot in venue.answered]
            assert any(agree), "true at no moment"

    asyncio.run(told())


def _same(one: Snapshot, other: Snapshot) -> bool:
    return live(one) == live(other) and (one.positions, one.balances) == (other.positions, other.balances)


async def test_a_quiet_account_is_asked_for_orders_beside_the_lists() -> None:
    """Where nothing is open a scheduled reading takes one step less; it stands, and the next one does the same."""
    desk = await Desk().quiet()
    for _ in range(3):
        assert (await desk.read()).status == "matched"
        assert desk.venue.asked[0] == "orders" and len(desk.venue.asked) == 5


@pytest.mark.parametrize("trigger", ["event", "manual", "startup"])
async def test_only_a_scheduled_reading_is_at_once(trigger: str) -> None:
    """An event, a person and a start are answered in the strict order straight away."""
    desk = await Desk().quiet()
    await desk.read(trigger=trigger)
    assert strictly(desk.venue.asked) and len(desk.venue.asked) == 5


async def test_an_order_of_somebody_else_that_fills_while_it_is_read_is_seen() -> None:
    """It rested when the reading began and is gone from the list: what it did to the holdings is there, and is told."""
    desk = await Desk().quiet()
    desk.street.happen("place")
    desk.venue.script = [(0, ()), (2, ("fill",))]  # after fills and activities have answered, before orders do
    report = await desk.read()
    assert report.status == "discrepancies" and strictly(desk.venue.asked) and len(desk.venue.asked) == 10


async def test_in_one_step_for_all_sections_that_order_would_be_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Why holdings come after orders even here: asked for beside them, an account that never agreed would match."""
    monkeypatch.setattr(road, "READ_AT_ONCE", (("positions", "balances", "fills", "activities", "orders"),))
    desk = await Desk().quiet()
    desk.street.happen("place")
    desk.venue.script = [(0, ())] * 5 + [(0, ("fill",))]
    assert (await desk.read()).status == "matched"


@pytest.mark.parametrize("deed", ["place", "deposit", "trade"])
async def test_a_difference_is_read_once_more_and_then_in_the_strict_order_till_it_is_gone(deed: Deed) -> None:
    """It costs one reading more, once: while a break is open each reading is in the strict order from the start."""
    desk = await Desk().quiet()
    desk.street.happen(deed)
    for asked in (10, 5, 5):
        assert (await desk.read()).status == "discrepancies"
        assert strictly(desk.venue.asked) and len(desk.venue.asked) == asked


async def test_a_section_that_fails_is_asked_for_once_more_and_tells_nothing_of_the_first() -> None:
    """What did not come whole at once is read anew; a failure that lasts is in the report, and never an empty section."""
    desk = await Desk().quiet()
    desk.venue.faults.inject(FaultRule(fault=Fault.TIMEOUT, calls=frozenset(("get_open_orders",)), times=1))
    assert (await desk.read()).status == "matched"
    desk.venue.faults.inject(FaultRule(fault=Fault.TIMEOUT, calls=frozenset(("get_open_orders",)), times=9))
    await desk.read()
    report = await desk.read()
    assert (report.status, report.coverage["orders"]) == ("incomplete", "failed")


async def test_a_fill_that_came_meanwhile_sends_it_to_the_strict_order_even_where_both_sides_agree() -> None:
    """Local heard of it and the sides agree; which lists had it is left to the order that later readings build on."""
    desk = await Desk(hears=True).quiet()
    desk.venue.script = [(0, ()), (0, ("trade",))]
    report = await desk.read()
    assert (report.status, len(desk.venue.asked)) == ("matched", 10)
    seen = desk.reconciler.observed["main"].broker
    assert isinstance(seen, Snapshot) and all(fill.at < seen.as_of for fill in seen.fills or ())


async def test_a_missed_fill_after_many_readings_at_once_is_explained_as_one() -> None:
    """Readings at once leave a baseline that is sound: the fill that local missed is a fill, and no doubt of the broker."""
    desk = await Desk().quiet()
    for _ in range(3):
        await desk.read()
    desk.street.happen("trade")
    report = await desk.read()
    causes = {row.cause.code for row in report.discrepancies if row.domain == "position"}
    assert {str(cause) for cause in causes} == {"EXTERNAL_TRADE"}
