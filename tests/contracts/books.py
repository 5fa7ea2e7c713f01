"""The kinds of local books that the contract of the port is held against. A further one is one more entry in `KINDS`."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from tests.books.disks import HastyDisk
from tests.books.freqtrade.bot import Bot, Trade, listening, make_database
from tests.books.test_pushed import Shelf

from tieout.books import DurableBooks, EngineBooks, LocalBooks
from tieout.books.freqtrade.books import FreqtradeBooks
from tieout.books.freqtrade.rest import Freqtrade
from tieout.books.pushed import PushedBooks
from tieout.books.snapshot_file import SnapshotFile
from tieout.books.sql import Query, SqlBooks
from tieout.books.sql_connection import SqlSource
from tieout.clock import VirtualClock
from tieout.model.codec import encode
from tieout.model.snapshot import Balance, Position, Snapshot

START = datetime(2026, 11, 20, 12, tzinfo=UTC)
ASSET = "ETH/USDT:USDT"


@dataclass
class Kept:
    """Books of one kind that hold so much of `ASSET`; `lose` has what they are read from go away, where it can."""

    books: LocalBooks
    clock: VirtualClock
    lose: Callable[[], object] | None = None


Maker = Callable[[Path, Decimal | None], AbstractAsyncContextManager[Kept]]


def statement(amount: Decimal, source: str = "local") -> Snapshot:
    """Books that hold *amount*, as the contract writes them."""
    return Snapshot(
        "tieout.snapshot/1", "main", source, START,  # type: ignore[arg-type]
        positions=(Position(ASSET, amount),) if amount else (), balances=(Balance("USDT", Decimal("9000")),), orders=(),
        fills=(), activities=(),
    )  # fmt: skip


@asynccontextmanager
async def engine(folder: Path, amount: Decimal | None) -> AsyncIterator[Kept]:
    """The engine's own, in memory."""
    clock = VirtualClock(START)
    yield Kept(
        EngineBooks("main", clock) if amount is None else EngineBooks.opened_from(statement(amount), clock), clock
    )


@asynccontextmanager
async def durable(folder: Path, amount: Decimal | None) -> AsyncIterator[Kept]:
    """The engine's own, on the disk."""
    clock = VirtualClock(START)
    opened = None if amount is None else statement(amount)
    books = DurableBooks.open("main", folder / "books", clock, opened_from=opened, disk=HastyDisk())
    yield Kept(books, clock)
    books.close()


@asynccontextmanager
async def file(folder: Path, amount: Decimal | None, *, writable: bool = True) -> AsyncIterator[Kept]:
    """A snapshot file that Tieout may write."""
    path, clock = folder / "books.json", VirtualClock(START)
    if amount is not None:
        path.write_bytes(encode(statement(amount)))
    yield Kept(SnapshotFile(path, "main", clock, writable=writable), clock, path.unlink)


@asynccontextmanager
async def file_of_others(folder: Path, amount: Decimal | None) -> AsyncIterator[Kept]:
    """A snapshot file that another program writes."""
    async with file(folder, amount, writable=False) as kept:
        yield kept


@asynccontextmanager
async def pushed(folder: Path, amount: Decimal | None) -> AsyncIterator[Kept]:
    """Books that a program pushes."""
    clock, shelf = VirtualClock(START), Shelf()
    books = PushedBooks("main", shelf, clock)
    if amount is not None:
        await books.put(statement(amount))
    yield Kept(books, clock, lambda: clock.advance(3600))  # nobody pushes any more


@asynccontextmanager
async def sql(folder: Path, amount: Decimal | None) -> AsyncIterator[Kept]:
    """A database of somebody else's."""
    path, clock = folder / "books.sqlite", VirtualClock(START)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE held (asset TEXT, amount TEXT)")
        if amount is not None:
            connection.execute("INSERT INTO held VALUES (?, ?)", (ASSET, str(amount)))
        connection.commit()
    queries = {"positions": Query("SELECT asset, amount FROM held")}
    books = SqlBooks("main", SqlSource(f"sqlite:///{path}"), clock, queries=queries)  # type: ignore[arg-type]
    yield Kept(books, clock, path.unlink)


def trades(amount: Decimal | None) -> tuple[Trade, ...]:
    """A bot's trades that hold so much."""
    if amount is None:
        return ()
    # Exact in binary, for a bot has nothing but floats: amounts of these tests are.
    entry = ("buy", False, "E1", "closed", "limit", 2000.0, float(amount), float(amount), None)
    return (((ASSET, "ETH", "USDT", False, "futures", 0.001, 4), (entry,)),)


@asynccontextmanager
async def freqtrade_file(folder: Path, amount: Decimal | None) -> AsyncIterator[Kept]:
    """The database of a freqtrade bot."""
    path, clock = folder / "trades.sqlite", VirtualClock(START)
    make_database(path, *trades(amount))
    yield Kept(FreqtradeBooks("main", clock, database=path), clock, path.unlink)


@asynccontextmanager
async def freqtrade(folder: Path, amount: Decimal | None) -> AsyncIterator[Kept]:
    """A freqtrade bot, by its interface."""
    clock = VirtualClock(START)
    async with listening(Bot(*trades(amount))) as bot:
        books = FreqtradeBooks("main", clock, bot=Freqtrade(bot.url, "bot", "pass"))
        yield Kept(books, clock, lambda: setattr(bot, "listed", []))


KINDS: dict[str, Maker] = {
    "engine": engine, "durable": durable, "file": file, "file_of_others": file_of_others, "pushed": pushed, "sql": sql,
    "freqtrade_file": freqtrade_file, "freqtrade": freqtrade,
}  # fmt: skip
HERE = ("engine", "durable", "file")
ELSEWHERE = ("pushed", "freqtrade")
NOT = ("file_of_others", "sql", "freqtrade_file")
CAN_BE_LOST = tuple(name for name in KINDS if name not in ("engine", "durable"))  # those are this process itself
