"""Asks the process that lists markets, and believes its answer only if it is whole."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import msgspec

from tieout import errors
from tieout.brokers.ccxt.listing import Listing, Market, NoListing, Wanted
from tieout.errors import SourceError, SourceMalformed, SourceThrottled, SourceTimeout, SourceUnreachable

DEADLINE_S = 90
COMMAND: tuple[str, ...] = (sys.executable, "-m", "tieout.brokers.ccxt.listing")
# What a child needs of the environment. Secrets are in it too: none of them is handed on.
_HANDED_ON = ("PATH", "HOME", "LANG", "TMPDIR", "PYTHONPATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "SYSTEMROOT")


async def ask(command: Sequence[str], wanted: Wanted) -> bytes:
    """What *command* answers.

    Raises:
        SourceError: Nothing, in time.
    """
    told = {name: os.environ[name] for name in _HANDED_ON if name in os.environ}
    pipe = asyncio.subprocess.PIPE
    try:
        child = await asyncio.create_subprocess_exec(
            *command, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.DEVNULL, env=told
        )
    except OSError as error:
        raise SourceUnreachable(wanted.venue, "markets", type(error).__name__) from None
    try:
        async with asyncio.timeout(DEADLINE_S):
            answer, _ = await child.communicate(msgspec.json.encode(wanted))
    except TimeoutError:
        raise SourceTimeout(wanted.venue, "markets", f"not listed within {DEADLINE_S} seconds") from None
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    if child.returncode != 0:
        raise SourceUnreachable(wanted.venue, "markets", "the process that lists them failed")
    return answer


def read(answer: bytes, wanted: Wanted) -> Listing:
    """The listing in *answer*.

    Raises:
        SourceError: What it says instead, or that it is none for *wanted*.
    """
    try:
        told = msgspec.json.decode(answer, type=Listing | NoListing)
    except (ValueError, msgspec.DecodeError):
        raise SourceMalformed(wanted.venue, "markets", "the listing cannot be read") from None
    if isinstance(told, NoListing):
        kind = getattr(errors, told.kind, SourceError)
        if kind is SourceThrottled:
            raise SourceThrottled(wanted.venue, "markets", told.why, told.retry_after_s)
        raise (kind if issubclass(kind, SourceError) else SourceError)(wanted.venue, "markets", told.why)
    if not believable(told, wanted) or not set(wanted.names) <= set(told.wanted.names):
        raise SourceMalformed(wanted.venue, "markets", "a listing of something else")
    return told


def believable(listing: Listing, wanted: Wanted) -> bool:
    """Whether the listing is of that venue, of this ccxt, and of markets that are whole."""
    here = (wanted.venue, wanted.sandbox, wanted.origin, version("ccxt"))
    there = (listing.wanted.venue, listing.wanted.sandbox, listing.wanted.origin, listing.ccxt)
    symbols = {market.get("symbol") for market in listing.markets}
    return here == there and len(symbols) == len(listing.markets) and all(_whole(market) for market in listing.markets)


def _whole(market: Market) -> bool:
    sized = isinstance(market.get("contractSize"), (str, int)) or market.get("contract") is False
    named = all(
        isinstance(market.get(name), str) and market[name] for name in ("id", "symbol", "base", "quote", "type")
    )
    return sized and named and not _has_float(market)


def _has_float(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_has_float(inner) for inner in value.values())
    return any(_has_float(inner) for inner in value) if isinstance(value, list) else isinstance(value, float)
