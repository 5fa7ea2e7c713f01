"""Laws that hold for every history: the same bytes, one identity a break, no booking on doubt, and cures that cure."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Literal

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from tests.decide.building import (
    BOOKINGS,
    DOWN,
    OLD,
    START,
    Side,
    booked,
    cash,
    decided,
    fill,
    moment,
    moved,
    order,
    pos,
    reading,
    side,
    text,
    told,
)
from tieout.books.engine_books import EngineBooks
from tieout.clock import VirtualClock
from tieout.compare import compare
from tieout.decide import Decided, Policy
from tieout.model.amounts import ZERO, exact
from tieout.model.case import Approved
from tieout.model.changes import AdoptOrder, SetBalance, SetPosition, UpdateOrder
from tieout.model.discrepancy import DOUBTS
from tieout.model.report import Discrepancy, ReconciliationReport
from tieout.model.settings import Settings
from tieout.model.snapshot import Observation, SideError, Snapshot

Known = Literal["both", "broker", "local", "twice"]


class Event(Struct, frozen=True):
    """Something that happened, and who knows of it (local may have booked it twice)."""

    kind: str
    amount: int
    price: int
    at: float
    known: Known

    @property
    def broker(self) -> bool:
        """Whether the broker's books hold it."""
        return self.known != "local"

    @property
    def times(self) -> int:
        """How often local booked it."""
        return {"both": 1, "broker": 0, "local": 1, "twice": 2}[self.known]


KINDS = ("own", "other", "deposit", "withdrawal", "dividend", "funding", "fee")
events = st.builds(
    Event,
    kind=st.sampled_from(KINDS),
    amount=st.integers(-900, 900).filter(bool),
    price=st.integers(1, 300),
    at=st.sampled_from([OLD, OLD + 1, OLD + 2, -90.0, -30.0, -1.0]),
    known=st.sampled_from(["both", "both", "broker", "local", "twice"]),
)
drifts = st.sampled_from([0, 0, 0, 1, 40, -700])


def rows_of(number: int, event: Event, times: int) -> list[Any]:
    """The event's record, so often."""
    if event.kind in ("own", "other"):
        more: dict[str, Any] = {"client_order_id": "c-1"} if event.kind == "own" else {}
        way: Any = "buy" if event.amount > 0 else "sell"
        name = f"f{number}"
        return [fill(name, way, str(abs(event.amount)), price=str(event.price), at=event.at, **more)] * times
    return [moved(f"a{number}", event.kind, str(event.amount), at=event.at)] * times  # type: ignore[arg-type]


def book(happened: Sequence[tuple[Event, int]], position: int = 0, drift: int = 0) -> Side:
    """A book that began with 1000 X, 500000 USD and an own fill, and booked each event so often."""
    held, total, rows = 1000 + position, 500_000 + drift, [fill("f", "buy", "1", at=OLD - 9, client_order_id="c-1")]
    for number, (event, times) in enumerate(happened):
        rows += rows_of(number, event, times)
        if event.kind in ("own", "other"):
            held += event.amount * times
            total -= event.amount * times * event.price
        else:
            total += event.amount * times
    since = moment(OLD - 10)
    return side(
        pos("X", str(held), settlement="cash"), cash(str(total)), *rows, fills_since=since, activities_since=since
    )


@st.composite
def sides(draw: st.DrawFn) -> tuple[Side, Side]:
    """Local's book and the broker's, of one course of events."""
    happened = draw(st.lists(events, max_size=5))
    local = book([(event, event.times) for event in happened])
    broker = book([(event, int(event.broker)) for event in happened], draw(drifts), draw(drifts))
    return local, broker


@st.composite
def histories(draw: st.DrawFn) -> list[Observation]:
    """Up to six readings of up to three courses of events, with outages and parts in between."""
    pairs = draw(st.lists(sides(), min_size=1, max_size=3))
    history, at = [], 0.0
    for _ in range(draw(st.integers(1, 6))):
        local, broker = draw(st.sampled_from(pairs))
        weather = draw(st.sampled_from(["fair", "fair", "fair", "down", "blind", "part"]))
        seen: Side | SideError = broker
        if weather == "down":
            seen = DOWN
        elif weather == "part":
            seen = side(*(broker.positions or ()), *(broker.balances or ()), coverage={"positions": "partial"})
        history.append(reading(at, DOWN if weather == "blind" else local, seen, account=draw(st.sampled_from("ab"))))
        at += draw(st.sampled_from([1.0, 30.0, 45.0, 1000.0]))
    return history


@given(histories())
def test_the_same_history_gives_the_same_bytes(history: list[Observation]) -> None:
    """Nothing but the history decides."""
    assert text(told(history)) == text(told(history))


@given(histories())
def test_accounts_do_not_touch_each_other(history: list[Observation]) -> None:
    """An account's reports are the same with and without another account's readings in between."""
    alone = [told([one for one in history if one.account == name]) for name in "ab"]
    together = told(history)
    assert [text([r for r in together if r.account == name]) for name in "ab"] == [text(reports) for reports in alone]


@given(histories())
def test_a_break_keeps_its_identity_while_it_stands(history: list[Observation]) -> None:
    """Identity changes only if a complete reading of that section showed the break gone."""
    sections = {"position": "positions", "balance": "balances", "order": "orders", "fill": "fills"}
    known: dict[tuple[str, str, str, str | None], str] = {}
    for report in told(history):
        found = {(report.account, d.domain, d.asset, d.fill_id): d.discrepancy_id for d in report.discrepancies}
        for name in list(known):
            whole = report.coverage[sections[name[1]]] == "compared"
            if name[0] == report.account and whole and name not in found:
                del known[name]
        for name, identity in found.items():
            assert known.setdefault(name, identity) == identity
        assert len(set(found.values())) == len(found)


def cases_of(report: ReconciliationReport) -> list[tuple[list[Discrepancy], list[Any]]]:
    """The bookings of a report that would be made without asking, each with the breaks that call for it."""
    rows = {one.discrepancy_id: one for one in report.discrepancies}
    planned = [one for one in report.actions if one.action in BOOKINGS and one.status == "planned"]
    return [([rows[name] for name in one.discrepancy_ids], [one]) for one in planned]


@given(histories())
def test_nothing_is_booked_that_is_unconfirmed_in_doubt_or_halted(history: list[Observation]) -> None:
    """Every booking that is planned belongs to a case whose members may all be acted on."""
    for report in told(history):
        for members, _ in cases_of(report):
            voting = [one for one in members if not one.within_tolerance]
            assert all(one.confirmed for one in voting)
            assert not any(one.cause.code in DOUBTS for one in voting)
            assert {str(one.strategy) for one in members} == {"SYNC_TO_BROKER"}


@given(histories())
def test_a_failed_side_yields_no_discrepancy_and_no_booking(history: list[Observation]) -> None:
    """What could not be read is neither wrong nor mended."""
    for one, report in zip(history, told(history), strict=True):
        if isinstance(one.local, SideError) or isinstance(one.broker, SideError):
            assert report.discrepancies == ()
            assert booked(report) == []
            assert report.status == "incomplete"


@given(histories())
def test_no_record_is_booked_twice_in_a_report(history: list[Observation]) -> None:
    """One action a record, whatever breaks it explains."""
    for report in told(history):
        names = [
            (a.action, a.detail.get("fill_id"), a.detail.get("activity_id"))
            for a in report.actions
            if "fill_id" in a.detail or "activity_id" in a.detail
        ]
        repeats = {name for name in names if names.count(name) > 1}
        assert not repeats


@given(histories())
def test_unconfirmed_breaks_only_wait(history: list[Observation]) -> None:
    """While a voting member is unconfirmed, its case does nothing but wait."""
    for report in told(history):
        open_ones = {d.discrepancy_id for d in report.discrepancies if not d.confirmed and not d.within_tolerance}
        assert {a.action for a in report.actions if open_ones & set(a.discrepancy_ids)} <= {"wait"}


@exact
def left_over(observation: Observation, result: Decided, plan: Approved) -> dict[tuple[str, str], Decimal]:
    """What still differs, by domain and asset, once a plan is carried out on a copy of local."""
    assert isinstance(observation.local, Snapshot) and isinstance(observation.broker, Snapshot)
    books = EngineBooks.opened_from(observation.local, VirtualClock(START))
    asyncio.run(books.apply(plan.bookings, reason=plan.reason))
    after = asyncio.run(books.read())
    coverage: Any = dict.fromkeys(("positions", "balances"), "compared")
    return {(d.key.domain, d.key.asset): d.difference for d in compare(after, observation.broker, coverage, Settings())}


@settings(deadline=None)
@given(st.lists(sides(), min_size=1, max_size=2))
def test_what_is_planned_leaves_the_residual_that_was_reported(pairs: list[tuple[Side, Side]]) -> None:
    """Carried out on real books, a plan brings every row it moves to the residual reported for it."""
    history = [reading(30 * n, *pairs[n // 2]) for n in range(2 * len(pairs))]
    for one, (report, result) in zip(history, decided(history), strict=True):
        before = {(str(d.domain), d.asset): d for d in report.discrepancies if d.domain in ("position", "balance")}
        for plan in result.plans:
            if not isinstance(plan, Approved) or any(isinstance(c, (UpdateOrder, AdoptOrder)) for c in plan.changes):
                continue
            after = left_over(one, result, plan)
            numbers = any(isinstance(change, (SetPosition, SetBalance)) for change in plan.changes)
            for name in before.keys() | after.keys():
                found = before.get(name)
                mine = found is not None and found.discrepancy_id in plan.discrepancy_ids
                if found is not None and not mine:
                    # Untouched; or touched by a record, and then left at the residual that was reported for it.
                    assert after.get(name, ZERO) in (found.difference, found.cause.residual)
                elif found is not None and not numbers:
                    assert after.get(name, ZERO) == found.cause.residual
                else:
                    assert name not in after


@given(st.lists(st.sampled_from(["open", "cancelled", "filled", "absent"]), min_size=4, max_size=4))
def test_orders_are_changed_only_as_the_broker_says(statuses: list[Any]) -> None:
    """Whatever the two sides say of an order, no order is sent or cancelled, and only a live one is adopted."""
    ours, theirs = statuses[:2], statuses[2:]
    local = side(
        cash("5"),
        *(order(f"c{n}", s, filled="10" if s == "filled" else "0") for n, s in enumerate(ours) if s != "absent"),
    )
    broker = side(
        cash("5"),
        *(order(f"c{n}", s, filled="10" if s == "filled" else "0") for n, s in enumerate(theirs) if s != "absent"),
    )
    history = [reading(30 * n, local, broker) for n in range(3)]
    for report, result in decided(history, Policy()):
        assert not [a for a in report.actions if a.action in ("submit_order", "cancel_order")]
        for plan in result.plans:
            if isinstance(plan, Approved):
                assert all(change.order.live for change in plan.changes if isinstance(change, AdoptOrder))
