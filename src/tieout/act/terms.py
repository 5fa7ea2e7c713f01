"""Acting in each side's own terms: what was decided under one name an asset, in local's units, goes out in theirs."""

from __future__ import annotations

from collections.abc import Mapping

from tieout.act.book_terms import IdentifiedBooks
from tieout.act.broker_terms import IdentifiedBroker
from tieout.books.base import LocalBooks
from tieout.brokers.base import BrokerAdapter
from tieout.clock import Clock
from tieout.model.identified import identified, meant
from tieout.model.identity import identity_of
from tieout.model.settings import AssetSettings
from tieout.model.snapshot import Observation, Snapshot


class Terms:
    """The terms of one account's two sides.

    Args:
        assets: What is told of its assets.
        clock: Which day it is.
    """

    def __init__(self, assets: Mapping[str, AssetSettings], clock: Clock) -> None:
        self._identity, self._clock = identity_of(assets), clock

    def sides(
        self, books: LocalBooks, broker: BrokerAdapter, observation: Observation | None = None
    ) -> tuple[LocalBooks, BrokerAdapter]:
        """Both sides as they are to be acted on; *observation* shows which names the broker uses."""
        if not self._identity:
            return books, broker
        heard = observation.broker if observation is not None else None
        heard = heard if isinstance(heard, Snapshot) else None
        return IdentifiedBooks(books, self._identity), IdentifiedBroker(
            broker, self._identity, self._clock, heard=heard
        )

    def local(self, observation: Observation) -> Snapshot | None:
        """Local as it was read, under one name an asset; None where it was not."""
        held = meant(observation, self._identity).observation.local
        return held if isinstance(held, Snapshot) else None

    async def adopt(self, stated: Snapshot, books: LocalBooks) -> Snapshot:
        """Give empty books what the broker stated, under their own names and in their units; returns it as it is compared.

        Raises:
            SourceError: Rows of one asset do not add up.
            BookError: The books hold something already, or a row does not fit.
        """
        statement = identified(stated, self._identity)
        await IdentifiedBooks(books, self._identity).adopt(statement)
        return statement
