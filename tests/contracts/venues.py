"""What the contract's tests need of a venue, and what each venue cannot: declared here once, with the reason."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Protocol

from msgspec import Struct, field
from msgspec.structs import replace

from tieout.brokers.base import BrokerAdapter, OrderRequest
from tieout.brokers.loopback.base import LoopbackVenue
from tieout.brokers.loopback.faults import HttpFault, HttpRule
from tieout.brokers.simulated import Fault, FaultRule, Instrument, World
from tieout.brokers.simulated.commands import Command, Happened, perform
from tieout.brokers.simulated.faults import Call
from tieout.brokers.simulated.protocol import Truth
from tieout.clock import VirtualClock
from tieout.model.snapshot import SECTIONS, Activity, Row, Section, Snapshot

START = datetime(2026, 11, 20, 10, tzinfo=UTC)
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


class Traits(Struct, frozen=True, kw_only=True):
    """How a venue differs from the simulated one, which tells everything.

    Attributes:
        asset: The name under which it lists the asset that a test calls so.
        kind: How a trade in it moves cash.
        since: The moment that a test asks from when it wants everything.
        untold: By section, the fields that it does not tell.
        ids: The world's id -> the venue's; `world_id` is the way back.
        local: Calls that are answered without the network, so that no fault can strike them.
        cannot: What the simulated venue can let go wrong and this one cannot, with why.
        sections: What it tells at all.
        name: How its adapter names it.
        pages: How many requests one reading of fills takes.
        currencies: In how many it has cash, of the two that tests pay in; what it holds of the other is a position.
        finds: Whether an order is looked up by the client's id.
        denies: Whether it says of an order number of its own making that it knows no such order, instead of an error.
        sends: Whether what its adapter sends is held to the contract here; if not, orders get to the venue in another way.
        heard: What it is told for a client's id -> that id; `said` is the way there.
        takes: The types of order that its adapter sends; others get to the venue in another way.
        decimals: How many an order's price may have there; one of more gets to the venue in another way.
        quote: The currency that it trades in.
        acts: Whether its adapter sends orders; where it does not, they get to the venue in another way.
        currency: What its adapter calls the account's currency.
        statuses: What it calls the status of an order, where it knows fewer.
        activity: How it tells an activity of the world: under which id, and as which kind.
        vague: What may have arrived there though it says that it turned it away, and what nobody is told a time to wait for.
        admits: Whether it says of a client's id that its adapter never sent that there is none.
        unique: Whether it takes a client's id once itself; where it would take it again, its adapter sends none twice.
        digits: How many digits of a number are sent; one of more is refused, and gets to the venue in another way.
    """

    asset: Callable[[str], str] = str
    kind: str = "cash"
    since: datetime = EPOCH
    untold: Mapping[Section, tuple[str, ...]] = {}
    ids: Callable[[str], str] = str
    world_id: Callable[[str], str] = str
    local: frozenset[Call] = frozenset()
    cannot: Mapping[Fault, str] = field(default_factory=dict)
    sections: frozenset[Section] = frozenset(SECTIONS)
    hedge_mode: bool = True
    name: str = "simulated"
    pages: int = 1
    currencies: int = 2
    acts: bool = True
    finds: bool = True
    sends: bool = True
    heard: Callable[[str], str] = str
    said: Callable[[str], str] = str
    takes: frozenset[str] = frozenset({"market", "limit", "stop", "stop_limit"})
    decimals: int = 18
    denies: bool = True
    currency: str = "USDT"
    quote: str = "USDT"
    statuses: Mapping[str, str] = {}
    activity: Callable[[Activity], Activity] | None = None
    vague: frozenset[Fault] = frozenset()
    admits: bool = True
    unique: bool = True
    digits: int | None = None

    def takes_order(self, request: OrderRequest) -> bool:
        """Whether the adapter sends an order of such a type and such numbers."""
        numbers = [each.normalize().as_tuple() for each in (request.quantity, request.limit_price) if each]
        short = self.digits is None or all(len(each.digits) <= self.digits for each in numbers)
        return short and request.type in self.takes and -int(numbers[-1].exponent) <= self.decimals

    @property
    def refuses_expensive(self) -> bool:
        """Whether an order that costs more than there is is refused: orders on margin lock nothing in the world."""
        return self.kind in ("cash", "spot")

    def instrument(self, asset: str) -> Instrument:
        """What trading *asset* means there."""
        base = asset.partition("/")[0] if self.kind == "spot" else None
        return Instrument(asset=asset, kind=self.kind, currency=self.quote, base=base)  # type: ignore[arg-type]

    def contract(self, asset: str) -> Instrument:
        """*asset* on margin, where the venue has that."""
        return (
            self.instrument(asset)
            if self.kind == "spot"
            else Instrument(asset=asset, kind="margin", currency=self.quote)
        )

    def renamed(self, rows: Iterable[Row]) -> tuple[Row, ...]:
        """Rows of the world with the venue's ids."""
        return tuple(self._as_told(row) for row in rows)

    def tells(self, snapshot: Snapshot) -> Snapshot:
        """The truth, reduced to what this venue can say."""
        told = {section: self._told(snapshot, section) for section in SECTIONS}
        return replace(snapshot, **told)

    def _told(self, snapshot: Snapshot, section: Section) -> object:
        if section not in self.sections:
            return None
        untold = dict.fromkeys(self.untold.get(section, ()))
        return tuple(replace(self._as_told(row), **untold) for row in getattr(snapshot, section) or ())

    def _as_told(self, row: Row) -> Row:
        if isinstance(row, Activity) and self.activity is not None:
            return self.activity(row)
        return replace(row, **self._renamed(row))

    def _renamed(self, row: object) -> dict[str, object]:
        names = ("broker_order_id", "fill_id", "activity_id")
        ids = {name: getattr(row, name, None) for name in names}
        return {name: self.ids(id_) for name, id_ in ids.items() if id_ is not None}


class Venue(Protocol):
    """An adapter under test, and the means to move the venue behind it."""

    account: str
    traits: Traits

    @property
    def broker(self) -> BrokerAdapter:
        """The adapter; made at first use, when the test has listed what is traded."""

    async def let(self, command: Command) -> Happened:
        """Let something happen at the venue."""

    async def go_wrong(self, rule: FaultRule) -> None:
        """Let something go wrong on the way."""

    async def truth(self) -> Truth:
        """The account as it truly stands."""


STATUS = {Fault.THROTTLED: 429, Fault.UNAVAILABLE: 503, Fault.REFUSED: 401, Fault.MALFORMED: 200}
LIES = {
    Fault.EMPTY: HttpFault.HIDDEN,
    Fault.DROPPED: HttpFault.DROPPED,
    Fault.STALE: HttpFault.STALE,
    Fault.LAG: HttpFault.LAG,
    Fault.CANCEL_LOST: HttpFault.CANCEL_LOST,
}


class OverWorld:
    """An adapter that asks a loopback server over a world in memory, which lists one asset that no test trades.

    Args:
        make: The adapter, once the assets that it trades are listed.
    """

    def __init__(
        self, world: World, account: str, *, traits: Traits, make: Callable[[tuple[str, ...]], BrokerAdapter]
    ) -> None:
        self.world, self.account, self.traits = world, account, traits
        self._make = make
        self._broker: BrokerAdapter | None = None
        self._rng = random.Random(7)

    @property
    def broker(self) -> BrokerAdapter:
        if self._broker is None:
            first, *listed = self.world.state.instruments
            self._broker = self._make(tuple(listed) or (first,))
        return self._broker

    async def let(self, command: Command) -> Happened:
        order = getattr(command, "broker_order_id", None)
        return perform(
            self.world, command if order is None else replace(command, broker_order_id=self._world_id(order))
        )

    def _world_id(self, order: str) -> str:
        return self.traits.world_id(order)

    async def truth(self) -> Truth:
        """The account as it truly stands, under the ids that clients gave."""
        snapshot, heard = self.world.snapshot(self.account), self.traits.heard
        rows: dict[str, object] = {
            name: tuple(
                replace(row, client_order_id=heard(row.client_order_id)) if row.client_order_id else row
                for row in getattr(snapshot, name) or ()
            )
            for name in ("orders", "fills")
        }
        submits = {heard(name): count for name, count in self.world.submits_seen(self.account).items()}
        return Truth(replace(snapshot, **rows), submits)


class OverHttp(OverWorld):
    """An adapter that asks a loopback server over a world in memory.

    Args:
        server: Listening already; its world lists one asset that no test trades.
        make: The adapter, once the assets that it trades are listed.
        calls: Which requests each call of the port leads to, as patterns of the server's endpoints.
        hurry: Makes the adapter's client wait for answers no longer than a test can.
    """

    def __init__(
        self,
        server: LoopbackVenue,
        account: str,
        *,
        traits: Traits,
        make: Callable[[tuple[str, ...]], BrokerAdapter],
        calls: Mapping[Call, str],
        hurry: Callable[[], None],
    ) -> None:
        super().__init__(server.world, account, traits=traits, make=make)
        self.server, self.calls, self.hurry = server, calls, hurry

    async def go_wrong(self, rule: FaultRule) -> None:
        if rule.fault is Fault.LATENCY:
            assert isinstance(self.world.clock, VirtualClock)
            self.world.clock.advance(rule.seconds)
            return
        assert rule.fault not in self.traits.cannot, self.traits.cannot[rule.fault]
        calls = [call for call in self.calls if rule.fits(call)]
        endpoint = "|".join(self.calls[call] for call in calls)
        for made in self._http(rule, endpoint):
            self.server.faults.inject(made)

    def _http(self, rule: FaultRule, endpoint: str) -> list[HttpRule]:
        fault, seconds = rule.fault, float(rule.seconds)
        if fault in STATUS:
            landed, text = fault is Fault.MALFORMED, "<html>" if fault is Fault.MALFORMED else "{}"
            headers = {"Retry-After": str(rule.seconds)} if fault is Fault.THROTTLED else {}
            return [
                HttpRule(fault=HttpFault.TEXT, endpoint=endpoint, times=rule.times, status=STATUS[fault], text=text,
                         headers=headers, taken=landed)
            ]  # fmt: skip
        if fault is Fault.TIMEOUT:
            self.hurry()
            count = 16 if rule.times is None else rule.times
            landed_or_not = [self._rng.random() < 0.5 for _ in range(count)]
            return [HttpRule(fault=HttpFault.STALL, endpoint=endpoint, taken=taken) for taken in landed_or_not]
        if fault in (Fault.LOST_REPLY, Fault.LOST_REQUEST):
            taken = fault is Fault.LOST_REPLY
            return [HttpRule(fault=HttpFault.RESET, endpoint=endpoint, times=rule.times, taken=taken)]
        return [HttpRule(fault=LIES[fault], endpoint=endpoint, times=rule.times, seconds=seconds)]
