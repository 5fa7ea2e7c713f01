"""TOML and the environment -> `Config`, every problem at once.

What counts over what, the last one most: the default, the profile (the account's own takes the place of the general one), the
file's general table, the account's own table, the environment.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import fields, replace

from tieout.config import environment as env
from tieout.config.fields import Notes, Table, converted, nearest, table_of
from tieout.config.nouns import (
    BROKER_KINDS,
    HALTING_KINDS,
    LOCAL_KINDS,
    AccountConfig,
    Config,
    Limits,
    ReconciliationSettings,
    SecretsSettings,
)
from tieout.config.profiles import BALANCED, PROFILES
from tieout.config.service import service_of
from tieout.decide.policy import Policy, Rule
from tieout.errors import BadInput, Problem
from tieout.model.alerting import AlertSettings
from tieout.model.codec import MAX_BYTES, read_bytes
from tieout.model.identity import Clash, clashes
from tieout.model.settings import AssetSettings, Settings
from tieout.record.settings import RecordSettings, Retention

KNOWN = (
    "profile",
    "settings",
    "assets",
    "accounts",
    "policy",
    "limits",
    "record",
    "reconciliation",
    "alerts",
    "secrets",
    "service",
)
OWN = ("profile", "assets", "policy", "reconciliation", "local", "broker", "halting")
KINDS: dict[str, type[Struct]] = {"settings": Settings, "policy": Policy, "reconciliation": ReconciliationSettings}
PLAINLY = {"expected `int`, got `str`": "not a whole number", "expected `bool`, got `str`": "neither true nor false"}
T = TypeVar("T", bound=Struct)


def load(config: Path | None, policy: Path | None, environment: Mapping[str, str] | None = None) -> Config:
    """Read a configuration and, apart from it, a policy; either may be absent.

    Args:
        config: The file.
        policy: A file whose [policy] holds instead of every policy in *config*.
        environment: Instead of the process's own.

    Raises:
        BadInput: Every problem of both files and of the environment.
    """
    reader = _Reader(os.environ if environment is None else environment)
    built = reader.config(config, policy)
    if reader.notes.problems:
        raise BadInput(reader.notes.problems)
    return built


def of_profile(name: str) -> AccountConfig:
    """What holds where a file says nothing but `profile = name`."""
    return _Reader({}).general({"profile": name})


class _Said(Struct, frozen=True):
    """What one level (the whole file, or an account of it) says."""

    profile: str | None
    tables: Mapping[str, Table]
    rules: tuple[Rule, ...]
    assets: Mapping[str, Table]


class _Reader:
    def __init__(self, environment: Mapping[str, str]) -> None:
        self.notes = Notes()
        self._unclear: set[Clash] = set()
        self._environment = environment

    def config(self, config: Path | None, policy: Path | None) -> Config:
        tables: Table = {}
        for path in (config, policy):
            if path is not None:
                tables.update(self._tables(path))
        forced = self._forced()
        general = self._said(tables, "", rules_too=True)
        for_all = self._built((general,), forced, "")
        accounts = {}
        for name, own in table_of(tables, "accounts").items():
            place = f"accounts.{name}"
            if not isinstance(own, dict):
                self.notes.add(place, "not a table", f"write [{place}]")
                continue
            plain = {"settings": {key: each for key, each in own.items() if key not in OWN}}
            said = self._said({**own, **plain}, place, rules_too=policy is None)
            built = self._built((general, said), forced, place)
            accounts[name] = self._with_sides(built, own, place)
        return Config(
            for_all,
            accounts,
            _convert(Limits, self.notes.fields(Limits, tables.get("limits", {}), "limits")),
            self._record(tables),
            "record" in tables,
            str(config) if config is not None else "configuration",
            self._alerts(tables),
            _convert(SecretsSettings, self.notes.fields(SecretsSettings, tables.get("secrets", {}), "secrets")),
            service_of(self.notes, tables),
        )

    def general(self, tables: Table) -> AccountConfig:
        return self._built((self._said(tables, "", rules_too=True),), {}, "")

    def _tables(self, path: Path) -> Table:
        """The tables of one file. Numbers stay exact: a TOML float is read from its text."""
        notes = self.notes
        notes.files[""] = str(path)
        try:
            tables = tomllib.loads(read_bytes(path, MAX_BYTES).decode(), parse_float=Decimal)
        except tomllib.TOMLDecodeError as error:
            notes.add("", f"not TOML ({str(error).lower()})", "mend that line")
            return {}
        except UnicodeDecodeError:
            notes.add("", "not UTF-8 text", "save it as UTF-8")
            return {}
        for name in tables:
            notes.files[name] = str(path)
            if name not in KNOWN:
                notes.add(name, "unknown table", nearest(name, KNOWN))
        return {name: table for name, table in tables.items() if name in KNOWN}

    def _forced(self) -> dict[str, Table]:
        """What the environment says, by table."""
        forced: dict[str, Table] = {}
        for name, value in env.told(self._environment).items():
            table, setting = env.NAMES[name]
            kind = next(each.type for each in fields(KINDS[table]) if each.name == setting)
            try:
                forced.setdefault(table, {})[setting] = converted(value, kind)
            except ValueError as error:
                said = str(error).split(" - at ")[0].split(" '")[0].lower()
                said = PLAINLY.get(said, said)
                mend = "true or false" if setting == "enabled" else "a number such as 2"
                self.notes.problems.append(Problem(env.ENVIRONMENT, name, said, f"give {mend}, or unset it"))
        for name, meant in env.misspelt(self._environment).items():
            self.notes.problems.append(Problem(env.ENVIRONMENT, name, "unknown name", f"did you mean {meant}?"))
        return forced

    def _said(self, tables: Table, place: str, *, rules_too: bool) -> _Said:
        """What one level says. Without *rules_too* its policy does not count: another one was given."""
        at = f"{place}." if place else ""
        policy = dict(table_of(tables, "policy"))
        rules = tuple(self._rules(policy.pop("rules", []), f"{at}policy"))
        assets = {
            name: self.notes.fields(AssetSettings, each, f"{at}assets.{name}")
            for name, each in table_of(tables, "assets").items()
        }
        good = {
            "settings": self.notes.fields(Settings, tables.get("settings", {}), place or "settings"),
            "policy": self.notes.fields(Policy, policy, f"{at}policy"),
            "reconciliation": self.notes.fields(
                ReconciliationSettings, tables.get("reconciliation", {}), f"{at}reconciliation"
            ),
        }
        good["settings"].pop("assets", None)
        if "listed" in good["settings"]:
            del good["settings"]["listed"]
            self.notes.add(f"{place or 'settings'}.listed", "unknown setting", "what a venue lists is its own to say")
        if not rules_too:
            good, rules = {**good, "policy": {}}, ()
        return _Said(self._profile(tables, f"{at}profile"), good, rules, assets)

    def _profile(self, tables: Table, place: str) -> str | None:
        name = tables.get("profile")
        if name is None or name in PROFILES:
            return None if name is None else str(name)
        self.notes.add(place, "unknown profile", nearest(str(name), tuple(PROFILES)))
        return None

    def _rules(self, given: object, place: str) -> Iterator[Rule]:
        for index, row in enumerate(given if isinstance(given, list) else [given]):
            good = self.notes.fields(Rule, row, f"{place}.rules[{index}]")
            if "strategy" in good:
                yield msgspec.convert(good, Rule)
            elif not isinstance(row, dict) or "strategy" not in row:
                self.notes.add(f"{place}.rules[{index}].strategy", "a rule without a strategy", "say what it picks")

    def _built(self, levels: tuple[_Said, ...], forced: Mapping[str, Table], place: str) -> AccountConfig:
        named = next((level.profile for level in reversed(levels) if level.profile), BALANCED)
        merged: dict[str, Table] = {name: dict(getattr(PROFILES[named], name)) for name in KINDS}
        for said in (*(level.tables for level in levels), forced):
            for name, table in said.items():
                merged[name] |= table
        own_rules = [rule for level in reversed(levels) for rule in level.rules]
        assets = self._assets(levels)
        settings = _convert(Settings, merged["settings"])
        self._require_clear(assets, settings, place)
        bands = {"moderate_from_percent", "critical_above_percent"} & levels[-1].tables["settings"].keys()
        if bands and settings.moderate_from_percent > settings.critical_above_percent:
            what = "moderate_from_percent is above critical_above_percent"
            self.notes.add(place or "settings", what, "no break would be MODERATE: mend one of them")
        return AccountConfig(
            replace(settings, assets=assets),
            replace(_convert(Policy, merged["policy"]), rules=(*own_rules, *PROFILES[named].rules)),
            _convert(ReconciliationSettings, merged["reconciliation"]),
            named,
        )

    def _assets(self, levels: tuple[_Said, ...]) -> dict[str, AssetSettings]:
        """What is told of each asset; an account's own word counts setting by setting."""
        told: dict[str, Table] = {}
        for level in levels:
            for name, table in level.assets.items():
                told[name] = {**told.get(name, {}), **table}
        return {name: _convert(AssetSettings, table) for name, table in told.items()}

    def _require_clear(self, assets: Mapping[str, AssetSettings], settings: Settings, place: str) -> None:
        """Note every name that would mean two things; what the general tables say is noted once."""
        others = ("unmanaged", settings.unmanaged), ("scope", {*settings.scope.include, *settings.scope.exclude})
        for clash in clashes(assets, others):
            if clash not in self._unclear:
                self._unclear.add(clash)
                at = place or ("" if clash.place.startswith("assets") else "settings")
                self.notes.add(f"{at}.{clash.place}".removeprefix("."), clash.what, clash.mend)

    def _record(self, tables: Table) -> RecordSettings:
        table = dict(table_of(tables, "record"))
        retention = self.notes.fields(Retention, table.pop("retention", {}), "record.retention")
        good = self.notes.fields(RecordSettings, table, "record")
        return msgspec.convert({**good, "retention": retention}, RecordSettings)

    def _alerts(self, tables: Table) -> AlertSettings:
        good = self.notes.fields(AlertSettings, tables.get("alerts", {}), "alerts")
        return _convert(AlertSettings, good | env.addresses(self._environment))

    def _with_sides(self, told: AccountConfig, own: Table, place: str) -> AccountConfig:
        """The account with where both sides come from; one alone is a mistake."""
        if "local" not in own and "broker" not in own:
            return told
        local = self._side(own, LOCAL_KINDS, f"{place}.local")
        broker = self._side(own, BROKER_KINDS, f"{place}.broker")
        halting = self._side(own, HALTING_KINDS, f"{place}.halting") if "halting" in own else None
        return replace(told, local=local, broker=broker, halting=halting)

    def _side(self, own: Table, kinds: Mapping[str, type[T]], place: str) -> T | None:
        table = own.get(place.rpartition(".")[2])
        if not isinstance(table, dict):
            mend = f"write [{place}] with kind = one of {', '.join(kinds)}"
            self.notes.add(place, "missing" if table is None else "not a table", mend)
            return None
        named = table.get("kind")
        if not isinstance(named, str) or named not in kinds:
            known = nearest(named, tuple(kinds)) if isinstance(named, str) else f"known are {', '.join(kinds)}"
            self.notes.add(f"{place}.kind", "unknown kind" if "kind" in table else "missing", known)
            return None
        kind = kinds[named]
        good = self.notes.fields(kind, {name: each for name, each in table.items() if name != "kind"}, place)
        absent = [each.name for each in fields(kind) if each.required and each.name not in table]
        for name in absent:
            self.notes.add(f"{place}.{name}", "missing", f'kind = "{named}" needs it')
        whole = all(each.name in good for each in fields(kind) if each.required)
        return msgspec.convert(good, kind) if whole else None


def _convert(kind: type[T], table: Table) -> T:
    return msgspec.convert(table, kind)
