"""The local side as a port: books that can be read whole, and written a case at a time, here or where they are kept."""

from __future__ import annotations

from collections.abc import Collection, Sequence, Set
from enum import StrEnum
from typing import Protocol, runtime_checkable

from msgspec import Struct

from tieout.model.changes import Change
from tieout.model.snapshot import Snapshot


class CanApply(StrEnum):
    """Whether, and by whom, books can be corrected."""

    HERE = "here"  # `apply` books it, or refuses
    ELSEWHERE = "elsewhere"  # it is handed over, and counts once a later reading shows it
    NOT = "not"  # they are read only: a person is told what to book


class LocalBooks(Protocol):
    """What the trading system believes, as one consistent statement."""

    @property
    def can_apply(self) -> CanApply:
        """Who books corrections. Books that say ELSEWHERE are `BooksElsewhere`."""

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


class Handed(Struct, frozen=True, kw_only=True):
    """What became of a correction that was handed over and that the books do not show.

    Attributes:
        said: How it stands, in a sentence without amounts.
        over: Whether it is not waited for any longer: it was refused, or nothing came of it in time.
        withdrawn: Whether it was taken back meanwhile, so that it has to be handed over anew.
    """

    said: str
    over: bool = False
    withdrawn: bool = False


@runtime_checkable
class BooksElsewhere(LocalBooks, Protocol):
    """Books that whoever keeps them corrects. All raise `BookError` where it cannot be kept what was handed over."""

    async def hand_over(self, correction: str, changes: Sequence[Change], *, reason: str) -> None:
        """Ask that *changes* be booked, all of them or none, under the id *correction*. Repeating it changes nothing."""

    async def handed(self, correction: str) -> Handed | None:
        """What became of a correction; None where it was never handed over."""

    async def held_up(self) -> str | None:
        """Why nothing that is new can be handed over yet, in a sentence; None where it can."""

    async def waiting(self) -> Set[str]:
        """The ids of the corrections that nobody has taken yet, and that can be taken back."""

    async def withdraw(self, but: Collection[str]) -> None:
        """Take back every correction that nobody has taken yet, but those whose ids are given: they are still wanted."""
