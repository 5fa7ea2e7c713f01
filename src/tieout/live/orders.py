"""An account's own orders on their way: through the gate, into the books, to the broker once, and what it made of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

from msgspec.structs import replace

from tieout.brokers.base import BrokerAdapter, OrderRequest
from tieout.clock import Clock
from tieout.errors import ActionRefused, BookError, OrderRefused, OutcomeUnknown
from tieout.live.alarm import Alarm
from tieout.live.gate import Gate
from tieout.live.reporting import BASE32, EPOCH
from tieout.live.strategy import EngineSettings, TradingBooks
from tieout.model.snapshot import Leg, Order, OrderStatus

Amount = Callable[[str, Leg], Decimal | None]
CORRECTIONS = "tieout-"  # as `act.sending` names what brings the broker to local
UNFILLED_ENDS: frozenset[OrderStatus] = frozenset(("cancelled", "rejected", "expired"))


class ClientIds:
    """Client ids that no process of this account has used: each life has its own, by the moment at which it began."""

    def __init__(self, prefix: str, clock: Clock, books: TradingBooks) -> None:
        assert not (CORRECTIONS.startswith(prefix) or prefix.startswith(CORRECTIONS)), (
            "corrections are not the engine's orders"
        )
        began, digits = (clock.now() - EPOCH) // timedelta(milliseconds=1), ""
        while began:
            began, digit = divmod(began, 32)
            digits = BASE32[digit] + digits
        self._stem, self._count, self._books = f"{prefix}{digits}", 0, books

    def next(self) -> str:
        """The next one. Of two lives that began at one moment the later goes on where its books end."""
        while True:
            self._count += 1
            name = f"{self._stem}-{self._count}"
            if self._books.orders.find(client_order_id=name) is None:
                return name


class Orders:
    """Sends an account's orders, each once, and keeps the books true to what the broker says of them.

    Args:
        account: Its name.
        broker: Where they go.
        books: Where each is written before it is sent.
        gate: Says which may be sent.
        clock: Where time comes from.
        alarm: The way to a person.
        settings: The prefix of client ids, and how long an answer may take.
        at_broker: The broker's amount of an asset's leg as last read; None where that is not known.
    """

    def __init__(
        self,
        account: str,
        broker: BrokerAdapter,
        books: TradingBooks,
        gate: Gate,
        *,
        clock: Clock,
        alarm: Alarm,
        settings: EngineSettings,
        at_broker: Amount,
    ) -> None:
        self._account, self._broker, self._books, self._gate = account, broker, books, gate
        self._clock, self._alarm, self._at_broker = clock, alarm, at_broker
        self._answer_seconds = settings.answer_seconds
        self._ids = ClientIds(settings.client_id_prefix, clock, books)
        self._complained: dict[str, str] = {}

    @property
    def live(self) -> tuple[Order, ...]:
        """Own orders that may still trade, those included of which nobody knows yet whether they arrived."""
        return self._books.orders.live

    async def submit(self, request: OrderRequest) -> Order:
        """Send an order under a new client id (that of *request* is replaced); see `LiveTradingEngine.submit`."""
        self._require_allowed(request)
        request = replace(request, client_order_id=self._ids.next())
        # A crash before this is done leaves nothing. One after it leaves a pending order, sent or not: it is looked up.
        order = self._books.orders.register(self._order_of(request))
        try:
            self._require_allowed(request)  # what was decided while it was written down counts for it, too
            async with asyncio.timeout(self._answer_seconds):
                acknowledged = await self._broker.submit_order(request)
        except ActionRefused as error:
            await self.follow(replace(order, status="rejected"))
            raise OrderRefused(error.reason) from error
        except (OutcomeUnknown, TimeoutError):
            # It may rest there. It stays pending, and is never sent again: look-ups and reconciliations find out.
            return self._books.orders.find(client_order_id=request.client_order_id) or order
        return await self.follow(acknowledged)

    async def cancel(self, client_order_id: str) -> Order:
        """Ask for the end of an own order; see `LiveTradingEngine.cancel`."""
        order = self._books.orders.find(client_order_id=client_order_id)
        if order is None:
            raise OrderRefused("the books know no such order")
        return await self._cancel(order)

    async def cancel_all(self) -> None:
        """Ask for the end of every own order; a person is told of those that did not end."""
        for order in self.live:
            try:
                await self._cancel(order)
            except OrderRefused as error:
                await self._alarm.raise_alarm(self._account, f"order {order.name} was not cancelled: {error.reason}")

    async def follow(self, stated: Order) -> Order:
        """Bring the books to what the broker states of an own order, but for what its fills will tell; returns theirs.

        A contradiction changes nothing and is told to a person: the reconciliation finds the same, with all the evidence.
        """
        orders, ids = self._books.orders, (stated.client_order_id, stated.broker_order_id)
        try:
            mine = orders.find(client_order_id=ids[0], broker_order_id=ids[1])
            if mine is None:
                return stated
            status = _next_status(mine, stated)
            at = stated.touched_at or self._clock.now()
            after = orders.advance(status, at, client_order_id=mine.client_order_id, broker_order_id=ids[1])
        except BookError as error:
            await self._complain(stated.name, f"the books do not take what the broker says of {error}")
            return stated
        self._complained.pop(stated.name, None)
        return after

    async def _complain(self, order: str, sentence: str) -> None:
        if self._complained.get(order) != sentence:  # each look sees it again
            self._complained[order] = sentence
            await self._alarm.raise_alarm(self._account, sentence)

    async def _cancel(self, order: Order) -> Order:
        reason = self._gate.cancel_refusal()
        if reason is not None:
            raise OrderRefused(reason)
        try:
            async with asyncio.timeout(self._answer_seconds):
                answered = await self._broker.cancel_order(
                    broker_order_id=order.broker_order_id, client_order_id=order.client_order_id
                )
        except ActionRefused as error:
            raise OrderRefused(error.reason) from error
        except (OutcomeUnknown, TimeoutError):
            return order  # it ends once however often it is asked to; whether it did shows in the next look
        return await self.follow(answered)

    def _require_allowed(self, request: OrderRequest) -> None:
        leg = request.position_side or "net"
        holding = self._books.ledger.held.positions.get((request.asset, leg))
        refusal = self._gate.refusal(
            request,
            local=Decimal(0) if holding is None else holding.amount,
            broker=self._at_broker(request.asset, leg),
            enforced=self._broker.capabilities().reduce_only,
        )
        if refusal is not None:
            raise OrderRefused(refusal)

    def _order_of(self, request: OrderRequest) -> Order:
        now = self._clock.now()
        return Order(
            asset=request.asset,
            side=request.side,
            quantity=request.quantity,
            status="pending",
            client_order_id=request.client_order_id,
            type=request.type,
            filled=Decimal(0),
            limit_price=request.limit_price,
            stop_price=request.stop_price,
            created_at=now,
            updated_at=now,
            position_side=request.position_side,
        )


def _next_status(mine: Order, stated: Order) -> OrderStatus:
    """Where the broker's record moves an own one. What is filled is left to the fills: they bear price and fee."""
    if stated.status in UNFILLED_ENDS and mine.live:
        return "cancelled" if mine.status == "partially_filled" and stated.status == "rejected" else stated.status
    if mine.status == "pending" and stated.status in ("open", "partially_filled", "filled"):
        return "open"
    return mine.status
