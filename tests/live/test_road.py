"""The road on small histories: what must not go wrong where several rules meet."""

from __future__ import annotations

from msgspec.structs import replace

from tests.scenarios.building import OURS, Story, books, cash, fill, held, order, venue
from tieout.decide import Policy, Rule
from tieout.model.amounts import dec
from tieout.model.changes import SetPosition
from tieout.model.discrepancy import CauseCode, ReconciliationStrategy
from tieout.model.settings import AssetSettings, Settings


def test_a_position_is_set_in_locals_own_units() -> None:
    """Where both sides give a multiplier the products are compared, and the number set is still local's contracts."""
    settings = replace(OURS, assets={"X": AssetSettings(step=dec("0.1"))})
    rule = Rule(strategy=ReconciliationStrategy.SYNC_TO_BROKER)
    story = Story(settings, Policy(rules=(rule,)))
    ours = replace(held("1.0"), multiplier=dec("100"), market_price=dec("1"), currency="USD")
    theirs = replace(ours, amount=dec("1.001"), average_price=dec("1"))
    seen = story.twice(books(positions=[ours], balances=[]), venue(positions=[theirs], balances=[]))
    changes = [change for plan in seen.outcome.decided.plans for change in getattr(plan, "changes", ())]
    assert seen.one.difference == dec("0.1")
    assert [change.amount for change in changes if isinstance(change, SetPosition)] == [dec("1.001")]


def test_a_settlement_that_the_cash_does_not_bear_out_is_not_booked() -> None:
    """Nothing says whether the fill moved cash, and neither way closes it: the booking waits for a person."""
    bought = fill("f-1", "buy", "10", "100")
    ours = books(positions=[held("100")], balances=[cash("20000")], orders=[order("own-1")], fills=[])
    theirs = venue(
        positions=[held("110")], balances=[cash("19700")], orders=[order("own-1", "filled", "10")], fills=[bought]
    )
    seen = Story().twice(ours, theirs)
    assert "book_fill" not in seen.actions
    assert "book_fill" in seen.awaiting


def test_a_row_of_a_partial_section_is_compared_with_a_whole_one() -> None:
    """The broker's page is cut, but a row on it that local surely lacks is missing; rows beyond the page get no verdict."""
    ours = books(positions=[held("5", "A")])
    theirs = replace(venue(positions=[held("7", "B")]), coverage={"positions": "partial"})
    seen = Story().see(ours, theirs)
    assert [(row.asset, row.discrepancy_type) for row in seen.rows] == [("B", "MISSING_LOCAL")]
    assert seen.report.status == "discrepancies"


def test_an_unknown_status_neither_counts_nor_forgets() -> None:
    """A reading in which the broker does not know an order's status leaves its break as it was."""
    story = Story()
    ours = books(orders=[order("own-1")])
    first = story.see(ours, venue(orders=[order("own-1", "cancelled")]))
    between = story.see(ours, venue(orders=[order("own-1", "unknown")]))
    last = story.see(ours, venue(orders=[order("own-1", "cancelled")]))
    assert between.rows == ()
    assert first.one.discrepancy_id == last.one.discrepancy_id


def test_adding_to_an_inverse_position_makes_no_profit() -> None:
    """Missed inverse fills, one adding and one closing: the profit claimed is what the contracts' own coins say."""
    inverse = replace(held("100", average="50000"), settlement="inverse", currency="BTC")
    fills = [
        replace(fill("f-1", "buy", "100", "25000"), settlement="inverse"),
        replace(fill("f-2", "sell", "200", "40000"), settlement="inverse"),
    ]
    # 100/50000 + 100/25000 - 200/40000 coins, by hand.
    ours = books(positions=[inverse], balances=[cash("1", "BTC")], fills=[], orders=[order("own-1")])
    theirs = venue(positions=[], balances=[cash("1.001", "BTC")], fills=fills, orders=[])
    seen = Story(Settings(threshold_usd=dec("0"), unvalued_percent=dec("0"))).see(ours, theirs)
    balance = seen.of("balance")
    assert (balance.cause.code, balance.cause.residual) == (CauseCode.MISSED_FILL, dec("0"))
