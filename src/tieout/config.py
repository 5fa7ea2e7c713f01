"""TOML -> frozen settings. Every problem of a file is reported at once, with its place and how to mend it.

Where two places say something, the account's own table counts before the general one.
"""

from __future__ import annotations

import tomllib
from datetime import date, datetime, time
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, field
from msgspec.structs import fields, replace

from tieout.decide.policy import Policy, Rule
from tieout.errors import BadInput, Problem
from tieout.model.amounts import fits
from tieout.model.codec import MAX_BYTES, read_bytes
from tieout.model.settings import AssetSettings, Settings
from tieout.record.settings import RecordSettings, Retention

Table = dict[str, object]


class Limits(Struct, frozen=True, forbid_unknown_fields=True):
    """Bounds on what is read."""

    max_file_bytes: int = MAX_BYTES


class Config(Struct, frozen=True):
    """A whole configuration: general settings, accounts that differ from them, the policy, bounds, and the record."""

    settings: Settings = Settings()
    accounts: dict[str, Settings] = field(default_factory=dict)
    policy: Policy = Policy()
    limits: Limits = Limits()
    record: RecordSettings = RecordSettings()

    def account(self, name: str) -> Settings:
        """The settings that hold for one account."""
        return self.accounts.get(name, self.settings)


def load(config: Path | None, policy: Path | None) -> Config:
    """Read a configuration and, apart from it, a policy; either may be absent.

    Raises:
        BadInput: Every problem of both files.
    """
    reader = _Reader()
    tables: Table = {}
    for path in (config, policy):
        if path is not None:
            tables.update(reader.tables(path))
    built = reader.config(tables)
    if reader.problems:
        raise BadInput(reader.problems)
    return built


class _Reader:
    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._files: dict[str, str] = {}

    def tables(self, path: Path) -> Table:
        """The tables of one file. Numbers stay exact: a TOML float is read from its text."""
        self._files[""] = str(path)
        try:
            tables = tomllib.loads(read_bytes(path, MAX_BYTES).decode(), parse_float=Decimal)
        except tomllib.TOMLDecodeError as error:
            self._problem("", f"not TOML ({str(error).lower()})", "mend that line")
            return {}
        except UnicodeDecodeError:
            self._problem("", "not UTF-8 text", "save it as UTF-8")
            return {}
        known = ("settings", "assets", "accounts", "policy", "limits", "record")
        for name in tables:
            self._files[name] = str(path)
            if name not in known:
                self._problem(name, "unknown table", _nearest(name, known))
        return {name: table for name, table in tables.items() if name in known}

    def config(self, tables: Table) -> Config:
        assets = self._assets(tables, "assets")
        general = self._fields(Settings, _table(tables, "settings"), "settings")
        settings = replace(msgspec.convert(general, Settings), assets=assets)
        accounts = {}
        for name, own in _table(tables, "accounts").items():
            place = f"accounts.{name}"
            plain = own if isinstance(own, dict) else {"": own}
            changed = self._fields(Settings, {key: each for key, each in plain.items() if key != "assets"}, place)
            merged = {**assets, **self._assets(plain, f"{place}.assets")}
            accounts[name] = replace(settings, **{**changed, "assets": merged})
        limits = msgspec.convert(self._fields(Limits, _table(tables, "limits"), "limits"), Limits)
        return Config(settings, accounts, self._policy(tables), limits, self._record(tables))

    def _assets(self, tables: Table, place: str) -> dict[str, AssetSettings]:
        named = _table(tables, "assets").items()
        return {
            name: msgspec.convert(self._fields(AssetSettings, table, f"{place}.{name}"), AssetSettings)
            for name, table in named
        }

    def _record(self, tables: Table) -> RecordSettings:
        table = dict(_table(tables, "record"))
        retention = self._fields(Retention, table.pop("retention", {}), "record.retention")
        good = self._fields(RecordSettings, table, "record")
        return msgspec.convert({**good, "retention": retention}, RecordSettings)

    def _policy(self, tables: Table) -> Policy:
        table = dict(_table(tables, "policy"))
        given = table.pop("rules", [])
        rules = []
        for index, row in enumerate(given if isinstance(given, list) else [given]):
            good = self._fields(Rule, row, f"policy.rules[{index}]")
            if "strategy" in good:
                rules.append(msgspec.convert(good, Rule))
            elif not isinstance(row, dict) or "strategy" not in row:
                self._problem(f"policy.rules[{index}].strategy", "a rule without a strategy", "say what it picks")
        policy = msgspec.convert(self._fields(Policy, table, "policy"), Policy)
        return replace(policy, rules=tuple(rules))

    def _fields(self, kind: type[Struct], table: Any, place: str) -> Table:
        """The fields of one table that are right; what is wrong in it is noted, field by field."""
        if not isinstance(table, dict):
            self._problem(place, "not a table", f"write [{place}]")
            return {}
        known = {each.name: each for each in fields(kind)}
        good: Table = {}
        for name, value in table.items():
            if name not in known:
                self._problem(f"{place}.{name}", "unknown setting", _nearest(name, tuple(known)))
                continue
            try:
                good[name] = msgspec.convert(_exact(value), known[name].type)
            except (msgspec.ValidationError, ValueError) as error:
                said = str(error).split(" - at ")[0].split(" '")[0]  # without what was written there: it may be secret
                self._problem(f"{place}.{name}", said.lower(), "see `tieout init`")
        return good

    def _problem(self, place: str, what: str, mend: str) -> None:
        file = self._files.get(place.partition(".")[0], self._files[""])
        self.problems.append(Problem(file, place, what, mend))


def _exact(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _exact(each) for name, each in value.items()}
    if isinstance(value, (date, time, datetime, bool)) or not isinstance(value, (Decimal, int)):
        return value
    if isinstance(value, Decimal) and not fits(value):
        raise ValueError("not a finite decimal")
    return value


def _table(tables: Table, name: str) -> Table:
    table = tables.get(name, {})
    return table if isinstance(table, dict) else {"": table}


def _nearest(name: str, known: tuple[str, ...]) -> str:
    close = get_close_matches(name, known, 1)
    return f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"
