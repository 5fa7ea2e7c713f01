"""Reads a venue's lists whole: every page of every window, each row once, every request a question of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Iterator
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple, Protocol, TypeVar

from tieout.brokers.ccxt.calls import Call
from tieout.brokers.ccxt.cash import rows_at, walk
from tieout.brokers.ccxt.pages import MAX_PAGES, MAX_WINDOWS, Json, Page, Path, identity, moment_of
from tieout.brokers.ccxt.parse import RowError, RowLeft, milliseconds
from tieout.brokers.ccxt.together import together
from tieout.model.snapshot import Section

T = TypeVar("T")


class Ask(Protocol):
    """Puts one question to the venue: `CcxtReader.ask`."""

    async def __call__(self, scope: str, question: Callable[[Any], Awaitable[T]]) -> T:
        """The answer. Raises `SourceError`."""


class Haul:
    """The rows of one list over all its pages, each once, and the bodies that they came in."""

    def __init__(self, ident: tuple[str, ...]) -> None:
        self.rows: list[Json] = []
        self._pages: list[tuple[Any, list[Json]]] = []
        self._ident = ident
        self._seen: dict[Hashable, Json] = {}

    def take(self, body: Any, rows: list[Json]) -> int:
        """Add a page; how many of its rows are new. Rows that are alike within a page are told apart by their ids only.

        Raises:
            RowError: A row came before with the same id, and says something else now.
        """
        self._pages.append((body, rows))
        before = self._seen if self._ident else dict(self._seen)
        fresh = 0
        for row in rows:
            known_as = identity(row, self._ident)
            earlier = before.get(known_as)
            if earlier is not None and earlier != row:
                raise RowError("a row changed between two pages, or two rows have one id")
            if earlier is None:
                self._seen[known_as] = row
                self.rows.append(row)
                fresh += 1
        return fresh

    def add(self, other: Haul) -> None:
        """Add the pages of *other*, which is used up, as if they had come here one by one. Raises as `take` does."""
        if not self._pages:
            self.rows, self._pages, self._seen = other.rows, other._pages, other._seen
            return
        for body, rows in other._pages:
            self.take(body, rows)

    @property
    def bodies(self) -> list[Any]:
        """The answers as they came."""
        return [body for body, _ in self._pages]


class Gathering(NamedTuple):
    """A list that is being read: who asks, for what, and what keeps it from being whole."""

    ask: Ask
    scope: Section
    missing: list[str]
    asset: str | None
    since: datetime | None
    now: datetime


async def gather(doing: Gathering, call: Call) -> Haul:
    """Every row of *call* (from `since` on); what keeps it from being whole is added to `missing`.

    Raises:
        SourceError: A page could not be had, or is not to be believed.
        RowError: Two pages contradict each other, or a row is none.
    """
    haul = Haul(call.ident)
    wanted = await _wanted(doing, call)
    for part, missing in await together(_part(doing._replace(missing=[]), call, params) for params in wanted):
        haul.add(part)
        doing.missing.extend(missing)
    if not all(isinstance(row, dict) for row in haul.rows):
        raise RowError("a row that is no object")
    return haul


async def _part(doing: Gathering, call: Call, params: Json) -> tuple[Haul, list[str]]:
    """The rows for *params* over all windows, and what is missing. Windows do not wait for each other.

    Those of a list that leads on from the first row found do, unless there are only two: that costs a request at most.
    """
    haul = Haul(call.ident)
    if call.latest is not None and await _latest_reach(doing, call, haul, params):
        return haul, doing.missing
    windows = list(islice(_windows(doing, call), MAX_WINDOWS + 1))
    if len(windows) > MAX_WINDOWS:
        doing.missing.append("more time than is read in one go")
    if call.onward and len(windows) > 2:
        for window in windows:
            found = await _pages(doing, call, {**params, **window}, last=window is windows[-1])
            haul.add(found)
            if found.rows:
                break
        return haul, doing.missing
    for found in await together(_pages(doing, call, {**params, **window}) for window in windows):
        haul.add(found)
    return haul, doing.missing


async def _wanted(doing: Gathering, call: Call) -> list[Json]:
    """The parameters of the requests that *call* stands for: one, or one for each row of another list."""
    if call.each is None:
        return [dict(call.params)]
    each = call.each
    lister = Call(each.endpoint, each.rows, method=each.method, pages=each.pages)
    listed = await _pages(doing._replace(asset=None), lister, dict(each.params))
    named = [each.named(row) for row in listed.rows]
    return [{**call.params, **more} for more in named if more is not None]


def _windows(doing: Gathering, call: Call) -> Iterator[Json]:
    if call.span is None or doing.since is None:
        return iter(({},))
    oldest = call.span.oldest(doing.now)
    if oldest is not None and doing.since < oldest:
        doing.missing.append(f"the venue keeps such rows for {call.span.kept_days} days, and more are asked for")
    return call.span.windows(doing.since, doing.now)


async def _latest_reach(doing: Gathering, call: Call, haul: Haul, params: Json) -> bool:
    """Take the latest rows if there are no others, or those that there are lie before `since`; whether that is so."""
    assert call.latest is not None
    body, rows = await _page(doing, call, params)
    earliest = min((moment_of(row, call.latest) for row in rows), default=0)
    if len(rows) >= int(params["limit"]) and (doing.since is None or earliest >= milliseconds(doing.since)):
        return False
    haul.take(body, rows)
    return True


async def _pages(doing: Gathering, call: Call, params: Json | None, *, last: bool = True) -> Haul:
    """All pages of one window; *last* says that nothing else is asked for what comes after it."""
    haul, index = Haul(call.ident), 0
    since = None if doing.since is None else milliseconds(doing.since)
    try:
        while params is not None:
            if index == MAX_PAGES:
                raise RowLeft("more pages than are read in one go")
            body, rows = await _page(doing, call, params)
            earlier = haul.rows[-1] if haul.rows else None
            fresh = haul.take(body, rows)
            if call.pages is None:
                break
            params = call.pages(Page(params, body, rows, fresh, len(haul.rows), index, since, last, earlier))
            index += 1
    except RowLeft as left:
        doing.missing.append(str(left))
    return haul


async def _page(doing: Gathering, call: Call, params: Json) -> tuple[Any, list[Json]]:
    async def question(client: Any) -> tuple[Any, list[Json]]:
        assert call.method is not None
        if client.markets is None:
            await client.load_markets()
        named: Json = {} if doing.asset is None else {"symbol": client.market(doing.asset)["id"]}
        if call.address is not None:
            named[call.address] = own_address(client)
        body = await getattr(client, call.method)({**params, **named})
        return body, rows_of(call, body)

    return await doing.ask(doing.scope, question)


def nested(path: Path, rows: list[Json]) -> Any:
    """A body that holds *rows* at *path*, and nothing else."""
    body: Any = rows
    for step in reversed(path):
        body = {step: body}
    return body


def own_address(client: Any) -> str:
    """The account's address, where the venue is a chain.

    Raises:
        ccxt's ArgumentsRequired: None is configured.
    """
    address, _ = client.handle_public_address("read", {})
    return str(address)


def rows_of(call: Call, body: Any) -> list[Any]:
    """The rows of an answer; those that have names bear them as their ids.

    Raises:
        RowError: The answer is not of that shape.
    """
    if call.cash is not None and not call.rows:
        return []
    found = walk(body, call.rows)
    if call.keyed and isinstance(found, dict) and call.method is not None:
        return [{**row, "id": name} for name, row in found.items()]
    if not call.keyed and not isinstance(found, list):
        raise RowError("no list where one is due")
    groups = rows_at(found, ())
    return groups if call.inner is None else [row for group in groups for row in rows_at(group, (call.inner,))]
