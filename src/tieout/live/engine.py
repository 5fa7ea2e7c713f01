"""`LiveTradingEngine`: one account traded by a strategy, on books that are reconciled before and while it trades."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from decimal import Decimal

from msgspec.structs import replace

from tieout.books.durable import DurableBooks
from tieout.brokers.base import OrderRequest
from tieout.clock import Clock, SystemClock
from tieout.live.alarm import Alarm, LoggedAlarm
from tieout.live.callbacks import Callbacks
from tieout.live.feed import Feed, Newly
from tieout.live.gate import Gate
from tieout.live.orders import Orders
from tieout.live.readiness import Readiness
from tieout.live.reconciler import Account, PositionReconciler, Reported
from tieout.live.sight import SECOND, Sight
from tieout.live.strategy import EngineSettings, Scheduling, Strategy, TradingBooks
from tieout.model.halt import Halt, shown
from tieout.model.report import ReconciliationReport
from tieout.model.snapshot import Fill, Leg, Order, OrderSide, Snapshot
from tieout.model.word import Verdict, Word
from tieout.record.base import Record

STRATEGY_FAILED, STOPPED = "strategy_failed", "stopped"
# How long the thread that judges may keep the interpreter from an order: Python's own 5 ms are felt at each of its steps.
GIVE_WAY_SECONDS = 0.0005
Schedules = Callable[[PositionReconciler, Account], Scheduling]


class LiveTradingEngine:
    """Trades one account: a strategy's orders go through a gate and the books to the broker, fills come back into the books.

    It never waits for a reconciliation on the way of an order, and no order leaves before the first reconciliation was
    complete.

    Args:
        strategy: Decides what to trade.
        account: Its two sides and what holds for it. Its `local` are the books, best `DurableBooks`; its gate is used.
        settings: How the engine goes about it.
        clock: Where time comes from.
        record: Where reconciliations are kept.
        alarm: The way to a person.
        reported: Is given each report. MUST NOT raise.
        schedule: Makes what reconciles after the start, such as a `Schedule`; without it only `reconcile` does.

    Attributes:
        reconciler: The reconciler over this one account.
        gate: What may be sent now.
    """

    def __init__(
        self,
        strategy: Strategy,
        account: Account,
        *,
        settings: EngineSettings | None = None,
        clock: Clock | None = None,
        record: Record | None = None,
        alarm: Alarm | None = None,
        reported: Reported | None = None,
        schedule: Schedules | None = None,
    ) -> None:
        assert isinstance(account.local, TradingBooks), "an engine trades on books of its own"
        self._settings, self._clock = settings or EngineSettings(), clock or SystemClock()
        self._alarm, self._then = alarm or LoggedAlarm(), reported
        self.books, self.gate = account.local, account.gate or Gate()
        self.gate.close()  # whatever was known of this account before, nobody has looked yet
        self.gate.open(STOPPED)
        self._stops, self._halts = False, tuple[Halt, ...]()
        own = (*account.settings.own_client_ids, self._settings.client_id_prefix)
        self._account = replace(account, gate=self.gate, settings=replace(account.settings, own_client_ids=own))
        name, broker = account.name, account.broker
        self.reconciler = PositionReconciler(
            {name: self._account}, self._clock, record=record, alarm=self._alarm, reported=self._reported
        )
        self._orders = Orders(
            name, broker, self.books, self.gate, clock=self._clock, alarm=self._alarm, settings=self._settings,
            at_broker=self._at_broker,
        )  # fmt: skip
        self._feed = Feed(
            name, broker, self.books, self._orders, clock=self._clock, alarm=self._alarm, settings=self._settings
        )
        self._newly = Newly(self.books, self._booked)
        self._schedule = None if schedule is None else schedule(self.reconciler, self._account)
        self._callbacks = Callbacks(self, strategy, self._clock, self._strategy_failed)
        self._sight = Sight(
            self._look, self.gate, clock=self._clock, say=self._say, settings=self._settings, again=self._reconnected
        )
        if self._schedule is not None:
            self._schedule.whenever(name, self._sight.look_now)

    async def start(self) -> None:
        """Reconcile, open the gate, and let the strategy begin. Returns when it may trade.

        Until a reading was complete, the books were adopted, and it is known what became of orders of an earlier process, it
        tries again and again, and says why. A stop meanwhile ends it. Threads of this process give way sooner from now on.
        """
        if isinstance(self.books, DurableBooks) and self.books.restored.said is not None:
            await self._say(f"the books were restored, but not as they were left: {self.books.restored.said}")
        sys.setswitchinterval(min(GIVE_WAY_SECONDS, sys.getswitchinterval()))
        readiness = Readiness(self._account, self._orders, self._feed, self._settings)
        began = self._clock.monotonic_ns()
        told: set[str] = set()
        while STOPPED not in self.gate.closed:
            report = await self.reconciler.reconcile(self._account.name, trigger="startup")
            waited = (self._clock.monotonic_ns() - began) // SECOND
            why = await readiness.lacking(report, self.reconciler.observed[self._account.name], waited)
            if why is None:
                break
            if why not in told and STOPPED not in self.gate.closed:
                told.add(why)
                await self._say(f"no order leaves yet: {why}")
            await self._clock.sleep(self._settings.retry_seconds)
        else:
            return
        if readiness.gave_up:
            await self._say("what became of some earlier orders is still not known; they stand as pending")
        if STOPPED in self.gate.closed:
            return  # while one of these took its time
        self._begin()
        if self._schedule is not None:
            await self._schedule.start()

    async def stop(self, *, cancel_orders: bool = False) -> None:
        """End in order: no more orders or callbacks, a last look at the broker, then both sides are closed. Safe to repeat.

        Args:
            cancel_orders: Whether to ask for the end of every own order, protective ones too; not in a halt of mode `all`.
        """
        if self._stops:
            return
        self._stops, ended = True, False
        try:
            self.gate.close(STOPPED)
            await self._callbacks.stop(self._settings.stop_seconds)
            if self._schedule is not None:
                await self._schedule.stop()
            if cancel_orders:
                await self._orders.cancel_all()
            await self._sight.stop()
            await self._account.broker.close()
            if isinstance(self.books, DurableBooks):
                self.books.close()
            ended = True
        finally:
            self._stops = ended  # broken off, the next call ends what this one left

    async def submit(
        self,
        asset: str,
        side: OrderSide,
        quantity: Decimal,
        *,
        limit_price: Decimal | None = None,
        stop_price: Decimal | None = None,
        reduce_only: bool = False,
        position_side: Leg | None = None,
    ) -> Order:
        """Send an order: a market order, or what its prices make of it.

        Returns:
            The order as the books have it. `pending` where nobody knows whether it arrived: it is never sent again, what
            became of it shows in `orders` and in `on_fill`, and to order the same once more may buy twice.

        Raises:
            OrderRefused: It was not sent, or the broker said no: nothing rests there.
            BookError: The books do not take it; it was not sent.
        """
        kinds = {(False, False): "market", (True, False): "limit", (False, True): "stop", (True, True): "stop_limit"}
        return await self._orders.submit(
            OrderRequest(
                client_order_id="",
                asset=asset,
                side=side,
                quantity=quantity,
                type=kinds[limit_price is not None, stop_price is not None],
                limit_price=limit_price,
                stop_price=stop_price,
                reduce_only=reduce_only,
                position_side=position_side,
            )
        )

    async def cancel(self, client_order_id: str) -> Order:
        """Ask for the end of an own order. Safe to repeat.

        Returns:
            The order as the books have it; live still where nobody knows whether the broker heard.

        Raises:
            OrderRefused: The account is halted in mode `all`, or there is no such live order.
        """
        return await self._orders.cancel(client_order_id)

    async def reconcile(self) -> ReconciliationReport:
        """One reconciliation now."""
        return await self.reconciler.reconcile(self._account.name)

    async def halt(self, who: str, why: str) -> ReconciliationReport:
        """Stop trading by a person's word, until one lifts it.

        Raises:
            RecordError: It could not be kept; it stands while this process lives.
            WordRefused: The account is in shadow mode, in which nothing is halted: `stop` the engine.
        """
        await self._say_word(Verdict.HALT, who, why)
        return await self.reconciler.reconcile(self._account.name, trigger="event")

    async def resume(self, who: str, why: str) -> ReconciliationReport:
        """Lift halts by a person's word, and let a strategy that failed trade again. What calls for a halt halts again.

        It lifts those of the last report; where another one is set before this is heard, none: nobody has seen that one.

        Raises:
            RecordError: It could not be kept, and does not count.
        """
        await self._say_word(Verdict.RESUME, who, why)
        self.gate.open(STRATEGY_FAILED)  # that of which it was said; one that comes while it is looked stands
        return await self.reconciler.reconcile(self._account.name, trigger="event")

    @property
    def orders(self) -> tuple[Order, ...]:
        """Own orders that may still trade, those included of which nobody knows yet whether they arrived."""
        return self._orders.live

    def position(self, asset: str, leg: Leg = "net") -> Decimal:
        """The signed amount that the books hold."""
        holding = self.books.ledger.held.positions.get((asset, leg))
        return Decimal(0) if holding is None else holding.amount

    def cash(self, currency: str) -> Decimal:
        """The total that the books hold of a currency."""
        return self.books.ledger.held.cash.get(currency, Decimal(0))

    def _begin(self) -> None:
        self.gate.open()
        self._newly.look()
        self._callbacks.start(self._settings.timer_seconds)
        self._sight.start()

    async def _look(self) -> None:
        await self._feed.poll()
        self._newly.look()

    def _reconnected(self) -> None:
        if self._schedule is not None:
            self._schedule.on_reconnect(self._account.name)

    async def _strategy_failed(self, where: str) -> None:
        known = STRATEGY_FAILED in self.gate.closed
        self.gate.close(STRATEGY_FAILED, to="opening")
        if not known:
            await self._say(f"the strategy failed in {where}: it may only reduce positions until somebody resumes it")

    def _booked(self, fill: Fill) -> None:
        self._callbacks.on_fill(fill)
        if self._schedule is not None:
            self._schedule.on_fill(self._account.name, fill)

    async def _reported(self, report: ReconciliationReport) -> None:
        self._halts = report.halts
        self._newly.look()
        if self._then is not None:
            await self._then(report)

    def _at_broker(self, asset: str, leg: Leg) -> Decimal | None:
        observed = self.reconciler.observed.get(self._account.name)
        stated = None if observed is None else observed.broker
        if not isinstance(stated, Snapshot) or stated.covers("positions") != "complete":
            return None
        return next((row.amount for row in stated.positions or () if (row.asset, row.leg) == (asset, leg)), Decimal(0))

    async def _say_word(self, verdict: Verdict, who: str, why: str) -> None:
        name, now = self._account.name, self._clock.now()
        named = hashlib.sha256(f"{name} {verdict} {who} {now.isoformat()}".encode()).hexdigest()[:32]
        seen = shown(self._halts) if verdict is Verdict.RESUME else None
        word = Word(id=named, account=name, subject=name, verdict=verdict, actor=who, text=why, plan=seen)
        await self.reconciler.say(word)

    async def _say(self, sentence: str) -> None:
        await self._alarm.raise_alarm(self._account.name, sentence)
