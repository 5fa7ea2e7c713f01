"""The state of the venue as records of the model: what an adapter answers when nothing goes wrong."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from tieout.model.amounts import ONE, ZERO, exact
from tieout.model.instrument import Instrument
from tieout.model.snapshot import Activity, Balance, Fill, Order, Position, Snapshot

from .matching import locked
from .state import State


def positions(state: State, account: str) -> tuple[Position, ...]:
    """Every position other than 0, by asset and leg."""
    rows = []
    for (asset, leg), held in sorted(state.account(account).holdings.positions.items()):
        instrument = state.instruments[asset]
        market = state.prices.get(asset)
        rows.append(
            Position(
                asset=asset,
                amount=held.amount,
                side=leg,
                average_price=held.average,
                market_price=market.price if market else None,
                currency=instrument.currency,
                multiplier=instrument.multiplier,
                settlement=instrument.settlement,
                quote=instrument.currency,
            )
        )
    return tuple(rows)


@exact
def balances(state: State, account: str) -> tuple[Balance, ...]:
    """Every currency other than 0; total = available + locked, and locked is what the live orders hold back."""
    owner = state.account(account)
    held = locked(owner, state)
    rows = []
    for currency, total in sorted(owner.holdings.cash.items()):
        back = held.get(currency, ZERO)
        rows.append(Balance(currency, total, total - back, back, state.usd_prices.get(currency)))
    return tuple(rows)


def open_orders(state: State, account: str) -> tuple[Order, ...]:
    """Every live order, oldest first."""
    resting = sorted(state.account(account).live.values(), key=lambda row: row.number)
    return tuple(row.order for row in resting)


def fills(state: State, account: str, since: datetime | None = None) -> tuple[Fill, ...]:
    """Every fill with ``at >= since``, oldest first."""
    return tuple(row for row in state.account(account).fills if since is None or row.at >= since)


def activities(state: State, account: str, since: datetime | None = None) -> tuple[Activity, ...]:
    """Every activity with ``at >= since``, oldest first."""
    return tuple(row for row in state.account(account).activities if since is None or row.at >= since)


def instruments(state: State, assets: Collection[str]) -> tuple[Instrument, ...]:
    """What the venue says of *assets*, as far as it lists them."""
    return tuple(
        Instrument(
            asset=row.asset,
            base=row.base,
            quote=row.currency,
            settle=None if row.paid_in_full else row.currency,
            settlement=row.settlement,
            contract_size=None if row.paid_in_full and row.multiplier == ONE else row.multiplier,
            smallest_unit=row.unit,
            status="active",
        )
        for row in (state.instruments[asset] for asset in dict.fromkeys(assets) if asset in state.instruments)
    )


def snapshot(state: State, account: str, as_of: datetime) -> Snapshot:
    """The whole account, ended orders included."""
    orders = tuple(row.order for row in state.account(account).orders.values())
    return Snapshot(
        schema="tieout.snapshot/1",
        account=account,
        source="broker",
        as_of=as_of,
        positions=positions(state, account),
        balances=balances(state, account),
        orders=orders,
        fills=fills(state, account),
        activities=activities(state, account),
    )
