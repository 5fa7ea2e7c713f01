"""The world outside the process that dies: the venue, the books, and what each of them was asked and did, in order.

It runs in the process of the test, which nobody kills, and counts for itself.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from tests.record.crash.wire import SENDS, Answer, Asked, Message, Said, Told, cut, encode, frame, messages
from tieout.books.engine_books import EngineBooks
from tieout.brokers.base import OrderRequest
from tieout.brokers.simulated import Instrument, SimulatedBroker, World
from tieout.clock import VirtualClock
from tieout.errors import ActionRefused, BookError
from tieout.model.amounts import dec
from tieout.model.changes import BookActivity, BookFill, Change

START = datetime(2026, 11, 20, 10, tzinfo=UTC)
SECONDS = 30  # that pass between two readings


class Outside:
    """A venue and books of some accounts, and their memory of what was asked of them.

    Args:
        accounts: Their names.
        rng: Decides what happens there.

    Attributes:
        said: Every message of the present run, in its order.
        sent: How often each intent was sent, over all runs.
        made: How often each record was booked and each order ended, over all runs.
        refused: What was asked for though it had happened already, or never fitted.
        dies: Which method kills the process that asks for it in place of answering, and whether it is
            done before; an alarm is always heard before.
    """

    def __init__(self, accounts: tuple[str, ...], rng: random.Random) -> None:
        self.clock, self._rng = VirtualClock(START), rng
        self.world = World(self.clock, seed=rng.randrange(1000))
        self.world.add_instrument(Instrument(asset="X", kind="cash", currency="USD"))
        self.world.set_price("X", dec("100"))
        for account in accounts:
            self.world.add_account(account)
            self.world.office.pay(account, "deposit", "USD", dec("1000000"))
            self.world.trade(account, "X", "buy", dec("1000"), dec("100"), client_order_id="own-0")
        self.clock.advance(120)
        self.brokers = {each: SimulatedBroker(self.world, each) for each in accounts}
        self.books = {each: EngineBooks.opened_from(self.world.snapshot(each), self.clock) for each in accounts}
        self.said: list[Message] = []
        self.sent: Counter[str] = Counter()
        self.made: Counter[str] = Counter()
        self.happened: dict[str, bool] = {}
        self.refused: list[Asked] = []
        self.trouble = 0.0
        self.dies: tuple[str, bool] | None = None
        self.pid = 0
        self._number = 0
        self._open = 0
        self._silent = asyncio.Event()
        self._silent.set()

    @asynccontextmanager
    async def listening(self, path: Path) -> AsyncIterator[None]:
        """Take processes at a socket, for as long as the context lasts."""
        with socket.socket(socket.AF_UNIX) as door:
            door.bind(str(path))
            door.listen()
            door.setblocking(False)
            taking = asyncio.create_task(self._take(door))
            yield
            taking.cancel()
            with suppress(asyncio.CancelledError):
                await taking

    async def silent(self) -> None:
        """Return when all that a dead process had sent was heard."""
        await self._silent.wait()

    def disturb(self, account: str) -> None:
        """Let something happen that the books do not hear of, and that is healed by itself: booked, or cancelled."""
        self._number += 1
        if self._number % 3 == 0:
            request = OrderRequest(
                client_order_id=f"by-hand-{self._number}",
                asset="X",
                side="buy",
                quantity=dec("1"),
                limit_price=dec("1"),
            )
            self.world.submit(account, request)
        elif self._number % 3 == 1:
            self.world.trade(account, "X", "buy", dec("1"), dec("100"), client_order_id=f"own-{self._number}")
        else:
            self.world.office.pay(account, "fee", "USD", dec("-700"))

    async def _take(self, door: socket.socket) -> None:
        async with asyncio.TaskGroup() as group:
            while True:
                line, _ = await asyncio.get_running_loop().sock_accept(door)
                line.setblocking(False)
                self._open += 1
                self._silent.clear()
                group.create_task(self._serve(line))

    async def _serve(self, line: socket.socket) -> None:
        """Hear one process out, to the last byte that it sent, also where it is dead by then."""
        buffer = bytearray()
        with line, suppress(ConnectionResetError):
            while data := await asyncio.get_running_loop().sock_recv(line, 65536):
                buffer += data
                for raw in cut(buffer):
                    message = messages.decode(raw)
                    self.said.append(message)
                    if isinstance(message, Asked):
                        await self._answered(message, line)
                    elif isinstance(message, Said) and self.dies == ("alarm", True):
                        os.kill(self.pid, signal.SIGKILL)
        self._open -= 1
        if not self._open:
            self._silent.set()

    async def _answered(self, asked: Asked, line: socket.socket) -> None:
        """Answer a question, or kill the process in place of that."""
        if asked.method in SENDS:
            assert asked.intent is not None, "nothing is sent without an intent"
            self.sent[asked.intent] += 1
            self.happened.setdefault(asked.intent, False)
            if self._killed(asked, performed=False):
                return
        try:
            answer = Answer(asked.number, self.clock.now(), encode(await self._perform(asked)))
        except (BookError, ActionRefused) as error:
            self.refused.append(asked)
            answer = Answer(asked.number, self.clock.now(), failure=type(error).__name__, why=str(error))
        if asked.method in SENDS and self._killed(asked, performed=True):
            return
        with suppress(BrokenPipeError, ConnectionResetError):  # it died before it had its answer
            await asyncio.get_running_loop().sock_sendall(line, frame(answer))

    def _killed(self, asked: Asked, *, performed: bool) -> bool:
        if self.dies != (asked.method, performed):
            return False
        os.kill(self.pid, signal.SIGKILL)
        return True

    async def _perform(self, asked: Asked) -> object:
        broker, books = self.brokers[asked.account], self.books[asked.account]
        match asked.method:
            case "tick":
                self._tick(asked.account)
                return None
            case "read":
                return await books.read()
            case "apply":
                await books.apply(asked.changes, reason=asked.reason)
                self._count(asked, [_named(asked.account, change) for change in asked.changes])
                return None
            case "cancel_order":
                return await self._cancel(asked)
            case "get_order":
                return await broker.get_order(
                    broker_order_id=asked.broker_order_id, client_order_id=asked.client_order_id
                )
            case "get_fills":
                return await broker.get_fills(asked.since or START)
            case "get_activities":
                return await broker.get_activities(asked.since or START)
            case other:
                return await getattr(broker, other)()

    def _tick(self, account: str) -> None:
        self.clock.advance(SECONDS)
        while self._rng.random() < self.trouble:
            self.disturb(account)

    async def _cancel(self, asked: Asked) -> object:
        ids = {"broker_order_id": asked.broker_order_id, "client_order_id": asked.client_order_id}
        before = await self.brokers[asked.account].get_order(**ids)
        if before is None or not before.live:
            self.refused.append(asked)
        order = await self.brokers[asked.account].cancel_order(**ids)
        self._count(asked, [f"{asked.account} cancel {order.name}"])
        return order

    def _count(self, asked: Asked, names: list[str]) -> None:
        assert asked.intent is not None
        self.happened[asked.intent] = True
        self.made.update(names)

    def quiet(self, account: str) -> bool:
        """Whether nothing is left to heal: books and venue hold the same, and no stranger's order is live."""
        stated = self.world.snapshot(account)
        held = self.books[account].ledger.standing
        same = {row.fill_id for row in stated.fills or ()} == {row.fill_id for row in held.fills}
        moved = {row.activity_id for row in stated.activities or ()} == {row.activity_id for row in held.activities}
        return same and moved and not any(order.live for order in stated.orders or ())

    def told(self) -> dict[int, str]:
        """What the record acknowledged in the present run."""
        return {entry: event for each in self.said if isinstance(each, Told) for entry, event in each.entries.items()}

    def alarms(self) -> list[str]:
        """What people were told in the present run."""
        return [each.sentence for each in self.said if isinstance(each, Said)]


def _named(account: str, change: Change) -> str:
    if isinstance(change, BookFill):
        return f"{account} fill {change.fill.fill_id}"
    assert isinstance(change, BookActivity), "nothing else goes wrong in this world"
    return f"{account} activity {change.activity.activity_id}"
