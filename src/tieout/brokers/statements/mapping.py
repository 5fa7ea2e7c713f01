"""A mapping in TOML: which column of a statement is which field of which section."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import fields

from tieout.errors import BadInput, Problem
from tieout.model.codec import read_bytes
from tieout.model.snapshot import Activity, Balance, Fill, Order, Position, Row, Section

Text = Annotated[str, Meta(min_length=1)]
RECORDS: dict[Section, type[Row]] = {
    "positions": Position,
    "balances": Balance,
    "orders": Order,
    "fills": Fill,
    "activities": Activity,
}


class Field(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where one field comes from: exactly one of `column`, `constant` and `sign_of`.

    Attributes:
        column: The column that holds it; an empty cell is no value.
        constant: What it is in every row.
        sign_of: A column of numbers: above 0 is "buy", below 0 is "sell".
        words: The statement's word for it: ours. A word that does not stand here is not guessed at.
        format: How a time is written (strptime's letters); without one it is ISO 8601.
        absolute: Take a number without its sign.
        negate: Take a number with the other sign.
        negative: A column, and the words in it that make the number of that row negative.
    """

    column: Text | None = None
    constant: Text | None = None
    sign_of: Text | None = None
    words: dict[str, str] = {}
    format: Text | None = None
    absolute: bool = False
    negate: bool = False
    negative: dict[str, tuple[str, ...]] = {}


class SectionMapping(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How one section is read.

    Attributes:
        fields: Our field: where it comes from (a plain text is a column).
        files: Which files of a folder hold it, as a pattern such as "positions-*.csv".
        rows: Columns, and the words in them, that a row of this section bears; none: every row is one of it.
        days: Fills and activities: the statement holds all of them of this many days, its own the last.
        lots: Positions: several rows of one asset are lots of it, to be added up.
        empty: A table without any row is an empty account, although nothing in it says that it is whole.
    """

    fields: dict[str, Field | str]
    files: Text | None = None
    rows: dict[str, tuple[str, ...]] = {}
    days: Annotated[int, Meta(ge=1)] | None = None
    lots: bool = False
    empty: bool = False


class AsOf(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The moment that the statement speaks of.

    Attributes:
        name: A regular expression over the file's name, with one group that holds the day.
        column: Or the column that holds it, the same in every row. With neither: when the file was written.
        format: How it is written (strptime's letters).
        time: The time of that day, where it has none.
    """

    name: Text | None = None
    column: Text | None = None
    format: Text = "%Y-%m-%d"
    time: Annotated[str, Meta(pattern=r"^([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?$")] = "23:59:59"


class Writing(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How the statement is written.

    Attributes:
        encoding: Of a CSV file.
        delimiter: Between its cells.
        skip_lines: Lines above the line of column names.
        decimal: The decimal separator.
        thousands: The thousands separator, "" for none.
        parentheses: (1.00) is a negative number.
        end: What stands in the first cell of the last row, which says that the statement is whole.
        count: In which cell of that last row the number of rows before it stands, from 1.
        settled_seconds: Without `end`, a file counts only when nobody has written to it for so long.
    """

    encoding: Text = "utf-8-sig"
    delimiter: Annotated[str, Meta(min_length=1, max_length=1)] = ","
    skip_lines: Annotated[int, Meta(ge=0)] = 0
    decimal: Annotated[str, Meta(pattern=r"^[.,]$")] = "."
    thousands: Annotated[str, Meta(pattern=r"^[., '\u00a0\u2019\u202f]?$")] = ""
    parentheses: bool = False
    end: Text | None = None
    count: Annotated[int, Meta(ge=1)] | None = None
    settled_seconds: Annotated[int, Meta(ge=0)] = 60


class Mapping(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A whole mapping.

    Attributes:
        sections: The sections that the statement covers, and how each is read.
        zone: The time zone of times that bear none.
        account: The column that holds the account, where the statement has one.
        as_of: The moment that it speaks of.
        writing: How it is written.
        ignore: Columns, and the words in them, any of which says that a row belongs to no section.
    """

    sections: dict[Section, SectionMapping]
    zone: Text
    account: Text | None = None
    as_of: AsOf = AsOf()
    writing: Writing = Writing()
    ignore: dict[str, tuple[str, ...]] = {}

    @property
    def tzinfo(self) -> ZoneInfo:
        """The zone as Python has it."""
        return ZoneInfo(self.zone)

    def by_field(self, section: Section) -> dict[str, Field]:
        """Where each field of *section* comes from."""
        given = self.sections[section].fields
        return {name: Field(column=each) if isinstance(each, str) else each for name, each in given.items()}


def read_mapping(path: Path) -> Mapping:
    """The mapping in a TOML file.

    Raises:
        BadInput: It cannot be read, or says what makes no sense: every problem of the first kind found.
    """
    raw = read_bytes(path)
    try:
        mapping = msgspec.toml.decode(raw, type=Mapping)
    except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError) as error:
        what, _, place = str(error).partition(" - at ")
        mend = "see docs/statements.md"
        raise BadInput([Problem(str(path), place.strip("`$."), what.lower(), mend)]) from error
    problems = [Problem(str(path), place, what, mend) for place, what, mend in _faults(mapping)]
    if problems:
        raise BadInput(problems)
    return mapping


Fault = tuple[str, str, str]


def _faults(mapping: Mapping) -> Iterator[Fault]:
    try:
        mapping.tzinfo  # noqa: B018
    except (ZoneInfoNotFoundError, ValueError):
        yield "zone", "no time zone", 'write one such as "America/New_York"'
    writing = mapping.writing
    if writing.thousands == writing.decimal:
        yield "writing.thousands", "the same as the decimal separator", "one of them is another"
    if writing.count is not None and writing.end is None:
        yield "writing.count", "a count without an end", "say what stands in the first cell of the last row: end"
    if not mapping.sections:
        yield "sections", "no section", "write [sections.positions.fields]"
    yield from _as_of_faults(mapping.as_of)
    for section in mapping.sections:
        yield from _section_faults(mapping, section)


def _as_of_faults(as_of: AsOf) -> Iterator[Fault]:
    if as_of.name is not None and as_of.column is not None:
        yield "as_of", "both a name and a column", "say which of them holds the day"
    try:
        groups = re.compile(as_of.name or "()").groups
    except re.error:
        groups = 0
    if groups != 1:
        yield "as_of.name", "no regular expression with one group", 'write one such as "positions-(\\\\d{8})"'


def _section_faults(mapping: Mapping, section: Section) -> Iterator[Fault]:
    place, record = f"sections.{section}", RECORDS[section]
    told, known = mapping.sections[section], {each.name: each for each in fields(record)}
    given = mapping.by_field(section)
    for name in given.keys() - known.keys():
        yield f"{place}.fields.{name}", f"no field of {section}", f"known are {', '.join(known)}"
    for name, each in known.items():
        if each.required and name not in given:
            yield f"{place}.fields.{name}", "missing", f"{section} need it"
    for name, field in given.items():
        if sum(source is not None for source in (field.column, field.constant, field.sign_of)) != 1:
            yield f"{place}.fields.{name}", "not one source", "give one of column, constant and sign_of"
    if told.days is not None and section not in ("fills", "activities"):
        yield f"{place}.days", "days of what has none", "only fills and activities have days"
    if told.lots and section != "positions":
        yield f"{place}.lots", "lots of what has none", "only positions have lots"
