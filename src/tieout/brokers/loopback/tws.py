"""TWS over a world: the text protocol of server version 176 on 127.0.0.1, for the unmodified ib_async. It takes orders."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Sequence

from tieout.brokers.loopback import tws_rows as rows
from tieout.brokers.loopback.desk import Desk
from tieout.brokers.loopback.tws_faults import TwsFault, TwsPlan, TwsRule, bent
from tieout.brokers.loopback.tws_orders import TwsOrders
from tieout.brokers.loopback.tws_wire import (
    ACTIONS,
    ALL_ORDERS,
    ANSWERED,
    CASH,
    COMPLETED,
    CONTRACT,
    EXECUTIONS,
    POSITIONS,
    START,
    TIME,
    VERSION,
    packed,
    received,
)
from tieout.brokers.simulated import World


class LoopbackTws:
    """TWS with one login that holds the accounts of *world*.

    Attributes:
        asked: The kinds of message that came, oldest first.
        faults: What goes wrong, by the kind of the request; each strikes for as long as it stands there.
        plan: What goes wrong so often and then no more.
        orders: The orders that came through it.
        more: Further rows, by the kind of the request, as they are sent before its end.
        late: Rows sent after the end of an answer, by the kind of the request.
        commissions: Whether what was paid for executions is told.
        forgets: Whether its list of ended orders leaves out what they filled.
        second_account: An account of the same login that this world does not hold.
        version: Of the server, as it says.
    """

    def __init__(self, world: World, account: str) -> None:
        self.world, self._account = world, account
        self.asked: list[int] = []
        self.faults: dict[int, TwsFault] = {}
        self.plan, self.orders = TwsPlan(), TwsOrders(account)
        self.more: dict[int, list[str]] = {}
        self.late: dict[int, list[str]] = {}
        self.commissions, self.forgets = True, False
        self.second_account = "DU7654321"
        self.version = VERSION
        self.port = 0
        self._news = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._talks: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    @property
    def account(self) -> str:
        """Whose rows are told."""
        return self._account

    @account.setter
    def account(self, name: str) -> None:
        """Whose rows are told from now on."""
        self._account = self.orders.account = name

    async def __aenter__(self) -> LoopbackTws:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop, and break every connection."""
        assert self._server is not None
        self._server.close()
        self.drop()
        if self._talks:
            await asyncio.wait(self._talks)

    def drop(self) -> None:
        """Break every connection, as the daily restart does."""
        for writer in self._talks.values():
            writer.transport.abort()

    async def heard(self, kind: int) -> None:
        """Return once a message of that kind was answered, or not."""
        while kind not in self.asked:
            self._news.clear()
            await self._news.wait()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._talks[task] = writer
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                await self._talk(reader, writer)
        finally:
            del self._talks[task]
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(4)  # API and a zero byte
        await received(reader)
        if self.faults.get(0) is TwsFault.SILENT:
            await reader.read()
            return
        writer.write(packed(f"{self.version}|20261120 10:00:00 EST|"))
        client = "0"
        while True:
            fields = (await received(reader)).split("\0")
            kind = int(fields[0])
            client = fields[2] if kind == START else client
            self.asked.append(kind)
            if kind in ANSWERED:
                self._answer(writer, client, fields)
            await writer.drain()
            self._news.set()

    def _answer(self, writer: asyncio.StreamWriter, client: str, fields: list[str]) -> None:
        kind = int(fields[0])
        rule, desk = self._rule(kind), Desk(self.world)
        desk.rule = rule.lie if rule else None
        taken = rule is None or rule.taken or kind not in ACTIONS
        whole = self._whole(desk, client, fields) if taken else [""]
        fault = rule.fault if rule else None
        if fault is None or not bent(writer, fault, whole, fields):
            for message in (*filter(None, whole), *self._after(kind)):
                writer.write(packed(message))

    def _rule(self, kind: int) -> TwsRule | None:
        if kind in self.faults:
            return TwsRule(kinds=frozenset((kind,)), fault=self.faults[kind])
        return self.plan.draw(kind)

    def _whole(self, desk: Desk, client: str, fields: list[str]) -> list[str]:
        account, orders, kind = self.account, self.orders, int(fields[0])
        number = fields[2] if len(fields) > 2 else ""
        more = self.more.get(kind, [])
        if kind in ACTIONS:
            return [*orders.act(desk, client, fields), *more] or [""]
        answers: dict[int, Callable[[], list[str]]] = {
            START: lambda: [f"15|1|{account},{self.second_account}|", *more, f"9|1|{orders.next_number(client)}|"],
            POSITIONS: lambda: [*rows.positions(desk, account), *more, "62|1|"],
            ALL_ORDERS: lambda: [*rows.orders(desk, account, orders.numbers), *more, "53|1|"],
            EXECUTIONS: lambda: [
                *rows.executions(desk, account, number, orders.numbers), *more, f"55|1|{number}|"
            ],
            CASH: lambda: [*rows.cash(desk, account, number), *more, f"74|1|{number}|"],
            TIME: lambda: [f"49|1|{int(self.world.clock.now().timestamp())}|"],
            COMPLETED: lambda: [*rows.completed(desk, account, orders.numbers, forgets=self.forgets), *more, "102|"],
            CONTRACT: lambda: _details(desk, fields, more),
        }  # fmt: skip
        return answers[kind]()

    def _after(self, kind: int) -> Iterator[str]:
        yield from self.late.get(kind, [])
        if kind == EXECUTIONS and self.commissions:
            yield from rows.commissions(Desk(self.world), self.account)


def _details(desk: Desk, fields: Sequence[str], more: Sequence[str]) -> list[str]:
    """Messages 10 of what fits the contract that is asked for, by its number or by kind, name and currency."""
    number, contract, kind, currency, name = fields[2], fields[3], fields[5], fields[12], fields[13]

    def fits(asset: str) -> bool:
        each = desk.state.instruments[asset]
        if contract not in ("", "0"):
            return str(rows.number(asset)) == contract
        return (rows.contract_kind(each), asset) == (kind, name) and currency in ("", each.currency)

    found = [rows.details(desk.state.instruments[asset], number) for asset in desk.state.instruments if fits(asset)]
    told = [row for row in more if f"|{name if contract in ('', '0') else contract}|" in row]
    found += [row.replace("|REQ|", f"|{number}|", 1) for row in told if not currency or f"|{currency}|" in row]
    if not found:
        return [f"4|2|{number}|200|No security definition has been found for the request||"]
    return [*found, f"52|1|{number}|"]
