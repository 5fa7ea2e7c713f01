"""The few markets of a venue that its accounts need: kept on disk, fetched by a process of its own, given to each client.

A service process never loads a venue's thousands of markets. What fails is a `SourceError`, never an empty list; what is on
disk is believed only if it is whole, of this venue and this version of ccxt, and not too old.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal
from weakref import WeakKeyDictionary

import msgspec
from msgspec import Struct

from tieout.brokers.ccxt.guard import set_markets, share
from tieout.brokers.ccxt.listed import COMMAND, ask, believable, read
from tieout.brokers.ccxt.listing import Listing, Wanted, named
from tieout.clock import Clock
from tieout.errors import SourceError, SourceThrottled

FRESH = timedelta(hours=12)  # older ones are fetched anew while they still serve
LAST = timedelta(days=7)  # older ones do not serve
AFTER_FAILURE_S = 30  # a venue that failed is not asked again sooner
UNKNOWN_S = 600  # nor one that knew no such market
_log = logging.getLogger("tieout.ccxt.markets")


class Kept(Struct, frozen=True, forbid_unknown_fields=True):
    """A listing as it lies on disk."""

    schema: Literal["tieout.markets/1"]
    at: datetime
    listing: Listing


class Markets:
    """The markets of *venue* for all accounts there; each client is `ready` before it is asked anything.

    Args:
        names: The symbols that are needed from the start.
        folder: Where listings lie between two starts; None keeps them in memory alone.
        origin: Asked instead of the venue's own servers.
        command: What fetches a listing: a `Wanted` on its standard input, a `Listing` or `NoListing` on its output.
    """

    def __init__(
        self,
        venue: str,
        *,
        clock: Clock,
        names: Iterable[str] = (),
        folder: Path | None = None,
        sandbox: bool = False,
        origin: str | None = None,
        command: Sequence[str] = COMMAND,
    ) -> None:
        self._venue, self._clock, self._command = venue, clock, tuple(command)
        self._wanted = Wanted(venue, tuple(names), sandbox, origin)
        self._path = folder and folder / f"{venue}{'-sandbox' if sandbox else ''}.json"
        self._kept: Kept | None = None
        self._fetching: asyncio.Task[None] | None = None
        self._failed: tuple[SourceError, int] | None = None
        self._served: WeakKeyDictionary[Any, Kept] = WeakKeyDictionary()
        self._named: dict[str, None] = {}  # what stood in answers; no client waits for these
        self._unknown: dict[str, int] = {}  # names that the venue did not know -> when to ask again

    @property
    def at(self) -> datetime | None:
        """When the markets that are in use were fetched; None before there are any."""
        return None if self._kept is None else self._kept.at

    def want(self, names: Iterable[str]) -> None:
        """Have *names* among the markets from now on."""
        wider = dict.fromkeys((*self._wanted.names, *names))
        self._wanted = msgspec.structs.replace(self._wanted, names=tuple(wider))

    async def ready(self, client: Any) -> None:
        """Give *client* the markets, as they are now.

        Raises:
            SourceError: They cannot be had.
        """
        if self._kept is None:
            self._kept = self._from_disk()
            self.want(self._symbols())  # those of another process, too, which may use the same file
        age = None if self._kept is None else self._clock.now() - self._kept.at
        if age is None or age > LAST:
            await self._fetched(self._wanted.names)
        elif self._lacks(self._wanted.names):
            with suppress(
                SourceError
            ):  # those that there are serve: what is not among them is a row in no known market
                await self._fetched(self._wanted.names)
        elif age > FRESH and not self._resting():
            self._begin()
        assert self._kept is not None, "fetched, or refused"
        self._give(client, self._kept)

    async def look_up(self, names: Collection[str]) -> bool:
        """Whether one of *names*, which a client does not know, is a market: clients know it once they are `ready` again.

        Raises:
            SourceError: The venue's markets cannot be had.
        """
        now = self._clock.monotonic_ns()
        asked = [name for name in names if self._unknown.get(name, 0) <= now and not self._known(name)]
        if asked:
            self._named |= dict.fromkeys(asked)
            await self._fetched(asked)
            self._unknown |= {name: self._clock.monotonic_ns() + UNKNOWN_S * 10**9 for name in asked}
        return any(self._known(name) for name in names)

    async def close(self) -> None:
        """End what is being fetched. Safe to repeat."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.gather(self._fetching, return_exceptions=True)

    def _symbols(self) -> set[str]:
        return {str(market["symbol"]) for market in self._kept.listing.markets} if self._kept else set()

    def _known(self, name: str) -> bool:
        return self._kept is not None and any(named(market, (name,)) for market in self._kept.listing.markets)

    def _lacks(self, names: Iterable[str]) -> bool:
        return self._kept is None or not set(names) <= self._symbols().union(self._kept.listing.wanted.names)

    async def _fetched(self, names: Collection[str]) -> None:
        """Return when a listing that was asked for *names* is there; one process at a time fetches for everybody."""
        while True:
            if self._failed is not None and self._resting():
                raise self._failed[0]
            # It goes on where somebody's patience ends: the next one finds it further on, or done.
            await asyncio.shield(self._begin())
            if not self._lacks(names):
                return

    def _resting(self) -> bool:
        return self._failed is not None and self._failed[1] > self._clock.monotonic_ns()

    def _begin(self) -> asyncio.Task[None]:
        if self._fetching is None or self._fetching.done():
            names = tuple(dict.fromkeys((*self._wanted.names, *self._named)))
            self._fetching = asyncio.create_task(self._fetch(msgspec.structs.replace(self._wanted, names=names)))
            self._fetching.add_done_callback(_told)
        return self._fetching

    async def _fetch(self, wanted: Wanted) -> None:
        try:
            listing = read(await ask(self._command, wanted), wanted)
        except SourceError as error:
            wait = error.retry_after_s if isinstance(error, SourceThrottled) else None
            self._failed = error, self._clock.monotonic_ns() + (wait or AFTER_FAILURE_S) * 10**9
            raise
        self._failed = None
        self._kept = Kept("tieout.markets/1", self._clock.now(), listing)
        self._to_disk(self._kept)

    def _give(self, client: Any, kept: Kept) -> None:
        if self._served.get(client) is kept:
            return
        twin = next((other for other, had in self._served.items() if had is kept and other is not client), None)
        if twin is not None:
            share(client, twin)
        else:
            _set(client, kept.listing)
        client.load_markets = _given(client)
        self._served[client] = kept

    def _from_disk(self) -> Kept | None:
        """What lies there, if it can be believed."""
        if self._path is None:
            return None
        try:
            kept = msgspec.json.decode(self._path.read_bytes(), type=Kept)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, msgspec.DecodeError) as error:
            _log.info("%s: the markets on disk are not believed: %s", self._venue, type(error).__name__)
            return None
        written = timedelta(0) <= self._clock.now() - kept.at
        return kept if written and believable(kept.listing, self._wanted) else None

    def _to_disk(self, kept: Kept) -> None:
        if self._path is None:
            return
        part = self._path.with_suffix(f".{os.getpid()}.part")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            part.write_bytes(msgspec.json.encode(kept))
            part.replace(self._path)
        except OSError as error:
            _log.info("%s: the markets cannot be kept on disk: %s", self._venue, type(error).__name__)


def _set(client: Any, listing: Listing) -> None:
    """Give *client* the markets and the names of currencies, and keep it from loading all of the venue's."""
    set_markets(client, listing.markets)
    for id_, code in listing.currencies.items():
        client.currencies_by_id[id_] = client.safe_currency_structure({"id": id_, "code": code})


def _given(client: Any) -> Callable[..., Awaitable[Any]]:
    async def load_markets(*_how: object, **_more: object) -> Any:
        return client.markets

    return load_markets


def _told(task: asyncio.Task[None]) -> None:
    """Take the failure out of a task that perhaps nobody waits for any more."""
    if not task.cancelled() and isinstance(task.exception(), SourceError):
        _log.info("%s", task.exception())
