"""A list in pages is whole, or it is not proven: whatever is repeated, lost or added while its pages are read."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tieout.brokers.dydx.pages import Page, Unproven, walk
from tieout.brokers.dydx.parse import Entry

START = datetime(2026, 1, 1, tzinfo=UTC)
SIZE = 3


def entry(number: int, block: int) -> Entry:
    """A row of that block."""
    return Entry(str(number), START + timedelta(seconds=block), block, None)


BLOCKS = st.lists(st.integers(0, 6), max_size=14).map(sorted)


class Venue:
    """Rows in pages: rising, falling, or without pages, falling. `strikes` may bend what a question is answered."""

    def __init__(self, blocks: list[int], order: str) -> None:
        self.rows = [entry(number, block) for number, block in enumerate(blocks)]
        self.order = order
        self.asked = 0
        self.strikes: dict[int, Callable[[Page], Page]] = {}
        self.grows_at: int | None = None

    async def ask(self, number: int) -> Page:
        """Page *number*."""
        self.asked += 1
        if self.asked == self.grows_at:
            self.rows.append(entry(1000, 7))
        rows = self.rows if self.order == "rising" else self.rows[::-1]
        if self.order == "alone":
            return Page(tuple(rows[:SIZE]), None)
        page = Page(tuple(rows[(number - 1) * SIZE : number * SIZE]), len(rows))
        return self.strikes[self.asked](page) if self.asked in self.strikes else page

    def since(self, moment: datetime) -> set[str]:
        """The rows that are wanted."""
        return {row.id for row in self.rows if row.at >= moment}


@example(blocks=[0, 0, 0, 1], order="rising", since=1)
@given(blocks=BLOCKS, order=st.sampled_from(["rising", "falling", "alone"]), since=st.integers(-1, 8))
async def test_what_is_given_is_whole(blocks: list[int], order: str, since: int) -> None:
    """Every row since then, oldest first, or the word that it is not known."""
    venue, moment = Venue(blocks, order), START + timedelta(seconds=since)
    try:
        found = await walk(venue.ask, moment, SIZE)
    except Unproven:
        assert order == "alone"
        return
    assert {row.id for row in found} == venue.since(moment)
    assert [row.at for row in found] == sorted(row.at for row in found)


def _repeated(page: Page) -> Page:
    return Page(page.entries[:1] * len(page.entries), page.total)


BENDS: dict[str, Callable[[Page], Page]] = {
    "vanished": lambda page: Page((), page.total),
    "short": lambda page: Page(page.entries[:-1], page.total),
    "repeated row": _repeated,
    "another count": lambda page: Page(page.entries, (page.total or 0) + 1),
}


@given(
    blocks=st.lists(st.integers(0, 6), min_size=7, max_size=14).map(sorted),
    order=st.sampled_from(["rising", "falling"]),
    strikes=st.dictionaries(st.integers(2, 12), st.sampled_from(sorted(BENDS)), min_size=1),
)
async def test_what_is_bent_is_never_taken_for_whole(blocks: list[int], order: str, strikes: dict[int, str]) -> None:
    """Pages that vanish, come short or repeat rows: all rows in the end, or `Unproven`."""
    venue = Venue(blocks, order)
    venue.strikes = {number: BENDS[name] for number, name in strikes.items()}
    try:
        found = await walk(venue.ask, START, SIZE)
    except Unproven as part:
        assert {row.id for row in part.entries} <= venue.since(START)
        return
    assert {row.id for row in found} == venue.since(START)


@given(blocks=BLOCKS, order=st.sampled_from(["rising", "falling"]), at=st.integers(1, 6))
async def test_a_row_that_is_added_meanwhile_hides_none(blocks: list[int], order: str, at: int) -> None:
    """Whatever was there when the walk began is in what is given; the new one may be, too."""
    venue = Venue(blocks, order)
    before, venue.grows_at = venue.since(START), at
    found = {row.id for row in await walk(venue.ask, START, SIZE)}
    assert before <= found <= before | {"1000"}


async def test_a_page_that_comes_twice_is_no_list() -> None:
    """The first page instead of the second, each time."""
    venue = Venue([0, 1, 2, 3, 4, 5], "falling")

    async def ask(_number: int) -> Page:
        return await venue.ask(1)

    with pytest.raises(Unproven):
        await walk(ask, START, SIZE)


async def test_a_list_without_end_is_given_up() -> None:
    """A hundred pages are not read while others wait."""
    venue = Venue([1] * 300, "falling")
    with pytest.raises(Unproven):
        await walk(venue.ask, START, SIZE)
    assert venue.asked < 60
