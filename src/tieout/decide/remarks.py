"""What a person should look at besides breaks: units, names and terms that do not fit. Nothing is decided by it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct

from tieout.decide.lifecycle import digest
from tieout.decide.reading import Reading
from tieout.model.discrepancy import Severity
from tieout.model.listed import called_otherwise, contradictions, no_longer_traded
from tieout.model.report import Discrepancy
from tieout.model.units import contradicted, unit_doubts


class Remark(Struct, frozen=True):
    """One sentence, and how bad it is; it is about the same for as long as it reads the same."""

    text: str
    severity: Severity

    @property
    def subject(self) -> str:
        """What it is about."""
        return f"remark {digest((self.text,))}"


def remarks(found: Iterable[Discrepancy], reading: Reading) -> Iterator[Remark]:
    """What to look at in a reading in which *found* differs."""
    seen, settings = reading.observed, reading.settings
    if seen is None:
        return
    for text in (*contradictions(settings), *contradicted(seen, settings), *unit_doubts(found, seen, settings)):
        yield Remark(text, Severity.MODERATE)
    for text in (*called_otherwise(seen, settings), *no_longer_traded(seen, settings)):
        yield Remark(text, Severity.MINOR)
