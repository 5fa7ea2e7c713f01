"""ccxt's venues as the contract's tests see them: the unmodified ccxt client over a loopback server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta

from msgspec import Struct
from tests.conform.loopback import SECRET, client
from tests.contracts.venues import START, OverHttp, Traits

from tieout.brokers.base import BrokerAdapter
from tieout.brokers.ccxt.adapter import CcxtBroker
from tieout.brokers.loopback.base import Login, LoopbackVenue
from tieout.brokers.loopback.binance import LoopbackBinance
from tieout.brokers.loopback.symbols import number_of
from tieout.brokers.simulated import Fault, World
from tieout.brokers.simulated.faults import Call
from tieout.clock import SystemClock, VirtualClock
from tieout.model.snapshot import SECTIONS

PATIENCE_MS = 250
SEED = 7


def numbered(world_id: str) -> str:
    """An id of the world as a venue writes it whose ids are numbers."""
    return str(number_of(world_id))


def from_number(number: str) -> str:
    """The way back, for orders."""
    return f"o-{SEED}-{int(number):06d}" if number.isdecimal() else number


def spot(name: str) -> str:
    """A pair."""
    return f"{name}/USDT"


def linear(name: str) -> str:
    """A contract that settles in USDT."""
    return f"{name}/USDT:USDT"


_NO_PARTS = {Fault.PARTIAL: "an answer of this venue never says that it is partial"}
_FILLS = ("client_order_id", "position_side", "liquidation")


class Entry(Struct, frozen=True):
    """One of ccxt's venues: its server, its traits, and what each call asks."""

    name: str
    server: type[LoopbackVenue]
    traits: Traits
    calls: Mapping[Call, str]


ENTRIES: tuple[Entry, ...] = (
    Entry(
        "binance",
        LoopbackBinance,
        Traits(
            name="binance",
            asset=spot,
            kind="spot",
            since=START - timedelta(hours=1),
            untold={"balances": ("usd_price",), "fills": _FILLS, "orders": ("position_side",)},
            ids=numbered,
            world_id=from_number,
            local=frozenset({"get_account_info", "get_positions", "get_activities"}),
            cannot=_NO_PARTS,
            sections=frozenset({"balances", "orders", "fills"}),
            hedge_mode=False,
        ),
        {
            "get_balances": "GET /api/v3/account[?]*",
            "get_open_orders": "GET /api/v3/openOrders[?]*",
            "get_order": "GET /api/v3/order[?]*",
            "get_fills": "GET /api/v3/myTrades[?]*",
            "server_time": "GET /api/v3/time",
            "submit_order": "POST /api/v3/order",
            "cancel_order": "DELETE /api/v3/order[?]*",
        },
    ),
    Entry(
        "binanceusdm",
        LoopbackBinance,
        Traits(
            name="binanceusdm",
            asset=linear,
            kind="margin",
            since=START - timedelta(hours=1),
            untold={
                "balances": ("usd_price", "available", "locked"),
                "fills": _FILLS,
                "positions": ("market_price",),
            },
            ids=numbered,
            world_id=from_number,
            local=frozenset({"get_account_info", "get_activities"}),
            cannot=_NO_PARTS,
            sections=frozenset({"positions", "balances", "orders", "fills"}),
        ),
        {
            "get_positions": "GET /fapi/v3/positionRisk[?]*",
            "get_balances": "GET /fapi/v3/account[?]*",
            "get_open_orders": "GET /fapi/v1/openOrders[?]*",
            "get_order": "GET /fapi/v1/order[?]*",
            "get_fills": "GET /fapi/v1/userTrades[?]*",
            "server_time": "GET /fapi/v1/time",
            "submit_order": "POST /fapi/v1/*rder",
            "cancel_order": "DELETE /fapi/v1/*rder[?]*",
        },
    ),
)


def over_ccxt(entry: Entry) -> Callable[[str, str, bool], AbstractAsyncContextManager[OverHttp]]:
    """How a test gets that venue, with an empty account of its own."""

    @asynccontextmanager
    async def made(account: str, _url: str, hedge_mode: bool) -> AsyncIterator[OverHttp]:
        world = World(VirtualClock(START), seed=SEED)
        world.add_account(account, currency="USDT", hedge_mode=hedge_mode)
        world.add_instrument(entry.traits.instrument(entry.traits.asset("NIL")))
        async with entry.server(
            world, Login(account=account, key="nobody", secret=SECRET), clock=SystemClock()
        ) as server:
            venue_client = client(entry.name, int(server.url.rpartition(":")[2]))

            def make(assets: tuple[str, ...]) -> BrokerAdapter:
                return CcxtBroker(
                    entry.name,
                    account=account,
                    client=venue_client,
                    assets=assets,
                    leave=frozenset(SECTIONS) - entry.traits.sections,
                    clock=world.clock,
                )

            def hurry() -> None:
                venue_client.timeout = PATIENCE_MS

            venue = OverHttp(server, account, traits=entry.traits, make=make, calls=entry.calls, hurry=hurry)
            yield venue
            await venue.broker.close()

    return made


CCXT = {f"ccxt_{entry.name}": over_ccxt(entry) for entry in ENTRIES}
TRAITS = {f"ccxt_{entry.name}": entry.traits for entry in ENTRIES}
