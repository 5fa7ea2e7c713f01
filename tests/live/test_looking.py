"""Targeted readings: what is touched is looked at, and nothing is concluded from what was not read."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.live.test_reconciler import Desk
from tieout.books.engine_books import EngineBooks
from tieout.brokers.simulated import Fault, FaultRule
from tieout.brokers.streams.base import Heard, StreamEvent
from tieout.live.looking import part_of
from tieout.live.touched import EVERYTHING, Touched, both, touched_by
from tieout.model.discrepancy import ActionKind, ActionStatus, CauseCode
from tieout.model.report import ReconciliationReport
from tieout.model.snapshot import SECTIONS, Section, Snapshot
from tieout.model.word import Verdict, Word
from tieout.observe.reading import READ_ORDER, read_account

TRADE = frozenset[Section](("fills", "orders", "positions", "balances"))
ORDER = frozenset[Section](("orders", "balances"))
EVENTS = st.builds(
    StreamEvent, what=st.sampled_from((Heard.TOUCHED, Heard.UNREADABLE, Heard.LISTENING)),
    section=st.none() | st.sampled_from(SECTIONS),
)  # fmt: skip


async def settled(**about: object) -> Desk:
    """A desk after its first whole reconciliation, which found nothing."""
    desk = Desk(**about)  # type: ignore[arg-type]
    assert (await desk.read()).status == "matched"
    return desk


async def look(desk: Desk, sections: frozenset[Section] = TRADE) -> ReconciliationReport | None:
    return await desk.reconciler.look("main", sections)


@given(events=st.lists(EVENTS, min_size=1, max_size=5))
def test_a_burst_calls_for_what_it_touched_and_for_everything_where_that_is_not_known(
    events: Sequence[StreamEvent],
) -> None:
    """Each section an event names is among those read; one that names none, or comes after a gap, calls for a whole one."""
    touched: Touched = frozenset()
    for event in events:
        touched = both(touched, touched_by(event))
    unsure = any(event.what is not Heard.TOUCHED or event.section is None for event in events)
    assert (touched is EVERYTHING) == unsure
    assert touched is None or {event.section for event in events} <= touched


@pytest.mark.parametrize("sections", [TRADE, ORDER, frozenset[Section](("activities", "balances"))])
async def test_what_is_not_asked_for_is_absent_and_never_empty(sections: frozenset[Section]) -> None:
    """Of the broker only the sections given are fetched; the others say that they were not, and vouch for no time."""
    desk = Desk()
    seen = await read_account("main", desk.books, desk.broker, desk.clock, order=part_of(READ_ORDER, sections))
    assert isinstance(seen.broker, Snapshot)
    assert {name for name in SECTIONS if getattr(seen.broker, name) is not None} == sections
    assert {name for name in SECTIONS if seen.broker.covers(name) == "complete"} == sections
    assert (seen.broker.fills_since is None) == ("fills" not in sections)
    assert (seen.broker.activities_since is None) == ("activities" not in sections)


async def test_a_look_that_finds_nothing_says_what_it_did_not_compare() -> None:
    """Sides in step, seen in part: matched, with the sections that were left out told as not fetched."""
    desk = await settled()
    report = await look(desk, ORDER)
    assert report is not None
    assert (report.status, report.trigger) == ("matched", "event")
    assert report.coverage == {
        "positions": "not_fetched", "balances": "compared", "orders": "compared", "fills": "not_fetched",
    }  # fmt: skip
    assert set(report.summary.compared) == {"balances", "orders"}


async def test_somebody_elses_trade_is_seen_at_once_and_judged_by_the_whole_reading_after_it() -> None:
    """A trade of this moment is shown as in flight, and nothing is done; a whole reading names and confirms it."""
    desk = await settled()
    desk.world.trade("main", "AAPL", "buy", Decimal(3), Decimal(190))
    before = await desk.held()
    seen = await look(desk)
    assert seen is not None
    assert {row.cause.code for row in seen.discrepancies} == {CauseCode.IN_FLIGHT}
    assert not any(row.confirmed for row in seen.discrepancies)
    assert {each.action for each in seen.actions} == {ActionKind.WAIT}, "so that it is read again soon"
    assert {each.status for each in seen.actions} == {ActionStatus.SKIPPED}
    report = await desk.read(3)
    assert {row.cause.code for row in report.discrepancies} == {CauseCode.EXTERNAL_TRADE}
    assert all(row.confirmed for row in report.discrepancies)
    assert await desk.held() != before, "a MODERATE one is booked, by the whole reading"


async def test_a_trade_that_is_old_when_it_is_seen_is_for_a_whole_reading_at_once() -> None:
    """What could be confirmed, and acted on, is not shown as less than that."""
    desk = await settled()
    desk.world.trade("main", "AAPL", "buy", Decimal(3), Decimal(190))
    desk.clock.advance(30)
    assert await look(desk) is None


@pytest.mark.parametrize("kind", ["deposit", "withdrawal", "transfer"])
@pytest.mark.parametrize("sections", [TRADE, ORDER])
async def test_what_only_an_unread_section_explains_is_never_called_unknown(
    kind: str, sections: frozenset[Section]
) -> None:
    """Money that came or went, seen without the activities that say so: a whole reading is asked for, and names it."""
    desk = await settled()
    amount = Decimal(-500) if kind == "withdrawal" else Decimal(500)
    desk.world.office.pay("main", kind, "USD", amount)  # type: ignore[arg-type]
    assert await look(desk, sections) is None
    report = await desk.read(3)
    assert {row.cause.code.value for row in report.discrepancies} == {kind.upper()}


async def test_looks_are_no_readings_that_confirm_close_or_halt() -> None:
    """However many there are, over an hour: what the next whole reading starts from is what the last one left."""
    desk = await settled()
    desk.world.trade("main", "AAPL", "buy", Decimal(60), Decimal(190))  # CRITICAL: it will halt
    unexplained = await desk.read(1)
    assert [row.cause.code for row in unexplained.discrepancies] == [CauseCode.IN_FLIGHT] * 2
    state = desk.reconciler._states["main"]
    for _ in range(60):
        desk.clock.advance(60)
        assert await look(desk) is None, "by now it is a trade of somebody else's, for a whole reading to judge"
        assert await look(desk, ORDER) is None
    assert desk.reconciler._states["main"] is state
    report = await desk.read(1)
    assert {row.cause.code for row in report.discrepancies} == {CauseCode.EXTERNAL_TRADE}
    assert report.halts


async def test_what_a_look_does_not_find_any_more_is_closed_by_a_whole_reading() -> None:
    """A difference within tolerance is shown as known; that it is gone, or grew, is for a whole reading to say."""
    desk = await settled()
    held = await desk.books.read()
    cash = tuple(replace(row, total=row.total - 5, available=None, locked=None) for row in held.balances or ())
    desk.books.__dict__.update(EngineBooks.opened_from(replace(held, balances=cash), desk.clock).__dict__)
    found = await desk.read()
    assert (found.status, len(found.discrepancies)) == ("matched", 1), "five dollars are tolerated"
    seen = await look(desk)
    assert seen is not None
    assert seen.discrepancies == found.discrepancies
    mended = EngineBooks.opened_from(held, desk.clock)
    desk.books.__dict__.update(mended.__dict__)
    assert await look(desk) is None
    assert (await desk.read()).discrepancies == ()


@pytest.mark.parametrize("call", ["get_fills", "get_positions", "get_balances", "get_open_orders"])
@pytest.mark.parametrize("fault", [Fault.TIMEOUT, Fault.UNAVAILABLE, Fault.EMPTY, Fault.DROPPED])
async def test_a_section_that_fails_in_a_look_is_left_to_a_whole_reading(call: str, fault: Fault) -> None:
    """An answer that did not come, or came without rows, is nothing that a look concludes from."""
    desk = await settled()
    desk.world.trade("main", "AAPL", "buy", Decimal(3), Decimal(190))
    desk.broker.faults.inject(FaultRule(fault=fault, calls=frozenset((call,)), times=None))  # type: ignore[arg-type]
    seen = await look(desk)
    if seen is not None:
        assert fault in (Fault.EMPTY, Fault.DROPPED), "no rows of orders where there are none, or less of a list"
        assert {row.cause.code for row in seen.discrepancies} <= {CauseCode.IN_FLIGHT}
        assert not any(row.confirmed for row in seen.discrepancies)
        assert not seen.halts


async def test_no_look_says_matched_while_a_break_stands_elsewhere_or_the_account_is_not_read_whole() -> None:
    """What is out of order among the positions is not hidden by orders and cash that agree; nor is a side that failed."""
    desk = await settled()
    desk.world.set_price("AAPL", Decimal(190))
    held = await desk.books.read()
    rows = tuple(replace(row, amount=row.amount - 7) for row in held.positions or ())
    desk.books.__dict__.update(EngineBooks.opened_from(replace(held, positions=rows), desk.clock).__dict__)
    assert (await desk.read()).status == "discrepancies"
    assert await look(desk, ORDER) is None
    assert await look(desk) is None, "what stands is judged anew whenever something happens"
    other = await settled()
    other.broker.faults.inject(FaultRule(fault=Fault.TIMEOUT, calls=frozenset(("get_positions",)), times=1))
    assert (await other.read()).status == "incomplete"
    assert await look(other, ORDER) is None


async def test_no_look_before_a_whole_reading_nor_while_words_wait() -> None:
    """There is nothing to hold a first look against; and a person's word is heard before anything is said again."""
    desk = Desk()
    assert await look(desk) is None
    await desk.read()
    assert await look(desk) is not None
    word = Word(id="w", account="main", subject="main", verdict=Verdict.HALT, actor="ann", text="wait")
    await desk.reconciler.say(word)
    assert await look(desk) is None
    halted = await desk.read()
    assert halted.halts
    seen = await look(desk)
    assert seen is not None
    assert seen.halts == halted.halts, "a halt is not hidden by a look"
