"""Every order that TWS knows of an account: those that live, whoever sent them, and those that ended today."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any, NamedTuple, TypeVar

from msgspec.structs import replace

from tieout.brokers.ib import parse
from tieout.brokers.ib.notes import COMPLETED, EXECUTION, OPEN_ORDER, STATUS, Fields
from tieout.brokers.ib.sent import SentOrders
from tieout.brokers.ib.session import Session
from tieout.errors import SourceIncomplete, SourceMalformed
from tieout.model.snapshot import Fill, Order

T = TypeVar("T")
UNTOLD = 1e300  # ib_async's way to say that there is no number


class Listed(NamedTuple):
    """An order, the id of its contract, and which client of TWS sent it under which number; 0 is a person's."""

    order: Order
    contract: int = 0
    number: int = 0
    client: int = 0


class IbOrders:
    """The orders of one account."""

    def __init__(self, name: str, account: str, session: Session, sent: SentOrders) -> None:
        self._name, self._account, self._session, self._sent = name, account, session, sent

    async def listed(self, scope: str) -> list[Listed]:
        """What TWS lists as open orders of everybody, each once, as it was told last.

        Raises:
            SourceError: Not known to be complete.
        """
        answer = await self._session.ask(scope, lambda ib: ib.reqAllOpenOrdersAsync(), OPEN_ORDER, STATUS)
        status = {row[6]: row for row in answer.of(STATUS) if len(row) > 7}
        made = {str(trade.order.permId): trade.orderStatus.status for trade in answer.made}
        ours = [row for row in answer.of(OPEN_ORDER) if len(row) < 21 or row[20] == self._account]
        found = each(self._name, scope, ours, lambda row: listed(row, status, made))
        latest = {row.order.broker_order_id or f" {row.client} {row.number}": row for row in found}
        named(self._name, scope, [(row.contract, row.order) for row in latest.values()])
        return list(latest.values())

    async def ended(self, scope: str) -> list[Listed]:
        """What ended today.

        Raises:
            SourceError: Not known to be complete.
        """
        answer = await self._session.ask(scope, lambda ib: ib.reqCompletedOrdersAsync(False), COMPLETED)
        told = {trade.order.permId: trade for trade in answer.made}
        mine = [row for row in answer.of(COMPLETED) if len(row) < 20 or row[19] == self._account]
        return each(self._name, scope, mine, lambda row: Listed(parse.ended(row, *_end(told, row))))

    async def find(self, scope: str, broker_order_id: str | None, client_order_id: str | None) -> Listed | None:
        """An order, live or ended today; None where nothing bears both ids, or the one we sent is known to rest nowhere.

        Raises:
            SourceError: It was not told, which says nothing: TWS forgets.
        """
        live = await self.listed(scope)
        rows = {row.order.broker_order_id or "": row for row in (*live, *await self.ended(scope))}
        if broker_order_id is not None and broker_order_id in rows:
            found = rows[broker_order_id]
            return await self._filled(scope, found) if client_order_id in (None, found.order.client_order_id) else None
        if broker_order_id is None and client_order_id is not None:
            same = [row for row in rows.values() if row.order.client_order_id == client_order_id]
            if len(same) > 1:
                raise SourceIncomplete(self._name, scope, "several orders bear that client id")
            if same:
                return await self._filled(scope, same[0])
            if self._sent.never(client_order_id) and not await self._traded(scope, client_order_id):
                return None
        raise SourceIncomplete(self._name, scope, "neither live nor ended today; TWS does not know older ones")

    async def known(self, scope: str, client_order_id: str) -> bool:
        """Whether TWS tells of anything that bears a client id: a live order, one that ended today, an execution.

        Raises:
            SourceError: Not known.
        """
        rows = [*await self.listed(scope), *await self.ended(scope)]
        return any(row.order.client_order_id == client_order_id for row in rows) or await self._traded(
            scope, client_order_id
        )

    async def _filled(self, scope: str, found: Listed) -> Listed:
        """An ended order that fills nothing by the list of such, with what its executions say: the list forgets that."""
        order = found.order
        if order.live or order.status == "unknown" or order.filled:
            return found
        mine = [row for row in await self._executed(scope) if row[21] == order.broker_order_id]
        told = each(self._name, scope, parse.latest(mine), lambda row: parse.needed(row[24]))
        return found._replace(order=replace(order, filled=max(told))) if told else found

    async def _traded(self, scope: str, client_order_id: str) -> bool:
        return any(row[26] == client_order_id for row in await self._executed(scope))

    async def _executed(self, scope: str) -> tuple[Fields, ...]:
        answer = await self._session.ask(scope, lambda ib: executions(ib, self._account), EXECUTION)
        rows = answer.of(EXECUTION)
        if any(len(row) < 27 for row in rows):
            raise SourceMalformed(self._name, scope, "an execution that is cut short")
        return rows


async def executions(ib: Any, account: str) -> None:
    """Ask for the day's executions of an account."""
    from ib_async import ExecutionFilter

    await ib.reqExecutionsAsync(ExecutionFilter(acctCode=account))


def listed(row: Fields, status: dict[str, Fields], made: dict[str, str]) -> Listed:
    """An open order (message 5), with what is told of its status (3), else what ib_async read in it.

    Raises:
        BadRow: The message is none.
    """
    perm = row[25] if len(row) > 25 else ""
    told = status.get(perm)
    filled = parse.number(told[3]) if told is not None else None
    contract, order = parse.order(row, told[2] if told is not None else made.get(perm, ""), filled)
    return Listed(order, contract, parse.whole(row[1]), parse.whole(row[24]))


def _end(told: dict[int, Any], row: Sequence[str]) -> tuple[str, Decimal | None]:
    trade = told.get(int(row[23])) if len(row) > 23 and row[23].isdigit() else None
    if trade is None:
        return "", None
    filled = trade.order.filledQuantity
    return trade.orderStatus.status, Decimal(repr(filled)) if filled < UNTOLD else None


def each(name: str, scope: str, rows: Iterable[Any], read: Callable[[Any], T]) -> list[T]:
    """What *read* makes of each row.

    Raises:
        SourceMalformed: Of one it makes nothing.
    """
    try:
        return [read(row) for row in rows]
    except parse.BadRow as error:
        raise SourceMalformed(name, scope, str(error)) from None


def named(name: str, scope: str, rows: Iterable[tuple[int, Order] | tuple[int, Fill]]) -> None:
    """Refuse two instruments of one name: nobody could tell them apart any more."""
    contracts: dict[str, set[int]] = {}
    for contract, row in rows:
        contracts.setdefault(row.asset, set()).add(contract)
    if any(len(numbers) > 1 for numbers in contracts.values()):
        raise SourceIncomplete(name, scope, "two instruments are called alike")
