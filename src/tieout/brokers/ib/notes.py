"""What TWS says, message by message as it came, beside what ib_async makes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from tieout.brokers.ib.codes import BACK, CUT_OFF, PACED, REFUSALS

Fields = list[str]
OPEN_ORDER, STATUS, FAILED, NEXT_NUMBER, EXECUTION, TIME, POSITION = 5, 3, 4, 9, 11, 49, 61
COMMISSION, CASH, COMPLETED = 59, 73, 101
NOTED = (STATUS, FAILED, OPEN_ORDER, NEXT_NUMBER, EXECUTION, TIME, COMMISSION, POSITION, CASH, COMPLETED)


class Notes:
    """The messages since the last question began.

    Attributes:
        rows: Their fields, oldest first.
        news: Set by each message.
        cut_off: Whether TWS said that it has lost its own connection.
        spoilt: Whether one came that ib_async would swallow, and its end with it.
    """

    def __init__(self) -> None:
        self.rows: list[Fields] = []
        self.news = asyncio.Event()
        self.cut_off = self.spoilt = False

    def begin(self) -> None:
        """Forget what was said before."""
        self.rows.clear()
        self.spoilt = False

    def codes(self) -> tuple[str, ...]:
        """The codes of what went wrong, oldest first."""
        return tuple(row[3] for row in self.rows if int(row[0]) == FAILED and len(row) > 3)

    def refusal(self) -> str | None:
        """The code by which TWS said that it does not answer, or not now."""
        return next((code for code in self.codes() if code in REFUSALS | PACED), None)

    def listen(self, ib: Any) -> None:
        """Note what *ib*'s decoder is given."""
        handlers: dict[int, Callable[[Fields], None]] = ib.client.decoder.handlers
        for kind in NOTED:
            handlers[kind] = partial(self._note, handlers[kind])

    def next_number(self) -> int | None:
        """The lowest order number that TWS says this client has not used."""
        told = [row[2] for row in self.rows if int(row[0]) == NEXT_NUMBER and len(row) > 2]
        return int(told[0]) if told and told[0].isascii() and told[0].isdigit() else None

    async def heard(self, *others: asyncio.Future[Any]) -> None:
        """Return when something was noted, or one of *others* is done."""
        self.news.clear()
        waiting = asyncio.ensure_future(self.news.wait())
        try:
            await asyncio.wait((waiting, *others), return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()

    def _note(self, handler: Callable[[Fields], None], fields: Fields) -> None:
        self.rows.append(list(fields))
        kind = int(fields[0])
        if kind == FAILED and len(fields) > 3:
            self.cut_off = (self.cut_off or fields[3] in CUT_OFF) and fields[3] not in BACK
        if kind == TIME and not (len(fields) > 2 and fields[2].isascii() and fields[2].isdigit()):
            self.spoilt = True
        self.news.set()
        handler(fields)
