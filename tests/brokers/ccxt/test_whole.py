"""What is not known to be whole raises, with the rows that did come."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.brokers.ccxt.venue import SINCE, always, at, venue

from tieout.brokers.ccxt.adapter import CcxtBroker
from tieout.errors import SourceIncomplete, SourceMalformed

HEAD = '{"symbol":"QQQEUR","id":%d,"orderId":9,"price":"1","qty":"2","commission":"0","commissionAsset":"EUR","isBuyer":true,'
FILL = HEAD + '"time":1772330645123}'


async def test_a_full_page_may_not_be_the_last() -> None:
    """As many rows as a page holds mean that others may follow."""
    rows = ",".join(FILL % number for number in range(1, 1001))
    async with venue("binance", at({"/myTrades": f"[{rows}]"}), assets=("QQQ/EUR",)) as (broker, _):
        with pytest.raises(SourceIncomplete) as caught:
            await broker.get_fills(SINCE)
    assert len(caught.value.rows) == 1000


async def test_a_page_that_is_not_full_is_all_there_is() -> None:
    """Fewer rows are the whole answer, each fill once, and none from before the time asked for."""
    rows = [FILL % 1, FILL % 2, FILL % 2, (FILL % 3).replace("1772330645123", "1")]
    async with venue("binance", at({"/myTrades": f"[{','.join(rows)}]"}), assets=("QQQ/EUR",)) as (broker, _):
        fills = await broker.get_fills(SINCE)
    assert [fill.fill_id for fill in fills] == ["1", "2"]


async def test_a_venue_asked_by_asset_needs_assets() -> None:
    """Without names to ask for, no fills are not an empty list of fills."""
    async with venue("binance", always(200, "[]")) as (broker, asked):
        with pytest.raises(SourceIncomplete):
            await broker.get_fills(SINCE)
        assert not asked


async def test_more_time_than_one_request_reaches_is_not_whole() -> None:
    """A start further back than the venue's window is refused before anything is asked."""
    async with venue("kucoin", always(200, "[]")) as (broker, asked):
        with pytest.raises(SourceIncomplete):
            await broker.get_fills(SINCE - timedelta(days=8))
        assert not asked


async def test_a_row_in_an_unknown_market_is_not_dropped_in_silence() -> None:
    """The rows that are understood come along, and the section is not complete."""
    rows = ",".join(f'{{"pair":"{pair}","type":"buy","vol":"1","vol_closed":"0"}}' for pair in ("QQQZEUR", "NEWCOIN"))
    async with venue("kraken", at({"/OpenPositions": f'{{"error":[],"result":[{rows}]}}'})) as (broker, _):
        with pytest.raises(SourceIncomplete) as caught:
            await broker.get_positions()
    assert [row.asset for row in caught.value.rows] == ["QQQ/EUR"]  # type: ignore[attr-defined]


async def test_rows_in_a_form_that_ccxt_does_not_read_are_no_empty_account() -> None:
    """ccxt reads a list of positions only; positions in an object are refused, not passed over."""
    body = '{"error":[],"result":{"T-1":{"pair":"QQQZEUR","type":"buy","vol":"1","vol_closed":"0"}}}'
    async with venue("kraken", at({"/OpenPositions": body})) as (broker, _):
        with pytest.raises(SourceMalformed):
            await broker.get_positions()


async def test_a_position_without_an_entry_price_is_one() -> None:
    """ccxt drops rows without an entry price; a row with an amount is a position all the same."""
    body = (
        '[{"symbol":"QQQUSDT","positionAmt":"5","entryPrice":"0","markPrice":"1","notional":"5","positionSide":"BOTH"}]'
    )
    async with venue("binanceusdm", at({"/positionRisk": body}, "[]")) as (broker, _):
        assert [row.amount for row in await broker.get_positions()] == [5]


async def test_a_known_gap_is_never_complete_unless_it_is_accepted() -> None:
    """A section of which a part is not read is complete only on the operator's word."""
    body = '{"accounts":[],"has_next":false}'
    async with venue("coinbase", at({"/accounts": body})) as (broker, _):
        with pytest.raises(SourceIncomplete):
            await broker.get_balances()
    async with venue("coinbase", at({"/accounts": body}), accept_gaps=("balances",)) as (broker, _):
        assert await broker.get_balances() == ()


async def test_more_pages_are_more_pages() -> None:
    """Where the venue says that others follow, what came is a part."""
    body = '{"orders":[],"has_next":true,"cursor":""}'
    async with venue("coinbase", at({"/batch": body})) as (broker, _):
        with pytest.raises(SourceIncomplete):
            await broker.get_open_orders()


async def test_an_unknown_venue_is_not_empty() -> None:
    """A venue without scopes has no sections, and asking for one raises."""
    broker = CcxtBroker("hollaex", account="invented")
    assert broker.capabilities().sections == frozenset()
    for reading in (broker.get_positions, broker.get_balances, broker.get_open_orders):
        with pytest.raises(SourceIncomplete):
            await reading()
    await broker.close()


async def test_a_missing_amount_is_malformed() -> None:
    """No amount where one is due is never read as 0."""
    body = '{"balances":[{"asset":"EUR","free":"1","locked":null}]}'
    async with venue("binance", at({"/account": body})) as (broker, _):
        with pytest.raises(SourceMalformed):
            await broker.get_balances()


async def test_activities_that_are_not_read_are_no_empty_list() -> None:
    """They are no section there, and asking for them raises."""
    async with venue("kucoin", always(200, "[]")) as (broker, _):
        assert "activities" not in broker.capabilities().sections
        with pytest.raises(SourceIncomplete):
            await broker.get_activities(SINCE)
