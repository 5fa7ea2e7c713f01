"""The markets of one venue that somebody asks for by name, fetched from it: run as a process of its own that ends at once.

Loading Binance's 4,000 markets takes 200 MB and seconds; a service keeps thirty. The process is given no secret, reads its
question from standard input and writes a `Listing` or a `NoListing` to standard output.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable, Mapping
from decimal import Context, localcontext
from importlib.metadata import version
from typing import Any

import msgspec
from msgspec import Struct

from tieout.brokers.ccxt.errors import failures, source_error
from tieout.brokers.ccxt.guard import answering, arm, connect, set_markets
from tieout.brokers.ccxt.venues import venue
from tieout.errors import SourceError, SourceMalformed, SourceThrottled

Market = dict[str, Any]
KEPT = (
    "id", "symbol", "base", "quote", "settle", "baseId", "quoteId", "settleId", "type", "spot", "margin", "swap", "future",
    "option", "active", "contract", "linear", "inverse", "quanto", "contractSize", "expiry", "strike", "optionType",
    "precision", "limits", "altname", "baseName", "lowercaseId", "alias",
)  # fmt: skip
# What ccxt's own methods for orders and for reading an account look up in a market's raw entry.
INFO_KEPT = (
    "orderTypes", "pair", "contractType", "instFamily", "uly", "ruleType", "wsname", "hip3", "quoteIncrement",
    "enable_decimal", "feeScheduleUid",
)  # fmt: skip
NAMED_BY = ("symbol", "id", "altname", "lowercaseId")
TRIES_S = 30


class Wanted(Struct, frozen=True, forbid_unknown_fields=True):
    """Which markets of which venue; `names` are its own or ccxt's. `origin` stands for the venue's servers in tests."""

    venue: str
    names: tuple[str, ...]
    sandbox: bool = False
    origin: str | None = None


class Listing(Struct, frozen=True, forbid_unknown_fields=True, tag="listing"):
    """The markets that were asked for, as far as there are such; every number is text. A contract of unknown size is none.

    Attributes:
        currencies: By the venue's ids, the codes that nobody could tell from the ids alone.
    """

    wanted: Wanted
    ccxt: str
    markets: tuple[Market, ...]
    currencies: dict[str, str]


class NoListing(Struct, frozen=True, forbid_unknown_fields=True, tag="no listing"):
    """Why there is none: the class of `SourceError`, by its name."""

    kind: str
    why: str
    retry_after_s: int | None = None


async def fetch(wanted: Wanted) -> Listing:
    """The listing, from the venue.

    Raises:
        SourceError: It did not list its markets; never an empty listing for that.
    """
    client, bare = (_client(wanted) for _ in range(2))
    try:
        with answering() as answers, localcontext(Context(prec=200)):
            try:
                await client.load_markets()
            except failures() as error:
                raise source_error(error, wanted.venue, "markets", answers) from None
            if not client.markets:
                raise SourceMalformed(wanted.venue, "markets", "a venue without markets")
            entries = [kept(market) for market in client.markets.values() if named(market, wanted.names)]
            markets = tuple(entry for entry in entries if not entry.get("contract") or entry.get("contractSize"))
            set_markets(bare, markets)
            return Listing(wanted, version("ccxt"), markets, _currencies(client, bare))
    finally:
        await client.close()
        await bare.close()


def _client(wanted: Wanted) -> Any:
    made = connect(wanted.venue, {}, venue(wanted.venue).options, sandbox=wanted.sandbox, origin=wanted.origin)
    arm(made)
    made.timeout, made.timeout_on_exit = TRIES_S * 1000, 0
    made.enableRateLimit = wanted.origin is None
    return made


def named(market: Mapping[str, Any], names: Iterable[str]) -> bool:
    """Whether one of *names* is a name of *market*."""
    told = {market.get(field) for field in NAMED_BY} | {(market.get("info") or {}).get("wsname")}
    return not told.isdisjoint(names)


def kept(market: Mapping[str, Any]) -> Market:
    """What is needed of *market*. A number that went through a float is left out, for nobody knows its digits."""
    info = market.get("info")
    told = {name: info[name] for name in INFO_KEPT if name in info} if isinstance(info, dict) else {}
    entry = {name: market[name] for name in KEPT if market.get(name) is not None}
    return {name: _without_floats(value) for name, value in entry.items()} | {"info": _without_floats(told)}


def _without_floats(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_floats(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_floats(inner) for inner in value]
    return value if isinstance(value, (str, int)) else None


def _currencies(client: Any, bare: Any) -> dict[str, str]:
    """The codes of those ids that a client with the markets alone would call by another name."""
    told = {str(entry["id"]): str(code) for code, entry in client.currencies.items() if entry.get("id")}
    return {id_: code for id_, code in told.items() if bare.safe_currency_code(id_) != code}


def main() -> None:
    """Answer the one question on standard input."""
    wanted = msgspec.json.decode(sys.stdin.buffer.read(), type=Wanted)
    answer: Listing | NoListing
    try:
        answer = asyncio.run(fetch(wanted))
    except SourceError as error:
        wait = error.retry_after_s if isinstance(error, SourceThrottled) else None
        answer = NoListing(type(error).__name__, error.why, wait)
    sys.stdout.buffer.write(msgspec.json.encode(answer))


if __name__ == "__main__":
    main()
