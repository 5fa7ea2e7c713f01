"""How one venue is asked under one key, by all accounts that use both.

A read waits for its turn under the venue's limits, passes the circuit breaker, has a deadline, and is tried again where there
was no answer. An action is done once; it is refused as long as surely nothing was sent.
"""

from __future__ import annotations

import asyncio
import copy
import random as randomness
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from tieout.brokers.wire.breaker import TOLERANCE, Breaker, Permit, Tolerance
from tieout.brokers.wire.limits import Limiter, Limits, OverLimit
from tieout.brokers.wire.measured import Counts, EndpointMeasured
from tieout.brokers.wire.offset import ClockOffset
from tieout.brokers.wire.tries import PATIENCE, CircuitOpen, ReadPatience, tried, tries
from tieout.clock import DEADLINE, Clock
from tieout.errors import (
    ActionError,
    ActionRefused,
    OutcomeUnknown,
    SourceError,
    SourceThrottled,
    SourceTimeout,
    SourceUnreachable,
)

T = TypeVar("T")
ACT_WAIT_S = 5  # an order that waits for its turn for longer is no longer the order that was decided on


@dataclass(slots=True)
class _Asking:
    """What is being asked now, for the requests that it consists of.

    Attributes:
        scope: What is read or done.
        counts: Those of its class of endpoints.
        first_ns: Until when its first request waits for its turn, on `Clock.monotonic_ns`.
        until_ns: And the further ones.
        sent: How many requests there were.
        turned_ns: When the last one had its turn.
        waiting: Whether one waits for its turn.
    """

    scope: str
    counts: Counts
    first_ns: int
    until_ns: int
    sent: int
    turned_ns: int = 0
    waiting: bool = False


_ASKING: ContextVar[_Asking | None] = ContextVar("asking", default=None)


class Wire:
    """One venue under one key.

    Args:
        venue: Its name, for failures.
        clock: Where time comes from, and what is waited on.
        limits: What the venue allows.
        random: For jitter.
        patience: How patiently reads are done; `patient` gives the same wire with another patience.
        tolerance: How much the circuit breakers bear.
        limiter: One that other keys of the venue share, where the venue counts by address; else one is made.
    """

    def __init__(
        self,
        venue: str,
        *,
        clock: Clock,
        limits: Limits,
        random: randomness.Random,
        patience: ReadPatience = PATIENCE,
        tolerance: Tolerance = TOLERANCE,
        limiter: Limiter | None = None,
    ) -> None:
        self.venue, self.patience, self.clock = venue, patience, clock
        self.limiter = limiter or Limiter(venue, limits, clock)
        self.offset = ClockOffset(clock)
        self._chance = random
        self._breakers: defaultdict[str, Breaker] = defaultdict(lambda: Breaker(clock, tolerance))
        self._counts: defaultdict[str, Counts] = defaultdict(Counts)

    def patient(self, patience: ReadPatience) -> Wire:
        """This wire with another *patience*: limits, breakers, offset and counts are the same ones."""
        twin = copy.copy(self)
        twin.patience = patience
        return twin

    async def read(
        self, scope: str, question: Callable[[], Awaitable[T]], *, endpoint: str = "read", cost: int = 1
    ) -> T:
        """What *question* answers; it is asked again as `patience` says where it had no answer, so it MUST be safe to repeat.

        Args:
            scope: What is read, for failures.
            question: Asks once, and raises a `SourceError` where there is no usable answer.
            endpoint: The class of the endpoint: each has a circuit breaker and counts of its own.
            cost: Weight under the venue's limits; 0 where *question* takes its turns itself (`turn`).

        Raises:
            SourceError: The last failure.
        """
        common, seconds = DEADLINE.get(), _ns(self.patience.seconds)
        until = self.clock.monotonic_ns() + (seconds if common is None else min(seconds, common.left_ns()))
        counts = self._counts[endpoint]

        async def once() -> T:
            try:
                return await self._ask(scope, question, endpoint, cost, until)
            except SourceError as error:
                counts.failures[_kind(error)] += 1
                raise

        return await tried(once, lambda: tries(self.patience, until, self.clock, self._chance, counts.again))

    async def act(self, action: str, deed: Callable[[], Awaitable[T]], *, endpoint: str = "trade", cost: int = 1) -> T:
        """What *deed* gives, done once and never again.

        Args:
            action: What is done, for failures.
            deed: Acts, and raises an `ActionError` where it is not known to have succeeded; its cause, where it has one, is
                the `SourceError` that the answer was.
            endpoint: As for `read`.
            cost: As for `read`.

        Raises:
            ActionRefused: The venue said no, or the breaker or the limiter did, before anything was sent.
            OutcomeUnknown: All else.
        """
        counts = self._counts[endpoint]
        now = self.clock.monotonic_ns()
        try:
            permit = await self._admitted(action, endpoint, cost, now + ACT_WAIT_S * 10**9)
        except SourceError as error:
            counts.failures[_kind(error)] += 1
            raise ActionRefused(action, f"nothing was sent: {error.why}") from error
        left = _ns(self.patience.seconds)
        ends = self.clock.monotonic_ns() + left
        asking = _Asking(action, counts, now + ACT_WAIT_S * 10**9, ends, sent=1 if cost else 0)
        try:
            return await self._sent(asking, deed, permit, left)
        except TimeoutError:
            counts.failures["unknown"] += 1
            raise OutcomeUnknown(action, "no answer in time") from None
        except OverLimit as error:
            counts.failures[_kind(error)] += 1
            raise _broken_off(action, asking, error) from error
        except SourceError as error:
            counts.failures["unknown"] += 1
            raise OutcomeUnknown(action, error.why) from error
        except ActionError as error:
            counts.failures["refused" if isinstance(error, ActionRefused) else "unknown"] += 1
            raise

    async def turn(self, cost: int, endpoint: str = "") -> None:
        """Wait for one request's turn, within a question or a deed that was given a cost of 0; *endpoint* is its path.

        Raises:
            OverLimit: It would not come in time. Nothing of this request was sent.
        """
        asking = _ASKING.get()
        assert asking is not None, "a turn belongs to a read or an action"
        until = asking.until_ns if asking.sent else asking.first_ns
        asking.waiting = True
        waited = await self.limiter.take(cost, scope=asking.scope, until_ns=until, endpoint=endpoint)
        asking.counts.waited_ms += waited
        asking.waiting = False
        asking.sent += 1
        asking.turned_ns = self.clock.monotonic_ns()

    async def server_time(
        self, question: Callable[[], Awaitable[datetime]], *, endpoint: str = "public", cost: int = 1
    ) -> datetime:
        """The venue's clock as *question* reads it, noted in `offset`.

        Raises:
            SourceError: It could not be asked.
        """

        async def compared() -> datetime:
            began, asking = self.clock.monotonic_ns(), _ASKING.get()
            told = await question()
            turned = 0 if asking is None else asking.turned_ns
            self.offset.note(told, max(began, turned), self.clock.monotonic_ns())
            return told

        return await self.read("time", compared, endpoint=endpoint, cost=cost)

    @property
    def measured(self) -> Mapping[str, EndpointMeasured]:
        """What was asked so far, by class of endpoint."""
        breakers = {name: self._breakers[name] for name in self._counts}
        return {name: counts.frozen(breakers[name].state, breakers[name].opened)
                for name, counts in self._counts.items()}  # fmt: skip

    async def _ask(self, scope: str, question: Callable[[], Awaitable[T]], endpoint: str, cost: int, until: int) -> T:
        """One try."""
        permit = await self._admitted(scope, endpoint, cost, until)
        left = min(until - self.clock.monotonic_ns(), _ns(self.patience.each_seconds))
        ends = self.clock.monotonic_ns() + left
        asking = _Asking(scope, self._counts[endpoint], ends, ends, sent=1 if cost else 0)
        try:
            return await self._sent(asking, question, permit, left)
        except TimeoutError:
            raise SourceTimeout(self.venue, scope, "no answer in time") from None

    async def _admitted(self, scope: str, endpoint: str, cost: int, until: int) -> Permit:
        """Leave to send now. The breaker is asked before the wait for the limit, and once more after it."""
        breaker, permit = self._breakers[endpoint], None
        if not breaker.refuses:
            if cost:
                waited = await self.limiter.take(cost, scope=scope, until_ns=until)
                self._counts[endpoint].waited_ms += waited
            permit = breaker.admit()
        if permit is None:
            why = f"too many failures; asked again in {breaker.wait_s} s"
            raise CircuitOpen(self.venue, scope, why)
        return permit

    async def _sent(self, asking: _Asking, question: Callable[[], Awaitable[T]], permit: Permit, left_ns: int) -> T:
        """What *question* gives within *left_ns*, its end told to the breaker.

        Raises:
            TimeoutError: It took longer.
        """
        began, token = self.clock.monotonic_ns(), _ASKING.set(asking)
        try:
            async with asyncio.timeout(max(0, left_ns) / 1e9):
                answer = await question()
            if asking.sent:
                permit.answered()
            return answer
        except (SourceError, ActionError) as error:
            if asking.sent:
                self._judge(error, permit)
            raise
        except TimeoutError:
            if asking.waiting:
                raise OverLimit(self.venue, asking.scope, "its turn did not come in time") from None
            if asking.sent:
                permit.failed()
            raise
        finally:
            permit.give_back()  # what broke it off otherwise, or needed no request, says nothing about the venue
            _ASKING.reset(token)
            asking.counts.requests += asking.sent
            asking.counts.asked_ms += (self.clock.monotonic_ns() - began) // 10**6

    def _judge(self, error: SourceError | ActionError, permit: Permit) -> None:
        """Tell the breaker, and the limiter where the venue asked us to wait."""
        told = error.__cause__ if isinstance(error, ActionError) and error.__cause__ is not None else error
        if isinstance(told, OverLimit):
            permit.give_back()
        elif isinstance(told, (SourceThrottled, SourceUnreachable, OutcomeUnknown)):
            permit.failed()
        else:
            permit.answered()
        if isinstance(told, SourceThrottled) and not isinstance(told, OverLimit) and told.retry_after_s:
            self.limiter.pause(told.retry_after_s)


def _ns(seconds: int | float) -> int:
    return round(seconds * 10**9)


def _kind(error: SourceError) -> str:
    if isinstance(error, OverLimit):
        return "over_limit"
    return "circuit_open" if isinstance(error, CircuitOpen) else error.code


def _broken_off(action: str, asking: _Asking, error: OverLimit) -> ActionError:
    """What an action is whose next request did not come to its turn."""
    if asking.sent:
        return OutcomeUnknown(action, f"broken off after {asking.sent} requests: {error.why}")
    return ActionRefused(action, f"nothing was sent: {error.why}")
