"""Orders are sent once, to the digit, and their fate is never guessed."""

from __future__ import annotations

from decimal import Decimal

import pytest
from tests.brokers.ccxt.venue import always, at, venue
from tests.conform.loopback import Asked, market

from tieout.brokers.base import OrderRequest
from tieout.errors import ActionRefused, OutcomeUnknown, SourceError, SourceIncomplete

REQUEST = OrderRequest(
    client_order_id="c-1", asset="QQQ/EUR", side="sell", quantity=Decimal("1.125"), limit_price=Decimal("99.25")
)
ORDER = (
    '{"symbol":"QQQEUR","orderId":77,"clientOrderId":"c-1","price":"99.25","origQty":"1.125","executedQty":"0.5",'
    '"status":"%s","type":"LIMIT","side":"SELL","time":1772330645123,"updateTime":1772330645124}'
)
ASSETS = ("QQQ/EUR",)


async def test_an_order_is_sent_to_the_digit_and_read_as_acknowledged() -> None:
    """The request carries the very digits, and the answer becomes an order with both ids."""
    async with venue("binance", always(200, ORDER % "PARTIALLY_FILLED")) as (broker, asked):
        order = await broker.submit_order(REQUEST)
    (sent,) = asked
    assert all(part in sent.said for part in ("quantity=1.125", "price=99.25", "newClientOrderId=c-1", "side=SELL"))
    assert (order.broker_order_id, order.client_order_id, order.status) == ("77", "c-1", "partially_filled")
    assert (order.quantity, order.filled, order.limit_price) == (Decimal("1.125"), Decimal("0.5"), Decimal("99.25"))


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, '{"code":-2010,"msg":"Account has insufficient balance for requested action."}', ActionRefused),
        (400, '{"code":-1013,"msg":"Filter failure: LOT_SIZE"}', ActionRefused),
        (401, '{"code":-2015,"msg":"Invalid API-key"}', ActionRefused),
        (400, '{"code":-2010,"msg":"Duplicate order sent."}', OutcomeUnknown),
        (
            400,
            '{"code":-1007,"msg":"Timeout waiting for response from backend server. Status unknown."}',
            OutcomeUnknown,
        ),
        (500, "Internal Server Error", OutcomeUnknown),
        (503, '{"code":-1008,"msg":"overload"}', OutcomeUnknown),
        (200, "{}", OutcomeUnknown),
        (200, "<html></html>", OutcomeUnknown),
        (200, '{"orderId":77,"origQty":"what"}', OutcomeUnknown),
    ],
)
async def test_only_a_sure_no_is_a_refusal(status: int, body: str, kind: type[Exception]) -> None:
    """Where the order may rest at the venue, the outcome is unknown; it is sent once in any case."""
    async with venue("binance", always(status, body)) as (broker, asked):
        with pytest.raises(kind):
            await broker.submit_order(REQUEST)
        assert len(asked) == 1


async def test_a_reset_connection_leaves_the_outcome_unknown() -> None:
    """The order may have arrived before the line broke."""
    async with venue("binance", lambda _asked: None) as (broker, _):
        with pytest.raises(OutcomeUnknown):
            await broker.submit_order(REQUEST)


@pytest.mark.parametrize("quantity", ["1.1255", "0.0001"])
async def test_an_order_off_the_step_is_never_sent(quantity: str) -> None:
    """ccxt would round it in silence; another order than asked for does not leave the house."""
    request = OrderRequest(client_order_id="c", asset="QQQ/EUR", side="buy", quantity=Decimal(quantity))
    async with venue("binance", always(200, ORDER % "NEW")) as (broker, asked):
        with pytest.raises(ActionRefused):
            await broker.submit_order(request)
        assert not asked


async def test_no_such_order_is_only_the_venues_word() -> None:
    """None is the answer where the venue says so; an error is an error."""
    unknown = '{"code":-2013,"msg":"Order does not exist."}'
    async with venue("binance", always(400, unknown), assets=ASSETS) as (broker, _):
        assert await broker.get_order(broker_order_id="77") is None
        assert await broker.get_order(client_order_id="c-1") is None
    async with venue("binance", always(500, unknown), assets=ASSETS) as (broker, _):
        with pytest.raises(SourceError):
            await broker.get_order(broker_order_id="77")
    async with venue("binance", always(200, "{}"), assets=ASSETS) as (broker, _):
        with pytest.raises(SourceError):
            await broker.get_order(broker_order_id="77")


async def test_an_order_whose_market_is_not_known_cannot_be_looked_up() -> None:
    """Asked in no market at all, the venue said nothing: that is no answer, not None."""
    async with venue("binance", always(400, '{"code":-2013,"msg":"Order does not exist."}')) as (broker, _):
        with pytest.raises(SourceIncomplete):
            await broker.get_order(broker_order_id="77")


async def test_a_venue_that_is_not_searched_has_no_none() -> None:
    """Kraken's futures know an order for seconds after its end: not found proves nothing, so it is not asked."""
    async with venue("krakenfutures", always(200, '{"result":"success","orders":[]}')) as (broker, _):
        assert not broker.capabilities().order_lookup
        with pytest.raises(SourceIncomplete):
            await broker.get_order(broker_order_id="77")


async def test_a_cancelled_order_is_read_back() -> None:
    """What cancel returns is the order as it stood afterwards, with the fills that were faster."""
    stands = ["NEW", "CANCELED"]

    def answer(asked: object) -> tuple[int, str]:
        method_is_lookup = len(asks) % 2 == 0
        asks.append(asked)
        return 200, ORDER % (stands.pop(0) if method_is_lookup else "CANCELED")

    asks: list[object] = []
    async with venue("binance", answer, assets=ASSETS) as (broker, _):
        order = await broker.cancel_order(broker_order_id="77")
    assert len(asks) == 3
    assert (order.status, order.filled) == ("cancelled", Decimal("0.5"))


async def test_an_ended_order_is_not_cancelled_again() -> None:
    """Nothing is sent for an order that has ended: one that was cancelled is answered again, any other is refused."""
    async with venue("binance", always(200, ORDER % "CANCELED"), assets=ASSETS) as (broker, asked):
        assert (await broker.cancel_order(broker_order_id="77")).status == "cancelled"
        assert len(asked) == 1
    async with venue("binance", always(200, ORDER % "EXPIRED"), assets=ASSETS) as (broker, asked):
        with pytest.raises(ActionRefused):
            await broker.cancel_order(broker_order_id="77")
        assert len(asked) == 1


async def test_the_venues_clock_is_aware() -> None:
    """Server time is the venue's own, to the millisecond."""
    async with venue("binance", at({"/time": '{"serverTime":1772330645123}'})) as (broker, _):
        assert (await broker.server_time()).isoformat() == "2026-03-01T02:04:05.123000+00:00"


async def test_closing_twice_is_safe() -> None:
    """A broker that was never used, or is closed already, closes without a word."""
    async with venue("binance", always(200, "[]")) as (broker, _):
        await broker.close()
        await broker.get_open_orders()
        await broker.close()
    assert (await broker.get_account_info()).venue == "binance"


async def test_a_clock_that_is_off_is_compared_once() -> None:
    """A timestamp refused by the venue leads to one look at its clock and one more try."""
    skew = '{"code":-1021,"msg":"Timestamp for this request is outside of the recvWindow."}'
    paths: list[str] = []

    def answer(asked: Asked) -> tuple[int, str]:
        paths.append(asked.path)
        if asked.path.endswith("/time"):
            return 200, '{"serverTime":1772330645123}'
        return (400, skew) if len(paths) == 1 else (200, "[]")

    async with venue("binance", answer) as (broker, _):
        assert await broker.get_open_orders() == ()
    assert [path.rsplit("/", 1)[1] for path in paths] == ["openOrders", "time", "openOrders"]


async def test_a_leg_that_cannot_be_named_is_not_traded() -> None:
    """An order for one leg never goes out as an order for the account."""
    request = OrderRequest(
        client_order_id="c",
        asset="QQQ/EUR",
        side="buy",
        quantity=Decimal(1),
        limit_price=Decimal(1),
        position_side="long",
    )
    async with venue("binance", always(200, ORDER % "NEW")) as (broker, asked):
        with pytest.raises(ActionRefused):
            await broker.submit_order(request)
        assert not asked


async def test_stops_and_legs_go_out_in_the_venues_words() -> None:
    """The trigger, the leg and reduce-only reach the venue, and come back with the order."""
    request = OrderRequest(
        client_order_id="c-9",
        asset="QQQ/USDT:USDT",
        side="sell",
        quantity=Decimal("0.5"),
        type="stop_limit",
        limit_price=Decimal("8.5"),
        stop_price=Decimal("9.25"),
        position_side="long",
    )
    body = '{"algoId":5,"clientAlgoId":"c-9","symbol":"QQQUSDT","side":"SELL","quantity":"0.5","algoStatus":"NEW"}'
    markets = [market("QQQUSDT", "QQQ/USDT:USDT", "1", info={"orderTypes": ["LIMIT", "STOP", "STOP_MARKET"]})]
    async with venue("binanceusdm", always(200, body), markets=markets) as (broker, asked):
        order = await broker.submit_order(request)
    (sent,) = asked
    assert all(part in sent.said for part in ("positionSide=LONG", "riggerPrice=9.25", "quantity=0.5"))
    assert (order.broker_order_id, order.stop_price, order.position_side) == ("5", Decimal("9.25"), "long")


@pytest.mark.parametrize("last", [(500, "down"), (400, '{"code":-2013,"msg":"Order does not exist."}')])
async def test_a_cancel_that_cannot_be_read_back_is_unknown(last: tuple[int, str]) -> None:
    """After a cancel the order has to be seen; where it is not, nobody knows."""
    answers = [(200, ORDER % "NEW"), (200, ORDER % "CANCELED"), last]
    async with venue("binance", lambda _asked: answers.pop(0), assets=ASSETS) as (broker, _):
        with pytest.raises(OutcomeUnknown):
            await broker.cancel_order(broker_order_id="77")


async def test_an_unreadable_order_is_not_cancelled() -> None:
    """Where the order cannot be read first, nothing is sent, and the refusal says so."""
    async with venue("binance", always(500, "down"), assets=ASSETS) as (broker, asked):
        with pytest.raises(ActionRefused, match="nothing was sent"):
            await broker.cancel_order(broker_order_id="77")
        assert len(asked) == 1


async def test_a_clock_without_a_time_is_malformed() -> None:
    """An answer that tells no time is no time."""
    async with venue("binance", always(200, '{"serverTime":null}')) as (broker, _):
        with pytest.raises(SourceError):
            await broker.server_time()
