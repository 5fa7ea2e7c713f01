"""freqtrade's SQLite database, opened for reading only and read in one transaction."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from tieout.books.freqtrade.rows import STOP, OrderKept, TradeKept, number, step_of
from tieout.errors import SourceMalformed, SourceUnreachable
from tieout.model.snapshot import Json

WHERE = "freqtrade database"
NEEDED = {
    "trades": {
        "id",
        "pair",
        "base_currency",
        "is_open",
        "is_short",
        "trading_mode",
        "amount_precision",
        "precision_mode",
    },
    "orders": {
        "ft_trade_id",
        "ft_order_side",
        "ft_is_open",
        "order_id",
        "status",
        "filled",
        "ft_amount",
        "ft_fee_base",
    },
}
# A closed trade may have an order that is open: then all of its orders count, for one alone says nothing of what it holds.
_OPEN = "(t.is_open OR EXISTS (SELECT 1 FROM orders live WHERE live.ft_trade_id = t.id AND live.ft_is_open))"
_TRADES = f"""SELECT id, pair, base_currency, stake_currency, is_short, trading_mode, amount_precision, precision_mode,
open_rate
FROM trades t WHERE {_OPEN} ORDER BY id"""
_ORDERS = f"""SELECT o.* FROM orders o JOIN trades t ON t.id = o.ft_trade_id
WHERE {_OPEN} ORDER BY o.id"""


def read_trades(path: Path) -> tuple[TradeKept, ...]:
    """Every open trade with its orders, as they stand together.

    Raises:
        SourceUnreachable: The file is not there, or is locked.
        SourceMalformed: It is no database of freqtrade's that is understood here.
    """
    if not path.is_file():
        raise SourceUnreachable("local", WHERE, "the file is not there")
    resting = _rests(path)
    # mode=ro sees what is still in the write-ahead log. Where there is none it would make one, in the bot's folder and of our
    # owner, which the bot might not open: what nobody writes is read as immutable instead.
    address = f"file:{quote(str(path.absolute()))}?mode=ro{'&immutable=1' if resting else ''}"
    try:
        with closing(sqlite3.connect(address, uri=True, timeout=5, isolation_level=None)) as connection:
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA query_only=ON")
            connection.execute("BEGIN")
            _require_known(connection)
            trades, orders = connection.execute(_TRADES).fetchall(), connection.execute(_ORDERS).fetchall()
    except sqlite3.OperationalError as error:
        raise SourceUnreachable("local", WHERE, f"it cannot be read now ({error.sqlite_errorname})") from None
    except sqlite3.DatabaseError:
        raise SourceMalformed("local", WHERE, "it is no SQLite database, or a damaged one") from None
    if resting and not _rests(path):
        raise SourceUnreachable("local", WHERE, "the bot began to write while it was read")
    by_trade: dict[int, list[OrderKept]] = {}
    entries = {row["id"]: "sell" if row["is_short"] else "buy" for row in trades}
    try:
        for row in orders:
            by_trade.setdefault(row["ft_trade_id"], []).append(_order(dict(row), entries))
        return tuple(_trade(dict(row), tuple(by_trade.get(row["id"], ()))) for row in trades)
    except (ValueError, KeyError, TypeError) as error:
        raise SourceMalformed("local", WHERE, f"a row is not understood ({type(error).__name__})") from None


def _rests(path: Path) -> bool:
    """Whether nobody has it open: it is one that is written by a log, and there is none."""
    try:
        with path.open("rb") as file:
            logged = file.read(20)[18:] == b"\2\2"  # the header's words for how it is written and read
        return logged and not path.with_name(f"{path.name}-wal").exists()
    except OSError as error:
        raise SourceUnreachable("local", WHERE, f"it cannot be read now ({type(error).__name__})") from None


def _require_known(connection: sqlite3.Connection) -> None:
    for table, needed in NEEDED.items():
        there = {row["name"] for row in connection.execute(f"PRAGMA table_info({table})")}
        if not needed <= there:
            lacking = ", ".join(sorted(needed - there)) if there else f"the table {table}"
            raise SourceMalformed("local", WHERE, f"it lacks {lacking}: of another program, or another version")


def _trade(row: Json, orders: tuple[OrderKept, ...]) -> TradeKept:
    base = row["base_currency"] or row["pair"].partition("/")[0]
    precision = row["amount_precision"]
    return TradeKept(
        id=row["id"],
        pair=row["pair"],
        base=base,
        short=bool(row["is_short"]),
        futures=str(row["trading_mode"] or "spot").lower() == "futures",
        step=step_of(None if precision is None else number(precision), row["precision_mode"]),
        open_rate=number(row["open_rate"]) or None,
        stake=row["stake_currency"],
        orders=orders,
    )


def _order(row: Json, entries: dict[int, str]) -> OrderKept:
    amount = row.get("amount")
    return OrderKept(
        order_id=str(row["order_id"]),
        entry=row["ft_order_side"] == entries[row["ft_trade_id"]],
        stop=row["ft_order_side"] == STOP,
        live=bool(row["ft_is_open"]),
        amount=number(row["ft_amount"] if amount is None else amount),
        filled=number(row["filled"]),
        fee_base=number(row["ft_fee_base"]),
        status=row["status"],
        type=row.get("order_type"),
        price=number(row.get("price")) or None,
        stop_price=number(row.get("stop_price")) or None,
        placed_at=_moment(row.get("order_date")),
        updated_at=_moment(row.get("order_update_date") or row.get("order_filled_date")),
    )


def _moment(text: str | None) -> datetime | None:
    """A time as SQLAlchemy writes one into SQLite: UTC, without saying so."""
    return None if text is None else datetime.fromisoformat(text).replace(tzinfo=UTC)
