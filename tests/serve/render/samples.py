"""Reports of every kind of verdict, built by hand, for tests and for looking at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal

import msgspec

from tieout.model.amounts import dec, exact, percent
from tieout.model.discrepancy import (
    SEVERITY_RANK,
    ActionKind,
    ActionStatus,
    Cause,
    CauseCode,
    DiscrepancyType,
    Domain,
    ReconciliationStrategy,
    Severity,
)
from tieout.model.report import Action, Discrepancy, ReconciliationReport, SectionCoverage, Status, Summary, Trigger

START = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
FULL: dict[str, SectionCoverage] = {
    "positions": "compared",
    "balances": "compared",
    "orders": "compared",
    "fills": "compared",
}
SYNC, LOCAL = ReconciliationStrategy.SYNC_TO_BROKER, ReconciliationStrategy.SYNC_TO_LOCAL
WARN, HALT = ReconciliationStrategy.WARN_ONLY, ReconciliationStrategy.HALT_AND_ALERT
T, C, A, S = DiscrepancyType, CauseCode, ActionKind, ActionStatus

HOSTILE = "[red]A\x1b[31mAP\u202eL\n<script>alert(1)</script>[/red]&'\"\u200b\u05d0"


@exact
def found(
    local: str,
    broker: str,
    code: CauseCode = C.UNKNOWN,
    *,
    asset: str = "AAPL",
    domain: Domain = "position",
    kind: DiscrepancyType = T.QUANTITY_MISMATCH,
    severity: Severity = Severity.MODERATE,
    usd: str | None = "570.30",
    evidence: Sequence[str] = (),
    residual: str | None = None,
    strategy: ReconciliationStrategy = SYNC,
    confirmed: bool = True,
    within: bool = False,
    number: int = 1,
    leg: Literal["long", "short"] | None = None,
    ids: tuple[str | None, str | None, str | None] = (None, None, None),
) -> Discrepancy:
    """One discrepancy; `ids` are the broker's order id, the client's and the fill's."""
    difference = dec(broker) - dec(local)
    rest = dec(residual) if residual is not None else difference if code == C.UNKNOWN else dec(0)
    return Discrepancy(
        discrepancy_id=f"break-{number}",
        domain=domain,
        discrepancy_type=kind,
        asset=asset,
        local_amount=dec(local),
        broker_amount=dec(broker),
        difference=difference,
        percent=percent(difference, dec(local), dec(broker)),
        usd_value=dec(usd) if usd else None,
        severity=severity,
        within_tolerance=within,
        confirmed=confirmed,
        cause=Cause(code, difference - rest, rest, tuple(evidence)),
        strategy=strategy,
        position_side=leg,
        broker_order_id=ids[0],
        client_order_id=ids[1],
        fill_id=ids[2],
    )


def act(
    kind: ActionKind,
    *numbers: int,
    status: ActionStatus = S.PLANNED,
    strategy: ReconciliationStrategy = SYNC,
    detail: Mapping[str, str] | None = None,
) -> Action:
    """One action for the breaks *numbers*."""
    ids = tuple(f"break-{number}" for number in numbers)
    return Action(action=kind, strategy=strategy, status=status, discrepancy_ids=ids, detail=dict(detail or {}))


def report(
    *discrepancies: Discrepancy,
    actions: Sequence[Action] = (),
    status: Status | None = None,
    coverage: Mapping[str, SectionCoverage] | None = None,
    warnings: Sequence[str] = (),
    at: datetime = START,
    account: str = "main",
    trigger: Trigger = "manual",
    text: str = "",
) -> ReconciliationReport:
    """One report around *discrepancies*."""
    beyond = [item for item in discrepancies if not item.within_tolerance]
    counts = {severity: sum(item.severity == severity for item in beyond) for severity in Severity}
    worst = max((item.severity for item in discrepancies), key=SEVERITY_RANK.__getitem__, default=None)
    cover = dict(FULL if coverage is None else coverage)
    compared = {"positions": 12, "balances": 3, "orders": 4, "fills": 118}
    return ReconciliationReport(
        report_id=f"01JD{at:%H%M%S}",
        account=account,
        trigger=trigger,
        started_at=at,
        finished_at=at + timedelta(milliseconds=12),
        status=status or ("discrepancies" if beyond else "matched"),
        severity=worst,
        coverage=cover,
        discrepancies=discrepancies,
        actions=tuple(actions),
        summary=Summary(
            {name: compared[name] for name, state in cover.items() if state == "compared"},
            counts,
            text,
            tuple(warnings),
        ),
    )


def matched() -> ReconciliationReport:
    """All agrees."""
    return report()


def within_only() -> ReconciliationReport:
    """All agrees but for dust."""
    return report(
        found("1000.00", "1000.01", C.ROUNDING, domain="balance", kind=T.PRECISION, asset="USD", usd="0.01",
              severity=Severity.MINOR, strategy=WARN, within=True)
    )  # fmt: skip


def several() -> ReconciliationReport:
    """Every severity, domain and outcome at once: fills, legs, orders, a halt, approvals, warnings."""
    return report(
        found("100", "103", C.MISSED_FILL, evidence=["fill f-9"]),
        found("1.5", "0", C.LIQUIDATION, asset="BTC/USDT:USDT", number=2, leg="long", kind=T.MISSING_BROKER,
              severity=Severity.CRITICAL, usd="142500.75", evidence=["fill 88123441-liq"], strategy=HALT),
        found("-40", "-42.00000001", C.UNKNOWN, asset="ETH/USDT:USDT", number=3, leg="short", usd=None,
              residual="-2.00000001"),
        found("10000.00", "9740.15", C.MULTIPLE, asset="USD", domain="balance", kind=T.BALANCE_MISMATCH, number=4,
              usd="259.85", residual="-5.15", evidence=["WITHDRAWAL activity w-77", "FEE activity fee-2"],
              strategy=WARN, confirmed=False),
        found("0", "10", C.EXTERNAL_ORDER, domain="order", kind=T.ORPHANED_BROKER, asset="MSFT", number=5,
              usd="4100", strategy=WARN, ids=("b-20041", None, None), evidence=["order b-20041"]),
        found("2", "5", C.MISSED_UPDATE, domain="order", kind=T.FILLED_MISMATCH, asset="NVDA", number=6, usd="420.9",
              severity=Severity.CRITICAL, ids=("b-1", "c-1", None), evidence=["order c-1"]),
        found("187.23", "187.32", C.WRONG_FILL, domain="fill", kind=T.FILL_MISMATCH, asset="AAPL", number=7,
              severity=Severity.MINOR, usd="9", strategy=WARN, ids=("b-0", "c-0", "f-1"), evidence=["fill f-1"]),
        found("0.10000000", "0.10000001", C.ROUNDING, asset="BTC", domain="balance", kind=T.PRECISION, number=8,
              severity=Severity.MINOR, usd="0.00095", within=True, strategy=WARN),
        actions=[
            act(A.BOOK_FILL, 1, status=S.DONE, detail={"fill_id": "f-9"}),
            act(A.ALERT, 2, strategy=HALT, status=S.DONE),
            act(A.HALT, 2, strategy=HALT, status=S.DONE, detail={"reason": "liquidation"}),
            act(A.BOOK_FILL, 2, strategy=HALT, status=S.AWAITING_APPROVAL, detail={"fill_id": "88123441-liq"}),
            act(A.SET_POSITION, 3, status=S.AWAITING_APPROVAL, detail={"asset": "ETH/USDT:USDT", "amount": "-42.00000001"}),
            act(A.WAIT, 4, strategy=WARN),
            act(A.ALERT, 5, 7, strategy=WARN, status=S.FAILED, detail={"reason": "mail server refused"}),
            act(A.UPDATE_ORDER, 6, status=S.SKIPPED, detail={"client_order_id": "c-1"}),
        ],
        warnings=["ETH/USDT:USDT has no USD price: its value counts as above every cap",
                  "the broker's clock is 1.8 s ahead of yours"],
        text="7 discrepancies beyond tolerance, 1 within; 1 halt, 2 changes await approval",
    )  # fmt: skip


def incomplete() -> ReconciliationReport:
    """The broker's positions could not be read."""
    return report(
        status="incomplete",
        coverage={"positions": "failed", "balances": "compared", "orders": "partial", "fills": "not_fetched",
                  "activities": "not_required"},
        actions=[act(A.ALERT, strategy=WARN, detail={"reason": "broker positions could not be read: timeout"})],
        warnings=["broker positions could not be read: timeout"],
    )  # fmt: skip


def failed() -> ReconciliationReport:
    """Tieout itself could not finish."""
    return report(status="failed", coverage={"positions": "failed"}, text="the record could not be written")


def many(number: int = 40) -> ReconciliationReport:
    """A bad night: many discrepancies under one halt."""
    severities = list(Severity)
    items = [
        found(str(1000 * one), f"{1000 * one + 7 * one}.{one:02}", asset=f"ASSET{one:02}/USDT", number=one,
              severity=severities[one % 3], usd=f"{one * 1234}.56", strategy=HALT)
        for one in range(1, number + 1)
    ]  # fmt: skip
    everything = range(1, number + 1)
    return report(*items, actions=[act(A.HALT, *everything, strategy=HALT), act(A.ALERT, *everything, strategy=HALT)])


def long_decimals() -> ReconciliationReport:
    """Figures at the limits of the contract, and a name that does not end."""
    big, small = "9" * 40 + "." + "1" * 24, "-" + "8" * 32 + "." + "2" * 32
    return report(
        found(big, small, asset="X" * 150, kind=T.SIDE_MISMATCH, severity=Severity.CRITICAL, usd="7" * 50 + ".123",
              strategy=HALT, residual="0." + "0" * 62 + "3", evidence=["fill " + "f" * 120]),
        found("0." + "0" * 17 + "1", "0.123456789012345678", C.FEE, asset="SHIB", number=2, usd="0." + "0" * 40 + "1"),
    )  # fmt: skip


def hostile() -> ReconciliationReport:
    """Names, ids and reasons that try to act on the screen."""
    item = found("100", "103", C.MISSED_FILL, asset=HOSTILE, domain="fill", kind=T.FILL_MISMATCH,
                 ids=(HOSTILE, HOSTILE, HOSTILE), evidence=["fill " + HOSTILE])  # fmt: skip
    action = act(A.BOOK_FILL, 1, detail={"fill_id": HOSTILE, HOSTILE: "x"})
    return report(item, actions=[action], warnings=[HOSTILE], account=HOSTILE, text=HOSTILE)


def history() -> list[ReconciliationReport]:
    """Twelve readings: a missed fill seen, confirmed, booked and gone; an unknown one with an outage in its midst."""
    first = found("100", "103", C.MISSED_FILL, evidence=["fill f-9"], confirmed=False)
    second = found("5000", "4200", asset="USDT", domain="balance", kind=T.BALANCE_MISMATCH, number=2, usd="800",
                   severity=Severity.CRITICAL, confirmed=False, strategy=HALT)  # fmt: skip
    dust = found("1", "1.00000001", C.ROUNDING, asset="SOL", number=9, within=True, severity=Severity.MINOR, usd=None,
                 strategy=WARN)  # fmt: skip
    sure, sure2 = msgspec.structs.replace(first, confirmed=True), msgspec.structs.replace(second, confirmed=True)
    known = msgspec.structs.replace(sure2, cause=Cause(C.WITHDRAWAL, dec("-800"), dec("0"), ("activity w-1",)))
    wait1, wait2 = act(A.WAIT, 1), act(A.WAIT, 2, strategy=HALT)
    book = act(A.BOOK_FILL, 1, detail={"fill_id": "f-9"})
    halt = [act(A.HALT, 2, strategy=HALT), act(A.ALERT, 2, strategy=HALT)]
    cure = [*halt, act(A.BOOK_ACTIVITY, 2, strategy=HALT, status=S.AWAITING_APPROVAL, detail={"activity_id": "w-1"})]
    alert = act(A.ALERT, strategy=WARN, detail={"reason": "broker could not be read: timeout"})
    nothing: dict[str, SectionCoverage] = dict.fromkeys(FULL, "failed")
    outage = report(status="incomplete", coverage=nothing, warnings=["broker: timeout"], actions=[alert])
    readings: list[tuple[list[Discrepancy], list[Action]] | None] = [
        ([], []), ([], []), ([first], [wait1]), ([sure], [book]), ([dust], []), ([dust, second], [wait2]),
        ([dust, sure2], halt), None, ([dust, sure2], halt), ([known], cure), ([known], cure), ([known], cure),
    ]  # fmt: skip
    reports = []
    for index, entry in enumerate(readings):
        at = START + timedelta(seconds=30 * index)
        if entry is None:
            moved = msgspec.structs.replace(
                outage, started_at=at, finished_at=at, trigger="replay", report_id="01JDoutage"
            )
            reports.append(moved)
        else:
            reports.append(report(*entry[0], actions=entry[1], at=at, trigger="replay"))
    return reports


def quiet_night(number: int = 500) -> list[ReconciliationReport]:
    """Nothing happened, many times."""
    return [report(at=START + timedelta(seconds=30 * index), trigger="replay") for index in range(number)]


SINGLE = {
    "matched": matched,
    "within_only": within_only,
    "several": several,
    "incomplete": incomplete,
    "failed": failed,
    "many": many,
    "long_decimals": long_decimals,
    "hostile": hostile,
}
