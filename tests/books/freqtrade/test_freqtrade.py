"""Books of a freqtrade bot: what its trades hold, whichever way they are read, and what is never believed."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.books.freqtrade.bot import CLOSED, SHORT, SPOT, Bot, Trade, listening, make_database

from tieout.books.base import CanApply
from tieout.books.freqtrade.books import FreqtradeBooks
from tieout.books.freqtrade.rest import Freqtrade
from tieout.books.freqtrade.rows import number, stepped
from tieout.clock import VirtualClock
from tieout.errors import BookError, SourceError, SourceMalformed, SourceRefused, SourceUnreachable
from tieout.model.changes import BookFill, SetPosition
from tieout.model.snapshot import Fill, Snapshot

CLOCK = VirtualClock(datetime(2026, 11, 20, 13, tzinfo=UTC))


def of_file(path: Path) -> FreqtradeBooks:
    """The books in a database."""
    return FreqtradeBooks("main", CLOCK, database=path)


def of_bot(bot: Bot, password: str = "pass") -> FreqtradeBooks:
    """The books behind an interface."""
    return FreqtradeBooks("main", CLOCK, bot=Freqtrade(bot.url, "bot", password))


async def both(folder: Path, *trades: Trade) -> tuple[Snapshot, Snapshot]:
    """The same trades, read from the database and from the interface."""
    make_database(folder / "trades.sqlite", *trades, closed=(CLOSED,))
    async with listening(Bot(*trades)) as bot:
        return await of_file(folder / "trades.sqlite").read(), await of_bot(bot).read()


async def test_a_spot_trade_holds_what_its_orders_filled(tmp_path: Path) -> None:
    """Partial fills of orders that are still open count, and a fee that was taken in the coin does not; not trade.amount."""
    # Its interface tells the average price of what filled where the limit was: that is no term of the order.
    for side, limit in zip(await both(tmp_path, SPOT), (Decimal(49000), None), strict=True):
        assert side.balances is not None
        assert [(row.currency, row.total) for row in side.balances] == [("BTC", Decimal("0.3997"))]
        assert (side.positions, side.coverage) == (None, {"balances": "partial"})
        assert side.orders is not None
        (order,) = side.orders
        assert (order.broker_order_id, order.side, order.status) == ("B2", "buy", "partially_filled")
        assert (order.quantity, order.filled, order.limit_price) == (Decimal("0.2"), Decimal("0.1"), limit)
        assert order.created_at is not None and order.created_at.microsecond == 250000


async def test_a_short_holds_less_than_nothing(tmp_path: Path) -> None:
    """A short of futures is a negative position, and its stop buys; closed trades hold nothing."""
    for side in await both(tmp_path, SHORT):
        assert side.positions is not None
        assert [(row.asset, row.amount) for row in side.positions] == [("ETH/USDT:USDT", Decimal(-1))]
        assert side.balances is None
        assert side.orders is not None
        assert [(row.side, row.filled) for row in side.orders] == [("buy", Decimal(1))]


async def test_without_a_trade_nothing_is_claimed_of_coins(tmp_path: Path) -> None:
    """A bot without open trades has no position; of balances it says nothing."""
    for side in await both(tmp_path):
        assert (side.positions, side.balances, side.coverage) == ((), (), {"balances": "partial"})


async def test_a_closed_trade_with_an_open_order_holds_what_all_its_orders_left(tmp_path: Path) -> None:
    """A stop that stayed behind when the trade was closed: it is listed, and its trade is not short of what it sold."""
    head, (entry,) = CLOSED
    left = ("sell", True, "C3", "open", "limit", 120.0, 2.0, 1.0, None)
    sold = ("sell", False, "C2", "closed", "limit", 110.0, 4.0, 4.0, None)
    make_database(tmp_path / "t.sqlite", SHORT, closed=((head, (entry, sold, left)),))
    side = await of_file(tmp_path / "t.sqlite").read()
    assert side.positions is not None
    assert [(row.asset, row.amount) for row in side.positions] == [("ETH/USDT:USDT", Decimal(-1))]
    assert side.orders is not None
    assert [row.broker_order_id for row in side.orders] == ["S2", "C3"]


async def test_an_empty_list_is_not_believed() -> None:
    """Where the interface lists no trade and counts some, the books are not established; never flat."""
    async with listening(Bot(SHORT)) as bot:
        bot.listed = []
        with pytest.raises(SourceMalformed, match="lists no open trade, and counts 1"):
            await of_bot(bot).read()
        bot.counted = 0
        assert (await of_bot(bot).read()).positions == ()
        wrong: tuple[Any, ...] = ({}, [{}], [{"trade_id": "x"}], "no")
        for nonsense in wrong:
            bot.listed, bot.counted = nonsense, len(nonsense)
            with pytest.raises(SourceMalformed):
                await of_bot(bot).read()


async def test_a_bot_on_paper_is_not_taken_for_a_real_one() -> None:
    """Its trades are of another world; the same the other way round."""
    async with listening(Bot(SHORT)) as bot:
        bot.dry_run = True
        with pytest.raises(SourceMalformed, match="on paper"):
            await of_bot(bot).read()
        assert (
            await FreqtradeBooks("main", CLOCK, bot=Freqtrade(bot.url, "bot", "pass"), dry_run=True).read()
        ).positions


async def test_a_database_of_paper_is_not_taken_for_a_real_one(tmp_path: Path) -> None:
    """Orders that were never sent bear numbers of the bot's own: with them it is refused, or without where they are meant."""
    path = tmp_path / "trades.sqlite"
    make_database(path, SHORT)
    with pytest.raises(SourceMalformed, match="for real"):
        await FreqtradeBooks("main", CLOCK, database=path, dry_run=True).read()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE orders SET order_id = 'dry_run_' || ft_order_side || '_' || id")
        connection.commit()
    with pytest.raises(SourceMalformed, match="on paper"):
        await of_file(path).read()
    assert (await FreqtradeBooks("main", CLOCK, database=path, dry_run=True).read()).positions


async def test_what_cannot_be_asked_is_an_error() -> None:
    """A wrong password, and nobody who listens; and neither shows the password."""
    async with listening(Bot()) as bot:
        with pytest.raises(SourceRefused):
            await of_bot(bot, "wrong").read()
        url = bot.url
        assert "pass" not in repr(Freqtrade(url, "bot", "pass"))
    with pytest.raises(SourceUnreachable) as error:
        await FreqtradeBooks("main", CLOCK, bot=Freqtrade(url, "bot", "s3cret")).read()
    assert "s3cret" not in str(error.value)


async def test_what_is_no_database_of_its_is_an_error(tmp_path: Path) -> None:
    """Not there, empty, something else, a table or a column short, a row that is no number: not read, and not made."""
    path = tmp_path / "trades.sqlite"
    with pytest.raises(SourceUnreachable):
        await of_file(path).read()
    assert not path.exists()
    path.write_bytes(b"")
    with pytest.raises(SourceMalformed):
        await of_file(path).read()
    path.write_bytes(b"no database" * 100)
    with pytest.raises(SourceMalformed):
        await of_file(path).read()
    for wrong in (
        "ALTER TABLE orders DROP COLUMN ft_fee_base",
        "UPDATE orders SET filled = 'much'",
        "DROP TABLE orders",
    ):
        path.unlink()
        make_database(path, SHORT)
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(wrong)
            connection.commit()
        with pytest.raises(SourceMalformed):
            await of_file(path).read()


async def test_a_database_in_use_is_read_with_what_was_written_last(tmp_path: Path) -> None:
    """What still lies in the write-ahead log counts, and nothing is written by reading."""
    path = tmp_path / "trades.sqlite"
    make_database(path, SHORT)
    with closing(sqlite3.connect(path)) as bot:
        bot.execute("PRAGMA wal_autocheckpoint=0")
        bot.execute("UPDATE orders SET filled = 2.0 WHERE order_id = 'S2'")
        bot.commit()
        before = path.read_bytes()
        assert (await of_file(path).read()).positions == ()
        assert path.read_bytes() == before


def beside(path: Path) -> dict[str, int]:
    """The files of its folder, and when each was written last."""
    return {each.name: each.stat().st_mtime_ns for each in path.parent.iterdir()}


async def test_reading_a_bot_at_rest_leaves_nothing_beside_it(tmp_path: Path) -> None:
    """Its folder is as before, so that no file of our owner is in the way of the bot when it starts again."""
    path = tmp_path / "trades.sqlite"
    make_database(path, SHORT)
    before = beside(path)
    assert list(before) == [path.name]
    assert (await of_file(path).read()).positions
    assert beside(path) == before


async def test_a_bot_corrects_itself_by_reloading_the_trade() -> None:
    """The trades that a correction is about are reloaded, once for each correction; others are left alone."""
    async with listening(Bot(CLOSED, SHORT)) as bot:
        books = of_bot(bot)
        assert books.can_apply is CanApply.ELSEWHERE
        change = SetPosition("ETH/USDT:USDT", "net", Decimal(-2), "unexplained")
        assert await books.handed("c1") is None
        await books.hand_over("c1", [change], reason="unexplained")
        assert [each for each in bot.asked if each.startswith("POST")] == ["POST trades/2/reload"]
        handed = await books.handed("c1")
        assert handed is not None and not handed.over
        with pytest.raises(BookError, match="no open trade of XRP"):
            await books.hand_over("c2", [SetPosition("XRP/USDT:USDT", "net", Decimal(1), "unexplained")], reason="x")
        with pytest.raises(BookError):
            await books.apply([change], reason="x")
    with pytest.raises(BookError):
        fill = Fill("f", "ETH/USDT:USDT", "buy", Decimal(1), Decimal(1), CLOCK.now())
        await books.hand_over("c3", [BookFill(fill)], reason="x")


async def test_what_was_asked_for_does_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the corrections that it was had to reload for, as many are held as are kept."""
    monkeypatch.setattr("tieout.books.freqtrade.books.MOST_KEPT", 2)
    async with listening(Bot(SHORT)) as bot:
        books = of_bot(bot)
        for name in ("c1", "c2", "c3"):
            await books.hand_over(name, [SetPosition("ETH/USDT:USDT", "net", Decimal(-2), "x")], reason="x")
        assert [await books.handed(name) is None for name in ("c1", "c2", "c3")] == [True, False, False]


async def test_a_database_alone_cannot_be_corrected(tmp_path: Path) -> None:
    """Nothing is ever written into it."""
    make_database(tmp_path / "t.sqlite", SHORT)
    assert of_file(tmp_path / "t.sqlite").can_apply is CanApply.NOT


@given(st.lists(st.integers(-(10**9), 10**9), max_size=20), st.integers(0, 8))
def test_sums_of_floats_come_out_at_the_step(counts: list[int], places: int) -> None:
    """Whatever a float makes of sums of steps, the quantity that was meant comes out."""
    step = Decimal(1).scaleb(-places)
    wrong = 0.0
    for count in counts:
        wrong += count / 10**places
    assert stepped(number(wrong), step) == sum(counts) * step


@pytest.mark.parametrize("value", [True, "1", float("nan"), float("inf"), [], 1e300])
def test_what_is_no_number_is_refused(value: Any) -> None:
    """Not a text, not a truth, nothing without an end."""
    with pytest.raises(ValueError, match="number"):
        number(value)


def test_failures_are_of_the_tree() -> None:
    """Whoever reads these books has one kind of failure to expect."""
    assert issubclass(SourceMalformed, SourceError)
