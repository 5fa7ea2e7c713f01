"""A reading and what was decided on it -> the report. Pure: the same history gives the same bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

from tieout.decide import Decided
from tieout.decide.reading import Reading
from tieout.model.discrepancy import SEVERITY_RANK, Severity
from tieout.model.report import Discrepancy, ReconciliationReport, Status, Summary, Trigger
from tieout.model.snapshot import Observation, Snapshot
from tieout.model.units import words_of

BASE32 = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SKEW_WARNING_S = 5


def report_id(account: str, at: datetime, number: int) -> str:
    """A ULID whose random part is derived from what was read, so that a replay gives it again."""
    value = (at - EPOCH) // timedelta(milliseconds=1) << 80
    value |= int.from_bytes(
        hashlib.sha256(f"{account}\n{at.astimezone(UTC).isoformat()}\n{number}".encode()).digest()[:10]
    )
    digits = []
    for _ in range(26):
        value, digit = divmod(value, 32)
        digits.append(BASE32[digit])
    return "".join(reversed(digits))


def build_report(
    observation: Observation,
    reading: Reading,
    decided: Decided,
    *,
    trigger: Trigger,
    finished_at: datetime,
    warnings: tuple[str, ...] = (),
) -> ReconciliationReport:
    """The report of one reconciliation; *warnings* are sentences for a person, besides its own."""
    found = decided.discrepancies
    return ReconciliationReport(
        report_id=report_id(observation.account, observation.at, reading.number),
        account=observation.account,
        trigger=trigger,
        started_at=observation.at,
        finished_at=finished_at,
        status=_status(found, complete=reading.complete),
        severity=max((row.severity for row in found), key=SEVERITY_RANK.__getitem__, default=None),
        coverage=reading.coverage,
        discrepancies=found,
        actions=decided.actions,
        summary=_summary(observation, reading, found, warnings),
        halts=tuple(decided.history.halts.values()),
        notices=decided.notices,
    )


def _status(found: Iterable[Discrepancy], *, complete: bool) -> Status:
    if any(not row.within_tolerance for row in found):
        return "discrepancies"
    return "matched" if complete else "incomplete"


def _summary(
    observation: Observation, reading: Reading, found: tuple[Discrepancy, ...], warnings: tuple[str, ...]
) -> Summary:
    compared = _compared(observation, reading.coverage)
    counts = {severity: sum(1 for row in found if row.severity is severity) for severity in Severity}
    return Summary(compared, counts, _text(reading, found, compared), (*warnings, *_warnings(observation, reading)))


def _compared(observation: Observation, coverage: Mapping[str, str]) -> dict[str, int]:
    """Rows of the longer side, for each section that was compared."""
    sides = [side for side in (observation.local, observation.broker) if isinstance(side, Snapshot)]
    sections = [name for name, state in coverage.items() if state in ("compared", "partial")]
    return {name: max(len(getattr(side, name) or ()) for side in sides) for name in sections}


def _text(reading: Reading, found: tuple[Discrepancy, ...], compared: Mapping[str, int]) -> str:
    beyond = [row for row in found if not row.within_tolerance]
    rows = ", ".join(f"{count} {name}" for name, count in compared.items()) or "nothing"
    if reading.first_start:
        return (
            f"Local books are empty and the broker's are not: nothing is booked until `tieout adopt {reading.account}`."
        )
    if beyond:
        worst = max((row.severity for row in beyond), key=SEVERITY_RANK.__getitem__)
        noun = "discrepancy" if len(beyond) == 1 else "discrepancies"
        return f"{len(beyond)} {noun} beyond tolerance, the worst {worst}; compared {rows}."
    if reading.unreadable is not None and not reading.complete:
        return (
            f"A side could not be read ({reading.unreadable}): nothing is established, and nothing known is forgotten."
        )
    if not reading.complete:
        lacking = ", ".join(
            name for name, state in reading.coverage.items() if state not in ("compared", "not_required")
        )
        return f"Not everything could be compared ({lacking or 'nothing was there'}); compared {rows}."
    return f"Both sides agree; compared {rows}."


def _warnings(observation: Observation, reading: Reading) -> Iterable[str]:
    for key in reading.causes:
        difference = reading.differences[key]
        if key.domain == "balance" and difference.usd_value is None:
            limit = reading.settings.unvalued_percent
            yield f"{key.asset} has no USD value: its tolerance is {limit} % of the amount; set usd_price to value it."
    local, broker = observation.local, observation.broker
    if isinstance(local, Snapshot) and isinstance(broker, Snapshot):
        skew = abs((broker.as_of - local.as_of).total_seconds())
        if skew > SKEW_WARNING_S:
            yield f"The two sides' times are {skew:.0f} s apart (clock skew, or one was read long before the other)."
    for name in sorted({key.asset for key in reading.causes}):
        yield from words_of(name, reading.settings.asset(name))
    for name, amount in sorted(reading.settings.unmanaged.items()):
        yield f"{amount} {name} at the broker is set aside as unmanaged."
