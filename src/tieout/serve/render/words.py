"""Plain words for every code of the contract: one sentence each, so that nobody has to look a code up at night."""

from __future__ import annotations

from collections.abc import Sequence

from tieout.model.discrepancy import ActionKind, ActionStatus, CauseCode, DiscrepancyType, ReconciliationStrategy
from tieout.model.report import Action, Discrepancy, ReconciliationReport, SectionCoverage
from tieout.serve.render.text import signed

CAUSES: dict[CauseCode, str] = {
    CauseCode.IN_FLIGHT: "it is still on its way: records too young to have settled account for it",
    CauseCode.MISSED_FILL: "the broker filled an order of yours and the books did not hear of it",
    CauseCode.EXTERNAL_TRADE: "somebody traded this account outside your system",
    CauseCode.LIQUIDATION: "the broker closed the position by force",
    CauseCode.EXTERNAL_ORDER: "somebody placed an order on this account that your system never sent",
    CauseCode.WRONG_FILL: "the books have a fill with another quantity or price than the broker's record of it",
    CauseCode.DUPLICATE_FILL: "the books have the same record twice",
    CauseCode.PHANTOM_FILL: "the books have a record that the broker does not know",
    CauseCode.FEE: "the broker took a fee that the books lack or have differently",
    CauseCode.DEPOSIT: "money or assets were paid in and the books did not hear of it",
    CauseCode.WITHDRAWAL: "money or assets were paid out and the books did not hear of it",
    CauseCode.TRANSFER: "something was moved between accounts and the books did not hear of it",
    CauseCode.FUNDING: "a funding payment is missing from the books",
    CauseCode.INTEREST: "an interest payment is missing from the books",
    CauseCode.DIVIDEND: "a dividend is missing from the books",
    CauseCode.REBATE: "a rebate is missing from the books",
    CauseCode.SPLIT: "the asset was split and the books still count the old units",
    CauseCode.SYMBOL_CHANGE: "the asset was renamed and the books still use the old name",
    CauseCode.CORPORATE_ACTION: "a corporate action changed the holding and the books did not hear of it",
    CauseCode.MULTIPLIER: "the two sides count in different units: they differ by the contract multiplier",
    CauseCode.ROUNDING: "the two sides round differently, by no more than one smallest unit",
    CauseCode.STALE_BROKER: "the broker's answer contradicts itself or lags behind: it is not to be trusted yet",
    CauseCode.PARTIAL_RESPONSE: "the broker's answer lost rows without any trade: it is not to be trusted yet",
    CauseCode.LOST_SUBMISSION: "an order that your books gave up on is live at the broker after all",
    CauseCode.MISSED_UPDATE: "the broker ended, filled or changed an order and the books did not hear of it",
    CauseCode.MULTIPLE: "several causes together account for it",
    CauseCode.UNKNOWN: "no record on either side explains it",
}

TYPES: dict[DiscrepancyType, str] = {
    DiscrepancyType.QUANTITY_MISMATCH: "the amounts differ",
    DiscrepancyType.SIDE_MISMATCH: "one side is long, the other short",
    DiscrepancyType.MISSING_LOCAL: "the broker has it, your books do not",
    DiscrepancyType.MISSING_BROKER: "your books have it, the broker does not",
    DiscrepancyType.COST_MISMATCH: "the amounts agree, the average prices do not",
    DiscrepancyType.BALANCE_MISMATCH: "the totals differ",
    DiscrepancyType.PRECISION: "the totals differ by no more than the smallest unit",
    DiscrepancyType.LOCKED_MISMATCH: "the totals agree, the locked parts do not",
    DiscrepancyType.ORPHANED_LOCAL: "live in your books, absent at the broker (quantity still open)",
    DiscrepancyType.ORPHANED_BROKER: "live at the broker, absent or ended in your books (quantity still open)",
    DiscrepancyType.STATUS_MISMATCH: "the order's status differs (filled quantities shown)",
    DiscrepancyType.FILLED_MISMATCH: "the filled quantities differ",
    DiscrepancyType.TERMS_MISMATCH: "the order's side, quantity or price differs",
    DiscrepancyType.FILL_MISMATCH: "the fill's quantity, price or fee differs",
}

STRATEGIES: dict[ReconciliationStrategy, str] = {
    ReconciliationStrategy.SYNC_TO_BROKER: "bring the books to what the broker has",
    ReconciliationStrategy.SYNC_TO_LOCAL: "bring the broker to what the books have, by trading",
    ReconciliationStrategy.HALT_AND_ALERT: "stop trading this account and call a person",
    ReconciliationStrategy.WARN_ONLY: "change nothing, only tell",
}

ACTIONS: dict[ActionKind, str] = {
    ActionKind.BOOK_FILL: "book the broker's fill",
    ActionKind.REVERSE_FILL: "take a booking back out of the books",
    ActionKind.BOOK_ACTIVITY: "book the broker's activity",
    ActionKind.SET_POSITION: "set the position in the books to a figure",
    ActionKind.SET_BALANCE: "set the balance in the books to a figure",
    ActionKind.UPDATE_ORDER: "bring the order in the books up to date",
    ActionKind.ADOPT_ORDER: "take the broker's order into the books",
    ActionKind.CANCEL_ORDER: "cancel the order at the broker",
    ActionKind.SUBMIT_ORDER: "send an order to the broker",
    ActionKind.HALT: "HALT trading on this account",
    ActionKind.ALERT: "send an alert",
    ActionKind.WAIT: "wait for the next reading",
}

STATUSES: dict[ActionStatus, str] = {
    ActionStatus.PLANNED: "planned",
    ActionStatus.AWAITING_APPROVAL: "AWAITS YOUR APPROVAL",
    ActionStatus.SKIPPED: "skipped",
    ActionStatus.DONE: "done",
    ActionStatus.FAILED: "FAILED",
}

HALTS: dict[ActionStatus, str] = {
    ActionStatus.PLANNED: "HALT planned: trading on this account is to stop",
    ActionStatus.AWAITING_APPROVAL: "HALT awaits your approval: trading on this account still runs",
    ActionStatus.SKIPPED: "HALT skipped: trading on this account was not stopped",
    ActionStatus.DONE: "HALTED: trading on this account is stopped",
    ActionStatus.FAILED: "HALT FAILED: trading on this account could NOT be stopped",
}

COVERAGE: dict[SectionCoverage, str] = {
    "compared": "compared",
    "partial": "read only in part: what is absent there got no verdict",
    "failed": "could not be read: nothing is known about it",
    "not_fetched": "not fetched: nothing is known about it",
    "not_required": "not required, not compared",
}

SECTION_OF = {"position": "positions", "balance": "balances", "order": "orders", "fill": "fills"}

_RECORDS = {
    "fill_id": "fill",
    "activity_id": "activity",
    "order_id": "order",
    "broker_order_id": "broker order",
    "client_order_id": "client order",
}


def subject(item: Discrepancy) -> str:
    """What the discrepancy is about: domain, asset, leg, and the ids a person would search for. Not yet inert."""
    ids = [item.client_order_id, item.broker_order_id]
    order = " / ".join(dict.fromkeys(one for one in ids if one))
    if item.domain == "fill":
        name = f"fill {item.fill_id or 'without id'} of {item.asset}" + (f", order {order}" if order else "")
    elif item.domain == "order":
        name = f"order {order or 'without id'} of {item.asset}"
    else:
        name = f"{item.domain} {item.asset}"
    return name + (f", {item.position_side} leg" if item.position_side else "")


def counted(number: int, noun: str) -> str:
    """A number with its noun, in the plural where due."""
    if number == 1:
        return f"1 {noun}"
    return f"{number} {noun[:-1]}ies" if noun.endswith("y") else f"{number} {noun}s"


def listed(names: Sequence[str]) -> str:
    """Names as a phrase: ``a, b and c``."""
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def verdict(report: ReconciliationReport) -> str:
    """The outcome in plain words, worst first; it never calls something matched that was not read."""
    unread = unread_words(report)
    beyond = sum(not item.within_tolerance for item in report.discrepancies)
    if report.status == "failed":
        return "FAILED: the reconciliation could not be finished"
    if report.status == "discrepancies":
        worst = f", {'worst ' if beyond > 1 else ''}{report.severity}" if report.severity else ""
        text = counted(beyond, "discrepancy") + worst
        return f"{text}; {unread}" if unread else text
    if report.status == "incomplete":
        return f"INCOMPLETE: {unread or 'nothing was compared'}"
    return "MATCHED" + (", " + counted(len(report.discrepancies), "difference") + " within tolerance"
                        if report.discrepancies else "")  # fmt: skip


def unread_words(report: ReconciliationReport) -> str:
    """Which sections were not read in full, as a phrase; empty when all that was wanted was read."""
    failed = [name for name, state in report.coverage.items() if state == "failed"]
    partial = [name for name, state in report.coverage.items() if state == "partial"]
    absent = [name for name, state in report.coverage.items() if state == "not_fetched"]
    parts = [
        f"{listed(failed)} could not be read" if failed else "",
        f"{listed(partial)} read only in part" if partial else "",
        f"{listed(absent)} not fetched" if absent and report.status == "incomplete" else "",
    ]
    return ", ".join(filter(None, parts))


def action_words(action: Action) -> str:
    """One action as a sentence: how far it is, what it does, and the records or reasons it names."""
    return f"{STATUSES[action.status]}: {ACTIONS[action.action]}" + _detail_words(action)


def _detail_words(action: Action) -> str:
    details = "; ".join(f"{_RECORDS.get(key, key.replace('_', ' '))} {value}" for key, value in action.detail.items())
    return f" ({details})" if details else ""


def strategy_words(item: Discrepancy) -> str:
    """What the policy picked, in words, with its name; nothing of it happens before the break is confirmed."""
    words = f"{STRATEGIES[item.strategy]} ({item.strategy})"
    return words if item.confirmed or item.within_tolerance else f"once confirmed: {words}"


def awaiting_words(number: int) -> str:
    """How much waits for a person."""
    return f"{counted(number, 'action')} {'awaits' if number == 1 else 'await'} your approval"


def halt_words(action: Action) -> str:
    """A halt as the one thing that must be understood at a glance."""
    return HALTS[action.status] + _detail_words(action)


def cause_words(item: Discrepancy) -> str:
    """Why it differs: the sentence, the code with its evidence, and what stays unexplained."""
    cause = item.cause
    proof = f"{cause.code}: {', '.join(cause.evidence)}" if cause.evidence else str(cause.code)
    text = f"{CAUSES[cause.code]} ({proof})"
    if not cause.residual:
        return text
    known = f"this accounts for {signed(cause.explained)}, and " if cause.explained else ""
    return f"{text}; {known}{signed(cause.residual)} stays unexplained"


def compared_words(report: ReconciliationReport) -> str:
    """What was compared, with its numbers, and what was not, each section named once."""
    counts = report.summary.compared
    done = [f"{counts[name]} {name}" if name in counts else name
            for name, state in report.coverage.items() if state == "compared"]  # fmt: skip
    rest = [f"{name} {COVERAGE[state]}" for name, state in report.coverage.items() if state != "compared"]
    return "; ".join([f"compared {listed(done)}" if done else "nothing was compared", *rest])
