"""The process that is killed: a real reconciler on a real record, its venue and its books outside.

`python -m tests.record.crash.victim` imports everything once and then, for each line of JSON on standard input, forks a
process that does the work of that line; it prints the process's id, and that it is gone.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import Struct
from sqlalchemy import Connection

from tests.record.crash.outside import START
from tests.record.crash.wire import Answer, Asked, Message, Said, Told, answers, frame, receive
from tieout.books.base import CanApply
from tieout.brokers.base import AccountInfo, Capabilities, OrderRequest
from tieout.brokers.simulated.adapter import CAPABILITIES
from tieout.decide import Policy, Rule
from tieout.errors import ActionRefused, BookError
from tieout.live.reconciler import Account, PositionReconciler
from tieout.model.changes import Change
from tieout.model.discrepancy import ReconciliationStrategy
from tieout.model.settings import Settings
from tieout.model.snapshot import Activity, Balance, Fill, Order, Position, Snapshot
from tieout.record.entry import Draft, EntryKind
from tieout.record.log import Appended
from tieout.record.opening import open_record
from tieout.record.patient import PatientRecord
from tieout.record.recorder import StoreRecord
from tieout.record.settings import RecordSettings
from tieout.record.writer import Unit, Written

T = TypeVar("T")
CANCELS = Rule(cause=("EXTERNAL_ORDER",), strategy=ReconciliationStrategy.SYNC_TO_LOCAL, approval=False)
HEALS = Rule(
    cause_any=("MISSED_FILL", "FEE", "MULTIPLE"), strategy=ReconciliationStrategy.SYNC_TO_BROKER, reason="heals_itself"
)
POLICY = Policy(rules=(CANCELS, HEALS), changes_per_hour=100_000, heals_per_hour=100_000)
OURS = Settings(own_client_ids=("own-",))


class Work(Struct, frozen=True, kw_only=True):
    """What a process is to do.

    Attributes:
        outside: The socket of the world outside.
        record: Where it keeps its record.
        accounts: What it reconciles, side by side.
        producers: Tasks that append besides.
        rounds: So many reconciliations of each account, then it closes the record and ends; None is until it is killed.
        dies_at: It kills itself where it passes this point,
        times: for this many times.
    """

    outside: str
    record: RecordSettings
    accounts: tuple[str, ...]
    producers: int = 0
    rounds: int | None = None
    dies_at: str | None = None
    times: int = 1


class Points:
    """The places where the process may die."""

    def __init__(self, work: Work) -> None:
        self._at, self._left = work.dies_at, work.times

    def reach(self, point: str) -> None:
        """Pass a point, or die there."""
        if point == self._at:
            self._left -= 1
            if not self._left:
                os.kill(os.getpid(), signal.SIGKILL)


class OutsideClock:
    """Time as the outside tells it; what is monotonic is the machine's own."""

    def __init__(self) -> None:
        self._now = START

    def now(self) -> datetime:
        """The last time heard of."""
        return self._now

    def monotonic_ns(self) -> int:
        """Of the machine."""
        return time.monotonic_ns()

    async def sleep(self, seconds: float) -> None:
        """Nothing waits here."""

    def hear(self, now: datetime) -> None:
        """Go on to a time."""
        self._now = max(self._now, now)


class Link:
    """The line to the outside, and the alarm that goes over it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, clock: OutsideClock) -> None:
        self._reader, self._writer, self.clock = reader, writer, clock
        self._number = 0
        self._waiting: dict[int, asyncio.Future[Answer]] = {}
        self.intents: dict[str, str] = {}
        self._listening = asyncio.create_task(self._listen())

    async def tell(self, message: Message) -> None:
        """Say something; when this returns it is out of this process."""
        self._writer.write(frame(message))
        await self._writer.drain()

    async def ask(self, asked: Asked, kind: type[T]) -> T:
        """Ask, and wait for the answer."""
        self._number += 1
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[self._number] = answer
        await self.tell(msgspec.structs.replace(asked, number=self._number))
        found = await answer
        if found.failure == "BookError":
            raise BookError("a change", found.why)
        if found.failure is not None:
            raise ActionRefused(asked.method, found.why)
        return msgspec.msgpack.decode(found.body, type=kind)

    async def raise_alarm(self, account: str, sentence: str) -> None:
        """Tell a person."""
        await self.tell(Said(account, sentence))

    async def _listen(self) -> None:
        while (raw := await receive(self._reader)) is not None:
            answer = answers.decode(raw)
            self.clock.hear(answer.now)
            self._waiting.pop(answer.number).set_result(answer)


class OutsideBroker:
    """One account at the venue outside."""

    def __init__(self, link: Link, account: str) -> None:
        self.name, self._link, self._account = f"outside:{account}", link, account

    async def _ask(self, method: str, kind: type[T], **ids: str | None) -> T:
        return await self._link.ask(
            Asked(0, self._account, method, ids.get("broker_order_id"), ids.get("client_order_id")), kind
        )

    async def get_positions(self) -> tuple[Position, ...]:
        """Every position."""
        return await self._ask("get_positions", tuple[Position, ...])

    async def get_balances(self) -> tuple[Balance, ...]:
        """Every balance."""
        return await self._ask("get_balances", tuple[Balance, ...])

    async def get_open_orders(self) -> tuple[Order, ...]:
        """Every live order."""
        return await self._ask("get_open_orders", tuple[Order, ...])

    async def get_order(
        self, *, broker_order_id: str | None = None, client_order_id: str | None = None
    ) -> Order | None:
        """One order."""
        ids = {"broker_order_id": broker_order_id, "client_order_id": client_order_id}
        return await self._ask("get_order", Order | None, **ids)  # type: ignore[arg-type]

    async def get_fills(self, since: datetime) -> tuple[Fill, ...]:
        """Fills."""
        return await self._link.ask(Asked(0, self._account, "get_fills", since=since), tuple[Fill, ...])

    async def get_activities(self, since: datetime) -> tuple[Activity, ...]:
        """Activities."""
        return await self._link.ask(Asked(0, self._account, "get_activities", since=since), tuple[Activity, ...])

    async def get_account_info(self) -> AccountInfo:
        """Which account this is."""
        return await self._ask("get_account_info", AccountInfo)

    async def submit_order(self, request: OrderRequest) -> Order:
        """Nothing is ordered here."""
        raise AssertionError("no order is sent")

    async def cancel_order(self, *, broker_order_id: str | None = None, client_order_id: str | None = None) -> Order:
        """Ask for an order's end."""
        intent = self._link.intents.get(self._account)
        asked = Asked(0, self._account, "cancel_order", broker_order_id, client_order_id, intent=intent)
        return await self._link.ask(asked, Order)

    async def server_time(self) -> datetime:
        """The venue's clock."""
        return await self._ask("server_time", datetime)

    def capabilities(self) -> Capabilities:
        """Everything."""
        return CAPABILITIES

    async def close(self) -> None:
        """The line is another's."""


class OutsideBooks:
    """One account's books, which outlive this process."""

    can_apply = CanApply.HERE

    def __init__(self, link: Link, account: str) -> None:
        self._link, self._account = link, account

    async def read(self) -> Snapshot:
        """The books as they stand."""
        return await self._link.ask(Asked(0, self._account, "read"), Snapshot)

    async def apply(self, changes: Sequence[Change], *, reason: str) -> None:
        """Book them all, or none."""
        intent = self._link.intents.get(self._account)
        asked = Asked(0, self._account, "apply", changes=tuple(changes), reason=reason, intent=intent)
        await self._link.ask(asked, type(None))

    async def adopt(self, statement: Snapshot) -> None:
        """Nothing is adopted here."""
        raise AssertionError("these books hold something")


class Telling:
    """Around a record's writer: tells the outside what was acknowledged before anybody else learns it, and may die."""

    def __init__(self, record: StoreRecord, link: Link, points: Points) -> None:
        self._link, self._points = link, points
        writer = record.writer
        self._write, self._committed = writer.write, writer._committed
        self._kind = ""
        writer.write = self.write  # type: ignore[method-assign]
        writer._committed = self.committed

    async def write(self, unit: Unit) -> Written:
        """Record a unit, and tell."""
        kind = "load" if unit.rows is None else str(unit.drafts[0].kind)
        kind = "reading" if kind in ("observe", "compare") else kind
        self._points.reach(f"{kind}: before")
        written = await self._write(Unit(unit.drafts, self._mortal(unit, kind)))
        self._points.reach(f"{kind}: on the disk")
        events = [draft.event for draft in unit.drafts]
        await self._link.tell(Told(dict(zip(written.entries, events, strict=True))))
        if kind == "intent":
            assert unit.drafts[0].account is not None
            self._link.intents[unit.drafts[0].account] = unit.drafts[0].refs["action"]
        self._points.reach(f"{kind}: acknowledged")
        return written

    def _mortal(self, unit: Unit, kind: str) -> Callable[[Connection, Sequence[int]], None] | None:
        if unit.rows is None:
            return None
        inner = unit.rows

        def rows(connection: Connection, entries: Sequence[int]) -> None:
            inner(connection, entries)
            self._kind = kind
            self._points.reach(f"{kind}: in its transaction")

        return rows

    def committed(self, appended: Appended) -> None:
        """After a commit, before the head is kept besides the log."""
        self._points.reach(f"{self._kind}: committed")
        self._committed(appended)


async def run(work: Work) -> None:
    """Do the work."""
    clock, points = OutsideClock(), Points(work)
    reader, writer = await asyncio.open_unix_connection(work.outside)
    writer.transport.set_write_buffer_limits(high=0)  # so that what is written is out of this process
    link = Link(reader, writer, clock)
    await link.ask(Asked(0, work.accounts[0], "server_time"), datetime)
    points.reach("start: before the record")

    async def opens() -> StoreRecord:
        opened = await open_record(work.record, clock)
        points.reach("start: opened")
        Telling(opened, link, points)
        return opened

    record = PatientRecord(opens, clock)
    accounts = {
        name: Account(
            name=name, local=OutsideBooks(link, name), broker=OutsideBroker(link, name), settings=OURS, policy=POLICY
        )
        for name in work.accounts
    }
    reconciler = PositionReconciler(accounts, clock, record=record, alarm=link)
    tasks: list[Awaitable[None]] = [_reconcile(reconciler, link, name, work.rounds) for name in accounts]
    tasks += [_append(await record.opened(), number) for number in range(work.producers)]
    await asyncio.gather(*tasks)
    await record.close()
    writer.close()


async def _reconcile(reconciler: PositionReconciler, link: Link, account: str, rounds: int | None) -> None:
    done = 0
    while rounds is None or done < rounds:
        await link.ask(Asked(0, account, "tick"), type(None))
        await reconciler.reconcile(account, trigger="schedule")
        done += 1


async def _append(record: StoreRecord, number: int) -> None:
    """Load: one entry after the other, each when the last is on the disk."""
    while True:
        event = f"load:{os.getpid()}:{number}:{time.monotonic_ns()}"
        await record.write(Unit((Draft(event=event, kind=EntryKind.HEARTBEAT),)))


def main() -> None:
    """Fork a process for each line, and wait for its end."""
    for line in sys.stdin.buffer:
        work = msgspec.json.decode(line, type=Work)
        pid = os.fork()
        if pid == 0:
            asyncio.run(run(work))
            os._exit(0)
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()
        _, status = os.waitpid(pid, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    # Not the module that is run, but the one that others import: its classes are then the same for everybody.
    assert Path(__file__).exists()
    main()
