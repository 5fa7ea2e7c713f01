"""Messages that bear numbers: one that is missing is noticed at the next."""

from __future__ import annotations


class Numbered:
    """The numbers of one connection's messages, each one above the last."""

    def __init__(self) -> None:
        self._last: int | None = None

    def begin(self) -> None:
        """A new connection counts anew."""
        self._last = None

    def missed(self, number: object) -> bool:
        """Whether messages are missing before this one. A number that came before, or is none, tells nothing."""
        if not isinstance(number, int) or (self._last is not None and number <= self._last):
            return False
        last, self._last = self._last, number
        return last is not None and number > last + 1
