"""`tieout.report/1`: what one reconciliation found and what is done about it."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Literal

from msgspec import Struct

from tieout.model.discrepancy import (
    ActionKind,
    ActionStatus,
    Cause,
    DiscrepancyType,
    Domain,
    ReconciliationStrategy,
    Severity,
)
from tieout.model.halt import Halt
from tieout.model.notice import Notice
from tieout.model.snapshot import Leg

Status = Literal["failed", "discrepancies", "incomplete", "matched"]
SectionCoverage = Literal["compared", "partial", "failed", "not_fetched", "not_required"]
Trigger = Literal["manual", "startup", "schedule", "event", "replay"]


class Discrepancy(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A difference as reported: with the identity of its break, its cause and the strategy picked."""

    discrepancy_id: str
    domain: Domain
    discrepancy_type: DiscrepancyType
    asset: str
    local_amount: Decimal
    broker_amount: Decimal
    difference: Decimal
    percent: Decimal
    usd_value: Decimal | None
    severity: Severity
    within_tolerance: bool
    confirmed: bool
    cause: Cause
    strategy: ReconciliationStrategy
    position_side: Leg | None = None
    broker_order_id: str | None = None
    client_order_id: str | None = None
    fill_id: str | None = None


class Action(Struct, frozen=True, kw_only=True):
    """One thing to do, with the breaks that call for it. `detail` names records and reasons, by their contract words."""

    action: ActionKind
    strategy: ReconciliationStrategy
    status: ActionStatus
    discrepancy_ids: tuple[str, ...]
    detail: dict[str, str] = {}


class Summary(Struct, frozen=True):
    """Counts of what was compared and found, a sentence for a person, and what a person should know besides."""

    compared: dict[str, int]
    discrepancies: dict[Severity, int]
    text: str
    warnings: tuple[str, ...] = ()


class ReconciliationReport(Struct, frozen=True, kw_only=True):
    """One reconciliation of one account. Times are aware; `severity` is the worst found, or None.

    `halts` are those that stand after it, `notices` what people are told because of it.
    """

    schema: Literal["tieout.report/1"] = "tieout.report/1"
    report_id: str
    account: str
    trigger: Trigger
    started_at: datetime
    finished_at: datetime
    status: Status
    severity: Severity | None
    coverage: dict[str, SectionCoverage]
    discrepancies: tuple[Discrepancy, ...]
    actions: tuple[Action, ...]
    summary: Summary
    halts: tuple[Halt, ...] = ()
    notices: tuple[Notice, ...] = ()
