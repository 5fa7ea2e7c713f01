"""Messages of TWS as texts -> rows of the model. Numbers are read from their text, never from ib_async's floats."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec.structs import replace

from tieout.model.amounts import dec, exact, ratio
from tieout.model.snapshot import Balance, Fill, Order, OrderStatus, Position, Settlement

Fields = Sequence[str]
UNSET = ("", "1.7976931348623157E308", "1.7976931348623157e+308", "2147483647", "9223372036854775807")
PER_CONTRACT = ("FUT", "OPT", "FOP", "WAR", "CFD")  # what they cost is told with the multiplier in it
MARGINED = ("FUT", "CFD")
TYPES = {"MKT": "market", "LMT": "limit", "STP": "stop", "STP LMT": "stop_limit"}
STOPS = ("STP", "STP LMT", "MIT", "LIT", "TRAIL", "TRAIL LIMIT")
STATUSES: dict[str, OrderStatus] = {
    "ApiPending": "pending",
    "PendingSubmit": "pending",
    "PreSubmitted": "open",
    "Submitted": "open",
    "PendingCancel": "open",  # until it is cancelled it can trade
    "Filled": "filled",
    "Cancelled": "cancelled",
    "ApiCancelled": "cancelled",
}
WORTH = ("GrossPositionValue", "StockMarketValue", "OptionMarketValue", "FutureOptionValue", "CorporateBondValue")
AVERAGE = Decimal("1e-12")


class BadRow(ValueError):
    """A message that breaks TWS's own format; in words without amounts."""


def number(text: str) -> Decimal | None:
    """An exact number; None where TWS says that there is none.

    Raises:
        BadRow: It is no number.
    """
    if text in UNSET:
        return None
    try:
        return dec(text)
    except ValueError:
        raise BadRow("a number that is none") from None


def needed(text: str) -> Decimal:
    """A number that has to be there.

    Raises:
        BadRow: It is not.
    """
    found = number(text)
    if found is None:
        raise BadRow("a number is missing")
    return found


def asset_name(symbol: str, local_symbol: str) -> str:
    """What an instrument is called: its local symbol, with single spaces.

    Raises:
        BadRow: It has no name.
    """
    name = " ".join((local_symbol or symbol).split())
    if not name:
        raise BadRow("an instrument without a name")
    return name


def settlement(kind: str) -> Settlement:
    """How trades of a kind of instrument move cash."""
    return "margin" if kind in MARGINED else "cash"


@exact
def position(row: Fields) -> tuple[int, Position]:
    """A position (message 61), with the id of its contract.

    Raises:
        BadRow: The message is none.
    """
    _, version, _, contract, symbol, kind, _, _, _, multiplier, _, currency, local, _, held, cost = _of(row, 16)
    _require_version(version, "3")
    each, price = number(multiplier), number(cost)
    if price is not None and each and kind in PER_CONTRACT:
        price = ratio(price, each).quantize(AVERAGE, ROUND_HALF_EVEN).normalize()
    return _contract(contract), Position(
        asset=asset_name(symbol, local),
        amount=needed(held),
        average_price=price,
        currency=currency or None,
        multiplier=each or None,
        settlement=settlement(kind),
        quote=currency or None,
    )


def cash(rows: Iterable[Fields], account: str) -> tuple[Balance, ...]:
    """Cash by currency (messages 73, tag CashBalance): what is there, without profit that is not realised.

    Raises:
        BadRow: A message is none, or none of them tells the cash.
    """
    found: dict[str, Balance] = {}
    for row in rows:
        _, version, _, whose, model, tag, amount, currency = _of(row[:8], 8)
        _require_version(version, "1")
        if whose == account and not model and tag == "CashBalance":
            found[currency] = Balance(currency, needed(amount))
    if not found:
        raise BadRow("no CashBalance among the account's values")
    return tuple(row for currency, row in sorted(found.items()) if currency != "BASE" and row.total)


def is_worth(row: Fields) -> bool:
    """Whether a value of the account (message 73) tells that it holds something; one that is no number may."""
    return row[5] in WORTH and row[6].strip("0.-") != ""


def order(row: Fields, status: str, filled: Decimal | None) -> tuple[int, Order]:
    """An open order (message 5), with the id of its contract.

    Raises:
        BadRow: The message is none, or the order has no id that anybody could find it by.
    """
    if len(row) < 26:
        raise BadRow("an order that is cut short")
    return _contract(row[2]), _order(row[2:], row[25], row[23], (status, filled))


def ended(row: Fields, status: str, filled: Decimal | None) -> Order:
    """A completed order (message 101).

    Raises:
        BadRow: The message is none.
    """
    if len(row) < 24:
        raise BadRow("an order that is cut short")
    found = _order(row[1:], row[23], row[22], (status, filled))
    # TWS forgets what some orders filled once they are done.
    return replace(found, filled=None) if found.status == "filled" and filled != found.quantity else found


def _order(from_contract: Fields, perm: str, ref: str, told: tuple[str, Decimal | None]) -> Order:
    """An order; *from_contract* begins at the contract's id."""
    symbol, local, action, quantity, kind, limit, stop = (from_contract[at] for at in (1, 9, 11, 12, 13, 14, 15))
    if action not in ("BUY", "SELL", "SSHORT"):
        raise BadRow("an order that neither buys nor sells")
    broker_id = perm if perm not in ("", "0", *UNSET) else None
    if broker_id is None and not ref:
        raise BadRow("an order without an id")
    status, filled = told
    ours = STATUSES.get(status, "unknown")
    return Order(
        asset=asset_name(symbol, local),
        side="buy" if action == "BUY" else "sell",
        quantity=needed(quantity),
        status="partially_filled" if ours == "open" and filled else ours,
        broker_order_id=broker_id,
        client_order_id=ref or None,
        type=TYPES.get(kind, kind.lower() or None),
        filled=filled,
        limit_price=number(limit) if "LMT" in kind or "LIMIT" in kind else None,
        stop_price=number(stop) if kind in STOPS else None,
    )


def fill(row: Fields, commission: Fields | None, zone: ZoneInfo | None) -> tuple[int, Fill]:
    """An execution (message 11) and what was paid for it (59), if that is known already; with the id of its contract.

    Raises:
        BadRow: A message is none.
    """
    if len(row) < 27:
        raise BadRow("an execution that is cut short")
    symbol, kind, currency, local, name, at, side, shares, price, perm = (
        row[index] for index in (4, 5, 11, 12, 14, 15, 18, 19, 20, 21)
    )
    if side not in ("BOT", "SLD") or not name:
        raise BadRow("an execution that neither buys nor sells, or has no id")
    fee = number(commission[3]) if commission is not None else None
    return _contract(row[3]), Fill(
        fill_id=name,
        asset=asset_name(symbol, local),
        side="buy" if side == "BOT" else "sell",
        quantity=needed(shares),
        price=needed(price),
        at=moment(at, zone),
        broker_order_id=perm if perm not in ("", "0", *UNSET) else None,
        client_order_id=row[26] or None,
        fee=fee,
        fee_currency=commission[4] or None if commission is not None and fee is not None else None,
        settlement=settlement(kind),
        quote=currency or None,
        liquidation=row[23] not in ("", "0"),
    )


def latest(rows: Iterable[Fields]) -> tuple[Fields, ...]:
    """The executions without those that a correction took the place of: its id differs in the last part, and is higher."""
    last: dict[str, Fields] = {}
    for row in rows:
        stem, _, part = row[14].rpartition(".")
        known = last.get(stem or part)
        if known is None or _part(known[14]) <= _part(row[14]):
            last[stem or part] = row
    return tuple(last.values())


def _part(name: str) -> int:
    part = name.rpartition(".")[2]
    return int(part) if part.isascii() and part.isdigit() else 0


def moment(text: str, zone: ZoneInfo | None) -> datetime:
    """The aware time of an execution. TWS may leave the zone out: then it is TWS's own.

    Raises:
        BadRow: It is no time, or nobody says in which zone it is.
    """
    parts = text.replace("-", " ", 1).split() if text[8:9] == "-" else text.split()
    try:
        found = datetime.strptime(" ".join(parts[:2]), "%Y%m%d %H:%M:%S")  # noqa: DTZ007
        zone = ZoneInfo(parts[2]) if len(parts) > 2 else zone
    except (ValueError, IndexError, ZoneInfoNotFoundError):
        raise BadRow("a time that is none") from None
    if zone is None:
        raise BadRow("a time without a zone: say in zone which one TWS is set to")
    return found.replace(tzinfo=zone).astimezone(UTC)


def whole(text: str) -> int:
    """A number of an order or a client; 0 where there is none.

    Raises:
        BadRow: It is no number.
    """
    if text in UNSET:
        return 0
    if not (text.isascii() and text.lstrip("-").isdigit()):
        raise BadRow("an order's number that is none")
    return int(text)


def _require_version(told: str, known: str) -> None:
    if told != known:
        raise BadRow("a message of a version that is not known here")


def _contract(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise BadRow("a contract without its id")
    return int(text)


def _of(row: Fields, length: int) -> Fields:
    if len(row) != length:
        raise BadRow(f"a message of {len(row)} fields instead of {length}")
    return row
