"""Virtual time beside threads that take real time: no timer fires early because a database was slow."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Any, TypeVar

from tests.live.virtual import LoopClock

T = TypeVar("T")
HUNG_SECONDS = 60


class _Waiting(selectors.SelectSelector):
    """Waits for threads in real time; where none is at work, the time that would have been waited has passed."""

    now = 0.0
    at_work = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready now, or once a thread has ended."""
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if self.at_work:
            ready = super().select(HUNG_SECONDS)
            assert ready, "a thread hangs"
            return ready
        assert timeout is not None, "nothing would ever happen again: every task waits for another one"
        self.now += max(timeout, 0)
        return ready


class ThreadedLoop(asyncio.SelectorEventLoop):
    """A loop of which each second takes no time, but for what threads need."""

    def __init__(self) -> None:
        self._waiting = _Waiting()
        super().__init__(self._waiting)

    def time(self) -> float:
        """Seconds since it was made."""
        return self._waiting.now

    def run_in_executor(self, executor: Executor | None, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:  # type: ignore[override]
        """As ever, counting what is at work."""
        self._waiting.at_work += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._ended)
        return future

    async def shutdown_default_executor(self) -> None:
        """As ever; that is a thread, too."""
        self._waiting.at_work += 1
        await super().shutdown_default_executor()
        self._waiting.at_work -= 1

    def _ended(self, _: asyncio.Future[Any]) -> None:
        self._waiting.at_work -= 1


def virtually_with_threads(scenario: Callable[[LoopClock], Coroutine[Any, Any, T]]) -> T:
    """Run a scenario in virtual time that leaves no task behind."""

    async def whole() -> T:
        result = await scenario(LoopClock(asyncio.get_running_loop()))
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, f"left behind: {left}"
        return result

    with asyncio.Runner(loop_factory=ThreadedLoop) as runner:
        return runner.run(whole())
