"""A street of venues: each loopback server with one account in it, and the adapter that reads it over 127.0.0.1.

For `tieout demo --venues`: keys are made up, worlds are small, and nothing but the address of the servers is out of the
ordinary for adapters and clients.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from random import Random

from msgspec import Struct
from msgspec.structs import replace

from tieout.brokers.base import BrokerAdapter
from tieout.brokers.simulated import Instrument, World
from tieout.brokers.simulated.instruments import InstrumentKind
from tieout.brokers.wire.limits import Limits, Rates
from tieout.brokers.wire.measured import EndpointMeasured
from tieout.brokers.wire.tries import ReadPatience
from tieout.brokers.wire.venues import limits_of
from tieout.brokers.wire.wire import Wire
from tieout.clock import Clock
from tieout.model.snapshot import SECTIONS, Section

from .alpaca import LoopbackAlpaca
from .base import Login, LoopbackVenue
from .binance import LoopbackBinance
from .bybit import LoopbackBybit
from .coinbase import LoopbackCoinbase
from .dydx import DydxVenue
from .hyperliquid import LoopbackHyperliquid
from .jwt import new_key
from .kraken import LoopbackKraken
from .okx import LoopbackOkx

Holding = tuple[str, str, str]  # asset, amount (signed), price
ADDRESS = "0x" + "1" * 40
PATIENCE = ReadPatience(tries_again=2, seconds=15, each_seconds=10)
HASTE = 10  # these servers bear more than the venues: one reading of Kraken in 15 s is all that its own limit allows


class Plot(Struct, frozen=True):
    """What stands at one place of the street, before anything of it runs.

    Attributes:
        account: A name for the account.
        venue: As adapters name it.
        server: Its protocol.
        cash: The currency that it trades in, and how much of it is paid in.
        holds: What the account holds at the start; the first asset is the one that things happen to.
        kind: How a trade there moves cash.
    """

    account: str
    venue: str
    server: Callable[..., LoopbackVenue]
    cash: tuple[str, str]
    holds: tuple[Holding, ...]
    kind: InstrumentKind


PLOTS: tuple[Plot, ...] = (
    Plot("shares", "alpaca", LoopbackAlpaca, ("USD", "60000"), (("AAPL", "100", "190"), ("MSFT", "40", "400.25")), "cash"),
    Plot("coins", "binance", LoopbackBinance, ("USDT", "90000"),
         (("BTC/USDT", "0.41", "68012.34"), ("ETH/USDT", "3.5", "2501.07")), "spot"),
    Plot("futures", "binanceusdm", LoopbackBinance, ("USDT", "25000"),
         (("BTC/USDT:USDT", "0.35", "68010.2"), ("ETH/USDT:USDT", "-4", "2502")), "margin"),
    Plot("unified", "bybit", LoopbackBybit, ("USDT", "25000"), (("ETH/USDT:USDT", "12.5", "2500.5"),), "margin"),
    Plot("swaps", "okx", LoopbackOkx, ("USDT", "25000"), (("SOL/USDT:USDT", "150", "171.3"),), "margin"),
    Plot("savings", "kraken", LoopbackKraken, ("USDT", "70000"), (("BTC/USDT", "0.75", "68020.5"),), "spot"),
    Plot("wallets", "coinbase", LoopbackCoinbase, ("USDT", "40000"), (("ETH/USDT", "8", "2503.11"),), "spot"),
    Plot("perps", "hyperliquid", LoopbackHyperliquid, ("USDC", "3000"), (("BTC/USDC:USDC", "-0.2", "68000"),), "margin"),
    Plot("chain", "dydx", DydxVenue, ("USDC", "15000"), (("ETH-USD", "2.75", "2500.9"),), "margin"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Stand:
    """One place of the street, running."""

    plot: Plot
    world: World
    server: LoopbackVenue
    broker: BrokerAdapter
    wire: Wire

    @property
    def asset(self) -> str:
        """The asset that things happen to."""
        return self.plot.holds[0][0]

    @property
    def measured(self) -> EndpointMeasured:
        """What was asked so far, reads of every class together."""
        told = self.wire.measured.values()
        failures: dict[str, int] = {}
        for each in told:
            for kind, times in each.failures.items():
                failures[kind] = failures.get(kind, 0) + times
        return EndpointMeasured(
            requests=sum(each.requests for each in told),
            failures=failures,
            retries=sum(each.retries for each in told),
            waited_ms=sum(each.waited_ms for each in told),
        )


@asynccontextmanager
async def opened(clock: Clock, seed: int) -> AsyncIterator[dict[str, Stand]]:
    """Every stand by its account's name; the servers listen until the context ends."""
    async with AsyncExitStack() as closing:
        stands: dict[str, Stand] = {}
        for plot in PLOTS:
            stands[plot.account] = await built(plot, clock, seed, closing)
        try:
            yield stands
        finally:
            await asyncio.gather(*(stand.broker.close() for stand in stands.values()))


async def built(plot: Plot, clock: Clock, seed: int, closing: AsyncExitStack) -> Stand:
    """One stand; its server listens until *closing* ends, its adapter is for the caller to close."""
    world, login = furnished(plot, clock, seed), login_of(plot)
    server = await closing.enter_async_context(plot.server(world, login))
    wire = Wire(plot.venue, clock=clock, limits=_hastened(plot.venue), random=Random(seed), patience=PATIENCE)
    return Stand(plot, world, server, adapter_of(plot, login, server.url, wire), wire)


def _hastened(venue: str) -> Limits:
    known = limits_of(venue)
    own = {endpoint: _sooner(rates) for endpoint, rates in known.own.items()}
    return replace(known, rates=_sooner(known.rates), own=own, together=_sooner(known.together))


def _sooner(rates: Rates) -> Rates:
    return tuple((most * HASTE, window) for most, window in rates)


def furnished(plot: Plot, clock: Clock, seed: int) -> World:
    """The account with what it holds."""
    world, (cash, paid) = World(clock, seed=seed), plot.cash
    world.add_account(plot.account, currency=cash)
    for asset, _amount, price in plot.holds:
        world.add_instrument(_instrument(plot, asset))
        world.set_price(asset, Decimal(price))
    world.office.pay(plot.account, "deposit", cash, Decimal(paid))
    for asset, amount, price in plot.holds:
        signed = Decimal(amount)
        world.trade(plot.account, asset, "buy" if signed > 0 else "sell", abs(signed), Decimal(price))
    return world


def _instrument(plot: Plot, asset: str) -> Instrument:
    """Alpaca takes no commission, so that its fills tell of none."""
    base = asset.partition("/")[0] if plot.kind == "spot" else None
    fee = Decimal(0) if plot.venue == "alpaca" else Decimal("0.0005")
    return Instrument(asset=asset, kind=plot.kind, currency=plot.cash[0], base=base, fee_rate=fee)


def login_of(plot: Plot) -> Login:
    """A key of the form that the venue's own have."""
    match plot.venue:
        case "coinbase":
            return Login(account=plot.account, key="organizations/demo/apiKeys/demo", secret=new_key())
        case "hyperliquid":
            return Login(account=plot.account, key=ADDRESS)
        case "dydx":
            return Login(account=plot.account, key="dydx1demo")
        case _:
            secret = base64.b64encode(b"a secret of nobody, for a demo").decode()
            return Login(account=plot.account, key="demo", secret=secret, password="demo")


def adapter_of(plot: Plot, login: Login, url: str, wire: Wire, *, leave: Collection[Section] = ()) -> BrokerAdapter:
    """The adapter that a configuration would give, at *url*. What ccxt is to *leave* is not read."""
    match plot.venue:
        case "alpaca":
            from tieout.brokers.alpaca.adapter import AlpacaBroker

            return AlpacaBroker(plot.account, key=login.key, secret=login.secret, wire=wire, url=url)
        case "dydx":
            from tieout.brokers.dydx.adapter import DydxBroker

            return DydxBroker(login.key, account=plot.account, wire=wire, url=url)
        case _:
            return _through_ccxt(plot, login, url, wire, leave)


def _through_ccxt(plot: Plot, login: Login, url: str, wire: Wire, leave: Collection[Section]) -> BrokerAdapter:
    from tieout.brokers.ccxt.adapter import CcxtBroker
    from tieout.brokers.ccxt.guard import connect
    from tieout.brokers.ccxt.venues import venue

    given = {"apiKey": login.key, "secret": login.secret, "password": login.password, "walletAddress": login.key}
    client = connect(plot.venue, given, venue(plot.venue).options, origin=url)
    return CcxtBroker(
        plot.venue,
        account=plot.account,
        client=client,
        wire=wire,
        clock=wire.clock,
        assets=tuple(asset for asset, _amount, _price in plot.holds),
        # The demo's accounts are what their servers say, whole: there is nothing beside it.
        accept_gaps=SECTIONS,
        leave=leave,
    )
