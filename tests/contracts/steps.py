"""What the broker contract's tests let happen at a venue."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from decimal import Decimal

import pytest
from msgspec.structs import replace
from tests.contracts.venues import OverWorld, Venue

from tieout.brokers.base import OrderRequest
from tieout.brokers.simulated.commands import AddInstrument, Pay, Trade
from tieout.brokers.simulated.faults import Call
from tieout.errors import ActionRefused, SourceIncomplete
from tieout.model.amounts import dec
from tieout.model.snapshot import Order, Row, Section

SECTION: Mapping[Call, Section] = {
    "get_positions": "positions",
    "get_balances": "balances",
    "get_open_orders": "orders",
    "get_fills": "fills",
    "get_activities": "activities",
}
ROWS: Mapping[Call, Callable[[Venue], Awaitable[tuple[Row, ...]]]] = {
    "get_positions": lambda venue: venue.broker.get_positions(),
    "get_balances": lambda venue: venue.broker.get_balances(),
    "get_open_orders": lambda venue: venue.broker.get_open_orders(),
    "get_fills": lambda venue: venue.broker.get_fills(venue.traits.since),
    "get_activities": lambda venue: venue.broker.get_activities(venue.traits.since),
}
READS: Mapping[Call, Callable[[Venue], Awaitable[object]]] = {
    **ROWS,
    "get_order": lambda venue: venue.broker.get_order(client_order_id="c-rest"),
    "get_account_info": lambda venue: venue.broker.get_account_info(),
    "server_time": lambda venue: venue.broker.server_time(),
}


def told(venue: Venue, call: Call) -> bool:
    """Whether this venue tells that section; one that it does not is `SourceIncomplete`, as the adapter declares."""
    if call == "get_order":
        return venue.traits.finds
    return call not in SECTION or SECTION[call] in venue.traits.sections


def least(venue: Venue, call: Call) -> int:
    """How many rows there are at least once the account is populated; coins that are bought are balances."""
    if call == "get_positions" and (venue.traits.kind == "spot" or not told(venue, call)):
        return 0
    return venue.traits.currencies if call == "get_balances" else 2


def ids(rows: Iterable[Row]) -> set[str]:
    """Which fills or activities these are."""
    return {str(getattr(row, "fill_id", None) or getattr(row, "activity_id", None)) for row in rows}


def reads(venue: Venue) -> list[Callable[[Venue], Awaitable[object]]]:
    """Every reading that this venue answers."""
    return [read for call, read in READS.items() if told(venue, call)]


def sorted_rows(rows: Iterable[Row] | None) -> list[Row]:
    """Rows in an order of their own: the port promises none."""
    return sorted(rows or (), key=_name)


def _name(row: Row) -> tuple[str, ...]:
    names = ("fill_id", "activity_id", "broker_order_id", "asset", "currency", "side")
    return tuple(str(getattr(row, name, "")) for name in names)


def buy(client_order_id: str, asset: str, quantity: str = "1", price: str = "100") -> OrderRequest:
    """A limit buy."""
    return OrderRequest(
        client_order_id=client_order_id, asset=asset, side="buy", quantity=dec(quantity), limit_price=dec(price)
    )


async def sent(venue: Venue, request: OrderRequest) -> Order:
    """The order, sent through the adapter where it sends any, as the venue has it then."""
    if venue.traits.acts and venue.traits.sends:
        if venue.traits.takes_order(request):
            return await venue.broker.submit_order(request)
        with pytest.raises(ActionRefused):
            await venue.broker.submit_order(request)
    assert isinstance(venue, OverWorld), "a venue whose world is at hand"
    name = venue.traits.said(request.client_order_id)
    placed = venue.world.submit(venue.account, replace(request, client_order_id=name))
    if venue.traits.finds:
        return await found(venue, request.client_order_id)
    live = {row.broker_order_id: row for row in await venue.broker.get_open_orders()}
    return live[venue.traits.ids(placed.broker_order_id or "")]


async def cancelled(venue: Venue, client_order_id: str) -> None:
    """Cancel an order, through the adapter where it cancels any."""
    if venue.traits.acts and venue.traits.sends:
        await venue.broker.cancel_order(client_order_id=client_order_id)
    else:
        assert isinstance(venue, OverWorld), "a venue whose world is at hand"
        venue.world.cancel(venue.account, client_order_id=client_order_id)


async def found(venue: Venue, client_order_id: str) -> Order:
    """The order of that client id, which is there."""
    order = await venue.broker.get_order(client_order_id=client_order_id)
    assert order is not None
    return order


async def unheard_of(venue: Venue, client_order_id: str) -> None:
    """The venue says that it knows no order of a client id that was never sent, or that it could not know."""
    if venue.traits.admits:
        assert await venue.broker.get_order(client_order_id=client_order_id) is None
    else:
        with pytest.raises(SourceIncomplete):
            await venue.broker.get_order(client_order_id=client_order_id)


async def held_of(venue: Venue, currency: str) -> Decimal:
    """How much of a currency the venue says is held: as a balance, or as a position where coins are positions."""
    for balance in await venue.broker.get_balances():
        if balance.currency == currency:
            return balance.total
    (amount,) = [row.amount for row in await venue.broker.get_positions() if row.base == currency]
    return amount


async def list_share(venue: Venue, asset: str) -> None:
    """List an asset of the kind that the venue trades, and put money into the account."""
    await venue.let(AddInstrument(instrument=venue.traits.instrument(asset)))
    await venue.let(Pay(account=venue.account, kind="deposit", currency="USDT", amount=dec(100000)))


def second(asset: str) -> str:
    """Another asset beside *asset*, settled in its own coin where that one is."""
    base, slash, rest = asset.partition("/")
    other = base.replace("T", "U", 1)
    return f"{other}{slash}{rest.replace(f':{base}', f':{other}')}"


async def populate(venue: Venue, asset: str) -> None:
    """Two rows or more in every section: positions, cash, live orders, fills and activities."""
    for name in (asset, second(asset)):
        await list_share(venue, name)
        await venue.let(Trade(account=venue.account, asset=name, side="buy", quantity=dec(3), price=dec(90)))
    await venue.let(Pay(account=venue.account, kind="deposit", currency="EUR", amount=dec("0.5")))
    await sent(venue, buy("c-rest", asset))
    await sent(venue, buy("c-rest-2", asset, price="80"))
