"""A record that may not be there yet, or not any more: it is opened when it is needed, and tried again later."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from copy import copy

from tieout.clock import Clock
from tieout.errors import RecordError
from tieout.model.intent import Ended, Intent
from tieout.record.base import Reading, Restored, Waits, Word
from tieout.record.opening import open_record
from tieout.record.recorder import StoreRecord
from tieout.record.settings import RecordSettings

RETRY_NS = 5_000_000_000


def open_patiently(settings: RecordSettings, clock: Clock) -> PatientRecord:
    """The record that a service starts with: the one that *settings* name, opened once it is asked for something."""
    return PatientRecord(lambda: open_record(settings, clock), clock)


class PatientRecord:
    """A record whose opening may fail: each call then raises why, and some seconds later the next one tries again.

    So a service starts, checks and alerts while its database is away, its key is missing or its log is behind; it does
    not act, and goes on by itself once that is mended.

    Args:
        opens: Opens it.
        clock: Where time comes from.
    """

    def __init__(self, opens: Callable[[], Awaitable[StoreRecord]], clock: Clock) -> None:
        self._opens, self._clock = opens, clock
        self._record: StoreRecord | None = None
        self._failed: tuple[int, RecordError] | None = None
        self._turn = asyncio.Lock()

    async def claim(self, account: str) -> int:
        """Be the one process that reconciles an account."""
        return await (await self.opened()).claim(account)

    async def configure(self, account: str, configuration: bytes) -> str:
        """Keep settings and policy."""
        return await (await self.opened()).configure(account, configuration)

    async def configuration(self, account: str, name: str) -> bytes:
        """Settings and policy by name."""
        return await (await self.opened()).configuration(account, name)

    async def restore(self, account: str) -> Restored:
        """What was kept of an account."""
        return await (await self.opened()).restore(account)

    async def reading(self, reading: Reading) -> None:
        """Keep one reconciliation."""
        await (await self.opened()).reading(reading)

    async def say(self, word: Word) -> None:
        """As the record does."""
        await (await self.opened()).say(word)

    async def words(self, account: str, *, after: int) -> tuple[Word, ...]:
        """What people said of an account."""
        return await (await self.opened()).words(account, after=after)

    async def waits(self, account: str, *, after: int) -> Waits:
        """What there is to look up of an account."""
        return await (await self.opened()).waits(account, after=after)

    async def spoken(self) -> Mapping[str, int]:
        """Where the last word of each account stands."""
        return await (await self.opened()).spoken()

    async def permit(self) -> None:
        """Return where acting is allowed."""
        await (await self.opened()).permit()

    async def confirm(self, account: str) -> None:
        """Return where it still is."""
        await (await self.opened()).confirm(account)

    async def intend(self, intent: Intent) -> None:
        """Keep an intent before it is acted on."""
        await (await self.opened()).intend(intent)

    async def conclude(self, intent: Intent, ended: Ended, why: str | None = None) -> None:
        """Keep what became of it."""
        await (await self.opened()).conclude(intent, ended, why)

    async def attempts(self, account: str) -> Mapping[str, int]:
        """How often a case never happened although it was intended."""
        return await (await self.opened()).attempts(account)

    async def unfinished(self, account: str) -> Sequence[Intent]:
        """Intents without an outcome."""
        return await (await self.opened()).unfinished(account)

    async def opened(self) -> StoreRecord:
        """The record itself, for what else it can do.

        Raises:
            RecordError: It cannot be opened now.
        """
        async with self._turn:
            if self._record is None:
                self._record = await self._tried()
            return self._record

    async def close(self) -> None:
        """Wait for what is under way and close it, if it was ever opened. Safe to repeat."""
        async with self._turn:
            if self._record is not None:
                await self._record.close()

    async def _tried(self) -> StoreRecord:
        now = self._clock.monotonic_ns()
        if self._failed is not None and now - self._failed[0] < RETRY_NS:
            raise copy(self._failed[1])  # a copy: raised again and again, one would grow a trace of each time
        try:
            return await self._opens()
        except RecordError as error:
            self._failed = now, error
            raise
