"""Statements in Parquet: exact columns only."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet
from tests.brokers.statements.building import NOW, mapped, put

from tieout.brokers.statements.adapter import StatementBroker
from tieout.clock import VirtualClock
from tieout.errors import SourceMalformed

MAPPING = """zone = "UTC"
[as_of]
column = "At"
[writing]
decimal = ","
thousands = "."
[sections.positions.fields]
asset = "Symbol"
amount = "Quantity"
average_price = "Cost"
"""
AT = datetime(2026, 11, 20, 21, tzinfo=UTC)
ROWS: dict[str, list[object]] = {
    "Symbol": ["A", "B"],
    "Quantity": [Decimal("0.100000000000000001"), Decimal(-2)],
    "Cost": ["1.234,5", None],
    "At": [AT, AT],
}


def broker(tmp_path: Path, raw: bytes) -> StatementBroker:
    """The broker whose statement is such a file."""
    put(tmp_path / "p.parquet", raw)
    mapping = mapped(tmp_path, MAPPING)
    return StatementBroker(tmp_path / "p.parquet", "main", VirtualClock(NOW), mapping=mapping, format="parquet")


def written(rows: dict[str, list[object]]) -> bytes:
    """The bytes of such a Parquet file."""
    sink = pyarrow.BufferOutputStream()
    parquet.write_table(pyarrow.table(rows), sink)
    return bytes(sink.getvalue())


async def test_without_pyarrow_a_sentence_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not a traceback, and no empty account."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(SourceMalformed, match=r"install tieout\[statements\]"):
        await broker(tmp_path, b"PAR1").get_positions()


async def test_columns_of_decimals_and_texts_are_exact(tmp_path: Path) -> None:
    """Decimals to the last digit, texts as the mapping says that they are written."""
    first, second = await broker(tmp_path, written({**ROWS})).get_positions()
    assert [first.amount, second.amount] == [Decimal("0.100000000000000001"), Decimal(-2)]
    assert [first.average_price, second.average_price] == [Decimal("1234.5"), None]
    assert await broker(tmp_path, written({**ROWS})).server_time() == AT


async def test_a_column_of_floats_is_refused(tmp_path: Path) -> None:
    """What its numbers were before they were rounded is not known any more."""
    with pytest.raises(SourceMalformed, match="column Quantity: floating point numbers are not exact"):
        await broker(tmp_path, written({**ROWS, "Quantity": [0.1, 2.0]})).get_positions()


async def test_a_torn_file_is_not_read(tmp_path: Path) -> None:
    """Its footer is its end: cut anywhere, it is no file."""
    whole = written({**ROWS})
    for cut in (0, 4, len(whole) // 2, len(whole) - 1):
        with pytest.raises(SourceMalformed, match="no whole Parquet file"):
            await broker(tmp_path, whole[:cut]).get_positions()
