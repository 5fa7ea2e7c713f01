"""A `BrokerAdapter` for one account of a simulated world, in process, with whatever the fault plan lets go wrong."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import NoReturn, TypeVar

from tieout.brokers.base import AccountInfo, Capabilities, OrderRequest
from tieout.errors import (
    ActionRefused,
    OutcomeUnknown,
    SourceIncomplete,
    SourceMalformed,
    SourceRefused,
    SourceThrottled,
    SourceTimeout,
    SourceUnreachable,
)
from tieout.model.instrument import Instrument
from tieout.model.snapshot import SECTIONS, Activity, Balance, Fill, Order, Position

from . import statement
from .facts import WorldBroken
from .faults import ACTIONS, Call, Fault, FaultPlan, FaultRule
from .state import State
from .world import World

T = TypeVar("T")
Row = TypeVar("Row", Position, Balance, Order, Fill, Activity)

CAPABILITIES = Capabilities(sections=frozenset(SECTIONS), hedge_mode=True, reduce_only=True)


class SimulatedBroker:
    """One account of a `World` as a broker.

    Args:
        world: The venue; several brokers may share it.
        account: Which of its accounts.
        faults: What goes wrong on the way; nothing by default. Scripted with `faults.inject`.
    """

    def __init__(self, world: World, account: str, *, faults: FaultPlan | None = None) -> None:
        self.name = f"simulated:{account}"
        self.world = world
        self.account = account
        self.faults = faults or FaultPlan(random.Random(world.state.seed))
        self._closed = False

    async def get_positions(self) -> tuple[Position, ...]:
        """Every position of the account."""
        return await self._rows("get_positions", lambda state: statement.positions(state, self.account))

    async def get_balances(self) -> tuple[Balance, ...]:
        """Every currency with a total other than 0."""
        return await self._rows("get_balances", lambda state: statement.balances(state, self.account))

    async def get_open_orders(self) -> tuple[Order, ...]:
        """Every live order, oldest first."""
        return await self._rows("get_open_orders", lambda state: statement.open_orders(state, self.account))

    async def get_fills(self, since: datetime) -> tuple[Fill, ...]:
        """Every fill from *since* on, oldest first."""
        assert since.tzinfo is not None, "an aware time"
        return await self._rows("get_fills", lambda state: statement.fills(state, self.account, since))

    async def get_activities(self, since: datetime) -> tuple[Activity, ...]:
        """Every activity from *since* on, oldest first."""
        assert since.tzinfo is not None, "an aware time"
        return await self._rows("get_activities", lambda state: statement.activities(state, self.account, since))

    async def get_order(
        self, *, broker_order_id: str | None = None, client_order_id: str | None = None
    ) -> Order | None:
        """The order that bears the ids given, live or ended; None where this venue knows none."""
        assert broker_order_id or client_order_id, "an id to look for"
        rule = await self._meet("get_order")
        if rule is not None and rule.fault is Fault.EMPTY:
            return None
        found = self._seen_by(rule).accounts
        resting = found[self.account].find(broker_order_id, client_order_id) if self.account in found else None
        return resting.order if resting else None

    async def get_account_info(self) -> AccountInfo:
        """The account as the world has it."""
        await self._meet("get_account_info")
        currency = self.world.state.account(self.account).currency
        return AccountInfo(account=self.account, venue="simulated", currency=currency, trading_enabled=True)

    async def get_instruments(self, assets: Collection[str]) -> tuple[Instrument, ...]:
        """What the world has of *assets*."""
        await self._meet("get_instruments")
        return statement.instruments(self.world.state, assets)

    async def server_time(self) -> datetime:
        """The world's clock."""
        await self._meet("server_time")
        return self.world.clock.now()

    async def submit_order(self, request: OrderRequest) -> Order:
        """Send an order to the world. A client id that it has seen is refused, however the first attempt ended."""
        return await self._act("submit_order", lambda: self.world.submit(self.account, request))

    async def cancel_order(self, *, broker_order_id: str | None = None, client_order_id: str | None = None) -> Order:
        """Ask the world to end an order; answered the same when repeated."""
        assert broker_order_id or client_order_id, "an id to look for"

        def ask() -> Order:
            return self.world.cancel(self.account, broker_order_id=broker_order_id, client_order_id=client_order_id)

        def acknowledge_only() -> Order:
            resting = self.world.state.account(self.account).find(broker_order_id, client_order_id)
            return resting.order if resting is not None and resting.order.live else ask()

        return await self._act("cancel_order", ask, acknowledge_only)

    def capabilities(self) -> Capabilities:
        """Everything there is in the port."""
        return CAPABILITIES

    async def close(self) -> None:
        """Answer nothing from now on; the world goes on."""
        self._closed = True

    async def _rows(self, call: Call, build: Callable[[State], tuple[Row, ...]]) -> tuple[Row, ...]:
        rule = await self._meet(call)
        view = self._seen_by(rule)
        rows = build(view) if self.account in view.accounts else ()
        if rule is None:
            return rows
        if rule.fault is Fault.EMPTY:
            return ()
        if rule.fault is Fault.LAG:
            shown = self.world.clock.now() - timedelta(seconds=rule.seconds)
            return tuple(row for row in rows if isinstance(row, Fill) and row.at <= shown)
        if rule.fault in (Fault.DROPPED, Fault.PARTIAL):
            kept = self.faults.lose_some(len(rows))
            rows = tuple(row for index, row in enumerate(rows) if index in kept)
        if rule.fault is Fault.PARTIAL:
            raise SourceIncomplete(self.name, call, "the venue answered only a part", rows)
        return rows

    async def _act(
        self, call: Call, happen: Callable[[], Order], acknowledge_only: Callable[[], Order] | None = None
    ) -> Order:
        rule = await self._meet(call)
        try:
            return self._carry_out(call, rule, happen, acknowledge_only)
        except WorldBroken as error:
            raise OutcomeUnknown(call, "the venue's own file failed") from error

    def _carry_out(
        self,
        call: Call,
        rule: FaultRule | None,
        happen: Callable[[], Order],
        acknowledge_only: Callable[[], Order] | None,
    ) -> Order:
        if rule is None:
            return happen()
        if rule.fault is Fault.CANCEL_LOST and acknowledge_only is not None:
            return acknowledge_only()
        landed = rule.fault in (Fault.LOST_REPLY, Fault.MALFORMED)
        if landed or (rule.fault is Fault.TIMEOUT and self.faults.rng.random() < 0.5):
            _land(happen)
        raise OutcomeUnknown(call, _WHY[rule.fault])

    def _seen_by(self, rule: FaultRule | None) -> State:
        if rule is not None and rule.fault is Fault.STALE:
            return self.world.past(self.world.clock.now() - timedelta(seconds=rule.seconds))
        return self.world.state

    async def _meet(self, call: Call) -> FaultRule | None:
        """Wait out latencies and raise what fails; returns the rule that bends the answer, if any."""
        if self._closed or not self.world.whole:
            self._fail(call, Fault.UNAVAILABLE, "closed")
        bends: FaultRule | None = None
        for rule in self.faults.draw(call):
            if rule.fault is Fault.LATENCY:
                await self.world.clock.sleep(rule.seconds)
            else:
                bends = rule
        if self.account not in self.world.state.accounts:
            self._fail(call, Fault.REFUSED, "no such account")
        if bends is None:
            return None
        if call not in ACTIONS and bends.fault in _WHY:
            self._fail(call, bends.fault, _WHY[bends.fault], bends.seconds)
        if call in ACTIONS and bends.fault in (Fault.THROTTLED, Fault.REFUSED):
            raise ActionRefused(call, _WHY[bends.fault])
        return bends

    def _fail(self, call: Call, fault: Fault, why: str, seconds: int = 0) -> NoReturn:
        if call in ACTIONS:
            raise ActionRefused(call, why)
        if fault is Fault.TIMEOUT:
            raise SourceTimeout(self.name, call, why)
        if fault is Fault.THROTTLED:
            raise SourceThrottled(self.name, call, why, seconds)
        if fault is Fault.REFUSED:
            raise SourceRefused(self.name, call, why)
        if fault is Fault.MALFORMED:
            raise SourceMalformed(self.name, call, why)
        raise SourceUnreachable(self.name, call, why)


_WHY: dict[Fault, str] = {
    Fault.TIMEOUT: "no answer in time",
    Fault.THROTTLED: "too many requests",
    Fault.UNAVAILABLE: "the venue is down",
    Fault.REFUSED: "credentials or permission",
    Fault.MALFORMED: "an answer that cannot be read",
    Fault.LOST_REPLY: "the answer was lost",
    Fault.LOST_REQUEST: "the request was lost",
}


def _land(happen: Callable[[], Order]) -> None:
    """Let it happen at the venue; a refusal is lost with the answer."""
    try:
        happen()
    except ActionRefused:
        return
