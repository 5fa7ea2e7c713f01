"""One table of TOML -> the settings in it that are right; what is wrong is noted, setting by setting."""

from __future__ import annotations

from datetime import date, datetime, time
from decimal import Decimal
from difflib import get_close_matches
from functools import cache
from types import NoneType
from typing import Annotated, Any, get_args, get_origin

import msgspec
from msgspec import Struct
from msgspec.structs import fields

from tieout.errors import Problem
from tieout.model.amounts import fits

Table = dict[str, object]
SECRETS = ("api_key", "apiKey", "secret", "password", "key", "token")


class Notes:
    """What is wrong with a configuration, as it is found, and which file each table came from."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.files: dict[str, str] = {}

    def add(self, place: str, what: str, mend: str) -> None:
        """Note a problem of a file."""
        file = self.files.get(place.partition(".")[0], self.files.get("", "configuration"))
        self.problems.append(Problem(file, place, what, mend))

    def fields(self, kind: type[Struct], table: object, place: str) -> Table:
        """The settings of one table that are right."""
        if not isinstance(table, dict):
            self.add(place, "not a table", f"write [{place}]")
            return {}
        known = _settings(kind)
        good: Table = {}
        for name, value in table.items():
            if name not in known:
                self.add(f"{place}.{name}", "unknown setting", _mend(name, tuple(known)))
                continue
            try:
                good[name] = converted(value, known[name])
            except ValueError as error:  # msgspec's own are of this kind
                self.add(f"{place}.{name}", _said(error), "see `tieout init`")
        return good


@cache
def _settings(kind: type[Struct]) -> Table:
    """The settings of a table with their types; found out once, for thousands of accounts have the same tables."""
    return {each.name: each.type for each in fields(kind)}


def converted(value: object, kind: Any) -> object:
    """*value* as the type of a setting.

    Raises:
        ValueError: It is none; in words that do not repeat it, for it may be secret.
    """
    if value == "" and _admits_none(kind):
        return None
    number = msgspec.convert(_exact(value), kind)
    if isinstance(number, (Decimal, int)) and not isinstance(number, bool):
        if isinstance(number, Decimal) and not fits(number):
            raise ValueError("not a finite decimal")
        if number < 0:
            raise ValueError("below 0")
    return number


def nearest(name: str, known: tuple[str, ...]) -> str:
    """How to mend a name that is not known."""
    close = get_close_matches(name, known, 1)
    return f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"


def table_of(tables: Table, name: str) -> Table:
    """The table *name*, empty where there is none."""
    table = tables.get(name, {})
    return table if isinstance(table, dict) else {"": table}


def _mend(name: str, known: tuple[str, ...]) -> str:
    if name in SECRETS and "secret_env" in known:
        asked = {"apiKey": "api_key", "key": "api_key", "token": "secret"}.get(name, name)
        return f"no secret stands in this file: write {asked}_env = the name of the environment variable that holds it"
    return nearest(name, known)


def _said(error: ValueError) -> str:
    said = str(error).split(" - at ")[0].split(" '")[0]  # without what was written there: it may be secret
    if "matching regex '^https?:" in str(error):
        return "no address of the web, such as http://127.0.0.1:8080, without a password"
    return "not the name of an environment variable" if "matching regex '^[A-Za-z_]" in str(error) else said.lower()


def _admits_none(kind: Any) -> bool:
    plain = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    return NoneType in get_args(plain)


def _exact(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _exact(each) for name, each in value.items()}
    if isinstance(value, (date, time, datetime, bool)) or not isinstance(value, (Decimal, int)):
        return value
    if isinstance(value, Decimal) and not fits(value):
        raise ValueError("not a finite decimal")
    return value
