"""Hypothesis strategies for valid records of the model; every suite draws its snapshots from here."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, get_args

from hypothesis import strategies as st

from tieout.model.snapshot import (
    CASH_KINDS,
    CORPORATE_KINDS,
    SECTIONS,
    Activity,
    Balance,
    Coverage,
    Fill,
    Leg,
    Lookup,
    Observation,
    Order,
    OrderSide,
    OrderStatus,
    Position,
    Settlement,
    SideError,
    SideFailure,
    Snapshot,
    Source,
)

ASSETS = ("AAPL", "BTC", "BTC/USDT", "ETH-PERP", "EUR", "币安人生", "X:1", 'a "b"')
CURRENCIES = ("USD", "EUR", "USDT", "JPY")


def _decimal(negative: bool, digits: int, exponent: int) -> Decimal:
    return Decimal(f"{'-' if negative else ''}{digits}E{exponent}")


def decimals(*, signed: bool = True, least: int = 0, places: int = 12, size: int = 12) -> st.SearchStrategy[Decimal]:
    """Decimals as accounts hold them: *size* digits of which up to *places* are fractional, in any spelling."""
    return st.builds(
        _decimal,
        st.booleans() if signed else st.just(value=False),
        st.integers(least, 10**size - 1),
        st.integers(-places, 0),
    )


def wide_decimals() -> st.SearchStrategy[Decimal]:
    """Any decimal that the contract admits: up to 64 digits, an exponent within ±64."""
    return st.builds(_decimal, st.booleans(), st.integers(0, 10**64 - 1), st.integers(-64, 64))


amounts = st.one_of(decimals(), wide_decimals(), st.sampled_from([Decimal(0), Decimal("-0"), Decimal("0.00")]))
quantities = st.one_of(decimals(signed=False), decimals(signed=False, size=30, places=30))
positives = decimals(signed=False, least=1)
names = st.one_of(st.sampled_from(ASSETS), st.text("abcXYZ019-_:/. é漢", min_size=1, max_size=12))
moments = st.datetimes(
    min_value=datetime(2000, 1, 1),  # noqa: DTZ001 - Hypothesis wants naive bounds and adds the zone itself
    max_value=datetime(2039, 12, 31),  # noqa: DTZ001
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=1)), timezone(timedelta(hours=-5, minutes=-30))]),
)


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """The strategy, or None as often as an optional field is left out."""
    return st.one_of(st.none(), strategy)


def _words(literal: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(get_args(literal))


@st.composite
def positions(draw: st.DrawFn, asset: str | None = None, side: Leg | None = None) -> Position:
    """A row of holdings that keeps the sign of its leg."""
    leg = side or draw(maybe(_words(Leg)))
    amount = draw(amounts)
    if leg == "long":
        amount = amount.copy_abs()
    elif leg == "short":
        amount = amount.copy_abs().copy_negate()
    return Position(
        asset=asset or draw(names),
        amount=amount,
        side=leg,
        average_price=draw(maybe(quantities)),
        market_price=draw(maybe(quantities)),
        currency=draw(maybe(st.sampled_from(CURRENCIES))),
        multiplier=draw(maybe(positives)),
        settlement=draw(maybe(_words(Settlement))),
        base=draw(maybe(names)),
        quote=draw(maybe(names)),
    )


@st.composite
def balances(draw: st.DrawFn, currency: str | None = None) -> Balance:
    """Cash of one currency; the parts are drawn apart from the total."""
    return Balance(
        currency=currency or draw(names),
        total=draw(amounts),
        available=draw(maybe(amounts)),
        locked=draw(maybe(quantities)),
        usd_price=draw(maybe(positives)),
    )


@st.composite
def orders(draw: st.DrawFn, broker_order_id: str | None = None, client_order_id: str | None = None) -> Order:
    """An order with at least one id, filled no further than its quantity."""
    quantity = draw(quantities)
    filled = draw(st.sampled_from([None, Decimal(0), quantity, quantity.scaleb(-1)]))
    if broker_order_id is None and client_order_id is None:
        broker_order_id, client_order_id = draw(names), draw(maybe(names))
    return Order(
        asset=draw(names),
        side=draw(_words(OrderSide)),
        quantity=quantity,
        status=draw(_words(OrderStatus)),
        broker_order_id=broker_order_id,
        client_order_id=client_order_id,
        type=draw(maybe(st.sampled_from(["limit", "market", "stop"]))),
        filled=filled,
        limit_price=draw(maybe(quantities)),
        stop_price=draw(maybe(quantities)),
        created_at=draw(maybe(moments)),
        updated_at=draw(maybe(moments)),
        position_side=draw(maybe(_words(Leg))),
    )


@st.composite
def fills(draw: st.DrawFn, fill_id: str | None = None) -> Fill:
    """One execution; a fee has its currency."""
    fee = draw(maybe(decimals()))
    return Fill(
        fill_id=fill_id or draw(names),
        asset=draw(names),
        side=draw(_words(OrderSide)),
        quantity=draw(quantities),
        price=draw(quantities),
        at=draw(moments),
        broker_order_id=draw(maybe(names)),
        client_order_id=draw(maybe(names)),
        fee=fee,
        fee_currency=draw(st.sampled_from(CURRENCIES)) if fee else draw(maybe(st.sampled_from(CURRENCIES))),
        liquidation=draw(maybe(st.booleans())),
        settlement=draw(maybe(_words(Settlement))),
        base=draw(maybe(names)),
        quote=draw(maybe(names)),
        position_side=draw(maybe(_words(Leg))),
    )


def activities() -> st.SearchStrategy[Activity]:
    """Any kind of activity with what its kind needs."""
    return st.one_of(_cash_activities(), _splits(), _renames(), _corporate_activities())


@st.composite
def _cash_activities(draw: st.DrawFn) -> Activity:
    named = draw(st.booleans())
    return Activity(
        draw(names),
        draw(st.sampled_from(sorted(CASH_KINDS))),
        draw(moments),
        currency=draw(names) if named else None,
        asset=None if named else draw(names),
        amount=draw(amounts),
    )


@st.composite
def _splits(draw: st.DrawFn) -> Activity:
    ratio = draw(st.sampled_from(["4", "1/6", "0.5", "3/2", "1.5/1"]))
    return Activity(draw(names), "split", draw(moments), asset=draw(names), ratio=ratio)


@st.composite
def _renames(draw: st.DrawFn) -> Activity:
    return Activity(draw(names), "symbol_change", draw(moments), asset=draw(names), new_asset=draw(names))


@st.composite
def _corporate_activities(draw: st.DrawFn) -> Activity:
    new = draw(st.booleans())
    return Activity(
        draw(names),
        draw(st.sampled_from(sorted(CORPORATE_KINDS))),
        draw(moments),
        asset=draw(names),
        amount=draw(amounts),
        new_asset=draw(names) if new else None,
        new_amount=draw(amounts) if new else None,
    )


def _rows(strategy: st.SearchStrategy[Any], key: Any = None) -> st.SearchStrategy[Any]:
    return maybe(st.lists(strategy, max_size=4, unique_by=key).map(tuple))


@st.composite
def snapshots(draw: st.DrawFn, source: Source | None = None, account: str | None = None) -> Snapshot:
    """A whole valid statement; any section may be missing or empty, and coverage fits what is there."""
    side: Source = source if source is not None else draw(_words(Source))
    ids = (lambda order: order.broker_order_id or order, lambda order: order.client_order_id or order)
    sections = {
        "positions": draw(_rows(positions(), lambda row: (row.asset, row.leg))),
        "balances": draw(_rows(balances(), lambda row: row.currency)),
        "orders": draw(_rows(orders(), ids)),
        "fills": draw(_rows(fills(), lambda row: (row.asset, row.fill_id, row.side))),
        "activities": draw(_rows(activities())),
    }
    stated = draw(maybe(st.dictionaries(st.sampled_from(SECTIONS), _words(Coverage))))
    if stated is not None:
        stated = {name: word for name, word in stated.items() if word != "complete" or sections[name] is not None}
    return Snapshot(
        "tieout.snapshot/1",
        account or draw(names),
        side,
        draw(moments),
        **sections,
        coverage=stated,
        fills_since=draw(maybe(moments)),
        activities_since=draw(maybe(moments)),
    )


@st.composite
def lookups(draw: st.DrawFn) -> Lookup:
    """The answer to a question for one order: the order, none such, or an error."""
    answer = draw(st.sampled_from(["order", "none", "error"]))
    return Lookup(
        broker_order_id=draw(names),
        client_order_id=draw(maybe(names)),
        order=draw(orders()) if answer == "order" else None,
        error=draw(st.sampled_from(SideFailure)) if answer == "error" else None,
    )


@st.composite
def observations(draw: st.DrawFn, at: datetime | None = None, account: str | None = None) -> Observation:
    """One line of a history; either side may have failed."""
    whose = account or draw(names)
    failed = st.builds(SideError, st.sampled_from(SideFailure))
    return Observation(
        at or draw(moments),
        whose,
        draw(st.one_of(snapshots("local", whose), failed)),
        draw(st.one_of(snapshots("broker", whose), failed)),
        draw(maybe(snapshots("local", whose))),
        draw(maybe(st.lists(lookups(), max_size=3).map(tuple))),
    )
