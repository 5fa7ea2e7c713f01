"""ccxt's venues as the contract's tests see them: the unmodified ccxt client over a loopback server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from typing import Any

from msgspec import Struct
from msgspec.structs import replace
from tests.conform.loopback import client, credentials
from tests.contracts.venues import START, OverHttp, Traits

from tieout.brokers.base import BrokerAdapter
from tieout.brokers.ccxt.adapter import CcxtBroker
from tieout.brokers.ccxt.ids import ALPHANUMERIC, HYPERLIQUID
from tieout.brokers.loopback.base import Login, LoopbackVenue
from tieout.brokers.loopback.binance import LoopbackBinance
from tieout.brokers.loopback.bybit import LoopbackBybit
from tieout.brokers.loopback.coinbase import LoopbackCoinbase
from tieout.brokers.loopback.hyperliquid import LoopbackHyperliquid
from tieout.brokers.loopback.kraken import LoopbackKraken
from tieout.brokers.loopback.okx import LoopbackOkx
from tieout.brokers.loopback.symbols import number_of
from tieout.brokers.simulated import Fault, Instrument, World
from tieout.brokers.simulated.faults import Call
from tieout.clock import SystemClock, VirtualClock
from tieout.model.amounts import dec
from tieout.model.snapshot import SECTIONS, Activity, ActivityKind, Section

PATIENCE_MS = 1000  # long enough for an answer on a busy machine
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


Told = Callable[[Activity], tuple[ActivityKind, str]]


def telling(told: Told) -> Callable[[Activity], Activity]:
    """An activity of the world as a venue tells it, by the kind and the id that it has there."""

    def renamed(row: Activity) -> Activity:
        kind, id_ = told(row)
        return replace(row, kind=kind, activity_id=id_)

    return renamed


def in_spot_lists(row: Activity) -> tuple[ActivityKind, str]:
    """Binance's spot wallet has a list for each sort of movement."""
    gained = row.amount is not None and row.amount > 0
    if row.kind in ("deposit", "withdrawal"):
        return row.kind, f"{row.kind}-{number_of(row.activity_id)}"
    if gained and row.kind in ("interest", "dividend", "rebate", "cash_in_lieu"):
        return "dividend", f"dividend-{number_of(row.activity_id)}"
    return "transfer", f"transfer-{number_of(row.activity_id)}"


def as_income(row: Activity) -> tuple[ActivityKind, str]:
    """What reaches a futures wallet of Binance comes out of another wallet of the owner."""
    word, kind = INCOME[row.kind]
    return kind, f"{word}-{number_of(row.activity_id)}-{row.currency}-"


def as_ledger_updates(row: Activity) -> tuple[ActivityKind, str]:
    """Hyperliquid knows deposits, withdrawals and rewards in USDC; all else was sent, or received."""
    gained, own = row.amount is not None and row.amount > 0, row.currency == "USDC"
    if own and row.kind == "funding":
        number = number_of(row.activity_id)
        return "funding", f"funding-{int(row.at.timestamp() * 1000)}-C{number}"
    word = {"deposit": "deposit", "withdrawal": "withdraw", "rebate": "rewardsClaim"}.get(row.kind)
    if own and word and (gained or row.kind != "rebate"):
        return row.kind, f"{row.activity_id}-{word}"
    return "transfer", f"{row.activity_id}-spotTransfer-{'in' if gained else 'out'}"


def as_log(row: Activity) -> tuple[ActivityKind, str]:
    """Bybit's unified account is paid out of another account of the owner."""
    word, kind = LOG[row.kind]
    if word == "TRANSFER_IN" and row.amount is not None and row.amount < 0:
        word = "TRANSFER_OUT"
    return kind, f"{word}-{row.activity_id}"


def by_kind(ids: Callable[[str], str], **kinds: ActivityKind) -> Callable[[Activity], Activity]:
    """A venue with other words for some kinds."""
    return telling(lambda row: (kinds.get(row.kind, row.kind), ids(row.activity_id)))


INCOME: dict[ActivityKind, tuple[str, ActivityKind]] = {
    "deposit": ("TRANSFER", "transfer"), "withdrawal": ("TRANSFER", "transfer"), "transfer": ("TRANSFER", "transfer"),
    "funding": ("FUNDING_FEE", "funding"), "interest": ("BFUSD_REWARD", "interest"), "rebate": ("API_REBATE", "rebate"),
    "dividend": ("WELCOME_BONUS", "rebate"), "cash_in_lieu": ("CONTEST_REWARD", "rebate"),
    "fee": ("INSURANCE_CLEAR", "fee"),
}  # fmt: skip
LOG: dict[ActivityKind, tuple[str, ActivityKind]] = {
    "deposit": ("TRANSFER_IN", "transfer"), "withdrawal": ("TRANSFER_OUT", "transfer"),
    "transfer": ("TRANSFER_IN", "transfer"), "funding": ("SETTLEMENT", "funding"), "interest": ("INTEREST", "interest"),
    "rebate": ("FEE_REFUND", "rebate"), "fee": ("FEE_REFUND", "rebate"), "dividend": ("AIRDROP", "dividend"),
    "cash_in_lieu": ("AIRDROP", "dividend"),
}  # fmt: skip
_NO_PARTS = {Fault.PARTIAL: "an answer of this venue never says that it is partial"}
_FILLS = ("client_order_id", "position_side", "liquidation")


def inverse(name: str) -> str:
    """A contract in dollars that settles in its coin."""
    return f"{name}/USD:{name}"


class CoinTraits(Traits, frozen=True, kw_only=True):
    """Contracts that settle in their coin."""

    def instrument(self, asset: str) -> Instrument:
        """A contract of ten dollars."""
        return Instrument(asset=asset, kind="inverse", currency=asset.partition(":")[2], multiplier=dec(10))

    def contract(self, asset: str) -> Instrument:
        """There is nothing else."""
        return self.instrument(asset)


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
            local=frozenset({"get_account_info", "get_positions"}),
            cannot=_NO_PARTS,
            sections=frozenset({"balances", "orders", "fills", "activities"}),
            hedge_mode=False,
            activity=telling(in_spot_lists),
        ),
        {
            "get_balances": "GET /api/v3/account[?]*",
            "get_open_orders": "GET /api/v3/openOrders[?]*",
            "get_order": "GET /api/v3/order[?]*",
            "get_fills": "GET /api/v3/myTrades[?]*",
            "get_activities": "GET /sapi/v1/capital/deposit/hisrec[?]*",
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
            local=frozenset({"get_account_info"}),
            cannot=_NO_PARTS,
            activity=telling(as_income),
        ),
        {
            "get_positions": "GET /fapi/v3/positionRisk[?]*",
            "get_balances": "GET /fapi/v3/account[?]*",
            "get_open_orders": "GET /fapi/v1/openOrders[?]*",
            "get_order": "GET /fapi/v1/order[?]*",
            "get_fills": "GET /fapi/v1/userTrades[?]*",
            "get_activities": "GET /fapi/v1/income[?]*",
            "server_time": "GET /fapi/v1/time",
            "submit_order": "POST /fapi/v1/*rder",
            "cancel_order": "DELETE /fapi/v1/*rder[?]*",
        },
    ),
)
ENTRIES += (
    Entry(
        "binancecoinm",
        LoopbackBinance,
        CoinTraits(
            name="binancecoinm",
            asset=inverse,
            kind="inverse",
            since=START - timedelta(hours=1),
            untold={
                "balances": ("usd_price", "available", "locked"),
                "fills": _FILLS,
                "positions": ("market_price",),
            },
            ids=numbered,
            world_id=from_number,
            local=frozenset({"get_account_info"}),
            cannot=_NO_PARTS,
            takes=frozenset({"market", "limit"}),
            activity=telling(as_income),
        ),
        {
            "get_positions": "GET /dapi/v1/positionRisk[?]*",
            "get_balances": "GET /dapi/v1/account[?]*",
            "get_open_orders": "GET /dapi/v1/openOrders[?]*",
            "get_order": "GET /dapi/v1/order[?]*",
            "get_fills": "GET /dapi/v1/userTrades[?]*",
            "get_activities": "GET /dapi/v1/income[?]*",
            "server_time": "GET /dapi/v1/time",
            "submit_order": "POST /dapi/v1/*rder",
            "cancel_order": "DELETE /dapi/v1/*rder[?]*",
        },
    ),
)


_NEVER_EXPIRED = {"expired": "cancelled"}
_LOCAL: frozenset[Call] = frozenset({"get_account_info"})


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
            activity=by_kind(
                numbered,
                deposit="transfer",
                withdrawal="transfer",
                fee="interest",
                rebate="transfer",
                dividend="transfer",
                cash_in_lieu="transfer",
            ),
        ),
        {
            "get_positions": "GET /api/v5/account/positions",
            "get_balances": "GET /api/v5/account/balance",
            "get_open_orders": "GET /api/v5/trade/orders-pending*",
            "get_order": "GET /api/v5/trade/order[?]*",
            "get_fills": "GET /api/v5/trade/fills-history*SWAP*",
            "get_activities": "GET /api/v5/account/bills-archive*",
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
            activity=telling(as_log),
        ),
        {
            "get_positions": "GET /v5/position/list*settleCoin=USDT*",
            "get_balances": "GET /v5/account/wallet-balance*",
            "get_open_orders": "GET /v5/order/realtime*settleCoin=USDT*",
            "get_order": "GET /v5/order/realtime*orderLinkId=*",
            "get_fills": "GET /v5/execution/list*category=linear*",
            "get_activities": "GET /v5/account/transaction-log*",
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
            activity=by_kind(str, funding="fee", rebate="interest", cash_in_lieu="dividend"),
        ),
        {
            "get_positions": "POST /0/private/OpenPositions",
            "get_balances": "POST /0/private/BalanceEx",
            "get_open_orders": "POST /0/private/OpenOrders",
            "get_order": "POST /0/private/*Orders",
            "get_fills": "POST /0/private/TradesHistory",
            "get_activities": "POST /0/private/Ledgers",
            "submit_order": "POST /0/private/AddOrder",
            "cancel_order": "POST /0/private/CancelOrder",
            "server_time": "GET /0/public/Time",
        },
    ),
    Entry(
        "coinbase",
        LoopbackCoinbase,
        _reading(
            "coinbase",
            "spot",
            spot,
            ("orders", ("updated_at",)),
            ("fills", _FILLS),
            finds=False,
            sends=False,
            activity=by_kind(str, funding="transfer", dividend="interest", cash_in_lieu="interest"),
        ),
        {
            "get_positions": "GET /api/v3/brokerage/cfm/positions",
            "get_balances": "GET /api/v3/brokerage/accounts*",
            "get_open_orders": "GET /api/v3/brokerage/orders/historical/batch*OPEN*",
            "get_fills": "GET /api/v3/brokerage/orders/historical/fills*",
            "get_activities": "GET /v2/accounts/wallet-USDT/transactions*",
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
            statuses=_NEVER_EXPIRED,
            takes=frozenset({"limit", "stop_limit"}),
            decimals=1,
            said=HYPERLIQUID.said,
            heard=HYPERLIQUID.heard,
            activity=telling(as_ledger_updates),
        ),
        {
            "get_positions": "POST /info clearinghouseState",
            "get_balances": "POST /info spotClearinghouseState",
            "get_open_orders": "POST /info frontendOpenOrders",
            "get_order": "POST /info orderStatus",
            "get_fills": "POST /info userFillsByTime",
            "get_activities": "POST /info userNonFundingLedgerUpdates",
            "submit_order": "POST /exchange order",
            "cancel_order": "POST /exchange cancel",
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
            if isinstance(server, LoopbackHyperliquid):
                agent = venue_client.eth_get_address_from_private_key(venue_client.privateKey)
                server.agents[agent] = login.key

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
