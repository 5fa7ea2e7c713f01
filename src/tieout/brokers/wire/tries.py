"""How often, for how long and with which waits a read is tried again. Actions never come here."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from msgspec import Struct
from tenacity import AsyncRetrying, RetryCallState

from tieout.clock import Clock
from tieout.errors import SourceError, SourceMalformed, SourceThrottled, SourceUnreachable

T = TypeVar("T")
FIRST_WAIT_S = 0.5  # doubled with each try, and shortened by up to a half at random
LONGEST_WAIT_S = 30


class ReadPatience(Struct, frozen=True):
    """How patiently a read is done. Times in seconds.

    Attributes:
        tries_again: How often it is tried again that had no answer, or was asked to wait.
        seconds: For all tries and waits together.
        each_seconds: For a single try.
    """

    tries_again: int = 2
    seconds: int | float = 30
    each_seconds: int | float = 10


PATIENCE = ReadPatience()


class CircuitOpen(SourceUnreachable):
    """Not asked at all: the circuit breaker is open. Trying again at once would not help."""


class _Worth:
    """Whether a failure is worth another try: no answer always, a malformed one once, a no never."""

    def __init__(self) -> None:
        self._malformed = 0

    def __call__(self, error: BaseException) -> bool:
        if isinstance(error, SourceMalformed):
            self._malformed += 1
            return self._malformed == 1
        return isinstance(error, (SourceUnreachable, SourceThrottled)) and not isinstance(error, CircuitOpen)


def tries(
    patience: ReadPatience, until_ns: int, clock: Clock, chance: random.Random, again: Callable[[], None]
) -> AsyncRetrying:
    """Tenacity, told our rules; *again* is called for each further try.

    A wait that would end after *until_ns* is not begun: the failure stands.
    """
    worth = _Worth()

    def wanted(state: RetryCallState) -> bool:
        error = _error(state)
        return error is not None and worth(error)

    def wait(state: RetryCallState) -> float:
        error = _error(state)
        doubled: float = FIRST_WAIT_S * 2 ** min(state.attempt_number - 1, 20)
        backoff = min(doubled, LONGEST_WAIT_S) * (1 - chance.random() / 2)
        told = error.retry_after_s if isinstance(error, SourceThrottled) else None
        return backoff if told is None else told + backoff / 10

    def stop(state: RetryCallState) -> bool:
        ends = clock.monotonic_ns() + round(state.upcoming_sleep * 10**9)
        return state.attempt_number > patience.tries_again or ends >= until_ns

    return AsyncRetrying(
        sleep=clock.sleep, retry=wanted, wait=wait, stop=stop, before_sleep=lambda _: again(), reraise=True
    )


async def tried(question: Callable[[], Awaitable[T]], tries: Callable[[], AsyncRetrying]) -> T:
    """What *question* answers. Only where it fails *tries* are made, which takes as long as a fifth of a request.

    Raises:
        SourceError: The last failure.
    """
    try:
        return await question()
    except SourceError as error:
        failed = [error]

    async def again() -> T:
        if failed:
            raise failed.pop()  # the first try was made above
        return await question()

    return await tries()(again)


def _error(state: RetryCallState) -> SourceError | None:
    error = None if state.outcome is None else state.outcome.exception()
    return error if isinstance(error, SourceError) else None
