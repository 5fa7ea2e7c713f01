"""How people are told: how loud a severity is, and where alerts go."""

from __future__ import annotations

import re
from enum import StrEnum

from msgspec import Struct

from tieout.model.discrepancy import Severity


class Level(StrEnum):
    """How loud: in logs as in alerts."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


LEVEL_OF = {Severity.MINOR: Level.INFO, Severity.MODERATE: Level.WARNING, Severity.CRITICAL: Level.ERROR}
LEVEL_RANK = {Level.INFO: 0, Level.WARNING: 1, Level.ERROR: 2}


class AlertSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where alerts go, and when somebody else is told. Its addresses hold secrets: it never shows them.

    Attributes:
        urls: Addresses as apprise reads them; ``file:PATH`` stands for a file, its owner's only, with one a line.
        escalate_urls: The same, for a CRITICAL alert that stands unresolved.
        escalate_seconds: For how long it has to stand.
    """

    urls: tuple[str, ...] = ()
    escalate_urls: tuple[str, ...] = ()
    escalate_seconds: int = 900

    def __repr__(self) -> str:
        """How many there are, and none of them."""
        return (
            f"AlertSettings({len(self.urls)} urls, {len(self.escalate_urls)} escalate_urls, "
            f"escalate_seconds={self.escalate_seconds})"
        )


_BETWEEN = re.compile(r"[\s,]+(?=[A-Za-z][A-Za-z0-9+.-]*:)")


def split_addresses(text: str) -> tuple[str, ...]:
    """The addresses in an environment variable: apart by blanks, by commas or by new lines."""
    return tuple(each for each in _BETWEEN.split(text.strip().strip(",").strip()) if each)
