"""Every place in which a venue may hold something is asked, and what is not read there is named."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from tests.brokers.ccxt.test_pages import said
from tests.brokers.ccxt.venue import MARKETS, venue
from tests.conform.loopback import Answer, Asked, Loopback, client, market

from tieout.brokers.ccxt.adapter import CcxtBroker
from tieout.errors import SourceError, SourceIncomplete, SourceMalformed, SourceRefused
from tieout.model.snapshot import Balance

ORDER = {
    "coin": "QQQ", "oid": 5, "cloid": None, "side": "A", "limitPx": "2", "sz": "1", "origSz": "1", "timestamp": 1,
    "orderType": "Limit", "isTrigger": False, "triggerPx": "0.0", "reduceOnly": False, "tif": "Gtc",
}  # fmt: skip


def state(value: str, *held: tuple[str, str]) -> dict[str, Any]:
    """A perpetual account at Hyperliquid: its value and its positions, with nothing unrealised."""
    rows = [
        {"position": {"coin": coin, "szi": size, "entryPx": "2", "positionValue": "2", "unrealizedPnl": "0",
                      "marginUsed": "1", "leverage": {"type": "cross", "value": 1}, "liquidationPx": None},
         "type": "oneWay"}
        for coin, size in held
    ]  # fmt: skip
    return {"marginSummary": {"accountValue": value}, "assetPositions": rows}


def hyperliquid(margin: str = "default", builder: str = "0", **more: Any) -> Answer:
    """The main exchange, one of a builder, and spot."""

    def answer(asked: Asked) -> tuple[int, str]:
        told = said(asked)
        apart = told.get("dex") == "bld"
        bodies = {
            "perpDexs": [None, {"name": "bld", "fullName": "a builder's"}],
            "clearinghouseState": state(builder, *more.get("built", ())) if apart else state("10", ("QQQ", "-0.5")),
            "frontendOpenOrders": [] if apart else [ORDER],
            "spotClearinghouseState": {"balances": [{"coin": "USDC", "total": "3", "hold": "1"}]},
            "userAbstraction": margin,
        }
        return 200, json.dumps(bodies[told["type"]])

    return answer


async def test_every_builders_exchange_is_asked() -> None:
    """Positions and orders of the main exchange and of each one that is listed."""
    known = [*MARKETS["hyperliquid"], market("BLD-ZZZ/USDC:USDC", "BLD-ZZZ/USDC:USDC", "1")]
    async with venue("hyperliquid", hyperliquid(built=(("bld:ZZZ", "4"),)), markets=known) as (broker, asked):
        positions, orders = await broker.get_positions(), await broker.get_open_orders()
    assert {row.asset: row.amount for row in positions} == {
        "QQQ/USDC:USDC": Decimal("-0.5"),
        "BLD-ZZZ/USDC:USDC": Decimal(4),
    }
    assert [order.broker_order_id for order in orders] == ["5"]
    kinds = [(said(one)["type"], said(one).get("dex")) for one in asked]
    assert {("clearinghouseState", "bld"), ("frontendOpenOrders", "bld"), ("clearinghouseState", None)} <= set(kinds)


async def test_cash_of_spot_and_perpetuals_is_added_up() -> None:
    """The perpetual account's cash and the spot balance of one coin are one balance."""
    async with venue("hyperliquid", hyperliquid()) as (broker, _):
        assert await broker.get_balances() == (Balance(currency="USDC", total=Decimal(13)),)


@pytest.mark.parametrize(("margin", "builder"), [("unifiedAccount", "0"), ("portfolioMargin", "0"), ("default", "2")])
async def test_cash_that_cannot_be_told_is_named(margin: str, builder: str) -> None:
    """One account for both, or value in a coin that a builder chose: the balances are a part."""
    async with venue("hyperliquid", hyperliquid(margin, builder)) as (broker, _):
        with pytest.raises(SourceIncomplete):
            await broker.get_balances()


@pytest.mark.parametrize("role", ["missing", "agent", "somethingNew"])
async def test_an_address_that_holds_nothing_by_nature_is_no_empty_account(role: str) -> None:
    """A misspelt address and an agent's are answered like an empty account: who it is has to be said first."""

    def answer(asked: Asked) -> tuple[int, str] | None:
        mine = '"userRole"' in asked.said
        return (200, json.dumps({"role": role})) if mine else hyperliquid()(asked)

    server = Loopback()
    server.answer = answer
    await server.start()
    made = client("hyperliquid", server.port)
    broker = CcxtBroker("hyperliquid", account="wrong", client=made, markets=MARKETS["hyperliquid"])
    for read in (broker.get_positions, broker.get_balances, broker.get_open_orders):
        with pytest.raises(SourceRefused):
            await read()
    with pytest.raises(SourceRefused):
        await broker.get_order(broker_order_id="5")
    await broker.close()
    await server.stop()


@pytest.mark.parametrize("body", ['{"status":"fine"}', "[]", '"user"', "null"])
async def test_an_answer_without_a_role_is_malformed(body: str) -> None:
    """Whatever stands where the role is due, it is a failure of the family, and no account."""
    server = Loopback()
    server.answer = lambda _asked: (200, body)
    await server.start()
    made = client("hyperliquid", server.port)
    broker = CcxtBroker("hyperliquid", account="wrong", client=made, markets=MARKETS["hyperliquid"])
    with pytest.raises(SourceMalformed):
        await broker.get_positions()
    await broker.close()
    await server.stop()


async def test_no_word_on_the_margin_is_no_answer() -> None:
    """A word that is not the venue's, or an object, is malformed: cash is counted twice on no guess."""
    async with venue("hyperliquid", hyperliquid("somethingNew")) as (broker, _):
        with pytest.raises(SourceMalformed):
            await broker.get_balances()


def margin_row(position: str, bought: str, owed: str, debt: str = "") -> dict[str, str]:
    """A spot margin position in OKX's form."""
    return {
        "instType": "MARGIN", "instId": "QQQ-USDT", "pos": position, "posCcy": bought, "liab": debt, "liabCcy": owed,
        "posId": "7", "posSide": "net", "avgPx": "2", "markPx": "2", "mgnMode": "isolated", "lever": "3", "ccy": "USDT",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("row", "amount"),
    [
        (margin_row("1.5", "QQQ", "USDT", "-3"), "1.5"),
        (margin_row("3", "USDT", "QQQ", "-1.500000000000000001"), "-1.500000000000000001"),
    ],
)
async def test_spot_on_margin_is_a_position_in_its_base(row: dict[str, str], amount: str) -> None:
    """A long one holds the base, a short one owes it: that is its amount, to the digit."""
    body = json.dumps({"code": "0", "data": [row]})
    async with venue("okx", lambda _asked: (200, body), markets=[market("QQQ-USDT", "QQQ/USDT")]) as (broker, _):
        (position,) = await broker.get_positions()
    assert (position.asset, position.amount, position.settlement) == ("QQQ/USDT", Decimal(amount), "margin")


async def test_spot_on_margin_in_neither_currency_is_left() -> None:
    """A row that says something else is not guessed at."""
    body = json.dumps({"code": "0", "data": [margin_row("3", "ZZZ", "ZZZ", "-1")]})
    async with venue("okx", lambda _asked: (200, body), markets=[market("QQQ-USDT", "QQQ/USDT")]) as (broker, _):
        with pytest.raises(SourceIncomplete, match="margin"):
            await broker.get_positions()


@pytest.mark.parametrize(("kind", "whole"), [("DEFAULT", True), ("CONSUMER", True), ("INTX", False)])
async def test_perpetuals_in_another_portfolio_are_named(kind: str, whole: bool) -> None:
    """Where the key's owner has a portfolio of the International Exchange, positions are a part."""

    def answer(asked: Asked) -> tuple[int, str]:
        listed = asked.path.endswith("/portfolios")
        return 200, json.dumps({"portfolios": [{"type": kind, "uuid": "p"}]} if listed else {"positions": []})

    async with venue("coinbase", answer) as (broker, _):
        if whole:
            assert await broker.get_positions() == ()
        else:
            with pytest.raises(SourceIncomplete, match="INTX"):
                await broker.get_positions()


async def test_accounts_of_any_type_are_read_from_every_page() -> None:
    """A type that ccxt has never heard of is read, from the second page as well."""

    def answer(asked: Asked) -> tuple[int, str]:
        second = said(asked).get("cursor") == "next"
        row = {"uuid": str(second), "currency": "QQQ", "type": "ACCOUNT_TYPE_MOON" if second else "ACCOUNT_TYPE_CRYPTO",
               "available_balance": {"value": "1"}, "hold": {"value": "2"}}  # fmt: skip
        return 200, json.dumps({"accounts": [row], "has_next": not second, "cursor": "" if second else "next"})

    async with venue("coinbase", answer, accept_gaps=("balances",)) as (broker, _):
        (balance,) = await broker.get_balances()
    assert (balance.total, balance.locked) == (Decimal(6), Decimal(4))


async def test_a_wallet_on_two_pages_is_one_wallet() -> None:
    """A list that moves while it is read shows a wallet again: its cash counts once, or not at all if it changed."""

    def answer(asked: Asked) -> tuple[int, str]:
        second = said(asked).get("cursor") == "next"
        free = changed if second else "1"
        row = {"uuid": "w", "currency": "QQQ", "available_balance": {"value": free}, "hold": {"value": "2"}}
        return 200, json.dumps({"accounts": [row], "has_next": not second, "cursor": "next"})

    changed = "1"
    async with venue("coinbase", answer, accept_gaps=("balances",)) as (broker, _):
        (balance,) = await broker.get_balances()
        assert balance.total == Decimal(3)
        changed = "5"
        with pytest.raises(SourceMalformed):
            await broker.get_balances()


async def test_staked_kraken_currencies_are_none_of_the_others() -> None:
    """Staked, opted-in and futures suffixes keep their own names, and no amount of theirs is lost."""
    body = {"error": [], "result": {name: {"balance": "1", "hold_trade": "0"} for name in ("XXBT", "XBT.M", "SOL.F")}}
    async with venue("kraken", lambda _asked: (200, json.dumps(body))) as (broker, _):
        names = {row.currency for row in await broker.get_balances()}
    assert names == {"BTC", "BTC.M", "SOL.F"}


def bybit_orders(where: str, found: dict[str, str] | None) -> Answer:
    """One order in one list of Bybit, whatever it is narrowed to."""

    def answer(asked: Asked) -> tuple[int, str]:
        rows = [found] if found and asked.path.endswith(where) and said(asked)["category"] == "spot" else []
        return 200, json.dumps({"retCode": 0, "result": {"list": rows, "nextPageCursor": ""}})

    return answer


BYBIT = {
    "symbol": "QQQUSDT", "orderId": "o-1", "orderLinkId": "c-1", "price": "1.5", "qty": "2", "side": "Sell",
    "orderStatus": "Cancelled", "cumExecQty": "0", "orderType": "Limit", "createdTime": "1", "updatedTime": "2",
}  # fmt: skip


@pytest.mark.parametrize("where", ["/order/realtime", "/order/history"])
async def test_an_order_is_looked_for_in_every_list(where: str) -> None:
    """By either id, among the live orders and the ended ones of every category."""
    async with venue("bybit", bybit_orders(where, BYBIT)) as (broker, asked):
        by_client = await broker.get_order(client_order_id="c-1")
        by_broker = await broker.get_order(broker_order_id="o-1")
    assert by_client is not None
    assert by_client == by_broker
    assert (by_client.asset, by_client.status, by_client.client_order_id) == ("QQQ/USDT", "cancelled", "c-1")
    assert {said(one).get("orderLinkId") or said(one)["orderId"] for one in asked} == {"c-1", "o-1"}


async def test_none_is_the_word_of_every_list() -> None:
    """No list knows it: none. One list fails: a failure. Another order than asked for: malformed."""
    async with venue("bybit", bybit_orders("", None)) as (broker, asked):
        assert await broker.get_order(client_order_id="c-1") is None
        assert len(asked) == 9

    def broken(asked: Asked) -> tuple[int, str] | None:
        last = asked.path.endswith("/history") and said(asked)["category"] == "option"
        return (500, "down") if last else bybit_orders("", None)(asked)

    async with venue("bybit", broken) as (broker, _):
        with pytest.raises(SourceError):
            await broker.get_order(client_order_id="c-1")
    async with venue("bybit", bybit_orders("/order/realtime", BYBIT)) as (broker, _):
        with pytest.raises(SourceMalformed):
            await broker.get_order(client_order_id="another")


async def test_kraken_orders_are_found_by_the_clients_id() -> None:
    """Among the open and the closed ones, each narrowed to that id."""
    row = {
        "status": "closed", "opentm": 1.5, "closetm": 2.5, "vol": "3", "vol_exec": "3", "cl_ord_id": "c-1",
        "stopprice": "0", "oflags": "", "cost": "6", "fee": "0", "price": "2",
        "descr": {"pair": "QQQEUR", "type": "buy", "ordertype": "limit", "price": "2", "price2": "0"},
    }  # fmt: skip

    def answer(asked: Asked) -> tuple[int, str]:
        assert said(asked)["cl_ord_id"] in ("c-1", "c-2")
        mine = asked.path.endswith("/ClosedOrders") and said(asked)["cl_ord_id"] == "c-1"
        name = "closed" if asked.path.endswith("/ClosedOrders") else "open"
        return 200, json.dumps({"error": [], "result": {name: {"O-1": row} if mine else {}, "count": int(mine)}})

    async with venue("kraken", answer) as (broker, _):
        order = await broker.get_order(client_order_id="c-1")
        assert await broker.get_order(client_order_id="c-2") is None
    assert order is not None
    assert (order.broker_order_id, order.client_order_id, order.status) == ("O-1", "c-1", "filled")


async def test_hyperliquid_orders_are_found_by_the_clients_id() -> None:
    """By its own number or by the client's; an unknown one is none, by the venue's own word."""
    cloid = "0x" + "a" * 32

    def answer(asked: Asked) -> tuple[int, str]:
        if said(asked)["oid"] not in (cloid, "5"):
            return 200, '{"status":"unknownOid"}'
        told = {"order": {**ORDER, "cloid": cloid}, "status": "open", "statusTimestamp": 2}
        return 200, json.dumps({"status": "order", "order": told})

    async with venue("hyperliquid", answer) as (broker, _):
        order = await broker.get_order(client_order_id=cloid)
        assert await broker.get_order(client_order_id="0x" + "b" * 32) is None
        assert await broker.get_order(broker_order_id="5") == order
    assert order is not None
    assert (order.broker_order_id, order.client_order_id, order.status) == ("5", cloid, "open")
