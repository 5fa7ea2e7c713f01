"""A world's facts as TWS's messages of server version 176."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import NamedTuple
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from tieout.brokers.loopback.desk import Desk
from tieout.brokers.simulated import Instrument
from tieout.model.amounts import ZERO, exact, plain
from tieout.model.snapshot import Fill, Order

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
    kind = contract_kind(instrument)
    multiplier = "" if kind in ("STK", "CASH") else plain(instrument.multiplier)
    asset = instrument.asset
    return f"{number(asset)}|{asset}|{kind}||0|?|{multiplier}|SMART|{instrument.currency}|{asset}|{asset}"


class Sender(NamedTuple):
    """Which client of TWS sent an order, under which number, and what it calls it."""

    client: str
    number: str
    ref: str


Senders = Mapping[str, Sender]


def sender(row: Order | Fill, senders: Senders) -> Sender:
    """Who sent an order that is listed; what bears no client's id is a person's, and has the number 0."""
    id_ = row.broker_order_id or ""
    if id_ in senders:
        return senders[id_]
    own = int(id_.rpartition("-")[2]) if id_.rpartition("-")[2].isdigit() else number(id_) % 10000
    return Sender("100", str(1000 + own), row.client_order_id) if row.client_order_id else Sender("0", "0", "")


def contract_kind(instrument: Instrument) -> str:
    """What kind of instrument TWS calls it."""
    kind = {"cash": "STK", "margin": "FUT", "inverse": "FUT", "spot": "CASH"}[instrument.kind]
    return "OPT" if instrument.kind == "cash" and instrument.multiplier != 1 else kind


@exact
def positions(desk: Desk, account: str) -> list[str]:
    """Messages 61: what a futures position or an option costs is told with the multiplier in it."""
    found = []
    for row in desk.positions(account):
        instrument = desk.state.instruments[row.asset]
        cost = (row.average_price or Decimal(0)) * (1 if _share(instrument) else instrument.multiplier)
        found.append(f"61|3|{account}|{contract(instrument)}|{plain(row.amount)}|{plain(cost)}|")
    return found


def details(instrument: Instrument, request: str) -> str:
    """Message 10: what TWS knows of an instrument."""
    kind, asset = contract_kind(instrument), instrument.asset
    multiplier = "" if kind in ("STK", "CASH") else plain(instrument.multiplier)
    where, many = ("CME", "CME") if kind == "FUT" else ("SMART", "SMART,AMEX,NYSE")
    return (
        f"10|{request}|{asset}|{kind}||0|?|{where}|{instrument.currency}|{asset}|{asset}|{asset}|{number(asset)}|0.01"
        f"|{multiplier}|LMT,MKT,STP|{many}|1|0|{asset}|{where}||||||||||0|1|||26|||0.0001|0.0001|0.0001|"
    )


@exact
def cash(desk: Desk, account: str, request: str) -> list[str]:
    """Messages 73: some of an account's values, the cash by currency among them, and the base that sums it up."""
    start = f"73|1|{request}|{account}||"
    worth = sum((abs(row.amount) for row in desk.positions(account) if row.settlement == "cash"), ZERO)
    found = [f"{start}AccountType|INDIVIDUAL|||", f"{start}CashBalance|0|BASE||"]
    found += [f"{start}StockMarketValue|{plain(worth)}|BASE||"]
    for row in desk.balances(account):
        found += [f"{start}CashBalance|{plain(row.total)}|{row.currency}||"]
        found += [
            f"{start}NetLiquidationByCurrency|987654321|{row.currency}||",
            f"{start}UnrealizedPnL|5|{row.currency}||",
        ]
    return found


def as_it_came(order: Order) -> Order:
    """An order before anything of it was filled."""
    return replace(order, status="open", filled=ZERO)


def orders(desk: Desk, account: str, senders: Senders) -> list[str]:
    """Messages 5 and 3 of every live order."""
    found = []
    for row in desk.orders(account):
        found += [open_order(desk, row, account, senders), status(row, senders)]
    return found


def open_order(desk: Desk, row: Order, account: str, senders: Senders) -> str:
    """Message 5."""
    by, which = sender(row, senders), contract(desk.state.instruments[row.asset])
    head = f"5|{by.number}|{which}|{_terms(row, account, by.ref)}|{by.client}|{_perm(row)}"
    return (
        f"{head}|0|0|0||{_perm(row)}.0/{account}/100||||||||||0||-1|0||||||2147483647|0|0|0||3|0|0||0|0||0|None||0||||?"
        f"|0|0||0|0||||||0|0|0|2147483647|2147483647|||0||IB|0|0||0|0|{STATUSES[row.status]}|{'|'.join([UNSET] * 9)}"
        f"||||||0|0|0|None|{'|'.join([UNSET] * 6)}|0||||0|1|0|0|0|||0||||||"
    )


def _terms(row: Order, account: str, ref: str) -> str:
    action, kind = "BUY" if row.side == "buy" else "SELL", TYPES.get(row.type or "", "LMT")
    prices = "|".join(plain(price) if price is not None else "0.0" for price in (row.limit_price, row.stop_price))
    return f"{action}|{plain(row.quantity)}|{kind}|{prices}|DAY||{account}||0|{ref}"


def status(row: Order, senders: Senders) -> str:
    """Message 3."""
    by = sender(row, senders)
    left = plain(row.remaining)
    return f"3|{by.number}|{STATUSES[row.status]}|{plain(row.done)}|{left}|0|{_perm(row)}|0|0|{by.client}||0|"


def _perm(row: Order) -> int:
    return number(row.broker_order_id or row.name)


def completed(desk: Desk, account: str, senders: Senders, *, forgets: bool = False) -> list[str]:
    """Messages 101 of every order that ended; *forgets*: without what it filled."""
    found = []
    for row in desk.all_orders(account):
        if not row.live:
            ref, filled = sender(row, senders).ref, "0" if forgets else plain(row.done)
            head = f"101|{contract(desk.state.instruments[row.asset])}|{_terms(row, account, ref)}|{_perm(row)}"
            found.append(
                f"{head}|0|0|0|||||||||||0||-1||||||2147483647|0|0||3|0||0|None||0|0|0||0|0||||0|0|0|2147483647|2147483647"
                f"||||IB|0|0||0|{STATUSES[row.status]}|0|0|0|{UNSET}|{UNSET}|0|1|0||{filled}|2147483647|0|No"
                f"|0|0|9223372036854775807|20261120 02:34:46 {ZONE}|{STATUSES[row.status]}||||||"
            )
    return found


def executions(desk: Desk, account: str, request: str, senders: Senders) -> list[str]:
    """Messages 11 of the day's fills."""
    return list(executed(desk, desk.fills(account), account, request, senders))


@exact
def executed(desk: Desk, fills: Iterable[Fill], account: str, request: str, senders: Senders) -> Iterator[str]:
    """Messages 11, each with what its order filled until then."""
    until: dict[str | None, Decimal] = {}
    for row in fills:
        until[row.broker_order_id] = until.get(row.broker_order_id, ZERO) + row.quantity
        by = sender(row, senders)
        side = "BOT" if row.side == "buy" else "SLD"
        at = row.at.astimezone(ZoneInfo(ZONE)).strftime("%Y%m%d %H:%M:%S")
        perm = number(row.broker_order_id) if row.broker_order_id else 0
        amount, price = plain(row.quantity), plain(row.price)
        so_far = f"{int(bool(row.liquidation))}|{plain(until[row.broker_order_id])}|{price}|{by.ref}"
        tail = f"{side}|{amount}|{price}|{perm}|{by.client}|{so_far}"
        which = contract(desk.state.instruments[row.asset])
        yield f"11|{request}|{by.number}|{which}|{row.fill_id}.01|{at} {ZONE}|{account}|SMART|{tail}||||1|"


def commissions(desk: Desk, account: str) -> Iterator[str]:
    """Messages 59 of the day's fills, which come after the executions."""
    yield from paid(desk.fills(account))


def paid(fills: Iterable[Fill]) -> Iterator[str]:
    """Messages 59."""
    for row in fills:
        if row.fee is not None:
            yield f"59|1|{row.fill_id}.01|{plain(row.fee)}|{row.fee_currency or ''}|{UNSET}|{UNSET}||"


def _share(instrument: Instrument) -> bool:
    return instrument.kind in ("cash", "spot") and instrument.multiplier == 1
