"""Entries as bytes: what is written is what is read, and what is no entry is said so."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieout.errors import LogBroken
from tieout.record.entry import MAX_BYTES, SOFTWARE, VERSION, Draft, EntryKind, Stamp, decode, encode, event_key

NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
DRAFTS = st.builds(
    Draft,
    event=NAMES,
    kind=st.sampled_from(EntryKind),
    account=st.none() | NAMES,
    refs=st.dictionaries(NAMES, NAMES, max_size=4),
    actor=NAMES,
    policy=st.none() | NAMES,
    commitments=st.dictionaries(NAMES, st.binary(min_size=32, max_size=32), max_size=4),
)
STAMPS = st.builds(
    Stamp,
    at=st.datetimes(
        min_value=datetime(1971, 1, 1),  # noqa: DTZ001 - Hypothesis adds the zone itself
        timezones=st.sampled_from([UTC, timezone(timedelta(hours=9)), timezone(-timedelta(hours=3, minutes=30))]),
        max_value=datetime(2200, 1, 1),  # noqa: DTZ001
    ),
    behind_us=st.integers(0, 2**40),
    mono_ns=st.integers(0, 2**62),
    run=NAMES,
    clock=NAMES,
)
DRAFT = Draft(event="e", kind=EntryKind.HEARTBEAT)
STAMP = Stamp(datetime(2026, 11, 20, 10, tzinfo=UTC), 0, 7, "r", "system")


@given(DRAFTS, STAMPS)
def test_what_was_written_is_read(draft: Draft, stamp: Stamp) -> None:
    """Every field of an entry comes back, in one line of JSON, and the same draft gives the same bytes."""
    raw = encode(draft, stamp)
    entry = decode(raw, 0)
    assert (entry.event, entry.kind, entry.account, entry.actor) == (
        draft.event,
        draft.kind,
        draft.account,
        draft.actor,
    )
    assert (entry.refs, entry.policy, entry.software, entry.v) == (dict(draft.refs), draft.policy, SOFTWARE, VERSION)
    assert (entry.at, entry.behind_us, entry.mono_ns) == (stamp.at, stamp.behind_us, stamp.mono_ns)
    assert (entry.run, entry.clock) == (stamp.run, stamp.clock)
    assert entry.commitments.keys() == draft.commitments.keys()
    assert raw == encode(draft, stamp)
    assert b"\n" not in raw
    assert json.loads(raw)["event"] == draft.event


@given(DRAFTS, STAMPS, st.data())
def test_no_two_entries_share_their_bytes(draft: Draft, stamp: Stamp, data: st.DataObject) -> None:
    """Whoever changes anything of an entry changes the bytes that the log hashes."""
    other, later = data.draw(DRAFTS), data.draw(STAMPS)
    same = (draft, stamp.at, *_rest(stamp)) == (other, later.at, *_rest(later))
    assert (encode(draft, stamp) == encode(other, later)) == same


def _rest(stamp: Stamp) -> tuple[object, ...]:
    return stamp.behind_us, stamp.mono_ns, stamp.run, stamp.clock


@given(st.binary(max_size=60))
def test_bytes_that_are_no_entry_are_said_so(raw: bytes) -> None:
    """Whatever is stored, it is an entry or the sentence that says which one was changed."""
    with pytest.raises(LogBroken, match="entry 7 cannot be read") as caught:
        decode(raw, 7)
    assert caught.value.entry == 7


@given(st.data())
def test_a_damaged_entry_is_read_or_said_to_be_changed(data: st.DataObject) -> None:
    """One changed byte never raises anything but `LogBroken`."""
    raw = bytearray(encode(DRAFT, STAMP))
    raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        assert decode(bytes(raw), 3)
    except LogBroken as broken:
        assert broken.entry == 3


def test_an_entry_of_a_newer_tieout_names_the_cure() -> None:
    """A format that is not known yet is not guessed at."""
    newer = encode(DRAFT, STAMP).replace(b'"v":1', b'"v":2')
    with pytest.raises(LogBroken, match="entry 4 was written by a newer Tieout"):
        decode(newer, 4)


def test_an_entry_is_never_too_large() -> None:
    """What does not fit the tiles of the specification is a bug of whoever drafted it, and is not written."""
    with pytest.raises(AssertionError):
        encode(Draft(event="e" * MAX_BYTES, kind=EntryKind.OBSERVE), STAMP)


@given(st.lists(NAMES, unique=True))
def test_events_have_keys_of_their_own(events: list[str]) -> None:
    """Different events have different keys, of 16 bytes; the same one has the same for ever."""
    keys = [event_key(event) for event in events]
    assert len(set(keys)) == len(events)
    assert {len(key) for key in keys} <= {16}
    assert event_key("reading:X").hex() == "b14d6028eb1b61bb6f35350b04a5f8c9"
