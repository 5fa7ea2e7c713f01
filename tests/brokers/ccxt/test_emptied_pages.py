"""A later page that came empty is the end of a list only where the venue shows, once more, what it ended with."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime

import pytest
from tests.brokers.ccxt.test_pages import START, Rows, bybit_fill, okx_fill, said
from tests.brokers.ccxt.venue import SINCE, venue
from tests.conform.loopback import Asked

from tieout.brokers.ccxt import pages
from tieout.brokers.ccxt.adapter import CcxtBroker
from tieout.brokers.ccxt.parse import RowLeft, milliseconds
from tieout.brokers.ccxt.spans import iso
from tieout.errors import SourceIncomplete

Answer = Callable[[Asked], "tuple[int, str]"]
Page = Callable[[dict[str, str], Rows], Rows]


def coinbase_fill(number: int) -> dict[str, str]:
    """An execution in Coinbase's form, to the microsecond."""
    at = iso(START + number).replace("Z", "789Z")
    return {
        "entry_id": f"e-{number}", "trade_id": f"t-{number}", "order_id": "o", "trade_time": at, "trade_type": "FILL",
        "price": "2", "size": "1", "commission": "0", "product_id": "QQQ-EUR", "sequence_timestamp": at, "side": "BUY",
    }  # fmt: skip


def as_it_is(_told: dict[str, str], page: Rows) -> Rows:
    """The page as it stands."""
    return page


def emptied(times: int) -> Page:
    """The first *times* pages that are asked for behind another come empty."""
    left = [times]

    def page(told: dict[str, str], page: Rows) -> Rows:
        later = {"cursor", "after", "end_sequence_timestamp"} & set(told) or ("endTime" in told and _early(told))
        if later and left[0]:
            left[0] -= 1
            return []
        return page

    return page


def _early(told: dict[str, str]) -> bool:
    return int(told["endTime"]) < START + 10_000


def bybit(count: int, bent: Page) -> Answer:
    """The newest first, by a mark that a full page has even where nothing follows."""
    rows = [bybit_fill(n) for n in reversed(range(count))]

    def answer(asked: Asked) -> tuple[int, str]:
        told = said(asked)
        mine = (
            [row for row in rows if int(row["execTime"]) <= int(told["endTime"])]
            if told["category"] == "linear"
            else []
        )
        begin = int(told.get("cursor", 0))
        page = mine[begin : begin + 100]
        mark = str(begin + 100) if len(page) == 100 else ""
        return 200, json.dumps({"retCode": 0, "result": {"list": bent(told, page), "nextPageCursor": mark}})

    return answer


def okx(count: int, bent: Page) -> Answer:
    """The newest first, behind a row's number."""
    rows = [okx_fill(n) for n in reversed(range(count))]

    def answer(asked: Asked) -> tuple[int, str]:
        told = said(asked)
        mine = rows if told["instType"] == "SWAP" else []
        mine = [row for row in mine if "after" not in told or int(row["billId"]) < int(told["after"])]
        return 200, json.dumps({"code": "0", "data": bent(told, mine[:100])})

    return answer


def coinbase(count: int, bent: Page) -> Answer:
    """The newest first, by a mark."""
    rows = [coinbase_fill(n) for n in reversed(range(count))]

    def answer(asked: Asked) -> tuple[int, str]:
        told = said(asked)
        end = told.get("end_sequence_timestamp")
        last = 10**15 if end is None else milliseconds(datetime.fromisoformat(end))
        mine = [row for row in rows if milliseconds(datetime.fromisoformat(row["sequence_timestamp"])) < last]
        begin = int(told.get("cursor", 0))
        page = mine[begin : begin + 250]
        mark = str(begin + 250) if len(page) == 250 else ""
        return 200, json.dumps({"fills": bent(told, page), "cursor": mark})

    return answer


SKINS = [("bybit", bybit, 100), ("okx", okx, 100), ("coinbase", coinbase, 250)]
CASES = pytest.mark.parametrize(("name", "skin", "size"), SKINS, ids=[name for name, _, _ in SKINS])


@CASES
async def test_a_list_that_ends_with_a_full_page_is_whole(
    name: str, skin: Callable[[int, Page], Answer], size: int
) -> None:
    """Two full pages and nothing behind them: every row, and no doubt; and so with one row more or less."""
    for count in (2 * size - 1, 2 * size, 2 * size + 1):
        async with venue(name, skin(count, as_it_is)) as (broker, _):
            assert len(await broker.get_fills(SINCE)) == count


@CASES
@pytest.mark.parametrize("times", [1, 2])
async def test_an_emptied_page_is_noticed(
    name: str, skin: Callable[[int, Page], Answer], size: int, times: int
) -> None:
    """The second page comes empty, once or twice over: the reading is a part, with the rows of the first."""
    for count in (size + 50, 2 * size + 50):
        async with venue(name, skin(count, emptied(times))) as (broker, _):
            found = await rows_of_a_part(broker)
            assert size <= found <= count


async def rows_of_a_part(broker: CcxtBroker) -> int:
    """How many rows came with the word that they are not all."""
    with pytest.raises(SourceIncomplete) as caught:
        await broker.get_fills(SINCE)
    return len(caught.value.rows)


def test_pages_by_how_many_came_show_the_last_row_again() -> None:
    """The next page begins with the row that the last one ended with; without it, it is not believed."""
    step = pages.skipping("offset", 2)
    first = pages.Page({}, [], [{"id": 1}, {"id": 2}], fresh=2, total=2, number=0)
    assert step(first) == {"offset": 1}
    assert step(pages.Page({"offset": 1}, [], [{"id": 2}], fresh=0, total=2, number=1)) is None
    for rows in ([], [{"id": 3}]):
        with pytest.raises(RowLeft, match="does not meet"):
            step(pages.Page({"offset": 1}, [], rows, fresh=len(rows), total=2, number=1))
