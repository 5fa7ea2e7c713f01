"""Flex statements, through ibflex: what is understood is exact, what is not leaves its section open; never flat."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from tests.brokers.statements.building import put

from tieout.brokers.statements.flex import FlexBroker
from tieout.clock import VirtualClock
from tieout.errors import SourceIncomplete, SourceMalformed, SourceUnreachable
from tieout.model.amounts import dec
from tieout.model.snapshot import Activity, Balance, Fill, Position, SideError
from tieout.observe.reading import Reach, read_broker

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
DAY = datetime(2026, 11, 20, 5, tzinfo=UTC)
AT = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)
XML = (Path(__file__).parent / "flex.xml").read_text("utf-8")
ASKED: dict[str, Callable[[FlexBroker], Awaitable[object]]] = {
    "positions": lambda side: side.get_positions(),
    "balances": lambda side: side.get_balances(),
    "fills": lambda side: side.get_fills(DAY),
    "activities": lambda side: side.get_activities(DAY),
}


def broker(tmp_path: Path, text: str = XML, *, now: datetime = NOW, max_age: int | None = 86400) -> FlexBroker:
    """The broker of the account U1 of such a statement."""
    put(tmp_path / "flex.xml", text)
    zone = ZoneInfo("America/New_York")
    return FlexBroker(tmp_path, "main", VirtualClock(now), called="U1", zone=zone, max_age_seconds=max_age)


async def test_every_element_is_read_exactly(tmp_path: Path) -> None:
    """Positions of one level of detail, cash by currency, executions without cancelled ones; each thing once."""
    said = await broker(tmp_path).get_statement()
    cost = dec("187.230000000000000001")
    assert said.positions == (
        Position("AAPL", dec("1500.25"), "net", cost, dec("190.1"), "USD", dec(1), "cash", quote="USD"),
        Position("ESZ6", dec(-2), "net", None, None, "USD", dec(50), "margin", quote="USD"),
    )
    assert said.balances == (Balance("USD", dec("-1000.10")), Balance("EUR", dec("0.30")))
    share = Fill(
        "0001.01.01",
        "AAPL",
        "buy",
        dec(100),
        dec("187.23"),
        AT,
        None,
        "c-1",
        dec("0.40"),
        "USD",
        quote="USD",
        settlement="cash",
    )
    pair = Fill(
        "2",
        "EUR.USD",
        "sell",
        dec(20000),
        dec("1.1"),
        AT,
        fee=dec(2),
        fee_currency="USD",
        settlement="cash",
        base="EUR",
        quote="USD",
    )
    assert said.fills == (share, pair)
    late = datetime(2026, 11, 21, 1, 25, tzinfo=UTC)
    assert said.activities == (
        Activity("15", "expiry", AT, asset="AAPL 261120C00150000", amount=dec(-1)),
        Activity("21", "dividend", DAY, "USD", amount=dec("12.50")),
        Activity("22", "withdrawal", DAY, "USD", amount=dec(-5)),
        Activity("31", "split", late, asset="NVDA", ratio="10/1"),
        Activity("32", "merger", late, asset="OLD", amount=dec(-10)),
        Activity("32:cash", "cash_in_lieu", late, "USD", amount=dec("55.5")),
        Activity("41", "transfer", DAY, asset="MSFT", amount=dec(3)),
    )
    assert (said.coverage, said.orders, said.fills_since) == (None, None, DAY)
    assert said.as_of == datetime(2026, 11, 21, 3, 10, tzinfo=UTC)


OPEN = {
    "an unknown cash type": (
        'type="Dividends" currency="USD" amount="12.50" dateTime="2026-11-20" t',
        'type="Loot" t',
        "activities",
        "CashTransaction.type",
    ),
    "an unknown corporate action": (
        'type="TC"',
        'type="PV"',
        "activities",
        "CorporateAction of type PV is of no known kind",
    ),
    "a split without its terms": ("SPLIT 10 FOR 1", "SPLIT", "activities", "how many"),
    "no name": (
        'symbol="AAPL" position="1,500.25"',
        'position="1,500.25"',
        "positions",
        "OpenPosition.symbol is missing",
    ),
    "a European number": ("1,500.25", "1,5", "positions", "OpenPosition.position is no number"),
    "not a number": ("1,500.25", "NaN", "positions", "OpenPosition.position is no number"),
    "lots alone": (
        'levelOfDetail="SUMMARY" assetCategory',
        'levelOfDetail="LOT" assetCategory',
        "positions",
        "SUMMARY",
    ),
    "another level": ('levelOfDetail="LOT"', 'levelOfDetail="NEWEST"', "positions", "SUMMARY"),
    "another account": (
        'accountId="U1" levelOfDetail="SUMMARY" assetCategory="FUT"',
        'accountId="U2" levelOfDetail="SUMMARY"',
        "positions",
        "another",
    ),
    "base summary alone": (
        'currency="USD" endingCash',
        'currency="BASE_SUMMARY" endingCash',
        "balances",
        "is missing|alone",
    ),
    "a zone in a time": ("2026-11-20;09:30:00", "2026-11-20;09:30:00 EST", "fills", "time with a zone"),
    "an offset in a time": ("2026-11-20;09:30:00", "2026-11-20;09:30:00-0500", "fills", "time with a zone"),
    "a cancel of the unknown": ('origTradeID="3"', 'origTradeID="9"', "fills", "was cancelled"),
    "a bought sale": ('buySell="SELL" quantity="-20000"', 'buySell="BUY" quantity="-20000"', "fills", "does not fit"),
    "orders alone": ('levelOfDetail="EXECUTION"', 'levelOfDetail="ORDER"', "fills", "EXECUTION"),
    "no why": ('notes="Ep"', 'notes="P"', "activities", "why an option"),
    "no transfers": (
        XML[XML.index("<Transfers>") : XML.index("</FlexStatement></Flex")],
        "",
        "activities",
        "has no Transfers",
    ),
}


@pytest.mark.parametrize("fault", OPEN)
async def test_what_is_not_understood_leaves_its_section_open(tmp_path: Path, fault: str) -> None:
    """The reason names the element; the other sections stay whole, and no amount is repeated."""
    old, new, section, says = OPEN[fault]
    assert old in XML
    text = XML.replace(old, new)
    if fault == "base summary alone":
        text = re.sub(r'<CashReportCurrency accountId="U1" currency="EUR"[^>]*>', "", text)
    side = broker(tmp_path, text)
    with pytest.raises(SourceIncomplete, match=says) as failure:
        await ASKED[section](side)
    assert not re.search("500|12.5|20000", str(failure.value))
    assert (await side.get_statement()).covers("positions" if section != "positions" else "balances") == "complete"


async def test_a_section_that_the_query_leaves_out_is_not_fetched(tmp_path: Path) -> None:
    """Absent is not empty; what is there without an element is empty."""
    bare = re.sub(
        r"<(CashReport|Trades|CashTransactions|CorporateActions|Transfers)>.*?</\1>", "", XML, flags=re.DOTALL
    )
    said = await broker(tmp_path, bare).get_statement()
    assert (said.balances, said.fills, said.activities) == (None, None, None)
    with pytest.raises(SourceIncomplete):
        await broker(tmp_path, bare).get_balances()
    flat = re.sub(r"<OpenPositions>.*?</OpenPositions>", "<OpenPositions />", XML, flags=re.DOTALL)
    assert await broker(tmp_path, flat).get_positions() == ()


@pytest.mark.parametrize(
    "text",
    [
        *(XML[:cut] for cut in (0, 9, len(XML) // 2, len(XML) - 3)),
        XML.replace('count="2"', 'count="3"'),
        XML.replace('<FlexStatement accountId="U1"', '<FlexStatement accountId="U3"'),
        XML.replace('<FlexStatement accountId="U2"', '<FlexStatement accountId="U1"'),
        XML.replace('symbol="ESZ6"', 'symbol="AAPL"'),
        XML.replace('toDate="2026-11-20"', 'toDate="soon"'),
        '<FlexStatementResponse timestamp="x"><Status>Fail</Status><ErrorCode>1019</ErrorCode></FlexStatementResponse>',
        "<html></html>",
    ],
)
async def test_what_is_no_whole_statement_is_not_read(tmp_path: Path, text: str) -> None:
    """Cut anywhere, of another account, of none or twice of ours: an error, never an account that holds nothing."""
    side = broker(tmp_path, text)
    with pytest.raises(SourceMalformed):
        await side.get_positions()
    assert isinstance(await read_broker("main", side, Reach()), SideError)


async def test_an_old_statement_is_none(tmp_path: Path) -> None:
    """One of a moment longer ago than it may be."""
    with pytest.raises(SourceUnreachable, match="seconds old"):
        await broker(tmp_path, now=NOW + timedelta(days=3)).get_positions()
