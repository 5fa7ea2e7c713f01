"""The local side as a port: books that can be read whole, and written a case at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from tieout.model.changes import Change
from tieout.model.snapshot import Snapshot


class LocalBooks(Protocol):
    """What the trading system believes, as one consistent statement."""

    async def read(self) -> Snapshot:
        """The books as they stand, all sections taken at one moment.

        Raises:
            SourceError: They could not be read; they are then not established, never empty.
        """

    async def apply(self, changes: Sequence[Change], *, reason: str) -> None:
        """Book *changes* in their order, all of them or none. Booking a fill or activity whose id stands is refused.

        Raises:
            BookError: One of them does not fit; the books are as they were.
        """

    async def adopt(self, statement: Snapshot) -> None:
        """Take a broker's whole statement as the opening entries of empty books, once.

        Raises:
            BookError: The books hold something already, or a row does not fit; they are as they were.
        """
