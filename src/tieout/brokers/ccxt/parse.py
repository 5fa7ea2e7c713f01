"""ccxt's unified dicts -> records of the model. A number that is due and missing, or is a float, makes a row unusable.

Where ccxt's unified meaning is not the contract's, `mend` has set it right from the raw row before it comes here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from tieout.model.amounts import dec, exact
from tieout.model.rules import finding
from tieout.model.snapshot import Fill, Leg, Order, OrderSide, OrderStatus, Position, Row, Settlement

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LEGS: dict[object, Leg] = {"long": "long", "short": "short", "1": "long", "2": "short"}
_LEG_FIELDS = ("positionSide", "posSide", "positionIdx")
_CLIENT_ID_FIELDS = (
    "clientOrderId",
    "clOrdId",
    "orderLinkId",
    "cloid",
    "cl_ord_id",
    "cli_ord_id",
    "clientOid",
    "client_order_id",
)
_SIDES: dict[object, OrderSide] = {"buy": "buy", "sell": "sell"}
_ENDED: dict[object, OrderStatus] = {
    "canceled": "cancelled", "cancelled": "cancelled", "expired": "expired", "rejected": "rejected",
}  # fmt: skip
_LIVE = frozenset(("open", "canceling"))


class RowError(ValueError):
    """The row breaks its format. The text names fields and never holds a value."""


class RowLeft(ValueError):
    """The row is in order, but this adapter cannot say what it means: the section is not complete."""


def number(row: Mapping[str, Any], field: str) -> Decimal | None:
    """The exact number in *field*; None where there is none.

    Raises:
        RowError: It is a float, or no decimal.
    """
    value = row.get(field)
    if value is None or value == "":
        return None
    if not isinstance(value, (str, int)):
        raise RowError(f"{field} is a {type(value).__name__}, not the text of a number")
    try:
        return dec(value)
    except ValueError:
        raise RowError(f"{field} is not an exact decimal") from None


def due(row: Mapping[str, Any], field: str) -> Decimal:
    """The exact number in *field*, which has to be there.

    Raises:
        RowError: It is not.
    """
    value = number(row, field)
    if value is None:
        raise RowError(f"{field} is missing")
    return value


def price(row: Mapping[str, Any], *fields: str) -> Decimal | None:
    """The first of *fields* that holds a price; 0 is how venues write that there is none."""
    for field in fields:
        value = number(row, field)
        if value:
            return value
    return None


def moment(row: Mapping[str, Any], field: str) -> datetime | None:
    """The time in *field*, in milliseconds since 1970 (an int, or text that may have a fraction), to the microsecond."""
    told = number(row, field)
    return None if told is None else EPOCH + timedelta(microseconds=int(told.scaleb(3)))


def at_milliseconds(told: int) -> datetime:
    """The moment *told* milliseconds after the start of 1970."""
    return EPOCH + timedelta(milliseconds=told)


def milliseconds(at: datetime) -> int:
    """*at* in whole milliseconds since 1970, rounded down."""
    return (at - EPOCH) // timedelta(milliseconds=1)


def identifier(value: object) -> str | None:
    """An id as text; venues write none as nothing, as an empty text, or as 0."""
    text = "" if value is None else str(value)
    return None if text in ("", "0") else text


def raw(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """The venue's own row where it is an object; venues that send arrays have no named fields."""
    info = row.get("info")
    return info if isinstance(info, dict) else {}


def settlement(market: Mapping[str, Any]) -> Settlement | None:
    """How a fill in *market* moves cash; None where ccxt does not say."""
    if market.get("linear"):
        return "margin"
    if market.get("inverse"):
        return "inverse"
    return "cash" if market.get("spot") else None


def position(row: Mapping[str, Any], market: Mapping[str, Any]) -> Position | None:
    """A position row, signed by its side; None where it is zero.

    Raises:
        RowError: Its amount or its side is missing or makes no sense.
    """
    contracts, side = due(row, "contracts"), _LEGS.get(row.get("side"))
    if not contracts:
        return None
    if side is None or contracts < 0:
        raise RowError("a position without a side")
    size = price(row, "contractSize")
    record = Position(
        asset=row["symbol"],
        amount=contracts if side == "long" else -contracts,
        side=side if row.get("hedged") else "net",
        average_price=price(row, "entryPrice"),
        market_price=price(row, "markPrice"),
        currency=market.get("settle") or market.get("quote"),
        multiplier=price(market, "contractSize") if size is None else size,
        settlement="margin" if market.get("spot") else settlement(market),
        **_names(market),
    )
    _check(record)
    return record


def order(row: Mapping[str, Any]) -> Order:
    """An order, live or ended.

    Raises:
        RowError: A required field is missing or makes no sense.
    """
    info, kind = raw(row), str(row.get("type") or "").lower() or None
    quantity, filled = due(row, "amount"), number(row, "filled")
    record = Order(
        asset=row["symbol"],
        side=_side(row),
        quantity=quantity,
        status=status(row.get("status"), quantity, filled),
        broker_order_id=identifier(row.get("id")),
        client_order_id=identifier(row.get("clientOrderId")),
        type=kind,
        filled=filled,
        limit_price=None if kind is None or "market" in kind else price(row, "price"),
        stop_price=price(row, "triggerPrice", "stopPrice"),
        created_at=moment(row, "timestamp"),
        updated_at=moment(row, "lastUpdateTimestamp"),
        position_side=leg(info),
    )
    _check(record)
    return record


def status(told: object, quantity: Decimal, filled: Decimal | None) -> OrderStatus:
    """The contract's word for ccxt's status; `unknown` where it proves nothing, as *closed* with a part unfilled does."""
    if told in _LIVE:
        return "partially_filled" if filled else "open"
    if told == "closed" and filled is not None and filled == quantity:
        return "filled"
    return _ENDED.get(told, "unknown")


def fill(row: Mapping[str, Any], market: Mapping[str, Any]) -> Fill:
    """An execution; its fee is above 0 where it was paid.

    Raises:
        RowError: A required field is missing or makes no sense.
    """
    info, at, fill_id = raw(row), moment(row, "timestamp"), identifier(row.get("id"))
    if at is None or fill_id is None:
        raise RowError("a fill without its time or its id")
    fee, fee_currency = _fee(row)
    record = Fill(
        fill_id=fill_id,
        asset=row["symbol"],
        side=_side(row),
        quantity=due(row, "amount"),
        price=due(row, "price"),
        at=at,
        broker_order_id=identifier(row.get("order")),
        client_order_id=next((text for name in _CLIENT_ID_FIELDS if (text := identifier(info.get(name)))), None),
        fee=fee,
        fee_currency=fee_currency,
        liquidation=row.get("liquidation"),
        settlement=row.get("settlement") or settlement(market),
        position_side=leg(info),
        **_names(market),
    )
    _check(record)
    return record


def leg(info: Mapping[str, Any]) -> Leg | None:
    """The leg of a hedge-mode account that a raw order or fill belongs to; None where the venue names none."""
    told = next((info[name] for name in _LEG_FIELDS if info.get(name) is not None), None)
    return _LEGS.get(str(told).lower())


@exact
def net(rows: Iterable[Position]) -> tuple[Position, ...]:
    """One row for each asset and leg: venues list margin modes apart. Mixed prices are given up, not averaged."""
    merged: dict[tuple[str, Leg], Position] = {}
    for row in rows:
        known = merged.get((row.asset, row.leg))
        if known is not None:
            same = known.average_price == row.average_price
            amount = known.amount + row.amount
            row = replace(known, amount=amount, average_price=known.average_price if same else None)
        merged[row.asset, row.leg] = row
    return tuple(row for row in merged.values() if row.amount)


@exact
def _fee(row: Mapping[str, Any]) -> tuple[Decimal | None, str | None]:
    fees = row.get("fees") or [row.get("fee") or {}]
    costs = [(number(fee, "cost"), fee.get("currency")) for fee in fees]
    known = [(cost, currency) for cost, currency in costs if cost is not None]
    if not known:
        return None, None
    if len({currency for _, currency in known}) > 1:
        raise RowError("fees in more than one currency")
    return sum((cost for cost, _ in known), Decimal(0)), known[0][1]


def _side(row: Mapping[str, Any]) -> OrderSide:
    side = _SIDES.get(row.get("side"))
    if side is None:
        raise RowError("side is neither buy nor sell")
    return side


def _names(market: Mapping[str, Any]) -> dict[str, Any]:
    """What the cash is booked in: a contract's profit moves its settle currency, a spot pair both of its own."""
    if market.get("spot"):
        return {"base": market.get("base"), "quote": market.get("quote")}
    return {"quote": market.get("settle") or market.get("quote")}


def _check(record: Row) -> None:
    broken = finding(record)
    if broken:
        raise RowError(f"{broken[0]}: {broken[1]}")
