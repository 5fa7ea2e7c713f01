"""A strategy's callbacks, one at a time, in the order of what happened. One that raises is contained."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from tieout.clock import Clock
from tieout.errors import OrderRefused
from tieout.live.strategy import Strategy
from tieout.live.watch import Unfinished, caught
from tieout.model.snapshot import Fill

if TYPE_CHECKING:
    from tieout.live.engine import LiveTradingEngine

Event = tuple[str, Callable[[], Awaitable[None]]]
Failed = Callable[[str], Awaitable[None]]


class Callbacks:
    """Calls a strategy.

    Args:
        engine: What it is given.
        strategy: Is called.
        clock: The timer's.
        failed: Is told where a callback raised, without amounts.
    """

    def __init__(self, engine: LiveTradingEngine, strategy: Strategy, clock: Clock, failed: Failed) -> None:
        self._engine, self._strategy, self._clock, self._failed = engine, strategy, clock, failed
        self._log = logging.getLogger("tieout.engine")
        self._events: asyncio.Queue[Event | None] = asyncio.Queue()
        self._events.put_nowait(("on_start", lambda: strategy.on_start(engine)))
        self._timer_waits, self._stopping = False, False
        self._calling: asyncio.Task[None] | None = None
        self._ticking: asyncio.Task[None] | None = None

    def start(self, timer_seconds: int) -> None:
        """Call `on_start`, then whatever happened meanwhile and happens from now on."""
        self._calling = asyncio.create_task(self._call(), name="strategy")
        self._ticking = asyncio.create_task(self._tick(timer_seconds), name="strategy timer")

    def on_fill(self, fill: Fill) -> None:
        """A fill was booked."""
        self._events.put_nowait(("on_fill", lambda: self._strategy.on_fill(self._engine, fill)))

    async def stop(self, seconds: int) -> None:
        """Call nothing more. A callback that runs has *seconds* to end, and is then broken off."""
        self._stopping = True
        self._events.put_nowait(None)
        tasks = [task for task in (self._ticking, self._calling) if task is not None]
        self._ticking = self._calling = None
        if not tasks:
            return
        tasks[0].cancel()
        others = [task for task in tasks if task is not asyncio.current_task()]  # a strategy may stop its own engine
        _, late = await asyncio.wait(others, timeout=seconds)
        for task in late:
            self._log.warning("a callback of the strategy did not end within %s s and was broken off", seconds)
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=1)  # one that swallows its cancellation must not keep us here

    async def _call(self) -> None:
        while (event := await self._events.get()) is not None and not self._stopping:
            name, call = event
            if name == "on_timer":
                self._timer_waits = False
            answer = await caught(self._unless_refused(name, call))
            if isinstance(answer, Unfinished):
                self._log.error("%s failed: %s", name, answer.why)
                await self._failed(f"{name} ({answer.why})")

    async def _unless_refused(self, name: str, call: Callable[[], Awaitable[None]]) -> None:
        """A refusal that a strategy lets through ends its callback, and says nothing against the strategy."""
        try:
            await call()
        except OrderRefused as error:
            self._log.warning("%s ended early: %s", name, error)

    async def _tick(self, seconds: int) -> None:
        while True:
            await self._clock.sleep(seconds)
            if not self._timer_waits:  # a slow strategy gets one late call, not many
                self._timer_waits = True
                self._events.put_nowait(("on_timer", self._on_timer))

    async def _on_timer(self) -> None:
        await self._strategy.on_timer(self._engine, self._clock.now())
