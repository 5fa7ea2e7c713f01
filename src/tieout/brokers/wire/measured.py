"""What was asked of a venue so far, counted: plain values that a page or a metrics endpoint can show."""

from __future__ import annotations

from collections import Counter

from msgspec import Struct, field

from tieout.brokers.wire.breaker import State


class EndpointMeasured(Struct, frozen=True):
    """One class of endpoints since the start. Times in milliseconds.

    Attributes:
        requests: Questions that were sent, tries again included.
        failures: How many of all that was asked failed, by kind; `over_limit` and `circuit_open` were never sent.
        retries: Tries again.
        waited_ms: For the limiter.
        asked_ms: From sending to an answer or a failure, all together.
        breaker: The state of its circuit breaker.
        opened: How often that opened.
    """

    requests: int = 0
    failures: dict[str, int] = field(default_factory=dict)
    retries: int = 0
    waited_ms: int = 0
    asked_ms: int = 0
    breaker: State = "closed"
    opened: int = 0


class Counts:
    """Counts as they grow, for one class of endpoints."""

    def __init__(self) -> None:
        self.requests = self.retries = self.waited_ms = self.asked_ms = 0
        self.failures: Counter[str] = Counter()

    def again(self) -> None:
        """Count a further try."""
        self.retries += 1

    def frozen(self, breaker: State, opened: int) -> EndpointMeasured:
        """As they stand now."""
        return EndpointMeasured(
            requests=self.requests,
            failures=dict(sorted(self.failures.items())),
            retries=self.retries,
            waited_ms=self.waited_ms,
            asked_ms=self.asked_ms,
            breaker=breaker,
            opened=opened,
        )
