"""Rows in markets that nobody asked for: their names are noted while a section is read, looked up, and it is read again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from typing import Any, TypeVar

from tieout.brokers.ccxt.markets import Markets
from tieout.errors import ActionRefused, SourceError, SourceIncomplete

T = TypeVar("T")
_noted: ContextVar[set[str]] = ContextVar("names of markets that the client does not know")
# Where venues write which market a row is of; the first two fields of those that send arrays.
_NAMES = ("symbol", "instId", "pair", "product_id", "contract", "currency_pair", "coin", "ticker")


def note(row: Mapping[str, Any]) -> None:
    """Keep what a unified row in no known market, and the venue's own row in it, may call that market."""
    info = row.get("info")
    told = {info.get(field) for field in _NAMES} if isinstance(info, dict) else {*(info or ())[:2]}
    _noted.get(set()).update(name for name in {row.get("symbol"), *told} if isinstance(name, str) and name)


async def introduced(markets: Markets | None, read: Callable[[], Awaitable[T]]) -> T:
    """What *read* gives; where rows in unknown markets kept it from being whole, once more if those are known then.

    Raises:
        SourceError: As *read* does.
    """
    names = set[str]()
    token = _noted.set(names)
    try:
        return await read()
    except SourceIncomplete:
        if markets is None or not names or not await _known(markets, names):
            raise
    finally:
        _noted.reset(token)
    return await read()


async def _known(markets: Markets, names: set[str]) -> bool:
    """Whether one of *names* is known from now on; where nobody can tell, what was read stays a part."""
    try:
        return await markets.look_up(names)
    except SourceError:
        return False


async def market_of(markets: Markets | None, asset: str, action: str) -> None:
    """Have the market of *asset* listed before *action*, where there is one.

    Raises:
        ActionRefused: The markets cannot be had; nothing was sent.
    """
    try:
        if markets is not None:
            await markets.look_up((asset,))
    except SourceError as error:
        raise ActionRefused(action, f"nothing was sent: {error.why}") from None
