"""JSON <-> model. The fast reading accepts what is plainly in order; anything else goes to the thorough one.

Source of the formats: the public contract, `docs/formats.md`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from tieout.errors import BadInput, Problem
from tieout.model.amounts import MAX_EXPONENT, plain
from tieout.model.diagnose import Diagnosis
from tieout.model.report import ReconciliationReport
from tieout.model.rules import finding, identity, snapshot_findings
from tieout.model.snapshot import SECTIONS, Lookup, Moment, Name, Observation, Row, SideError, Snapshot, Source

MAX_BYTES = 512 * 1024 * 1024

_DIGITS = bytes.maketrans(b"123456789.", b"0000000000")
_ODD_NUMBER = re.compile(rb'"[-+0-9.eE_]*_[-+0-9.eE_]*"')
_snapshot = msgspec.json.Decoder(Snapshot)
_anything = msgspec.json.Decoder()
_side_error = msgspec.json.Decoder(SideError)


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    """One observation with its sides still raw: what they are depends on what they hold."""

    at: Moment
    account: Name
    local: msgspec.Raw
    broker: msgspec.Raw
    local_before: msgspec.Raw | None = None
    lookups: tuple[Lookup, ...] | None = None


_line = msgspec.json.Decoder(_Line)


def read_bytes(path: Path, max_bytes: int = MAX_BYTES) -> bytes:
    """The bytes of a file.

    Raises:
        BadInput: It cannot be read, or is larger than *max_bytes*.
    """
    try:
        size = path.stat().st_size
        if size > max_bytes:
            raise BadInput([_too_large(path, size, max_bytes)])
        return path.read_bytes()
    except OSError as error:
        what = (error.strerror or "cannot be read").lower()
        raise BadInput([Problem(str(path), "", what, "check the path and its permissions")]) from error


def _too_large(path: Path, size: int, max_bytes: int) -> Problem:
    mend = "split it, or raise limits.max_file_bytes"
    return Problem(str(path), "", f"{size} bytes, above the limit of {max_bytes}", mend)


def decode_snapshot(raw: bytes, file: str, source: Source | None = None) -> Snapshot:
    """Read one snapshot, exactly.

    Args:
        raw: The file's bytes.
        file: How a person would name it, for messages.
        source: Which side it has to be, where that matters.

    Raises:
        BadInput: Every problem found, at once.
    """
    diagnosis = Diagnosis(file)
    snapshot = _fast_snapshot(raw) if _plain_numbers(raw) and _single_keys(raw) else None
    if snapshot is None:
        document = diagnosis.load(raw)
        if document is not None:
            diagnosis.snapshot(document)
        if not diagnosis.problems:
            snapshot = _snapshot.decode(raw)
    if snapshot is not None and source is not None and snapshot.source != source:
        diagnosis.add("source", f'a snapshot of "{snapshot.source}" where "{source}" is due', "swap the two files")
    if diagnosis.problems:
        raise BadInput(diagnosis.problems)
    assert snapshot is not None
    return snapshot


def decode_observation(raw: bytes, file: str, number: int) -> Observation:
    """Read one line of a history; *number* counts from 1.

    Raises:
        BadInput: Every problem of the line, at once.
    """
    diagnosis = Diagnosis(file, f"line {number}: ")
    observation = _fast_observation(raw) if _plain_numbers(raw) and _single_keys(raw) else None
    if observation is None:
        document = diagnosis.load(raw)
        if document is not None:
            diagnosis.observation(document)
        if not diagnosis.problems:
            observation = _decode_line(raw)
    if observation is not None:
        for name, source in (("local", "local"), ("broker", "broker"), ("local_before", "local")):
            side = getattr(observation, name)
            if not isinstance(side, Snapshot):
                continue
            if side.source != source:
                diagnosis.add(f"{name}.source", f'"{side.source}" where "{source}" is due', "swap the two sides")
            if side.account != observation.account:
                diagnosis.add(f"{name}.account", "another account than the line's", "compare an account with itself")
    if diagnosis.problems:
        raise BadInput(diagnosis.problems)
    assert observation is not None
    return observation


def decode_history(lines: Iterable[bytes], file: str) -> Iterator[Observation]:
    """Read a history line by line; blank lines are passed over, an account's lines must be in the order of time.

    Raises:
        BadInput: At the first line that is wrong, with all that is wrong in it.
    """
    last: dict[str, Any] = {}
    for number, raw in enumerate(lines, 1):
        if not raw.strip():
            continue
        observation = decode_observation(raw, file, number)
        before = last.get(observation.account)
        if before is not None and observation.at < before:
            problem = Problem(file, f"line {number}: at", "earlier than the line before", "sort the lines by at")
            raise BadInput([problem])
        last[observation.account] = observation.at
        yield observation


def encode(value: Snapshot | Observation | ReconciliationReport) -> bytes:
    """Write a record as one line of JSON; decimals are plain text, fields in the order of the contract."""
    return msgspec.json.encode(_writable(value))


def _writable(value: Any) -> Any:
    """The same record with every decimal in its one spelling."""
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, msgspec.Struct):
        return {
            name: _writable(getattr(value, name))
            for name, field in zip(value.__struct_fields__, msgspec.structs.fields(value), strict=True)
            if not (_omits(value) and field.default is None and getattr(value, name) is None)
        }
    if isinstance(value, (tuple, list)):
        return [_writable(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _writable(item) for key, item in value.items()}
    return value


def _omits(value: msgspec.Struct) -> bool:
    return value.__struct_config__.omit_defaults


def _plain_numbers(raw: bytes) -> bool:
    """Whether no number can be spelt in a way that only the thorough reading judges rightly."""
    if b"\\" in raw or not raw.isascii():
        return False
    zeros = raw.translate(_DIGITS)
    if b"0" * 65 in zeros or b'" 0' in zeros or b'0 "' in zeros or b'" -' in zeros:
        return False
    return b"0_0" not in zeros or _ODD_NUMBER.search(raw) is None


def _single_keys(raw: bytes) -> bool:
    """Whether surely no key stands twice: as many keys were kept as colons follow a quote."""
    if b'" :' in raw or b'"\t:' in raw or b'"\n:' in raw or b'"\r:' in raw:
        return False
    try:
        return raw.count(b'":') == _keys(_anything.decode(raw))
    except (msgspec.DecodeError, RecursionError):
        return False


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
        snapshot = _snapshot.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return None
    return snapshot if _in_order(snapshot) else None


def _fast_observation(raw: bytes) -> Observation | None:
    try:
        observation = _decode_line(raw)
    except (msgspec.DecodeError, RecursionError):
        return None
    sides = (observation.local, observation.broker, observation.local_before)
    if not all(_in_order(side) for side in sides if isinstance(side, Snapshot)):
        return None
    found = [lookup.order for lookup in observation.lookups or () if lookup.order is not None]
    return observation if _rows_in_order(found, unique=False) else None


def _decode_line(raw: bytes) -> Observation:
    line = _line.decode(raw)
    return Observation(
        line.at,
        line.account,
        _decode_side(bytes(line.local)),
        _decode_side(bytes(line.broker)),
        _snapshot.decode(line.local_before) if line.local_before and bytes(line.local_before) != b"null" else None,
        line.lookups,
    )


def _decode_side(raw: bytes) -> Snapshot | SideError:
    if b'"error"' in raw[:4096] and b'"schema"' not in raw[:4096]:
        return _side_error.decode(raw)
    return _snapshot.decode(raw)


def _in_order(snapshot: Snapshot) -> bool:
    sections: list[tuple[Row, ...] | None] = [getattr(snapshot, name) for name in SECTIONS]
    return all(_rows_in_order(rows) for rows in sections if rows) and not any(snapshot_findings(snapshot))


def _rows_in_order(rows: Iterable[Row], *, unique: bool = True) -> bool:
    rows = tuple(rows)
    if not rows:
        return True
    names = [name for name in rows[0].__struct_fields__ if name in _DECIMALS]
    for name in names:
        values = [value for row in rows if (value := getattr(row, name)) is not None]
        if values and not _within(values):
            return False
    if any(finding(row) is not None for row in rows):
        return False
    if not unique:
        return True
    kept = [pair for row in rows for pair in identity(row)]
    return len(set(kept)) == len(kept)


_DECIMALS = frozenset(
    "amount average_price market_price multiplier total available locked usd_price quantity filled "
    "limit_price stop_price price fee new_amount".split()
)


def _within(values: list[Decimal]) -> bool:
    """Whether all are finite and far from any bound; comparing with NaN raises, infinity is the largest."""
    try:
        if not -(10**63) < min(values) <= max(values) < 10**63:
            return False
    except ArithmeticError:
        return False
    return min(map(Decimal.adjusted, values)) > -MAX_EXPONENT
