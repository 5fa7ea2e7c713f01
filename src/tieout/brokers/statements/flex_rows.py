"""Elements of a Flex statement -> positions, balances and fills. An element that is not understood raises `Unread`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from xml.etree.ElementTree import Element
from zoneinfo import ZoneInfo

from tieout.brokers.statements.flex_file import Unread, attributes
from tieout.model.amounts import exact, fits
from tieout.model.snapshot import Balance, Fill, Position, Settlement

MARGINED = ("FUT", "CFD")
PAIRS = ("CASH", "CRYPTO")
OPTIONS = ("OPT", "FOP", "WAR", "IOPT", "FSOPT")
TRADE = (
    "transactionType buySell assetCategory accountId currency symbol quantity tradePrice taxes ibCommission "
    "ibCommissionCurrency dateTime tradeID origTradeID ibExecID transactionID orderReference multiplier"
).split()


@dataclass(frozen=True, slots=True)
class Zoned:
    """The time zone of a statement."""

    zone: ZoneInfo

    def moment(self, element: Element, found: datetime | None) -> datetime:
        """The aware time of a record; a day alone is its first moment.

        Raises:
            Unread: It has none.
        """
        if found is None:
            raise Unread(f"{element.tag}.dateTime is missing: tick it in the Flex query")
        return found.replace(tzinfo=self.zone).astimezone(UTC)


def needed(element: Element, read: Any, *names: str) -> list[Any]:
    """Attributes that have to be there.

    Raises:
        Unread: One is not, or is a number that is none.
    """
    values = [getattr(read, name) for name in names]
    for name, value in zip(names, values, strict=True):
        if value is None:
            raise Unread(f"{element.tag}.{name} is missing: tick it in the Flex query")
        if isinstance(value, Decimal) and not fits(value):
            raise Unread(f"{element.tag}.{name} is no number of this world")
    return values


def asset_name(symbol: str) -> str:
    """What an instrument is called: its local symbol, with single spaces."""
    return " ".join(symbol.split())


def settlement(category: str | None) -> Settlement:
    """How trades of an asset class move cash."""
    return "margin" if category in MARGINED else "cash"


def position(element: Element) -> Position:
    """One open position."""
    read = attributes(
        element, "assetCategory", "currency", "symbol", "position", "markPrice", "costBasisPrice", "multiplier"
    )
    symbol, amount, currency = needed(element, read, "symbol", "position", "currency")
    return Position(
        asset=asset_name(symbol),
        amount=amount,
        average_price=read.costBasisPrice,
        market_price=read.markPrice,
        currency=currency,
        multiplier=read.multiplier or None,
        settlement=settlement(element.get("assetCategory")),
        quote=currency,
    )


def balance(element: Element) -> Balance:
    """The cash of one currency at the statement's end, settled or not."""
    read = attributes(element, "currency", "endingCash")
    currency, total = needed(element, read, "currency", "endingCash")
    return Balance(currency, total)


def trade(element: Element) -> Any:
    """A trade as ibflex reads it, with what every trade needs."""
    read = attributes(element, *TRADE)
    needed(element, read, "symbol", "quantity", "tradePrice", "currency", "buySell", "dateTime")
    return read


@exact
def fill(element: Element, read: Any, moment: Callable[[Element, datetime | None], datetime]) -> Fill:
    """One execution; what was paid is its commission and its taxes."""
    name = read.ibExecID or read.tradeID or read.transactionID
    if name is None:
        raise Unread("Trade.ibExecID is missing: tick it in the Flex query")
    fee, currency = _paid(read)
    category = element.get("assetCategory")
    pair = read.symbol.split(".") if category in PAIRS and read.symbol.count(".") == 1 else (None, read.currency)
    side = {"BUY": "buy", "SELL": "sell"}.get(read.buySell.value)
    if side is None or (read.quantity > 0) != (side == "buy"):
        raise Unread("Trade.buySell does not fit Trade.quantity")
    return Fill(
        fill_id=name,
        asset=asset_name(read.symbol),
        side="buy" if side == "buy" else "sell",
        quantity=abs(read.quantity),
        price=read.tradePrice,
        at=moment(element, read.dateTime),
        client_order_id=read.orderReference or None,
        fee=fee,
        fee_currency=currency,
        settlement=settlement(category),
        base=pair[0],
        quote=pair[1],
    )


def _paid(read: Any) -> tuple[Decimal | None, str | None]:
    if read.ibCommission is None:
        return None, None
    currency = read.ibCommissionCurrency or read.currency
    if read.taxes and currency != read.currency:
        raise Unread("Trade.taxes are in another currency than its commission")
    return -(read.ibCommission + (read.taxes or 0)) + 0, currency
