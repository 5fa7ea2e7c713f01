"""Matching, funds, and everything that happens at the venue without being asked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from tieout.brokers.base import OrderRequest
from tieout.brokers.simulated import Instrument, World
from tieout.clock import VirtualClock
from tieout.errors import ActionRefused
from tieout.model.amounts import dec
from tieout.model.snapshot import Balance, Order, OrderSide, Position


def order(world: World, name: str, side: OrderSide = "buy", **terms: str) -> Order:
    """Send a limit order for one BTC unless *terms* say otherwise."""
    numbers = {key: dec(terms[key]) for key in ("quantity", "limit_price", "stop_price") if key in terms}
    request = OrderRequest(
        client_order_id=name,
        asset=terms.get("asset", "BTC/USD"),
        side=side,
        quantity=numbers.get("quantity", dec(1)),
        type=terms.get("type", "limit"),
        limit_price=numbers.get("limit_price"),
        stop_price=numbers.get("stop_price"),
        reduce_only=terms.get("reduce_only") == "yes",
    )
    return world.submit("main", request)


def now(world: World, name: str) -> Order:
    """The order of that client id as it stands."""
    resting = world.state.account("main").find(None, name)
    assert resting is not None
    return resting.order


def cash(world: World, currency: str) -> Balance:
    """The balance of that currency."""
    (row,) = [row for row in world.snapshot("main").balances or () if row.currency == currency]
    return row


def prices(world: World) -> list[Decimal]:
    """The prices of all fills so far."""
    return [fill.price for fill in world.snapshot("main").fills or ()]


def test_a_resting_limit_trades_at_its_own_price(world: World) -> None:
    """A limit order that rested trades at its limit once the market touches it, not before."""
    order(world, "c-1", limit_price="100")
    assert world.set_price("BTC/USD", dec("100.01")) == ()
    (fill,) = world.set_price("BTC/USD", dec(90))
    assert (fill.price, fill.fee, fill.fee_currency) == (dec(100), dec("0.1"), "USD")
    assert (cash(world, "USD").total, cash(world, "BTC").total) == (dec("899.9"), dec(3))


def test_a_limit_that_arrives_late_takes_the_market(world: World) -> None:
    """A limit order that can trade when it arrives gets the market's price."""
    world.set_price("BTC/USD", dec(90))
    assert order(world, "c-1", limit_price="100").status == "filled"
    assert prices(world) == [dec(90)]


def test_older_orders_go_first(world: World) -> None:
    """What is available is given to older orders first, and the rest stays open."""
    order(world, "c-1", limit_price="100")
    order(world, "c-2", limit_price="110")
    world.set_price("BTC/USD", dec(95), available=dec("1.25"))
    assert [(now(world, name).status, now(world, name).done) for name in ("c-1", "c-2")] == [
        ("filled", dec(1)),
        ("partially_filled", dec("0.25")),
    ]
    assert order(world, "c-3", type="market").status == "cancelled"


@pytest.mark.parametrize(
    ("side", "untouched", "touched"), [("buy", "109", "111"), ("sell", "91", "89")], ids=["buy", "sell"]
)
def test_a_stop_waits_until_it_is_touched(world: World, side: OrderSide, untouched: str, touched: str) -> None:
    """A stop becomes a market order at the price that touched it, and no sooner."""
    order(world, "c-1", side, type="stop", stop_price="110" if side == "buy" else "90", quantity="0.5")
    world.set_price("BTC/USD", dec(untouched))
    assert now(world, "c-1").status == "open"
    world.set_price("BTC/USD", dec(touched))
    assert (now(world, "c-1").status, prices(world)) == ("filled", [dec(touched)])


def test_a_stop_limit_stays_set_off(world: World) -> None:
    """A stop-limit order, once touched, is a limit order, also when the market has left the stop again."""
    order(world, "c-1", type="stop_limit", stop_price="110", limit_price="105")
    world.set_price("BTC/USD", dec(112))
    assert prices(world) == []
    world.set_price("BTC/USD", dec(104))
    assert prices(world) == [dec(105)]


def test_resting_orders_lock_what_they_could_cost(world: World) -> None:
    """A buy locks quote with its fee, a sell the coin; filling, cancelling and expiring give it back."""
    order(world, "c-1", limit_price="100", quantity="2")
    sell = order(world, "c-2", "sell", limit_price="200", quantity="1.5")
    assert (cash(world, "USD").locked, cash(world, "USD").available) == (dec("200.2"), dec("799.8"))
    assert (cash(world, "BTC").locked, cash(world, "BTC").available) == (dec("1.5"), dec("0.5"))
    world.fill("main", now(world, "c-1").broker_order_id or "", dec("0.5"), dec(99))
    assert cash(world, "USD").locked == dec("150.15")
    world.cancel("main", client_order_id="c-1")
    world.end("main", sell.broker_order_id or "")
    assert (cash(world, "USD").locked, cash(world, "BTC").locked) == (dec(0), dec(0))
    assert now(world, "c-2").status == "expired"


def test_what_is_locked_cannot_be_spent_twice(world: World) -> None:
    """An order is refused when its funds are held by another one, and taken again when they are free."""
    order(world, "c-1", limit_price="900")
    with pytest.raises(ActionRefused, match="insufficient funds"):
        order(world, "c-2", limit_price="100")
    world.cancel("main", client_order_id="c-1")
    assert order(world, "c-2", limit_price="100").status == "open"


@pytest.mark.parametrize(
    "terms",
    [
        {"type": "market"},
        {"type": "limit"},
        {"type": "limit", "limit_price": "1", "stop_price": "1"},
        {"type": "iceberg", "limit_price": "1"},
        {"limit_price": "1", "asset": "NONE"},
        {"limit_price": "1", "quantity": "0.0000000000000000001"},
        {"limit_price": "1", "asset": "FUT", "reduce_only": "yes"},
        {"limit_price": "1", "reduce_only": "yes"},
        {"limit_price": "-1"},
    ],
)
def test_what_makes_no_sense_is_refused(world: World, terms: dict[str, str]) -> None:
    """Orders without a market, with other prices than their type has, or with nothing to reduce are refused."""
    before = world.snapshot("main")
    with pytest.raises(ActionRefused):
        order(world, "c-1", "buy", **terms)
    assert world.snapshot("main") == before


def test_a_reducing_order_never_turns_the_position(world: World) -> None:
    """A reduce-only order closes what there is, and its rest is cancelled."""
    world.trade("main", "FUT", "buy", dec(2), dec(50))
    world.set_price("FUT", dec(60))
    closed = order(world, "c-1", "sell", asset="FUT", type="market", quantity="5", reduce_only="yes")
    assert (closed.status, closed.filled) == ("cancelled", dec(2))
    assert world.snapshot("main").positions == ()
    assert cash(world, "USD").total == dec(1200)


def test_margin_settles_the_profit_on_the_average_cost(world: World) -> None:
    """Opening moves no cash, closing the profit times the multiplier, turning opens at the new price."""
    for side, quantity, price in (("buy", "1", "50"), ("buy", "3", "54"), ("sell", "6", "55")):
        world.trade("main", "FUT", "buy" if side == "buy" else "sell", dec(quantity), dec(price))
    (row,) = world.snapshot("main").positions or ()
    assert (row.amount, row.average_price, row.settlement) == (dec(-2), dec(55), "margin")
    assert cash(world, "USD").total == dec(1000) + 4 * dec(2) * 10


def test_inverse_settles_in_the_coin(world: World) -> None:
    """An inverse contract realises contracts × multiplier × (1/entry − 1/exit) in its coin."""
    world.add_instrument(Instrument(asset="INV", kind="inverse", currency="BTC", multiplier=dec(100)))
    world.trade("main", "INV", "buy", dec(10), dec(20000))
    world.trade("main", "INV", "sell", dec(10), dec(25000))
    assert cash(world, "BTC").total == dec(2) + dec("0.01")


@pytest.mark.parametrize(
    ("coin", "usd", "btc"), [("USD", "899", "3"), ("BTC", "900", "2.99"), ("BNB", "900", "3")], ids=str
)
def test_fees_are_taken_where_the_venue_takes_them(world: World, coin: str, usd: str, btc: str) -> None:
    """A fee in the quote, in the coin that was bought, or in a third coin."""
    terms = Instrument(asset="B", kind="spot", currency="USD", base="BTC", fee_rate=dec("0.01"), fee_currency=coin)
    world.add_instrument(terms)
    world.office.pay("main", "deposit", "BNB", dec(7))
    fill = world.trade("main", "B", "buy", dec(1), dec(100))
    assert (cash(world, "USD").total, cash(world, "BTC").total) == (dec(usd), dec(btc))
    assert cash(world, "BNB").total == (dec(6) if coin == "BNB" else dec(7))
    assert fill.fee_currency == coin


def test_outside_trades_are_not_ours(world: World) -> None:
    """A manual trade bears another client's id or none, a liquidation says that it is one."""
    manual = world.trade("main", "ACME", "buy", dec(5), dec(10), client_order_id="web-1")
    forced = world.trade("main", "ACME", "sell", dec(5), dec(9), liquidation=True)
    assert (manual.client_order_id, manual.liquidation) == ("web-1", False)
    assert (forced.client_order_id, forced.liquidation) == (None, True)
    assert world.snapshot("main").positions == ()
    assert [row.status for row in world.snapshot("main").orders or ()] == ["filled", "filled"]


def test_the_venue_may_change_an_order(world: World) -> None:
    """An amended order keeps its ids and place and is matched on its new terms."""
    before = order(world, "c-1", limit_price="100", quantity="2")
    world.set_price("BTC/USD", dec(105))
    after = world.amend("main", before.broker_order_id or "", quantity=dec("1.5"), limit_price=dec(106))
    assert (after.status, after.filled, after.client_order_id) == ("filled", dec("1.5"), "c-1")
    assert after.broker_order_id == before.broker_order_id


def test_a_split_keeps_the_value(world: World) -> None:
    """A split multiplies the amount, divides cost and price, and cancels live orders."""
    world.trade("main", "ACME", "buy", dec(10), dec(20))
    world.set_price("ACME", dec(24))
    order(world, "c-1", asset="ACME", limit_price="10")
    (activity,) = world.office.split("ACME", "4")
    (row,) = world.snapshot("main").positions or ()
    assert (row.amount, row.average_price, row.market_price) == (dec(40), dec(5), dec(6))
    assert (activity.kind, activity.ratio, now(world, "c-1").status) == ("split", "4", "cancelled")


def test_a_reverse_split_is_cut_to_the_unit(world: World) -> None:
    """Holdings are rounded toward zero to the instrument's smallest unit."""
    world.trade("main", "ACME", "sell", dec(10), dec(20))
    world.office.split("ACME", "1/6")
    (row,) = world.snapshot("main").positions or ()
    assert row.amount == dec("-1.66666666")


def test_units_move_without_a_trade(world: World) -> None:
    """Shares come and go at no cash; contracts on margin can only leave, and nothing changes when they may not come."""
    world.set_price("ACME", dec(30))
    world.trade("main", "FUT", "buy", dec(3), dec(50))
    world.office.move("main", "transfer", "ACME", dec(4))
    world.office.move("main", "expiry", "FUT", dec(-3))
    (row,) = world.snapshot("main").positions or ()
    assert (row.asset, row.amount, row.average_price, cash(world, "USD").total) == ("ACME", dec(4), dec(30), dec(1000))
    before = world.snapshot("main")
    with pytest.raises(ActionRefused):
        world.office.move("main", "merger", "ACME", dec(-4), new_asset="FUT", new_amount=dec(1))
    assert world.snapshot("main") == before


def test_a_rename_carries_everything_over(world: World) -> None:
    """The position, its price and its terms bear the new name, and trade under it."""
    world.trade("main", "ACME", "buy", dec(10), dec(20))
    world.set_price("ACME", dec(24))
    (activity,) = world.office.rename("ACME", "ACNE")
    assert (activity.kind, activity.asset, activity.new_asset) == ("symbol_change", "ACME", "ACNE")
    world.trade("main", "ACNE", "sell", dec(4), dec(25))
    expected = Position(
        asset="ACNE",
        amount=dec(6),
        average_price=dec(20),
        market_price=dec(24),
        currency="USD",
        multiplier=dec(1),
        settlement="cash",
        quote="USD",
    )
    assert world.snapshot("main").positions == (expected,)


def test_every_cash_activity_moves_its_currency(world: World, clock: VirtualClock) -> None:
    """Funding, interest, dividends, fees and withdrawals move cash by their signed amount, at their time."""
    clock.advance(60)
    for kind, amount in (("funding", "-1"), ("interest", "0.5"), ("dividend", "2"), ("fee", "-0.25")):
        world.office.pay("main", kind, "USD", dec(amount))  # type: ignore[arg-type]
    last = world.office.pay("main", "withdrawal", "USD", dec(-100))
    assert cash(world, "USD").total == dec("901.25")
    assert last.at == clock.now()
    with pytest.raises(ActionRefused):
        world.office.pay("main", "withdrawal", "USD", dec(100))


def test_hedge_mode_never_turns_a_leg(clock: VirtualClock) -> None:
    """A leg is closed at most; orders without a leg, and outside trades beyond it, are refused."""
    world = World(clock)
    world.add_account("main", hedge_mode=True)
    world.add_instrument(Instrument(asset="FUT", kind="margin", currency="USD"))
    world.trade("main", "FUT", "sell", dec(3), dec(10), position_side="short")
    with pytest.raises(ActionRefused):
        world.trade("main", "FUT", "buy", dec(4), dec(10), position_side="short")
    with pytest.raises(ActionRefused):
        order(world, "c-1", asset="FUT", limit_price="1")
    world.set_price("FUT", dec(9))
    request = OrderRequest(
        client_order_id="c-2", asset="FUT", side="buy", quantity=dec(5), type="market", position_side="short"
    )
    closed = world.submit("main", request)
    assert (closed.status, closed.filled, world.snapshot("main").positions) == ("cancelled", dec(3), ())


def test_a_fill_never_turns_a_leg(clock: VirtualClock) -> None:
    """An order that closes is not filled beyond what there is to close, also where the caller fills it."""
    world = World(clock)
    world.add_account("main", hedge_mode=True)
    world.add_instrument(Instrument(asset="FUT", kind="margin", currency="USD"))
    world.trade("main", "FUT", "buy", dec(3), dec(10), position_side="long")
    request = OrderRequest(
        client_order_id="c-1", asset="FUT", side="sell", quantity=dec(5), limit_price=dec(20), position_side="long"
    )
    name = world.submit("main", request).broker_order_id or ""
    with pytest.raises(ActionRefused, match="to close"):
        world.fill("main", name, dec(4), dec(20))
    world.fill("main", name, dec(3), dec(20))
    assert world.snapshot("main").positions == ()


def test_ids_come_from_seed_and_history(clock: VirtualClock) -> None:
    """The same seed and the same happenings give the same records, another seed other ids."""

    def play(seed: int) -> object:
        world = World(clock, seed)
        world.add_account("main")
        world.add_instrument(Instrument(asset="ACME", kind="cash", currency="USD"))
        world.trade("main", "ACME", "buy", dec(1), dec(10))
        return world.snapshot("main")

    assert play(1) == play(1)
    assert play(1) != play(2)


def test_the_past_can_be_seen_again(world: World, clock: VirtualClock) -> None:
    """The venue as it was is folded from its facts, and the present is not touched by looking."""
    clock.advance(10)
    world.trade("main", "ACME", "buy", dec(1), dec(10))
    before = world.snapshot("main")
    clock.advance(10)
    world.trade("main", "ACME", "buy", dec(1), dec(10))
    assert world.past(before.as_of).account("main").leg("ACME", "net") == dec(1)
    assert world.state.account("main").leg("ACME", "net") == dec(2)


class SetBack(VirtualClock):
    """A machine's clock that somebody sets back."""

    back = timedelta(0)

    def now(self) -> datetime:
        return super().now() - self.back


def test_a_clock_that_is_set_back_does_not_reorder_the_past() -> None:
    """Facts keep their order in time, so that what is folded up to a moment is a state that there was."""
    clock = SetBack(datetime(2026, 11, 20, 10, tzinfo=UTC))
    world = World(clock)
    world.add_account("main")
    world.add_instrument(Instrument(asset="ACME", kind="cash", currency="USD"))
    clock.back = timedelta(hours=1)
    fill = world.trade("main", "ACME", "buy", dec(1), dec(10))
    assert fill.at == clock.now() + clock.back
    assert world.past(clock.now()).accounts == {}
    assert world.past(fill.at).account("main").leg("ACME", "net") == dec(1)


def test_usd_prices_are_shown_with_balances(world: World) -> None:
    """USD is worth 1, what was priced its price, and anything else is not valued."""
    assert (cash(world, "USD").usd_price, cash(world, "BTC").usd_price) == (dec(1), None)
    world.office.set_usd_price("BTC", dec(50000))
    assert cash(world, "BTC").usd_price == dec(50000)
