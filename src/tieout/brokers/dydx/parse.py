"""The indexer's rows of orders, fills, transfers and funding -> records of the model."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TypeVar

from msgspec import Struct

from tieout.brokers.dydx.holdings import USDC
from tieout.brokers.dydx.owner import Owner
from tieout.brokers.dydx.rows import (
    Json,
    RowError,
    RowLeft,
    moment,
    moment_if_any,
    number,
    number_if_any,
    table,
    text,
    whole,
)
from tieout.model.amounts import ZERO, exact
from tieout.model.rules import finding
from tieout.model.snapshot import Activity, ActivityKind, Fill, Order, OrderSide, OrderStatus

R = TypeVar("R", Order, Fill, Activity)

# What can still trade. A validator's word is no block: an order that is cancelled by best effort may fill until its block has
# passed, and one that rests in memory is known by best effort only.
CANCELLED_BY_BEST_EFFORT = "BEST_EFFORT_CANCELED"
LIVE = ("OPEN", "UNTRIGGERED", "BEST_EFFORT_OPENED", CANCELLED_BY_BEST_EFFORT)
_STATUS: dict[str, OrderStatus] = {
    **dict.fromkeys(LIVE, "open"), "FILLED": "filled", "CANCELED": "cancelled", "ERROR": "unknown",
}  # fmt: skip
_SIDES: dict[object, OrderSide] = {"BUY": "buy", "SELL": "sell"}
_FORCED = {
    **dict.fromkeys(("LIQUIDATED", "DELEVERAGED", "OFFSETTING"), True),
    **dict.fromkeys(("LIMIT", "TWAP_SUBORDER", "LIQUIDATION"), False),  # LIQUIDATION: it was somebody else's
}
_MOVES: dict[str, ActivityKind] = {
    "DEPOSIT": "deposit", "WITHDRAWAL": "withdrawal", "TRANSFER_IN": "transfer", "TRANSFER_OUT": "transfer",
}  # fmt: skip


class Entry(Struct, frozen=True):
    """One row of a paged list: when it was, in which block, and the record that it is, None where it moves nothing here."""

    id: str
    at: datetime
    height: int
    record: Fill | Activity | None


def order(row: Json, owner: Owner, height: int) -> Order:
    """An order, live or ended, as it stands after block *height*.

    Raises:
        RowError: The row breaks its format, or is somebody else's.
        RowLeft: A status that nobody here knows.
    """
    if not is_ours(row, owner):
        raise RowError("an order of somebody else")
    kind, quantity, filled = text(row, "type").lower(), number(row, "size"), number(row, "totalFilled")
    record = Order(
        asset=text(row, "ticker"),
        side=_side(row),
        quantity=quantity,
        status=_status(row, filled, height),
        broker_order_id=text(row, "id"),
        client_order_id=text(row, "clientId"),
        type=kind,
        filled=filled,
        limit_price=None if "market" in kind else number(row, "price"),
        stop_price=number_if_any(row, "triggerPrice") or None,
        created_at=moment_if_any(row, "createdAt"),
        updated_at=moment_if_any(row, "updatedAt"),
    )
    return _checked(record)


def is_ours(row: Json, owner: Owner) -> bool:
    """Whether an order is the account's: anybody's can be asked for by its id.

    Raises:
        RowError: The row does not say whose it is.
    """
    number = whole(row, "subaccountNumber")
    return owner.holds(number) and text(row, "subaccountId") == owner.subaccount_id(number)


def _status(row: Json, filled: Decimal, height: int) -> OrderStatus:
    told = text(row, "status")
    if told not in _STATUS:
        raise RowLeft("an order with a status that is not known here")
    if told in LIVE and row.get("goodTilBlock") is not None and height > whole(row, "goodTilBlock"):
        return "cancelled" if told == CANCELLED_BY_BEST_EFFORT else "expired"
    return "partially_filled" if told in LIVE and filled else _STATUS[told]


@exact
def fill(row: Json, owner: Owner) -> Entry:
    """An execution; what a builder takes comes on top of the venue's fee.

    Raises:
        RowError: The row breaks its format, or is somebody else's.
    """
    _require_ours(row, owner)
    if text(row, "marketType") != "PERPETUAL":
        raise RowLeft("a fill in a kind of market that is not known here")
    record = Fill(
        fill_id=text(row, "id"),
        asset=text(row, "market"),
        side=_side(row),
        quantity=number(row, "size"),
        price=number(row, "price"),
        at=moment(row, "createdAt"),
        broker_order_id=None if row.get("orderId") is None else text(row, "orderId"),
        fee=number(row, "fee") + (number_if_any(row, "builderFee") or ZERO),
        fee_currency=USDC,
        liquidation=_FORCED.get(text(row, "type")),
        settlement="cash",
        quote=USDC,
    )
    return Entry(record.fill_id, record.at, whole(row, "createdAtHeight"), _checked(record))


def transfer(row: Json, owner: Owner) -> Entry:
    """Money that came or went; between two sub-accounts of this account nothing does, though the venue lists it.

    Raises:
        RowError: The row breaks its format, or neither end is this account.
    """
    ends = table(row.get("sender"), "sender"), table(row.get("recipient"), "recipient")
    (from_us, from_chain), (to_us, to_chain) = (_end(end, owner) for end in ends)
    size, told = number(row, "size"), text(row, "type")
    if size < 0 or not (from_us or to_us) or told not in _MOVES:
        raise RowError("a transfer that contradicts itself")
    at, height, id_ = moment(row, "createdAt"), whole(row, "createdAtHeight"), text(row, "id")
    if (from_us and to_us) or not size:
        return Entry(id_, at, height, None)
    kind: ActivityKind = "deposit" if from_chain else "withdrawal" if to_chain else "transfer"
    if _MOVES[told] != kind:
        raise RowError("a transfer whose kind is not that of its ends")
    amount = size if to_us else -size
    return Entry(id_, at, height, _checked(Activity(id_, kind, at, currency=text(row, "symbol"), amount=amount)))


def _end(end: Json, owner: Owner) -> tuple[bool, bool]:
    """Whether one end of a transfer is this account, and whether it is a wallet on the chain instead of a sub-account."""
    of = next((end[name] for name in ("subaccountNumber", "parentSubaccountNumber") if end.get(name) is not None), None)
    if of is None:
        return False, text(end, "address") != ""
    return text(end, "address") == owner.address and owner.holds(whole({"of": of}, "of")), False


def funding(row: Json, owner: Owner) -> Entry:
    """A funding payment, above 0 where it was received. The indexer gives it no id: block, market and sub-account name it.

    Raises:
        RowError: The row breaks its format, or is somebody else's.
    """
    _require_ours(row, owner)
    at, height = moment(row, "createdAt"), whole(row, "createdAtHeight")
    id_ = f"funding-{height}-{whole(row, 'perpetualId')}-{whole(row, 'subaccountNumber')}"
    amount = number(row, "payment")
    record = Activity(id_, "funding", at, currency=USDC, amount=amount) if amount else None
    return Entry(id_, at, height, None if record is None else _checked(record))


def _require_ours(row: Json, owner: Owner) -> None:
    if not owner.holds(whole(row, "subaccountNumber")):
        raise RowError("a row of somebody else")


def _side(row: Json) -> OrderSide:
    side = _SIDES.get(row.get("side"))
    if side is None:
        raise RowError("side is neither BUY nor SELL")
    return side


def _checked(record: R) -> R:
    broken = finding(record)
    if broken:
        raise RowError(f"{broken[0]}: {broken[1]}")
    return record
