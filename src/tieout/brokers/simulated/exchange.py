"""The matching engine: turns orders and prices into executions. Runs only inside a change of the world."""

from __future__ import annotations

from decimal import Decimal

from msgspec.structs import replace

from tieout.brokers.base import OrderRequest
from tieout.model.snapshot import Fill, Order, OrderStatus

from .facts import Filled, OrderPut, Priced, Resting
from .matching import affordable, closable, cost, locks, reduces, touched, trade_price
from .recorder import Recorder
from .state import Account, State


class Exchange:
    """Executes orders against the prices of the world."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    @property
    def _state(self) -> State:
        return self._recorder.state

    def enter(self, account: Account, request: OrderRequest) -> Order:
        """Put a checked order into the book and match it; returns it as it then stands."""
        resting = self.put_new(account, request)
        if request.asset in self._state.prices:
            self._match_one(account, resting, arriving=True)
        assert resting.order.broker_order_id is not None, "numbered above"
        return account.orders[resting.order.broker_order_id].order

    def put_new(self, account: Account, request: OrderRequest) -> Resting:
        """Number an order and put it into the book, unmatched."""
        now = self._recorder.moment
        order = Order(
            asset=request.asset,
            side=request.side,
            quantity=request.quantity,
            status="open",
            broker_order_id=self._recorder.next_id("o"),
            client_order_id=request.client_order_id or None,
            type=request.type,
            filled=Decimal(0),
            limit_price=request.limit_price,
            stop_price=request.stop_price,
            created_at=now,
            updated_at=now,
            position_side=request.position_side,
        )
        resting = Resting(self._state.count + 1, order, request.reduce_only)
        self._recorder.record(OrderPut(account.name, resting))
        return resting

    def match(self, asset: str) -> tuple[Fill, ...]:
        """Let the live orders of *asset* trade at its present price, older ones first; none while it has no price."""
        if asset not in self._state.prices:
            return ()
        queue = [
            (resting.number, account, resting)
            for account in self._state.accounts.values()
            for resting in account.live.values()
            if resting.order.asset == asset
        ]
        fills: list[Fill] = []
        for _, account, resting in sorted(queue, key=lambda item: item[0]):
            fills.extend(self._match_one(account, resting, arriving=False))
        return tuple(fills)

    def end(self, account: Account, resting: Resting, status: OrderStatus) -> Order:
        """End an order without a further fill."""
        ended = replace(resting.order, status=status, updated_at=self._recorder.moment)
        self._recorder.record(OrderPut(account.name, replace(resting, order=ended)))
        return ended

    def execute(
        self, account: Account, resting: Resting, quantity: Decimal, price: Decimal, *, liquidation: bool = False
    ) -> Fill:
        """Execute *quantity* of an order at *price*."""
        order, now = resting.order, self._recorder.moment
        filled = order.done + quantity
        status: OrderStatus = "filled" if filled == order.quantity else "partially_filled"
        changed = replace(order, filled=filled, status=status, updated_at=now)
        self._recorder.record(OrderPut(account.name, replace(resting, order=changed)))
        instrument = self._state.instruments[order.asset]
        fill = Fill(
            fill_id=self._recorder.next_id("f"),
            asset=order.asset,
            side=order.side,
            quantity=quantity,
            price=price,
            at=now,
            broker_order_id=order.broker_order_id,
            client_order_id=order.client_order_id,
            fee=instrument.fee(quantity, price),
            fee_currency=instrument.charged_in,
            liquidation=liquidation,
            settlement=instrument.settlement,
            base=instrument.base,
            quote=instrument.currency,
            position_side=order.position_side,
        )
        self._recorder.record(Filled(account.name, fill))
        return fill

    def _match_one(self, account: Account, resting: Resting, *, arriving: bool) -> tuple[Fill, ...]:
        order, market = resting.order, self._state.prices[resting.order.asset]
        price = trade_price(resting, market.price, arriving=arriving)
        if order.stop_price is not None and not resting.triggered and touched(order, market.price):
            resting = replace(resting, triggered=True)
            self._recorder.record(OrderPut(account.name, resting))
        if price is None:
            return ()
        closes_all, quantity = self._quantity(account, resting, market)
        fills: tuple[Fill, ...] = ()
        if quantity and not self._can_pay(account, resting, quantity, price):
            self.end(account, resting, "cancelled")
            return ()
        if quantity:
            fills = (self.execute(account, resting, quantity, price),)
            if market.available is not None:
                self._recorder.record(Priced(market.asset, market.price, market.available - quantity))
        left = account.live.get(order.broker_order_id or "")
        if left is not None and (order.limit_price is None or closes_all):
            self.end(account, left, "cancelled")
        return fills

    def _quantity(self, account: Account, resting: Resting, market: Priced) -> tuple[bool, Decimal]:
        """How much may trade now, and whether a reducing order then has nothing left to reduce."""
        order = resting.order
        quantity = order.remaining
        leg = order.position_side or "net"
        only_reduces = reduces(order.side, leg, reduce_only=resting.reduce_only)
        room = closable(account, order.asset, order.side, leg) if only_reduces else quantity
        quantity = min(quantity, room)
        if market.available is not None:
            quantity = min(quantity, market.available)
        return quantity == room < order.remaining, quantity

    def _can_pay(self, account: Account, resting: Resting, quantity: Decimal, price: Decimal) -> bool:
        instrument = self._state.instruments[resting.order.asset]
        if not instrument.paid_in_full:
            return True
        needed = cost(instrument, resting.order.side, quantity, price)
        return affordable(account, self._state, needed, locks(resting.order, instrument))
