"""Where intents are kept while somebody acts: the record, as `act` sees it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from tieout.errors import RecordError
from tieout.model.intent import Ended, Intent
from tieout.record.base import Record


class RecordJournal:
    """The record as a journal; a refusal of the record is one of the whole account."""

    def __init__(self, record: Record, refuse: Callable[[str], Awaitable[None]]) -> None:
        self._record, self._refuse = record, refuse

    async def intend(self, intent: Intent) -> None:
        """Keep an intent before it is acted on."""
        try:
            await self._record.intend(intent)
        except RecordError as error:
            await self._refuse(error.why)
            raise

    async def confirm(self, account: str) -> None:
        """Raise where another process has taken the account over."""
        try:
            await self._record.confirm(account)
        except RecordError as error:
            await self._refuse(error.why)
            raise

    async def conclude(self, intent: Intent, ended: Ended, why: str | None = None) -> None:
        """Keep what became of it."""
        try:
            await self._record.conclude(intent, ended, why)
        except RecordError as error:
            await self._refuse(error.why)
            raise
