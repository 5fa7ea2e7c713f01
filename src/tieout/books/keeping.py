"""Where books of others are kept between two starts, as a port: a sealed content for each account."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from tieout.errors import BookError, RecordError

T = TypeVar("T")


class Shelf(Protocol):
    """Where what was pushed is kept."""

    async def content(self, account: str) -> bytes | None:
        """What is kept of an account; None where nothing is.

        Raises:
            RecordError: It cannot be read now.
        """

    async def change(self, account: str, change: Callable[[bytes | None], tuple[bytes | None, T]]) -> T:
        """Keep what *change* makes of it, in one transaction that no other change comes between; returns its other result.

        Raises:
            RecordError: It cannot be kept; nothing of it was.
            BookError: By *change*; nothing of it was kept.
        """


async def said_of_books(account: str, asked: Awaitable[T]) -> T:
    """What was asked of a shelf.

    Raises:
        BookError: It failed.
    """
    try:
        return await asked
    except RecordError as error:
        raise BookError(f"account {account}", error.why) from error
