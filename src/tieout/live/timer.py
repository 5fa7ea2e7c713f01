"""What calls for an account each so many seconds: a port, and APScheduler behind it, which does nothing else here."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Timer(Protocol):
    """Fires each name at its interval. Nothing is kept: names are given anew at each start."""

    def start(self, fire: Callable[[str], None], lost: Callable[[str, str], None]) -> None:
        """Begin, inside the event loop that *fire* is to be called in.

        Args:
            fire: Is called with a name when it is due. Returns at once.
            lost: Is called with a name and a sentence where it should have been fired and was not.
        """

    def every(self, name: str, seconds: int) -> None:
        """Fire *name* each *seconds* from now on."""

    def never(self, name: str) -> None:
        """Fire *name* no more; nothing, where it was not fired."""

    def stop(self) -> None:
        """Fire nothing more."""


def phase(name: str, seconds: int) -> timedelta:
    """Where within its interval *name* is fired: always the same, and another one for each name, so that they spread."""
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8])
    return timedelta(milliseconds=number % (seconds * 1000))


class SchedulerTimer:
    """APScheduler's `AsyncIOScheduler` with the settings that lose no run: late ones run once, and none is dropped."""

    def __init__(self) -> None:
        # Only here: the library needs no scheduler unless it runs a schedule.
        from apscheduler.schedulers.asyncio import AsyncIOScheduler

        defaults = {"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        self._scheduler: Any = AsyncIOScheduler(timezone=UTC, job_defaults=defaults)
        self._fire: Callable[[str], None] = _nobody
        self._stopped = False
        self._wanted: set[str] = set()

    def start(self, fire: Callable[[str], None], lost: Callable[[str, str], None]) -> None:
        """Begin in the running event loop."""
        from apscheduler import events

        self._fire = fire
        sentences = {
            events.EVENT_JOB_ERROR: "the scheduler's job raised an error",
            events.EVENT_JOB_MISSED: "the scheduler missed a run",
            events.EVENT_JOB_MAX_INSTANCES: "the scheduler skipped a run, for the last one had not ended",
            events.EVENT_JOB_REMOVED: "the scheduler dropped the job",
        }

        def heard(event: Any) -> None:
            if not self._stopped and event.job_id in self._wanted:
                lost(event.job_id, sentences[event.code])

        mask = 0
        for code in sentences:
            mask |= code
        self._scheduler.add_listener(heard, mask)
        self._scheduler.start()

    def every(self, name: str, seconds: int) -> None:
        """Fire *name* each *seconds*, at its own phase."""
        self._wanted.add(name)
        start = EPOCH + phase(name, seconds)
        told = {"id": name, "replace_existing": True, "seconds": seconds, "start_date": start}
        self._scheduler.add_job(self._job, "interval", (name,), **told)

    def never(self, name: str) -> None:
        """Fire *name* no more."""
        if name in self._wanted:
            self._wanted.remove(name)
            self._scheduler.remove_job(name)

    def stop(self) -> None:
        """Fire nothing more. Its jobs only put a name down, so there is nothing to wait for."""
        self._stopped = True
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    async def _job(self, name: str) -> None:
        # A coroutine, for anything else would be run in a thread.
        if not self._stopped:
            self._fire(name)


def _nobody(name: str) -> None:
    raise AssertionError(f"{name} is due, and nobody started the timer")
