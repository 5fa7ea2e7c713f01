"""What a pass over a stretch of the log is asked for, and what it found."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct, field

from tieout.record.audit.clocks import Clocks

READING = "reading"  # the commitment that is a plain SHA-256, for what it covers holds no amounts
RECORD_BYTES = 8 + 32


class Flaw(StrEnum):
    """What does not fit."""

    MISSING = "missing"
    UNREADABLE = "unreadable"
    EVENT = "event"  # the row is found under another event than the entry's own
    SUBTREE = "subtree"  # the hash over two entries
    NODE = "node"  # a hash over such hashes: of itself it says nothing about entries
    CHECKPOINT = "checkpoint"


class Fault(Struct, frozen=True):
    """What does not fit, and which entries it may be about: from *first* up to but not including *end*."""

    flaw: Flaw
    first: int
    end: int


class Handover(Struct, frozen=True):
    """The entry that names the log's next key."""

    entry: int
    new_key: str
    old_key: str


class Stretch(Struct, frozen=True):
    """What is to be scanned: entries from *start* up to *stop*, after the subtrees *peaks* (largest first) of those before.

    *roots* are the sizes at which the root is asked for.
    """

    origin: str
    start: int
    stop: int
    peaks: tuple[bytes, ...] = ()
    roots: tuple[int, ...] = ()


class Erasure(Struct, frozen=True):
    """The entry that says how many payloads were erased at a moment (ISO 8601), and a digest over which."""

    entry: int
    moment: str
    count: int
    digest: str


class Step(Struct, frozen=True):
    """An entry about an action: its intent, or how that ended."""

    entry: int
    action: str
    ended: str | None


class Scanned(Struct):
    """What a pass found.

    Attributes:
        stop: Up to here (not included) no entry is missing.
        peaks: Of the entries up to there.
        faults: The first of each kind.
        matched: The largest checkpoint that fits.
        unfit: Those that do not (the first hundred), each after the size of the one before it that does.
        checkpoints: How many were compared.
        roots: Those that were asked for, by size.
        handovers: Entries that name a new key.
        erasures: Entries that say that payloads were erased.
        events: The keys of all events, 16 bytes each.
        readings: For each reading its entry (8 bytes) and the digest of its record (32).
        named: For each payload that an entry commits to the entry and the commitment, in the same form.
        steps: Entries about actions.
        kinds: How many entries of each kind.
        clocks: What the times say.
    """

    stop: int
    peaks: tuple[bytes, ...]
    matched: int = 0
    unfit: list[tuple[int, int]] = []
    checkpoints: int = 0
    faults: list[Fault] = []
    roots: dict[int, bytes] = {}
    handovers: list[Handover] = []
    erasures: list[Erasure] = []
    events: bytearray = field(default_factory=bytearray)
    readings: bytearray = field(default_factory=bytearray)
    named: bytearray = field(default_factory=bytearray)
    steps: list[Step] = []
    kinds: dict[str, int] = {}
    clocks: Clocks = field(default_factory=Clocks)

    def fault(self, flaw: Flaw) -> Fault | None:
        """The first of a kind."""
        return next((each for each in self.faults if each.flaw is flaw), None)

    def note(self, fault: Fault) -> None:
        """Keep it if it is the first of its kind."""
        if self.fault(fault.flaw) is None:
            self.faults.append(fault)

    def join(self, later: Scanned) -> None:
        """Take in the stretch that follows, which was scanned after these very peaks."""
        self.matched = later.matched or self.matched
        self.unfit += later.unfit
        self.stop, self.peaks = later.stop, later.peaks
        self.checkpoints += later.checkpoints
        for fault in later.faults:
            self.note(fault)
        self.roots |= later.roots
        self.handovers += later.handovers
        self.steps += later.steps
        self.readings += later.readings
        self.named += later.named
        self.erasures += later.erasures
        self.events += later.events
        for kind, count in later.kinds.items():
            self.kinds[kind] = self.kinds.get(kind, 0) + count
        self.clocks.join(later.clocks)
