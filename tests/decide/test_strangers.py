"""Nobody else's doing is booked by itself because the row that shows it is too small to be judged."""

from __future__ import annotations

from decimal import Decimal

from msgspec.structs import replace

from tests.scenarios.building import OURS, Story, books, cash, fill, held, venue
from tieout.model.report import ReconciliationReport
from tieout.model.snapshot import Fill, Position


def test_a_strangers_trade_that_only_a_tolerated_row_shows_is_asked_about() -> None:
    """Our fee was paid in a currency that a stranger's trade moved, too: what closes both waits for somebody's approval."""
    mine = replace(fill("f-4", "buy", "10", "100", seconds_ago=7200), fee=Decimal("0.1"), fee_currency="EUR")
    theirs = replace(fill("e-4", "sell", "10", "0.5", name="stranger", seconds_ago=7100), quote="EUR")
    both = seen((mine, theirs), "10004.9")
    assert {row.asset: row.within_tolerance for row in both.discrepancies} == {"EUR": True, "USD": False}
    assert booked(both) == ["awaiting_approval", "awaiting_approval"]
    assert booked(seen((mine,), "9999.9", held("10"))) == ["planned"]


def seen(fills: tuple[Fill, ...], euros: str, *more: Position) -> ReconciliationReport:
    """What a reading finds where the books heard of none of the broker's fills."""
    local = books(
        positions=[held("7", "Y")], balances=[cash("10000"), cash("10000", "EUR")], orders=[], fills=[], activities=[]
    )
    broker = venue(
        positions=[held("7", "Y"), *more],
        balances=[cash("9000"), cash(euros, "EUR")],
        orders=[],
        fills=fills,
        activities=[],
    )
    return Story(OURS).see(local, broker).report


def booked(report: ReconciliationReport) -> list[str]:
    """What becomes of the fills."""
    return [action.status for action in report.actions if action.action == "book_fill"]
