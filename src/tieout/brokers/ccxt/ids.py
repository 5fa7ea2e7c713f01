"""Clients' ids in the forms that venues want: spelled the same way each time, so that an order is found after a crash."""

from __future__ import annotations

import re
from collections.abc import Callable

from msgspec import Struct

from tieout.errors import ActionRefused

_CORRECTION = re.compile(r"tieout-([0-9a-f]{25})")  # as `act.sending` names orders
_JOINED = re.compile(r"tieout([0-9a-f]{25})")
_DASH = "UIOL"  # letters that ids in base 32 do not have; a stranger's id has all four in a row once in a million
_MARK = "71e0075"
_MARKED = re.compile(rf"{_MARK}([0-9a-f]{{25}})")


class Ids(Struct, frozen=True):
    """The form that a venue wants clients' ids in.

    Attributes:
        form: What it takes, as a pattern of the whole id.
        said: How it is told an id; always the same for the same, so that the order is found after a crash.
        heard: The way back.
    """

    form: str = r"[A-Za-z0-9_-]{1,36}"
    said: Callable[[str], str] = str
    heard: Callable[[str], str] = str


def _without_dashes(own: str) -> str:
    found = _CORRECTION.fullmatch(own)
    return f"tieout{found[1]}" if found else own.replace("-", _DASH)


def _with_dashes(told: str) -> str:
    found = _JOINED.fullmatch(told)
    return f"tieout-{found[1]}" if found else told.replace(_DASH, "-")


def _as_uuid(own: str) -> str:
    found = _CORRECTION.fullmatch(own)
    return f"{_MARK}{found[1]}" if found else own


def _from_uuid(told: str) -> str:
    found = _MARKED.fullmatch(told.replace("-", "").lower())
    return f"tieout-{found[1]}" if found else told


ALPHANUMERIC = Ids(r"[A-Za-z0-9]{1,32}", _without_dashes, _with_dashes)
KRAKEN = Ids(r"[A-Za-z0-9_-]{1,18}|[0-9a-f]{32}", _as_uuid, _from_uuid)


def told_id(ids: Ids, client_order_id: str, action: str) -> str:
    """How the venue is told the client's id.

    Raises:
        ActionRefused: It does not take such a one; a cut or changed one would not be found again.
    """
    said = ids.said(client_order_id)
    if not re.fullmatch(ids.form, said) or ids.heard(said) != client_order_id:
        raise ActionRefused(action, "a client id of a form that this venue does not take")
    return said
