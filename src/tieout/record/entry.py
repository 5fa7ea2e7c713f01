"""One entry of the log: what happened, when, to which account, who did it, and commitments to the payloads.

The log signs the exact bytes that `encode` gives; nothing is ever written anew to check it.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from importlib.metadata import version
from typing import Annotated

import msgspec
from msgspec import Meta, Struct, field

from tieout.errors import LogBroken

VERSION = 1
SOFTWARE = version("tieout")
MAX_BYTES = 65535  # what C2SP's tiles admit; what is larger is a payload, and stands here by its commitment


class EntryKind(StrEnum):
    """What an entry says happened."""

    OBSERVE = "observe"  # a reading of which nothing could be compared
    COMPARE = "compare"  # a reading, and its report
    DECIDE = "decide"
    INTENT = "intent"
    OUTCOME = "outcome"
    APPROVE = "approve"  # a person's word on a break: approval, rejection, acceptance, comment
    HALT = "halt"
    RESUME = "resume"
    CONFIGURE = "configure"  # a start, a changed policy, a new key
    ERASE = "erase"
    HEARTBEAT = "heartbeat"
    GRANT = "grant"  # a token was made, or taken back
    CORRECT = "correct"  # whoever keeps books elsewhere took a correction of them, or refused it
    DENY = "deny"  # somebody was not let


class Draft(Struct, frozen=True, kw_only=True):
    """What is to be logged; place and time are given when it is written.

    Attributes:
        event: Unique name of what happened: logging it again, after a crash or a lost answer, changes nothing.
        refs: What it is about, by name: ids of reports, breaks, actions. Never amounts.
        policy: Short hash of the policy in force, where one was.
        commitments: HMAC-SHA256 of the payloads by name, each under a salt of its own.
    """

    event: str
    kind: EntryKind
    account: str | None = None
    refs: Mapping[str, str] = field(default_factory=dict)
    actor: str = "tieout"
    policy: str | None = None
    commitments: Mapping[str, bytes] = field(default_factory=dict)


class Stamp(Struct, frozen=True):
    """When an entry was written, on which clock.

    Attributes:
        at: Wall time, aware; never before that of the entry before it.
        behind_us: How far the wall clock itself was behind that, in microseconds: above 0 it was set back.
        mono_ns: Monotonic time of the process, in nanoseconds.
        run: Which start of which process wrote it.
        clock: Where wall time came from.
    """

    at: datetime
    behind_us: int
    mono_ns: int
    run: str
    clock: str


class Entry(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An entry as it stands in the log. Times as in `Stamp`; commitments are base64."""

    v: int
    event: str
    at: Annotated[datetime, Meta(tz=True)]
    mono_ns: int
    run: str
    kind: EntryKind
    software: str
    # What is not written is what stands here: these values can never change again.
    clock: str = "system"
    actor: str = "tieout"
    behind_us: int = 0
    account: str | None = None
    policy: str | None = None
    refs: dict[str, str] = {}
    commitments: dict[str, str] = {}


def encode(draft: Draft, stamp: Stamp) -> bytes:
    """The bytes of an entry: one line of JSON, which is what the log hashes."""
    raw = _encoder.encode(
        Entry(
            v=VERSION,
            event=draft.event,
            at=stamp.at.astimezone(UTC),
            mono_ns=stamp.mono_ns,
            run=stamp.run,
            clock=stamp.clock,
            kind=draft.kind,
            actor=draft.actor,
            software=SOFTWARE,
            behind_us=stamp.behind_us,
            account=draft.account,
            policy=draft.policy,
            refs=dict(draft.refs),
            commitments={name: base64.b64encode(value).decode() for name, value in draft.commitments.items()},
        )
    )
    assert len(raw) <= MAX_BYTES, "what is large is a payload"
    return raw


def decode(raw: bytes, index: int) -> Entry:
    """Read the entry that stands at *index*.

    Raises:
        LogBroken: These bytes are no entry.
    """
    try:
        entry = _decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise LogBroken(f"entry {index} cannot be read: its bytes were changed", index) from None
    if entry.v > VERSION:
        raise LogBroken(f"entry {index} was written by a newer Tieout (format {entry.v}); use that to read it", index)
    return entry


def event_key(event: str) -> bytes:
    """16 bytes by which a database keeps events unique."""
    return hashlib.sha256(event.encode()).digest()[:16]


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Entry)
