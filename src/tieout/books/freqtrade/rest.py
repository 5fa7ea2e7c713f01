"""freqtrade's REST interface: what is asked of it, exactly, and never believed to be flat because it says nothing."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout

from tieout.books.freqtrade.rows import OrderKept, TradeKept, number, step_of
from tieout.errors import SourceError, SourceMalformed, SourceRefused, SourceThrottled, SourceUnreachable
from tieout.model.snapshot import Json

WHERE = "freqtrade"
SECONDS = 10
REFUSED, TOO_OFTEN = (401, 403), 429


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

    async def state(self) -> tuple[str, bool]:
        """Its state ("running", "paused", "stopped"), and whether it trades on paper.

        Raises:
            SourceError: It cannot be had.
        """
        told = await self.ask("GET", "show_config")
        try:
            return str(told["state"]).lower(), bool(told["dry_run"])
        except (KeyError, TypeError):
            raise SourceMalformed("local", WHERE, "it does not say which state it is in") from None

    async def trades(self) -> tuple[TradeKept, ...]:
        """Every open trade with its orders.

        Raises:
            SourceError: They cannot be had; or as many were not listed as it counts, before and after.
        """
        before = await self._count()
        listed = await self.ask("GET", "status")
        after = await self._count()
        if not isinstance(listed, list):
            raise SourceMalformed("local", WHERE, "it does not list its trades")
        # A failure inside it is answered with an empty list: only the count shows that.
        if before != after or len(listed) != after:
            why = f"it lists {len(listed)} open trades, and counted {before} before and {after} after"
            raise SourceMalformed("local", WHERE, why)
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
        told = await self.ask("GET", "count")
        current = told.get("current") if isinstance(told, dict) else None
        if not isinstance(current, int) or isinstance(current, bool):
            raise SourceMalformed("local", WHERE, "it does not count its trades")
        return current


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
    return OrderKept(
        order_id=str(row["order_id"]),
        entry=row["ft_order_side"] == entry,
        live=bool(row["is_open"]),
        amount=number(row["amount"]),
        filled=number(row["filled"]),
        fee_base=number(row["ft_fee_base"]),
        status=row["status"],
        type=row.get("order_type"),
        price=number(row.get("safe_price")) or None,
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
