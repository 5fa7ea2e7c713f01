"""What an examination of one account saw. No secrets, no amounts."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from tieout.brokers.examined import KeyRights
from tieout.brokers.wire.reach import Reached
from tieout.model.snapshot import Section

Level = Literal["mend", "note"]
Seen = Literal["complete", "partial", "failed", "not read"]


class SectionSeen(Struct, frozen=True, kw_only=True):
    """How far a section was read. `rows` is None where that is not known to be all; *gap* is what no reading covers."""

    section: Section
    seen: Seen
    rows: int | None = None
    why: str = ""
    code: str = ""
    gap: str = ""


class ClockSeen(Struct, frozen=True, kw_only=True):
    """The venue's clock minus ours, and how wrong that may be, in milliseconds; None where it could not be compared."""

    ahead_ms: int | None = None
    within_ms: int | None = None
    why: str = ""


class Pace(Struct, frozen=True, kw_only=True):
    """What one reading cost, and how often the venue's limits bear that.

    Attributes:
        rates: So much weight in any so many milliseconds.
        by: What the venue counts by.
        own: So many endpoints have limits of their own.
        requests: Of one reading, look-ups of single orders apart.
        weight: Of those together.
        took_ms: From its begin to its end.
        waited_ms: Of that, for the limits.
        every_s: A reading every so many seconds is what the limits bear at most.
        configured_s: A reading every so many seconds is what is configured.
    """

    rates: tuple[tuple[int, int], ...]
    by: str
    own: int = 0
    requests: int
    weight: int
    took_ms: int
    waited_ms: int
    every_s: int
    configured_s: int


class Finding(Struct, frozen=True):
    """One thing that a person should know: `mend` asks for something to be done, `note` does not."""

    level: Level
    what: str
    mend: str = ""


class Examination(Struct, frozen=True, kw_only=True):
    """One account. What could not be asked is None; `rights_why` says why of the rights.

    Attributes:
        venue: What it is asked through: a venue's name, or what kind of file.
        acts: Whether what is configured may send orders and write books.
        markets_age_s: How old what is known of the venue's markets is.
        against_table: What the user's table of assets says, and the venue's list of its instruments contradicts.
        listed: What else that list says of what is held, or told of.
        listed_why: Why the venue did not say what it lists.
    """

    schema: Literal["tieout.doctor/1"] = "tieout.doctor/1"
    account: str
    venue: str
    acts: bool
    reached: Reached | None = None
    clock: ClockSeen | None = None
    rights: KeyRights | None = None
    rights_why: str = ""
    sections: tuple[SectionSeen, ...] = ()
    pace: Pace | None = None
    markets_age_s: int | None = None
    against_table: tuple[str, ...] = ()
    listed: tuple[str, ...] = ()
    listed_why: str = ""
    findings: tuple[Finding, ...] = ()

    @property
    def well(self) -> bool:
        """Whether nothing is to be mended."""
        return all(each.level != "mend" for each in self.findings)
