"""Histories in a few words: two sides at a time, taken down the real road, with what is known carried on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from tieout.act import Unrecorded, apply
from tieout.books import EngineBooks, Instrument
from tieout.brokers.simulated import SimulatedBroker, World
from tieout.clock import VirtualClock
from tieout.decide import Policy
from tieout.live.road import Outcome, State, reconcile_observation
from tieout.model.amounts import dec
from tieout.model.case import Approved
from tieout.model.codec import decode_observation, encode
from tieout.model.discrepancy import ActionStatus
from tieout.model.intent import Ended
from tieout.model.memory import Memory
from tieout.model.report import Discrepancy, ReconciliationReport
from tieout.model.settings import Settings
from tieout.model.snapshot import (
    Activity,
    ActivityKind,
    Balance,
    Coverage,
    Fill,
    Leg,
    Lookup,
    Observation,
    Order,
    OrderSide,
    OrderStatus,
    Position,
    Section,
    SideError,
    Snapshot,
    Source,
)

START = datetime(2026, 11, 20, 10, tzinfo=UTC)
WEEK_AGO = START - timedelta(days=7)
OURS = Settings(own_client_ids=("own-",))
HOUR = 3600


def ago(seconds: int) -> datetime:
    """So many seconds before the histories start."""
    return START - timedelta(seconds=seconds)


def held(
    amount: str,
    asset: str = "X",
    *,
    leg: Leg = "net",
    average: str | None = None,
    market_price: str | None = None,
    multiplier: str | None = None,
) -> Position:
    """A position that is paid in dollars."""
    cost, price, size = (None if text is None else dec(text) for text in (average, market_price, multiplier))
    return Position(asset, dec(amount), leg, cost, price, currency="USD", multiplier=size)


def cash(total: str, currency: str = "USD", *, locked: str | None = None) -> Balance:
    """A balance."""
    return Balance(currency, dec(total), locked=None if locked is None else dec(locked))


def order(
    name: str = "own-1",
    status: OrderStatus = "open",
    quantity: str = "100",
    *,
    filled: str = "0",
    side: OrderSide = "buy",
    price: str | None = "100",
    asset: str = "X",
    broker_id: str | None = None,
    seconds_ago: int = HOUR,
) -> Order:
    """A limit order that last changed *seconds_ago*; its name is its client id, unless that is empty."""
    return Order(
        asset, side, dec(quantity), status, broker_order_id=broker_id, client_order_id=name or None, type="limit",
        filled=dec(filled), limit_price=None if price is None else dec(price),
        created_at=ago(seconds_ago), updated_at=ago(seconds_ago),
    )  # fmt: skip


def fill(
    fill_id: str,
    side: OrderSide,
    quantity: str,
    price: str = "100",
    *,
    name: str | None = "own-1",
    asset: str = "X",
    fee: str | None = None,
    seconds_ago: int = HOUR,
    broker_id: str | None = None,
    leg: Leg | None = None,
    forced: bool = False,
) -> Fill:
    """An execution paid in dollars, of the order *name*, so many seconds before the histories start."""
    return Fill(
        fill_id, asset, side, dec(quantity), dec(price), ago(seconds_ago), broker_order_id=broker_id,
        client_order_id=name, fee=None if fee is None else dec(fee), fee_currency=None if fee is None else "USD",
        liquidation=forced, quote="USD", position_side=leg,
    )  # fmt: skip


def activity(
    activity_id: str,
    kind: ActivityKind,
    amount: str | None = None,
    *,
    asset: str | None = None,
    currency: str | None = None,
    ratio: str | None = None,
    new: tuple[str, str] | None = None,
) -> Activity:
    """Something other than a trade, an hour before the histories start."""
    given = None if amount is None else dec(amount)
    new_asset, new_amount = (None, None) if new is None else (new[0], dec(new[1]))
    return Activity(activity_id, kind, ago(HOUR), currency, asset, given, ratio, new_asset, new_amount)


def _side(
    source: Source,
    *,
    positions: Iterable[Position] | None = None,
    balances: Iterable[Balance] | None = None,
    orders: Iterable[Order] | None = None,
    fills: Iterable[Fill] | None = None,
    activities: Iterable[Activity] | None = None,
    coverage: dict[Section, Coverage] | None = None,
    since: datetime | None = WEEK_AGO,
) -> Snapshot:
    """A statement; what is not given was not fetched. Its lists vouch for a week, unless *since* says otherwise."""
    return Snapshot(
        "tieout.snapshot/1",
        "main",
        source,
        START,
        positions=None if positions is None else tuple(positions),
        balances=None if balances is None else tuple(balances),
        orders=None if orders is None else tuple(orders),
        fills=None if fills is None else tuple(fills),
        activities=None if activities is None else tuple(activities),
        coverage=coverage,
        fills_since=None if fills is None else since,
        activities_since=None if activities is None else since,
    )


books = partial(_side, "local")
venue = partial(_side, "broker")
Side = Snapshot | SideError


class Seen(Struct, frozen=True):
    """One reading and what came of it."""

    outcome: Outcome
    local: Side
    at: datetime

    @property
    def report(self) -> ReconciliationReport:
        """The report."""
        return self.outcome.report

    @property
    def rows(self) -> tuple[Discrepancy, ...]:
        """Every discrepancy."""
        return self.report.discrepancies

    @property
    def one(self) -> Discrepancy:
        """The only discrepancy."""
        assert len(self.rows) == 1, [(row.domain, row.asset, row.discrepancy_type) for row in self.rows]
        return self.rows[0]

    def of(self, domain: str) -> Discrepancy:
        """The only discrepancy of a domain."""
        (row,) = [row for row in self.rows if row.domain == domain]
        return row

    @property
    def actions(self) -> list[str]:
        """What is to be done now."""
        return [action.action for action in self.report.actions if action.status is ActionStatus.PLANNED]

    @property
    def awaiting(self) -> list[str]:
        """What waits for a person."""
        return [action.action for action in self.report.actions if action.status is ActionStatus.AWAITING_APPROVAL]

    def named(self, kind: str, detail: str) -> list[str]:
        """What the actions of one kind are about."""
        return [action.detail[detail] for action in self.report.actions if action.action == kind]

    async def cured(self, instruments: Mapping[str, Instrument] | None = None) -> Snapshot:
        """Local after what was approved is booked, all of it for true, into books opened from what local said."""
        assert isinstance(self.local, Snapshot)
        clock = VirtualClock(self.at)
        ledger = EngineBooks.opened_from(self.local, clock, instruments=instruments)
        effects = await apply(
            [plan for plan in self.outcome.decided.plans if isinstance(plan, Approved)],
            account=self.report.account,
            report_id=self.report.report_id,
            books=ledger,
            broker=SimulatedBroker(World(clock), self.report.account),
            journal=Unrecorded(),
            observed=self.local,
        )
        assert effects, "nothing was approved"
        assert [(effect.ended, effect.why) for effect in effects] == [(Ended.DONE, None)] * len(effects)
        return await ledger.read()


class Story:
    """A history of readings of one account, half a minute apart.

    It begins with books that were in use already; *first_start* begins with an account never seen before.
    """

    def __init__(self, settings: Settings = OURS, policy: Policy | None = None, *, first_start: bool = False) -> None:
        self._settings, self._policy = settings, policy or Policy()
        self.state = State(Memory(local_held=not first_start))
        self._next = START

    def see(
        self,
        local: Side,
        broker: Side,
        *,
        before: Snapshot | None = None,
        lookups: Iterable[Lookup] = (),
        broker_ahead: int = 0,
        after: int = 30,
    ) -> Seen:
        """The next reading; its lines travel through JSON as a recorded history would.

        Args:
            local: What local says.
            broker: What the broker says.
            before: The first of local's two readings, where it was another.
            lookups: What single orders were answered.
            broker_ahead: By how many seconds the broker's clock is ahead of ours.
            after: Seconds until the next reading.
        """
        at = self._next
        written = Observation(
            at,
            "main",
            _dated(local, at),
            _dated(broker, at + timedelta(seconds=broker_ahead)),
            local_before=None if before is None else replace(before, as_of=at),
            lookups=tuple(lookups) or None,
        )
        read = decode_observation(encode(written), "story", 1)
        outcome = reconcile_observation(read, self.state, self._settings, self._policy, trigger="replay")
        self.state, self._next = outcome.state, at + timedelta(seconds=after)
        return Seen(outcome, read.local, at)

    def twice(self, local: Side, broker: Side) -> Seen:
        """The second of two readings that show the same: what stands then is confirmed."""
        self.see(local, broker)
        return self.see(local, broker)


def _dated(side: Side, at: datetime) -> Side:
    return replace(side, as_of=at) if isinstance(side, Snapshot) else side


def none_such(name: str) -> Lookup:
    """The broker's word that it knows no such order."""
    return Lookup(client_order_id=name)
