"""Conservation, for any sequence of what can happen: the venue holds what its own fills and activities lead to."""

from __future__ import annotations

import contextlib
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from tests.brokers.simulated.auditor import Auditor, locked
from tests.proving import PROVE

from tieout.brokers.base import OrderRequest
from tieout.brokers.simulated import Instrument, World
from tieout.brokers.simulated.facts import MemoryJournal
from tieout.clock import VirtualClock
from tieout.errors import ActionRefused
from tieout.model.amounts import dec, truncate
from tieout.model.codec import decode_snapshot, encode
from tieout.model.snapshot import Fill, Leg, OrderSide, Snapshot

LISTED = [
    Instrument(asset="BTC/USD", kind="spot", currency="USD", base="BTC", fee_rate=dec("0.001")),
    Instrument(asset="ETH/USD", kind="spot", currency="USD", base="ETH", fee_rate=dec("0.0007"), fee_currency="ETH"),
    Instrument(asset="ETH/BTC", kind="spot", currency="BTC", base="ETH", fee_rate=dec("0.01"), fee_currency="BNB"),
    Instrument(asset="ACME", kind="cash", currency="USD", fee_rate=dec("0.000013")),
    Instrument(asset="FUT", kind="margin", currency="USD", multiplier=dec(10), fee_rate=dec("-0.0001")),
    Instrument(asset="INV", kind="inverse", currency="BTC", multiplier=dec(100), fee_rate=dec("0.0005")),
]
NAMES = [row.asset for row in LISTED]

accounts = st.sampled_from(["net", "hedge"])
assets = st.sampled_from(NAMES)
sides: st.SearchStrategy[OrderSide] = st.sampled_from(["buy", "sell"])
legs: st.SearchStrategy[Leg] = st.sampled_from(["long", "short"])
quantities = st.one_of(
    st.integers(1, 5).map(Decimal),
    st.decimals("0.000000000000000001", 7, places=18, allow_nan=False),
)
prices = st.one_of(
    st.integers(8, 12).map(Decimal), st.decimals("0.5", 20, places=18, allow_nan=False, allow_infinity=False)
)
optional = st.one_of(st.none(), quantities)
picks = st.integers(0, 10**6)
refusals = contextlib.suppress(ActionRefused)


class Conservation(RuleBasedStateMachine):
    """Anything that may happen at the venue, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = VirtualClock(datetime(2026, 11, 20, tzinfo=UTC))
        self.journal = MemoryJournal()
        self.world = World(self.clock, 3, self.journal)
        self.listed = {row.asset: row for row in LISTED}

    @initialize()
    def open(self) -> None:
        """List and price everything, and fund both accounts."""
        for instrument in LISTED:
            self.world.add_instrument(instrument)
            self.world.set_price(instrument.asset, dec(10))
        for name in ("net", "hedge"):
            self.world.add_account(name, hedge_mode=name == "hedge")
            for currency in ("USD", "BTC", "ETH", "BNB"):
                self.world.office.pay(name, "deposit", currency, dec(1000))

    @rule(account=accounts, asset=assets, side=sides, quantity=quantities, price=prices, leg=legs)
    def rest(self, account: str, asset: str, side: OrderSide, quantity: Decimal, price: Decimal, leg: Leg) -> None:
        """An adapter sends a limit order."""
        self.send(
            account, asset, side=side, quantity=quantity, limit_price=price, position_side=self.leg(account, asset, leg)
        )

    @rule(
        account=accounts,
        asset=assets,
        side=sides,
        quantity=quantities,
        terms=st.tuples(st.sampled_from(["market", "stop", "stop_limit"]), prices, prices, st.booleans(), legs),
    )
    def submit(
        self,
        account: str,
        asset: str,
        side: OrderSide,
        quantity: Decimal,
        terms: tuple[str, Decimal, Decimal, bool, Leg],
    ) -> None:
        """An adapter sends an order of another type."""
        kind, limit, stop, reduce_only, leg = terms
        self.send(
            account,
            asset,
            side=side,
            quantity=quantity,
            type=kind,
            limit_price=limit if kind == "stop_limit" else None,
            stop_price=None if kind == "market" else stop,
            reduce_only=reduce_only,
            position_side=self.leg(account, asset, leg),
        )

    def send(self, account: str, asset: str, **terms: Any) -> None:
        """Submit; a refusal changes nothing."""
        name = f"c-{sum(self.world.submits_seen(account).values())}"
        before = self.world.snapshot(account)
        try:
            order = self.world.submit(account, OrderRequest(client_order_id=name, asset=self.name(asset), **terms))
        except ActionRefused:
            assert self.world.snapshot(account) == before
        else:
            assert order in (self.world.snapshot(account).orders or ())

    def name(self, asset: str) -> str:
        """What the asset is called by now."""
        return "NEW" if asset == "ACME" and "NEW" in self.listed else asset

    def leg(self, account: str, asset: str, leg: Leg) -> Leg | None:
        """The leg, where there are legs."""
        return leg if account == "hedge" and "/" not in asset else None

    @rule(asset=assets, price=st.integers(5, 15).map(Decimal))
    def tick(self, asset: str, price: Decimal) -> None:
        """The market moves, with any number to be had."""
        self.world.set_price(self.name(asset), price)

    @rule(asset=assets, price=prices, available=optional)
    def set_price(self, asset: str, price: Decimal, available: Decimal | None) -> None:
        """The market moves; no more is matched than was to be had."""
        with refusals:
            fills = self.world.set_price(self.name(asset), price, available=available)
            assert available is None or sum(Fraction(fill.quantity) for fill in fills) <= Fraction(available)

    @rule(account=accounts, pick=picks, status=st.sampled_from(["asked", "expired", "cancelled", "rejected"]))
    def end(self, account: str, pick: int, status: Any) -> None:
        """An order ends, asked for or not."""
        order_id = self.live(account, pick)
        with refusals:
            if status == "asked":
                self.world.cancel(account, broker_order_id=order_id)
            else:
                self.world.end(account, order_id, status)

    @rule(account=accounts, pick=picks, quantity=optional, price=st.one_of(st.none(), prices))
    def amend(self, account: str, pick: int, quantity: Decimal | None, price: Decimal | None) -> None:
        """The venue changes an order."""
        with refusals:
            self.world.amend(account, self.live(account, pick), quantity=quantity, limit_price=price)

    @rule(account=accounts, pick=picks, part=st.integers(1, 4), price=prices)
    def fill(self, account: str, pick: int, part: int, price: Decimal) -> None:
        """The venue fills a part of an order as it likes."""
        resting = self.world.state.account(account).live.get(self.live(account, pick))
        with refusals:
            if resting is not None:
                quantity = truncate(resting.order.remaining / part, dec("1e-18"))
                self.world.fill(account, resting.order.broker_order_id or "", quantity, price)

    @rule(account=accounts, asset=assets, side=sides, quantity=quantities, price=prices, leg=legs, forced=st.booleans())
    def trade(
        self, account: str, asset: str, side: OrderSide, quantity: Decimal, price: Decimal, leg: Leg, forced: bool
    ) -> None:
        """Somebody else trades on the account, or the venue liquidates."""
        with refusals:
            side = ("sell" if leg == "short" else "buy") if account == "hedge" and forced else side
            position_side = self.leg(account, asset, leg)
            self.world.trade(
                account, self.name(asset), side, quantity, price, position_side=position_side, liquidation=forced
            )

    @rule(
        account=accounts,
        kind=st.sampled_from(["deposit", "withdrawal", "funding", "interest", "dividend", "fee"]),
        currency=st.sampled_from(["USD", "BTC", "BNB", "EUR"]),
        amount=st.integers(-5 * 10**18, 5 * 10**18).map(lambda units: Decimal(units).scaleb(-18)),
    )
    def pay(self, account: str, kind: Any, currency: str, amount: Decimal) -> None:
        """Cash moves."""
        with refusals:
            self.world.office.pay(account, kind, currency, amount)

    @rule(asset=assets, new=st.one_of(st.none(), assets), amount=st.integers(-3, 3).map(Decimal), units=quantities)
    def move(self, asset: str, new: str | None, amount: Decimal, units: Decimal) -> None:
        """Units move without a trade."""
        with refusals:
            self.world.office.move(
                "net",
                "merger" if new else "transfer",
                self.name(asset),
                amount,
                new_asset=new and self.name(new),
                new_amount=units if new else None,
            )

    @rule(asset=assets, ratio=st.sampled_from(["2", "1/6", "1.5", "3/7", "0"]))
    def split(self, asset: str, ratio: str) -> None:
        """An asset is split."""
        with refusals:
            self.world.office.split(self.name(asset), ratio)

    @rule()
    def rename(self) -> None:
        """A share gets another name."""
        with refusals:
            self.world.office.rename("ACME", "NEW")
            self.listed["NEW"] = msgspec.structs.replace(self.listed["ACME"], asset="NEW")

    @rule()
    def wait(self) -> None:
        """Time passes."""
        self.clock.advance(1)

    def live(self, account: str, pick: int) -> str:
        """One of the live orders."""
        ids = sorted(self.world.state.account(account).live)
        return ids[pick % len(ids)] if ids else "o-none"

    @invariant()
    def holdings_follow_from_the_records(self) -> None:
        """Cash and positions are what the fills and activities lead to, fees included, to the last digit."""
        for snapshot in self.snapshots():
            audit = Auditor(self.listed, snapshot)
            cash = {row.currency: Fraction(row.total) for row in snapshot.balances or ()}
            assert cash == {currency: total for currency, total in audit.cash.items() if total}
            rows = {(row.asset, row.leg): row for row in snapshot.positions or ()}
            amounts = {key: Fraction(row.amount) for key, row in rows.items()}
            assert amounts == {key: amount for key, amount in audit.amounts.items() if amount}
            for key, average in audit.averages.items():
                assert key not in rows or Fraction(rows[key].average_price or 0) == average

    @invariant()
    def locked_is_the_sum_over_live_orders(self) -> None:
        """Total = available + locked, and locked is what the live orders could cost."""
        for snapshot in self.snapshots():
            due = locked(self.listed, snapshot)
            for row in snapshot.balances or ():
                assert row.available is not None and row.locked is not None
                assert Fraction(row.total) == Fraction(row.available) + Fraction(row.locked)
                assert Fraction(row.locked) == due.get(row.currency, 0)

    @invariant()
    def orders_agree_with_their_fills(self) -> None:
        """An order's filled quantity is the sum of its fills, and its status fits."""
        for snapshot in self.snapshots():
            done: Counter[str | None] = Counter()
            for fill in snapshot.fills or ():
                done[fill.broker_order_id] += Fraction(fill.quantity)  # type: ignore[assignment]
            for order in snapshot.orders or ():
                assert Fraction(order.done) == done[order.broker_order_id]
                assert (order.status == "filled") == (order.done == order.quantity)
                assert (order.status == "partially_filled") <= (0 < order.done < order.quantity)

    @invariant()
    def records_keep_the_contract(self) -> None:
        """What the venue states is a valid snapshot, and survives being written and read."""
        for snapshot in self.snapshots():
            assert decode_snapshot(encode(snapshot), "snapshot", "broker") == snapshot
            fills: list[Fill] = list(snapshot.fills or ())
            assert len({fill.fill_id for fill in fills}) == len(fills)

    def teardown(self) -> None:
        """The journal alone leads to the same venue."""
        again = World(self.clock, 0, self.journal)
        if "net" in self.world.state.accounts:
            assert [again.snapshot(name) for name in ("net", "hedge")] == self.snapshots()
            assert again.submits_seen("net") == self.world.submits_seen("net")

    def snapshots(self) -> list[Snapshot]:
        """Both accounts as they stand."""
        return [self.world.snapshot(name) for name in ("net", "hedge")]


EXAMPLES = 500 if PROVE else 25
pytestmark = pytest.mark.prove
Conservation.TestCase.settings = settings(max_examples=EXAMPLES, stateful_step_count=40, deadline=None)
TestConservation = Conservation.TestCase
