"""What goes wrong between a venue and its client, by a seeded plan: at random, or scripted call by call.

Failures are raised by the adapter. *Lies* (`stale`, `empty`, `dropped`, `lag`) are answers that look whole and are not, as
real venues give them: nothing at the adapter can tell them from the truth, which is why there is continuity above it.
"""

from __future__ import annotations

import random
from collections import Counter
from enum import StrEnum
from typing import Literal

from msgspec import Struct

Call = Literal[
    "get_positions", "get_balances", "get_open_orders", "get_order", "get_fills", "get_activities",
    "get_account_info", "get_instruments", "server_time", "submit_order", "cancel_order",
]  # fmt: skip

ROWS: frozenset[str] = frozenset(("get_positions", "get_balances", "get_open_orders", "get_fills", "get_activities"))
READS: frozenset[str] = ROWS | {"get_order", "get_account_info", "get_instruments", "server_time"}
ACTIONS: frozenset[str] = frozenset(("submit_order", "cancel_order"))


class Fault(StrEnum):
    """One way to go wrong; what an action makes of the failures of reads is said in brackets."""

    LATENCY = "latency"  # `seconds` pass first; combines with any other
    TIMEOUT = "timeout"  # no answer in time (it landed or not, as the seed has it)
    THROTTLED = "throttled"  # asked to wait `seconds` (refused, nothing happened)
    UNAVAILABLE = "unavailable"  # down, nothing happened (which the client cannot know)
    REFUSED = "refused"  # credentials (refused, nothing happened)
    MALFORMED = "malformed"  # an answer that cannot be read (it landed)
    PARTIAL = "partial"  # some rows, and the venue says so
    STALE = "stale"  # lie: the answer of `seconds` ago
    EMPTY = "empty"  # lie: no rows, whatever there is
    DROPPED = "dropped"  # lie: at least one row left out
    LAG = "lag"  # lie: fills of the last `seconds` are not listed yet
    LOST_REPLY = "lost_reply"  # it landed, and the answer was lost
    LOST_REQUEST = "lost_request"  # it never arrived, and nobody says so
    CANCEL_LOST = "cancel_lost"  # acknowledged, and the order stays live


APPLIES: dict[Fault, frozenset[str]] = {
    **dict.fromkeys(Fault, READS | ACTIONS),
    **dict.fromkeys((Fault.PARTIAL, Fault.DROPPED), ROWS),
    **dict.fromkeys((Fault.STALE, Fault.EMPTY), ROWS | {"get_order"}),
    **dict.fromkeys((Fault.LOST_REPLY, Fault.LOST_REQUEST), ACTIONS),
    Fault.LAG: frozenset({"get_fills"}),
    Fault.CANCEL_LOST: frozenset({"cancel_order"}),
}


class FaultRule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a fault strikes.

    Attributes:
        calls: On these calls only; None is every call that it can strike.
        times: So often, then never again; None is until the plan is cleared.
        chance: How likely at each call, 0 to 1, by the plan's seed.
        seconds: Of latency, staleness, lag, or waiting asked for.
    """

    fault: Fault
    calls: frozenset[Call] | None = None
    times: int | None = 1
    chance: float = 1.0
    seconds: int = 0

    def fits(self, call: Call) -> bool:
        """Whether it can strike this call."""
        return call in APPLIES[self.fault] and (self.calls is None or call in self.calls)


class FaultPlan:
    """The rules in force. The same seed, rules and calls give the same faults."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.struck: Counter[Fault] = Counter()
        self._rules: list[FaultRule] = []
        self._left: list[int | None] = []

    def inject(self, rule: FaultRule) -> None:
        """Put a rule behind those in force."""
        self._rules.append(rule)
        self._left.append(rule.times)

    def clear(self) -> None:
        """Let nothing go wrong any more."""
        self._rules, self._left = [], []

    def draw(self, call: Call) -> tuple[FaultRule, ...]:
        """What strikes this call: latencies, and at most one other, the first in force."""
        struck: list[FaultRule] = []
        found = False
        for index, rule in enumerate(self._rules):
            is_delay = rule.fault is Fault.LATENCY
            if not rule.fits(call) or self._left[index] == 0 or (found and not is_delay):
                continue
            if rule.chance < 1 and self.rng.random() >= rule.chance:
                continue
            left = self._left[index]
            self._left[index] = None if left is None else left - 1
            found = found or not is_delay
            struck.append(rule)
        self.struck.update(rule.fault for rule in struck)
        return tuple(struck)

    def lose_some(self, count: int) -> frozenset[int]:
        """Which of *count* rows survive a loss: never all, by the seed."""
        lost = self.rng.randint(1, count) if count else 0
        return frozenset(self.rng.sample(range(count), count - lost))
