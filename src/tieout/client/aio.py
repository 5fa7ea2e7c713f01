"""`AsyncBooksClient`: the same from an event loop, which never waits: requests are made on threads."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any, Self

from tieout.books.corrections import Correction
from tieout.books.pushed import BooksState
from tieout.client.sync import BooksClient, BreakSeen
from tieout.errors import ServiceError
from tieout.model.snapshot import Activity, Fill, Order, Snapshot


class AsyncBooksClient:
    """One account's books, pushed to a service. As an async context manager it pushes by itself.

    Args:
        url, token, account, every: As of `BooksClient`, whose other settings it takes by name.
    """

    def __init__(self, url: str, token: str, account: str, *, every: int = 5, **settings: Any) -> None:
        self._client, self._every = BooksClient(url, token, account, every=every, **settings), every
        self._task: asyncio.Task[None] | None = None

    @property
    def snapshot_wanted(self) -> bool:
        """Whether the service needs a whole snapshot before it can go on."""
        return self._client.snapshot_wanted

    @property
    def trouble(self) -> str | None:
        """Why the last push did not go through; None where it did."""
        return self._client.trouble

    def add_fill(self, fill: Fill, *, event_id: str | None = None) -> None:
        """A fill was booked. It is pushed with the next flush."""
        self._client.add_fill(fill, event_id=event_id)

    def add_activity(self, activity: Activity, *, event_id: str | None = None) -> None:
        """An activity was booked."""
        self._client.add_activity(activity, event_id=event_id)

    def add_order(self, order: Order, *, event_id: str | None = None) -> None:
        """An order is now as it says."""
        self._client.add_order(order, event_id=event_id)

    async def push_snapshot(self, snapshot: Snapshot) -> BooksState:
        """Push the books whole; *snapshot* contains every event that was added until now."""
        # Which events it contains is settled here: more may be added before the thread begins.
        return await asyncio.to_thread(self._client.push_snapshot_of, snapshot, self._client.last)

    async def flush(self) -> BooksState | None:
        """Push what waits, or that nothing happened; None where a snapshot has to be pushed first."""
        return await asyncio.to_thread(self._client.flush)

    async def corrections(self) -> tuple[Correction, ...]:
        """What is to be booked, oldest first."""
        return await asyncio.to_thread(self._client.corrections)

    async def acknowledge(self, correction: str, *, refused: str | None = None) -> Correction:
        """Take a correction before it is booked, or say why it is refused."""
        return await asyncio.to_thread(lambda: self._client.acknowledge(correction, refused=refused))

    async def breaks(self, *, closed: bool = False) -> Sequence[BreakSeen]:
        """The account's breaks, the worst first, without amounts."""
        return await asyncio.to_thread(lambda: self._client.breaks(closed=closed))

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run(), name="tieout pushes books")
        return self

    async def __aexit__(self, *_: object) -> None:
        """Push what waits, once, and stop."""
        assert self._task is not None
        self._task.cancel()
        await asyncio.wait({self._task})
        with contextlib.suppress(ServiceError):  # `trouble` says so
            await asyncio.to_thread(self._client._flushed)

    async def _run(self) -> None:
        while True:
            await self._client.clock.sleep(self._every)
            with contextlib.suppress(ServiceError):
                await asyncio.to_thread(self._client._flushed)
