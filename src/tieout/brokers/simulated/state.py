"""The state of the venue at one moment, and how each fact moves it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from tieout.errors import ActionRefused
from tieout.model.amounts import exact
from tieout.model.snapshot import Activity, Fill, Leg

from .facts import (
    AccountAdded,
    Entry,
    Fact,
    Filled,
    InstrumentAdded,
    Moved,
    Opened,
    OrderPut,
    Priced,
    Renamed,
    Resting,
    Seen,
    UsdPriced,
)
from .instruments import Instrument
from .ledger import Holdings, book_activity, book_fill


@dataclass(slots=True)
class Account:
    """One account: what it holds, and every order, fill and activity it ever had."""

    name: str
    currency: str
    hedge_mode: bool
    holdings: Holdings = field(default_factory=Holdings)
    orders: dict[str, Resting] = field(default_factory=dict)
    live: dict[str, Resting] = field(default_factory=dict)
    by_client_id: dict[str, str] = field(default_factory=dict)
    fills: list[Fill] = field(default_factory=list)
    activities: list[Activity] = field(default_factory=list)
    submits: Counter[str] = field(default_factory=Counter)

    def put(self, resting: Resting) -> None:
        """Take over an order as it now stands."""
        order = resting.order
        assert order.broker_order_id is not None, "the venue numbers every order"
        self.orders[order.broker_order_id] = resting
        if order.client_order_id is not None:
            self.by_client_id[order.client_order_id] = order.broker_order_id
        if order.live:
            self.live[order.broker_order_id] = resting
        else:
            self.live.pop(order.broker_order_id, None)

    def find(self, broker_order_id: str | None, client_order_id: str | None) -> Resting | None:
        """The order that bears every id given, live or ended; None where there is none."""
        if broker_order_id is None and client_order_id is not None:
            broker_order_id = self.by_client_id.get(client_order_id)
        resting = self.orders.get(broker_order_id or "")
        if resting is None or client_order_id not in (None, resting.order.client_order_id):
            return None
        return resting

    def leg(self, asset: str, leg: Leg) -> Decimal:
        """The signed amount held on a leg, 0 where nothing is."""
        holding = self.holdings.positions.get((asset, leg))
        return holding.amount if holding else Decimal(0)


@dataclass(slots=True)
class State:
    """The whole venue."""

    seed: int = 0
    count: int = 0
    accounts: dict[str, Account] = field(default_factory=dict)
    instruments: dict[str, Instrument] = field(default_factory=dict)
    prices: dict[str, Priced] = field(default_factory=dict)
    usd_prices: dict[str, Decimal] = field(default_factory=lambda: {"USD": Decimal(1)})

    def account(self, name: str) -> Account:
        """The account of that name, or `ActionRefused`."""
        if name not in self.accounts:
            raise ActionRefused("account", "this venue knows no such account")
        return self.accounts[name]

    def instrument(self, asset: str) -> Instrument:
        """The instrument of that name, or `ActionRefused`."""
        if asset not in self.instruments:
            raise ActionRefused("asset", "this venue lists no such instrument")
        return self.instruments[asset]

    def fold(self, fact: Fact) -> None:
        """Move to the state after *fact*."""
        match fact:
            case Opened(seed):
                self.seed = seed
            case AccountAdded(name, currency, hedge_mode):
                self.accounts[name] = Account(name, currency, hedge_mode)
            case InstrumentAdded(instrument):
                self.instruments[instrument.asset] = instrument
            case Priced(asset):
                self.prices[asset] = fact
            case UsdPriced(currency, price):
                self.usd_prices[currency] = price
            case Renamed(asset, new_asset):
                self._rename(asset, new_asset)
            case Seen(name, client_order_id):
                self.accounts[name].submits[client_order_id] += 1
            case OrderPut(name, resting):
                self.count = max(self.count, resting.number)
                self.accounts[name].put(resting)
            case Filled(name, fill):
                self._fill(self.accounts[name], fill)
            case Moved(name, activity):
                self._move(self.accounts[name], activity)

    def _fill(self, account: Account, fill: Fill) -> None:
        self.count += 1
        account.fills.append(fill)
        book_fill(account.holdings, self.instruments[fill.asset], fill)

    def _move(self, account: Account, activity: Activity) -> None:
        self.count += 1
        account.activities.append(activity)
        prices = {asset: priced.price for asset, priced in self.prices.items()}
        book_activity(account.holdings, activity, prices, self.instruments)

    def _rename(self, asset: str, new_asset: str) -> None:
        old = self.instruments.pop(asset)
        changed = {name: getattr(old, name) for name in old.__struct_fields__ if name != "asset"}
        self.instruments[new_asset] = Instrument(asset=new_asset, **changed)
        if asset in self.prices:
            priced = self.prices.pop(asset)
            self.prices[new_asset] = Priced(new_asset, priced.price, priced.available)


@exact
def folded(entries: Iterable[Entry], until: datetime | None = None) -> State:
    """The state after all *entries* that happened no later than *until*."""
    state = State()
    for entry in entries:
        if until is None or entry.at <= until:
            state.fold(entry.fact)
    return state
