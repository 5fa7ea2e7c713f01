"""The names in the environment that users were promised. What they say counts before any file."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import NamedTuple

from tieout.model.alerting import split_addresses

ENVIRONMENT = "environment"
_PREFIXES = ("RECONCILIATION_", "TIEOUT_")
_WORDS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}


class Promised(NamedTuple):
    """Which setting a name stands for."""

    table: str
    setting: str


NAMES: dict[str, Promised] = {
    "RECONCILIATION_ENABLED": Promised("reconciliation", "enabled"),
    "RECONCILIATION_INTERVAL_SECONDS": Promised("reconciliation", "interval_seconds"),
    "RECONCILIATION_THRESHOLD_USD": Promised("settings", "threshold_usd"),
    "RECONCILIATION_RETRY_COUNT": Promised("reconciliation", "retry_count"),
    "RECONCILIATION_TIMEOUT_SECONDS": Promised("reconciliation", "timeout_seconds"),
}

# Several addresses in one name, apart by blanks or commas; a program's environment is where their secrets are best kept.
ADDRESSES: dict[str, Promised] = {
    "TIEOUT_ALERT_URLS": Promised("alerts", "urls"),
    "TIEOUT_ESCALATE_URLS": Promised("alerts", "escalate_urls"),
}


def addresses(environment: Mapping[str, str]) -> dict[str, object]:
    """What the environment says of where alerts go."""
    found = {meant.setting: split_addresses(environment.get(name, "")) for name, meant in ADDRESSES.items()}
    return {setting: each for setting, each in found.items() if each}


def told(environment: Mapping[str, str]) -> dict[str, object]:
    """What the environment says, by its names; one that is set to nothing says nothing."""
    found = {name: environment.get(name, "").strip() for name in NAMES}
    return {name: _value(NAMES[name].setting, text) for name, text in found.items() if text}


def misspelt(environment: Mapping[str, str]) -> dict[str, str]:
    """Names that were probably meant to be one of ours, each with that one; others are somebody else's."""
    known = (*NAMES, *ADDRESSES)
    strange = [name for name in environment if name.upper().startswith(_PREFIXES) and name not in known]
    close = {name: get_close_matches(name.upper(), known, 1, cutoff=0.8) for name in sorted(strange)}
    return {name: match[0] for name, match in close.items() if match}


def _value(setting: str, text: str) -> object:
    """What TOML would make of it; a text that is no number or truth stays one, and is refused where it should be."""
    if setting == "enabled":
        return _WORDS.get(text.lower(), text)
    return int(text) if text.isascii() and text.isdecimal() else text
