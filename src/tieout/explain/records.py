"""The evidence: every record that one side lacks, has twice or has otherwise, with its age and the code it speaks for."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from functools import cached_property

from msgspec import Struct
from msgspec.structs import replace

from tieout.model.amounts import seconds
from tieout.model.discrepancy import CauseCode
from tieout.model.memory import Memory
from tieout.model.pairing import Pairing, activities_vouched_from, fills_vouched_from, pair_fills, same_quantity
from tieout.model.settings import Settings
from tieout.model.snapshot import Activity, Fill, Observation, Snapshot

CODE_OF_KIND = {
    "deposit": CauseCode.DEPOSIT,
    "withdrawal": CauseCode.WITHDRAWAL,
    "transfer": CauseCode.TRANSFER,
    "fee": CauseCode.FEE,
    "funding": CauseCode.FUNDING,
    "interest": CauseCode.INTEREST,
    "dividend": CauseCode.DIVIDEND,
    "rebate": CauseCode.REBATE,
    "split": CauseCode.SPLIT,
    "symbol_change": CauseCode.SYMBOL_CHANGE,
}


class Standing(StrEnum):
    """How a record stands between the sides."""

    MISSING = "missing"  # the broker has it, local lacks it
    SURPLUS = "surplus"  # local booked it twice, or the broker does not know it
    CORRECTED = "corrected"  # both have it, with other values


class Proof(StrEnum):
    """What a record may be used for."""

    FACT = "fact"
    IN_FLIGHT = "in_flight"  # too young for any verdict
    LAGGING = "lagging"  # younger than the venue's lag: its absence proves nothing yet
    NONE = "none"  # outside the time that the other side's list vouches for


class Record(Struct, frozen=True):
    """One record of evidence. `fill` or `activity` is the record; `other` is local's version of a corrected fill."""

    ref: str
    code: CauseCode
    standing: Standing
    proof: Proof
    age: Decimal
    at: datetime
    fill: Fill | None = None
    activity: Activity | None = None
    other: Fill | None = None

    @property
    def wrong_quantity(self) -> bool:
        """Whether local booked a fill with another quantity than the broker's."""
        return self.other is not None and self.fill is not None and self.other.quantity != self.fill.quantity


class Ages:
    """How old a record is on the clock of the side that reports it, and whether it lies between the two readings."""

    def __init__(
        self, observation: Observation, local: Snapshot, broker: Snapshot, memory: Memory, settings: Settings
    ) -> None:
        self._at, self._memory, self._settings = observation.at, memory, settings
        self._as_of = {"local": local.as_of, "broker": broker.as_of}
        # A record of one side lies between the readings if it is younger than the time by which the other was read earlier.
        self._gap = {
            "local": seconds(broker.as_of, observation.at),
            "broker": seconds(local.as_of, observation.at),
        }

    def age(self, ref: str, at: datetime, side: str) -> Decimal:
        """Seconds, never below 0: a record dated ahead of its own side's clock ages from when it was first shown."""
        age = seconds(at, self._as_of[side])
        if age >= 0:
            return age
        return seconds(self._memory.ahead.get(ref, self._at), self._at)

    def in_flight(self, age: Decimal, side: str) -> bool:
        """Whether a record of this age gets no verdict yet."""
        return age < self._settings.settle_seconds or age < self._gap[side]

    def proof_of_absence(self, age: Decimal, at: datetime, vouched_from: datetime | None, *, fetched: bool) -> Proof:
        """What it proves that the broker does not list a record of local's."""
        if self.in_flight(age, "local"):
            return Proof.IN_FLIGHT
        if age < self._settings.lag_seconds:
            return Proof.LAGGING
        return Proof.FACT if fetched and vouched_from is not None and at >= vouched_from else Proof.NONE


def gather(
    local: Snapshot, broker: Snapshot, ages: Ages, own: Container[str], settings: Settings, renamed: Mapping[str, str]
) -> tuple[Record, ...]:
    """All evidence between two snapshots, oldest first, in an order that does not depend on the files'."""
    pairing = pair_fills(local.fills or (), broker.fills or (), renamed)
    records = [
        *_missing_fills(pairing, ages, own, settings),
        *_surplus_fills(pairing, broker, ages),
        *_corrected_fills(pairing, local, broker, ages),
        *_activities(local, broker, ages),
    ]
    admits = settings.scope.admits
    kept = (record for record in records if admits(_asset(record)))
    return tuple(sorted(kept, key=in_time))


def in_time(record: Record) -> tuple[datetime, str, str, str]:
    """Where a record stands in the order of time; a tie is broken by what it is, never by the files' order."""
    return record.at, record.ref, record.standing, repr(record.fill or record.activity)


def _asset(record: Record) -> str:
    if record.fill is not None:
        return record.fill.asset
    assert record.activity is not None
    return record.activity.asset or record.activity.currency or ""


def _missing_fills(pairing: Pairing, ages: Ages, own: Container[str], settings: Settings) -> Iterator[Record]:
    for fill in pairing.missing:
        ref = f"fill {fill.fill_id}"
        age = ages.age(ref, fill.at, "broker")
        proof = Proof.IN_FLIGHT if ages.in_flight(age, "broker") else Proof.FACT
        yield Record(ref, _fill_code(fill, own, settings), Standing.MISSING, proof, age, fill.at, fill=fill)


def _fill_code(fill: Fill, own: Container[str], settings: Settings) -> CauseCode:
    if fill.liquidation:
        return CauseCode.LIQUIDATION
    return (
        CauseCode.MISSED_FILL
        if is_own(fill.client_order_id, fill.broker_order_id, own, settings)
        else CauseCode.EXTERNAL_TRADE
    )


def is_own(client_id: str | None, broker_id: str | None, own: Container[str], settings: Settings) -> bool:
    """Whether local sent the order with these ids: they stand among local's, or the client id bears its prefix."""
    if client_id is not None and (client_id in own or client_id.startswith(settings.own_client_ids)):
        return True
    return broker_id is not None and broker_id in own


def _surplus_fills(pairing: Pairing, broker: Snapshot, ages: Ages) -> Iterator[Record]:
    vouched, fetched = fills_vouched_from(broker), broker.covers("fills") == "complete"
    for fill in pairing.unknown:
        ref = f"fill {fill.fill_id}"
        age = ages.age(ref, fill.at, "local")
        proof = ages.proof_of_absence(age, fill.at, vouched, fetched=fetched)
        yield Record(ref, CauseCode.PHANTOM_FILL, Standing.SURPLUS, proof, age, fill.at, fill=fill)
    for fill in pairing.repeated:
        ref = f"fill {fill.fill_id}"
        age = ages.age(ref, fill.at, "local")
        proof = Proof.IN_FLIGHT if ages.in_flight(age, "local") else Proof.FACT
        yield Record(ref, CauseCode.DUPLICATE_FILL, Standing.SURPLUS, proof, age, fill.at, fill=fill)


def _corrected_fills(pairing: Pairing, local: Snapshot, broker: Snapshot, ages: Ages) -> Iterator[Record]:
    for ours, stated in pairing.same:
        # A fee that the broker does not state is not known to be none: local's stands.
        fee_known = stated.fee is not None
        theirs = stated if fee_known else replace(stated, fee=ours.fee, fee_currency=ours.fee_currency)
        same_trade = ours.price == theirs.price and same_quantity(ours, theirs, local, broker)
        same_fee = (ours.fee or 0) == (theirs.fee or 0) and (ours.fee_currency == theirs.fee_currency or not theirs.fee)
        if same_trade and same_fee:
            continue
        ref = f"fill {theirs.fill_id}"
        age = ages.age(ref, theirs.at, "broker")
        code = CauseCode.FEE if same_trade else CauseCode.WRONG_FILL
        proof = Proof.IN_FLIGHT if ages.in_flight(age, "broker") else Proof.FACT
        yield Record(ref, code, Standing.CORRECTED, proof, age, theirs.at, fill=theirs, other=ours)


def _activities(local: Snapshot, broker: Snapshot, ages: Ages) -> Iterator[Record]:
    known = {row.activity_id for row in local.activities or ()}
    theirs = {row.activity_id: row for row in broker.activities or ()}
    for row in theirs.values():
        if row.activity_id not in known:
            age = ages.age(f"activity {row.activity_id}", row.at, "broker")
            proof = Proof.IN_FLIGHT if ages.in_flight(age, "broker") else Proof.FACT
            yield _activity(row, CODE_OF_KIND.get(row.kind, CauseCode.CORPORATE_ACTION), Standing.MISSING, proof, age)
    yield from _surplus_activities(local, broker, theirs, ages)


def _surplus_activities(
    local: Snapshot, broker: Snapshot, theirs: Mapping[str, Activity], ages: Ages
) -> Iterator[Record]:
    vouched, fetched = activities_vouched_from(broker), broker.covers("activities") == "complete"
    seen: set[str] = set()
    for row in local.activities or ():
        age = ages.age(f"activity {row.activity_id}", row.at, "local")
        if row.activity_id in seen:
            proof = Proof.IN_FLIGHT if ages.in_flight(age, "local") else Proof.FACT
            yield _activity(row, CauseCode.DUPLICATE_FILL, Standing.SURPLUS, proof, age)
        elif row.activity_id not in theirs:
            proof = ages.proof_of_absence(age, row.at, vouched, fetched=fetched)
            yield _activity(row, CauseCode.PHANTOM_FILL, Standing.SURPLUS, proof, age)
        seen.add(row.activity_id)


def _activity(row: Activity, code: CauseCode, standing: Standing, proof: Proof, age: Decimal) -> Record:
    return Record(f"activity {row.activity_id}", code, standing, proof, age, row.at, activity=row)


class OwnIds:
    """Ids of orders that local sent: its own, those it listed earlier, and what the broker says belongs to them.

    Gathered when first asked for: two sides that agree never ask.
    """

    def __init__(self, local: Snapshot, broker: Snapshot, memory: Memory) -> None:
        self._local, self._broker, self._memory = local, broker, memory

    def __contains__(self, name: object) -> bool:
        return name in self._all

    @cached_property
    def _all(self) -> set[str]:
        own = {*self._memory.own_ids, *_ids(self._local.orders or ()), *_ids(self._local.fills or ())}
        own.update(
            order.broker_order_id
            for order in self._broker.orders or ()
            if order.client_order_id in own and order.broker_order_id
        )
        return own


def _ids(records: Iterable[object]) -> Iterator[str]:
    for record in records:
        for name in ("client_order_id", "broker_order_id"):
            value = getattr(record, name)
            if value:
                yield value


def plain_record(row: Fill | Activity, standing: Standing) -> Record:
    """A record for arithmetic alone, where neither its age nor whose it is matters."""
    if isinstance(row, Fill):
        return Record(f"fill {row.fill_id}", CauseCode.UNKNOWN, standing, Proof.FACT, Decimal(0), row.at, fill=row)
    return _activity(row, CauseCode.UNKNOWN, standing, Proof.FACT, Decimal(0))
