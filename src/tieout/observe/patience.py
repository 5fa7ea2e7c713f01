"""How often, and for how long, a read that had no answer is tried again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from tieout.clock import DEADLINE, Clock, Deadline
from tieout.errors import SourceThrottled, SourceUnreachable

FIRST_WAIT_S = 0.5  # doubled with each try
T = TypeVar("T")


class Patience:
    """Tries reads of one side again, until their common time is up.

    Only what had no answer, or was told to wait, is tried again: a wrong key stays wrong, and a malformed answer is one. Only
    reads may be given; nobody knows what became of an order that had no answer.

    Args:
        clock: What is waited on; None tries nothing again.
        tries_again: How often, for each read.
        seconds: For all of them together; a wait that would end after it is not begun.
    """

    def __init__(self, clock: Clock | None, *, tries_again: int, seconds: int) -> None:
        self._clock, self._tries_again = clock, tries_again
        self._deadline = None if clock is None else Deadline(clock, seconds)

    @contextmanager
    def shared(self) -> Iterator[None]:
        """What is read within this knows until when."""
        token = DEADLINE.set(self._deadline)
        try:
            yield
        finally:
            DEADLINE.reset(token)

    async def ask(self, read: Callable[[], Awaitable[T]]) -> T:
        """The answer of *read*.

        Raises:
            SourceError: Its last failure.
        """
        for tried in range(self._tries_again):
            try:
                return await read()
            except (SourceUnreachable, SourceThrottled) as error:
                wait = _wait(error, tried)
                if self._clock is None or self._deadline is None or wait * 10**9 >= self._deadline.left_ns():
                    raise
                await self._clock.sleep(wait)
        return await read()


def _wait(error: SourceUnreachable | SourceThrottled, tried: int) -> float:
    told = error.retry_after_s if isinstance(error, SourceThrottled) else None
    return FIRST_WAIT_S * 2**tried if told is None else told
