"""The ear of a schedule: where words of people wait that nobody heard, their account is reconciled soon.

It asks the record once for all accounts: to ask for each by itself would cost more than reconciling them.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Collection, Mapping
from typing import Protocol

from msgspec import Struct

from tieout.clock import Clock
from tieout.errors import RecordError
from tieout.live.lane import Answer
from tieout.live.watch import SECOND, Trouble, Unfinished, Watch, caught
from tieout.record.base import Record

TIMEOUT_S = 30  # for one question to the record


class Listens(Protocol):
    """What an ear asks of a reconciler."""

    async def listen(self, accounts: Collection[str]) -> Collection[str]:
        """Those of *accounts* of which words of people wait that no reconciliation has heard yet."""


class Patience(Struct, frozen=True):
    """How often words of an account are looked for, and how seldom it is reconciled for those that it does not hear."""

    listen_seconds: int
    most_seconds: int


class _Asked(Struct, frozen=True):
    """A reconciliation that was asked for, and when the next may be: twice as long after it as the one before."""

    answer: asyncio.Future[Answer]
    pause: int
    due_ns: int


class Ear:
    """Listens for many accounts, from when they are put until they are dropped.

    Args:
        reconciler: Knows what was heard.
        ask: Asks for a reconciliation of an account; returns at once.
        watch: Is told where words cannot be heard.
        clock: Measures the pauses.
    """

    def __init__(
        self, reconciler: Listens, ask: Callable[[str], asyncio.Future[Answer]], watch: Watch, clock: Clock
    ) -> None:
        self._reconciler, self._ask, self._watch, self._clock = reconciler, ask, watch, clock
        self._patience: dict[str, Patience] = {}
        self._asked: dict[str, _Asked] = {}
        self._deaf: set[str] = set()
        self._never = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def put(self, account: str, patience: Patience) -> None:
        """Listen for one account more."""
        self._patience[account] = patience
        if self._task is None:
            self._task = asyncio.create_task(self._listen(), name="tieout listens to people")

    def drop(self, account: str) -> None:
        """Listen for *account* no more; nothing, where nobody did."""
        self._patience.pop(account, None)
        self._asked.pop(account, None)
        self._deaf.discard(account)

    async def stop(self) -> None:
        """Listen no more. Safe to repeat."""
        task, self._task = self._task, None
        self._patience.clear()
        if task is not None:
            task.cancel()
            await asyncio.wait({task})

    async def _listen(self) -> None:
        while True:
            rest = min((each.listen_seconds for each in self._patience.values()), default=1)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(rest):  # in the time of the loop, as everything that a schedule waits for
                    await self._never.wait()
            names = tuple(self._patience)
            waiting = await caught(self._waiting(names))
            if isinstance(waiting, Unfinished):
                self._deaf.update(names)
                for name in names:
                    self._watch.begin(name, Trouble.DEAF, f"words of people cannot be heard: {waiting.why}")
                continue
            for name in self._deaf:
                self._watch.end(name, Trouble.DEAF)
            self._deaf.clear()
            self._ask_for([name for name in names if name in waiting and name in self._patience])

    async def _waiting(self, names: Collection[str]) -> Collection[str]:
        async with asyncio.timeout(TIMEOUT_S):
            return await self._reconciler.listen(names)

    def _ask_for(self, waiting: Collection[str]) -> None:
        """Ask for those where words wait; less and less often where that does not make them heard."""
        now = self._clock.monotonic_ns()
        self._asked = {name: asked for name, asked in self._asked.items() if name in waiting}
        for name in waiting:
            patience, before = self._patience[name], self._asked.get(name)
            if before is not None and not (before.answer.done() and now >= before.due_ns):
                continue
            pause = patience.listen_seconds if before is None else before.pause
            pause = min(2 * pause, patience.most_seconds)
            self._asked[name] = _Asked(self._ask(name), pause, now + pause * SECOND)


async def spoken(record: Record | None) -> Mapping[str, int]:
    """Where the last word stands that people said of each account; nothing where that cannot be read now."""
    try:
        return {} if record is None else await record.spoken()
    except RecordError:
        return {}  # the next reconciliation says so
