"""The implementations that the broker contract is held against. A further one is one more entry in `VENUES`."""

from __future__ import annotations

import itertools
import random
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from tests.contracts.alpaca_venue import TRAITS as ALPACA_TRAITS
from tests.contracts.alpaca_venue import alpaca
from tests.contracts.ccxt_venues import CCXT
from tests.contracts.ccxt_venues import TRAITS as CCXT_TRAITS
from tests.contracts.dydx_venue import TRAITS as DYDX_TRAITS
from tests.contracts.dydx_venue import dydx
from tests.contracts.ib_venue import TRAITS as IB_TRAITS
from tests.contracts.ib_venue import ib
from tests.contracts.venues import START, Traits, Venue

from tieout.brokers.base import BrokerAdapter
from tieout.brokers.simulated import FaultPlan, FaultRule, SimulatedBroker, World
from tieout.brokers.simulated.commands import AddAccount, Command, Happened, Inject, inject, perform
from tieout.brokers.simulated.process import VenueProcess
from tieout.brokers.simulated.protocol import Truth
from tieout.brokers.simulated.remote import RemoteSimulatedBroker
from tieout.brokers.simulated.remote_world import RemoteWorld
from tieout.clock import VirtualClock

_numbers = itertools.count(1)


class InProcess:
    """A world in memory."""

    traits = Traits()

    def __init__(self, world: World, account: str) -> None:
        self.account, self._world = account, world
        self._broker = SimulatedBroker(world, account, faults=FaultPlan(random.Random(7)))
        self.broker: BrokerAdapter = self._broker

    async def let(self, command: Command) -> Happened:
        return perform(self._world, command)

    async def go_wrong(self, rule: FaultRule) -> None:
        inject(self._broker, Inject(account=self.account, rules=(rule,)))

    async def truth(self) -> Truth:
        return Truth(self._world.snapshot(self.account), dict(self._world.submits_seen(self.account)))


class Remote:
    """A world in a process of its own; one process serves the session, each test has an account of its own."""

    traits = Traits()

    def __init__(self, url: str, world: RemoteWorld, account: str) -> None:
        self.account, self._world = account, world
        self.broker: BrokerAdapter = RemoteSimulatedBroker(url, account, timeout_s=60)

    async def let(self, command: Command) -> Happened:
        return await self._world.perform(command)

    async def go_wrong(self, rule: FaultRule) -> None:
        await self._world.inject(Inject(account=self.account, rules=(rule,)))

    async def truth(self) -> Truth:
        return await self._world.truth(self.account)


@asynccontextmanager
async def in_process(account: str, url: str, hedge_mode: bool) -> AsyncIterator[Venue]:
    """A fresh world in memory."""
    venue = InProcess(World(VirtualClock(START), seed=7), account)
    await venue.let(AddAccount(account=account, currency="USDT", hedge_mode=hedge_mode))
    yield venue
    await venue.broker.close()


@asynccontextmanager
async def remote(account: str, url: str, hedge_mode: bool) -> AsyncIterator[Venue]:
    """A fresh account in the simulator's process."""
    world = RemoteWorld(url, timeout_s=60)
    venue = Remote(url, world, account)
    await venue.let(AddAccount(account=account, currency="USDT", hedge_mode=hedge_mode))
    yield venue
    await venue.broker.close()
    await world.close()


VENUES: dict[str, Callable[[str, str, bool], AbstractAsyncContextManager[Venue]]] = {
    "in_process": in_process,
    "remote": remote,
    "alpaca": alpaca,
    "dydx": dydx,
    "ib": ib,
    **CCXT,
}
TRAITS: dict[str, Traits] = {
    "in_process": Traits(),
    "remote": Traits(),
    "alpaca": ALPACA_TRAITS,
    "dydx": DYDX_TRAITS,
    "ib": IB_TRAITS,
    **CCXT_TRAITS,
}
HEDGED = [name for name, traits in TRAITS.items() if traits.hedge_mode and traits.sends]
ACTING = [name for name, traits in TRAITS.items() if traits.acts and traits.sends]
READING = [name for name, traits in TRAITS.items() if not traits.acts]


@pytest.fixture(scope="session")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a simulator's process that serves the session."""
    file: Path = tmp_path_factory.mktemp("simulator") / "world.sqlite"
    with VenueProcess(file, seed=7, virtual_from=START) as process:
        yield process.url


@pytest.fixture(params=VENUES)
async def venue(request: pytest.FixtureRequest) -> AsyncIterator[Venue]:
    """Each implementation in turn, with an empty account in net mode."""
    url = request.getfixturevalue("simulator") if request.param == "remote" else ""
    async with VENUES[request.param](f"account{next(_numbers)}", url, False) as made:
        yield made


@pytest.fixture(params=ACTING)
async def acting(request: pytest.FixtureRequest) -> AsyncIterator[Venue]:
    """Each implementation in turn that sends orders, with an empty account in net mode."""
    url = request.getfixturevalue("simulator") if request.param == "remote" else ""
    async with VENUES[request.param](f"account{next(_numbers)}", url, False) as made:
        yield made


@pytest.fixture(params=READING)
async def reading(request: pytest.FixtureRequest) -> AsyncIterator[Venue]:
    """Each implementation in turn that sends no orders, with an empty account."""
    async with VENUES[request.param](f"account{next(_numbers)}", "", False) as made:
        yield made


@pytest.fixture(params=HEDGED)
async def hedged(request: pytest.FixtureRequest) -> AsyncIterator[Venue]:
    """Each implementation in turn, with an empty account in hedge mode."""
    url = request.getfixturevalue("simulator") if request.param == "remote" else ""
    async with VENUES[request.param](f"account{next(_numbers)}", url, True) as made:
        yield made


@pytest.fixture
def ticker(request: pytest.FixtureRequest) -> str:
    """An asset name that no other test uses, as the venue under test lists it."""
    tested = request.node.callspec.params
    name = next(tested[fixture] for fixture in ("venue", "hedged", "acting", "reading") if fixture in tested)
    return TRAITS[name].asset(f"T{next(_numbers)}")
