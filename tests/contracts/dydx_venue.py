"""dYdX as the contract's tests see it: the native adapter over a loopback indexer. It takes no orders."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from msgspec.structs import replace
from tests.contracts.venues import START, OverHttp, Traits

from tieout.brokers.base import BrokerAdapter
from tieout.brokers.dydx.adapter import DydxBroker
from tieout.brokers.loopback.base import Login, LoopbackVenue
from tieout.brokers.loopback.dydx import DydxVenue
from tieout.brokers.loopback.dydx_rows import block_of, uuid_of
from tieout.brokers.simulated import Fault, World
from tieout.brokers.simulated.commands import Command, Happened, Pay
from tieout.brokers.simulated.faults import Call
from tieout.brokers.wire.breaker import Tolerance
from tieout.brokers.wire.limits import Limits
from tieout.brokers.wire.tries import ReadPatience
from tieout.brokers.wire.wire import Wire
from tieout.clock import DEADLINE, Deadline, VirtualClock
from tieout.model.amounts import ONE
from tieout.model.snapshot import Activity, Balance, Fill, Order, Position, Row, Section, Snapshot

SEED, ADDRESS = 7, "dydx1contract"
PATIENCE_NS = 10**9
TYPES = {"stop": "stop_market"}


class DydxTraits(Traits, frozen=True, kw_only=True):
    """The world's USDT is USDC here, what it pays in interest is funding, and every trade is paid in full."""

    def _told(self, snapshot: Snapshot, section: Section) -> object:
        return tuple(_as_told(row) for row in getattr(snapshot, section) or ())

    def _renamed(self, row: object) -> dict[str, object]:
        if isinstance(row, Activity) and row.kind == "funding":
            return {"activity_id": f"funding-{block_of(row.activity_id)}-0-0"}
        return super()._renamed(row)


def _as_told(row: Row) -> Row:
    """A row of the truth as dYdX can say it."""
    renamed = replace(row, **TRAITS._renamed(row))
    match renamed:
        case Position(market_price=price, average_price=paid):
            return replace(
                renamed, market_price=price or paid, currency="USDC", quote="USDC", settlement="cash", multiplier=ONE
            )
        case Balance(currency=currency, total=total):
            return Balance(_coin(currency), total)
        case Order(type=kind):
            return replace(renamed, type=TYPES.get(kind or "", kind), position_side=None)
        case Fill():
            return replace(
                renamed, client_order_id=None, fee_currency="USDC", settlement="cash", quote="USDC",
                liquidation=bool(renamed.liquidation), position_side=None,
            )  # fmt: skip
        case Activity(currency=currency):
            return replace(renamed, currency=_coin(currency or ""))
    raise AssertionError(f"a {type(row).__name__}")


def _coin(currency: str) -> str:
    return "USDC" if currency == "USDT" else currency


TRAITS = DydxTraits(
    name="dydx",
    asset=lambda name: f"{name}-USD",
    ids=uuid_of,
    cannot={Fault.PARTIAL: "an answer of this venue never says that it is partial"},
    hedge_mode=False,
    acts=False,
    currency="USDC",
    statuses={"expired": "cancelled"},
)
CALLS: Mapping[Call, str] = {
    "get_positions": "GET /v4/addresses/*",
    "get_balances": "GET /v4/addresses/*",
    "get_account_info": "GET /v4/addresses/*",
    "get_open_orders": "GET /v4/orders/parentSubaccountNumber[?]*",
    "get_order": "GET /v4/orders/*",
    "get_fills": "GET /v4/fills/*",
    "get_activities": "GET /v4/transfers/*",
    "get_instruments": "GET /v4/perpetualMarkets",
    "server_time": "GET /v4/time",
}


class Soon(Deadline):
    """Near until the next fault has struck, far from then on: a virtual clock stands still while a socket is waited for."""

    def __init__(self, server: LoopbackVenue) -> None:
        super().__init__(server.world.clock, 60)
        self._faults, self._struck = server.faults, len(server.faults.struck)

    def left_ns(self) -> int:
        """In nanoseconds."""
        return PATIENCE_NS if len(self._faults.struck) == self._struck else 60 * 10**9


class OverIndexer(OverHttp):
    """The world pays no interest at dYdX: it is funding there."""

    async def let(self, command: Command) -> Happened:
        """Let something happen; ended orders are named by the indexer's id."""
        if isinstance(command, Pay) and command.kind == "interest":
            command = replace(command, kind="funding")
        return await super().let(command)

    def _world_id(self, order: str) -> str:
        known = self.world.state.account(self.account).orders
        return next(id_ for id_ in known if uuid_of(id_) == order)


@asynccontextmanager
async def dydx(account: str, _url: str, hedge_mode: bool) -> AsyncIterator[OverHttp]:
    """An account of its own at a fresh indexer."""
    assert not hedge_mode, "dYdX has no legs"
    clock = VirtualClock(START)
    world = World(clock, seed=SEED)
    world.add_account(account, currency="USDT")
    world.add_instrument(TRAITS.instrument(TRAITS.asset("NIL")))
    wire = Wire(
        "dydx", clock=clock, limits=Limits(((10_000, 10_000),)), random=random.Random(7),
        patience=ReadPatience(tries_again=0), tolerance=Tolerance(failures=1000),
    )  # fmt: skip
    async with DydxVenue(world, Login(account=account, key=ADDRESS), cash="USDT") as server:

        def make(_assets: tuple[str, ...]) -> BrokerAdapter:
            return DydxBroker(ADDRESS, account=account, wire=wire, url=server.url)

        def hurry() -> None:
            DEADLINE.set(Soon(server))

        venue = OverIndexer(server, account, traits=TRAITS, make=make, calls=CALLS, hurry=hurry)
        yield venue
        await venue.broker.close()
