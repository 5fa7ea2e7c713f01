"""A paged list since a moment, proven whole: by the count that the venue states, and by no row coming twice.

The indexer orders pages by block, in one list oldest first and in another newest first, and rows of one block in any order. A
row that slips from one page to another while they are fetched makes another row come twice, and so does a repeated page.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from itertools import pairwise

from msgspec import Struct

from tieout.brokers.dydx.parse import Entry

SIZE = 1000  # the most rows that the indexer gives at once
_MOST = 25
_NEVER = datetime(1, 1, 1, tzinfo=UTC)  # older than anything


class Page(Struct, frozen=True):
    """One page. *total* counts the rows of all pages, None where the venue does not say."""

    entries: tuple[Entry, ...]
    total: int | None


class Unproven(Exception):
    """The list is not known to be whole; `entries` are what did come."""

    def __init__(self, why: str, entries: Sequence[Entry]) -> None:
        self.entries = tuple(entries)
        super().__init__(why)


Ask = Callable[[int], Awaitable[Page]]


async def walk(ask: Ask, since: datetime, size: int = SIZE) -> tuple[Entry, ...]:
    """Every entry with ``at >= since``, oldest first; *ask* fetches a page by its number from 1.

    Raises:
        Unproven: Pages overlap, come short, or are too many.
    """
    try:
        return _from(await _walked(ask, since, size), since)
    except Unproven:
        try:
            return _from(await _walked(ask, since, size), since)
        except Unproven as part:
            raise Unproven(str(part), _from(part.entries, since)) from None


async def _walked(ask: Ask, since: datetime, size: int) -> list[Entry]:
    first = await ask(1)
    if first.total is None and len(first.entries) >= size:
        return _latest_alone(first, since)
    total = len(first.entries) if first.total is None else first.total
    pages, newest_first = _order(first, total, size)
    seen: list[Entry] = []
    for count, number in enumerate(pages, 1):
        page = first if number == 1 else await ask(number)
        if newest_first:
            _require_in_order(page, seen)
        seen += page.entries
        if count > _MOST or len(page.entries) != _due(number, total, size) or page.total not in (None, total):
            raise Unproven("its pages are too many, or do not fit together", seen)
        if newest_first and _oldest(page) < since:
            break  # what is left is older still
    _require_once(seen)
    return seen


def _order(first: Page, total: int, size: int) -> tuple[range, bool]:
    """The numbers of the pages, and whether their rows are then newest first: a first page of one moment does not tell."""
    last = max(1, -(-total // size))
    if not first.entries or first.entries[0].at == first.entries[-1].at:
        return range(1, last + 1), False
    rising = first.entries[0].at < first.entries[-1].at
    return range(last, 0, -1) if rising else range(1, last + 1), True


def _due(number: int, total: int, size: int) -> int:
    """How many rows page *number* has."""
    return min(size, total - (number - 1) * size)


def _oldest(page: Page) -> datetime:
    return min((entry.at for entry in page.entries), default=_NEVER)


def _latest_alone(page: Page, since: datetime) -> list[Entry]:
    """A list without pages: its newest rows, which have to reach back far enough."""
    falling = all(one.at >= two.at for one, two in pairwise(page.entries))
    if not falling or _oldest(page) >= since:
        raise Unproven("there are more rows than the venue gives at once", page.entries)
    _require_once(page.entries)
    return list(page.entries)


def _require_in_order(page: Page, seen: Sequence[Entry]) -> None:
    newest = max((entry.at for entry in page.entries), default=_NEVER)
    if seen and newest > min(entry.at for entry in seen):
        raise Unproven("its pages are not in order", [*seen, *page.entries])


def _require_once(seen: Sequence[Entry]) -> None:
    if len({entry.id for entry in seen}) != len(seen):
        raise Unproven("its pages overlap: something moved while they were read", list(dict.fromkeys(seen)))


def _from(entries: Sequence[Entry], since: datetime) -> tuple[Entry, ...]:
    wanted = [entry for entry in dict.fromkeys(entries) if entry.at >= since]
    return tuple(sorted(wanted, key=lambda entry: (entry.at, entry.height)))
