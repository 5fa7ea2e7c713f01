"""Which bookings stand: booked and not reversed. Repeats stand side by side only where the opening entries had them."""

from __future__ import annotations

from collections import defaultdict

from tieout.books.entries import (
    ActivityBooked,
    ActivityOpened,
    ActivityReversed,
    Entry,
    FillBooked,
    FillOpened,
    FillReversed,
    Record,
)
from tieout.model.snapshot import Activity, Fill

FillKey = tuple[str, str, str]


def _fill_key(fill: Fill) -> FillKey:
    return fill.asset, fill.fill_id, fill.side


class Standing:
    """The fills and activities that stand, in the order of their booking, found by their identity."""

    def __init__(self) -> None:
        self._fills: dict[int, Fill] = {}
        self._activities: dict[int, Activity] = {}
        self._by_fill: defaultdict[FillKey, list[int]] = defaultdict(list)
        self._by_activity: defaultdict[str, list[int]] = defaultdict(list)

    @property
    def fills(self) -> tuple[Fill, ...]:
        """Every fill that stands, once for each booking."""
        return tuple(self._fills.values())

    @property
    def activities(self) -> tuple[Activity, ...]:
        """Every activity that stands, once for each booking."""
        return tuple(self._activities.values())

    def find_fill(self, fill: Fill) -> int | None:
        """The entry that booked this fill: the last one equal to it, else the last of its identity."""
        numbers = [number for number in self._by_fill.get(_fill_key(fill), ()) if self._same_order(number, fill)]
        equal = [number for number in numbers if self._fills[number] == fill]
        return max(equal or numbers, default=None)

    def find_activity(self, activity: Activity) -> int | None:
        """The entry that booked this activity: the last one equal to it, else the last of its id."""
        numbers = self._by_activity.get(activity.activity_id, ())
        equal = [number for number in numbers if self._activities[number] == activity]
        return max(equal or numbers, default=None)

    def take(self, entry: Entry) -> None:
        """Follow one entry of the ledger."""
        record: Record = entry.record
        if isinstance(record, FillBooked | FillOpened):
            self._fills[entry.number] = record.fill
            self._by_fill[_fill_key(record.fill)].append(entry.number)
        elif isinstance(record, ActivityBooked | ActivityOpened):
            self._activities[entry.number] = record.activity
            self._by_activity[record.activity.activity_id].append(entry.number)
        elif isinstance(record, FillReversed):
            self._by_fill[_fill_key(self._fills.pop(record.booking))].remove(record.booking)
        elif isinstance(record, ActivityReversed):
            self._by_activity[self._activities.pop(record.booking).activity_id].remove(record.booking)

    def _same_order(self, number: int, fill: Fill) -> bool:
        known = self._fills[number].broker_order_id
        return known is None or fill.broker_order_id is None or known == fill.broker_order_id
