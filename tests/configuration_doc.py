"""The tables of docs/configuration.md, made from the code. `python -m tests.configuration_doc` writes them anew."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct
from msgspec.structs import fields

from tieout.config import Limits, ReconciliationSettings
from tieout.config.environment import ADDRESSES, NAMES
from tieout.config.nouns import BROKER_KINDS, HALTING_KINDS, LOCAL_KINDS, SecretsSettings, ServiceSettings
from tieout.config.oidc import OidcGroup, OidcSettings
from tieout.config.profiles import PROFILES
from tieout.decide.policy import Policy
from tieout.model.alerting import AlertSettings
from tieout.model.settings import AssetSettings, Settings
from tieout.serve.profiles import profile_rows, shown
from tieout.serve.template import meaning

DOCUMENT = Path(__file__).parents[1] / "docs" / "configuration.md"
MARK = re.compile(r"(<!-- table: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)
KINDS: dict[str, type[Struct]] = {
    "settings": Settings,
    "assets": AssetSettings,
    "policy": Policy,
    "reconciliation": ReconciliationSettings,
    "limits": Limits,
    "alerts": AlertSettings,
    "secrets": SecretsSettings,
    "service": ServiceSettings,
    "oidc": OidcSettings,
    "group": OidcGroup,
    **{f"local.{name}": kind for name, kind in LOCAL_KINDS.items()},
    **{f"halting.{name}": kind for name, kind in HALTING_KINDS.items()},
    **{f"broker.{name}": kind for name, kind in BROKER_KINDS.items()},
}


def with_tables(text: str) -> str:
    """The document with every table as the code has it."""
    return MARK.sub(lambda mark: f"{mark[1]}{table(mark[2])}{mark[3]}", text)


def table(name: str) -> str:
    """One table, as Markdown."""
    if name == "profiles":
        return _markdown(("setting", *PROFILES), profile_rows())
    if name == "environment":
        rows = ((f"`{each}`", f"`{meant.table}.{meant.setting}`") for each, meant in {**NAMES, **ADDRESSES}.items())
        return _markdown(("name", "counts over"), rows)
    return _markdown(("setting", "default", "meaning"), _settings(KINDS[name], f"{name}."))


def _settings(kind: type[Struct], of: str) -> Iterator[tuple[str, ...]]:
    nested = {"assets", "listed", "rules", "unmanaged", "scope"} if kind in (Settings, Policy) else {"oidc", "groups"}
    for each in fields(kind):
        if each.name not in nested:
            default = "required" if each.required else _default(each.default)
            yield f"`{each.name}`", default, meaning(each.name, of) or "the same, in a file"


def _default(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(value) or "none"
    return shown(value)


def _markdown(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    DOCUMENT.write_text(with_tables(DOCUMENT.read_text("utf-8")), "utf-8")
