"""Interactive Brokers through TWS or the Gateway: positions, cash, everybody's orders, the day's fills. It reads only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from tieout.brokers.base import AccountInfo, Capabilities, OrderRequest
from tieout.brokers.ib import parse
from tieout.brokers.ib.session import (
    CASH,
    COMMISSION,
    COMPLETED,
    EXECUTION,
    OPEN_ORDER,
    POSITION,
    STATUS,
    Answer,
    Session,
)
from tieout.errors import ActionRefused, SourceIncomplete, SourceMalformed
from tieout.model.rules import distinct, finding
from tieout.model.snapshot import Activity, Balance, Fill, Order, Position, Section

T = TypeVar("T")
SECTIONS: frozenset[Section] = frozenset(("positions", "balances", "orders", "fills"))
READ_ONLY = "Tieout reads Interactive Brokers and sends nothing there"
DAY = ZoneInfo("America/New_York")


class IbBroker:
    """One account of a login.

    Args:
        account: Which account it is, as Interactive Brokers calls it.
        host: Where TWS or the Gateway listens.
        port: And at which port.
        client_id: Which client of it we are; another program must have another.
        zone: The zone that TWS is set to, for times of executions that bear none.
        timeout_seconds: How long one answer may take.
        commission_seconds: How long is waited for what was paid for an execution, which is told after it.
    """

    def __init__(
        self,
        account: str,
        *,
        host: str = "127.0.0.1",
        port: int = 4001,
        client_id: int = 71,
        zone: ZoneInfo | None = None,
        timeout_seconds: float = 10,
        commission_seconds: float = 2,
    ) -> None:
        self.name = f"ib:{account}"
        self._account, self._zone, self._commission_seconds = account, zone, commission_seconds
        self._session = Session(self.name, host, port, client_id=client_id, account=account, seconds=timeout_seconds)

    async def get_positions(self) -> tuple[Position, ...]:
        """Every open position of the account, among those of all accounts of the login."""
        scope = "get_positions"
        answer = await self._session.ask(scope, _positions, POSITION)
        ours = [row for row in answer.of(POSITION) if len(row) < 3 or row[2] == self._account]
        read = dict(self._each(scope, ours, parse.position))  # of two rows of one contract the later counts
        rows = tuple(row for row in read.values() if row.amount)
        if not rows:
            await self._require_flat(scope)
        return self._sound(scope, rows)

    async def _require_flat(self, scope: str) -> None:
        """Ask again in another way: a TWS that was started a moment ago lists nothing, and says that this is all."""
        answer = await self._session.ask(scope, self._ask_cash, CASH)
        if any(row[3] == self._account and parse.is_worth(row) for row in answer.of(CASH) if len(row) > 7):
            raise SourceIncomplete(self.name, scope, "no position is listed, and the account's values tell of some")

    async def get_balances(self) -> tuple[Balance, ...]:
        """Cash by currency."""
        scope = "get_balances"
        answer = await self._session.ask(scope, self._ask_cash, CASH)
        try:
            return parse.cash(answer.of(CASH), self._account)
        except parse.BadRow as error:
            raise SourceMalformed(self.name, scope, str(error)) from None

    async def get_open_orders(self) -> tuple[Order, ...]:
        """Every live order of the account, whichever client or person sent it."""
        scope = "get_open_orders"
        answer = await self._session.ask(scope, lambda ib: ib.reqAllOpenOrdersAsync(), OPEN_ORDER, STATUS)
        read = self._orders(scope, answer)
        return self._sound(scope, tuple(row for row in read if row.live or row.status == "unknown"))

    async def get_order(
        self, *, broker_order_id: str | None = None, client_order_id: str | None = None
    ) -> Order | None:
        """A live order, or one that ended today. TWS knows no older ones, so that no answer here says that there is none."""
        scope = "get_order"
        answer = await self._session.ask(scope, lambda ib: ib.reqAllOpenOrdersAsync(), OPEN_ORDER, STATUS)
        rows = self._orders(scope, answer)
        done = await self._session.ask(scope, lambda ib: ib.reqCompletedOrdersAsync(False), COMPLETED)
        told = {trade.order.permId: trade for trade in done.made}
        mine = [row for row in done.of(COMPLETED) if len(row) < 20 or row[19] == self._account]
        rows += self._each(scope, mine, lambda row: parse.ended(row, *_end(told, row)))
        for row in rows:
            if broker_order_id in (None, row.broker_order_id) and client_order_id in (None, row.client_order_id):
                return row
        raise SourceIncomplete(self.name, scope, "neither live nor ended today; TWS does not know older ones")

    async def get_fills(self, since: datetime) -> tuple[Fill, ...]:
        """The executions from *since* on. TWS knows those of the day only.

        Raises:
            SourceIncomplete: *since* is before today in New York; with the day's fills.
        """
        scope = "get_fills"
        answer = await self._session.ask(
            scope, self._ask_fills, EXECUTION, COMMISSION, settled=_paid, linger=self._commission_seconds
        )
        ours = [row for row in answer.of(EXECUTION) if len(row) < 17 or row[16] == self._account]
        if any(len(row) < 17 for row in ours):
            raise SourceMalformed(self.name, scope, "an execution that is cut short")
        paid = {row[2]: row for row in answer.of(COMMISSION) if len(row) >= 5}
        read = self._each(scope, parse.latest(ours), lambda row: parse.fill(row, paid.get(row[14]), self._zone))
        rows = tuple(row for _, row in sorted(read, key=lambda pair: pair[1].at) if row.at >= since)
        self._named(scope, read)
        today = datetime.combine((await self.server_time()).astimezone(DAY).date(), time(), DAY)
        if since < today:
            raise SourceIncomplete(
                self.name, scope, "TWS tells the executions of the day only: see Flex statements", rows
            )
        return rows

    async def get_activities(self, since: datetime) -> tuple[Activity, ...]:
        """TWS tells no activities; Flex statements do."""
        raise SourceIncomplete(self.name, "get_activities", "TWS tells no activities: see Flex statements")

    async def get_account_info(self) -> AccountInfo:
        """The account, if the login holds it."""
        await self.server_time()
        return AccountInfo(account=self._account, venue="ib")

    async def submit_order(self, request: OrderRequest) -> Order:
        """Nothing is sent."""
        raise ActionRefused("submit_order", READ_ONLY)

    async def cancel_order(self, *, broker_order_id: str | None = None, client_order_id: str | None = None) -> Order:
        """Nothing is sent."""
        raise ActionRefused("cancel_order", READ_ONLY)

    async def server_time(self) -> datetime:
        """TWS's clock, to the second."""
        answer = await self._session.ask("server_time", lambda ib: ib.reqCurrentTimeAsync())
        found: datetime = answer.made
        return found.astimezone(UTC)

    def capabilities(self) -> Capabilities:
        """Everything that TWS tells; activities are in Flex statements."""
        return Capabilities(sections=SECTIONS, acts=False)

    async def close(self) -> None:
        """Let go of the connection."""
        await self._session.close()

    async def _ask_cash(self, ib: Any) -> None:
        number = ib.client.getReqId()
        end = ib.wrapper.startReq(number)
        ib.client.reqAccountUpdatesMulti(number, self._account, "", False)
        await end
        ib.client.cancelAccountUpdatesMulti(number)  # else it goes on

    async def _ask_fills(self, ib: Any) -> None:
        from ib_async import ExecutionFilter

        await ib.reqExecutionsAsync(ExecutionFilter(acctCode=self._account))

    def _orders(self, scope: str, answer: Answer) -> list[Order]:
        status = {row[6]: row for row in answer.of(STATUS) if len(row) > 7}
        made = {str(trade.order.permId): trade.orderStatus.status for trade in answer.made}
        ours = [row for row in answer.of(OPEN_ORDER) if len(row) < 21 or row[20] == self._account]

        def read(row: Sequence[str]) -> tuple[int, Order]:
            perm = row[25] if len(row) > 25 else ""
            told = status.get(perm)
            filled = parse.number(told[3]) if told is not None else None
            return parse.order(row, told[2] if told is not None else made.get(perm, ""), filled)

        found = self._each(scope, ours, read)
        self._named(scope, found)
        return [order for _, order in found]

    def _each(self, scope: str, rows: Iterable[Sequence[str]], read: Callable[[Any], T]) -> list[T]:
        try:
            return [read(row) for row in rows]
        except parse.BadRow as error:
            raise SourceMalformed(self.name, scope, str(error)) from None

    def _named(self, scope: str, rows: Iterable[tuple[int, Order] | tuple[int, Fill]]) -> None:
        """Refuse two instruments of one name: nobody could tell them apart any more."""
        contracts: dict[str, set[int]] = {}
        for contract, row in rows:
            contracts.setdefault(row.asset, set()).add(contract)
        if any(len(each) > 1 for each in contracts.values()):
            raise SourceIncomplete(self.name, scope, "two instruments are called alike")

    def _sound(self, scope: str, rows: tuple[Any, ...]) -> tuple[Any, ...]:
        for row in rows:
            wrong = finding(row)
            if wrong is not None:
                raise SourceMalformed(self.name, scope, f"{wrong[0]}: {wrong[1]}")
        if rows and not distinct(rows):
            raise SourceIncomplete(self.name, scope, "two instruments, or two orders, are called alike")
        return rows


async def _positions(ib: Any) -> None:
    await ib.reqPositionsAsync()
    ib.client.cancelPositions()  # else it goes on, and later changes look like an answer


def _end(told: dict[int, Any], row: Sequence[str]) -> tuple[str, Decimal | None]:
    trade = told.get(int(row[23])) if len(row) > 23 and row[23].isdigit() else None
    if trade is None:
        return "", None
    return trade.orderStatus.status, Decimal(
        repr(trade.order.filledQuantity)
    ) if trade.order.filledQuantity < 1e300 else None


def _paid(rows: Sequence[Sequence[str]]) -> bool:
    """Whether what was paid is known for every execution."""
    told = {row[2] for row in rows if row[0] == str(COMMISSION) and len(row) > 2}
    return all(row[14] in told for row in rows if row[0] == str(EXECUTION) and len(row) > 14)
