"""Everything but trades that changes holdings: payments, corporate actions, splits and renames, as the venue books them."""

from __future__ import annotations

from decimal import Decimal

from msgspec.structs import replace

from tieout.errors import ActionRefused
from tieout.model.amounts import fraction, ratio
from tieout.model.rules import activity_finding
from tieout.model.snapshot import CASH_KINDS, CORPORATE_KINDS, Activity, ActivityKind

from .facts import Moved, OrderPut, Priced, Renamed, UsdPriced
from .instruments import SMALLEST, Instrument, require_amount, require_number, rounded
from .recorder import Recorder, change
from .state import State


class BackOffice:
    """The venue's back office; what it states has happened, and every account concerned gets an activity."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder

    @property
    def _state(self) -> State:
        return self.recorder.state

    @change
    def set_usd_price(self, currency: str, price: Decimal) -> None:
        """Value one unit of a currency in USD."""
        require_number("set USD price", "price", price)
        if currency == "USD":
            raise ActionRefused("set USD price", "USD is 1")
        self.recorder.record(UsdPriced(currency, price))

    @change
    def pay(self, account: str, kind: ActivityKind, currency: str, amount: Decimal) -> Activity:
        """Move cash: a deposit or dividend above 0, a withdrawal or fee paid below 0, funding and interest either way."""
        self._state.account(account)
        require_amount(kind, amount)
        if kind not in CASH_KINDS:
            raise ActionRefused(kind, "no cash moves in this kind")
        if (kind, amount > 0) in (("deposit", False), ("withdrawal", True)):
            raise ActionRefused(kind, "the sign goes the other way")
        return self._book(account, kind, currency=currency, amount=amount)

    @change
    def move(
        self,
        account: str,
        kind: ActivityKind,
        asset: str,
        amount: Decimal,
        *,
        new_asset: str | None = None,
        new_amount: Decimal | None = None,
    ) -> Activity:
        """Move units of a position without a trade: a transfer of shares, an expiry, a merger into *new_asset*.

        Contracts on margin can only leave this way, because nothing would tell what those that come had cost.
        """
        if self._state.account(account).hedge_mode or kind not in CASH_KINDS | CORPORATE_KINDS:
            raise ActionRefused(kind, "units move in net accounts only, and not in this kind")
        for name, units in ((asset, amount), (new_asset, new_amount)):
            if name is not None and self._state.instrument(name).base is not None:
                raise ActionRefused(kind, "the coins of a spot pair are balances: pay them")
            if name is not None and units is not None:
                require_amount(kind, units)
                self._require_cost(account, kind, name, units)
        return self._book(account, kind, asset=asset, amount=amount, new_asset=new_asset, new_amount=new_amount)

    @change
    def split(self, asset: str, new_for_old: str) -> tuple[Activity, ...]:
        """Split *asset*, ``"4"`` or ``"1/6"`` new units for one old, in every account that holds it.

        Its live orders are cancelled and its price is divided. Holdings are cut toward zero to the instrument's unit.
        """
        self._position_instrument("split", asset)
        try:
            above, below = fraction(new_for_old)
        except ValueError as error:
            raise ActionRefused("split", str(error)) from None
        self._cancel_orders(asset)
        booked = [self._book(name, "split", asset=asset, ratio=new_for_old) for name in self._holders(asset)]
        if asset in self._state.prices:
            price = rounded(ratio(self._state.prices[asset].price * below, above))
            self.recorder.record(Priced(asset, max(price, SMALLEST)))
        return tuple(booked)

    @change
    def rename(self, asset: str, new_asset: str) -> tuple[Activity, ...]:
        """Give *asset* another name, in every account that holds it. Its live orders are cancelled."""
        self._position_instrument("rename", asset)
        if not new_asset or new_asset in self._state.instruments:
            raise ActionRefused("rename", "a new name is needed")
        self._cancel_orders(asset)
        holders = self._holders(asset)
        self.recorder.record(Renamed(asset, new_asset))
        return tuple(self._book(name, "symbol_change", asset=asset, new_asset=new_asset) for name in holders)

    def _book(
        self,
        account: str,
        kind: ActivityKind,
        *,
        currency: str | None = None,
        asset: str | None = None,
        amount: Decimal | None = None,
        ratio: str | None = None,
        new_asset: str | None = None,
        new_amount: Decimal | None = None,
    ) -> Activity:
        activity = Activity(
            activity_id=self.recorder.next_id("a"), kind=kind, at=self.recorder.moment, currency=currency,
            asset=asset, amount=amount, ratio=ratio, new_asset=new_asset, new_amount=new_amount,
        )  # fmt: skip
        wrong = activity_finding(activity)
        if wrong is not None:
            raise ActionRefused(kind, wrong[1])
        self.recorder.record(Moved(account, activity))
        return activity

    def _require_cost(self, account: str, kind: str, asset: str, units: Decimal) -> None:
        held = self._state.account(account).leg(asset, "net")
        leaves = held * units < 0 and abs(units) <= abs(held)
        if not (self._state.instrument(asset).paid_in_full or leaves):
            raise ActionRefused(kind, "contracts on margin can only leave without a trade")

    def _holders(self, asset: str) -> list[str]:
        return [
            account.name
            for account in self._state.accounts.values()
            if any(name == asset for name, _ in account.holdings.positions)
        ]

    def _position_instrument(self, action: str, asset: str) -> Instrument:
        instrument = self._state.instrument(asset)
        if instrument.base is not None:
            raise ActionRefused(action, "a spot pair has no positions")
        return instrument

    def _cancel_orders(self, asset: str) -> None:
        now = self.recorder.moment
        for account in self._state.accounts.values():
            for resting in list(account.live.values()):
                if resting.order.asset == asset:
                    order = replace(resting.order, status="cancelled", updated_at=now)
                    self.recorder.record(OrderPut(account.name, replace(resting, order=order)))
