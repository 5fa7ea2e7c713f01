"""Interactive Brokers through TWS or the Gateway: positions, cash, everybody's orders, the day's fills; it acts there."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from tieout.brokers.base import AccountInfo, Capabilities, OrderRequest
from tieout.brokers.ib import parse
from tieout.brokers.ib.acting import IbActing
from tieout.brokers.ib.connecting import Connection
from tieout.brokers.ib.contracts import Contracts
from tieout.brokers.ib.examined import IbExamined
from tieout.brokers.ib.notes import CASH, COMMISSION, EXECUTION, POSITION
from tieout.brokers.ib.orders import IbOrders, each, executions, named
from tieout.brokers.ib.sent import SentOrders
from tieout.brokers.ib.session import Session
from tieout.errors import SourceIncomplete, SourceMalformed
from tieout.model.rules import distinct, finding
from tieout.model.snapshot import Activity, Balance, Fill, Order, Position, Section

SECTIONS: frozenset[Section] = frozenset(("positions", "balances", "orders", "fills"))
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
        commission_seconds: How long is waited for what TWS tells after its answer: what was paid for an execution, and that
            an order whose cancel is under way has ended.
        currency: In which currency an instrument is traded that is not held, where TWS knows several of its name.

    Attributes:
        session: How TWS is asked.
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
        currency: str | None = None,
    ) -> None:
        self.name = f"ib:{account}"
        self._account, self._zone, self._commission_seconds = account, zone, commission_seconds
        sent = SentOrders()
        connection = Connection(self.name, host, port, client_id=client_id, account=account, told=sent.connected)
        self.session = Session(self.name, connection, seconds=timeout_seconds)
        self._orders = IbOrders(self.name, account, self.session, sent)
        contracts = Contracts(account, self.session, currency)
        self._acting = IbActing(account, self.session, self._orders, contracts, sent, linger=commission_seconds)
        self._origin = f"tcp://{host}:{port}"

    async def get_positions(self) -> tuple[Position, ...]:
        """Every open position of the account, among those of all accounts of the login."""
        scope = "get_positions"
        answer = await self.session.ask(scope, _positions, POSITION)
        ours = [row for row in answer.of(POSITION) if len(row) < 3 or row[2] == self._account]
        read = dict(each(self.name, scope, ours, parse.position))  # of two rows of one contract the later counts
        rows = tuple(row for row in read.values() if row.amount)
        if not rows:
            await self._require_flat(scope)
        return self._sound(scope, rows)

    async def _require_flat(self, scope: str) -> None:
        """Ask again in another way: a TWS that was started a moment ago lists nothing, and says that this is all."""
        answer = await self.session.ask(scope, self._ask_cash, CASH)
        if any(row[3] == self._account and parse.is_worth(row) for row in answer.of(CASH) if len(row) > 7):
            raise SourceIncomplete(self.name, scope, "no position is listed, and the account's values tell of some")

    async def get_balances(self) -> tuple[Balance, ...]:
        """Cash by currency."""
        scope = "get_balances"
        answer = await self.session.ask(scope, self._ask_cash, CASH)
        try:
            return parse.cash(answer.of(CASH), self._account)
        except parse.BadRow as error:
            raise SourceMalformed(self.name, scope, str(error)) from None

    async def get_open_orders(self) -> tuple[Order, ...]:
        """Every live order of the account, whichever client or person sent it."""
        scope = "get_open_orders"
        read = [row.order for row in await self._orders.listed(scope)]
        return self._sound(scope, tuple(row for row in read if row.live or row.status == "unknown"))

    async def get_order(
        self, *, broker_order_id: str | None = None, client_order_id: str | None = None
    ) -> Order | None:
        """A live order, or one that ended today; None only of one that we sent and that is known not to have arrived."""
        assert broker_order_id or client_order_id, "an id to look for"
        found = await self._orders.find("get_order", broker_order_id, client_order_id)
        return found.order if found else None

    async def get_fills(self, since: datetime) -> tuple[Fill, ...]:
        """The executions from *since* on. TWS knows those of the day only.

        Raises:
            SourceIncomplete: *since* is before today, in New York or in TWS's zone; with the day's fills.
        """
        scope = "get_fills"
        answer = await self.session.ask(
            scope,
            lambda ib: executions(ib, self._account),
            EXECUTION,
            COMMISSION,
            settled=_paid,
            linger=self._commission_seconds,
        )
        ours = [row for row in answer.of(EXECUTION) if len(row) < 17 or row[16] == self._account]
        if any(len(row) < 17 for row in ours):
            raise SourceMalformed(self.name, scope, "an execution that is cut short")
        paid = {row[2]: row for row in answer.of(COMMISSION) if len(row) >= 5}
        read = each(self.name, scope, parse.latest(ours), lambda row: parse.fill(row, paid.get(row[14]), self._zone))
        rows = tuple(row for _, row in sorted(read, key=lambda pair: pair[1].at) if row.at >= since)
        named(self.name, scope, read)
        now = await self.server_time()
        today = max(_midnight(now, zone) for zone in (DAY, self._zone or DAY))
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
        """Send an order once."""
        return await self._acting.submit(request)

    async def cancel_order(self, *, broker_order_id: str | None = None, client_order_id: str | None = None) -> Order:
        """Ask for an order's end, and read it back. Only what this client of TWS sent can be cancelled."""
        return await self._acting.cancel(broker_order_id, client_order_id)

    async def server_time(self) -> datetime:
        """TWS's clock, to the second."""
        answer = await self.session.ask("server_time", lambda ib: ib.reqCurrentTimeAsync())
        found: datetime = answer.made
        return found.astimezone(UTC)

    def capabilities(self) -> Capabilities:
        """Everything that TWS tells; activities are in Flex statements."""
        return Capabilities(sections=SECTIONS)

    def examined(self) -> IbExamined:
        """What there is to examine."""
        return IbExamined(self._origin, self.session)

    async def close(self) -> None:
        """Let go of the connection. Safe to repeat."""
        await self.session.close()

    async def _ask_cash(self, ib: Any) -> None:
        number = ib.client.getReqId()
        end = ib.wrapper.startReq(number)
        ib.client.reqAccountUpdatesMulti(number, self._account, "", False)
        await end
        ib.client.cancelAccountUpdatesMulti(number)  # else it goes on

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


def _paid(rows: Sequence[Sequence[str]]) -> bool:
    """Whether what was paid is known for every execution."""
    told = {row[2] for row in rows if row[0] == str(COMMISSION) and len(row) > 2}
    return all(row[14] in told for row in rows if row[0] == str(EXECUTION) and len(row) > 14)


def _midnight(now: datetime, zone: ZoneInfo) -> datetime:
    return datetime.combine(now.astimezone(zone).date(), time(), zone)
