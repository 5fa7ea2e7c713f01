"""JSON <-> model. The fast reading accepts what is plainly in order; anything else goes to the thorough one.

Source of the formats: the public contract, `docs/formats.md`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from operator import attrgetter
from pathlib import Path
from typing import Any

import msgspec

from tieout.errors import BadInput, Problem
from tieout.model.amounts import MAX_DIGITS, fits, plain
from tieout.model.diagnose import SIDES, Diagnosis
from tieout.model.report import ReconciliationReport
from tieout.model.rules import distinct, finding, snapshot_findings
from tieout.model.snapshot import SECTIONS, Lookup, Moment, Name, Observation, Row, SideError, Snapshot, Source

MAX_BYTES = 512 * 1024 * 1024

_ASCII = bytes(range(128))
_SPACES = (b" ", b"\t", b"\n", b"\r")
_DIGITS = bytes.maketrans(b"123456789.+-", b"000000000000")
_ODD_NUMBER = re.compile(rb'"[-+0-9.eE_]*_[-+0-9.eE_]*"')
_PADDED_NUMBER = re.compile(rb'" +0|0 +"')
_REFUSED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_snapshot = msgspec.json.Decoder(Snapshot)
_anything = msgspec.json.Decoder()
_side_error = msgspec.json.Decoder(SideError)


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    """One observation with its sides still raw: what they are depends on what they hold."""

    at: Moment
    account: Name
    local: msgspec.Raw
    broker: msgspec.Raw
    local_before: msgspec.Raw = msgspec.Raw(b"null")
    lookups: tuple[Lookup, ...] | None = None


_line = msgspec.json.Decoder(_Line)


def read_bytes(path: Path, max_bytes: int = MAX_BYTES) -> bytes:
    """The bytes of a file, or of a pipe to its end.

    Raises:
        BadInput: It cannot be read, or is larger than *max_bytes*.
    """
    try:
        if path.is_file() and path.stat().st_size > max_bytes:
            raise BadInput([_too_large(path, max_bytes)])
        read = bytearray()
        with path.open("rb") as file:
            # A pipe has no size until it ends, so the limit is held while reading.
            while chunk := file.read(1 << 20):
                read += chunk
                if len(read) > max_bytes:
                    raise BadInput([_too_large(path, max_bytes)])
    except OSError as error:
        what = (error.strerror or "cannot be read").lower()
        raise BadInput([Problem(str(path), "", what, "check the path and its permissions")]) from error
    return bytes(read)


def _too_large(path: Path, max_bytes: int) -> Problem:
    mend = "split it, or raise limits.max_file_bytes"
    return Problem(str(path), "", f"more than {max_bytes} bytes", mend)


def decode_snapshot(raw: bytes, file: str, source: Source | None = None) -> Snapshot:
    """Read one snapshot, exactly.

    Args:
        raw: The file's bytes.
        file: How a person would name it, for messages.
        source: Which side it has to be, where that matters.

    Raises:
        BadInput: Every problem found, at once.
    """
    snapshot = _fast_snapshot(raw)
    if snapshot is not None and source in (None, snapshot.source):
        return snapshot
    diagnosis = Diagnosis(file)
    document = diagnosis.load(raw)
    if not diagnosis.problems:
        snapshot = diagnosis.snapshot(document, source=source)
    if diagnosis.problems:
        raise BadInput(diagnosis.problems)
    assert snapshot is not None
    return snapshot


def decode_observation(raw: bytes, file: str, number: int) -> Observation:
    """Read one line of a history; *number* counts from 1.

    Raises:
        BadInput: Every problem of the line, at once.
    """
    observation = _fast_observation(raw)
    if observation is not None:
        return observation
    diagnosis = Diagnosis(file, f"line {number}: ")
    document = diagnosis.load(raw)
    if not diagnosis.problems:
        observation = diagnosis.observation(document)
    if diagnosis.problems:
        raise BadInput(diagnosis.problems)
    assert observation is not None
    return observation


def decode_history(lines: Iterable[bytes], file: str, problems: list[Problem] | None = None) -> Iterator[Observation]:
    """Read a history line by line; blank lines are passed over, an account's lines must be in the order of time.

    Args:
        lines: The lines, without their ends or with them.
        file: How a person would name the history.
        problems: Where to note what is wrong; lines that are wrong are then left out instead of raised.

    Raises:
        BadInput: At the first line that is wrong, with all that is wrong in it.
    """
    last: dict[str, datetime] = {}
    for number, raw in enumerate(lines, 1):
        if not raw.strip():
            continue
        try:
            observation = decode_observation(raw, file, number)
            before = last.get(observation.account)
            if before is not None and observation.at < before:
                raise BadInput([Problem(file, f"line {number}: at", "earlier than before", "sort the lines by at")])
        except BadInput as error:
            if problems is None:
                raise
            problems += error.problems
            continue
        last[observation.account] = observation.at
        yield observation


def encode(value: Snapshot | Observation | ReconciliationReport) -> bytes:
    """Write a record as one line of JSON; decimals are plain text, fields in the order of the contract."""
    return msgspec.json.encode(_writable(value))


def _writable(value: Any) -> Any:
    """The same record with every decimal in its one spelling."""
    if value is None or type(value) is str:
        return value
    if isinstance(value, Decimal):
        return _text(value)
    if isinstance(value, msgspec.Struct):
        pairs = [(name, getattr(value, name), may_go) for name, may_go in _shape(type(value))]
        told = {name: _writable(held) for name, held, may_go in pairs if not (may_go and held is None)}
        config = value.__struct_config__
        return told if config.tag is None else {str(config.tag_field): config.tag, **told}
    if isinstance(value, (tuple, list)):
        return [_writable(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _writable(item) for key, item in value.items()}
    return value


def _text(value: Decimal) -> str:
    """*value* in its one spelling, which the door takes back: plain, unless that had more digits than are admitted."""
    return format(value, ".63E") if value.adjusted() >= MAX_DIGITS and fits(value) else plain(value)


@lru_cache(maxsize=64)
def _shape(kind: type[msgspec.Struct]) -> tuple[tuple[str, bool], ...]:
    """The fields of a record, each with whether it is left out where it is None."""
    omits = kind.__struct_config__.omit_defaults
    return tuple((field.name, omits and field.default is None) for field in msgspec.structs.fields(kind))


def _plain_numbers(raw: bytes) -> bool:
    """Whether no number can be spelt in a way that only the thorough reading judges rightly."""
    if b"\\" in raw or not (raw.isascii() or _plain_letters(raw)):
        return False
    zeros = raw.translate(_DIGITS)
    if b" " in raw and (b'" ' in zeros or b"0 " in zeros) and _PADDED_NUMBER.search(zeros):
        return False
    return b"0_" not in zeros or _ODD_NUMBER.search(raw) is None


def _plain_letters(raw: bytes) -> bool:
    """Whether what is beyond ASCII is neither a digit nor a space: a decimal takes those of every script."""
    try:
        letters = raw.translate(None, _ASCII).decode()
    except UnicodeDecodeError:
        return False
    return not any(letter.isdecimal() or letter.isspace() for letter in letters)


def _single_keys(raw: bytes) -> bool:
    """Whether surely no key stands twice: as many keys were kept as colons follow a quote."""
    if any(space in raw and space + b":" in raw for space in _SPACES):
        return False
    return raw.count(b'":') == _keys(_anything.decode(raw))


def _keys(value: Any) -> int:
    if type(value) is dict:
        return len(value) + sum(map(_keys, value.values()))
    if type(value) is list:
        if value and type(value[0]) is dict and "asset" in value[0]:
            return sum(map(len, value)) if all(type(row) is dict for row in value) else -1
        return sum(map(_keys, value))
    return 0


def _fast_snapshot(raw: bytes) -> Snapshot | None:
    """The snapshot where it is plainly in order, else None."""
    try:
        snapshot = _snapshot.decode(raw) if _plain_numbers(raw) else None
        if snapshot is None or not _single_keys(raw):
            return None
    except _REFUSED:
        return None
    return snapshot if _in_order(snapshot) else None


def _fast_observation(raw: bytes) -> Observation | None:
    """The observation where it is plainly in order, else None."""
    try:
        observation = _decode_line(raw) if _plain_numbers(raw) else None
        if observation is None or not _single_keys(raw):
            return None
    except _REFUSED:
        return None
    for name, source in SIDES:
        side = getattr(observation, name)
        if isinstance(side, Snapshot) and not (
            side.source == source and side.account == observation.account and _in_order(side)
        ):
            return None
    found = [lookup.order for lookup in observation.lookups or () if lookup.order is not None]
    return observation if _rows_in_order(found, unique=False) else None


def _decode_line(raw: bytes) -> Observation:
    line = _line.decode(raw)
    before = bytes(line.local_before)
    return Observation(
        line.at,
        line.account,
        _decode_side(bytes(line.local)),
        _decode_side(bytes(line.broker)),
        None if before == b"null" else _snapshot.decode(before),
        line.lookups,
    )


def _decode_side(raw: bytes) -> Snapshot | SideError:
    try:
        return _side_error.decode(raw)
    except msgspec.ValidationError:
        return _snapshot.decode(raw)


def _in_order(snapshot: Snapshot) -> bool:
    sections: list[tuple[Row, ...] | None] = [getattr(snapshot, name) for name in SECTIONS]
    return all(_rows_in_order(rows) for rows in sections if rows) and not any(snapshot_findings(snapshot))


def sound(rows: Sequence[Row]) -> bool:
    """Whether rows that came through no file keep the contract: exact numbers that fit, none missing, no row twice.

    They can be written, too: JSON lets half a character through (a lone surrogate), and no file, log or database takes it.
    """
    try:
        whole = all(getattr(row, name) is not None for row in rows for name in _required(type(row)))
        return whole and _rows_in_order(rows) and bool(msgspec.json.encode(rows))
    except (TypeError, AttributeError, UnicodeEncodeError):  # not a row, a number that is no decimal, no text
        return False


@lru_cache
def _required(row: type[Row]) -> tuple[str, ...]:
    return row.__struct_fields__[: len(row.__struct_fields__) - len(row.__struct_defaults__)]


def _rows_in_order(rows: Sequence[Row], *, unique: bool = True) -> bool:
    """Whether every number fits, every row keeps its rules and, if *unique*, none stands twice."""
    if not rows:
        return True
    for name in _DECIMALS.intersection(rows[0].__struct_fields__):
        if not fits(*[value for value in map(attrgetter(name), rows) if value is not None]):
            return False
    return not any(map(finding, rows)) and (not unique or distinct(rows))


_DECIMALS = frozenset(
    "amount average_price market_price multiplier total available locked usd_price quantity filled "
    "limit_price stop_price price fee new_amount".split()
)
