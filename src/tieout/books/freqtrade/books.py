"""`FreqtradeBooks`: what a freqtrade bot believes. It corrects itself, by reading a trade anew from its venue."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence, Set
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from tieout.books.base import CanApply, Handed
from tieout.books.freqtrade.database import read_trades
from tieout.books.freqtrade.rest import Freqtrade, why
from tieout.books.freqtrade.rows import TradeKept, balances, orders, positions
from tieout.books.keeping import Shelf, said_of_books
from tieout.clock import Clock
from tieout.errors import BookError, SourceError, SourceMalformed
from tieout.model.changes import BookFill, Change, ReverseFill, SetBalance, SetPosition
from tieout.model.codec import sound
from tieout.model.snapshot import Snapshot


class FreqtradeBooks:
    """One account's books (`books.base.BooksElsewhere` where the bot can be asked, read only where just its file can).

    Args:
        account: Whose they are.
        clock: What moments are taken from.
        bot: Its interface; None reads *database*.
        database: Its SQLite database, where there is no interface.
        shelf: Where it is kept what it was had to reload, so that a restart knows; None keeps it for this process.
        dry_run: Whether it is meant to trade on paper.
        correction_seconds: How long after a reload the books are waited for.
    """

    def __init__(
        self,
        account: str,
        clock: Clock,
        *,
        bot: Freqtrade | None = None,
        database: Path | None = None,
        shelf: Shelf | None = None,
        dry_run: bool = False,
        correction_seconds: int = 300,
    ) -> None:
        assert bot is not None or database is not None, "something to read"
        self._account, self._clock, self._bot, self._database = account, clock, bot, database
        self._dry_run, self._patience = dry_run, timedelta(seconds=correction_seconds)
        self.can_apply = CanApply.NOT if bot is None else CanApply.ELSEWHERE
        self._shelf, self._asked = shelf, dict[str, datetime]()

    async def read(self) -> Snapshot:
        """Its open trades and orders as they stand.

        Raises:
            SourceError: They could not be read whole, or it trades on paper where it is not meant to.
        """
        trades, now = await self._trades(), self._clock.now()
        futures = {trade.futures for trade in trades}
        if len(futures) > 1:
            raise SourceMalformed("local", "freqtrade", "it has trades of spot and of futures in one database")
        # Without a trade it may be either: it holds no position, and of coins it says nothing.
        held = None if futures == {True} else balances(trades)
        rows = None if futures == {False} else positions(trades)
        live = orders(trades)
        if not all(sound(each) for each in (held or (), rows or (), live)):
            raise SourceMalformed("local", "freqtrade", "a row of it breaks a rule of the contract")
        return Snapshot(
            schema="tieout.snapshot/1",
            account=self._account,
            source="local",
            as_of=now,
            positions=rows,
            balances=held,
            orders=live,
            # It knows the coins of its trades, and of no other cash: what it does not list is not therefore gone.
            coverage=None if held is None else {"balances": "partial"},
        )

    async def apply(self, changes: Sequence[Change], *, reason: str) -> None:
        """Refused: nothing is written into its database, which it has in memory as well.

        Raises:
            BookError: Always.
        """
        raise BookError(
            f"account {self._account}", "freqtrade keeps its books itself; it can only be had to reload them"
        )

    async def adopt(self, statement: Snapshot) -> None:
        """Refused alike.

        Raises:
            BookError: Always.
        """
        raise BookError(f"account {self._account}", "freqtrade keeps its books itself, and opens them itself")

    async def hand_over(self, correction: str, changes: Sequence[Change], *, reason: str) -> None:
        """Have it read the trades anew that *changes* are about, from the venue itself.

        Raises:
            BookError: It has no open trade there, or did not take the request.
        """
        assert self._bot is not None, "read only without it"
        names = {_asset(change) for change in changes} - {None}
        try:
            found = [trade for trade in await self._trades() if {trade.pair, trade.base} & names]
            for trade in found:
                await self._bot.reload(trade.id)
        except SourceError as error:
            raise BookError(f"account {self._account}", f"freqtrade was not had to reload: {why(error)}") from error
        if not found:
            told = ", ".join(sorted(name for name in names if name)) or "what differs"
            raise BookError(f"account {self._account}", f"freqtrade has no open trade of {told} that it could reload")
        asked = {**await self._kept(), correction: self._clock.now()}
        self._asked = dict(list(asked.items())[-MOST_KEPT:])
        if self._shelf is not None:
            raw = _encoder.encode(self._asked)
            await said_of_books(self._account, self._shelf.change(self._account, lambda _: (raw, None)))

    async def handed(self, correction: str) -> Handed | None:
        """What became of a reload, where the books do not show it."""
        asked = (await self._kept()).get(correction)
        if asked is None:
            return None
        since = self._clock.now() - asked
        said = f"freqtrade was had to reload {since // timedelta(seconds=1)} seconds ago, and its books do not show it"
        return Handed(said=said, over=since > self._patience)

    async def held_up(self) -> str | None:
        """Nothing: each reload stands for itself."""
        return None

    async def waiting(self) -> Set[str]:
        """None: a reload is done once it was asked for."""
        return frozenset()

    async def withdraw(self, but: Collection[str]) -> None:
        """Nothing, for the same reason."""

    async def _kept(self) -> dict[str, datetime]:
        if self._shelf is None or self._asked:
            return self._asked
        raw = await said_of_books(self._account, self._shelf.content(self._account))
        return {} if raw is None else _decoder.decode(raw)

    async def _trades(self) -> tuple[TradeKept, ...]:
        if self._bot is None:
            assert self._database is not None, "one of the two"
            trades = await asyncio.to_thread(read_trades, self._database)
            for on_paper in {order.on_paper for trade in trades for order in trade.orders}:
                self._require_meant(on_paper)
            return trades
        self._require_meant((await self._bot.about()).dry_run)
        return await self._bot.trades()

    def _require_meant(self, on_paper: bool) -> None:
        if on_paper is not self._dry_run:
            told = "on paper" if on_paper else "for real"
            raise SourceMalformed("local", "freqtrade", f"it trades {told}, and dry_run says otherwise")


MOST_KEPT = 500  # corrections
_encoder, _decoder = msgspec.msgpack.Encoder(), msgspec.msgpack.Decoder(dict[str, datetime])


def _asset(change: Change) -> str | None:
    match change:
        case BookFill(fill) | ReverseFill(fill):
            return fill.asset
        case SetPosition():
            return change.asset
        case SetBalance():
            return change.currency
    order = getattr(change, "order", None)
    return None if order is None else str(order.asset)
