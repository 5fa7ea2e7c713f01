"""Statements in CSV: exact, whole, of this account and of this day, or not read; never an account that holds nothing."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.brokers.statements.building import (
    ACTIVITY,
    LONG_AGO,
    MAPPING,
    NOW,
    POSITIONS,
    POSITIONS_HEAD,
    broker,
    laid,
    mapped,
    put,
)

from tieout.brokers.base import OrderRequest
from tieout.brokers.statements.cells import BadCell, Reading
from tieout.brokers.statements.mapping import Writing
from tieout.errors import ActionRefused, BadInput, SourceError, SourceIncomplete, SourceMalformed, SourceUnreachable
from tieout.model.amounts import dec
from tieout.model.snapshot import Activity, Balance, Fill, Position, SideError, Snapshot
from tieout.observe.reading import Reach, read_broker

FIVE = datetime(2026, 11, 20, 22, tzinfo=UTC)
DAY = datetime(2026, 11, 20, 5, tzinfo=UTC)
ONE = 'zone = "UTC"\n[sections.positions.fields]\nasset = "Symbol"\namount = "Quantity"\n'
TABLE = "Symbol,Quantity\nAAPL,1\nTSLA,-2.50\n"


async def stated(place: Path, tmp_path: Path, text: str = MAPPING) -> Snapshot:
    """What the statements at *place* state."""
    return await broker(place, mapped(tmp_path, text)).get_statement()


async def test_every_row_is_read_exactly(tmp_path: Path) -> None:
    """Signs, separators, brackets, times of a zone, and what an empty cell leaves unsaid; to the last digit."""
    said = await stated(laid(tmp_path), tmp_path)
    assert said.positions == (
        Position("AAPL", dec("1500.25"), currency="USD", average_price=dec("187.230000000000000001")),
        Position("TSLA", dec("-7"), currency="USD"),
    )
    assert said.balances == (Balance("USD", dec("-1000.10")), Balance("EUR", dec("0.30")))
    at = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)
    first = Fill("t-1", "AAPL", "buy", dec(100), dec("187.23"), at, fee=dec("0.35"), fee_currency="USD")
    second = Fill("t-2", "TSLA", "sell", dec(7), dec(400), at + timedelta(minutes=1), fee=dec(0), fee_currency="USD")
    assert said.fills == (first, second)
    assert said.activities == (Activity("a-1", "dividend", DAY, "USD", amount=dec("12.50")),)
    assert (said.as_of, said.fills_since, said.activities_since) == (FIVE, DAY, DAY - timedelta(days=1))
    assert (said.account, said.orders, said.coverage) == ("main", None, None)


async def test_the_port_answers_out_of_the_statement(tmp_path: Path) -> None:
    """Sections, moments and refusals; what no statement covers is neither empty nor offered."""
    side = broker(laid(tmp_path), mapped(tmp_path))
    assert [each.asset for each in await side.get_positions()] == ["AAPL", "TSLA"]
    assert len(await side.get_fills(DAY)) == 2
    assert await side.server_time() == FIVE
    assert side.capabilities().sections == {"positions", "balances", "fills", "activities"}
    for asked in (side.get_fills(DAY - timedelta(seconds=1)), side.get_open_orders()):
        with pytest.raises(SourceIncomplete):
            await asked
    with pytest.raises(ActionRefused):
        await side.submit_order(OrderRequest(client_order_id="c", asset="AAPL", side="buy", quantity=dec(1)))
    with pytest.raises(ActionRefused):
        await side.cancel_order(client_order_id="c")


async def test_the_newest_day_counts(tmp_path: Path) -> None:
    """By the day in the name, however late an older one was written; what is still being written is passed over."""
    folder = laid(tmp_path)
    laid(tmp_path, "20261119", positions=POSITIONS_HEAD + "TOTAL;0\n")
    put(folder / "positions-20261121.csv.part", "Account")
    assert len((await stated(folder, tmp_path)).positions or ()) == 2


TORN = {
    "cut in the middle of a cell": (POSITIONS[: POSITIONS.index("TSLA") + 2], "written whole"),
    "cut at the end of a row": (POSITIONS.partition("U1;Pos;TSLA")[0], "written whole"),
    "cut after the head": (POSITIONS_HEAD, "written whole"),
    "empty": ("", "no line of column names"),
    "rows lost": (POSITIONS.replace("U1;Pos;TSLA;S;7;\n", ""), "row 4: the count there is not"),
    "two statements in one": (POSITIONS + POSITIONS, "before its last row"),
    "a cell too few": (POSITIONS.replace("TSLA;S;7;", "TSLA;7;"), "row 3: 5 cells under 6 columns"),
    "an open quote": (POSITIONS.replace("U1;Pos;TSLA", '"U1;Pos;TSLA'), "row 5: a quote"),
    "zeros from a crash": (POSITIONS + "\0\0", "zero"),
    "another account": (
        POSITIONS.replace("U1;Pos;TSLA", "U2;Pos;TSLA"),
        "row 3, column Account: is of another account",
    ),
    "no number": (POSITIONS.replace("1.500,25", "1,5O"), "row 2, column Quantity: no number"),
    "a foreign separator": (POSITIONS.replace("1.500,25", "1500.25"), "row 2, column Quantity: no number"),
    "a group of two": (POSITIONS.replace("1.500,25", "1.50"), "row 2, column Quantity: no number"),
    "not a number": (POSITIONS.replace("1.500,25", "NaN"), "row 2, column Quantity: no number"),
    "nothing": (POSITIONS.replace("1.500,25", ""), "row 2, column Quantity: is empty"),
    "no name": (POSITIONS.replace("AAPL", ""), "row 2, column Symbol: is empty"),
    "a column gone": (POSITIONS.replace("Quantity", "Qty"), "has no column Quantity"),
    "a column twice": (POSITIONS.replace("L/S", "Symbol"), "row 1: the names of the columns"),
    "an asset twice": (POSITIONS.replace("TSLA;S", "AAPL;S"), "names one of its positions twice"),
    "html": ("<html><body>Sign in</body></html>\n", "written whole"),
}


@pytest.mark.parametrize("fault", TORN)
async def test_what_is_no_whole_statement_is_not_read(tmp_path: Path, fault: str) -> None:
    """The failure names file, row and column and repeats no cell, and the side is an error, never flat."""
    text, says = TORN[fault]
    side = broker(laid(tmp_path, positions=text), mapped(tmp_path))
    with pytest.raises(SourceMalformed, match=re.escape(says)) as failure:
        await side.get_positions()
    assert "positions-20261120.csv" in str(failure.value)
    assert not re.search("500|1,5O|187", str(failure.value))
    row = re.search(r"row \d+", says)
    assert row is None or row[0] in failure.value.told  # a log may hold where to look
    assert isinstance(await read_broker("main", side, Reach()), SideError)


async def test_a_statement_of_another_day_is_none(tmp_path: Path) -> None:
    """Too old, of a day to come, of two days, or not there at all: not read."""
    mapping = mapped(tmp_path)
    folder = laid(tmp_path)
    wrong = {
        "seconds old": broker(folder, mapping, now=FIVE + timedelta(days=1, seconds=1)),
        "a day to come": broker(folder, mapping, now=FIVE - timedelta(days=2)),
        "no file there": broker(tmp_path / "elsewhere", mapping),
    }
    (tmp_path / "elsewhere").mkdir()
    for says, side in wrong.items():
        with pytest.raises(SourceError, match=says):
            await side.get_positions()
    (folder / "activity-20261120.csv").rename(folder / "activity-20261119.csv")
    with pytest.raises(SourceUnreachable, match="not of one moment"):
        await broker(folder, mapping).get_positions()
    with pytest.raises(SourceUnreachable):
        await broker(tmp_path / "none.csv", mapping).get_positions()


@pytest.mark.parametrize(
    ("activity", "section", "says"),
    [
        (ACTIVITY.replace("Dividend", "Choice 77"), "activities", 'row 6, column Type: "Choice … " stands in no table'),
        (ACTIVITY.replace("Cash move", "Other"), "activities", "row 6 belongs to no section"),
        (ACTIVITY.replace("Cash move", "Other"), "balances", "row 6 belongs to no section"),
        (ACTIVITY.replace("Cash move", "Other"), "fills", "row 6 belongs to no section"),
    ],
)
async def test_a_row_that_nobody_can_place_leaves_its_section_open(
    tmp_path: Path, activity: str, section: str, says: str
) -> None:
    """A word that no table has, or a row of no section: what did come is there, and nothing follows from the rest."""
    side = broker(laid(tmp_path, activity=activity), mapped(tmp_path))
    said = await side.get_statement()
    assert (said.coverage or {})[section] == "partial"  # type: ignore[index]
    assert said.covers("positions") == "complete"
    asked: dict[str, Callable[[], Awaitable[object]]] = {
        "balances": side.get_balances,
        "fills": lambda: side.get_fills(DAY),
        "activities": lambda: side.get_activities(DAY),
    }
    with pytest.raises(SourceIncomplete, match=re.escape(says.replace("… ", "…"))):
        await asked[section]()


async def test_without_an_end_a_file_must_have_settled(tmp_path: Path) -> None:
    """Nothing in it says that it is whole: it counts when its last line is ended and nobody has written to it for a while."""
    mapping, file = mapped(tmp_path, ONE), tmp_path / "p.csv"
    put(file, TABLE)
    assert [row.amount for row in await broker(file, mapping).get_positions()] == [dec(1), dec("-2.50")]
    put(file, TABLE, NOW - timedelta(seconds=59))
    with pytest.raises(SourceUnreachable, match="less than 60 seconds ago"):
        await broker(file, mapping).get_positions()
    put(file, TABLE.removesuffix("0\n"))
    with pytest.raises(SourceMalformed, match="its last line has no end"):
        await broker(file, mapping).get_positions()


async def test_a_table_without_rows_is_empty_only_by_its_word(tmp_path: Path) -> None:
    """Column names alone may be the beginning of a file; an end, or the mapping, says that they are all."""
    head = "Symbol,Quantity\n"
    file = tmp_path / "p.csv"
    put(file, head)
    with pytest.raises(SourceIncomplete, match="has no row"):
        await broker(file, mapped(tmp_path, ONE)).get_positions()
    trusting = ONE.replace(
        "[sections.positions.fields]", "[sections.positions]\nempty = true\n[sections.positions.fields]"
    )
    assert await broker(file, mapped(tmp_path, trusting)).get_positions() == ()
    put(file, head + "END\n")
    ended = ONE.replace("[sections", '[writing]\nend = "END"\n[sections', 1)
    assert await broker(file, mapped(tmp_path, ended)).get_positions() == ()


async def test_lots_are_added_up(tmp_path: Path) -> None:
    """Where the mapping says that rows are lots; a price of one of them is none of the whole."""
    lots = ONE.replace("[sections.positions.fields]", "[sections.positions]\nlots = true\n[sections.positions.fields]")
    file = tmp_path / "p.csv"
    put(file, "Symbol,Quantity\nA,0.1\nB,1\nA,0.2\n")
    side = broker(file, mapped(tmp_path, lots))
    assert await side.get_positions() == (Position("A", dec("0.3")), Position("B", dec(1)))


async def test_a_moment_may_stand_in_a_column(tmp_path: Path) -> None:
    """The same in every row, or it is no statement of one moment."""
    text = ONE.replace('zone = "UTC"', 'zone = "Asia/Tokyo"\n[as_of]\ncolumn = "Day"\ntime = "15:00"')
    file, mapping = tmp_path / "p.csv", mapped(tmp_path, text)
    put(file, "Symbol,Quantity,Day\nA,1,2026-11-20\nB,1,2026-11-20\n")
    assert await broker(file, mapping).server_time() == datetime(2026, 11, 20, 6, tzinfo=UTC)
    put(file, "Symbol,Quantity,Day\nA,1,2026-11-20\nB,1,2026-11-19\n")
    with pytest.raises(SourceMalformed, match="column Day: its rows are not of one moment"):
        await broker(file, mapping).get_positions()


@pytest.mark.parametrize(
    ("wrong", "place"),
    [
        (ONE.replace("UTC", "Mars/Base"), "zone"),
        (ONE.replace("amount =", "amounts ="), "sections.positions.fields.amounts"),
        (ONE.replace('amount = "Quantity"\n', ""), "sections.positions.fields.amount"),
        (ONE + "days = 1\n", "sections"),
        (ONE.replace('"Quantity"', "{ absolute = true }"), "sections.positions.fields.amount"),
        (ONE.replace("[sections", '[as_of]\nname = "day"\n[sections', 1), "as_of.name"),
        (ONE.replace("[sections", '[writing]\nthousands = "."\n[sections', 1), "writing.thousands"),
        (ONE.replace("[sections", "[writing]\ncount = 2\n[sections", 1), "writing.count"),
        ("zone = ", ""),
    ],
)
def test_a_mapping_that_makes_no_sense_is_refused(tmp_path: Path, wrong: str, place: str) -> None:
    """At once, with the place in it, before any statement is read by it."""
    with pytest.raises(BadInput) as refused:
        mapped(tmp_path, wrong)
    assert any(problem.place.startswith(place) for problem in refused.value.problems)


@given(
    st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**15), max_value=10**15, places=6),
    st.sampled_from([(".", ","), (",", "."), (",", " "), (".", ""), (".", "'")]),
)
def test_a_number_is_read_as_it_is_written(number: object, marks: tuple[str, str]) -> None:
    """Whatever the separators: the same number to the last digit, or, with the separators exchanged, never another one."""
    decimal, thousands = marks
    text = f"{number:,.6f}".translate({ord(","): thousands, ord("."): decimal})
    assert reading(decimal, thousands).number(text, "Q") == number
    if thousands in (".", ","):
        with pytest.raises(BadCell):
            reading(thousands, decimal).number(text, "Q")


def reading(decimal: str, thousands: str) -> Reading:
    """How numbers with such separators are read."""
    return Reading(Writing(decimal=decimal, thousands=thousands), ZoneInfo("UTC"), frozenset())


def test_nothing_was_written_after_the_fact() -> None:
    """The helper's times fit together: a statement of five o'clock was written after five, and is read later."""
    assert FIVE < LONG_AGO < NOW
