"""Interactive Brokers as the contract's tests see it: its adapter, with the unmodified ib_async, over a loopback TWS.

What it cannot tell: activities (Flex statements do), fills before today in New York, how much of the cash is free, when an
order was made, fractions of a second, and that there is no order of an id that we did not send.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import cache

from msgspec.structs import replace
from tests.contracts.venues import LIES, START, OverWorld, Traits

from tieout.brokers.base import BrokerAdapter
from tieout.brokers.ib.adapter import IbBroker
from tieout.brokers.loopback.faults import HttpRule
from tieout.brokers.loopback.tws import LoopbackTws
from tieout.brokers.loopback.tws_faults import TwsFault, TwsRule
from tieout.brokers.loopback.tws_orders import ref_of
from tieout.brokers.loopback.tws_rows import number
from tieout.brokers.loopback.tws_wire import (
    ALL_ORDERS,
    CANCEL,
    CASH,
    EXECUTIONS,
    PLACE,
    POSITIONS,
    TIME,
)
from tieout.brokers.simulated import Fault, FaultRule, World
from tieout.brokers.simulated.faults import Call
from tieout.brokers.simulated.protocol import Truth
from tieout.clock import VirtualClock
from tieout.model.snapshot import Balance, Fill, Order, Position, Row, Section, Snapshot

SEED = 7
PATIENCE_S, PATIENT_S = 1.0, 5
SECTIONS: frozenset[Section] = frozenset(("positions", "balances", "orders", "fills"))
MIDNIGHT = datetime(2026, 11, 20, 5, tzinfo=UTC)  # in New York: since when TWS knows executions


def perm(order: str) -> str:
    """The broker's id of a world's order."""
    return str(number(order))


@cache
def _world_id(order: str) -> str:
    known = (f"o-{SEED}-{each:06d}" for each in range(1000))
    return next((id_ for id_ in known if perm(id_) == order), order)


class IbTraits(Traits, frozen=True, kw_only=True):
    """Rows as TWS has them."""

    def _told(self, snapshot: Snapshot, section: Section) -> object:
        rows = super()._told(snapshot, section)
        return None if rows is None else tuple(map(_row, rows))  # type: ignore[call-overload]

    def _renamed(self, row: object) -> dict[str, object]:
        order = getattr(row, "broker_order_id", None)
        renamed: dict[str, object] = {} if order is None else {"broker_order_id": perm(order)}
        return renamed | ({"fill_id": f"{row.fill_id}.01"} if isinstance(row, Fill) else {})


def _row(row: Row) -> Row:
    match row:
        case Position():
            shares = row.settlement == "cash"
            return replace(row, market_price=None, multiplier=None if shares else row.multiplier)
        case Balance():
            return Balance(row.currency, row.total)
        case Order():
            return replace(row, created_at=None, updated_at=None)
        case Fill():
            return replace(row, at=row.at.replace(microsecond=0))
    raise AssertionError(f"a {type(row).__name__}")


TRAITS = IbTraits(
    name="ib",
    since=MIDNIGHT,
    ids=perm,
    world_id=_world_id,
    sections=SECTIONS,
    local=frozenset({"get_activities"}),
    hedge_mode=False,
    denies=False,
    admits=False,
    unique=False,
    digits=15,
    statuses={"expired": "cancelled"},
    vague=frozenset({Fault.THROTTLED}),
    cannot={Fault.PARTIAL: "an answer of this venue never says that it is partial"},
)
KINDS: Mapping[Call, int] = {
    "get_positions": POSITIONS,
    "get_balances": CASH,
    "get_account_info": TIME,
    "get_open_orders": ALL_ORDERS,
    "get_order": ALL_ORDERS,
    "get_fills": EXECUTIONS,
    "server_time": TIME,
    "submit_order": PLACE,
    "cancel_order": CANCEL,
}
FAULTS = {
    Fault.TIMEOUT: TwsFault.SILENT,
    Fault.THROTTLED: TwsFault.PACED,
    Fault.UNAVAILABLE: TwsFault.CLOSED,
    Fault.REFUSED: TwsFault.REFUSED,
    Fault.MALFORMED: TwsFault.SPOILT,
    Fault.LOST_REPLY: TwsFault.CLOSED,
    Fault.LOST_REQUEST: TwsFault.CLOSED,
}
LANDED = frozenset((Fault.MALFORMED, Fault.LOST_REPLY))


class OverTws(OverWorld):
    """An adapter over a loopback TWS, of which it is client 71."""

    def __init__(self, server: LoopbackTws, account: str, broker: IbBroker) -> None:
        self.server, self._ib = server, broker
        super().__init__(server.world, account, traits=TRAITS, make=self._made)

    def _made(self, _assets: tuple[str, ...]) -> BrokerAdapter:
        return self._ib

    def hurry(self, seconds: float = PATIENCE_S) -> None:
        """Let the adapter wait for answers no longer than a test can."""
        self._ib.session.seconds = seconds

    async def go_wrong(self, rule: FaultRule) -> None:
        """Let something go wrong on the way."""
        if rule.fault is Fault.LATENCY:
            assert isinstance(self.world.clock, VirtualClock)
            self.world.clock.advance(rule.seconds)
            return
        assert rule.fault not in self.traits.cannot, self.traits.cannot[rule.fault]
        await (
            self.broker.server_time()
        )  # ib_async asks for positions while it connects: that is not what is to go wrong
        kinds = frozenset(kind for call, kind in KINDS.items() if rule.fits(call))
        if rule.fault in LIES:
            lie = HttpRule(fault=LIES[rule.fault], seconds=float(rule.seconds))
            self.server.plan.inject(TwsRule(kinds=kinds, lie=lie, times=rule.times))
        elif rule.fault is Fault.TIMEOUT:
            self.hurry()
            taken = [self._rng.random() < 0.5 for _ in range(rule.times or 16)]
            self.server.plan.inject(*(TwsRule(kinds=kinds, fault=TwsFault.SILENT, taken=each) for each in taken))
        else:
            fault, taken_ = FAULTS[rule.fault], rule.fault in LANDED
            self.server.plan.inject(TwsRule(kinds=kinds, fault=fault, times=rule.times, taken=taken_))

    async def truth(self) -> Truth:
        """The account as it truly stands; of two orders of one reference both bear it."""
        whole = await super().truth()
        rows = {
            name: tuple(
                replace(row, client_order_id=ref_of(row.client_order_id) or None)
                for row in getattr(whole.snapshot, name) or ()
            )
            for name in ("orders", "fills")
        }
        submits: dict[str, int] = {}
        for name, count in whole.submits.items():
            submits[ref_of(name)] = submits.get(ref_of(name), 0) + count
        return Truth(replace(whole.snapshot, **rows), submits)


@asynccontextmanager
async def ib(account: str, _url: str, hedge_mode: bool) -> AsyncIterator[OverTws]:
    """An account of its own at a fresh TWS."""
    assert not hedge_mode, "TWS has no legs"
    world = World(VirtualClock(START), seed=SEED)
    world.add_account(account, currency="USDT")
    world.add_instrument(TRAITS.instrument("NIL"))
    async with LoopbackTws(world, account) as server:
        broker = IbBroker(account, port=server.port, timeout_seconds=PATIENT_S, commission_seconds=0.2)
        yield OverTws(server, account, broker)
        await broker.close()
