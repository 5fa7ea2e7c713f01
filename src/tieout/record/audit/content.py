"""What entries commit to, held against what is stored of it: readings, what sides said, payloads, erasures."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct

from tieout.errors import LogBroken
from tieout.record.audit.clocks import EPOCH
from tieout.record.audit.fetching import OBSERVATIONS, Fetch
from tieout.record.audit.finding import Finding, Kind
from tieout.record.audit.scanned import RECORD_BYTES, Scanned
from tieout.record.audit.wording import entry_at, named
from tieout.record.payloads import id_of
from tieout.record.readings import Statement, decode_record, decode_statement, statements_of
from tieout.record.vault import Sealed, Vault

AT_ONCE = 1000
MOST = 20  # findings of a kind that are told; more of them tell no more

_SNAPSHOTS = "SELECT id, digest, body FROM snapshots WHERE id > ? ORDER BY id LIMIT ?"
_PAYLOADS = (
    "SELECT id, digest, commitment, wrapped_key, sealed, erased_at FROM payloads WHERE id > ? ORDER BY id LIMIT ?"
)
_STATES = "SELECT entry, body FROM states WHERE entry >= ?"
_COUNT_OBSERVATIONS = "SELECT count(*) FROM observations WHERE entry < ?"
_ACCOUNTS = "SELECT id, name FROM accounts WHERE id >= ?"


class Content(Struct):
    """What was found, and how much was looked at.

    Attributes:
        wanted: For each commitment the first entry that refers to it, and the account.
        said: For each statement the first entry that refers to it.
    """

    findings: list[Finding] = []
    readings: int = 0
    stored: int = 0
    opened: int = 0
    erased: int = 0
    wanted: dict[bytes, tuple[int, str]] = {}
    said: dict[bytes, tuple[int, str]] = {}

    def find(self, kind: Kind, sentence: str, entry: int | None) -> None:
        """Keep a finding, unless there are many of its kind."""
        if sum(each.kind is kind for each in self.findings) < MOST:
            self.findings.append(Finding(kind, sentence, entry))

    def want(self, commitment: bytes, entry: int, account: str) -> None:
        """Have a payload looked for."""
        self.wanted.setdefault(commitment, (entry, account))


def check_content(fetch: Fetch, scanned: Scanned, vault: Vault | None) -> Content:
    """Hold everything that entries commit to against what is stored; without *vault* payloads are not opened."""
    content = Content()
    for entry, commitment in _records(scanned.named):
        if commitment not in content.wanted:
            about = entry_at(fetch, entry)
            content.want(commitment, entry, (about.account if about else None) or "")
    _check_readings(fetch, scanned, content)
    _check_statements(fetch, content)
    _check_payloads(fetch, scanned, vault, content)
    return content


def _records(raw: bytearray) -> Iterator[tuple[int, bytes]]:
    for place in range(0, len(raw), RECORD_BYTES):
        yield int.from_bytes(raw[place : place + 8]), bytes(raw[place + 8 : place + RECORD_BYTES])


def _check_readings(fetch: Fetch, scanned: Scanned, content: Content) -> None:
    batch: list[tuple[int, bytes]] = []
    accounts: dict[int, str] = dict(fetch(_ACCOUNTS, (0,)))
    for each in _records(scanned.readings):
        batch.append(each)
        if len(batch) == AT_ONCE:
            _check_batch(fetch, batch, accounts, content)
            batch = []
    if batch:
        _check_batch(fetch, batch, accounts, content)
    stored = fetch(_COUNT_OBSERVATIONS, (scanned.stop,))[0][0]
    if stored > content.readings:
        content.find(
            Kind.READING,
            f"the store holds {stored - content.readings} readings more than the log speaks of: rows were added",
            None,
        )


def _check_batch(fetch: Fetch, batch: list[tuple[int, bytes]], accounts: dict[int, str], content: Content) -> None:
    rows = {row[0]: row for row in fetch(OBSERVATIONS, (batch[0][0], batch[-1][0]))}
    for entry, digest in batch:
        row = rows.get(entry)
        if row is None:
            content.find(Kind.READING, f"{named(fetch, entry)} is in the log, but its reading was deleted", entry)
            continue
        content.readings += 1
        _check_reading(fetch, row, digest, accounts.get(row[1], ""), content)


def _check_reading(fetch: Fetch, row: tuple[Any, ...], digest: bytes, account: str, content: Content) -> None:
    entry, _, _, _, raw = row
    if not isinstance(raw, bytes) or hashlib.sha256(raw).digest() != digest:
        why = "is in the log, but what is stored of the reading was changed: it is not what the entry commits to"
        content.find(Kind.READING, f"{named(fetch, entry)} {why}", entry)
        return
    try:
        record = decode_record(raw, entry)
    except LogBroken as error:
        content.find(Kind.READING, error.why, entry)
        return
    content.want(record.report, entry, account)
    if record.lookups:
        content.want(record.lookups, entry, account)
    for statement in statements_of(record):
        content.said.setdefault(statement, (entry, account))


def _check_statements(fetch: Fetch, content: Content) -> None:
    missing = dict(content.said)
    for id_, digest, body in _paged(fetch, _SNAPSHOTS):
        statement = _statement(id_, digest, body)
        if statement is None:
            entry = content.said.get(digest, (None, ""))[0]
            where = "what a side said" if entry is None else f"what a side said at {named(fetch, entry)}"
            content.find(Kind.READING, f"{where} was changed: it is not what was recorded", entry)
            continue
        if digest in missing:
            entry, account = missing.pop(digest)
            for commitment in statement.sections.values():
                content.want(commitment, entry, account)
    for entry, _ in missing.values():
        what = f"what a side said at {named(fetch, entry)} is not stored any more: its row was deleted or changed"
        content.find(Kind.READING, what, entry)


def _statement(id_: int, digest: object, body: object) -> Statement | None:
    if not isinstance(body, bytes) or hashlib.sha256(body).digest() != digest or id_of(digest) != id_:
        return None
    try:
        return decode_statement(body)
    except LogBroken:
        return None


def _check_payloads(fetch: Fetch, scanned: Scanned, vault: Vault | None, content: Content) -> None:
    erased: dict[int | None, list[tuple[bytes, int | None]]] = {}
    missing = dict(content.wanted)
    states = {body: entry for entry, body in fetch(_STATES, (0,))}
    for row in _paged(fetch, _PAYLOADS):
        id_, digest, commitment, wrapped, sealed, at = row
        entry, account = missing.pop(commitment, (states.get(id_), ""))
        if not isinstance(commitment, bytes) or len(commitment) != 32 or id_of(commitment) != id_:
            content.find(Kind.PAYLOAD, f"{_whose(fetch, entry)} was changed: its commitment is another one", entry)
        elif sealed is None or wrapped is None or at is not None:
            content.erased += 1
            erased.setdefault(at, []).append((commitment, entry))
            if sealed is not None or wrapped is not None or digest is not None or at is None:
                why = "is erased in part only, which no erasure leaves: its row was changed"
                content.find(Kind.PAYLOAD, f"{_whose(fetch, entry)} {why}", entry)
        else:
            content.stored += 1
            if vault is not None:
                _open(fetch, vault, Sealed(commitment, wrapped, sealed), (entry, account, digest), content)
    for entry, _ in missing.values():
        what = f"{_whose(fetch, entry)} is gone: its row was deleted, and no entry says that it was erased"
        content.find(Kind.PAYLOAD, what, entry)
    _check_erasures(fetch, scanned, erased, content)


def _open(
    fetch: Fetch, vault: Vault, sealed: Sealed, about: tuple[int | None, str, bytes | None], content: Content
) -> None:
    entry, account, digest = about
    try:
        opened = vault.open(sealed)
    except (LogBroken, TypeError):
        why = "was changed, or sealed under another master key: it is not what the log commits to"
        content.find(Kind.PAYLOAD, f"{_whose(fetch, entry)} {why}", entry)
        return
    content.opened += 1
    if digest is not None and account and vault.dedup(account, opened.payload) != digest:
        why = "would be taken for another one's: its digest was changed, and later readings may refer to it by mistake"
        content.find(Kind.PAYLOAD, f"{_whose(fetch, entry)} {why}", entry)


def _check_erasures(
    fetch: Fetch, scanned: Scanned, erased: dict[int | None, list[tuple[bytes, int | None]]], content: Content
) -> None:
    said = {micro_of(each.moment): each for each in scanned.erasures}
    for at, gone in erased.items():
        erasure = said.get(at)
        entry = next((entry for _, entry in gone if entry is not None), None)
        if erasure is None:
            why = f"{_whose(fetch, entry)} was erased, and no entry of the log says so"
            content.find(Kind.ERASURE, why, entry)
            continue
        digest = hashlib.sha256(b"".join(sorted(commitment for commitment, _ in gone))).hexdigest()
        if (len(gone), digest) != (erasure.count, erasure.digest):
            why = f"says that {erasure.count} payloads were erased, and {len(gone)} bear its moment: not the same ones"
            content.find(Kind.ERASURE, f"{named(fetch, erasure.entry)} {why}", erasure.entry)
    for at, erasure in said.items():
        if at not in erased and erasure.count:
            why = f"says that {erasure.count} payloads were erased, and none bears its moment: their rows were deleted"
            content.find(Kind.ERASURE, f"{named(fetch, erasure.entry)} {why}", erasure.entry)


def _whose(fetch: Fetch, entry: int | None) -> str:
    return "a payload" if entry is None else f"a payload of {named(fetch, entry)}"


def micro_of(moment: str) -> int | None:
    """A time in ISO 8601 as microseconds since 1970; None where it is none."""
    try:
        return (datetime.fromisoformat(moment) - EPOCH) // timedelta(microseconds=1)
    except (ValueError, TypeError):
        return None


def _paged(fetch: Fetch, sql: str) -> Iterator[tuple[Any, ...]]:
    last = -1
    while rows := fetch(sql, (last, AT_ONCE)):
        yield from rows
        last = rows[-1][0]
