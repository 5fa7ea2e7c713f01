"""What one account's venue lists of the instruments that its two sides hold, and that its table speaks of."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from tieout.brokers.base import BrokerAdapter, Lists
from tieout.clock import Clock
from tieout.errors import SourceError, in_words
from tieout.model.identity import identity_of
from tieout.model.instrument import Instrument, wrong_in
from tieout.model.listed import under_one_name
from tieout.model.settings import Settings
from tieout.model.snapshot import Observation, Snapshot

AGAIN = timedelta(days=1)  # what was told is asked for anew: steps change, and what is traded ends
AFTER_FAILURE = timedelta(minutes=10)
MOST = 40  # instruments that one reading waits for; the next ones go on
SECONDS = 10
_log = logging.getLogger("tieout.listing")


class Listing:
    """Asks the venue for what is held, and is not known yet. A venue that does not say, or not now, stops nothing.

    Args:
        broker: Whose venue; one that is no `Lists` is never asked.
        settings: What the user told of the account.
        clock: Which day it is.
        seconds: How long a reading waits at most.

    Attributes:
        failed: Why the last question was not answered, without amounts; None where it was, or where there was none.
    """

    def __init__(self, broker: BrokerAdapter, settings: Settings, clock: Clock, seconds: int = SECONDS) -> None:
        self._broker = broker if isinstance(broker, Lists) else None
        self._settings, self._clock, self._seconds = settings, clock, min(seconds, SECONDS)
        self._identity = identity_of(settings.assets)
        self._found: dict[str, Instrument] = {}
        self._asked: dict[str, datetime] = {}
        self._resting_until: datetime | None = None
        self.failed: str | None = None

    async def learn(self, observation: Observation) -> Settings:
        """The account's settings with what the venue lists, as far as it was told."""
        now = self._clock.now()
        if self._broker is not None and (self._resting_until is None or self._resting_until <= now):
            try:
                self.failed = None
                async with asyncio.timeout(self._seconds):
                    await self._ask(self._broker, observation, now)
            except (SourceError, TimeoutError) as error:
                self._resting_until = now + AFTER_FAILURE
                self.failed = in_words(error.why) if isinstance(error, SourceError) else "no answer in time"
                _log.info("%s: what the venue lists is not known: %s", observation.account, self.failed)
        listed = under_one_name(self._found.values(), self._settings, now.astimezone(UTC).date())
        return replace(self._settings, listed=listed)

    async def _ask(self, broker: Lists, observation: Observation, now: datetime) -> None:
        """The venue's own names first: what they name is known then under its other names, too."""
        theirs = self._due(_names(observation.broker), now)[:MOST]
        await self._note(broker, theirs, now)
        others = [name for said in self._ours(observation) for name in self._every(said)]
        known = {name for row in self._found.values() for name in (row.asset, *row.names)}
        unknown = [name for name in self._due(others, now) if not known & set(self._every(name))]
        await self._note(broker, unknown[: MOST - len(theirs)], now)

    async def _note(self, broker: Lists, names: Collection[str], now: datetime) -> None:
        if not names:
            return
        rows = await broker.get_instruments(tuple(names))
        self._found |= {row.asset: row for row in rows if wrong_in(row) is None}
        self._asked |= dict.fromkeys(names, now)

    def _due(self, names: Collection[str], now: datetime) -> list[str]:
        return [name for name in dict.fromkeys(names) if name not in self._asked or now - self._asked[name] >= AGAIN]

    def _ours(self, observation: Observation) -> Iterator[str]:
        """What the books hold, and what the table says something of that a venue may contradict."""
        yield from _names(observation.local)
        for asset, told in self._settings.assets.items():
            if told.contract_size or told.pack_size or told.multiplier:
                yield asset

    def _every(self, name: str) -> tuple[str, ...]:
        """Every name of what is called *name*."""
        now = self._identity.name(name, self._clock.now().astimezone(UTC).date())
        twins = self._identity.twins
        return tuple(dict.fromkeys(each for each in (name, now, *self._identity.others(now)) if each not in twins))


def _names(side: object) -> list[str]:
    """What a side holds or has live orders of, then what it traded."""
    if not isinstance(side, Snapshot):
        return []
    held = [row.asset for row in side.positions or () if row.amount]
    live = [row.asset for row in side.orders or () if row.live]
    return [*held, *live, *(row.asset for row in side.fills or ())]
