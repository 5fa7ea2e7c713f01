"""The simulated venue: its truth and its matching engine.

What the caller of `World` and `BackOffice` states has happened; what an adapter asks for (`submit`, `cancel`) is checked
first, as a venue would. Matching is described in `matching.py`, the ledger in `ledger.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from msgspec.structs import replace

from tieout.brokers.base import OrderRequest
from tieout.clock import Clock
from tieout.errors import ActionRefused
from tieout.model.snapshot import Fill, Leg, Order, OrderSide, OrderStatus, Snapshot

from .exchange import Exchange
from .facts import AccountAdded, InstrumentAdded, Journal, MemoryJournal, OrderPut, Priced, Resting, Seen
from .instruments import Instrument, require_instrument, require_notional, require_number
from .matching import closable, reduces, require_order
from .office import BackOffice
from .recorder import Recorder, change
from .state import Account, State
from .statement import snapshot


class World:
    """One venue with its accounts, instruments, prices and orders.

    Args:
        clock: Gives every record its time.
        seed: Stands in every id; a journal that already holds a world keeps its own.
        journal: Where the world is kept; in memory by default.
    """

    def __init__(self, clock: Clock, seed: int = 0, journal: Journal | None = None) -> None:
        self.recorder = Recorder(clock, seed, journal or MemoryJournal())
        self.clock = clock
        self.office = BackOffice(self.recorder)
        self._exchange = Exchange(self.recorder)

    @property
    def state(self) -> State:
        """The venue as it stands. For reading only."""
        self.recorder.require_whole()
        return self.recorder.state

    @property
    def whole(self) -> bool:
        """Whether it still answers: False once its journal failed."""
        return self.recorder.whole

    @change
    def add_account(self, name: str, *, currency: str = "USD", hedge_mode: bool = False) -> None:
        """Open an empty account. In hedge mode, positions have a long and a short leg."""
        if not name or name in self.state.accounts:
            raise ActionRefused("add account", "a new name is needed")
        self.recorder.record(AccountAdded(name, currency, hedge_mode))

    @change
    def add_instrument(self, instrument: Instrument) -> None:
        """List an instrument."""
        require_instrument(instrument)
        if instrument.asset in self.state.instruments:
            raise ActionRefused("add instrument", "it is listed already")
        self.recorder.record(InstrumentAdded(instrument))

    @change
    def set_price(self, asset: str, price: Decimal, *, available: Decimal | None = None) -> tuple[Fill, ...]:
        """Move the market of *asset* to *price*, with *available* units to be had there (None: any number).

        Returns:
            The fills that this led to, in their order.
        """
        self.state.instrument(asset)
        require_number("set price", "price", price)
        if available is not None:
            require_number("set price", "available", available)
        self.recorder.record(Priced(asset, price, available))
        return self._exchange.match(asset)

    @change
    def _note_submit(self, account: str, client_order_id: str) -> None:
        self.state.account(account)
        self.recorder.record(Seen(account, client_order_id))

    def submit(self, account: str, request: OrderRequest) -> Order:
        """Take an order, and match it at once where the market allows.

        Raises:
            ActionRefused: The reason; nothing rests. A client id serves once, for ever. The attempt is counted.
        """
        self._note_submit(account, request.client_order_id)
        return self._submit(account, request)

    @change
    def _submit(self, name: str, request: OrderRequest) -> Order:
        account = self.state.account(name)
        require_order(self.state, account, request)
        return self._exchange.enter(account, request)

    @change
    def cancel(self, account: str, *, broker_order_id: str | None = None, client_order_id: str | None = None) -> Order:
        """End an order. Repeating it for one that was cancelled answers the same again.

        Raises:
            ActionRefused: No such live order.
        """
        resting = self.state.account(account).find(broker_order_id, client_order_id)
        if resting is not None and resting.order.status == "cancelled":
            return resting.order
        if resting is None or not resting.order.live:
            raise ActionRefused("cancel", "no such live order")
        return self._exchange.end(self.state.account(account), resting, "cancelled")

    @change
    def end(self, account: str, broker_order_id: str, status: OrderStatus = "expired") -> Order:
        """Let the venue itself end a live order: `expired`, `cancelled` or `rejected`."""
        if status not in ("expired", "cancelled", "rejected"):
            raise ActionRefused("end", "an order ends expired, cancelled or rejected")
        return self._exchange.end(self.state.account(account), self._live(account, broker_order_id), status)

    @change
    def amend(
        self,
        account: str,
        broker_order_id: str,
        *,
        quantity: Decimal | None = None,
        limit_price: Decimal | None = None,
    ) -> Order:
        """Let the venue change a live order's terms; it keeps its place in the queue and is matched again."""
        resting = self._live(account, broker_order_id)
        order = resting.order
        changed = replace(
            order,
            quantity=order.quantity if quantity is None else quantity,
            limit_price=order.limit_price if limit_price is None else limit_price,
            updated_at=self.recorder.moment,
        )
        require_number("amend", "quantity", changed.quantity)
        if changed.quantity <= changed.done or (limit_price is not None and order.limit_price is None):
            raise ActionRefused("amend", "below what is filled, or a limit on an order that has none")
        if limit_price is not None:
            require_number("amend", "price", limit_price)
            require_notional("amend", self.state.instrument(order.asset), changed.quantity, limit_price)
        self.recorder.record(OrderPut(account, replace(resting, order=changed)))
        self._exchange.match(order.asset)
        return self.state.account(account).orders[broker_order_id].order

    @change
    def fill(self, account: str, broker_order_id: str, quantity: Decimal, price: Decimal) -> Fill:
        """Execute a part of a live order at *price*, whatever the market and the funds say; never more than it may close."""
        resting = self._live(account, broker_order_id)
        _require_trade("fill", self.state.instrument(resting.order.asset), quantity, price)
        owner, order = self.state.account(account), resting.order
        if quantity > order.remaining:
            raise ActionRefused("fill", "more than is open")
        _require_room(owner, order, quantity, reduce_only=resting.reduce_only)
        return self._exchange.execute(owner, resting, quantity, price)

    @change
    def trade(
        self,
        account: str,
        asset: str,
        side: OrderSide,
        quantity: Decimal,
        price: Decimal,
        *,
        client_order_id: str | None = None,
        position_side: Leg | None = None,
        liquidation: bool = False,
    ) -> Fill:
        """Trade from outside, unchecked: somebody at the venue's own screen, or the venue's liquidation engine.

        The venue keeps an order for it, filled, that bears *client_order_id* (None: no client's).
        """
        owner, instrument = self.state.account(account), self.state.instrument(asset)
        _require_trade("trade", instrument, quantity, price)
        _require_leg_of_trade(owner, instrument, position_side)
        if client_order_id is not None and owner.find(None, client_order_id) is not None:
            raise ActionRefused("trade", "duplicate client order id")
        request = OrderRequest(
            client_order_id=client_order_id or "", asset=asset, side=side, quantity=quantity, type="market",
            position_side=position_side,
        )  # fmt: skip
        _require_room(owner, request, quantity, reduce_only=False)
        resting = self._exchange.put_new(owner, request)
        return self._exchange.execute(owner, resting, quantity, price, liquidation=liquidation)

    def snapshot(self, account: str) -> Snapshot:
        """Everything there is about an account, as it truly stands: no fault touches this."""
        return snapshot(self.state, account, self.clock.now())

    def submits_seen(self, account: str) -> Mapping[str, int]:
        """How often a submit of each client id reached the venue, refused ones included."""
        return self.state.account(account).submits

    def past(self, moment: datetime) -> State:
        """The venue as it was at *moment*."""
        return self.recorder.past(moment)

    def _live(self, account: str, broker_order_id: str) -> Resting:
        resting = self.state.account(account).live.get(broker_order_id)
        if resting is None:
            raise ActionRefused("order", "no such live order")
        return resting


def _require_trade(action: str, instrument: Instrument, quantity: Decimal, price: Decimal) -> None:
    require_number(action, "quantity", quantity)
    require_number(action, "price", price)
    require_notional(action, instrument, quantity, price)


def _require_room(account: Account, order: Order | OrderRequest, quantity: Decimal, *, reduce_only: bool) -> None:
    """Refuse what would close more of a leg than it holds."""
    leg = order.position_side or "net"
    only_reduces = reduces(order.side, leg, reduce_only=reduce_only)
    if only_reduces and quantity > closable(account, order.asset, order.side, leg):
        raise ActionRefused("fill", "more than there is to close")


def _require_leg_of_trade(account: Account, instrument: Instrument, leg: Leg | None) -> None:
    has_legs = account.hedge_mode and instrument.base is None
    if has_legs == (leg in (None, "net")):
        raise ActionRefused("trade", "a leg is needed where positions have legs, and only there")
