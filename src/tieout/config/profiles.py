"""Ready profiles: a name that stands for several settings at once. What a file says itself counts over its profile.

None of them acts on doubt, lets a liquidation pass without a halt, cancels a stranger's order or sends one by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from msgspec import Struct

from tieout.decide.policy import CRITICAL, MODERATE, Rule, S, default_rules
from tieout.model.discrepancy import FOREIGN, Domain

BALANCED = "balanced"
HOLDINGS: tuple[Domain, ...] = ("position", "balance")
# A rule of a profile is tried before the default table: what that says of doubts and of what only follows stays first.
_FIRST = tuple(rule for rule in default_rules(Decimal(1)) if rule.reason in ("follows_from_others", "in_doubt"))

_CAUTIOUS: tuple[Rule, ...] = (
    *_FIRST,
    Rule(
        domain=HOLDINGS,
        cause_any=FOREIGN,
        fully=True,
        severity=(*MODERATE, *CRITICAL),
        strategy=S.HALT_AND_ALERT,
        reason="somebody_else",
    ),
    Rule(
        domain=HOLDINGS,
        fully=False,
        severity=(*MODERATE, *CRITICAL),
        strategy=S.HALT_AND_ALERT,
        reason="unexplained",
    ),
)


class Profile(Struct, frozen=True):
    """What a name stands for: only what differs from the defaults, by table, and rules that come after the file's own."""

    summary: str
    settings: Mapping[str, object] = {}
    policy: Mapping[str, object] = {}
    reconciliation: Mapping[str, object] = {}
    rules: tuple[Rule, ...] = ()


PROFILES: dict[str, Profile] = {
    "conservative": Profile(
        "Little is tolerated, and whatever nobody can explain stops trading until a person has looked.",
        settings={
            "threshold_usd": Decimal(1),
            "unvalued_percent": Decimal("0.1"),
            "moderate_from_percent": Decimal("0.5"),
            "critical_above_percent": Decimal(2),
            "rounding_usd": Decimal(1),
        },
        policy={
            "dust_usd": Decimal(0),
            "unreadable_seconds": Decimal(300),
            "realert_seconds": Decimal(1800),
            "changes_per_hour": 5,
            "heals_per_hour": 100,
            "comeback_readings": 10,
            "approval_seconds": 14400,
            "four_eyes": True,
        },
        reconciliation={
            "interval_seconds": 60,
            "large_fill_usd": Decimal(1000),
            "large_fill_percent": Decimal(5),
        },
        rules=_CAUTIOUS,
    ),
    BALANCED: Profile("The contract's default policy: what records explain heals, what they do not asks or halts."),
    "permissive": Profile(
        "For small or experimental books: more is tolerated, and small unexplained differences are set without asking.",
        settings={
            "threshold_usd": Decimal(100),
            "unvalued_percent": Decimal(2),
            "moderate_from_percent": Decimal(2),
            "critical_above_percent": Decimal(10),
        },
        policy={
            "dust_usd": Decimal(10),
            "blind_sync_max_usd": Decimal(50),
            "unreadable_seconds": Decimal(3600),
            "changes_per_hour": 40,
        },
        reconciliation={
            "interval_seconds": 900,
            "large_fill_usd": Decimal(50000),
            "large_fill_percent": Decimal(25),
        },
    ),
}
