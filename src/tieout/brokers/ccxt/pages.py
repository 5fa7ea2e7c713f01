"""How a venue's list goes on: page by page, window by window, to an end that is proven.

A pager looks at one page and gives the request for the next; None where the venue's own words prove that there is none.
It raises `RowLeft` where neither can be told: the section is then not complete, and the rows that came are a part.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from datetime import datetime
from typing import Any, NamedTuple

from tieout.brokers.ccxt.cash import walk
from tieout.brokers.ccxt.parse import RowError, RowLeft, milliseconds, number

Json = dict[str, Any]
Path = tuple[str | int, ...]

MAX_PAGES = 500  # of one list; more is no reading any more, but a download
MAX_WINDOWS = 800


class Page(NamedTuple):
    """A page as it came, and what had come before it.

    Attributes:
        params: What was asked.
        body: The whole answer.
        rows: Its rows, in the venue's order.
        fresh: How many of them had not come before.
        total: How many different rows there are by now.
        number: 0 for the first page.
        since: The moment from which on rows are wanted, in milliseconds since 1970; None for all there are.
        last: Whether nothing else is asked for what comes after its window.
        earlier: The last row that had come before; None for the first page.
    """

    params: Json
    body: Any
    rows: list[Json]
    fresh: int
    total: int
    number: int
    since: int | None = None
    last: bool = True
    earlier: Json | None = None


class Again(NamedTuple):
    """How a list is asked for a stretch of time that ends with a row: its field with a time, and the parameter for an end."""

    time: str
    param: str
    write: Callable[[int], Any] = int


Pager = Callable[[Page], "Json | None"]


def field(row: Any, name: str) -> Any:
    """What stands in *name* of a row; dots go one deeper.

    Raises:
        RowError: Nothing does.
    """
    return walk(row, name.split("."))


def identity(row: Json, fields: tuple[str, ...]) -> Hashable:
    """By what *row* is known: its *fields*, or without any all that it says."""
    return tuple(str(field(row, name)) for name in fields) if fields else repr(row)


def moment_of(row: Any, name: str) -> int:
    """The row's time in milliseconds since 1970, rounded down; it is written in milliseconds, or as an ISO date.

    Raises:
        RowError: It has none.
    """
    told = field(row, name)
    if isinstance(told, str) and "T" in told:
        try:
            return milliseconds(datetime.fromisoformat(told))
        except (ValueError, TypeError):
            raise RowError(f"{name} is no date with an offset") from None
    value = number({name: told}, name)
    if value is None:
        raise RowError(f"{name} is missing")
    return int(value)


def cursor(path: Path, name: str, *, more: Path | None = None, again: Again | None = None) -> Pager:
    """The venue gives a mark for the next page; no mark, or a page without rows, is the end. *more* is its word for it.

    With *again*, a later page without rows is not believed by itself: what ends with the last row, newest first, is asked
    for instead. Only if it holds that row, and none that had not come, was that the end.
    """

    def step(page: Page) -> Json | None:
        if again is not None and page.earlier is not None:
            if name not in page.params:
                if page.fresh or not page.rows:
                    raise RowLeft("a page came without its rows")
                return None
            if not page.rows:
                rest = {key: value for key, value in page.params.items() if key != name}
                return {**rest, again.param: again.write(moment_of(page.earlier, again.time) + 1)}
        said = None if more is None else _told(page.body, more, "no word about further pages")
        if more is not None and not isinstance(said, bool):
            raise RowError("a word about further pages that is neither yes nor no")
        mark = _told(page.body, path, "no word about further pages") if more is None or said else None
        if said and mark in (None, ""):
            raise RowLeft("more pages follow, and the venue does not say where")
        if said and not page.rows:
            raise RowLeft("a page without rows, of which the venue says that more follow")
        if mark in (None, "", "0") or not page.rows:
            return None
        return {**_moved(page), name: mark}

    return step


def behind(path: Path, name: str, param: str, time: str) -> Pager:
    """Newest first; while the venue gives a mark, the next page is asked behind the last row but one, so that they overlap.

    A page that reaches before the moment asked for is the last as well.
    """

    def step(page: Page) -> Json | None:
        _overlap(page)
        mark = _told(page.body, path, "no word about further pages")
        if mark in (None, "") or not page.rows or _before(page, time):
            return None
        return {**_moved(page), param: field(page.rows[-2], name) if len(page.rows) > 1 else mark}

    return step


def after(name: str, param: str, limit: int, overlap: int = 0) -> Pager:
    """The next page begins behind the last row, or shows the last *overlap* rows again; one that is not full is the last."""

    def step(page: Page) -> Json | None:
        if overlap:
            _overlap(page)
        if len(page.rows) < limit:
            return None
        return {**_moved(page), param: field(page.rows[-1 - overlap], name)}

    return step


def counted(param: str, count: Path) -> Pager:
    """The venue counts all its rows: as many different ones have to come, else one has vanished or moved.

    New rows come first in such lists and push the others on, so after the last page the first one is looked at again.
    """

    def step(page: Page) -> Json | None:
        told = _count(page, count)
        if told == page.total:
            return None
        if not page.fresh:
            raise RowLeft("the venue counts more rows than it gives")
        behind = int(page.params.get(param, 0)) + len(page.rows)
        return {**page.params, param: behind if behind < told else 0}

    return step


def skipping(param: str, limit: int) -> Pager:
    """The next page is asked for by how many rows came, and shows the last one again; one that is not full is the last."""

    def step(page: Page) -> Json | None:
        _overlap(page)
        if len(page.rows) < limit:
            return None
        return {**_moved(page), param: int(page.params.get(param, 0)) + len(page.rows) - 1}

    return step


def numbered(param: str, count: Path) -> Pager:
    """Pages have numbers from 1 on, and the venue counts the rows on all of them."""

    def step(page: Page) -> Json | None:
        if _count(page, count) == page.total:
            return None
        return {**_moved(page), param: int(page.params.get(param, 1)) + 1}

    return step


def whole(limit: int) -> Pager:
    """There is one page; if it is full, others may have been cut off."""

    def step(page: Page) -> Json | None:
        if len(page.rows) >= limit:
            raise RowLeft("more pages follow")
        return None

    return step


def from_id(name: str, param: str, limit: int, *times: str) -> Pager:
    """From the first row that *times* find, on by its number; each page begins with the last row of the one before."""

    def step(page: Page) -> Json | None:
        on = param in page.params
        if on and (not page.rows or field(page.rows[0], name) != page.params[param]):
            raise RowLeft("a page does not begin where the one before it ended")
        if not page.rows or (len(page.rows) < limit and (on or page.last)):
            return None
        rest = {key: value for key, value in _moved(page).items() if key not in times}
        return {**rest, param: field(page.rows[-1], name)}

    return step


def onward(name: str, param: str, limit: int, cap: int | None = None) -> Pager:
    """Pages go on in time, each from the last row's moment on; *cap* is how many rows the venue has at most."""

    def step(page: Page) -> Json | None:
        if cap is not None and page.total >= cap:
            raise RowLeft("the venue keeps no more rows than came, and may have had more")
        _overlap(page)
        if len(page.rows) < limit:
            return None
        return {**_moved(page), param: max(moment_of(row, name) for row in page.rows)}

    return step


def backward(name: str, param: str, limit: int, write: Callable[[int], Any] = int) -> Pager:
    """Pages go back in time, each to the last row's moment, until one reaches before the moment asked for."""

    def step(page: Page) -> Json | None:
        _overlap(page)
        if len(page.rows) < limit:
            return None
        if _before(page, name):
            return None
        return {**_moved(page), param: write(min(moment_of(row, name) for row in page.rows) + 1)}

    return step


def _told(body: Any, path: Path, why: str) -> Any:
    """What stands at *path*: a word that is left out proves nothing."""
    try:
        return walk(body, path)
    except RowError:
        raise RowLeft(why) from None


def _count(page: Page, path: Path) -> int:
    """How many rows the venue counts on all pages."""
    told = number({"count": _told(page.body, path, "the venue did not count its rows")}, "count")
    if told is None:
        raise RowLeft("the venue did not count its rows")
    if told < page.total:
        raise RowLeft("the venue counts fewer rows than it gave")
    return int(told)


def _before(page: Page, name: str) -> bool:
    """Whether a page reaches before the moment asked for."""
    return page.since is not None and min(moment_of(row, name) for row in page.rows) < page.since


def _overlap(page: Page) -> None:
    """A page that goes on by time has to show again what the last one ended with."""
    if page.number and page.fresh == len(page.rows):
        raise RowLeft("a page does not meet the one before it")


def _moved(page: Page) -> Json:
    """The request just answered, if its answer brought anything new."""
    if not page.fresh:
        raise RowLeft("the same page came again")
    return page.params
