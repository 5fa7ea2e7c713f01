"""The ready profiles beside each other, as a table: each figure is read from the settings that a profile gives."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import fields

from tieout.config.nouns import AccountConfig, ReconciliationSettings
from tieout.config.profiles import PROFILES
from tieout.config.reading import of_profile
from tieout.decide.policy import Policy, Rule, S
from tieout.model.amounts import plain
from tieout.model.settings import Settings
from tieout.serve.output import console

TABLES: tuple[tuple[str, type[Struct]], ...] = (
    ("settings", Settings), ("policy", Policy), ("reconciliation", ReconciliationSettings)
)  # fmt: skip

SAID = {S.HALT_AND_ALERT: "halts", S.SYNC_TO_BROKER: "syncs to broker", S.WARN_ONLY: "warns"}


def profiles() -> int:
    """Show what each ready profile sets: only the settings in which they differ.

    Choose one with `profile = "balanced"` at the top of the configuration, or in an account's own table. What the file says
    itself counts over its profile.
    """
    from rich.table import Table

    with console(None) as to:
        for name, profile in PROFILES.items():
            to.print(f"[bold]{name}[/bold]: {profile.summary}")
        table = Table(*("setting", *PROFILES), box=None, pad_edge=False, padding=(0, 2, 0, 0))
        table.columns[0].no_wrap = True
        for row in profile_rows():
            table.add_row(*row)
        to.print()
        to.print(table)
        to.print('\nChoose with profile = "NAME" at the top of tieout.toml, or in an account\'s own table.')
    return 0


def profile_rows() -> Iterator[tuple[str, ...]]:
    """Each setting in which the profiles differ, with its value in each; then what they do with two kinds of breaks."""
    built: dict[str, AccountConfig] = {name: of_profile(name) for name in PROFILES}
    for table, kind in TABLES:
        for each in fields(kind):
            if each.name == "rules":
                continue
            values = [shown(getattr(getattr(one, table), each.name)) for one in built.values()]
            if len(set(values)) > 1:
                yield each.name, *values
    for title, reason in (("by somebody else", "somebody_else"), ("unexplained", "unexplained")):
        yield f"MODERATE, {title}", *(_strategy(one.policy, reason) for one in built.values())


def _strategy(policy: Policy, reason: str) -> str:
    rules = [rule for rule in policy.table() if rule.reason == reason and "MODERATE" in rule.severity]
    first: Rule = rules[0]
    return "asks to sync" if first.approval else SAID[first.strategy]


def shown(value: object) -> str:
    """A value as a person writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return plain(value)
    return "not set" if value is None else str(value)
