"""The thorough reading: finds every problem of a document at once. Slow; the codec calls it only when in doubt.

It works from the raw JSON, where a number is still its text and a duplicate key can still be seen.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

import msgspec
from msgspec.structs import fields

from tieout.errors import Problem
from tieout.model.amounts import fits
from tieout.model.rules import finding, identity, snapshot_findings
from tieout.model.snapshot import (
    Activity,
    Balance,
    Fill,
    Lookup,
    Observation,
    Order,
    Position,
    Row,
    SideError,
    Snapshot,
)

DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,6})?", re.ASCII)
ROWS: dict[str, type[Row]] = {
    "positions": Position, "balances": Balance, "orders": Order, "fills": Fill, "activities": Activity,
}  # fmt: skip
DECIMAL_TYPES = (Decimal, Decimal | None)


class _Number(str):
    """A JSON number as it was written, so that nothing is lost before it is judged."""

    __slots__ = ()


class _Twice(dict[str, Any]):
    """An object in which a key stood more than once."""

    twice: tuple[str, ...] = ()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    built = dict(pairs)
    if len(built) == len(pairs):
        return built
    keys = [key for key, _ in pairs]
    marked = _Twice(built)
    marked.twice = tuple(key for key in built if keys.count(key) > 1)
    return marked


class Diagnosis:
    """Collects the problems of one document; `file` is how a person would name it."""

    def __init__(self, file: str, prefix: str = "") -> None:
        self.file, self.prefix = file, prefix
        self.problems: list[Problem] = []

    def add(self, place: str, what: str, mend: str) -> None:
        """Note one problem at *place* within the document."""
        joined = f"{self.prefix}{place}" if place else self.prefix.rstrip(" .")
        self.problems.append(Problem(self.file, joined, what, mend))

    def load(self, raw: bytes) -> Any:
        """The document with numbers as text; None, with a problem noted, where it is no JSON at all."""
        try:
            return json.loads(
                raw, object_pairs_hook=_object, parse_float=_Number, parse_int=_Number, parse_constant=_Number
            )
        except json.JSONDecodeError as error:
            cut = error.pos >= len(error.doc.rstrip())
            what = "the file ends in the middle" if cut else f"not JSON ({error.msg.lower()})"
            self.add(f"line {error.lineno} column {error.colno}", what, "write it out again, whole")
        except UnicodeDecodeError:
            self.add("", "not UTF-8 text", "save it as UTF-8")
        except RecursionError:
            self.add("", "nested too deeply to be of this format", "see tieout.snapshot/1")
        return None

    def snapshot(self, document: Any, place: str = "") -> None:
        """Check one snapshot, row by row and as a whole."""
        if not self._object(document, Snapshot, place, skip=frozenset(ROWS)):
            return
        before = len(self.problems)
        sections = {name: self._section(document.get(name), name, place) for name in ROWS}
        if len(self.problems) > before:
            return
        plain = {key: value for key, value in document.items() if key not in ROWS and key != "coverage"}
        try:
            whole = msgspec.convert({**plain, "coverage": document.get("coverage")}, Snapshot)
        except msgspec.ValidationError:
            return  # said field by field above
        whole = msgspec.structs.replace(whole, **{k: v for k, v in sections.items() if v is not None})
        for field, what, mend in snapshot_findings(whole):
            self.add(f"{place}{field}", what, mend)

    def observation(self, document: Any) -> None:
        """Check one line of a history."""
        sides = frozenset(("local", "broker", "local_before", "lookups"))
        if not self._object(document, Observation, "", skip=sides):
            return
        for name in ("local", "broker", "local_before"):
            side = document.get(name)
            if side is None:
                if name != "local_before":
                    self.add(
                        name, "nothing there", 'give a snapshot, or {"error": "timeout"} where it could not be read'
                    )
            elif isinstance(side, dict) and "error" in side and name != "local_before":
                self._object(side, SideError, f"{name}.")
            else:
                self.snapshot(side, f"{name}.")
        lookups = document.get("lookups")
        if isinstance(lookups, list):
            for index, lookup in enumerate(lookups):
                where = f"lookups[{index}]."
                if self._object(lookup, Lookup, where, skip=frozenset(("order",))) and lookup.get("order") is not None:
                    self._row(lookup["order"], Order, where + "order.")
        elif lookups is not None:
            self.add("lookups", "not a list", "give a list of lookups, or leave it out")

    def _section(self, rows: Any, name: str, place: str) -> tuple[Row, ...] | None:
        if rows is None:
            return None
        if not isinstance(rows, list):
            self.add(f"{place}{name}", "not a list", "give a list of rows, or null where it was not fetched")
            return None
        built: list[Row] = []
        seen: dict[tuple[str, Any], int] = {}
        for index, row in enumerate(rows):
            where = f"{place}{name}[{index}]"
            record = self._row(row, ROWS[name], where + ".")
            if record is None:
                continue
            built.append(record)
            for field, value in identity(record):
                first = seen.setdefault((field, value), index)
                if first != index:
                    self.add(where, f"the same {field} as in {name}[{first}]", "keep one row")
        return tuple(built)

    def _row(self, row: Any, kind: type[Row], place: str) -> Row | None:
        before = len(self.problems)
        if not self._object(row, kind, place) or len(self.problems) > before:
            return None
        record = msgspec.convert({key: _value(value) for key, value in row.items()}, kind)
        found = finding(record)
        if found is not None:
            self.add(f"{place}{found[0]}", found[1], found[2])
        return record

    def _object(
        self, document: Any, kind: type[msgspec.Struct], place: str, skip: frozenset[str] = frozenset()
    ) -> bool:
        """Check the fields of one object; False where it is none, or lacks what the rest needs."""
        if not isinstance(document, dict):
            self.add(place.rstrip("."), f"not an object of {kind.__name__.lower()} fields", "see tieout.snapshot/1")
            return False
        for key in getattr(document, "twice", ()):
            self.add(f"{place}{key}", "the same key twice", "keep the one that is right")
        known = {field.name: field for field in fields(kind)}
        for key in document:
            if key not in known:
                self.add(f"{place}{key}", "unknown field", _nearest(key, tuple(known)))
        complete = True
        for name, field in known.items():
            if name in skip:
                continue
            if name in document:
                self._field(document[name], field.type, f"{place}{name}")
            elif field.required:
                self.add(f"{place}{name}", "a required field is missing", "add it")
                complete = False
        return complete

    def _field(self, value: Any, kind: Any, place: str) -> None:
        if kind in DECIMAL_TYPES:
            if value is None and kind is not Decimal:
                return
            if not isinstance(value, str) or not DECIMAL.fullmatch(value) or not fits(Decimal(value)):
                what = "not a finite decimal of at most 64 digits with an exponent within ±64"
                self.add(place, what, 'write it plainly, such as "0.10000001"')
            return
        if isinstance(value, _Number):
            self.add(place, "a number where text is due", "put it in quotes")
            return
        try:
            msgspec.convert(value, kind)
        except msgspec.ValidationError as error:
            self.add(place, _said(str(error)), "see tieout.snapshot/1")


def _value(value: Any) -> Any:
    return str(value) if isinstance(value, _Number) else value


def _said(message: str) -> str:
    """A converter's message in our words; those messages name types and enums, never amounts."""
    if "timezone" in message:
        return "a time without an offset (naive); add Z or +01:00"
    message = message.split(" - at ")[0]
    return message[:1].lower() + message[1:]


def _nearest(key: str, known: tuple[str, ...]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(key, known, 1)
    return f"did you mean {close[0]}?" if close else f"the fields are {', '.join(known)}"
