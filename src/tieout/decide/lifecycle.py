"""Breaks over time: seen, confirmed, in doubt, closed. Each reading makes the next history."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal

from msgspec import Struct, field
from msgspec.structs import replace

from tieout.decide.words import Words
from tieout.model.amounts import seconds
from tieout.model.discrepancy import DOUBTS, Cause, CauseCode, Difference, Key, Severity
from tieout.model.halt import Halt

SECTION_OF = {"position": "positions", "balance": "balances", "order": "orders", "fill": "fills"}
TWO_READINGS = frozenset(("SPLIT", "SYMBOL_CHANGE", "CORPORATE_ACTION", "PHANTOM_FILL"))
WITHOUT_RECORDS = frozenset((CauseCode.UNKNOWN, CauseCode.ROUNDING, CauseCode.MULTIPLIER, *DOUBTS))


class Break(Struct, frozen=True, kw_only=True):
    """One discrepancy followed over time.

    Attributes:
        id: Stays the same for as long as the break stands.
        run: Readings in a row that showed this very difference, the first of them at `run_since`.
        doubt_run: Readings in doubt on one set of evidence, the first of them at `doubt_since`.
        corrected: The records, or the reason, with which it was last to be corrected; empty where it never was.
        halted: Why a limit stopped it: it is not acted on again for as long as it stands.
    """

    id: str
    key: Key
    first_seen: datetime
    difference: Decimal
    run: int
    run_since: datetime
    doubt_on: tuple[str, ...] = ()
    doubt_run: int = 0
    doubt_since: datetime | None = None
    corrected: tuple[str, ...] = ()
    halted: str | None = None


class Closed(Struct, frozen=True):
    """A corrected break that went away, and the number of the reading that showed it gone."""

    difference: Decimal
    corrected: tuple[str, ...]
    reading: int


class Sending(Struct, frozen=True, kw_only=True):
    """An order that was decided to be sent: when, for which breaks, its worth, and what it was to leave of the difference."""

    at: datetime
    plan: str
    attempt: int
    key: Key
    breaks: tuple[str, ...]
    usd: Decimal
    leaves: Decimal


class Told(Struct, frozen=True, kw_only=True):
    """What people were last told of something: when, how large its breaks were then (unsigned), how bad, in which words."""

    at: datetime
    sizes: dict[str, Decimal]
    severity: Severity
    text: str


class History(Struct, frozen=True, kw_only=True):
    """What deciding has to know of earlier readings of an account.

    Attributes:
        breaks: The breaks that stand.
        closed: Corrected breaks that went away lately.
        changes: Cases that were to be changed within the hour: when first, by a break's id, and whether they heal.
        sets: Corrections by a number, without a record, within the day: when first, of which row.
        foreign: Changes by somebody else, by row and record: when, and how much.
        attempted: Fingerprints of cases that were acted on; acting again on them is refused.
        last_complete: The last complete reading, else the first reading of all.
        unreadable_alert: When it was last said that a side cannot be read.
        words: What people said that still counts.
        halts: The halts that stand, by id.
        clean: For a halt that may lift itself: clean complete readings in a row.
        told: What people were told of and is not over, by subject.
        asked: Since when a plan has been waiting for approval, by fingerprint.
        sends: Orders that were to be sent within the day, or for breaks that stand, oldest first.
    """

    breaks: dict[Key, Break] = field(default_factory=dict)
    closed: dict[Key, Closed] = field(default_factory=dict)
    changes: dict[str, tuple[datetime, bool]] = field(default_factory=dict)
    sets: dict[str, tuple[datetime, Key]] = field(default_factory=dict)
    foreign: dict[Key, dict[str, tuple[datetime, Decimal]]] = field(default_factory=dict)
    attempted: frozenset[str] = frozenset()
    last_complete: datetime | None = None
    unreadable_alert: datetime | None = None
    words: Words = Words()
    halts: dict[str, Halt] = field(default_factory=dict)
    clean: dict[str, int] = field(default_factory=dict)
    told: dict[str, Told] = field(default_factory=dict)
    asked: dict[str, datetime] = field(default_factory=dict)
    sends: tuple[Sending, ...] = ()


def digest(parts: Sequence[str]) -> str:
    """A short name for a list of words."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:20]


def break_id(account: str, key: Key, first_seen: datetime) -> str:
    """An identity derived from account, row and the time first seen."""
    return digest((account, key.domain, key.asset, key.leg, key.record, first_seen.astimezone(UTC).isoformat()))


def follow(
    history: History,
    account: str,
    differences: Iterable[Difference],
    coverage: Mapping[str, str],
    reading: int,
    now: datetime,
    no_verdict: Collection[Key] = (),
) -> History:
    """The history after a reading: breaks that stand on, new ones, and those that a complete section shows gone.

    What got *no_verdict* in this reading is neither counted nor forgotten.
    """
    seen = {difference.key: difference for difference in differences}
    breaks = {}
    for key, difference in seen.items():
        whole = coverage.get(SECTION_OF[key.domain]) == "compared"
        breaks[key] = _standing(history.breaks.get(key), account, difference, now, counts=whole)
    closed = dict(history.closed)
    for key, old in history.breaks.items():
        if key in seen:
            continue
        if key in no_verdict or coverage.get(SECTION_OF[key.domain]) != "compared":
            breaks[key] = old  # not read whole: neither counted nor forgotten
        elif old.corrected:
            closed[key] = Closed(old.difference, old.corrected, reading)
    return replace(history, breaks=breaks, closed=closed)


def _standing(old: Break | None, account: str, difference: Difference, now: datetime, *, counts: bool) -> Break:
    """The break with this reading counted on; one in which its section was not complete leaves the row as it was."""
    key, amount = difference.key, difference.difference
    if old is None:
        name = break_id(account, key, now)
        return Break(id=name, key=key, first_seen=now, difference=amount, run=int(counts), run_since=now)
    if not counts:
        return old
    if old.run and old.difference == amount:
        return replace(old, run=old.run + 1)
    return replace(old, difference=amount, run=1, run_since=now)


def doubt(broken: Break, difference: Difference, cause: Cause, now: datetime) -> Break:
    """The break with its doubt counted on, where it is in doubt on the same evidence as before, or begun anew."""
    if cause.code not in DOUBTS:
        return replace(broken, doubt_on=(), doubt_run=0, doubt_since=None)
    evidence = (str(difference.difference), *cause.evidence)
    if broken.doubt_since is not None and broken.doubt_on == evidence:
        return replace(broken, doubt_run=broken.doubt_run + 1)
    return replace(broken, doubt_on=evidence, doubt_run=1, doubt_since=now)


def is_confirmed(
    broken: Break,
    difference: Difference,
    cause: Cause,
    parts: frozenset[str],
    youngest: Decimal | None,
    *,
    settle_seconds: Decimal,
    now: datetime,
) -> bool:
    """Whether a break may be acted on: two readings in a row, or records old enough that explain it all."""
    if cause.code is CauseCode.IN_FLIGHT:
        return False
    same = broken.difference == difference.difference  # a reading that was not whole may show another
    if same and broken.run >= 2 and seconds(broken.run_since, now) >= settle_seconds:
        return True
    proven = not cause.residual and cause.code not in WITHOUT_RECORDS and not parts & TWO_READINGS
    return proven and youngest is not None and youngest >= settle_seconds
