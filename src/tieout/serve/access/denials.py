"""Denials, in the log: the first of a kind at once, and how many more there were once a minute, so that none floods it."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from tieout.clock import Clock
from tieout.errors import RecordError
from tieout.record.grants import Denial, Grants

EVERY = timedelta(minutes=1)
KINDS = 60  # that are told apart within a minute; what is beyond is counted together


class Denials:
    """Counts them, and has them logged."""

    def __init__(self, grants: Grants, clock: Clock) -> None:
        self._grants, self._clock = grants, clock
        self._logged: dict[Denial, datetime] = {}
        self._counts: dict[Denial, int] = {}

    async def note(self, denial: Denial) -> None:
        """Log it, or count it where such a one was logged within a minute.

        Raises:
            RecordError: It cannot be logged; it is counted on.
        """
        now = self._clock.now()
        if denial not in self._logged and len(self._logged) >= KINDS:
            denial = Denial(who=None, origin="many", what="many", why="is not let, among too many to tell apart")
        if denial in self._logged and now - self._logged[denial] < EVERY:
            self._counts[denial] = self._counts.get(denial, 0) + 1
            return
        self._logged[denial] = now
        await self._tell({denial: self._counts.pop(denial, 0) + 1}, now)

    async def tell_rest(self) -> None:
        """Log what was only counted, and forget what is older than a minute; a duty of each minute.

        Raises:
            RecordError: It cannot be logged; it is counted on.
        """
        now = self._clock.now()
        counts, self._counts = self._counts, {}
        await self._tell(counts, now)
        self._logged = {each: at for each, at in self._logged.items() if now - at < EVERY}

    async def _tell(self, counts: dict[Denial, int], now: datetime) -> None:
        while counts:
            denial, count = counts.popitem()
            try:
                await self._grants.denied(denial, now, count=count, once=secrets.token_hex(8))
            except RecordError:
                for each, number in ((denial, count), *counts.items()):
                    self._counts[each] = self._counts.get(each, 0) + number
                raise
