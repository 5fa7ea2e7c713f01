"""The promises of `tieout.books.base.LocalBooks`, held against every kind of books in `books.KINDS`."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from tests.contracts.books import ASSET, CAN_BE_LOST, ELSEWHERE, HERE, KINDS, NOT, START, Kept, statement

from tieout.books.base import BooksElsewhere, CanApply
from tieout.errors import BookError, SourceError
from tieout.model.changes import BookFill, Change, ReverseFill, SetPosition
from tieout.model.snapshot import Fill, Snapshot

HELD = Decimal("2.125")


def bought(quantity: str, fill_id: str = "f-1") -> BookFill:
    """A fill that the books did not hear of."""
    return BookFill(Fill(fill_id, ASSET, "buy", Decimal(quantity), Decimal(2000), START, fee_currency="USDT"))


def held(of: Snapshot) -> dict[str, Decimal]:
    """The positions of a reading, which are established."""
    assert of.positions is not None and of.covers("positions") == "complete"
    return {row.asset: row.amount for row in of.positions if row.amount}


def test_every_kind_says_who_corrects_it() -> None:
    """No kind of books is left out of the promises below."""
    assert set(HERE) | set(ELSEWHERE) | set(NOT) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_held_is_read_exactly_and_again(kind: str, tmp_path: Path) -> None:
    """A reading is local's own statement of one moment, exact; reading changes nothing."""
    async with KINDS[kind](tmp_path, HELD) as kept:
        first, second = await kept.books.read(), await kept.books.read()
    for each in (first, second):
        assert (each.account, each.source, held(each)) == ("main", "local", {ASSET: HELD})
        assert each.as_of.tzinfo is not None and each.as_of <= kept.clock.now()


@pytest.mark.parametrize("kind", CAN_BE_LOST)
async def test_what_cannot_be_read_is_never_empty(kind: str, tmp_path: Path) -> None:
    """Where its source is gone the books are not established, with a reason; nobody takes them for flat."""
    async with KINDS[kind](tmp_path, HELD) as kept:
        assert kept.lose is not None
        kept.lose()
        with pytest.raises(SourceError) as told:
            await kept.books.read()
    assert told.value.why


@pytest.mark.parametrize("kind", HERE)
@pytest.mark.parametrize(
    "changes",
    [(bought("1"), bought("1")), (bought("1"), ReverseFill(bought("1", "f-9").fill))],
    ids=["the same twice", "what is not there taken back"],
)
async def test_a_case_is_booked_whole_or_not_at_all(kind: str, changes: tuple[Change, ...], tmp_path: Path) -> None:
    """One change that does not fit leaves the books as they were, also what came before it in the case."""
    async with KINDS[kind](tmp_path, HELD) as kept:
        before = await kept.books.read()
        with pytest.raises(BookError):
            await kept.books.apply(changes, reason="missed")
        assert (held(await kept.books.read()), (await kept.books.read()).fills) == (held(before), before.fills)


@pytest.mark.parametrize("kind", HERE)
async def test_a_record_is_booked_once(kind: str, tmp_path: Path) -> None:
    """A fill moves what is held, stands in the next reading, and is refused under its id from then on."""
    async with KINDS[kind](tmp_path, HELD) as kept:
        assert kept.books.can_apply is CanApply.HERE
        await kept.books.apply([bought("0.375")], reason="missed")
        with pytest.raises(BookError):
            await kept.books.apply([bought("0.375")], reason="missed")
        after = await kept.books.read()
    assert held(after) == {ASSET: Decimal("2.5")}
    assert [each.fill_id for each in after.fills or ()] == ["f-1"]


@pytest.mark.parametrize("kind", HERE)
async def test_only_empty_books_take_a_broker_over(kind: str, tmp_path: Path) -> None:
    """What the broker holds becomes the opening entries, once."""
    async with KINDS[kind](tmp_path, None) as kept:
        await kept.books.adopt(statement(HELD, "broker"))
        assert held(await kept.books.read()) == {ASSET: HELD}
        with pytest.raises(BookError, match="not empty"):
            await kept.books.adopt(statement(Decimal(7), "broker"))
        assert held(await kept.books.read()) == {ASSET: HELD}


@pytest.mark.parametrize("kind", [*NOT, *ELSEWHERE])
async def test_books_of_others_are_not_written(kind: str, tmp_path: Path) -> None:
    """Whoever keeps them corrects and opens them: both are refused in a sentence, and nothing changed."""
    async with KINDS[kind](tmp_path, HELD) as kept:
        assert kept.books.can_apply is (CanApply.NOT if kind in NOT else CanApply.ELSEWHERE)
        for refused in (
            kept.books.apply([SetPosition(ASSET, "net", Decimal(9), "x")], reason="x"),
            kept.books.adopt(statement(Decimal(7), "broker")),
        ):
            with pytest.raises(BookError) as told:
                await refused
            assert told.value.why
        assert held(await kept.books.read()) == {ASSET: HELD}


async def _handed_over(kept: Kept) -> BooksElsewhere:
    books = kept.books
    assert isinstance(books, BooksElsewhere)
    assert await books.handed("c-1") is None
    for _ in range(2):
        await books.hand_over("c-1", [bought("0.375")], reason="missed")
    return books


@pytest.mark.parametrize("kind", ELSEWHERE)
async def test_what_is_handed_over_is_not_applied_yet(kind: str, tmp_path: Path) -> None:
    """Asked for once however often it is said, told as it stands, and the books show what they showed."""
    async with KINDS[kind](tmp_path, HELD) as kept:
        books = await _handed_over(kept)
        told = await books.handed("c-1")
        assert told is not None and told.said and not told.over
        assert str(HELD) not in told.said and "0.375" not in told.said
        assert await books.handed("c-2") is None
        assert held(await books.read()) == {ASSET: HELD}


@pytest.mark.parametrize("kind", ELSEWHERE)
async def test_what_nothing_comes_of_is_over(kind: str, tmp_path: Path) -> None:
    """After its time a correction that the books do not show is not waited for any longer."""
    async with KINDS[kind](tmp_path, HELD) as kept:
        books = await _handed_over(kept)
        kept.clock.advance(301)
        told = await books.handed("c-1")
    assert told is not None and told.over
