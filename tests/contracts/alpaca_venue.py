"""Alpaca as the contract's tests see it: its adapter over a loopback server."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from functools import cache

from msgspec.structs import replace
from tests.contracts.venues import START, OverHttp, Traits

from tieout.brokers.alpaca.adapter import AlpacaBroker
from tieout.brokers.base import BrokerAdapter
from tieout.brokers.loopback.alpaca import LoopbackAlpaca
from tieout.brokers.loopback.alpaca_rows import alpaca_id, record_id
from tieout.brokers.loopback.base import Login
from tieout.brokers.simulated import Fault, FaultRule, Instrument, World
from tieout.brokers.simulated.faults import Call
from tieout.brokers.wire.breaker import Tolerance
from tieout.brokers.wire.limits import Limits
from tieout.brokers.wire.tries import ReadPatience
from tieout.brokers.wire.wire import Wire
from tieout.clock import VirtualClock
from tieout.model.amounts import ONE
from tieout.model.snapshot import Activity, Balance, Fill, Order, Position, Row, Section, Snapshot

SEED = 7
PATIENCE_S = 1.0  # long enough for an answer on a busy machine
LIES = frozenset((Fault.EMPTY, Fault.DROPPED))


class AlpacaTraits(Traits, frozen=True, kw_only=True):
    """There is cash in one currency, and a coin is a holding: the world's other currencies are positions and units here."""

    def contract(self, asset: str) -> Instrument:
        """Alpaca has nothing on margin of its own kind: shares are paid in full."""
        return self.instrument(asset)

    def _told(self, snapshot: Snapshot, section: Section) -> object:
        if section == "positions":
            coins = [row for row in snapshot.balances or () if row.currency != "USDT"]
            return (*map(_position, snapshot.positions or ()), *map(_coin, coins))
        if section == "balances":
            return tuple(Balance("USDT", row.total) for row in snapshot.balances or () if row.currency == "USDT")
        rows: Iterable[Row] = getattr(snapshot, section) or ()
        return tuple(_record(replace(row, **self._renamed(row))) for row in rows)

    def _renamed(self, row: object) -> dict[str, object]:
        order = getattr(row, "broker_order_id", None)
        renamed: dict[str, object] = {} if order is None else {"broker_order_id": alpaca_id(order)}
        if isinstance(row, Fill):
            renamed["fill_id"] = record_id(row.at, row.fill_id)
        if isinstance(row, Activity):
            renamed["activity_id"] = record_id(row.at, row.activity_id)
        return renamed


def _position(row: Position) -> Position:
    """A share: priced in dollars, whatever the account is kept in."""
    return replace(row, currency="USD", quote="USD", settlement="cash")


def _coin(row: Balance) -> Position:
    """What the world has as a balance."""
    pair = {"currency": "USDT", "quote": "USDT", "base": row.currency}
    return Position(f"{row.currency}/USDT", row.total, multiplier=ONE, settlement="cash", **pair)  # type: ignore[arg-type]


def _record(row: Row) -> Row:
    match row:
        case Fill():
            return replace(row, client_order_id=None, fee=None, fee_currency=None, quote="USD", settlement="cash",
                           liquidation=None, position_side=None)  # fmt: skip
        case Activity(currency=currency) if currency not in (None, "USDT"):
            return replace(row, currency=None, asset=f"{currency}/USDT")
        case Order() | Activity():
            return row
    raise AssertionError(f"a {type(row).__name__}")


@cache
def _world_id(order: str) -> str:
    known = (f"o-{SEED}-{number:06d}" for number in range(1000))
    return next((id_ for id_ in known if alpaca_id(id_) == order), order)


TRAITS = AlpacaTraits(
    name="alpaca",
    ids=alpaca_id,
    world_id=_world_id,
    hedge_mode=False,
    currencies=1,
    cannot={Fault.PARTIAL: "an answer of this venue never says that it is partial"},
)
CALLS: Mapping[Call, str] = {
    "get_positions": "GET /v2/positions",
    "get_balances": "GET /v2/account",
    "get_account_info": "GET /v2/account",
    "get_open_orders": "GET /v2/orders[?]*",
    "get_order": "GET /v2/orders:by*|GET /v2/orders/*",
    "get_fills": "GET /v2/account/activities/FILL[?]*",
    "get_activities": "GET /v2/account/activities[?]*",
    "get_instruments": "GET /v2/assets/*",
    "server_time": "GET /v2/clock",
    "submit_order": "POST /v2/orders",
    "cancel_order": "DELETE /v2/orders/*",
}


class OverAlpaca(OverHttp):
    """Live orders are read from two lists, so that a lie is told twice; of one currency, to lose one is to lose all."""

    async def go_wrong(self, rule: FaultRule) -> None:
        """Let something go wrong on the way."""
        lie, calls = rule.fault in LIES, rule.calls or frozenset()
        if lie and "get_balances" in calls:
            rule = FaultRule(fault=Fault.EMPTY, calls=calls)
        if lie and "get_open_orders" in calls:
            rule = FaultRule(fault=rule.fault, calls=calls, times=2)
        await super().go_wrong(rule)


@asynccontextmanager
async def alpaca(account: str, _url: str, hedge_mode: bool) -> AsyncIterator[OverHttp]:
    """An account of its own at a fresh server."""
    assert not hedge_mode, "Alpaca has no legs"
    clock = VirtualClock(START)
    world = World(clock, seed=SEED)
    world.add_account(account, currency="USDT")
    world.add_instrument(TRAITS.instrument("NIL"))
    wire = Wire(
        "alpaca", clock=clock, limits=Limits(((10_000, 10_000),)), random=random.Random(7),
        patience=ReadPatience(tries_again=0), tolerance=Tolerance(failures=1000),
    )  # fmt: skip
    async with LoopbackAlpaca(world, Login(account=account, key="k", secret="s")) as server:

        def make(_assets: tuple[str, ...]) -> BrokerAdapter:
            return AlpacaBroker(account, key="k", secret="s", wire=wire, url=server.url)

        def hurry() -> None:
            wire.patience = ReadPatience(tries_again=0, seconds=PATIENCE_S)

        venue = OverAlpaca(server, account, traits=TRAITS, make=make, calls=CALLS, hurry=hurry)
        yield venue
        await venue.broker.close()
