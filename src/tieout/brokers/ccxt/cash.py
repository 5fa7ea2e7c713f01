"""Balances, read from the venue's raw answer: what ccxt unifies as `total` is equity at some venues and cash at others.

A reader turns a raw body into lines: currency id, total (cash without unrealised profit), available, locked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from typing import Any, NamedTuple

from tieout.brokers.ccxt.parse import RowError, RowLeft, due, number
from tieout.model.amounts import exact
from tieout.model.snapshot import Balance


class Line(NamedTuple):
    """One wallet's cash in one currency, in units of it; `available` and `locked` only where the venue says."""

    currency: str
    total: Decimal
    available: Decimal | None = None
    locked: Decimal | None = None


Reader = Callable[[Any], Iterator[Line]]


def walk(body: Any, path: Iterable[str | int]) -> Any:
    """What stands at *path* of a document.

    Raises:
        RowError: The document is not of that shape.
    """
    for step in path:
        held = isinstance(body, list) and isinstance(step, int) and step < len(body)
        if not held and not (isinstance(body, dict) and step in body):
            raise RowError(f"nothing at {step!r}")
        body = body[step]
    return body


def rows_at(body: Any, path: Iterable[str | int]) -> list[Any]:
    """The rows at *path*: a list's items, or an object's values.

    Raises:
        RowError: There is neither.
    """
    found = walk(body, path)
    if not isinstance(found, (list, dict)):
        raise RowError("no rows where rows are due")
    return list(found.values()) if isinstance(found, dict) else found


def table(
    *path: str | int,
    currency: str | int,
    total: str | None = None,
    available: str | None = None,
    locked: str | None = None,
) -> Reader:
    """A reader for plain rows; dots in a field's name go one deeper. Without *total* it is available + locked."""

    def read(body: Any) -> Iterator[Line]:
        rows = walk(body, path)
        if not isinstance(rows, list):
            raise RowError("no list where one is due")
        for row in rows:
            free, held = (_amount(row, name, required=total is None) for name in (available, locked))
            whole = _amount(row, total, required=True) if total else None
            yield _line(str(walk(row, [currency])), whole, free, held)

    return read


@exact
def _line(currency: str, total: Decimal | None, free: Decimal | None, held: Decimal | None) -> Line:
    """What is available and locked counts only where it adds up to the total: elsewhere the venue means margin by it."""
    if total is None:
        assert free is not None and held is not None
        return Line(currency, free + held, free, held)
    if free is not None and held is not None and free + held != total:
        return Line(currency, total)
    return Line(currency, total, free, held)


def _amount(row: Any, name: str | None, *, required: bool) -> Decimal | None:
    if name is None:
        return None
    *path, last = name.split(".")
    inner = walk(row, path)
    if not isinstance(inner, dict):
        raise RowError(f"{name} is missing")
    return due(inner, last) if required else number(inner, last)


def keyed(*path: str, total: str, locked: str | None = None) -> Reader:
    """A reader for an object whose keys are the currencies, such as Kraken's."""

    def read(body: Any) -> Iterator[Line]:
        found = walk(body, path)
        if not isinstance(found, dict):
            raise RowError("no object of currencies")
        for currency, row in found.items():
            whole, held = _amount(row, total, required=True), _amount(row, locked, required=False)
            yield _line(currency, whole, None, held)

    return read


def bitfinex(body: Any) -> Iterator[Line]:
    """Rows are arrays: wallet type, currency, balance, unsettled interest, available balance."""
    if not isinstance(body, list):
        raise RowError("no list where one is due")
    for row in body:
        fields = dict(zip(("type", "currency", "total", "interest", "available"), rows_at(row, ()), strict=False))
        yield Line(str(walk(fields, ["currency"])), due(fields, "total"))


def hyperliquid_perpetuals(body: Any) -> Iterator[Line]:
    """Account value is cash plus unrealised profit; the positions say how much of it is the latter."""
    value = due(walk(body, ["marginSummary"]), "accountValue")
    profits = [due(walk(row, ["position"]), "unrealizedPnl") for row in rows_at(body, ["assetPositions"])]
    yield Line("USDC", _less(value, profits))


@exact
def _less(value: Decimal, parts: list[Decimal]) -> Decimal:
    return value - sum(parts, Decimal(0))


def hyperliquid_builder(body: Any) -> Iterator[Line]:
    """A builder's exchange may keep its cash in a coin of its own, which its answer does not name."""
    if due(walk(body, ["marginSummary"]), "accountValue"):
        raise RowLeft("value in a builder's exchange")
    return iter(())


def hyperliquid_margin(body: Any) -> Iterator[Line]:
    """Nothing, but where spot and perpetuals are one account their cash stands in both answers."""
    word = body.strip('"') if isinstance(body, str) else None
    if word not in ("default", "disabled", "dexAbstraction", "unifiedAccount", "portfolioMargin"):
        raise RowError("no word on how margin is kept")
    if word in ("unifiedAccount", "portfolioMargin"):
        raise RowLeft("a unified account, whose cash is not told apart from its profit")
    return iter(())


def kraken_futures(body: Any) -> Iterator[Line]:
    """Cash and multi-collateral wallets; a single-collateral wallet mixes coins and contracts, so one in use is left."""
    accounts, left = walk(body, ["accounts"]), list[str]()
    for name, account in accounts.items():
        kind = account.get("type")
        if kind == "multiCollateralMarginAccount":
            yield from keyed("currencies", total="quantity")(account)
        elif kind == "cashAccount":
            balances = walk(account, ["balances"])
            yield from (Line(currency, due(balances, currency)) for currency in balances)
        elif any(due(account["balances"], coin) for coin in walk(account, ["balances"])):
            left.append(name)
    if left:
        raise RowLeft(f"margin accounts in use are not read: {', '.join(left)}")


@exact
def balances(lines: Iterable[Line], code: Callable[[str], str]) -> tuple[Balance, ...]:
    """One balance a currency; wallets of one currency are added up, parts only where every wallet gives them."""
    merged: dict[str, Line] = {}
    for line in lines:
        if not (line.total or line.available or line.locked):
            continue  # an empty wallet says nothing about what is locked in another
        name = code(line.currency)
        known = merged.get(name)
        merged[name] = line if known is None else _sum(known, line)
    return tuple(
        Balance(currency=name, total=line.total, available=line.available, locked=line.locked)
        for name, line in merged.items()
    )


def _sum(one: Line, other: Line) -> Line:
    free = None if None in (one.available, other.available) else _plus(one.available, other.available)
    held = None if None in (one.locked, other.locked) else _plus(one.locked, other.locked)
    return Line(one.currency, one.total + other.total, free, held)


def _plus(one: Decimal | None, other: Decimal | None) -> Decimal:
    assert one is not None and other is not None
    return one + other


def coin_code(client: Any) -> Callable[[str], str]:
    """How *client* names a venue's currency id."""

    def code(currency: str) -> str:
        named = client.safe_currency_code(currency)
        return str(named or currency)

    return code
