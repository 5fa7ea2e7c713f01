"""[service] -> where the service listens, and through whom people may sign in."""

from __future__ import annotations

from typing import TypeVar
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct
from msgspec.structs import fields, replace

from tieout.config.fields import Notes, Table, table_of
from tieout.config.nouns import ServiceSettings
from tieout.config.oidc import OidcGroup, OidcSettings, is_private

PLACE = "service.oidc"
_PRIVATE = "begin it with https://, or for an issuer on this machine with http://127.0.0.1"
T = TypeVar("T", bound=Struct)


def service_of(notes: Notes, tables: Table) -> ServiceSettings:
    """What [service] says, as far as it is right."""
    table = dict(table_of(tables, "service"))
    told = table.pop("oidc", None)
    built = msgspec.convert(notes.fields(ServiceSettings, table, "service"), ServiceSettings)
    return built if told is None else replace(built, oidc=_oidc(notes, told))


def _oidc(notes: Notes, told: object) -> OidcSettings | None:
    table = dict(told) if isinstance(told, dict) else told
    groups = table.pop("groups", {}) if isinstance(table, dict) else {}
    found = _whole(notes, OidcSettings, table, PLACE)
    named = dict[str, OidcGroup]()
    for name, each in groups.items() if isinstance(groups, dict) else ():
        place = f"{PLACE}.groups.{name}"
        group = _whole(notes, OidcGroup, each, place)
        if group is not None:
            named[name] = group
            _require_something(notes, group, place)
    if not groups or not isinstance(groups, dict):
        notes.add(f"{PLACE}.groups", "no group may anything", f"write [{PLACE}.groups.NAME] with roles = [...]")
    if found is None:
        return None
    _require_private(notes, found)
    return replace(found, groups=named)


def _whole(notes: Notes, kind: type[T], table: object, place: str) -> T | None:
    """The settings of a table; None where one that is needed is lacking, which is noted."""
    before = len(notes.problems)
    good = notes.fields(kind, table, place)
    absent = [each.name for each in fields(kind) if each.required and each.name not in good]
    if len(notes.problems) == before:
        for name in absent:
            notes.add(f"{place}.{name}", "missing", "it has no default")
    return None if absent else msgspec.convert(good, kind)


def _require_something(notes: Notes, group: OidcGroup, place: str) -> None:
    if not group.roles:
        notes.add(f"{place}.roles", "no role", "name one, or leave the group out: whoever is in none may nothing")
    if group.accounts == ():
        notes.add(f"{place}.accounts", "no account", "name some, or leave it out for all of them")


def _require_private(notes: Notes, found: OidcSettings) -> None:
    for name in ("issuer", "own_url"):
        if not is_private(getattr(found, name)):
            notes.add(f"{PLACE}.{name}", "no address that is safe from others", _PRIVATE)
    own = urlsplit(found.own_url)
    if own.path.strip("/") or own.query:
        notes.add(f"{PLACE}.own_url", "more than the service's own address", "leave out what follows the host and port")
    if urlsplit(found.issuer).query:
        notes.add(f"{PLACE}.issuer", "no issuer", "leave out what follows the question mark")
    if found.client_secret_env is None and found.client_secret_file is None:
        mend = "write client_secret_env = the name of the environment variable that holds it"
        notes.add(f"{PLACE}.client_secret_env", "nothing says where the secret is", mend)
