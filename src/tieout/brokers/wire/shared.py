"""One wire for all accounts of one venue and key, so that together they keep to its limits."""

from __future__ import annotations

import random as randomness
from collections import Counter
from collections.abc import Mapping

from pyrate_limiter import InMemoryBucket

from tieout.brokers.wire.limits import Limiter, bucket_of
from tieout.brokers.wire.measured import EndpointMeasured
from tieout.brokers.wire.tries import ReadPatience
from tieout.brokers.wire.venues import limits_of
from tieout.brokers.wire.wire import Wire
from tieout.clock import Clock


class Wires:
    """The wires of one process. Where a venue counts by address, its keys share one limiter.

    Args:
        clock: What all of them wait on.
        random: For jitter.
    """

    def __init__(self, clock: Clock, random: randomness.Random) -> None:
        self._clock, self._random = clock, random
        self._wires: dict[tuple[str, str], Wire] = {}
        self._limiters: dict[str, Limiter] = {}
        self._together: dict[str, InMemoryBucket] = {}  # what all keys send from this address

    def wire(self, venue: str, key: str, patience: ReadPatience, *, place: str = "") -> Wire:
        """The wire to *venue* under *key*, which is never shown, as patient as one account wants it.

        *place* tells apart what a venue counts apart, such as its test network.
        """
        name = f"{venue} {place}".strip()
        if (name, key) not in self._wires:
            self._wires[name, key] = self._made(venue, name)
        return self._wires[name, key].patient(patience)

    @property
    def measured(self) -> Mapping[str, Mapping[str, EndpointMeasured]]:
        """What was asked of each venue so far; a second key of a venue is "NAME #2", for no key is ever shown."""
        told, seen = dict[str, Mapping[str, EndpointMeasured]](), Counter[str]()
        for (name, _key), wire in self._wires.items():
            seen[name] += 1
            told[name if seen[name] == 1 else f"{name} #{seen[name]}"] = wire.measured
        return told

    def _made(self, venue: str, name: str) -> Wire:
        limits = limits_of(venue)
        if limits.together and name not in self._together:
            self._together[name] = bucket_of(limits.together)
        limiter = Limiter(name, limits, self._clock, self._together.get(name))
        if limits.by == "address":
            limiter = self._limiters.setdefault(name, limiter)
        return Wire(name, clock=self._clock, limits=limits, limiter=limiter, random=self._random)
