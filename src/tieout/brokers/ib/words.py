"""What TWS's messages say of one order number: whether it was taken, refused, ended, or nothing that is clear."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from msgspec.structs import replace

from tieout.brokers.ib import parse
from tieout.brokers.ib.codes import CANCELLED, NOT_CANCELLED, NOT_TAKEN, PACED, READ_ONLY
from tieout.brokers.ib.notes import FAILED, OPEN_ORDER, STATUS, Fields
from tieout.brokers.ib.orders import Listed, listed
from tieout.errors import OutcomeUnknown
from tieout.model.snapshot import Order

UNDER_WAY = frozenset(("", "PendingSubmit", "ApiPending", "Inactive"))  # a refusal may still follow
GONE = frozenset(("Cancelled", "ApiCancelled", "Filled"))
NUMBER, CLIENT = {FAILED: 2, STATUS: 1, OPEN_ORDER: 1}, {STATUS: 9, OPEN_ORDER: 24}  # where they stand
LEAST = {FAILED: 4, STATUS: 10, OPEN_ORDER: 26}


class Word(NamedTuple):
    """What TWS said of an order number: a code of an error, or the status of an order; and all that it said meanwhile."""

    rows: tuple[Fields, ...]
    code: str = ""
    status: str = ""


class About:
    """What is said of the orders of one client, for one action. Another client's order may bear the same number."""

    def __init__(self, action: str, client: int) -> None:
        self._action, self._client = action, str(client)

    def placed(self, number: int, rows: Sequence[Fields]) -> Word | None:
        """What TWS says that became of a new order, once it is clear.

        Raises:
            OutcomeUnknown: It says something, and not that.
        """
        for row in self._clear(number, rows):
            kind = int(row[0])
            if kind == STATUS and row[2] not in UNDER_WAY:
                return Word(tuple(rows), status=row[2])
            if kind == FAILED and row[3] in NOT_TAKEN:
                return Word(tuple(rows), code=row[3])
        return None

    def begun(self, number: int, rows: Sequence[Fields]) -> Word | None:
        """What there is to say where it did not become clear in time: TWS has it, and sends it on."""
        told = any(int(row[0]) == OPEN_ORDER for row in self._clear(number, rows))
        return Word(tuple(rows), status="PendingSubmit") if told else None

    def ended(self, number: int, rows: Sequence[Fields]) -> Word | None:
        """What TWS says that became of a cancel, once it is clear.

        Raises:
            OutcomeUnknown: It says something, and not that.
        """
        for row in self._clear(number, rows):
            if int(row[0]) == STATUS and row[2] in GONE:
                return Word(tuple(rows), status=row[2])
            if int(row[0]) == FAILED and row[3] in NOT_CANCELLED | {CANCELLED, READ_ONLY}:
                return Word(tuple(rows), code=row[3])
        return None

    def ending(self, number: int, rows: Sequence[Fields]) -> Word | None:
        """What there is to say of a cancel that TWS has, and that is under way."""
        told = [row[2] for row in self._clear(number, rows) if int(row[0]) == STATUS]
        return Word(tuple(rows), status=told[-1]) if told else None

    def _clear(self, number: int, rows: Sequence[Fields]) -> list[Fields]:
        """The errors, the statuses and the orders of that number, whole.

        Raises:
            OutcomeUnknown: One is cut short, or TWS was asked too often: it does not say what it left out then.
        """
        mine = [row for row in rows if _names(row, str(number))]
        if any(len(row) < LEAST[int(row[0])] for row in mine):
            raise OutcomeUnknown(self._action, "TWS's answer is cut short")
        failed = (row for row in rows if int(row[0]) == FAILED and len(row) > 3)
        if any(row[2] in ("-1", str(number)) and row[3] in PACED for row in failed):
            raise OutcomeUnknown(self._action, "TWS was asked too often, and does not say what it left out")
        return [row for row in mine if int(row[0]) not in CLIENT or row[CLIENT[int(row[0])]] == self._client]


def _names(row: Fields, number: str) -> bool:
    at = NUMBER.get(int(row[0]))
    return at is not None and len(row) > at and row[at] == number


def told(name: str, rows: Sequence[Fields]) -> Listed | None:
    """The order as the messages about it have it, the last of each kind."""
    status = {row[6]: row for row in rows if int(row[0]) == STATUS and len(row) > 7}
    mine = [row for row in rows if int(row[0]) == OPEN_ORDER and len(row) > 25 and row[23] == name]
    try:
        return listed(mine[-1], status, {mine[-1][25]: "PendingSubmit"}) if mine else None
    except parse.BadRow:
        return None


def with_filled(order: Order, rows: Sequence[Fields]) -> Order:
    """*order* with what the last status of its end says that it filled: lists of ended orders forget that at times."""
    told = [row[3] for row in rows if int(row[0]) == STATUS and len(row) > 7 and row[6] == order.broker_order_id]
    try:
        known = parse.number(told[-1]) if told and order.filled is None and not order.live else None
    except parse.BadRow:
        known = None
    return order if known is None else replace(order, filled=known)
