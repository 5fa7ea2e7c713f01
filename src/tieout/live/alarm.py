"""The way to a person that does not lead through the record: for when the record itself is what fails."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Protocol


class Alarm(Protocol):
    """Says something that cannot wait."""

    async def raise_alarm(self, account: str, sentence: str) -> None:
        """Tell a person. *sentence* bears no amounts. MUST NOT raise."""


class LoggedAlarm:
    """The last resort: an error in the process's own log."""

    def __init__(self) -> None:
        self._log = logging.getLogger("tieout.alarm")

    async def raise_alarm(self, account: str, sentence: str) -> None:
        """Write it as an error."""
        self._log.error("%s: %s", account, sentence)


class Standing:
    """What a person is told once, for as long as it stands."""

    def __init__(self, alarm: Alarm) -> None:
        self._alarm = alarm
        self._told: dict[str, frozenset[str]] = {}

    async def tell(self, account: str, sentences: Iterable[str]) -> None:
        """Say those of *sentences* that did not stand the last time."""
        now, before = frozenset(sentences), self._told.get(account, frozenset())
        for sentence in sorted(now - before):
            await self._alarm.raise_alarm(account, sentence)
        self._told[account] = now
