"""What a verification found, and its verdict."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from msgspec import Struct


class Kind(StrEnum):
    """What does not hold, the gravest first: history, then what was made from it."""

    KEY = "key"  # nobody who was pinned signed it
    CHANGED = "changed"
    DELETED = "deleted"
    ADDED = "added"
    CUT = "cut"  # entries are missing at the end, or a longer log was signed before
    FORK = "fork"  # another log was signed before
    REPLAYED = "replayed"
    BACKDATED = "backdated"
    WITNESS = "witness"
    SIGNATURE = "signature"
    TREE = "tree"
    ORDER = "order"
    READING = "reading"
    PAYLOAD = "payload"
    ERASURE = "erasure"
    ROW = "row"
    DAMAGED = "damaged"


class Finding(Struct, frozen=True):
    """One thing that does not hold: at which entry (None for the log as a whole), and what it means, as a sentence."""

    kind: Kind
    sentence: str
    entry: int | None = None


class Verdict(Struct, frozen=True, kw_only=True):
    """What a verification found.

    Attributes:
        log: The log's origin.
        store: Where it is.
        pinned_by: Where the key came from, and `key` is which.
        entries: How many there are, and `kinds` how many of each.
        proved: How many of them stand, from the first on, as the pinned key signed them.
        root: The root over those (base64).
        first_at: Time of the first entry.
        last_at: Time of the last entry.
        findings: What does not hold; the first one is the gravest.
        remarks: What somebody should know all the same.
        unchecked: What was not checked, and why.
        checked: How many of what were checked.
    """

    log: str
    store: str
    pinned_by: str
    key: str
    entries: int
    proved: int
    root: str | None = None
    first_at: datetime | None = None
    last_at: datetime | None = None
    findings: tuple[Finding, ...] = ()
    remarks: tuple[str, ...] = ()
    unchecked: tuple[str, ...] = ()
    checked: dict[str, int] = {}
    kinds: dict[str, int] = {}

    @property
    def sound(self) -> bool:
        """Whether nothing was found."""
        return not self.findings
