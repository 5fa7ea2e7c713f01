"""`kill -9` under load: whatever was acknowledged is found again, to the digit."""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.brokers.simulated.auditor import Auditor
from tests.proving import PROVE

from tieout.brokers.base import OrderRequest
from tieout.brokers.simulated import Instrument
from tieout.brokers.simulated.commands import AddAccount, AddInstrument, Happened, Pay, SetPrice
from tieout.brokers.simulated.process import VenueProcess
from tieout.brokers.simulated.protocol import Truth
from tieout.brokers.simulated.remote import RemoteSimulatedBroker
from tieout.brokers.simulated.remote_world import RemoteWorld
from tieout.errors import ActionRefused, OutcomeUnknown, SourceUnreachable
from tieout.model.amounts import dec
from tieout.model.snapshot import Activity, Fill, Order

KILLS = 200 if PROVE else 5
pytestmark = pytest.mark.prove
WORKERS = 4
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
TERMS = Instrument(asset="BTC/USD", kind="spot", currency="USD", base="BTC", fee_rate=dec("0.001"))


class Acknowledged:
    """What the venue has told anybody so far."""

    def __init__(self) -> None:
        self.orders: dict[str, Order] = {}
        self.fills: dict[str, Fill] = {}
        self.activities: dict[str, Activity] = {}
        self.unknown: set[str] = set()
        self.sent = 0
        self.count = 0
        self.due = 0
        self.reached = asyncio.Event()

    def tick(self) -> None:
        """Count one more acknowledgement."""
        self.count += 1
        if self.count >= self.due:
            self.reached.set()

    def expect(self, more: int) -> None:
        """Let `reached` be set after so many *more*."""
        self.due = self.count + more
        self.reached.clear()

    def take(self, happened: Happened) -> None:
        """Remember what came of a command."""
        self.fills |= {fill.fill_id: fill for fill in happened.fills}
        self.activities |= {row.activity_id: row for row in happened.activities}
        self.tick()

    def order(self, order: Order) -> None:
        """Remember an order as it was acknowledged last."""
        self.orders[order.broker_order_id or ""] = order
        self.tick()


async def load(url: str, told: Acknowledged, seed: int) -> None:
    """Trade until the venue is gone."""
    broker, world, rng = RemoteSimulatedBroker(url, "main"), RemoteWorld(url), random.Random(seed)
    try:
        while True:
            await one_step(broker, world, told, rng)
    except (SourceUnreachable, OutcomeUnknown):
        return
    finally:
        await broker.close()
        await world.close()


async def one_step(broker: RemoteSimulatedBroker, world: RemoteWorld, told: Acknowledged, rng: random.Random) -> None:
    """Send an order, cancel one, move the price, or pay."""
    match rng.randrange(4):
        case 0 | 1:
            told.sent += 1
            name = f"c-{told.sent}"
            told.unknown.add(name)
            price = dec(rng.randint(90, 110))
            request = OrderRequest(
                client_order_id=name, asset=TERMS.asset, side="buy", quantity=dec("0.01"), limit_price=price
            )
            told.order(await broker.submit_order(request))
            told.unknown.discard(name)
        case 2:
            size = dec("0.01") * rng.randint(1, 5)
            told.take(await world.perform(SetPrice(asset=TERMS.asset, price=dec(rng.randint(90, 110)), available=size)))
        case _:
            pay = Pay(account="main", kind="interest", currency="USD", amount=dec("0.000000000000000001"))
            told.take(await world.perform(pay))
            for order in await broker.get_open_orders():
                if rng.random() < 0.1:
                    await cancel(broker, told, order)


async def cancel(broker: RemoteSimulatedBroker, told: Acknowledged, order: Order) -> None:
    """Cancel an order, unless it ended meanwhile."""
    try:
        told.order(await broker.cancel_order(broker_order_id=order.broker_order_id))
    except ActionRefused:
        told.tick()


async def kill_under_load(process: VenueProcess, told: Acknowledged, rng: random.Random) -> None:
    """Let workers trade, and kill the venue in the middle, after some number of acknowledgements."""
    told.expect(rng.randint(3, 25))
    enough = asyncio.create_task(told.reached.wait())
    workers = [asyncio.create_task(load(process.url, told, rng.randrange(2**32))) for _ in range(WORKERS)]
    await asyncio.wait([enough, *workers], return_when=asyncio.FIRST_COMPLETED)
    process.kill()
    enough.cancel()
    await asyncio.gather(*workers)


async def check(url: str, told: Acknowledged) -> None:
    """Everything acknowledged is there; what was not, landed whole or not at all; and the account adds up."""
    world, broker = RemoteWorld(url), RemoteSimulatedBroker(url, "main")
    truth: Truth = await world.truth("main")
    orders = {order.broker_order_id: order for order in truth.snapshot.orders or ()}
    fills = {fill.fill_id: fill for fill in truth.snapshot.fills or ()}
    activities = {row.activity_id: row for row in truth.snapshot.activities or ()}
    for order_id, acknowledged in told.orders.items():
        found = orders[order_id]
        assert found.client_order_id == acknowledged.client_order_id
        assert found.done >= acknowledged.done
        assert found == acknowledged or acknowledged.live
    assert told.fills.items() <= fills.items()
    assert told.activities.items() <= activities.items()
    for name in sorted(told.unknown):
        order = await broker.get_order(client_order_id=name)
        assert truth.submits.get(name, 0) == 1 or order is None
        if order is not None:
            told.order(order)
    told.unknown.clear()
    assert set(truth.submits.values()) <= {1}
    audit = Auditor({TERMS.asset: TERMS}, truth.snapshot)
    for row in truth.snapshot.balances or ():
        assert audit.cash[row.currency] == row.total
    assert await broker.get_fills(EPOCH) == truth.snapshot.fills
    await broker.close()
    await world.close()


async def test_kill_nine_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    """The venue is killed under load again and again; each start finds every acknowledged order, fill and payment."""
    file, told, rng = tmp_path / "world.sqlite", Acknowledged(), random.Random(11)
    with VenueProcess(file, seed=7) as process:
        world = RemoteWorld(process.url)
        await world.perform(AddAccount(account="main"))
        await world.perform(AddInstrument(instrument=TERMS))
        told.take(await world.perform(Pay(account="main", kind="deposit", currency="USD", amount=dec(10**7))))
        await world.close()
    for _ in range(KILLS):
        with VenueProcess(file) as process:
            await check(process.url, told)
            await kill_under_load(process, told, rng)
    with VenueProcess(file) as process:
        await check(process.url, told)
    assert len(told.orders) > KILLS
    assert told.fills
