"""ccxt's venues as the contract's tests see them: the unmodified ccxt client over a loopback server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from typing import Any

from msgspec import Struct
from tests.conform.loopback import client, credentials
from tests.contracts.venues import START, OverHttp, Traits

from tieout.brokers.base import BrokerAdapter
from tieout.brokers.ccxt.adapter import CcxtBroker
from tieout.brokers.ccxt.ids import ALPHANUMERIC
from tieout.brokers.loopback.base import Login, LoopbackVenue
from tieout.brokers.loopback.binance import LoopbackBinance
from tieout.brokers.loopback.bybit import LoopbackBybit
from tieout.brokers.loopback.coinbase import LoopbackCoinbase
from tieout.brokers.loopback.hyperliquid import LoopbackHyperliquid
from tieout.brokers.loopback.kraken import LoopbackKraken
from tieout.brokers.loopback.okx import LoopbackOkx
from tieout.brokers.loopback.symbols import number_of
from tieout.brokers.simulated import Fault, World
from tieout.brokers.simulated.faults import Call
from tieout.clock import SystemClock, VirtualClock
from tieout.model.snapshot import SECTIONS, Section

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


def in_usdc(name: str) -> str:
    """A contract that settles in USDC."""
    return f"{name}/USDC:USDC"


_NO_PARTS = {Fault.PARTIAL: "an answer of this venue never says that it is partial"}
_FILLS = ("client_order_id", "position_side", "liquidation")


class Entry(Struct, frozen=True):
    """One of ccxt's venues: its server, its traits, and what each call asks."""

    name: str
    server: Callable[..., LoopbackVenue]
    traits: Traits
    calls: Mapping[Call, str]


ENTRIES: tuple[Entry, ...] = ()
ENTRIES += (
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


_READ: frozenset[Section] = frozenset({"positions", "balances", "orders", "fills"})
_NEVER_EXPIRED = {"expired": "cancelled"}
_LOCAL: frozenset[Call] = frozenset({"get_account_info", "get_activities"})


def _reading(
    name: str,
    kind: str,
    asset: Callable[[str], str],
    *untold: tuple[Section, tuple[str, ...]],
    finds: bool = True,
    **more: Any,
) -> Traits:
    """One of the further venues."""
    return Traits(
        name=name,
        asset=asset,
        kind=kind,
        since=START - timedelta(hours=1),
        untold={"balances": ("usd_price",), **dict(untold)},
        local=_LOCAL if finds else _LOCAL | {"get_order"},
        cannot=_NO_PARTS,
        sections=_READ,
        finds=finds,
        **{"hedge_mode": False, **more},
    )


ENTRIES += (
    Entry(
        "okx",
        LoopbackOkx,
        _reading(
            "okx",
            "margin",
            linear,
            ("fills", ("liquidation",)),
            ids=numbered,
            world_id=from_number,
            hedge_mode=True,
            heard=ALPHANUMERIC.heard,
            statuses=_NEVER_EXPIRED,
        ),
        {
            "get_positions": "GET /api/v5/account/positions",
            "get_balances": "GET /api/v5/account/balance",
            "get_open_orders": "GET /api/v5/trade/orders-pending*",
            "get_order": "GET /api/v5/trade/order[?]*",
            "get_fills": "GET /api/v5/trade/fills-history*SWAP*",
            "submit_order": "POST /api/v5/trade/batch-orders",
            "cancel_order": "POST /api/v5/trade/cancel-order",
            "server_time": "GET /api/v5/public/time",
        },
    ),
    Entry(
        "bybit",
        LoopbackBybit,
        _reading(
            "bybit",
            "margin",
            linear,
            ("balances", ("usd_price", "available")),
            statuses=_NEVER_EXPIRED,
        ),
        {
            "get_positions": "GET /v5/position/list*settleCoin=USDT*",
            "get_balances": "GET /v5/account/wallet-balance*",
            "get_open_orders": "GET /v5/order/realtime*settleCoin=USDT*",
            "get_order": "GET /v5/order/realtime*orderLinkId=*",
            "get_fills": "GET /v5/execution/list*category=linear*",
            "submit_order": "POST /v5/order/create",
            "cancel_order": "POST /v5/order/cancel",
            "server_time": "GET /v5/market/time",
        },
    ),
    Entry(
        "kraken",
        LoopbackKraken,
        _reading(
            "kraken",
            "spot",
            spot,
            ("balances", ("usd_price", "available")),
            ("orders", ("updated_at",)),
            ("fills", _FILLS),
            denies=False,
        ),
        {
            "get_positions": "POST /0/private/OpenPositions",
            "get_balances": "POST /0/private/BalanceEx",
            "get_open_orders": "POST /0/private/OpenOrders",
            "get_order": "POST /0/private/*Orders",
            "get_fills": "POST /0/private/TradesHistory",
            "submit_order": "POST /0/private/AddOrder",
            "cancel_order": "POST /0/private/CancelOrder",
            "server_time": "GET /0/public/Time",
        },
    ),
    Entry(
        "coinbase",
        LoopbackCoinbase,
        _reading("coinbase", "spot", spot, ("orders", ("updated_at",)), ("fills", _FILLS), finds=False, sends=False),
        {
            "get_positions": "GET /api/v3/brokerage/cfm/positions",
            "get_balances": "GET /api/v3/brokerage/accounts*",
            "get_open_orders": "GET /api/v3/brokerage/orders/historical/batch*OPEN*",
            "get_fills": "GET /api/v3/brokerage/orders/historical/fills*",
            "submit_order": "POST /api/v3/brokerage/orders",
            "cancel_order": "POST /api/v3/brokerage/orders/batch_cancel",
            "server_time": "GET /v2/time",
        },
    ),
    Entry(
        "hyperliquid",
        LoopbackHyperliquid,
        _reading(
            "hyperliquid",
            "margin",
            in_usdc,
            ("balances", ("usd_price", "available")),
            ("orders", ("updated_at",)),
            ids=numbered,
            world_id=from_number,
            quote="USDC",
            acts=False,
            statuses=_NEVER_EXPIRED,
        ),
        {
            "get_positions": "POST /info clearinghouseState",
            "get_balances": "POST /info spotClearinghouseState",
            "get_open_orders": "POST /info frontendOpenOrders",
            "get_order": "POST /info orderStatus",
            "get_fills": "POST /info userFillsByTime",
            "server_time": "POST /info exchangeStatus",
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
        secrets = credentials(entry.name)
        key = secrets["walletAddress"] if entry.name == "hyperliquid" else secrets["apiKey"]
        login = Login(account=account, key=key, secret=secrets["secret"], password=secrets.get("password", ""))
        async with entry.server(world, login, clock=SystemClock()) as server:
            venue_client = client(entry.name, int(server.url.rpartition(":")[2]))
            venue_client.secret = login.secret

            def make(assets: tuple[str, ...]) -> BrokerAdapter:
                return CcxtBroker(
                    entry.name,
                    account=account,
                    client=venue_client,
                    assets=assets,
                    leave=frozenset(SECTIONS) - entry.traits.sections,
                    clock=world.clock,
                    accept_gaps=SECTIONS,
                )

            def hurry() -> None:
                venue_client.timeout = PATIENCE_MS

            venue = OverHttp(server, account, traits=entry.traits, make=make, calls=entry.calls, hurry=hurry)
            try:
                yield venue
            finally:
                await venue.broker.close()

    return made


CCXT = {f"ccxt_{entry.name}": over_ccxt(entry) for entry in ENTRIES}
TRAITS = {f"ccxt_{entry.name}": entry.traits for entry in ENTRIES}
