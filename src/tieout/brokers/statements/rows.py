"""Tables and a mapping -> the rows of the sections. Every row finds its place, or the section is not whole."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping as Words
from dataclasses import dataclass
from dataclasses import field as default
from datetime import datetime
from decimal import Decimal
from typing import Any, get_args

import msgspec
from msgspec.structs import fields, replace

from tieout.brokers.statements.cells import BadCell, Reading, UnknownWord
from tieout.brokers.statements.mapping import RECORDS, Field, Mapping
from tieout.brokers.statements.tables import Table, Torn
from tieout.model.amounts import exact
from tieout.model.rules import distinct, finding
from tieout.model.snapshot import Position, Row, Section


@dataclass(slots=True)
class Found:
    """What one section of a statement holds, and why it may not be all."""

    rows: list[Row] = default(default_factory=list)
    gap: str | None = None


def sections_of(table: Table, mapping: Mapping, sections: Iterable[Section], account: str) -> dict[Section, Found]:
    """The rows of *table* that belong to each of *sections*; one of no section leaves all of them not whole.

    Raises:
        Torn: A column is missing, or a cell does not hold what the mapping says; in words that name row and column.
    """
    found = {section: Found() for section in sections}
    _require_columns(table, mapping, found)
    reading = Reading(mapping.writing, mapping.tzinfo, table.typed)
    for number, cells in table.rows:
        if mapping.account is not None and cells[mapping.account] != account:
            raise Torn(f"row {number}, column {mapping.account}: is of another account")
        if any(cells[column] in words for column, words in mapping.ignore.items()):
            continue
        takers = [section for section in found if _bears(mapping.sections[section].rows, cells)]
        if not takers:
            _open(found, f"row {number} belongs to no section of the mapping: add it to one, or to ignore")
        for section in takers:
            _take(found[section], section, (number, cells), reading, mapping)
    for section, each in found.items():
        _finish(section, each, table, mapping)
    return found


def _require_columns(table: Table, mapping: Mapping, sections: Iterable[Section]) -> None:
    needed = {*mapping.ignore, *([mapping.account] if mapping.account else [])}
    for section in sections:
        needed |= mapping.sections[section].rows.keys()
        for field in mapping.by_field(section).values():
            needed |= {name for name in (field.column, field.sign_of, *field.negative) if name is not None}
    missing = sorted(needed - set(table.columns))
    if missing:
        raise Torn(f"has no column {', '.join(missing)}")


def _bears(words: Words[str, tuple[str, ...]], cells: Words[str, str]) -> bool:
    return all(cells[column] in allowed for column, allowed in words.items())


def _open(found: Words[Section, Found], why: str) -> None:
    for each in found.values():
        each.gap = each.gap or why


def _take(found: Found, section: Section, row: tuple[int, Words[str, str]], reading: Reading, mapping: Mapping) -> None:
    number, cells = row
    try:
        record = _record(RECORDS[section], mapping.by_field(section), cells, reading)
    except UnknownWord as error:
        found.gap = found.gap or f"row {number}, column {error.place}: {error.what}"
        return
    except BadCell as error:
        raise Torn(f"row {number}, column {error.place}: {error.what}") from None
    wrong = finding(record)
    if wrong is not None:
        raise Torn(f"row {number}, field {wrong[0]}: {wrong[1]}")
    found.rows.append(record)


def _record(kind: type[Row], given: Words[str, Field], cells: Words[str, str], reading: Reading) -> Row:
    values: dict[str, object] = {}
    for each in fields(kind):
        if each.name in given:
            values[each.name] = reading.value(given[each.name], cells, _plain_kind(each.type))
            if values[each.name] is None and each.required:
                raise BadCell(_place(given[each.name]), "is empty")
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        name = str(error).rpartition("$.")[2].strip("`")
        place = _place(given[name]) if name in given else name
        raise BadCell(place, f"no {name} of ours; give the statement's words for it") from None


def _place(field: Field) -> str:
    return field.column or field.sign_of or "constant"


def _plain_kind(kind: Any) -> object:
    """Decimal, datetime, bool or str: what a field is when it is there."""
    inner = {kind, *get_args(kind)}
    inner |= {arg for each in inner for arg in get_args(each)}
    return next((each for each in (Decimal, datetime, bool) if each in inner), str)


def _finish(section: Section, found: Found, table: Table, mapping: Mapping) -> None:
    told = mapping.sections[section]
    if not table.rows and not table.whole and not told.empty:
        found.gap = found.gap or "has no row, and nothing in it says that it is whole: see empty in docs/statements.md"
    if told.lots:
        found.rows = list(_summed([row for row in found.rows if isinstance(row, Position)]))
    if found.rows and not distinct(found.rows):
        raise Torn(f"names one of its {section} twice")


@exact
def _summed(rows: list[Position]) -> Iterable[Position]:
    """One row for each asset and leg, its amounts added up; an average price of one lot is none of the whole."""
    by_asset: dict[tuple[str, str], Position] = {}
    for row in rows:
        known = by_asset.get((row.asset, row.leg))
        if known is not None:
            row = replace(known, amount=known.amount + row.amount, average_price=None)
        by_asset[row.asset, row.leg] = row
    return by_asset.values()
