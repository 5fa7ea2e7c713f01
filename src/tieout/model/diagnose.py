"""The thorough reading: finds every problem of a document at once. Slow; the codec calls it only when in doubt.

It works from the raw JSON, where a number is still its text and a duplicate key can still be seen. What it finds nothing
wrong with it returns, so that nobody has to read the document a second time by other rules.
"""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from difflib import get_close_matches
from enum import StrEnum
from functools import lru_cache
from typing import Any, Literal, get_args, get_origin

import msgspec
from msgspec.structs import fields

from tieout.errors import Problem
from tieout.model.amounts import dec
from tieout.model.rules import finding, identity, snapshot_findings
from tieout.model.snapshot import (
    SECTIONS,
    Activity,
    Balance,
    Coverage,
    Fill,
    Lookup,
    Observation,
    Order,
    Position,
    Row,
    SideError,
    Snapshot,
    Source,
)

ROWS: dict[str, type[Row]] = {
    "positions": Position, "balances": Balance, "orders": Order, "fills": Fill, "activities": Activity,
}  # fmt: skip
DECIMAL_TYPES = (Decimal, Decimal | None)
SIDES: tuple[tuple[str, Source], ...] = (("local", "local"), ("broker", "broker"), ("local_before", "local"))
HINT = "the format is tieout.snapshot/1"
BOM = b"\xef\xbb\xbf"
LONGEST_SHOWN = 60


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
    marked = _Twice(built)
    marked.twice = tuple(key for key, times in Counter(key for key, _ in pairs).items() if times > 1)
    return marked


class Diagnosis:
    """Collects the problems of one document; `file` is how a person would name it."""

    def __init__(self, file: str, prefix: str = "") -> None:
        self.file, self.prefix = file, prefix
        self.problems: list[Problem] = []

    def add(self, place: str, what: str, mend: str) -> None:
        """Note one problem at *place* within the document."""
        joined = f"{self.prefix}{place}" if place else self.prefix.rstrip(" .:")
        self.problems.append(Problem(self.file, joined, what, mend))

    def load(self, raw: bytes) -> Any:
        """The document with numbers as text; None, with a problem noted, where it is no JSON at all."""
        if raw.startswith(BOM):
            return self.add("", "a byte order mark before the text", "save it as UTF-8 without one")
        try:
            return json.loads(
                raw.decode(), object_pairs_hook=_object, parse_float=_Number, parse_int=_Number, parse_constant=_Number
            )
        except json.JSONDecodeError as error:
            cut = error.pos >= len(error.doc.rstrip())
            what = "the text ends in the middle" if cut else f"not JSON ({error.msg.lower()})"
            line = "" if self.prefix else f"line {error.lineno} "
            self.add(f"{line}column {error.colno}", what, "write it out again, whole")
        except UnicodeDecodeError:
            self.add("", "not UTF-8 text", "save it as UTF-8")
        except RecursionError:
            self.add("", "nested too deeply to be of this format", HINT)
        return None

    def snapshot(self, document: Any, place: str = "", source: Source | None = None) -> Snapshot | None:
        """Check one snapshot, row by row and as a whole; None where a problem was found.

        Args:
            document: What `load` returned.
            place: Where it stands in a larger document, with a dot at its end.
            source: Which side it has to be, where that matters.
        """
        before = len(self.problems)
        built = self._object(document, Snapshot, place, skip=frozenset((*ROWS, "coverage")))
        if not isinstance(document, dict):
            return None
        stated = built.get("source")
        if source is not None and stated not in (None, source):
            what = f'a snapshot of "{stated}" where "{source}" is due'
            self.add(f"{place}source", what, "swap the two sides, or correct the source")
        built["coverage"] = self._coverage(document.get("coverage"), f"{place}coverage")
        for name in SECTIONS:
            built[name] = self._section(document.get(name), name, place)
        for field, what, mend in snapshot_findings(_draft(built)):
            self.add(f"{place}{field}", what, mend)
        return Snapshot(**built) if len(self.problems) == before else None

    def observation(self, document: Any) -> Observation | None:
        """Check one line of a history; None where a problem was found."""
        before = len(self.problems)
        built = self._object(document, Observation, "", skip=frozenset((*dict(SIDES), "lookups")))
        if not isinstance(document, dict):
            return None
        for name, source in SIDES:
            built[name] = self._side(document.get(name), name, source, built.get("account"))
        built["lookups"] = self._lookups(document.get("lookups"))
        return Observation(**built) if len(self.problems) == before else None

    def _side(self, side: Any, name: str, source: Source, account: str | None) -> Snapshot | SideError | None:
        place = f"{name}."
        if side is None:
            if name != "local_before":
                mend = 'give a snapshot, or {"error": "timeout"} where it could not be read'
                self.add(name, "nothing there", mend)
            return None
        if isinstance(side, dict) and "error" in side and name != "local_before":
            before = len(self.problems)
            built = self._object(side, SideError, place)
            return SideError(**built) if len(self.problems) == before else None
        snapshot = self.snapshot(side, place, source)
        if snapshot is not None and account is not None and snapshot.account != account:
            self.add(f"{place}account", "another account than the line's", "compare an account with itself")
        return snapshot

    def _lookups(self, lookups: Any) -> tuple[Lookup, ...] | None:
        if lookups is None:
            return None
        if not isinstance(lookups, list):
            self.add("lookups", "not a list", "give a list of lookups, or leave it out")
            return None
        found: list[Lookup] = []
        for index, lookup in enumerate(lookups):
            place, before = f"lookups[{index}].", len(self.problems)
            built = self._object(lookup, Lookup, place, skip=frozenset(("order",)))
            if isinstance(lookup, dict) and lookup.get("order") is not None:
                built["order"] = self._row(lookup["order"], Order, f"{place}order.")
            if len(self.problems) == before:
                found.append(Lookup(**built))
        return tuple(found)

    def _section(self, rows: Any, name: str, place: str) -> tuple[Row, ...] | None:
        if rows is None:
            return None
        if not isinstance(rows, list):
            self.add(f"{place}{name}", "not a list", "give a list of rows, or null where it was not fetched")
            return ()
        built: list[Row] = []
        seen: dict[tuple[str, Any], int] = {}
        before = len(self.problems)
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
        # Rules between rows name them by their number, so they are asked only where no row fell out.
        return tuple(built) if len(self.problems) == before else ()

    def _row(self, row: Any, kind: type[Row], place: str) -> Row | None:
        before = len(self.problems)
        built = self._object(row, kind, place)
        if len(self.problems) > before:
            return None
        record = kind(**built)
        found = finding(record)
        if found is not None:
            self.add(f"{place}{found[0]}", found[1], found[2])
        return record

    def _coverage(self, value: Any, place: str) -> dict[str, Any] | None:
        if value is None:
            return None
        if not isinstance(value, dict):
            self.add(place, "not an object", 'write it like {"positions": "partial"}, or leave it out')
            return None
        self._keys(value, SECTIONS, f"{place}.", "unknown section")
        return {name: self._field(value[name], Coverage, f"{place}.{name}") for name in value if name in ROWS}

    def _object(
        self, document: Any, kind: type[msgspec.Struct], place: str, skip: frozenset[str] = frozenset()
    ) -> dict[str, Any]:
        """The fields of one object that are in order, and a problem noted for each other."""
        if not isinstance(document, dict):
            self.add(place.rstrip("."), f"not an object of {kind.__name__.lower()} fields", HINT)
            return {}
        known = _fields(kind)
        self._keys(document, tuple(known), place, "unknown field")
        built: dict[str, Any] = {}
        for name, field in known.items():
            if name in skip:
                continue
            if name in document:
                built[name] = self._field(document[name], field.type, f"{place}{name}")
            elif field.required:
                self.add(f"{place}{name}", "a required field is missing", "add it")
        return built

    def _keys(self, document: dict[str, Any], known: tuple[str, ...], place: str, unknown: str) -> None:
        for key in getattr(document, "twice", ()):
            self.add(f"{place}{_shown(key)}", "the same key twice", "keep the one that is right")
        for key in document:
            if key not in known:
                self.add(f"{place}{_shown(key)}", unknown, _nearest(key[:LONGEST_SHOWN], known))

    def _field(self, value: Any, kind: Any, place: str) -> Any:
        """One value as the model holds it; None, with a problem noted, where it breaks its type."""
        if kind in DECIMAL_TYPES:
            return self._decimal(value, place, optional=kind is not Decimal)
        if isinstance(value, _Number):
            if place.endswith(".ratio"):
                return str(value)  # a number like any other, though a fraction is text
            return self.add(place, "a number where text is due", "put it in quotes")
        if isinstance(value, str) and not _encodable(value):
            return self.add(place, "half of a surrogate pair", "write the character whole")
        try:
            return msgspec.convert(value, kind)
        except msgspec.ValidationError as error:
            what, mend = _said(str(error), kind)
            return self.add(place, what, mend)

    def _decimal(self, value: Any, place: str, *, optional: bool) -> Decimal | None:
        if value is None and optional:
            return None
        try:
            return dec(value if isinstance(value, str) else "")
        except ValueError:
            what = "not a finite decimal of at most 64 digits with an exponent within ±64"
            self.add(place, what, 'write it plainly, such as "0.10000001"')
            return None


def _draft(built: dict[str, Any]) -> Snapshot:
    """A snapshot whose sections can be checked against one another though its head may be wrong."""
    head = {"schema": "tieout.snapshot/1", "account": "?", "as_of": datetime.min.replace(tzinfo=UTC)}
    rest = {name: built[name] for name in (*SECTIONS, "coverage")}
    return Snapshot(**{**head, **rest, "source": built.get("source") or "local"})


@lru_cache(maxsize=64)
def _fields(kind: type[msgspec.Struct]) -> dict[str, msgspec.structs.FieldInfo]:
    return {field.name: field for field in fields(kind)}


def _encodable(text: str) -> bool:
    """Whether *text* is Unicode; JSON's escapes can write half a character."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _said(message: str, kind: Any) -> tuple[str, str]:
    """A converter's message in our words, with its mend. The converter may quote the file, so only types are kept."""
    words = _words(kind)
    if words:
        return "not one of the words it may be", "write " + " or ".join(f'"{word}"' for word in words)
    if "timezone" in message:
        return "a time without an offset (naive)", "add Z or an offset such as +01:00"
    if "RFC3339" in message:
        return "not a time", 'write it like "2026-11-20T10:00:00Z"'
    if "length" in message:
        return "an empty name", "give it, or leave the field out where it is optional"
    return message[:1].lower() + message[1:], HINT


def _words(kind: Any) -> tuple[str, ...]:
    """The words that a field may hold, where only certain words will do."""
    if get_origin(kind) is Literal:
        return get_args(kind)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return tuple(kind)
    return tuple(word for part in get_args(kind) for word in _words(part))


def _shown(key: str) -> str:
    """A key as a message may show it: on one line, and not for ever."""
    text = key.encode("unicode_escape", "backslashreplace").decode() if not key.isprintable() else key
    return text if len(text) <= LONGEST_SHOWN else text[:LONGEST_SHOWN] + "…"


@lru_cache(maxsize=1024)
def _nearest(key: str, known: tuple[str, ...]) -> str:
    close = get_close_matches(key, known, 1)
    return f"did you mean {close[0]}?" if close else f"the fields are {', '.join(known)}"
