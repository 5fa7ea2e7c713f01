"""The world's records as Alpaca writes them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5

from tieout.brokers.simulated import World
from tieout.brokers.simulated.facts import Priced
from tieout.brokers.simulated.instruments import rounded
from tieout.model.amounts import ZERO, exact, ratio
from tieout.model.snapshot import Activity, Balance, Fill, Order, Position

from .bodies import text

Json = dict[str, Any]

_NAMESPACE = UUID("6f0d6f1c-5f0e-4d52-9a36-1d1f3a5e7c11")
_STATUSES = {"open": "new", "pending": "pending_new", "cancelled": "canceled"}
_CASH = {
    "deposit": "CSD", "withdrawal": "CSW", "transfer": "JNLC", "fee": "FEE", "interest": "INT", "dividend": "DIV",
    "rebate": "PTR", "cash_in_lieu": "CIL",
}  # fmt: skip
_UNITS = {
    "deposit": "CSD", "withdrawal": "CSW", "transfer": "ACATS", "fee": "CFEE", "split": "SSP", "symbol_change": "NC",
    "expiry": "OPEXP", "assignment": "OPASN", "merger": "MA", "spin_off": "SSO", "conversion": "REORG",
}  # fmt: skip
_OPTION = Decimal(100)


def alpaca_id(ours: str) -> str:
    """The UUID that an id of the world has at Alpaca."""
    return str(uuid5(_NAMESPACE, ours))


def time_text(at: datetime) -> str:
    """*at* as Alpaca writes it."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def new_york(at: datetime) -> datetime:
    """What New York's clocks show at *at*: an hour more from March's second Sunday to November's first, 7:00 and 6:00 UTC."""
    year = at.year
    march, november = datetime(year, 3, 8, 7, tzinfo=UTC), datetime(year, 11, 1, 6, tzinfo=UTC)
    begins = march + timedelta(days=(6 - march.weekday()) % 7)
    ends = november + timedelta(days=(6 - november.weekday()) % 7)
    return (at - timedelta(hours=4 if begins <= at < ends else 5)).replace(tzinfo=None)


def record_id(at: datetime, ours: str) -> str:
    """The id of a fill or an activity: New York's time to the millisecond, and a UUID."""
    local = new_york(at)
    return f"{local:%Y%m%d%H%M%S}{local.microsecond // 1000:03d}::{alpaca_id(ours)}"


def kind_of(asset: str, multiplier: Decimal | None = None) -> str:
    """The class of an instrument: pairs are coins, contracts of a hundred are options, all else are shares."""
    if "/" in asset:
        return "crypto"
    return "us_option" if multiplier == _OPTION else "us_equity"


def _holding(symbol: str, kind: str, amount: Decimal, free: Decimal) -> Json:
    side = "short" if amount < 0 else "long"
    return {
        "asset_id": alpaca_id(symbol), "symbol": symbol, "asset_class": kind,
        "exchange": "CRYPTO" if kind == "crypto" else "NASDAQ", "asset_marginable": kind == "us_equity",
        "qty": text(amount), "qty_available": text(free), "side": side,
    }  # fmt: skip


@exact
def worth(positions: Iterable[Position]) -> Json:
    """What the account says of its holdings' worth; without a price, what they cost."""
    values = [row.amount * (row.multiplier or 1) * (row.market_price or row.average_price or ZERO) for row in positions]
    long, short = (sum((value for value in values if value * sign > 0), ZERO) for sign in (1, -1))
    return {"long_market_value": text(long), "short_market_value": text(short)}


@exact
def position_row(row: Position, orders: Iterable[Order]) -> Json:
    """A holding; *orders* are those that are live, for what they hold back."""
    closing = "sell" if row.amount > 0 else "buy"
    back = sum((each.remaining for each in orders if (each.asset, each.side) == (row.asset, closing)), ZERO)
    free = max(abs(row.amount) - back, ZERO)
    held = _holding(row.asset, kind_of(row.asset, row.multiplier), row.amount, free)
    return held | _worth(row.amount * (row.multiplier or 1), row.average_price, row.market_price)


@exact
def coin_row(row: Balance, currency: str, market: Priced | None, fills: Iterable[Fill]) -> Json:
    """A coin that is held, as a holding of its pair with the account's currency; what *fills* bought made its average."""
    bought = [fill for fill in fills if (fill.asset, fill.side) == (f"{row.currency}/{currency}", "buy")]
    units = sum((fill.quantity for fill in bought), ZERO)
    average = rounded(ratio(sum((fill.quantity * fill.price for fill in bought), ZERO), units)) if units else None
    held = _holding(f"{row.currency}{currency}", "crypto", row.total, row.available or ZERO)
    return held | _worth(row.total, average, market.price if market else None)


def _worth(units: Decimal, average: Decimal | None, price: Decimal | None) -> Json:
    """What a holding cost and is worth; what nobody knows is null."""
    cost = None if average is None else units * average
    worth = None if price is None else units * price
    gain = None if cost is None or worth is None else worth - cost
    return {
        "avg_entry_price": _told(average), "current_price": _told(price), "lastday_price": _told(price),
        "market_value": _told(worth), "cost_basis": _told(cost), "unrealized_pl": _told(gain),
        "unrealized_intraday_pl": _told(gain), "unrealized_plpc": "0", "unrealized_intraday_plpc": "0",
        "change_today": "0",
    }  # fmt: skip


def _told(value: Decimal | None) -> str | None:
    return None if value is None else text(value)


def order_row(order: Order, *, held: bool) -> Json:
    """An order, without what depends on its family."""
    ours, at = order.broker_order_id or "", order.updated_at
    ended = {"filled": "filled_at", "cancelled": "canceled_at", "expired": "expired_at", "rejected": "failed_at"}
    times = {name: time_text(at) if at and ended.get(order.status) == name else None for name in ended.values()}
    created = time_text(order.created_at) if order.created_at else None
    return times | {
        "id": alpaca_id(ours), "client_order_id": order.client_order_id or alpaca_id(f"client of {ours}"),
        "created_at": created, "submitted_at": created, "updated_at": time_text(at) if at else created,
        "replaced_at": None, "replaced_by": None, "replaces": None,
        "asset_id": alpaca_id(order.asset), "symbol": order.asset, "asset_class": kind_of(order.asset),
        "notional": None, "qty": text(order.quantity), "filled_qty": text(order.done), "filled_avg_price": None,
        "order_type": order.type, "type": order.type, "side": order.side, "time_in_force": "gtc",
        "limit_price": _told(order.limit_price), "stop_price": _told(order.stop_price),
        "status": "held" if held else _STATUSES.get(order.status, order.status), "extended_hours": False,
    }  # fmt: skip


def fill_row(fill: Fill) -> Json:
    """A fill among the activities."""
    return {
        "id": record_id(fill.at, fill.fill_id), "activity_type": "FILL", "transaction_time": time_text(fill.at),
        "type": "fill", "price": text(fill.price), "qty": text(fill.quantity), "side": fill.side, "symbol": fill.asset,
        "leaves_qty": "0", "order_id": alpaca_id(fill.broker_order_id or ""), "cum_qty": text(fill.quantity),
        "order_status": "filled",
    }  # fmt: skip


def activity_rows(activity: Activity, world: World, account: str) -> list[Json]:
    """An activity: one row for money, or one for each asset whose units went or came.

    A kind that Alpaca has no word for keeps its own name, which no adapter knows.
    """
    if activity.currency is not None:
        home = world.state.account(account).currency
        if activity.currency == home:
            return [_row(activity, _CASH, {"net_amount": _told(activity.amount)})]
        return [_units(activity, f"{activity.currency}{home}", activity.amount)]
    old, new = _moved(activity, world, account)
    rows = [_units(activity, activity.asset or "", old)]
    return rows if new is None else [*rows, _units(activity, activity.new_asset or activity.asset or "", new, "new")]


def _units(activity: Activity, symbol: str, amount: Decimal | None, apart: str = "") -> Json:
    return _row(activity, _UNITS, {"net_amount": "0", "symbol": symbol, "qty": _told(amount)}, apart)


def _row(activity: Activity, words: dict[str, str], more: Json, apart: str = "") -> Json:
    return {
        "id": record_id(activity.at, activity.activity_id + apart),
        "activity_type": words.get(activity.kind, activity.kind.upper()),
        "date": f"{new_york(activity.at):%Y-%m-%d}", "status": "executed",
    } | more  # fmt: skip


@exact
def _moved(activity: Activity, world: World, account: str) -> tuple[Decimal | None, Decimal | None]:
    """The units that went and that came. For a split and a rename, that is what was held before and after."""
    if activity.kind not in ("split", "symbol_change"):
        return activity.amount, activity.new_amount
    before = world.past(activity.at - timedelta(microseconds=1)).account(account).leg(activity.asset or "", "net")
    after = world.past(activity.at).account(account).leg(activity.new_asset or activity.asset or "", "net")
    return -before, after
