"""Elements of a Flex statement -> activities: cash, corporate actions, transfers, and what became of options."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any
from xml.etree.ElementTree import Element

from tieout.brokers.statements.flex_file import Unread, attributes
from tieout.brokers.statements.flex_rows import asset_name, needed
from tieout.model.snapshot import Activity, ActivityKind

Moment = Callable[[Element, datetime | None], datetime]
CASH: dict[str, ActivityKind] = {
    "BROKERINTPAID": "interest",
    "BROKERINTRCVD": "interest",
    "BONDINTRCVD": "interest",
    "BONDINTPAID": "interest",
    "WHTAX": "fee",
    "FEES": "fee",
    "ADVISORFEES": "fee",
    "COMMADJ": "rebate",
    "DIVIDEND": "dividend",
    "PAYMENTINLIEU": "dividend",
}
ACTIONS: dict[str, ActivityKind] = {
    "REVERSESPLIT": "conversion",
    "FORWARDSPLITISSUE": "conversion",
    "ISSUECHANGE": "conversion",
    "BONDCONVERSION": "conversion",
    "CONTRACTSOULTE": "conversion",
    "CONTRACTCONSOLIDATION": "conversion",
    "CONTRACTSPLIT": "conversion",
    "CONVERTIBLEISSUE": "conversion",
    "TENDER": "merger",
    "TENDERISSUE": "merger",
    "MERGER": "merger",
    "SPINOFF": "spin_off",
    "CONTRACTSPINOFF": "spin_off",
    "RIGHTSISSUE": "spin_off",
    "DIVRIGHTSISSUE": "spin_off",
    "STOCKDIV": "dividend",
    "BONDMATURITY": "expiry",
    "TBILLMATURITY": "expiry",
    "DELISTWORTHLESS": "expiry",
    "EXPIREDIVRIGHT": "expiry",
}
SPLIT = re.compile(r"\bSPLIT\s+(\d+)\s+FOR\s+(\d+)\b", re.IGNORECASE | re.ASCII)


def cash(element: Element, moment: Moment) -> Iterator[Activity]:
    """What one cash transaction moved."""
    read = attributes(element, "type", "currency", "amount", "dateTime", "transactionID")
    kind, name, currency, amount = needed(element, read, "type", "transactionID", "currency", "amount")
    ours: ActivityKind | None = CASH.get(kind.name)
    if kind.name == "DEPOSITWITHDRAW":
        ours = "deposit" if amount > 0 else "withdrawal"
    if ours is None:
        raise Unread(f"CashTransaction of type {kind.value} is of no known kind")
    yield Activity(name, ours, moment(element, read.dateTime), currency, amount=amount)


def corporate(element: Element, moment: Moment) -> Iterator[Activity]:
    """What one corporate action moved: the asset, and cash besides."""
    read = attributes(
        element, "type", "symbol", "currency", "quantity", "proceeds", "dateTime", "transactionID", "description"
    )
    kind, name, symbol, quantity = needed(element, read, "type", "transactionID", "symbol", "quantity")
    at, asset = moment(element, read.dateTime), asset_name(symbol)
    if kind.name == "FORWARDSPLIT":
        terms = SPLIT.search(read.description or "")
        if terms is None:
            raise Unread("CorporateAction.description does not say how many were split into how many")
        yield Activity(name, "split", at, asset=asset, ratio=f"{terms[1]}/{terms[2]}")
    elif kind.name in ACTIONS:
        yield Activity(name, ACTIONS[kind.name], at, asset=asset, amount=quantity)
    else:
        raise Unread(f"CorporateAction of type {kind.value} is of no known kind")
    if read.proceeds:
        (currency,) = needed(element, read, "currency")
        yield Activity(f"{name}:cash", "cash_in_lieu", at, currency, amount=read.proceeds)


def transfer(element: Element, moment: Moment) -> Iterator[Activity]:
    """What one transfer moved: an asset, or cash."""
    read = attributes(
        element, "direction", "symbol", "currency", "quantity", "cashTransfer", "date", "dateTime", "transactionID"
    )
    (name,) = needed(element, read, "transactionID")
    at = moment(element, read.dateTime or (read.date and datetime.combine(read.date, datetime.min.time())))
    for amount in filter(None, (read.quantity, read.cashTransfer)):
        if read.direction is None or (amount > 0) != (read.direction.value == "IN"):
            raise Unread("Transfer.direction does not fit its amount")
    if read.quantity:
        (symbol,) = needed(element, read, "symbol")
        yield Activity(name, "transfer", at, asset=asset_name(symbol), amount=read.quantity)
    if read.cashTransfer:
        (currency,) = needed(element, read, "currency")
        yield Activity(f"{name}:cash", "transfer", at, currency, amount=read.cashTransfer)


def booked(element: Element, read: Any, moment: Moment) -> Activity:
    """What became of an option that was booked out without being traded: it expired, or was exercised or assigned."""
    codes = set(element.get("notes", "").replace(",", ";").split(";"))
    (name,) = needed(element, read, "transactionID")
    if not codes & {"Ep", "A", "Ex"}:
        raise Unread("Trade.notes does not say why an option was booked out: tick it in the Flex query")
    kind: ActivityKind = "expiry" if "Ep" in codes else "assignment"
    return Activity(name, kind, moment(element, read.dateTime), asset=asset_name(read.symbol), amount=read.quantity)
