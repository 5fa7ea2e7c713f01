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

_SHORT, _PACKED = 12, "71e0a5c1"  # an id of so few characters stands in the rest of 128 bits, letter by letter
_CLOID_MARKED = re.compile(rf"0x{_MARK}([0-9a-f]{{25}})")
_CLOID_PACKED = re.compile(rf"0x{_PACKED}([0-9a-f]{{24}})")


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


def _as_cloid(own: str) -> str:
    found = _CORRECTION.fullmatch(own)
    if found:
        return f"0x{_MARK}{found[1]}"
    short = own.isascii() and own.isprintable() and 0 < len(own) <= _SHORT
    return f"0x{_PACKED}{own.encode().hex():0<24}" if short else own


def _from_cloid(told: str) -> str:
    found, packed = _CLOID_MARKED.fullmatch(told.lower()), _CLOID_PACKED.fullmatch(told.lower())
    if found:
        return f"tieout-{found[1]}"
    own = bytes.fromhex(packed[1]).rstrip(b"\0") if packed else b""
    return own.decode() if own and own.isascii() and own.decode().isprintable() else told


ALPHANUMERIC = Ids(r"[A-Za-z0-9]{1,32}", _without_dashes, _with_dashes)
KRAKEN = Ids(r"[A-Za-z0-9_-]{1,18}|[0-9a-f]{32}", _as_uuid, _from_uuid)
HYPERLIQUID = Ids(r"0x[0-9a-f]{32}", _as_cloid, _from_cloid)


def told_id(ids: Ids, client_order_id: str, action: str) -> str:
    """How the venue is told the client's id.

    Raises:
        ActionRefused: It does not take such a one; a cut or changed one would not be found again.
    """
    said = ids.said(client_order_id)
    if not re.fullmatch(ids.form, said) or ids.heard(said) != client_order_id:
        raise ActionRefused(action, "a client id of a form that this venue does not take")
    return said
