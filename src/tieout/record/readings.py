"""A reading <-> what is stored of it. What did not change is stored once: sections by their content, sides by their sections.

The record of a reading holds only times, ids and commitments, so it may be shown to anybody; the entry in the log commits to
its exact bytes. Amounts are behind the commitments.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, cast

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from tieout.errors import LogBroken
from tieout.model import codec
from tieout.model.report import ReconciliationReport, Trigger
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
    Section,
    SideError,
    SideFailure,
    Snapshot,
    Source,
)
from tieout.record.payloads import Kept

EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
_MICROSECOND = timedelta(microseconds=1)
_ROWS: dict[Section, Any] = {
    "positions": tuple[Position, ...],
    "balances": tuple[Balance, ...],
    "orders": tuple[Order, ...],
    "fills": tuple[Fill, ...],
    "activities": tuple[Activity, ...],
}
_SIDES = ("local", "broker", "local_before")


class Statement(Struct, frozen=True, array_like=True):
    """What one side said but for its times: the commitment to each section, and how far it was read."""

    account: str
    source: Source
    sections: dict[Section, bytes]
    coverage: dict[Section, Coverage] | None


class Side(Struct, frozen=True, array_like=True):
    """One side of a reading: the digest of its statement and its times in microseconds since 1970, or its failure."""

    statement: bytes | None = None
    as_of: int | None = None
    fills_since: int | None = None
    activities_since: int | None = None
    error: str | None = None


class ReadingRecord(Struct, frozen=True, array_like=True):
    """A reading as its entry commits to it; times in microseconds since 1970, `heard` as in `base.Reading`."""

    v: int
    report_id: str
    trigger: Trigger
    at: int
    finished_at: int
    local: Side
    broker: Side
    local_before: Side | None
    lookups: bytes | None
    report: bytes
    heard: int = -1


class Stored(Struct, frozen=True):
    """What is written of one reading: its record, the bodies of its statements by digest, and its payloads."""

    record: bytes
    statements: dict[bytes, bytes]
    kept: tuple[Kept, ...]
    report: Kept

    @property
    def commitment(self) -> bytes:
        """What the log's entry says of it."""
        return hashlib.sha256(self.record).digest()


def contents(observation: Observation, report: ReconciliationReport) -> dict[str, bytes]:
    """Everything of a reading that holds amounts, each under its name."""
    found = {"report": codec.encode(replace(report, report_id="", started_at=EPOCH, finished_at=EPOCH))}
    if observation.lookups is not None:
        found["lookups"] = msgspec.json.encode(observation.lookups)
    for name in _SIDES:
        side = getattr(observation, name)
        if isinstance(side, Snapshot):
            found |= {
                f"{name}.{section}": msgspec.json.encode(getattr(side, section))
                for section in SECTIONS
                if getattr(side, section) is not None
            }
    return found


def store(
    observation: Observation, report: ReconciliationReport, kept: Mapping[str, Kept], *, heard: int = -1
) -> Stored:
    """What is written, once everything that holds amounts is sealed."""
    statements: dict[bytes, bytes] = {}

    def side(name: str) -> Side:
        said = getattr(observation, name)
        if isinstance(said, SideError):
            return Side(error=said.error)
        sections = {each: kept[f"{name}.{each}"].commitment for each in SECTIONS if f"{name}.{each}" in kept}
        body = msgspec.msgpack.encode(Statement(said.account, said.source, sections, said.coverage))
        digest = hashlib.sha256(body).digest()
        statements[digest] = body
        return Side(digest, _us(said.as_of), _us(said.fills_since), _us(said.activities_since))

    record = ReadingRecord(
        v=1,
        report_id=report.report_id,
        trigger=report.trigger,
        at=_micro(observation.at),
        finished_at=_micro(report.finished_at),
        local=side("local"),
        broker=side("broker"),
        local_before=None if observation.local_before is None else side("local_before"),
        lookups=kept["lookups"].commitment if "lookups" in kept else None,
        report=kept["report"].commitment,
        heard=heard,
    )
    return Stored(msgspec.msgpack.encode(record), statements, tuple(kept.values()), kept["report"])


def decode_record(raw: bytes, entry: int) -> ReadingRecord:
    """Read a reading's record.

    Raises:
        LogBroken: These bytes are none.
    """
    try:
        return _record.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise LogBroken(f"the reading of entry {entry} cannot be read: its bytes were changed", entry) from None


def decode_statement(raw: bytes) -> Statement:
    """Read what one side said.

    Raises:
        LogBroken: These bytes are none.
    """
    try:
        return _statement.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise LogBroken("what one side said cannot be read: its bytes were changed") from None


def statements_of(record: ReadingRecord) -> set[bytes]:
    """The digests of the statements that a reading refers to."""
    sides = (record.local, record.broker, record.local_before)
    return {side.statement for side in sides if side is not None and side.statement is not None}


def commitments_of(record: ReadingRecord, statements: Mapping[bytes, Statement]) -> set[bytes]:
    """The payloads that a reading refers to, its report's among them."""
    found = {record.report} | ({record.lookups} if record.lookups else set())
    for digest in statements_of(record):
        found |= set(statements[digest].sections.values())
    return found


def observation_of(
    record: ReadingRecord, account: str, statements: Mapping[bytes, Statement], opened: Mapping[bytes, bytes]
) -> Observation:
    """The observation, as it was.

    Args:
        record: The reading's record.
        account: Whose it is.
        statements: What each side said, by digest.
        opened: The payloads, by commitment.

    Raises:
        LogBroken: Something that it needs is not there.
    """
    try:
        local, broker = (_side(side, statements, opened) for side in (record.local, record.broker))
        before = None if record.local_before is None else _side(record.local_before, statements, opened)
        lookups = opened[record.lookups] if record.lookups else None
    except KeyError:
        raise LogBroken(f"what report {record.report_id} was made from is not stored any more") from None
    assert not isinstance(before, SideError)
    decoded = None if lookups is None else msgspec.json.decode(lookups, type=tuple[Lookup, ...])
    return Observation(_time(record.at), account, local, broker, before, decoded)


def report_of(record: ReadingRecord, template: bytes) -> ReconciliationReport:
    """The report, as it was made: what was found and planned, before anything was done."""
    report = msgspec.json.decode(template, type=ReconciliationReport)
    return replace(
        report, report_id=record.report_id, started_at=_time(record.at), finished_at=_time(record.finished_at)
    )


def _side(side: Side, statements: Mapping[bytes, Statement], opened: Mapping[bytes, bytes]) -> Snapshot | SideError:
    if side.statement is None:
        return SideError(SideFailure(side.error or "other"))
    assert side.as_of is not None
    said = statements[side.statement]
    sections = {name: msgspec.json.decode(opened[each], type=_ROWS[name]) for name, each in said.sections.items()}
    return Snapshot(
        schema="tieout.snapshot/1",
        account=said.account,
        source=said.source,
        as_of=_time(side.as_of),
        coverage=said.coverage,
        fills_since=None if side.fills_since is None else _time(side.fills_since),
        activities_since=None if side.activities_since is None else _time(side.activities_since),
        **cast(Any, sections),
    )


def _micro(moment: datetime) -> int:
    return (moment - EPOCH) // _MICROSECOND


def _us(moment: datetime | None) -> int | None:
    return None if moment is None else _micro(moment)


def _time(micro: int) -> datetime:
    return EPOCH + timedelta(microseconds=micro)


def decode_all(bodies: Iterable[tuple[bytes, bytes]]) -> dict[bytes, Statement]:
    """Statements by digest."""
    return {digest: decode_statement(body) for digest, body in bodies}


_record = msgspec.msgpack.Decoder(ReadingRecord)
_statement = msgspec.msgpack.Decoder(Statement)
