"""A statement's file as a table of texts, row by row as a person counts them; a part is never taken for all."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping as Words
from dataclasses import dataclass

from tieout.brokers.statements.mapping import Writing


class Torn(Exception):
    """A file that is not a whole table; the words name row and column and hold no cell."""


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of one file.

    Attributes:
        columns: Their names.
        rows: The number of each row, as an editor counts lines, and its cells.
        whole: Something in it says that it is whole.
        typed: Columns whose texts were written by a machine: plain decimals and ISO times.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[int, Words[str, str]], ...]
    whole: bool
    typed: frozenset[str] = frozenset()


def read_csv(raw: bytes, writing: Writing) -> Table:
    """The table that a CSV file holds.

    Raises:
        Torn: It is not a whole table: cells are missing, its end is, or its count is another.
    """
    try:
        text = raw.decode(writing.encoding)
    except (UnicodeDecodeError, LookupError) as error:
        raise Torn(f"is no text in {writing.encoding}") from error
    if "\0" in text:
        raise Torn("has bytes of value zero: was it written whole?")
    lines = _lines(text, writing)
    if not lines:
        raise Torn("has no line of column names")
    (number, head), body = lines[0], lines[1:]
    columns = tuple(cell.strip() for cell in head)
    if len(set(columns)) != len(columns) or "" in columns:
        raise Torn(f"row {number}: the names of the columns are not one each")
    if writing.end is not None:
        body = _ended(body, writing)
    elif not text.endswith(("\n", "\r")):
        raise Torn("its last line has no end: was it written whole?")
    for number, cells in body:
        if len(cells) != len(columns):
            raise Torn(f"row {number}: {len(cells)} cells under {len(columns)} columns")
    rows = tuple((number, dict(zip(columns, map(str.strip, cells), strict=True))) for number, cells in body)
    return Table(columns, rows, whole=writing.end is not None)


def _lines(text: str, writing: Writing) -> list[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=writing.delimiter, strict=True)
    lines = []
    try:
        for cells in reader:
            if reader.line_num > writing.skip_lines and any(map(str.strip, cells)):
                lines.append((reader.line_num, cells))
    except csv.Error as error:
        raise Torn(f"row {reader.line_num}: a quote that is not closed, or stands where none may") from error
    return lines


def _ended(body: list[tuple[int, list[str]]], writing: Writing) -> list[tuple[int, list[str]]]:
    """The rows before the one that says that they are all."""
    ends = [index for index, (_, cells) in enumerate(body) if cells[0].strip() == writing.end]
    if ends != [len(body) - 1]:
        raise Torn(
            "the row that ends it is missing: was it written whole?" if not ends else "it ends before its last row"
        )
    number, last = body[-1]
    if writing.count is not None:
        said = last[writing.count - 1].strip() if writing.count <= len(last) else ""
        if not (said.isascii() and said.isdigit() and int(said) == len(body) - 1):
            raise Torn(f"row {number}: the count there is not that of the rows above it")
    return body[:-1]


def read_parquet(raw: bytes) -> Table:
    """The table that a Parquet file holds: its footer says that it is whole.

    Raises:
        Torn: It is no Parquet file, or a column holds what has no exact text, such as floating point numbers.
    """
    try:
        import pyarrow
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise Torn("a Parquet statement needs pyarrow: install tieout[statements]") from error
    try:
        read = parquet.ParquetFile(io.BytesIO(raw)).read()
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise Torn("is no whole Parquet file") from error
    types = pyarrow.types
    for column in read.schema:
        if types.is_floating(column.type):
            raise Torn(f"column {column.name}: floating point numbers are not exact: write them as decimals or as text")
        if types.is_nested(column.type) or types.is_binary(column.type):
            raise Torn(f"column {column.name}: holds what is neither a text, a number nor a time")
    columns = tuple(read.schema.names)
    if len(set(columns)) != len(columns):
        raise Torn("the names of the columns are not one each")
    texts = {name: [_text(cell) for cell in read.column(name).to_pylist()] for name in columns}
    rows = tuple((at + 1, {name: texts[name][at] for name in columns}) for at in range(read.num_rows))
    written = {each.name for each in read.schema if types.is_string(each.type) or types.is_large_string(each.type)}
    return Table(columns, rows, whole=True, typed=frozenset(columns) - written)


def _text(cell: object) -> str:
    if cell is None:
        return ""
    if hasattr(cell, "isoformat"):
        return str(cell.isoformat())
    return str(cell).strip()
