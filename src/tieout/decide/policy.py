"""The policy as a table: the first rule that matches picks the strategy. The default is the contract's, section 5."""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal
from functools import cache
from typing import Literal

from msgspec import Struct

from tieout.model.discrepancy import FOREIGN, Difference, Domain, ReconciliationStrategy, Severity

S = ReconciliationStrategy


class Rule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row. Every condition that is given has to hold; an empty one always does.

    Attributes:
        cause: The cause, or all its parts, are among these codes (a wrong fill has the part WRONG_FILL_PRICE or
            WRONG_FILL_QUANTITY, an order proven to be gone LOST_ORDER).
        cause_any: The cause, or at least one part of it, is among these.
        fully: Whether the cause leaves no residual beyond tolerance.
        severity: The severity that decides: the case's worst for what is fully explained, else the residual's own.
        usd_below: The difference is known to be worth less than this.
        approval: The strategy's actions wait for a person; where nothing is said, those of SYNC_TO_LOCAL do.
        alert: Acting on it alerts as well.
        blind_sync_max_usd: An unexplained difference known to be worth at most this is set without asking; 0 is never.
    """

    strategy: ReconciliationStrategy
    domain: tuple[Domain, ...] = ()
    type: tuple[str, ...] = ()
    asset: tuple[str, ...] = ()
    severity: tuple[Severity, ...] = ()
    cause: tuple[str, ...] = ()
    cause_any: tuple[str, ...] = ()
    fully: bool | None = None
    usd_below: Decimal | None = None
    usd_from: Decimal | None = None
    approval: bool | None = None
    alert: bool = False
    blind_sync_max_usd: Decimal | None = None
    reason: str = ""


class Verdict(Struct, frozen=True):
    """What the policy says of one break, and by which rule; `actor` where it is what somebody wants instead."""

    strategy: ReconciliationStrategy
    approval: bool = False
    alert: bool = False
    heals: bool = False
    reason: str = ""
    blind_sync_max_usd: Decimal | None = None
    actor: str = ""

    @property
    def strictness(self) -> int:
        """Halt, then awaiting approval, then warn, then sync."""
        if self.strategy is S.HALT_AND_ALERT:
            return 3
        if self.strategy is S.WARN_ONLY:
            return 1
        return 2 if self.approval else 0


HEALS = (
    "MISSED_FILL", "DUPLICATE_FILL", "FEE", "FUNDING", "INTEREST", "DIVIDEND", "REBATE",
    "SPLIT", "SYMBOL_CHANGE", "CORPORATE_ACTION", "WRONG_FILL_PRICE",
)  # fmt: skip
MINOR, MODERATE, CRITICAL = (Severity.MINOR,), (Severity.MODERATE,), (Severity.CRITICAL,)


@cache
def default_rules(dust_usd: Decimal) -> tuple[Rule, ...]:
    """The contract's table, in its order."""
    return (
        Rule(domain=("fill",), strategy=S.WARN_ONLY, reason="fills_alone"),
        Rule(type=("LOCKED_MISMATCH", "COST_MISMATCH"), strategy=S.WARN_ONLY, reason="follows_from_others"),
        Rule(cause_any=("IN_FLIGHT", "STALE_BROKER", "PARTIAL_RESPONSE"), strategy=S.WARN_ONLY, reason="in_doubt"),
        Rule(domain=("order",), cause=("MISSED_UPDATE",), strategy=S.SYNC_TO_BROKER, reason="missed_update"),
        Rule(
            domain=("order",),
            cause=("LOST_SUBMISSION",),
            strategy=S.SYNC_TO_BROKER,
            alert=True,
            reason="lost_submission",
        ),
        Rule(domain=("order",), cause=("LOST_ORDER",), strategy=S.SYNC_TO_BROKER, alert=True, reason="lost_order"),
        Rule(domain=("order",), strategy=S.WARN_ONLY, reason="order"),
        Rule(cause_any=("LIQUIDATION",), strategy=S.HALT_AND_ALERT, reason="forced_by_the_broker"),
        Rule(cause=HEALS, fully=True, strategy=S.SYNC_TO_BROKER, reason="heals_itself"),
        Rule(cause=("ROUNDING",), fully=True, strategy=S.SYNC_TO_BROKER, reason="rounding"),
        Rule(severity=CRITICAL, usd_below=dust_usd, strategy=S.WARN_ONLY, reason="dust"),
        Rule(cause_any=FOREIGN, fully=True, severity=MINOR, strategy=S.WARN_ONLY, reason="somebody_else"),
        Rule(
            cause_any=FOREIGN,
            fully=True,
            severity=MODERATE,
            strategy=S.SYNC_TO_BROKER,
            alert=True,
            reason="somebody_else",
        ),
        Rule(cause_any=FOREIGN, fully=True, severity=CRITICAL, strategy=S.HALT_AND_ALERT, reason="somebody_else"),
        Rule(severity=MINOR, strategy=S.WARN_ONLY, reason="unexplained"),
        Rule(severity=MODERATE, strategy=S.SYNC_TO_BROKER, approval=True, reason="unexplained"),
        Rule(severity=CRITICAL, strategy=S.HALT_AND_ALERT, reason="unexplained"),
    )


class Policy(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is done about breaks, and its limits. Seconds, hours, readings and USD as the names say.

    `rules` come before the default table, so that a user changes only what he means to change.

    Attributes:
        mode: "shadow" decides and records everything and acts on nothing: it books, sends, halts and tells nothing.
        halt_scope: Whether a halt stops the whole account, or only the asset that it is about.
        halt_mode: What passes a halt: cancels and orders that can only reduce, or nothing at all.
        clean_readings: Clean complete readings in a row after which a halt for a doubt lifts itself.
        approval_seconds: How long a plan waits for approval, and how long an approval counts.
        books_read_only: Nothing can be booked where local is kept: what is to be booked is said, and not done.
        four_eyes: What one person wants resolved otherwise, another has to approve.
    """

    rules: tuple[Rule, ...] = ()
    dust_usd: Decimal = Decimal(1)
    blind_sync_max_usd: Decimal = Decimal(0)
    doubt_readings: int = 3
    doubt_seconds: Decimal | None = None
    unreadable_seconds: Decimal = Decimal(900)
    realert_seconds: Decimal = Decimal(3600)
    lost_order_seconds: Decimal = Decimal(60)
    lost_order_lookups: int = 3
    changes_per_hour: int = 20
    heals_per_hour: int = 500
    cumulate_hours: int = 24
    sets_per_day: int = 1
    comeback_readings: int = 3
    collar_percent: Decimal = Decimal(1)
    send_max_usd: Decimal = Decimal(1000)
    send_usd_per_day: Decimal = Decimal(5000)
    send_wait_seconds: Decimal = Decimal(30)
    mode: Literal["act", "shadow"] = "act"
    halt_scope: Literal["account", "asset"] = "account"
    halt_mode: Literal["reduce_only", "all"] = "reduce_only"
    clean_readings: int = 3
    approval_seconds: int = 86400
    four_eyes: bool = False
    books_read_only: bool = False

    def table(self) -> tuple[Rule, ...]:
        """All rules in the order in which they are tried."""
        return (*self.rules, *default_rules(self.dust_usd))


class Facts(Struct, frozen=True):
    """What a rule may look at."""

    difference: Difference
    code: str
    parts: frozenset[str]
    fully: bool
    severity: Severity


def judge(facts: Facts, rules: Collection[Rule]) -> Verdict:
    """What the first matching rule says; the default table always has one."""
    rule = next((rule for rule in rules if _matches(rule, facts)), None)
    if rule is None:
        return Verdict(S.WARN_ONLY, reason="no_rule")
    # An order that goes to the broker is asked for, unless the rule itself says otherwise.
    approval = rule.strategy is S.SYNC_TO_LOCAL if rule.approval is None else rule.approval
    heals = rule.reason in ("heals_itself", "rounding")
    return Verdict(rule.strategy, approval, rule.alert, heals, rule.reason or "own_rule", rule.blind_sync_max_usd)


def _matches(rule: Rule, facts: Facts) -> bool:
    difference = facts.difference
    worth = difference.usd_value
    return (
        (not rule.domain or difference.key.domain in rule.domain)
        and (not rule.type or difference.type in rule.type)
        and (not rule.asset or difference.key.asset in rule.asset)
        and (not rule.severity or facts.severity in rule.severity)
        and (not rule.cause or facts.code in rule.cause or facts.parts <= set(rule.cause))
        and (not rule.cause_any or facts.code in rule.cause_any or bool(facts.parts & set(rule.cause_any)))
        and (rule.fully is None or rule.fully is facts.fully)
        # An unknown worth is above every cap.
        and (rule.usd_below is None or (worth is not None and worth < rule.usd_below))
        and (rule.usd_from is None or worth is None or worth >= rule.usd_from)
    )
