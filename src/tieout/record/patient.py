"""A record that may not be there yet, or not any more: it is opened when it is needed, and tried again later."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta

from tieout.clock import Clock
from tieout.errors import RecordError
from tieout.model.intent import Ended, Intent
from tieout.record.base import Reading, Record, Restored, Word

RETRY = timedelta(seconds=5)


class PatientRecord:
    """A record behind *open*, which may fail: each call then raises why, and some seconds later the next one tries again.

    So a service starts, checks and alerts while its database is away, its key is missing or its log is behind; it does
    not act, and goes on by itself once that is mended.

    Args:
        open_record: Opens it.
        clock: Where time comes from.
    """

    def __init__(self, open_record: Callable[[], Awaitable[Record]], clock: Clock) -> None:
        self._open_record, self._clock = open_record, clock
        self._record: Record | None = None
        self._failed: tuple[datetime, RecordError] | None = None
        self._turn = asyncio.Lock()

    async def configure(self, account: str, configuration: bytes) -> str:
        """Keep settings and policy."""
        return await (await self._opened()).configure(account, configuration)

    async def configuration(self, account: str, name: str) -> bytes:
        """Settings and policy by name."""
        return await (await self._opened()).configuration(account, name)

    async def restore(self, account: str) -> Restored:
        """What was kept of an account."""
        return await (await self._opened()).restore(account)

    async def reading(self, reading: Reading) -> None:
        """Keep one reconciliation."""
        await (await self._opened()).reading(reading)

    async def say(self, word: Word) -> None:
        """As the record does."""
        await (await self._opened()).say(word)

    async def permit(self) -> None:
        """Return where acting is allowed."""
        await (await self._opened()).permit()

    async def intend(self, intent: Intent) -> None:
        """Keep an intent before it is acted on."""
        await (await self._opened()).intend(intent)

    async def conclude(self, intent: Intent, ended: Ended, why: str | None = None) -> None:
        """Keep what became of it."""
        await (await self._opened()).conclude(intent, ended, why)

    async def attempts(self, account: str) -> Mapping[str, int]:
        """How often a case never happened although it was intended."""
        return await (await self._opened()).attempts(account)

    async def unfinished(self, account: str) -> Sequence[Intent]:
        """Intents without an outcome."""
        return await (await self._opened()).unfinished(account)

    async def _opened(self) -> Record:
        async with self._turn:
            if self._record is None:
                self._record = await self._tried()
            return self._record

    async def _tried(self) -> Record:
        now = self._clock.now()
        if self._failed is not None and now - self._failed[0] < RETRY:
            raise self._failed[1]
        try:
            return await self._open_record()
        except RecordError as error:
            self._failed = now, error
            raise
