"""A world's facts as TWS's messages of server version 176."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from decimal import Decimal
from zoneinfo import ZoneInfo

from tieout.brokers.loopback.desk import Desk
from tieout.brokers.simulated import Instrument
from tieout.model.amounts import exact, plain
from tieout.model.snapshot import Order

ZONE = "America/New_York"
UNSET = "1.7976931348623157E308"
TYPES = {"limit": "LMT", "market": "MKT", "stop": "STP", "stop_limit": "STP LMT"}
STATUSES = {"pending": "PendingSubmit", "open": "Submitted", "partially_filled": "Submitted", "filled": "Filled",
            "cancelled": "Cancelled", "expired": "Cancelled", "rejected": "Inactive"}  # fmt: skip


def number(name: str) -> int:
    """A number that stands for a name: contracts and orders have such."""
    return zlib.crc32(name.encode()) & 0x7FFFFFFF


def contract(instrument: Instrument) -> str:
    """The eleven fields of a contract; executions and positions leave none out."""
    kind = {"cash": "STK", "margin": "FUT", "inverse": "FUT", "spot": "CASH"}[instrument.kind]
    if instrument.kind == "cash" and instrument.multiplier != 1:
        kind = "OPT"
    multiplier = "" if kind in ("STK", "CASH") else plain(instrument.multiplier)
    asset = instrument.asset
    return f"{number(asset)}|{asset}|{kind}||0|?|{multiplier}|SMART|{instrument.currency}|{asset}|{asset}"


@exact
def positions(desk: Desk, account: str) -> list[str]:
    """Messages 61: what a futures position or an option costs is told with the multiplier in it."""
    found = []
    for row in desk.positions(account):
        instrument = desk.state.instruments[row.asset]
        cost = (row.average_price or Decimal(0)) * (1 if _share(instrument) else instrument.multiplier)
        found.append(f"61|3|{account}|{contract(instrument)}|{plain(row.amount)}|{plain(cost)}|")
    return found


def cash(desk: Desk, account: str, request: str) -> list[str]:
    """Messages 73: some of an account's values, the cash by currency among them, and the base that sums it up."""
    start = f"73|1|{request}|{account}||"
    found = [f"{start}AccountType|INDIVIDUAL|||", f"{start}CashBalance|0|BASE||"]
    for row in desk.balances(account):
        found += [f"{start}CashBalance|{plain(row.total)}|{row.currency}||"]
        found += [
            f"{start}NetLiquidationByCurrency|987654321|{row.currency}||",
            f"{start}UnrealizedPnL|5|{row.currency}||",
        ]
    return found


def orders(desk: Desk, account: str) -> list[str]:
    """Messages 5 and 3 of every live order; those without a client id are a person's, with the order number 0."""
    found = []
    for row in desk.orders(account):
        found += [_open_order(desk, row, account), _status(row)]
    return found


def _open_order(desk: Desk, row: Order, account: str) -> str:
    own = "7" if row.client_order_id else "0"
    head = f"5|{own}|{contract(desk.state.instruments[row.asset])}|{_terms(row, account)}|100|{_perm(row)}"
    return (
        f"{head}|0|0|0||{_perm(row)}.0/{account}/100||||||||||0||-1|0||||||2147483647|0|0|0||3|0|0||0|0||0|None||0||||?"
        f"|0|0||0|0||||||0|0|0|2147483647|2147483647|||0||IB|0|0||0|0|{STATUSES[row.status]}|{'|'.join([UNSET] * 9)}"
        f"||||||0|0|0|None|{'|'.join([UNSET] * 6)}|0||||0|1|0|0|0|||0||||||"
    )


def _terms(row: Order, account: str) -> str:
    action, kind = "BUY" if row.side == "buy" else "SELL", TYPES.get(row.type or "", "LMT")
    prices = "|".join(plain(price) if price is not None else "0.0" for price in (row.limit_price, row.stop_price))
    return f"{action}|{plain(row.quantity)}|{kind}|{prices}|DAY||{account}||0|{row.client_order_id or ''}"


def _status(row: Order) -> str:
    left = row.remaining
    return f"3|7|{STATUSES[row.status]}|{plain(row.done)}|{plain(left)}|0|{_perm(row)}|0|0|100||0|"


def _perm(row: Order) -> int:
    return number(row.broker_order_id or row.name)


def completed(desk: Desk, account: str) -> list[str]:
    """Messages 101 of every order that ended."""
    found = []
    for row in desk.all_orders(account):
        if not row.live:
            head = f"101|{contract(desk.state.instruments[row.asset])}|{_terms(row, account)}|{_perm(row)}"
            found.append(
                f"{head}|0|0|0|||||||||||0||-1||||||2147483647|0|0||3|0||0|None||0|0|0||0|0||||0|0|0|2147483647|2147483647"
                f"||||IB|0|0||0|{STATUSES[row.status]}|0|0|0|{UNSET}|{UNSET}|0|1|0||{plain(row.done)}|2147483647|0|No"
                f"|0|0|9223372036854775807|20261120 02:34:46 {ZONE}|{STATUSES[row.status]}||||||"
            )
    return found


def executions(desk: Desk, account: str, request: str) -> list[str]:
    """Messages 11 of the day's fills."""
    found = []
    for row in desk.fills(account):
        instrument = desk.state.instruments[row.asset]
        side = "BOT" if row.side == "buy" else "SLD"
        at = row.at.astimezone(ZoneInfo(ZONE)).strftime("%Y%m%d %H:%M:%S")
        perm = number(row.broker_order_id) if row.broker_order_id else 0
        amount, price = plain(row.quantity), plain(row.price)
        tail = f"{side}|{amount}|{price}|{perm}|100|{int(bool(row.liquidation))}|{amount}|{price}|{row.client_order_id or ''}"
        which = contract(instrument)
        found.append(f"11|{request}|7|{which}|{row.fill_id}.01|{at} {ZONE}|{account}|SMART|{tail}||||1|")
    return found


def commissions(desk: Desk, account: str) -> Iterator[str]:
    """Messages 59, which come after the executions."""
    for row in desk.fills(account):
        if row.fee is not None:
            yield f"59|1|{row.fill_id}.01|{plain(row.fee)}|{row.fee_currency or ''}|{UNSET}|{UNSET}||"


def _share(instrument: Instrument) -> bool:
    return instrument.kind in ("cash", "spot") and instrument.multiplier == 1
