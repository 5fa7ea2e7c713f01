"""What the venue does by itself, whose orders are whose, and what an account leaves out."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.scenarios.building import OURS, Story, activity, books, cash, fill, held, order, venue
from tieout.model.amounts import dec
from tieout.model.settings import AssetScope


@pytest.mark.parametrize(("quantity", "severity"), [("5", "MINOR"), ("1000", "CRITICAL")])
def test_a_forced_trade_always_halts(quantity: str, severity: str) -> None:
    """A liquidation or auto-deleveraging fill stops trading at any size; its booking waits for a person (class 37)."""
    forced = fill("f-1", "sell", quantity, name=None, forced=True)
    left = [held(str(1000 - int(quantity)))]
    seen = Story().see(books(positions=[held("1000")], fills=[]), venue(positions=left, fills=[forced]))
    assert (seen.one.cause.code, seen.one.severity) == ("LIQUIDATION", severity)
    assert (seen.actions, seen.awaiting) == (["halt", "alert"], ["book_fill"])


def test_a_forced_trade_of_our_own_order_is_still_forced() -> None:
    """The venue's flag weighs more than the client id that the fill bears (class 37)."""
    forced = fill("f-1", "sell", "5", name="own-1", forced=True)
    seen = Story().see(books(positions=[held("1000")], fills=[]), venue(positions=[held("995")], fills=[forced]))
    assert (seen.one.cause.code, seen.one.strategy) == ("LIQUIDATION", "HALT_AND_ALERT")


@pytest.mark.parametrize("kind", ["expiry", "assignment"])
async def test_a_delivery_is_booked_as_the_venues_activity(kind: str) -> None:
    """A contract that expired or was assigned is a corporate action, booked after a second reading (class 37)."""
    gone = activity("a-1", kind, "-10", asset="X")  # type: ignore[arg-type]
    local = books(positions=[held("10"), held("1", "Y")], activities=[])
    broker, story = venue(positions=[held("1", "Y")], activities=[gone]), Story()
    assert story.see(local, broker).actions == ["wait"]
    seen = story.see(local, broker)
    assert (seen.one.cause.code, seen.actions) == ("CORPORATE_ACTION", ["book_activity"])
    assert story.see(await seen.cured(), broker).report.status == "matched"


async def test_dust_converted_into_another_coin_is_one_record_for_both_balances() -> None:
    """A conversion takes one coin and gives another: two differences, one case, one booking (class 37)."""
    swept = activity("a-1", "conversion", "-0.3", asset="XRP", new=("BNB", "0.001"))
    local = books(balances=[cash("1.3", "XRP"), cash("1", "BNB")], activities=[])
    broker, story = venue(balances=[cash("1", "XRP"), cash("1.001", "BNB")], activities=[swept]), Story()
    seen = story.twice(local, broker)
    assert {row.cause.code for row in seen.rows} == {"CORPORATE_ACTION"}
    assert seen.actions == ["book_activity"]
    assert story.see(await seen.cured(), broker).report.status == "matched"


@pytest.mark.parametrize(
    ("kind", "amount"), [("funding", "-25"), ("rebate", "25"), ("interest", "-25"), ("fee", "-25")]
)
async def test_what_the_venue_charges_or_pays_is_booked_by_its_record(kind: str, amount: str) -> None:
    """Funding, rebates, interest and fees that local lacks explain the cash and are booked as such (class 37)."""
    paid = activity("a-1", kind, amount, currency="USD")  # type: ignore[arg-type]
    broker = venue(balances=[cash(str(1000 + int(amount)))], activities=[paid])
    story = Story()
    seen = story.see(books(balances=[cash("1000")], activities=[]), broker)
    assert (seen.one.cause.code, seen.actions) == (kind.upper(), ["book_activity"])
    assert story.see(await seen.cured(), broker).report.status == "matched"


@pytest.mark.parametrize(
    ("amount", "actions"),
    [("-50", ["alert"]), ("-300", ["book_activity", "alert"]), ("-3000", ["halt", "alert"])],
)
def test_cash_taken_by_the_venue_goes_by_severity_and_is_always_announced(amount: str, actions: list[str]) -> None:
    """An insurance claw-back, which reaches us as a transfer, warns, books or halts by its size (class 37)."""
    taken = activity("a-1", "transfer", amount, currency="USD")
    seen = Story().see(
        books(balances=[cash("10000")], activities=[]),
        venue(balances=[cash(str(10000 + int(amount)))], activities=[taken]),
    )
    assert (seen.one.cause.code, seen.actions) == ("TRANSFER", actions)


def test_slices_of_an_algorithm_of_ours_are_ours() -> None:
    """Child fills whose client ids bear our prefix are missed fills, one booking each (class 37)."""
    slices = [fill(f"f-{n}", "buy", "10", name=f"own-twap-{n}") for n in range(4)]
    seen = Story().see(books(positions=[], fills=[]), venue(positions=[held("40")], fills=slices))
    assert (seen.one.cause.code, seen.actions) == ("MISSED_FILL", ["book_fill"] * 4)


@pytest.mark.parametrize(
    ("ours", "theirs", "severity", "actions"),
    [
        ("1000", "1005", "MINOR", ["alert"]),
        ("100", "103", "MODERATE", ["book_fill", "alert"]),
        ("100", "150", "CRITICAL", ["halt", "alert"]),
    ],
)
def test_a_trade_by_somebody_else_goes_by_severity(ours: str, theirs: str, severity: str, actions: list[str]) -> None:
    """Fills of orders local never sent are an external trade: told, booked and told, or halted (class 34, 26)."""
    foreign = fill("f-1", "buy", str(int(theirs) - int(ours)), name="by-hand")
    seen = Story().see(books(positions=[held(ours)], fills=[]), venue(positions=[held(theirs)], fills=[foreign]))
    assert (seen.one.cause.code, seen.one.severity, seen.actions) == ("EXTERNAL_TRADE", severity, actions)


@pytest.mark.parametrize(("name", "code"), [("own-5", "LOST_SUBMISSION"), ("by-hand", "EXTERNAL_ORDER")])
def test_a_prefix_says_whose_an_order_is(name: str, code: str) -> None:
    """A live order at the broker is ours by its client id's prefix, and somebody else's without (class 34)."""
    assert Story().see(books(orders=[]), venue(orders=[order(name)])).one.cause.code == code


@pytest.mark.parametrize("scope", [AssetScope(include=("X",)), AssetScope(exclude=("THEIRS",))])
def test_assets_outside_an_accounts_scope_take_no_part(scope: AssetScope) -> None:
    """Positions, orders and fills of assets left out are not compared; the others are (class 34)."""
    broker = venue(
        positions=[held("103"), held("5", "THEIRS")],
        orders=[order("by-hand", asset="THEIRS")],
        fills=[fill("f-1", "buy", "5", name="by-hand", asset="THEIRS")],
    )
    seen = Story(replace(OURS, scope=scope)).see(books(positions=[held("100")], orders=[], fills=[]), broker)
    assert seen.one.asset == "X"


def test_what_somebody_else_holds_in_the_account_can_be_set_aside() -> None:
    """An unmanaged amount is taken off the broker's before comparing, and the report says so (class 33, 34)."""
    settings = replace(OURS, unmanaged={"BTC": dec("0.5")})
    seen = Story(settings).twice(books(balances=[cash("1", "BTC")]), venue(balances=[cash("1.5", "BTC")]))
    assert seen.report.status == "matched"
    assert any("unmanaged" in warning for warning in seen.report.summary.warnings)


def test_an_order_or_fill_of_an_asset_never_heard_of_is_reported() -> None:
    """No instrument has to be loaded: orders and fills of unknown assets stand in the report (class 35, P7)."""
    broker = venue(
        positions=[],
        orders=[order("by-hand", asset="NEW")],
        fills=[fill("f-1", "buy", "5", asset="NEW"), fill("f-2", "sell", "5", asset="NEW")],
    )
    seen = Story().twice(books(positions=[], orders=[], fills=[]), broker)
    assert sorted((row.domain, row.asset) for row in seen.rows) == [("fill", "NEW"), ("fill", "NEW"), ("order", "NEW")]
    assert seen.actions == ["alert"] * 3


def test_sides_that_count_in_other_units_are_a_matter_of_configuration() -> None:
    """A difference by just the contract size is named multiplier; it halts, and no fill is booked for it (X15)."""
    local = books(positions=[held("5", multiplier="10")], fills=[])
    seen = Story().twice(local, venue(positions=[held("50")], fills=[fill("f-1", "buy", "3")]))
    assert (seen.one.cause.code, seen.one.cause.evidence) == ("MULTIPLIER", ("fill f-1",))
    assert (seen.actions, seen.named("book_fill", "fill_id")) == (["halt", "alert"], [])
