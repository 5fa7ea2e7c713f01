"""What leaves for a venue is what was asked for, field by field as it was sent; all else is refused beforehand."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from itertools import product
from typing import Any

import pytest
from msgspec.structs import replace
from tests.contracts.ccxt_venues import ENTRIES, over_ccxt
from tests.contracts.venues import OverHttp

from tieout.brokers.base import OrderRequest
from tieout.brokers.ccxt.adapter import CcxtBroker
from tieout.brokers.ccxt.sends import Way, way_for
from tieout.brokers.ccxt.venues import VENUES
from tieout.brokers.loopback.base import Asked
from tieout.brokers.loopback.faults import HttpFault, HttpRule
from tieout.brokers.simulated import Instrument
from tieout.brokers.simulated.commands import AddInstrument, Pay
from tieout.errors import ActionError, ActionRefused, OutcomeUnknown, SourceIncomplete
from tieout.model.amounts import dec
from tieout.model.snapshot import Leg, OrderSide

Json = dict[str, Any]
NAME = "tieout-0123456789abcdef012345678"
ASSETS = {"spot": "QQQ/USDT", "linear": "QQQ/USDT:USDT", "inverse": "QQQ/USD:QQQ"}
DIGITS = ("0.500000000000000001", "99.000000000000000007", "101.000000000000000003")
QUANTITY, LIMIT, STOP = DIGITS
COARSE = {"hyperliquid": ("0.50001", "99.5", "101.1")}  # where steps are given by the number of digits
PRICES = {"market": (False, False), "limit": (True, False), "stop": (False, True), "stop_limit": (True, True)}
SIDES: tuple[OrderSide, ...] = ("buy", "sell")
LEGS: tuple[Leg | None, ...] = (None, "long", "short")
LOOPBACK = {entry.name: entry for entry in ENTRIES}
ORDERS = re.compile(r"/(order|orders|batch-orders|order-algo|algoOrder|AddOrder|create|exchange)$")
MOMENTARY = {"timestamp", "recvWindow", "signature", "nonce", "tag"}


def asked_for(
    market: str, kind: str, side: OrderSide, leg: Leg | None, *, reduce_only: bool, venue: str = ""
) -> OrderRequest:
    """The order with as many digits as *venue* takes."""
    quantity, *prices = COARSE.get(venue, DIGITS)
    limit, stop = (dec(price) if has else None for price, has in zip(prices, PRICES[kind], strict=True))
    return OrderRequest(
        client_order_id=NAME, asset=listed_as(market, venue), side=side, quantity=dec(quantity), type=kind,
        limit_price=limit, stop_price=stop, reduce_only=reduce_only, position_side=leg,
    )  # fmt: skip


def listed_as(market: str, venue: str) -> str:
    """The asset's name at *venue*."""
    return ASSETS[market].replace("USDT", "USDC") if venue == "hyperliquid" else ASSETS[market]


def said(asked: Asked) -> Json:
    """The fields of a request, but for those of the moment."""
    fields = asked.document if asked.body.startswith(("{", "[")) else asked.fields
    one = fields[0] if isinstance(fields, list) else fields
    return {name: value for name, value in one.items() if name not in MOMENTARY}


def told(**fields: Any) -> Json:
    """Those that are said at all."""
    return {name: value for name, value in fields.items() if value is not None}


def text(price: object) -> str | None:
    """A price as it is sent."""
    return None if price is None else str(price)


def binance(request: OrderRequest) -> tuple[str, Json]:
    """By Binance's own documentation of a new spot order."""
    kinds = {"market": "MARKET", "limit": "LIMIT", "stop": "STOP_LOSS", "stop_limit": "STOP_LOSS_LIMIT"}
    tif = None if request.limit_price is None else "GTC"
    return "/api/v3/order", told(
        symbol="QQQUSDT", side=request.side.upper(), type=kinds[request.type], quantity=QUANTITY, timeInForce=tif,
        price=text(request.limit_price), stopPrice=text(request.stop_price), newClientOrderId=NAME,
        newOrderRespType="FULL",
    )  # fmt: skip


def binanceusdm(request: OrderRequest) -> tuple[str, Json]:
    """By Binance's own documentation of a new order, and of a conditional one; a leg is closed without reduceOnly."""
    apart = request.stop_price is not None
    kinds = {"market": "MARKET", "limit": "LIMIT", "stop": "STOP_MARKET", "stop_limit": "STOP"}
    reduces = "true" if request.reduce_only and request.position_side is None else None
    name = {"clientAlgoId" if apart else "newClientOrderId": NAME}
    return "/fapi/v1/algoOrder" if apart else "/fapi/v1/order", name | told(
        symbol="QQQUSDT", side=request.side.upper(), type=kinds[request.type], quantity=QUANTITY,
        timeInForce="GTC" if request.type == "limit" else None, algoType="CONDITIONAL" if apart else None,
        price=text(request.limit_price), triggerPrice=text(request.stop_price), newOrderRespType="RESULT",
        positionSide=None if request.position_side is None else request.position_side.upper(), reduceOnly=reduces,
    )  # fmt: skip


def binancecoinm(request: OrderRequest) -> tuple[str, Json]:
    """By Binance's own documentation of COIN-M: as for USDⓈ-M, in contracts."""
    path, fields = binanceusdm(request)
    return path.replace("/fapi/", "/dapi/"), {**fields, "symbol": "QQQUSD_PERP"}


def okx(request: OrderRequest) -> tuple[str, Json]:
    """By OKX's own documentation of an order and of a trigger order; of letters and digits is the id."""
    apart, spot = request.stop_price is not None, request.asset == ASSETS["spot"]
    closes = request.position_side is not None
    place = "/api/v5/trade/order-algo" if apart else "/api/v5/trade/batch-orders"
    order = "trigger" if apart else request.type
    price = {"orderPx" if apart else "px": text(request.limit_price) or ("-1" if apart else None)}
    return place, told(
        instId="QQQ-USDT" if spot else "QQQ-USDT-SWAP", side=request.side, sz=QUANTITY, ordType=order,
        tdMode="cash" if spot else "cross", tgtCcy="base_ccy" if spot else None, triggerPx=text(request.stop_price),
        posSide=request.position_side, reduceOnly=True if request.reduce_only and not closes else None,
        **{"algoClOrdId" if apart else "clOrdId": NAME.replace("-", "")}, **price,
    )  # fmt: skip


def bybit(request: OrderRequest) -> tuple[str, Json]:
    """By Bybit's own documentation: triggerDirection 1 as the price rises, 2 as it falls; positionIdx names the leg."""
    spot, stop = request.asset == ASSETS["spot"], request.stop_price is not None
    return "/v5/order/create", told(
        category="spot" if spot else "linear", symbol="QQQUSDT", side=request.side.capitalize(), qty=QUANTITY,
        orderType="Market" if request.limit_price is None else "Limit", price=text(request.limit_price),
        triggerPrice=text(request.stop_price), triggerDirection={"buy": 1, "sell": 2}[request.side] if stop else None,
        marketUnit="baseCoin" if spot and request.type == "market" else None, orderLinkId=NAME,
        reduceOnly=True if request.reduce_only else None,
        positionIdx=None if request.position_side is None else {"long": 1, "short": 2}[request.position_side],
    )  # fmt: skip


def kraken(request: OrderRequest) -> tuple[str, Json]:
    """By Kraken's own documentation: the first price of a stop is its trigger; an id of 32 has hexadecimal digits only."""
    kinds = {"stop": "stop-loss", "stop_limit": "stop-loss-limit"}
    stop, limit = text(request.stop_price), text(request.limit_price)
    return "/0/private/AddOrder", told(
        pair="QQQUSDT", type=request.side, ordertype=kinds.get(request.type, request.type), volume=QUANTITY,
        price=stop or limit, price2=limit if stop else None, cl_ord_id=f"71e0075{NAME[7:]}",
    )  # fmt: skip


def coinbase(request: OrderRequest) -> tuple[str, Json]:
    """By Coinbase's own documentation: a stop that buys is set off upwards, one that sells downwards."""
    size = {"base_size": QUANTITY}
    terms = {
        "market": {"market_market_ioc": size},
        "limit": {"limit_limit_gtc": {**size, "limit_price": LIMIT, "post_only": False}},
        "stop_limit": {
            "stop_limit_stop_limit_gtc": {
                **size, "limit_price": LIMIT, "stop_price": STOP,
                "stop_direction": "STOP_DIRECTION_STOP_UP" if request.side == "buy" else "STOP_DIRECTION_STOP_DOWN",
            }
        },
    }[request.type]  # fmt: skip
    return "/api/v3/brokerage/orders", told(
        product_id="QQQ-USDT", side=request.side.upper(), client_order_id=NAME, order_configuration=terms
    )


def hyperliquid(request: OrderRequest) -> tuple[str, Json]:
    """By Hyperliquid's own documentation: nothing beside the order, no builder above all; a stop buys as the price rises."""
    quantity, limit, stop = COARSE["hyperliquid"]
    trigger = {"trigger": {"isMarket": False, "triggerPx": stop, "tpsl": "sl"}}
    order = {
        "a": 1, "b": request.side == "buy", "p": limit, "s": quantity, "r": request.reduce_only,
        "t": trigger if request.stop_price is not None else {"limit": {"tif": "Gtc"}}, "c": f"0x71e0075{NAME[7:]}",
    }  # fmt: skip
    return "/exchange", {"action": {"type": "order", "orders": [order], "grouping": "na"}}


READ_BACK = {
    "hyperliquid": "POST /info orderStatus",
    "okx": "GET /api/v5/trade/order[?]*",
    "bybit": "GET /v5/order/*",
    "kraken": "POST /0/private/QueryOrders",
    "coinbase": "GET /api/v3/brokerage/orders/historical/*",
}
DOCUMENTED: dict[str, Callable[[OrderRequest], tuple[str, Json]]] = {
    "binance": binance,
    "binanceusdm": binanceusdm,
    "binancecoinm": binancecoinm,
    "okx": okx,
    "bybit": bybit,
    "kraken": kraken,
    "coinbase": coinbase,
    "hyperliquid": hyperliquid,
}
ROWS = [(name, way) for name, venue in VENUES.items() for way in venue.sends]


@asynccontextmanager
async def over_loopback(name: str, *, hedged: bool = False) -> AsyncIterator[OverHttp]:
    """The venue with a pair and a contract."""
    entry = LOOPBACK[name]
    async with over_ccxt(entry)("account", "", hedged) as venue:
        await venue.let(
            AddInstrument(instrument=Instrument(asset=ASSETS["spot"], kind="spot", base="QQQ", currency="USDT"))
        )
        contract = Instrument(asset=listed_as("linear", name), kind="margin", currency=entry.traits.quote)
        await venue.let(AddInstrument(instrument=contract))
        coin = Instrument(asset=ASSETS["inverse"], kind="inverse", currency="QQQ", multiplier=dec(10))
        await venue.let(AddInstrument(instrument=coin))
        yield venue


def orders_sent(venue: OverHttp) -> list[Asked]:
    """What was posted where venues take orders."""
    return [one for one in venue.server.asked if one.method == "POST" and ORDERS.search(one.path)]


def combinations(way: Way, venue: str) -> list[OrderRequest]:
    """Everything that *way* says it sends."""
    legs = [leg for leg in LEGS if leg is None or leg in way.legs]
    closing = {("long", "sell"), ("short", "buy")}
    return [
        asked_for(way.market, way.type, side, leg, reduce_only=reduces, venue=venue)
        for side, leg, reduces in product(SIDES, legs, (False, True))
        if side in way.sides and (way.reduce_only or not reduces)
        and not (reduces and leg is not None and (leg, side) not in closing)
    ]  # fmt: skip


@pytest.mark.parametrize(("name", "way"), ROWS, ids=[f"{name}-{way.market}-{way.type}" for name, way in ROWS])
async def test_what_leaves_is_what_was_asked_for(name: str, way: Way) -> None:
    """For every combination that is allowed: one request, at the documented place, with the documented fields only."""
    async with over_loopback(name) as venue:
        for request in combinations(way, name):
            venue.server.asked.clear()
            with suppress(ActionError):  # whatever the world makes of it
                await venue.broker.submit_order(request)
            (left,) = orders_sent(venue)
            assert (left.path, said(left)) == DOCUMENTED[name](request)


RESTING = [row for row in ROWS if row[1].type != "market"]


@pytest.mark.parametrize(("name", "way"), RESTING, ids=[f"{name}-{way.market}-{way.type}" for name, way in RESTING])
async def test_what_was_sent_is_found_and_ended(name: str, way: Way) -> None:
    """An order of each type that rests is listed, found by the client's id as it was given, cancelled, and then ended."""
    request = asked_for(way.market, way.type, "buy", None, reduce_only=False, venue=name)
    async with over_loopback(name) as venue:
        await venue.let(Pay(account=venue.account, kind="deposit", currency="USDT", amount=dec(100000)))
        order = await venue.broker.submit_order(request)
        assert (order.status, order.client_order_id, order.filled) == ("open", NAME, dec(0))
        assert (order.limit_price, order.stop_price) == (request.limit_price, request.stop_price)
        (listed,) = await venue.broker.get_open_orders()
        ids = (order.broker_order_id, NAME)
        assert (listed.broker_order_id, listed.client_order_id) == ids
        if venue.traits.finds:
            found = await venue.broker.get_order(client_order_id=NAME)
            assert found is not None
            assert (found.broker_order_id, found.client_order_id) == ids
        ended = await venue.broker.cancel_order(broker_order_id=order.broker_order_id)
        assert (ended.status, ended.broker_order_id, ended.client_order_id) == ("cancelled", *ids)
        assert await venue.broker.get_open_orders() == ()
        assert [row.status for row in (await venue.truth()).snapshot.orders or ()] == ["cancelled"]


@pytest.mark.parametrize("name", LOOPBACK)
async def test_what_is_not_declared_never_leaves(name: str) -> None:
    """Every other combination of type, market, side, leg and reduce-only is refused, and no order is posted."""
    allowed = [request for way in VENUES[name].sends for request in combinations(way, name)]
    async with over_loopback(name) as venue:
        for market, kind, side, leg, reduces in product(ASSETS, PRICES, SIDES, LEGS, (False, True)):
            request = asked_for(market, kind, side, leg, reduce_only=reduces, venue=name)
            if request in allowed:
                continue
            with pytest.raises(ActionRefused):
                await venue.broker.submit_order(request)
        assert orders_sent(venue) == []


@pytest.mark.parametrize("name", [name for name, venue in VENUES.items() if not venue.sends])
async def test_a_venue_without_a_proven_order_sends_nothing(name: str) -> None:
    """It says so beforehand, and refuses submits and cancels alike without asking anything."""
    broker = CcxtBroker(name, account="nobody")
    assert not broker.capabilities().acts
    with pytest.raises(ActionRefused, match="nothing is sent to this venue"):
        await broker.submit_order(asked_for("spot", "limit", "buy", None, reduce_only=False))
    with pytest.raises(ActionRefused, match="nothing is sent to this venue"):
        await broker.cancel_order(client_order_id=NAME)
    await broker.close()


def test_every_venue_that_sends_is_documented_here() -> None:
    """No row without its proof."""
    assert {name for name, _ in ROWS} == set(DOCUMENTED)


@pytest.mark.parametrize(
    "changed",
    [{"type": "limit", "limit_price": None}, {"type": "market"}, {"type": "limit", "stop_price": dec(STOP)},
     {"type": "trailing_stop"}, {"type": "LIMIT"}, {"client_order_id": ""}, {"client_order_id": "c d"},
     {"client_order_id": "c" * 37}],
)  # fmt: skip
async def test_an_order_at_odds_with_itself_never_leaves(changed: Json) -> None:
    """A type with other prices than it has, a type that nobody knows, and an id that the venue would not take."""
    async with over_loopback("binance") as venue:
        with pytest.raises(ActionRefused):
            await venue.broker.submit_order(
                replace(asked_for("spot", "limit", "buy", None, reduce_only=False), **changed)
            )
        assert orders_sent(venue) == []


@pytest.mark.parametrize(
    "market",
    [{"future": True, "inverse": True}, {"future": True, "linear": True}, {"option": True, "linear": True}, {}],
    ids=["dated-inverse", "dated", "option", "unknown"],
)
def test_markets_of_other_sorts_are_sent_nothing(market: Json) -> None:
    """Dated contracts and options count and trigger in ways of their own."""
    for venue in VENUES.values():
        with pytest.raises(ActionRefused):
            way_for(venue.sends, market, asked_for("linear", "limit", "buy", None, reduce_only=False), "submit")


MISTOLD = [
    ("kraken", Way("stop_limit", "spot")),  # ccxt does not know a trigger price there
    ("coinbase", Way("limit", "spot")),  # ccxt makes up an id of its own
    ("okx", Way("stop", "linear")),  # the id goes where a conditional order has none
]


@pytest.mark.parametrize(("name", "way"), MISTOLD, ids=["kraken-stop", "coinbase-id", "okx-id"])
async def test_an_order_that_went_out_otherwise_is_of_unknown_outcome(
    name: str, way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong row in the table, or a new release of ccxt, is noticed with the first order: it is not told as ours."""
    monkeypatch.setitem(VENUES, name, replace(VENUES[name], sends=(way,)))
    async with over_loopback(name) as venue:
        await venue.let(Pay(account=venue.account, kind="deposit", currency="USDT", amount=dec(100000)))
        with pytest.raises(OutcomeUnknown):
            await venue.broker.submit_order(asked_for(way.market, way.type, "buy", None, reduce_only=False, venue=name))
        assert len(orders_sent(venue)) == 1


@pytest.mark.parametrize("name", [name for name, venue in VENUES.items() if venue.sends and not venue.acknowledges])
async def test_an_order_that_cannot_be_read_back_stands_unknown(name: str) -> None:
    """Ids alone are neither open nor filled; the order has both its ids, so that it can be asked for."""
    market = next(way.market for way in VENUES[name].sends if way.type == "limit")
    async with over_loopback(name) as venue:
        await venue.let(Pay(account=venue.account, kind="deposit", currency="USDT", amount=dec(100000)))
        venue.server.faults.inject(
            HttpRule(fault=HttpFault.TEXT, endpoint=READ_BACK[name], times=9, status=503, text="down")
        )
        order = await venue.broker.submit_order(asked_for(market, "limit", "buy", None, reduce_only=False, venue=name))
        assert (order.status, order.filled, order.client_order_id) == ("unknown", None, NAME)
        assert order.broker_order_id is not None


async def test_a_repeated_id_at_coinbase_is_the_order_that_was_sent_first() -> None:
    """The venue answers a repeat with the first order: with the same terms it is told as that, with others as unknown."""
    request = asked_for("spot", "limit", "buy", None, reduce_only=False)
    async with over_loopback("coinbase") as venue:
        await venue.let(Pay(account=venue.account, kind="deposit", currency="USDT", amount=dec(100000)))
        first = await venue.broker.submit_order(request)
        assert (await venue.broker.submit_order(request)).broker_order_id == first.broker_order_id
        with pytest.raises(OutcomeUnknown):
            await venue.broker.submit_order(replace(request, quantity=dec("0.25")))
        assert len(await venue.broker.get_open_orders()) == 1


async def test_an_order_that_was_seen_at_coinbase_is_known_by_its_clients_id() -> None:
    """The venue finds no order by that id, so one seen is asked for by the venue's; of any other nothing is said."""
    async with over_loopback("coinbase") as venue:
        await venue.let(Pay(account=venue.account, kind="deposit", currency="USDT", amount=dec(100000)))
        with pytest.raises(SourceIncomplete):
            await venue.broker.get_order(client_order_id=NAME)
        order = await venue.broker.submit_order(asked_for("spot", "limit", "buy", None, reduce_only=False))
        assert await venue.broker.get_order(client_order_id=NAME) == order
        assert (await venue.broker.cancel_order(client_order_id=NAME)).status == "cancelled"
        with pytest.raises(SourceIncomplete):
            await venue.broker.get_order(client_order_id="another")
