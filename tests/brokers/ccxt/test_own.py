"""Positions that are read from the venue's own rows: signed, told apart by leg, none left out. All values are invented."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from tests.brokers.ccxt.venue import MARKETS, at, venue
from tests.conform.loopback import Asked, market

from tieout.brokers.ccxt import own
from tieout.brokers.ccxt.parse import RowError
from tieout.errors import SourceError, SourceIncomplete, SourceMalformed
from tieout.model.snapshot import Position


def row(amount: Any, mode: str = "BOTH", **more: Any) -> dict[str, Any]:
    """A row as Binance's futures write it."""
    return {"symbol": "QQQUSDT", "positionAmt": amount, "positionSide": mode, "entryPrice": "2.5", **more}


async def positions(*rows: Any, **more: Any) -> tuple[Position, ...]:
    """What the adapter makes of *rows*, over a socket."""
    async with venue("binanceusdm", at({"/positionRisk": json.dumps(rows)}, "[]"), **more) as (broker, _):
        return await broker.get_positions()


@pytest.mark.parametrize(
    ("amount", "side", "mode", "hedged"),
    [("2.5", "long", "BOTH", False), ("-2.5", "short", "BOTH", False), ("-2.5", "short", "SHORT", True)],
)
def test_binance_positions_are_signed_by_their_amount(amount: str, side: str, mode: str, hedged: bool) -> None:
    """The side is the sign of the amount, and only LONG and SHORT rows are legs."""
    told = own.binance(row(amount, mode))
    assert (told["contracts"], told["side"], told["hedged"]) == ("2.5", side, hedged)


async def test_a_position_is_read_with_its_sign_and_every_digit() -> None:
    """Integers, small exponents and long fractions reach the record as they are; prices of 0 are none."""
    for amount in ("-0.123456789012345678901234", "1e-7", "12345678901234567890"):
        (held,) = await positions(row(amount, entryPrice="0", markPrice="1.10"))
        assert (held.amount, held.average_price, held.market_price) == (Decimal(amount), None, Decimal("1.10"))
    assert (await positions(row(-3)))[0].amount == -3


async def test_two_legs_stay_two() -> None:
    """A hedged account's long and short in one market are two rows; a flat leg is none."""
    found = await positions(row("2", "LONG"), row("-5", "SHORT"), row("-0.000", "BOTH"))
    assert {(held.side, held.amount) for held in found} == {("long", Decimal(2)), ("short", Decimal(-5))}


@pytest.mark.parametrize("amount", [None, "", "abc", "--5", "-", 1.5e300, [], {}, True, "NaN", "Infinity"])
async def test_an_amount_that_is_no_number_is_malformed(amount: Any) -> None:
    """It is never read as 0, which would be flat."""
    with pytest.raises(SourceError) as caught:
        await positions(row(amount))
    assert isinstance(caught.value, SourceMalformed)


@pytest.mark.parametrize("symbol", [None, "", 5, []])
def test_a_row_without_a_market_is_malformed(symbol: Any) -> None:
    """Nobody knows what such a row is of."""
    with pytest.raises(RowError):
        own.binance(row("1", symbol=symbol))


async def test_a_market_that_is_not_known_keeps_the_section_from_being_whole() -> None:
    """The other rows come as a part; the unknown one is never dropped in silence."""
    with pytest.raises(SourceIncomplete) as caught:
        await positions(row("1"), row("2", symbol="ZZZUSDT"))
    assert [held.asset for held in caught.value.rows] == ["QQQ/USDT:USDT"]  # type: ignore[attr-defined]


async def test_an_id_that_two_contracts_share_is_of_no_market() -> None:
    """A spot pair of that id does not count; a second contract would make the row a guess."""
    spot, twin = market("QQQUSDT", "QQQ/USDT"), market("QQQUSDT", "QQQ/USDT:USDT-270101", "1")
    (held,) = await positions(row("1"), markets=[*MARKETS["binanceusdm"], spot])
    assert held.asset == "QQQ/USDT:USDT"
    with pytest.raises(SourceIncomplete):
        await positions(row("1"), markets=[*MARKETS["binanceusdm"], twin])


async def test_a_row_that_came_twice_is_one_position() -> None:
    """Equal rows are one; two of one market and leg that differ are not to be believed."""
    (held,) = await positions(row("2"), row("2"))
    assert held.amount == 2
    with pytest.raises(SourceMalformed):
        await positions(row("2"), row("3"))


@pytest.mark.parametrize(
    ("index", "side", "amount", "leg"),
    [(0, "Buy", "2.5", "net"), (0, "Sell", "-2.5", "net"), (1, "Buy", "2.5", "long"), (2, "Sell", "-2.5", "short")],
)
async def test_bybit_positions_are_signed_by_leg_or_side(index: int, side: str, amount: str, leg: str) -> None:
    """The spot pair of the same id is no position's market; a leg's number comes before its side."""
    held = {"symbol": "QQQUSDT", "size": "2.5", "positionIdx": index, "side": side, "avgPrice": "3", "markPrice": "4"}
    body = json.dumps({"retCode": 0, "result": {"list": [held], "nextPageCursor": ""}})
    empty = '{"retCode":0,"result":{"list":[],"nextPageCursor":""}}'

    def answer(asked: Asked) -> tuple[int, str]:
        return 200, body if "settleCoin=USDT" in asked.said else empty

    async with venue("bybit", answer) as (broker, _):
        (found,) = await broker.get_positions()
    assert (found.asset, found.amount, found.leg) == ("QQQ/USDT:USDT", Decimal(amount), leg)
    assert (found.average_price, found.market_price) == (Decimal(3), Decimal(4))


@pytest.mark.parametrize("wrong", [{"positionIdx": 3}, {"positionIdx": None}, {"symbol": ""}])
def test_a_bybit_row_of_no_leg_or_market_is_malformed(wrong: dict[str, Any]) -> None:
    """It is not guessed at."""
    with pytest.raises(RowError):
        own.bybit({"symbol": "QQQUSDT", "size": "1", "positionIdx": 0, "side": "Buy", **wrong})


@pytest.mark.parametrize(
    ("pos", "leg", "amount"), [("3", "net", "3"), ("-3", "net", "-3"), ("3", "long", "3"), ("3", "short", "-3")]
)
async def test_okx_positions_are_signed_by_amount_or_leg(pos: str, leg: str, amount: str) -> None:
    """Contracts with their size; the amount is what the venue counts."""
    held = {"instType": "SWAP", "instId": "QQQ-USDT-SWAP", "posId": "1", "pos": pos, "posSide": leg, "avgPx": "2"}
    async with venue("okx", lambda _asked: (200, json.dumps({"code": "0", "data": [held]}))) as (broker, _):
        (found,) = await broker.get_positions()
    assert (found.amount, found.leg, found.multiplier) == (Decimal(amount), leg, Decimal("0.01"))


@pytest.mark.parametrize("wrong", [{"posSide": None}, {"posSide": "both"}, {"instId": None}])
def test_an_okx_row_of_no_leg_or_market_is_malformed(wrong: dict[str, Any]) -> None:
    """It is not guessed at."""
    with pytest.raises(RowError):
        own.okx({"instType": "SWAP", "instId": "QQQ-USDT-SWAP", "pos": "1", "posSide": "net", **wrong})


@pytest.mark.parametrize("size", ["2.5", "-2.5", "-0.123456789012345678901234", "12345678901234567890"])
async def test_hyperliquid_positions_are_signed_by_their_size(size: str) -> None:
    """Every digit, the sign and the entry are the venue's; a price that it does not state is not worked out."""
    held = {
        "coin": "QQQ",
        "szi": size,
        "entryPx": "9.5",
        "positionValue": "1",
        "leverage": {"type": "cross", "value": 3},
    }
    body = json.dumps(
        {"marginSummary": {"accountValue": "10"}, "assetPositions": [{"position": held, "type": "oneWay"}]}
    )

    def answer(asked: Asked) -> tuple[int, str]:
        return 200, "[null]" if "perpDexs" in asked.said else body

    async with venue("hyperliquid", answer) as (broker, _):
        (found,) = await broker.get_positions()
    assert (found.asset, found.amount, found.leg) == ("QQQ/USDC:USDC", Decimal(size), "net")
    assert (found.average_price, found.market_price) == (Decimal("9.5"), None)


async def test_a_coin_at_hyperliquid_that_is_not_known_keeps_the_section_from_being_whole() -> None:
    """It is neither dropped nor taken for another one of a similar name."""
    rows = [{"position": {"coin": coin, "szi": "1"}, "type": "oneWay"} for coin in ("QQQ", "QQ", "xyz:QQQ")]
    body = json.dumps({"marginSummary": {"accountValue": "10"}, "assetPositions": rows})

    def answer(asked: Asked) -> tuple[int, str]:
        return 200, "[null]" if "perpDexs" in asked.said else body

    async with venue("hyperliquid", answer) as (broker, _):
        with pytest.raises(SourceIncomplete) as caught:
            await broker.get_positions()
    assert [held.asset for held in caught.value.rows] == ["QQQ/USDC:USDC"]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "wrong", [{"position": None}, {}, {"position": {"szi": "1"}}, {"position": {"coin": "", "szi": "1"}}]
)
def test_a_hyperliquid_row_of_no_coin_is_malformed(wrong: dict[str, Any]) -> None:
    """It is not guessed at."""
    with pytest.raises(RowError):
        own.hyperliquid(wrong)


async def test_a_hyperliquid_row_without_a_size_is_malformed() -> None:
    """It is never read as 0, which would be flat."""
    body = json.dumps({"marginSummary": {"accountValue": "1"}, "assetPositions": [{"position": {"coin": "QQQ"}}]})

    def answer(asked: Asked) -> tuple[int, str]:
        return 200, "[null]" if "perpDexs" in asked.said else body

    async with venue("hyperliquid", answer) as (broker, _):
        with pytest.raises(SourceMalformed):
            await broker.get_positions()
