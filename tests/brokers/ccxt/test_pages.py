"""Lists are read to an end that the venue's own words prove; what moves, vanishes or cannot be proven is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest
from tests.brokers.ccxt.venue import SINCE, venue
from tests.conform.loopback import Asked

from tieout.brokers.ccxt import pages
from tieout.brokers.ccxt.adapter import CcxtBroker
from tieout.brokers.ccxt.parse import RowLeft, milliseconds
from tieout.brokers.ccxt.spans import iso
from tieout.errors import SourceError, SourceIncomplete, SourceMalformed

Rows = list[dict[str, Any]]
START = milliseconds(SINCE)


def said(asked: Asked) -> dict[str, str]:
    """The fields of a request, from its query or its body, form or JSON."""
    query, _, body = asked.said.partition("\n")
    if body.startswith("{"):
        return {name: str(value) for name, value in json.loads(body).items()}
    return {name: values[0] for name, values in parse_qs(f"{query}&{body}").items()}


def binance_fill(number: int, at: int) -> dict[str, Any]:
    """A trade in Binance's form."""
    return {
        "symbol": "QQQEUR", "id": number, "orderId": 9, "price": "1", "qty": "2", "commission": "0",
        "commissionAsset": "EUR", "isBuyer": True, "time": at,
    }  # fmt: skip


def binance(rows: Rows) -> Callable[[Asked], tuple[int, str]]:
    """Trades as Binance pages them: by number, or within a day, or the latest."""

    def answer(asked: Asked) -> tuple[int, str]:
        told = said(asked)
        limit = int(told["limit"])
        assert not ("fromId" in told and "startTime" in told), "the venue refuses both together"
        if "fromId" in told:
            found = [row for row in rows if row["id"] >= int(told["fromId"])][:limit]
        elif "startTime" in told:
            start, end = int(told["startTime"]), int(told["endTime"])
            assert end - start < 86_400_000, "the venue refuses more than a day"
            found = [row for row in rows if start <= row["time"] <= end][:limit]
        else:
            found = rows[-limit:]
        return 200, json.dumps(found)

    return answer


async def test_the_latest_rows_are_enough_where_they_reach() -> None:
    """Fewer than a page of them, or one from before the moment asked for: one request proves that nothing is missing."""
    few = [binance_fill(n, START + n) for n in range(1, 6)]
    async with venue("binance", binance(few), assets=("QQQ/EUR",)) as (broker, asked):
        assert len(await broker.get_fills(SINCE - timedelta(days=400))) == 5
        assert len(asked) == 1


async def test_days_are_walked_to_the_first_row_and_numbers_from_there() -> None:
    """More than a page of trades over several days are read whole, each page beginning where the last one ended."""
    many = [binance_fill(7 * n, START - 86_400_000 * 3 + n * 60_000) for n in range(1, 2501)]
    async with venue("binance", binance(many), assets=("QQQ/EUR",)) as (broker, asked):
        fills = await broker.get_fills(SINCE - timedelta(days=5))
    assert [fill.fill_id for fill in fills] == [str(row["id"]) for row in many]
    assert len(asked) < 10


async def test_a_page_that_does_not_begin_where_the_last_one_ended_is_noticed() -> None:
    """A row that vanished between two pages leaves a part, never a whole."""
    many = [binance_fill(n, START - 86_400_000 * 3 + n * 60_000) for n in range(1, 2501)]
    whole = binance(many)

    def answer(asked: Asked) -> tuple[int, str]:
        if said(asked).get("fromId") == "1000":
            return 200, json.dumps([row for row in json.loads(whole(asked)[1]) if row["id"] != 1000])
        return whole(asked)

    async with venue("binance", answer, assets=("QQQ/EUR",)) as (broker, _):
        with pytest.raises(SourceIncomplete, match="does not begin where"):
            await broker.get_fills(SINCE - timedelta(days=5))


def kraken_trade(number: int) -> dict[str, Any]:
    """A trade in Kraken's form; a higher number is newer."""
    return {
        "ordertxid": "O", "pair": "QQQZEUR", "time": f"{START // 1000 + number}.25", "type": "buy", "price": "2",
        "cost": "2", "fee": "0", "vol": "1", "margin": "0",
    }  # fmt: skip


class Kraken:
    """Fifty trades a page, the newest first, with a count of all."""

    def __init__(self, numbers: list[int]) -> None:
        self.numbers, self.asked = numbers, 0

    def __call__(self, asked: Asked) -> tuple[int, str]:
        told = said(asked)
        assert int(told["start"]) < START // 1000, "the very start is left out, so it has to be earlier"
        newest_first = sorted(self.numbers, reverse=True)
        page = newest_first[(behind := int(told.get("ofs", 0))) : behind + 50]
        trades = {f"T-{number}": kraken_trade(number) for number in page}
        self.asked += 1
        return 200, json.dumps({"error": [], "result": {"trades": trades, "count": len(self.numbers)}})


async def test_counted_pages_are_read_to_the_count() -> None:
    """As many different rows as the venue counts: three pages of Kraken's trades."""
    async with venue("kraken", Kraken(list(range(120)))) as (broker, asked):
        fills = await broker.get_fills(SINCE)
    assert {fill.fill_id for fill in fills} == {f"T-{number}" for number in range(120)}
    assert (len(fills), len(asked)) == (120, 3)


async def test_rows_that_arrive_meanwhile_move_the_pages_and_are_found() -> None:
    """New trades push the list on: what moves onto the next page counts once, and what came new is fetched as well."""
    server = Kraken(list(range(120)))

    def answer(asked: Asked) -> tuple[int, str]:
        told = server(asked)
        if server.asked == 1:
            server.numbers = list(range(123))
        return told

    async with venue("kraken", answer) as (broker, _):
        fills = await broker.get_fills(SINCE)
    assert (len(fills), len({fill.fill_id for fill in fills})) == (123, 123)


async def test_a_row_that_vanishes_between_pages_is_noticed() -> None:
    """The venue counted more than it gave, so what came is a part, and is handed over as one."""
    server = Kraken(list(range(120)))

    def answer(asked: Asked) -> tuple[int, str]:
        status, text = server(asked)
        return status, text.replace('T-17"', 'T-18"') if server.asked > 1 else text

    async with venue("kraken", answer) as (broker, _):
        with pytest.raises(SourceError):
            await broker.get_fills(SINCE)


def bybit_fill(number: int) -> dict[str, Any]:
    """A trade in Bybit's form."""
    return {
        "symbol": "QQQUSDT", "execId": f"e-{number}", "orderId": "o", "side": "Buy", "execPrice": "2", "execQty": "1",
        "execFee": "0", "execTime": str(START + number), "execType": "Trade",
    }  # fmt: skip


def bybit(rows: Rows, size: int = 100) -> Callable[[Asked], tuple[int, str]]:
    """Trades of the linear category, by cursor; other categories hold none."""

    def answer(asked: Asked) -> tuple[int, str]:
        told = said(asked)
        start, end = int(told["startTime"]), int(told["endTime"])
        assert end - start < 7 * 86_400_000, "the venue refuses more than a week"
        mine = [row for row in rows if start <= int(row["execTime"]) <= end] if told["category"] == "linear" else []
        behind = int(told.get("cursor", 0))
        page = mine[behind : behind + size]
        mark = str(behind + size) if page else ""
        return 200, json.dumps({"retCode": 0, "result": {"list": page, "nextPageCursor": mark}})

    return answer


async def test_cursors_are_followed_through_every_window_and_category() -> None:
    """A cursor is followed until a page is empty, in each week since the moment asked for."""
    rows = [bybit_fill(n * 3_000_000) for n in range(-400, 7)]
    async with venue("bybit", bybit(rows)) as (broker, asked):
        fills = await broker.get_fills(SINCE - timedelta(days=20))
    assert [fill.fill_id for fill in fills] == [row["execId"] for row in rows]
    assert len({said(one)["category"] for one in asked}) == 4


async def test_windows_reach_beyond_the_venues_present() -> None:
    """A clock of ours that is days behind, which ccxt makes up for in its signatures, hides no fill."""
    rows = [bybit_fill(n * 86_400_000) for n in range(30)]
    async with venue("bybit", bybit(rows)) as (broker, _):
        client = broker._asking.client()
        client.options["timeDifference"] = -30 * 86_400_000
        assert len(await broker.get_fills(SINCE)) == 30


async def test_a_cursor_that_leads_back_is_no_end() -> None:
    """The same page over and over is a part, and not read for ever."""
    rows = [bybit_fill(n) for n in range(3)]

    def answer(asked: Asked) -> tuple[int, str]:
        status, text = bybit(rows)(Asked(asked.path, asked.said.replace("cursor", "ignored")))
        return status, text

    async with venue("bybit", answer) as (broker, asked):
        with pytest.raises(SourceIncomplete, match="same page") as caught:
            await broker.get_fills(SINCE)
    assert len(caught.value.rows) == 3
    assert len(asked) < 10


async def test_a_cursor_field_that_is_missing_proves_no_end() -> None:
    """A venue that says nothing about further pages did not say that there are none."""

    def answer(asked: Asked) -> tuple[int, str]:
        return 200, json.dumps({"retCode": 0, "result": {"list": [bybit_fill(1)]}})

    async with venue("bybit", answer) as (broker, _):
        with pytest.raises(SourceIncomplete):
            await broker.get_fills(SINCE)


async def test_two_rows_of_one_id_that_differ_are_not_believed() -> None:
    """Duplicates over pages count once if they are equal; if they are not, nothing is believed."""
    rows = [*(bybit_fill(n) for n in range(150)), {**bybit_fill(3), "execQty": "2"}]
    async with venue("bybit", bybit(rows)) as (broker, _):
        with pytest.raises(SourceMalformed):
            await broker.get_fills(SINCE)
    async with venue("bybit", bybit([*rows[:150], rows[3]])) as (broker, _):
        assert len(await broker.get_fills(SINCE)) == 150


async def test_what_the_venue_does_not_keep_is_a_part() -> None:
    """Asked for more than two years, Bybit's trades are those it has, and incomplete."""
    async with venue("bybit", bybit([bybit_fill(1)])) as (broker, _):
        with pytest.raises(SourceIncomplete, match="730 days") as caught:
            await broker.get_fills(SINCE - timedelta(days=800))
    assert len(caught.value.rows) == 1


def okx_fill(number: int) -> dict[str, Any]:
    """A trade in OKX's form."""
    return {
        "instType": "SWAP", "instId": "QQQ-USDT-SWAP", "tradeId": f"t{number}", "billId": str(1000 + number),
        "ordId": "1", "side": "buy", "fillPx": "2", "fillSz": "1", "fee": "0", "feeCcy": "USDT", "posSide": "net",
        "ts": str(START + number), "fillTime": str(START + number),
    }  # fmt: skip


async def test_pages_behind_the_last_row_are_read_to_one_that_is_not_full() -> None:
    """OKX's trades, the newest first, a hundred at a time."""
    rows = [okx_fill(n) for n in reversed(range(250))]

    def answer(asked: Asked) -> tuple[int, str]:
        told = said(asked)
        mine = rows if told["instType"] == "SWAP" else []
        mine = [row for row in mine if "after" not in told or int(row["billId"]) < int(told["after"])]
        return 200, json.dumps({"code": "0", "data": mine[:100]})

    async with venue("okx", answer) as (broker, asked):
        assert len(await broker.get_fills(SINCE)) == 250
    assert len(asked) == 4 + 3


def hyperliquid_fill(number: int, at: int) -> dict[str, Any]:
    """A trade in Hyperliquid's form."""
    return {
        "coin": "QQQ", "px": "2", "sz": "1", "side": "B", "time": at, "dir": "Open Long", "hash": "0x0", "oid": 5,
        "tid": 1 + number, "fee": "0", "feeToken": "USDC", "crossed": True, "startPosition": "0", "closedPnl": "0",
    }  # fmt: skip


def hyperliquid(rows: Rows) -> Callable[[Asked], tuple[int, str]]:
    """Two thousand trades from a moment on, of which the venue keeps ten thousand."""

    def answer(asked: Asked) -> tuple[int, str]:
        start = int(said(asked)["startTime"])
        return 200, json.dumps([row for row in rows[-10_000:] if row["time"] >= start][:2000])

    return answer


async def test_pages_onward_in_time_meet_each_other() -> None:
    """Each page begins with the moment that the one before it ended with, so that nothing of that moment is missing."""
    rows = [hyperliquid_fill(n, START + n // 3) for n in range(2100)]
    async with venue("hyperliquid", hyperliquid(rows)) as (broker, asked):
        assert len(await broker.get_fills(SINCE)) == 2100
    assert len(asked) == 3, "who the address is, and two pages"


async def test_more_rows_in_one_moment_than_a_page_holds_are_a_part() -> None:
    """Where the next page begins as the last one did, nothing proves that there is no more."""
    rows = [hyperliquid_fill(n, START) for n in range(2001)]
    async with venue("hyperliquid", hyperliquid(rows)) as (broker, _):
        with pytest.raises(SourceIncomplete):
            await broker.get_fills(SINCE)


def test_as_many_rows_as_a_venue_keeps_are_a_part() -> None:
    """A venue that keeps so many rows, and gave as many, may have had more."""
    step = pages.onward("time", "startTime", 2000, cap=10_000)
    page = pages.Page({}, [], [{"time": 1}], fresh=0, total=9_999, number=5)
    assert step(page) is None
    with pytest.raises(RowLeft):
        step(page._replace(total=10_000))


def futures_fill(number: int) -> dict[str, Any]:
    """A trade in the form of Kraken's futures."""
    return {
        "fill_id": f"f-{number}", "symbol": "PI_QQQUSD", "side": "buy", "order_id": "o", "size": 1, "price": 2,
        "fillTime": iso(START + number), "fillType": "taker",
    }  # fmt: skip


async def test_pages_backward_in_time_reach_the_moment_asked_for() -> None:
    """Kraken's futures give a hundred trades before a moment: back to before the one that was asked for."""
    rows = [futures_fill(n * 1000) for n in reversed(range(-200, 250))]

    def answer(asked: Asked) -> tuple[int, str]:
        before = said(asked).get("lastFillTime", "9")
        return 200, json.dumps({"result": "success", "fills": [r for r in rows if r["fillTime"] < before][:100]})

    async with venue("krakenfutures", answer) as (broker, asked):
        assert len(await broker.get_fills(SINCE)) == 250
    assert len(asked) == 3


async def test_an_order_that_moves_between_lists_is_not_missed() -> None:
    """A Coinbase order that opens while it is looked for is seen once, as it stood last."""
    order = {
        "order_id": "o-1", "product_id": "QQQ-EUR", "side": "BUY", "client_order_id": "c", "created_time":
        "2026-03-01T00:00:00Z", "filled_size": "0", "order_type": "LIMIT",
        "order_configuration": {"limit_limit_gtc": {"base_size": "3", "limit_price": "2"}},
    }  # fmt: skip
    asks: list[str] = []

    def answer(asked: Asked) -> tuple[int, str]:
        status = said(asked)["order_status"]
        asks.append(status)
        rows = [{**order, "status": status}] if status in ("PENDING", "OPEN") else []
        return 200, json.dumps({"orders": rows, "has_next": False, "cursor": ""})

    async with venue("coinbase", answer) as (broker, _):
        (found,) = await broker.get_open_orders()
    assert (found.broker_order_id, found.status) == ("o-1", "open")
    assert asks.index("PENDING") < asks.index("OPEN") < asks.index("CANCEL_QUEUED")


async def test_a_list_without_end_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages that never end are given up after so many, as a part."""
    monkeypatch.setattr("tieout.brokers.ccxt.gather.MAX_PAGES", 5)
    rows = [bybit_fill(n) for n in range(100)]
    async with venue("bybit", bybit(rows, size=10)) as (broker, asked):
        with pytest.raises(SourceIncomplete, match="more pages than"):
            await broker.get_fills(SINCE)
    assert len(asked) == 5 + 3
    assert isinstance(broker, CcxtBroker)
