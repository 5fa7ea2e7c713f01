"""What the broker contract's tests let happen at a venue."""

from __future__ import annotations

from tests.contracts.conftest import Venue

from tieout.brokers.base import OrderRequest
from tieout.brokers.simulated import Instrument
from tieout.brokers.simulated.commands import AddInstrument, Pay, Trade
from tieout.model.amounts import dec
from tieout.model.snapshot import Order


def buy(client_order_id: str, asset: str, quantity: str = "1", price: str = "100") -> OrderRequest:
    """A limit buy."""
    return OrderRequest(
        client_order_id=client_order_id, asset=asset, side="buy", quantity=dec(quantity), limit_price=dec(price)
    )


async def found(venue: Venue, client_order_id: str) -> Order:
    """The order of that client id, which is there."""
    order = await venue.broker.get_order(client_order_id=client_order_id)
    assert order is not None
    return order


async def list_share(venue: Venue, asset: str) -> None:
    """List a share, and put money into the account."""
    await venue.let(AddInstrument(instrument=Instrument(asset=asset, kind="cash", currency="USDT")))
    await venue.let(Pay(account=venue.account, kind="deposit", currency="USDT", amount=dec(100000)))


async def populate(venue: Venue, asset: str) -> None:
    """Two rows or more in every section: positions, cash, live orders, fills and activities."""
    for name in (asset, f"{asset}.B"):
        await list_share(venue, name)
        await venue.let(Trade(account=venue.account, asset=name, side="buy", quantity=dec(3), price=dec(90)))
    await venue.let(Pay(account=venue.account, kind="deposit", currency="EUR", amount=dec("0.5")))
    await venue.broker.submit_order(buy("c-rest", asset))
    await venue.broker.submit_order(buy("c-rest-2", asset, price="80"))
