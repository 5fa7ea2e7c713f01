"""A real record whose calls fail when they are told to: before anything is kept, or with the answer lost."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from typing import Literal, TypeVar

from tieout.errors import RecordUnavailable
from tieout.model.intent import Ended, Intent
from tieout.record.base import Reading, Restored, Waits, Word
from tieout.record.recorder import StoreRecord

T = TypeVar("T")
How = Literal["refused", "answer lost", "cancelled"]


class FailingRecord:
    """The port over a real record. The calls are counted from 0; those in `fails` go wrong as it says there."""

    def __init__(self, record: StoreRecord) -> None:
        self.record = record
        self.calls: list[str] = []
        self.fails: dict[int, How] = {}

    def fail_next(self, name: str, how: How) -> None:
        """Let the next call of *name* go wrong."""
        self._named = name, how

    _named: tuple[str, How] | None = None

    async def _through(self, name: str, call: Coroutine[None, None, T]) -> T:
        how = self.fails.get(len(self.calls))
        if self._named is not None and self._named[0] == name:
            how, self._named = self._named[1], None
        self.calls.append(name)
        if how == "refused":
            call.close()
            raise RecordUnavailable("the database is away")
        answer = await call
        if how == "answer lost":
            raise RecordUnavailable("the connection was lost while it committed")
        if how == "cancelled":
            raise asyncio.CancelledError
        return answer

    async def claim(self, account: str) -> int:
        return await self._through("claim", self.record.claim(account))

    async def configure(self, account: str, configuration: bytes) -> str:
        return await self._through("configure", self.record.configure(account, configuration))

    async def restore(self, account: str) -> Restored:
        return await self._through("restore", self.record.restore(account))

    async def configuration(self, account: str, name: str) -> bytes:
        return await self._through("configuration", self.record.configuration(account, name))

    async def reading(self, reading: Reading) -> None:
        await self._through("reading", self.record.reading(reading))

    async def say(self, word: Word) -> None:
        await self._through("say", self.record.say(word))

    async def words(self, account: str, *, after: int) -> tuple[Word, ...]:
        return await self._through("words", self.record.words(account, after=after))

    async def waits(self, account: str, *, after: int) -> Waits:
        return await self._through("waits", self.record.waits(account, after=after))

    async def spoken(self) -> Mapping[str, int]:
        return await self._through("spoken", self.record.spoken())

    async def permit(self) -> None:
        await self._through("permit", self.record.permit())

    async def confirm(self, account: str) -> None:
        await self._through("confirm", self.record.confirm(account))

    async def intend(self, intent: Intent) -> None:
        await self._through("intend", self.record.intend(intent))

    async def conclude(self, intent: Intent, ended: Ended, why: str | None = None) -> None:
        await self._through("conclude", self.record.conclude(intent, ended, why))

    async def attempts(self, account: str) -> Mapping[str, int]:
        return await self._through("attempts", self.record.attempts(account))

    async def unfinished(self, account: str) -> Sequence[Intent]:
        return await self._through("unfinished", self.record.unfinished(account))
