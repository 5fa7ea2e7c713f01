"""A log read from its stored bytes and nothing else: hashed anew, and held against every head that was signed."""

from __future__ import annotations

from msgspec import Struct
from sqlalchemy import Connection, select

from tieout.record.entry import decode, event_key
from tieout.record.keys import Keys
from tieout.record.opening import read_checkpoint
from tieout.record.store.schema import accounts, actions, checkpoints, log_entries, log_head
from tieout.record.tlog import merkle


class Standing(Struct, frozen=True):
    """An intent as the record has it."""

    id: str
    account: str
    fingerprint: str
    status: str
    ended: bool
    intent: int


class Found(Struct, frozen=True):
    """What a log holds: its events by entry, and the intents in the order of their entries."""

    events: dict[int, str]
    intents: tuple[Standing, ...]

    @property
    def open(self) -> list[Standing]:
        """Intents that nobody saw the end of."""
        return [each for each in self.intents if not each.ended]


class Rotten(AssertionError):
    """The log does not hold."""


def rehash(connection: Connection, held: Keys) -> Found:
    """Hash every entry, and hold each checkpoint against the entries up to it.

    Raises:
        Rotten: One does not hold.
    """
    notes = {row.size: row.note for row in connection.execute(select(checkpoints))}
    events: dict[int, str] = {}
    peaks: tuple[bytes, ...] = ()
    for row in connection.execute(select(log_entries).order_by(log_entries.c.entry)):
        entry = decode(row.body, row.entry)
        _hold(row.entry == len(events) and row.event == event_key(entry.event), f"entry {row.entry} is another")
        peaks, _ = merkle.extend(len(events), peaks, merkle.leaf_hash(row.body))
        events[row.entry] = entry.event
        signed = notes.pop(len(events), None)
        if signed is not None:
            kept = read_checkpoint(signed, held.verifiers)
            _hold((kept.size, kept.root) == (len(events), merkle.root(peaks)), f"checkpoint {len(events)} is another")
    size = connection.execute(select(log_head.c.size)).scalar_one()
    _hold(size == len(events) and (not size or signed is not None), "the head is another")
    _hold(not notes, "there are checkpoints over no entries")
    return Found(events, tuple(_intents(connection)))


def _hold(holds: bool, sentence: str) -> None:
    if not holds:
        raise Rotten(sentence)


def _intents(connection: Connection) -> list[Standing]:
    query = select(actions, accounts.c.name).join(accounts, accounts.c.id == actions.c.account)
    return [
        Standing(row.id, row.name, row.fingerprint, row.status, row.outcome is not None, row.intent)
        for row in connection.execute(query.order_by(actions.c.intent))
    ]
