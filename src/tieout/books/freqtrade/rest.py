"""freqtrade's REST interface: what is asked of it, exactly, and never believed to be flat because it says nothing."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout
from msgspec import Struct, ValidationError, convert

from tieout.books.freqtrade.rows import STOP, OrderKept, TradeKept, number, step_of
from tieout.errors import SourceError, SourceMalformed, SourceRefused, SourceThrottled, SourceUnreachable
from tieout.model.snapshot import Json

WHERE = "freqtrade"
SECONDS = 10
REFUSED, TOO_OFTEN = (401, 403), 429


class Bot(Struct, frozen=True):
    """What a bot says of itself.

    Attributes:
        state: "running", "paused" or "stopped".
        dry_run: Whether it trades on paper.
        adds: Whether its strategy adds to trades that are open, which no lock of a pair keeps it from.
    """

    state: str
    dry_run: bool
    adds: bool


class Counted(Struct, frozen=True):
    """How many trades there ever were, and how many of them are closed."""

    trade_count: int
    closed_trade_count: int


class Freqtrade:
    """One bot's interface.

    Args:
        url: Where it listens, without `/api/v1`.
        username: As its configuration says.
        password: The same.
    """

    def __init__(self, url: str, username: str, password: str) -> None:
        shown = base64.b64encode(f"{username}:{password}".encode()).decode()
        self._url, self._headers = f"{url.rstrip('/')}/api/v1", {"Authorization": f"Basic {shown}"}

    def __repr__(self) -> str:
        return "Freqtrade(…)"

    async def ask(self, method: str, path: str, body: object = None) -> Any:
        """What it answers, with every number as it was written.

        Raises:
            SourceError: It did not answer, refused, or answered what is no JSON.
        """
        try:
            async with (
                ClientSession(headers=self._headers, timeout=ClientTimeout(total=SECONDS)) as session,
                session.request(method, f"{self._url}/{path}", json=body, allow_redirects=False) as answer,
            ):
                raw, status = await answer.read(), answer.status
        except (TimeoutError, ClientError, OSError) as error:
            raise SourceUnreachable("local", WHERE, f"no answer ({type(error).__name__})") from None
        if status in REFUSED:
            raise SourceRefused("local", WHERE, "it does not accept the name and the password")
        if status == TOO_OFTEN:
            raise SourceThrottled("local", WHERE, "it is asked too often")
        if status >= 300:
            raise SourceUnreachable("local", WHERE, f"it answered {status} to {path.partition('/')[0]}")
        try:
            return json.loads(raw, parse_float=Decimal)
        except ValueError:
            raise SourceMalformed("local", WHERE, "what answers is not freqtrade") from None

    async def about(self) -> Bot:
        """What it says of itself.

        Raises:
            SourceError: It cannot be had.
        """
        told = await self.ask("GET", "show_config")
        try:
            adds = bool(told.get("position_adjustment_enable", True))
            return Bot(str(told["state"]).lower(), bool(told["dry_run"]), adds)
        except (KeyError, TypeError, AttributeError):
            raise SourceMalformed("local", WHERE, "it does not say which state it is in") from None

    async def trades(self) -> tuple[TradeKept, ...]:
        """Every open trade with its orders.

        Raises:
            SourceError: They cannot be had; or none were listed, and it counts some.
        """
        listed = await self.ask("GET", "status")
        if not isinstance(listed, list):
            raise SourceMalformed("local", WHERE, "it does not list its trades")
        # It lists all of them, or none: a failure inside it is an empty list, too, and only a count tells which it is.
        if not listed and (counted := await self._count()):
            raise SourceMalformed("local", WHERE, f"it lists no open trade, and counts {counted}")
        try:
            return tuple(map(_trade, listed))
        except (ValueError, KeyError, TypeError) as error:
            raise SourceMalformed("local", WHERE, f"a trade is not understood ({type(error).__name__})") from None

    async def reload(self, trade: int) -> None:
        """Have it read a trade's orders anew from the venue.

        Raises:
            SourceError: It did not answer, or refused.
        """
        await self.ask("POST", f"trades/{trade}/reload")

    async def _count(self) -> int:
        """How many trades are open, by sums over all that there ever were: `count` itself is silent while it is stopped."""
        told = await self.ask("GET", "profit")
        try:
            counted = convert(told, Counted)
        except ValidationError:
            raise SourceMalformed("local", WHERE, "it does not count its trades") from None
        return counted.trade_count - counted.closed_trade_count


def _trade(row: Json) -> TradeKept:
    short = bool(row["is_short"])
    entry = "sell" if short else "buy"
    precision, mode = row.get("amount_precision"), row.get("precision_mode")
    return TradeKept(
        id=int(row["trade_id"]),
        pair=row["pair"],
        base=row.get("base_currency") or row["pair"].partition("/")[0],
        short=short,
        futures=str(row.get("trading_mode") or "spot").lower() == "futures",
        step=step_of(None if precision is None else number(precision), None if mode is None else int(mode)),
        open_rate=number(row.get("open_rate")) or None,
        stake=row.get("quote_currency") or row.get("stake_currency"),
        orders=tuple(_order(each, entry) for each in row["orders"]),
    )


def _order(row: Json, entry: str) -> OrderKept:
    filled, stop = number(row["filled"]), row["ft_order_side"] == STOP
    return OrderKept(
        order_id=str(row["order_id"]),
        entry=row["ft_order_side"] == entry,
        stop=stop,
        live=bool(row["is_open"]),
        amount=number(row["amount"]),
        filled=filled,
        fee_base=number(row["ft_fee_base"]),
        status=row["status"],
        type=row.get("order_type"),
        # The price that it shows is the average one as soon as anything filled; of a stop it may be either of its prices.
        price=None if filled or stop else number(row.get("safe_price")) or None,
        placed_at=_moment(row.get("order_timestamp")),
        updated_at=_moment(row.get("order_filled_timestamp")),
    )


def _moment(milliseconds: object) -> datetime | None:
    if not isinstance(milliseconds, int):
        return None
    seconds, rest = divmod(milliseconds, 1000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest * 1000)


def why(error: SourceError) -> str:
    """A failure, for a sentence about what was asked of it."""
    return f"{error.why} ({error.code})"
