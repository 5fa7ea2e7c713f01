"""The log held against its key from within the service: on a thread, one at a time, and the verdict kept with its time."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from msgspec import Struct

from tieout.clock import Clock
from tieout.errors import BadInput, RecordError
from tieout.record.audit.finding import Verdict
from tieout.record.settings import RecordSettings
from tieout.serve.verifying import trust_in, verify_store

PAUSE = timedelta(minutes=1)  # a verification reads the whole log
LARGEST = 200_000  # entries; a longer log is verified apart from the service, which has other things to do


class Checked(Struct, frozen=True, kw_only=True):
    """When the log was verified last, and what came of it: a verdict, or why there is none."""

    at: datetime
    verdict: Verdict | None = None
    why: str = ""


class Verifier:
    """Verifies the log of one service.

    Args:
        settings: Where that is.
        clock: Where time comes from.
    """

    def __init__(self, settings: RecordSettings, clock: Clock) -> None:
        self._settings, self._clock = settings, clock
        self._running = False
        self.last: Checked | None = None

    @property
    def running(self) -> bool:
        """Whether it is being verified."""
        return self._running

    def refusal(self, entries: int) -> str:
        """Why a log of so many entries is not verified now, in a sentence; empty where it can be."""
        if self._running:
            return "It is being verified."
        if entries > LARGEST:
            return f"It has more than {LARGEST:,} entries: `tieout audit verify` verifies it apart from the service."
        if self.last is not None and self._clock.now() - self.last.at < PAUSE:
            return "It was verified within the last minute."
        return ""

    async def verify(self) -> None:
        """Verify it, and keep what came of it."""
        self._running = True
        try:
            verified = await asyncio.to_thread(self._verify)
        except (RecordError, BadInput) as error:
            self.last = Checked(at=self._clock.now(), why=str(error))
        else:
            self.last = Checked(at=self._clock.now(), verdict=verified)
        finally:
            self._running = False

    def _verify(self) -> Verdict:
        return verify_store(self._settings, trust_in(None, None, self._settings), None).verdict
