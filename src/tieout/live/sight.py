"""Keeps looking at what the broker says of own orders, and shuts the gate to opening orders while it cannot."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from tieout.clock import Clock
from tieout.live.gate import Gate
from tieout.live.strategy import EngineSettings
from tieout.live.watch import Unfinished, caught

FILLS_NOT_READ = "fills_not_read"
SECOND = 1_000_000_000


class Sight:
    """A look each `poll_seconds`. A strategy that does not hear of its fills would buy again and again.

    Args:
        look: One look; may raise whatever it likes.
        gate: Is shut to opening orders once no look succeeded for `blind_seconds`, and opened by the next that does.
        clock: Where time comes from.
        say: The way to a person.
        settings: How often, and how long.
        again: Is called when the broker answers again.
    """

    def __init__(
        self,
        look: Callable[[], Awaitable[None]],
        gate: Gate,
        *,
        clock: Clock,
        say: Callable[[str], Awaitable[None]],
        settings: EngineSettings,
        again: Callable[[], None],
    ) -> None:
        self._look, self._gate, self._clock, self._say = look, gate, clock, say
        self._settings, self._again = settings, again
        self._away, self._seen_ns = False, clock.monotonic_ns()
        self._task: asyncio.Task[None] | None = None
        self._woken = asyncio.Event()

    def start(self) -> None:
        """Begin."""
        self._seen_ns = self._clock.monotonic_ns()
        self._task = asyncio.create_task(self._watch(), name="fills")

    def look_now(self) -> None:
        """Look at once, without waiting for the next time: the venue told that something happened."""
        self._woken.set()

    async def stop(self) -> None:
        """End, with a last look where that succeeds."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        await caught(self._look())

    async def _watch(self) -> None:
        while True:
            self._woken.clear()
            answer = await caught(self._look())
            if isinstance(answer, Unfinished):
                await self._not_seen(answer.why)
            else:
                self._seen()
            await self._rest()

    async def _rest(self) -> None:
        """Wait for the next time, or until it is to be at once."""
        rest = asyncio.create_task(self._clock.sleep(self._settings.poll_seconds))
        woken = asyncio.create_task(self._woken.wait())
        try:
            await asyncio.wait({rest, woken}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            rest.cancel()
            woken.cancel()

    def _seen(self) -> None:
        self._seen_ns = self._clock.monotonic_ns()
        self._gate.open(FILLS_NOT_READ)
        if self._away:
            self._again()
        self._away = False

    async def _not_seen(self, why: str) -> None:
        self._away = True
        blind = self._clock.monotonic_ns() - self._seen_ns >= self._settings.blind_seconds * SECOND
        if blind and FILLS_NOT_READ not in self._gate.closed:
            self._gate.close(FILLS_NOT_READ, to="opening")
            await self._say(f"fills cannot be fetched ({why}): positions may only be reduced until they are again")
