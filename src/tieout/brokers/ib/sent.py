"""What this process sent, and what is known to have become of it: TWS itself minds no two orders of one reference.

TWS counts the order numbers that a client used, and tells the next one on each connection. An order whose number it has not
seen by then never arrived: one client cannot be connected twice, so nothing of the former connection is still on its way.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from tieout.errors import OutcomeUnknown

Fate = Literal["open", "taken", "refused", "lost"]
MOST = 10_000


class Sent(NamedTuple):
    """An attempt: its order number, once it has one, and its fate as far as it is known."""

    number: int | None
    fate: Fate


class SentOrders:
    """The attempts by client id."""

    def __init__(self) -> None:
        self._known: dict[str, Sent] = {}

    def begin(self, name: str, action: str) -> None:
        """Note an attempt that is about to be made.

        Raises:
            OutcomeUnknown: One was made before that may have arrived.
        """
        before = self._known.pop(name, None)
        if before is not None and before.fate in ("open", "taken"):
            self._known[name] = before
            raise OutcomeUnknown(action, "an order of that client id was sent before: look it up")
        self._known[name] = Sent(None, "open")
        if len(self._known) > MOST:
            del self._known[next(iter(self._known))]

    def forget_unsent(self, name: str) -> None:
        """The attempt is over; where it got no number, nothing was sent."""
        sent = self._known.get(name)
        if sent is not None and sent.number is None and sent.fate == "open":
            del self._known[name]

    def numbered(self, name: str, number: int) -> None:
        """It goes out under that order number."""
        self._known[name] = Sent(number, "open")

    def settled(self, name: str, fate: Fate) -> None:
        """Its fate is known."""
        before = self._known.get(name)
        self._known[name] = Sent(before.number if before else None, fate)

    def connected(self, next_number: int) -> None:
        """TWS was connected to, and has seen the order numbers below *next_number*. What is known of one stays known:
        a person can let TWS's numbers begin anew.
        """
        for name, sent in self._known.items():
            if sent.fate == "open" and sent.number is not None:
                self._known[name] = Sent(sent.number, "lost" if sent.number >= next_number else "taken")

    def never(self, name: str) -> bool:
        """Whether the last attempt is known to rest nowhere."""
        sent = self._known.get(name)
        return sent is not None and sent.fate in ("refused", "lost")
