"""Numbers reach the model as they stood in the answer, whatever their length and however they were written."""

from __future__ import annotations

import decimal
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from tests.brokers.ccxt.venue import SINCE, at, venue

from tieout.model.snapshot import Balance, Fill, Order, Position

LONG = "12345.678901234567890123"
TINY = "0.000000000000000000012345678901"


async def test_a_hedged_future_keeps_every_digit_and_both_legs() -> None:
    """Positions of 18 and more decimals arrive exactly, signed, each on its leg, with what settles them."""
    rows = ",".join(
        f'{{"symbol":"QQQUSDT","positionAmt":"{amount}","entryPrice":"{LONG}","markPrice":"0.0","notional":"0",'
        f'"positionSide":"{side}","updateTime":1}}'
        for side, amount in (("LONG", LONG), ("SHORT", "-" + TINY), ("BOTH", "0"))
    )
    async with venue("binanceusdm", at({"/positionRisk": f"[{rows}]"}, "[]")) as (broker, _):
        found = {row.side: row for row in await broker.get_positions()}
    assert found == {
        side: Position(
            asset="QQQ/USDT:USDT",
            amount=Decimal(amount),
            side=side,  # type: ignore[arg-type]
            average_price=Decimal(LONG),
            currency="USDT",
            multiplier=Decimal(1),
            settlement="margin",
            quote="USDT",
        )
        for side, amount in (("long", LONG), ("short", "-" + TINY))
    }


async def test_unquoted_numbers_do_not_pass_through_a_float() -> None:
    """A bare JSON number of 26 digits arrives with all of them, and an inverse contract keeps its size."""
    row = (
        f'{{"fill_id":"f","symbol":"PI_QQQUSD","side":"sell","order_id":"o","size":{LONG},"price":{LONG},'
        '"fillTime":"2026-03-01T01:02:03.456Z","fillType":"liquidation","fee_paid":-0.000000000000000123,"fee_currency":"XBT"}'
    )
    async with venue("krakenfutures", at({"/fills": f'{{"result":"success","fills":[{row}]}}'})) as (broker, _):
        (fill,) = await broker.get_fills(SINCE)
    assert fill == Fill(
        fill_id="f",
        asset="QQQ/USD:QQQ",
        side="sell",
        quantity=Decimal(LONG),
        price=Decimal(LONG),
        at=SINCE + timedelta(hours=1, minutes=2, seconds=3, milliseconds=456),
        broker_order_id="o",
        fee=Decimal("-0.000000000000000123"),
        fee_currency="BTC",
        liquidation=True,
        settlement="inverse",
        quote="QQQ",
    )


async def test_kraken_times_keep_the_fraction_that_ccxt_cuts() -> None:
    """Seconds with four decimals, written bare, become an exact moment; the reference number is no client id."""
    row = (
        '{"status":"open","opentm":1772330645.1239,"userref":7,"vol":"3.5","vol_exec":"1.25","stopprice":"0","oflags":"",'
        '"descr":{"pair":"QQQEUR","type":"buy","ordertype":"limit","price":"101.5","price2":"0"}}'
    )
    async with venue("kraken", at({"/OpenOrders": f'{{"error":[],"result":{{"open":{{"O-1":{row}}}}}}}'})) as (
        broker,
        _,
    ):
        (order,) = await broker.get_open_orders()
    assert order == Order(
        asset="QQQ/EUR",
        side="buy",
        quantity=Decimal("3.5"),
        status="partially_filled",
        broker_order_id="O-1",
        type="limit",
        filled=Decimal("1.25"),
        limit_price=Decimal("101.5"),
        created_at=datetime(2026, 3, 1, 2, 4, 5, 123900, tzinfo=UTC),
    )


async def test_a_position_counts_what_is_still_open_of_it() -> None:
    """Kraken tells the volume opened and the volume closed: the position is the difference."""
    row = '{"pair":"QQQZEUR","type":"sell","vol":"9.00000000000000000001","vol_closed":"2"}'
    async with venue("kraken", at({"/OpenPositions": f'{{"error":[],"result":[{row}]}}'})) as (broker, _):
        (position,) = await broker.get_positions()
    assert (position.amount, position.settlement) == (Decimal("-7.00000000000000000001"), "margin")


async def test_balances_are_cash_and_not_equity() -> None:
    """Unrealised profit never enters a total: the wallet balance counts, not the margin balance."""
    body = f'{{"assets":[{{"asset":"USDT","walletBalance":"{LONG}","marginBalance":"99999","updateTime":5}}]}}'
    async with venue("binanceusdm", at({"/fapi/v3/account": body})) as (broker, _):
        assert await broker.get_balances() == (Balance(currency="USDT", total=Decimal(LONG)),)


async def test_wallets_of_one_currency_are_added_up_exactly() -> None:
    """Two Coinbase accounts of a currency are one balance, whatever type the venue gives them."""
    rows = ",".join(
        f'{{"uuid":"{kind}","currency":"QQQ","type":"{kind}","available_balance":{{"value":"{free}"}},"hold":{{"value":"{held}"}}}}'
        for kind, free, held in (("ACCOUNT_TYPE_CRYPTO", LONG, TINY), ("SOMETHING_NEW", "1", "2"))
    )
    async with venue(
        "coinbase", at({"/accounts": f'{{"accounts":[{rows}],"has_next":false}}'}), accept_gaps=("balances",)
    ) as (
        broker,
        _,
    ):
        (balance,) = await broker.get_balances()
    with decimal.localcontext(prec=100):
        free, held = Decimal(LONG) + 1, Decimal(TINY) + 2
        assert balance == Balance(currency="QQQ", total=free + held, available=free, locked=held)


async def test_one_id_in_two_categories_is_two_markets() -> None:
    """Bybit uses one id for the pair and for the contract: each row goes to the market it was asked for."""

    def answer(asked: object) -> tuple[int, str]:
        said = getattr(asked, "said", "")
        kinds = () if "cursor=" in said else ("spot", "linear&settleCoin=USDT")
        kind = next((kind for kind in kinds if f"category={kind}" in said), None)
        row = (
            f'{{"orderId":"{kind}","orderLinkId":"c-{kind}","symbol":"QQQUSDT","price":"1.5","qty":"2","side":"Sell",'
            '"orderStatus":"New","cumExecQty":"0","orderType":"Limit","tpslMode":"","triggerPrice":"","stopLoss":"9",'
            '"createdTime":"1772330645123","updatedTime":"1772330645123"}'
        )
        return 200, f'{{"retCode":0,"result":{{"list":[{row if kind else ""}],"nextPageCursor":"x"}}}}'

    async with venue("bybit", answer) as (broker, _):
        orders = await broker.get_open_orders()
    assert {order.asset: order.broker_order_id for order in orders} == {
        "QQQ/USDT": "spot",
        "QQQ/USDT:USDT": "linear&settleCoin=USDT",
    }
    assert all(order.stop_price is None for order in orders), "an attached stop is not the order's own trigger"


async def test_the_decimal_context_of_the_caller_is_left_alone() -> None:
    """ccxt sets rounding and traps on the context it finds; ours is not the one."""
    before = decimal.getcontext().copy()
    async with venue("binance", always_filled, assets=("QQQ/EUR",)) as (broker, _):
        await broker.get_open_orders()
    after = decimal.getcontext()
    assert (after.rounding, after.traps, after.prec) == (before.rounding, before.traps, before.prec)


def always_filled(_asked: object) -> tuple[int, str]:
    """No orders at all."""
    return 200, "[]"
