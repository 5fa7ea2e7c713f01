"""Where a store is: a path of a file, or the address of a server."""

from __future__ import annotations

from contextlib import suppress

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from tieout.errors import RecordUnavailable

_OPTIONS = frozenset("host port user password passfile ssl timeout command_timeout target_session_attrs".split())
NO_ADDRESS = (
    "the address of the PostgreSQL database cannot be read: write postgresql://user@host:port/name, "
    f"and of options only {', '.join(sorted(_OPTIONS))}"
)


def postgres_address(url: str) -> URL:
    """The address that *url* says.

    Raises:
        RecordUnavailable: It is none, or has an option that is not known.
    """
    with suppress(ArgumentError, ValueError):
        address = make_url(url)
        if address.query.keys() <= _OPTIONS:
            return address
    raise RecordUnavailable(NO_ADDRESS)


def is_address(where: str) -> bool:
    """Whether a store's name is meant as an address, in order or not."""
    return "://" in where or (where.lower().startswith("postgres") and ":" in where)
