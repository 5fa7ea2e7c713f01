"""Crash points: every write and every broker call of an engine, counted, and one of them going wrong in one of four ways."""

from __future__ import annotations

import os
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Protocol, TypeVar

from msgspec import Struct

from tieout.books.disk import Disk
from tieout.brokers.base import AccountInfo, OrderRequest
from tieout.brokers.simulated import SimulatedBroker, World
from tieout.errors import OutcomeUnknown, RecordUnavailable, SourceTimeout
from tieout.model.intent import Ended, Intent
from tieout.model.snapshot import Activity, Balance, Fill, Order, Position
from tieout.record.base import Reading, Restored, Waits, Word
from tieout.record.recorder import StoreRecord

T = TypeVar("T")
EFFECTS = frozenset(("configure", "reading", "say", "intend", "conclude", "submit_order", "cancel_order"))


class Cell(Struct, frozen=True):
    """What happens at a point: whether the effect persists, and whether the caller sees an error or the process dies."""

    persisted: bool
    dies: bool

    def __str__(self) -> str:
        return f"{'happened' if self.persisted else 'did not happen'}, {'dies' if self.dies else 'raises'}"


CELLS = tuple(Cell(persisted, dies) for dies in (False, True) for persisted in (False, True))


def cells_of(name: str) -> tuple[Cell, ...]:
    """The ways in which a point can go wrong; a read has no effect that could persist."""
    has_effect = name.startswith("disk ") or name.rpartition(" ")[2] in EFFECTS
    return CELLS if has_effect else tuple(cell for cell in CELLS if not cell.persisted)


class Died(BaseException):
    """The process is gone: nothing after this has any effect."""


class Points:
    """Counts the points of a run, and lets the *fatal* ones go wrong.

    Args:
        fatal: By the number of the point, from 0, in which cell it goes wrong.
        killed: Called in place of dying, such as by the process that is really killed.
    """

    def __init__(self, fatal: Mapping[int, Cell] | None = None, killed: Callable[[], None] | None = None) -> None:
        self._fatal, self._killed = dict(fatal or {}), killed
        self.passed: list[str] = []
        self.struck: list[str] = []
        self.dead = False
        self.died: Callable[[], None] = lambda: None

    def wrong(self, name: str) -> Cell | None:
        """Pass a point; the cell in which it goes wrong, if it does."""
        self.check_alive()
        cell = self._fatal.get(len(self.passed))
        self.passed.append(name)
        if cell is not None:
            self.struck.append(f"{name} ({cell})")
        return cell

    def check_alive(self) -> None:
        """Nothing has an effect any more once the process died."""
        if self.dead:
            raise Died

    def end(self, cell: Cell, failure: Exception) -> Exception:
        """Die, or give the failure that the caller sees."""
        if not cell.dies:
            return failure
        if self._killed is not None:
            self._killed()
        self.dead = True
        self.died()
        raise Died

    async def call(self, name: str, call: Callable[[], Coroutine[None, None, T]], failure: Exception) -> T:
        """A call over the network or to the record."""
        cell = self.wrong(name)
        if cell is None:
            answer = await call()
            self.check_alive()
            return answer
        if cell.persisted and name.rpartition(" ")[2] in EFFECTS:
            with suppress(Exception):  # what it would have answered is lost with the answer
                await call()
        raise self.end(cell, failure)

    def step(self, name: str, step: Callable[[], T], torn: Callable[[], object] | None = None) -> T:
        """A step on the disk; one that did not happen leaves *torn*, where that is given."""
        cell = self.wrong(name)
        if cell is None:
            return step()
        if cell.persisted:
            step()
        elif torn is not None:
            torn()
        raise self.end(cell, OSError(5, "Input/output error"))


class CountedDisk(Disk):
    """The machine's disk. What a dead process had open is closed, as the kernel does."""

    def __init__(self, points: Points) -> None:
        self._points = points
        self._open: dict[int, tuple[int, int]] = {}

    def rename(self, path: Path, target: Path) -> None:
        """Counted."""
        self._points.step("disk rename", lambda: Disk.rename(self, path, target))

    def remove(self, path: Path) -> None:
        """Counted."""
        self._points.step("disk remove", lambda: Disk.remove(self, path))

    def append(self, descriptor: int, data: bytes) -> None:
        """Counted; one that did not happen leaves the first half of it."""
        half = data[: len(data) // 2]
        self._points.step(
            "disk append", lambda: Disk.append(self, descriptor, data), lambda: Disk.append(self, descriptor, half)
        )

    def sync(self, descriptor: int) -> None:
        """Counted."""
        self._points.step("disk sync", lambda: Disk.sync(self, descriptor))

    def cut(self, descriptor: int, size: int) -> None:
        """Counted."""
        self._points.step("disk cut", lambda: Disk.cut(self, descriptor, size))

    def open_end(self, path: Path) -> int:
        """Remembered, to be closed."""
        self._points.check_alive()
        return self._remember(super().open_end(path))

    def lock(self, path: Path) -> int | None:
        """Remembered, to be closed."""
        self._points.check_alive()
        found = super().lock(path)
        return None if found is None else self._remember(found)

    def _remember(self, descriptor: int) -> int:
        found = os.fstat(descriptor)
        self._open[descriptor] = found.st_dev, found.st_ino
        return descriptor

    def let_go(self) -> None:
        """Close what is open still."""
        for descriptor, identity in self._open.items():
            with suppress(OSError):  # closed already
                found = os.fstat(descriptor)
                if (found.st_dev, found.st_ino) == identity:
                    os.close(descriptor)


class CountedBroker(SimulatedBroker):
    """A line to the venue whose every call is a point."""

    def __init__(self, world: World, account: str, points: Points, sent: Callable[[OrderRequest], None]) -> None:
        super().__init__(world, account)
        self._points, self._sent = points, sent

    async def _read(self, name: str, call: Callable[[], Coroutine[None, None, T]]) -> T:
        return await self._points.call(f"broker {name}", call, SourceTimeout(self.name, name, "no answer in time"))

    async def get_positions(self) -> tuple[Position, ...]:
        """Counted."""
        return await self._read("get_positions", super().get_positions)

    async def get_balances(self) -> tuple[Balance, ...]:
        """Counted."""
        return await self._read("get_balances", super().get_balances)

    async def get_open_orders(self) -> tuple[Order, ...]:
        """Counted."""
        return await self._read("get_open_orders", super().get_open_orders)

    async def get_fills(self, since: datetime) -> tuple[Fill, ...]:
        """Counted."""
        return await self._read("get_fills", lambda: SimulatedBroker.get_fills(self, since))

    async def get_activities(self, since: datetime) -> tuple[Activity, ...]:
        """Counted."""
        return await self._read("get_activities", lambda: SimulatedBroker.get_activities(self, since))

    async def get_order(
        self, *, broker_order_id: str | None = None, client_order_id: str | None = None
    ) -> Order | None:
        """Counted."""
        ids = {"broker_order_id": broker_order_id, "client_order_id": client_order_id}
        return await self._read("get_order", lambda: SimulatedBroker.get_order(self, **ids))

    async def get_account_info(self) -> AccountInfo:
        """Counted."""
        return await self._read("get_account_info", super().get_account_info)

    async def server_time(self) -> datetime:
        """Counted."""
        return await self._read("server_time", super().server_time)

    async def submit_order(self, request: OrderRequest) -> Order:
        """Counted; the outside sees each that arrives."""

        async def send() -> Order:
            self._sent(request)
            return await SimulatedBroker.submit_order(self, request)

        lost = OutcomeUnknown("submit_order", "the answer was lost")
        return await self._points.call("broker submit_order", send, lost)

    async def cancel_order(self, *, broker_order_id: str | None = None, client_order_id: str | None = None) -> Order:
        """Counted."""
        ids = {"broker_order_id": broker_order_id, "client_order_id": client_order_id}
        lost = OutcomeUnknown("cancel_order", "the answer was lost")
        return await self._points.call("broker cancel_order", lambda: SimulatedBroker.cancel_order(self, **ids), lost)


class Listener(Protocol):
    """Who hears what became of people's words."""

    def on_disk(self, word: Word) -> None:
        """It is kept, whether or not anybody is told."""

    def acknowledged(self, word: Word) -> None:
        """A person was told that it is kept."""


class CountedRecord:
    """A record whose every call is a point; the listener hears of each word that is on the disk, and that is acknowledged."""

    def __init__(self, record: StoreRecord, points: Points, listener: Listener) -> None:
        self.record, self._points, self._listener = record, points, listener

    async def _through(self, name: str, call: Callable[[], Coroutine[None, None, T]]) -> T:
        return await self._points.call(f"record {name}", call, RecordUnavailable("the database is away"))

    async def claim(self, account: str) -> int:
        """Counted."""
        return await self._through("claim", lambda: self.record.claim(account))

    async def configure(self, account: str, configuration: bytes) -> str:
        """Counted."""
        return await self._through("configure", lambda: self.record.configure(account, configuration))

    async def restore(self, account: str) -> Restored:
        """Counted."""
        return await self._through("restore", lambda: self.record.restore(account))

    async def configuration(self, account: str, name: str) -> bytes:
        """Counted."""
        return await self._through("configuration", lambda: self.record.configuration(account, name))

    async def reading(self, reading: Reading) -> None:
        """Counted."""
        await self._through("reading", lambda: self.record.reading(reading))

    async def say(self, word: Word) -> None:
        """Counted."""

        async def keep() -> None:
            await self.record.say(word)
            self._listener.on_disk(word)

        await self._through("say", keep)
        self._listener.acknowledged(word)

    async def words(self, account: str, *, after: int) -> tuple[Word, ...]:
        """Counted."""
        return await self._through("words", lambda: self.record.words(account, after=after))

    async def waits(self, account: str, *, after: int) -> Waits:
        """Counted."""
        return await self._through("waits", lambda: self.record.waits(account, after=after))

    async def spoken(self) -> Mapping[str, int]:
        """Not counted: what it says only hastens the next reading."""
        return await self.record.spoken()

    async def permit(self) -> None:
        """Counted."""
        await self._through("permit", self.record.permit)

    async def confirm(self, account: str) -> None:
        """Not counted: where one process writes, it asks nobody."""
        await self.record.confirm(account)

    async def intend(self, intent: Intent) -> None:
        """Counted."""
        await self._through("intend", lambda: self.record.intend(intent))

    async def conclude(self, intent: Intent, ended: Ended, why: str | None = None) -> None:
        """Counted."""
        await self._through("conclude", lambda: self.record.conclude(intent, ended, why))

    async def attempts(self, account: str) -> Mapping[str, int]:
        """Counted."""
        return await self._through("attempts", lambda: self.record.attempts(account))

    async def unfinished(self, account: str) -> Sequence[Intent]:
        """Counted."""
        return await self._through("unfinished", lambda: self.record.unfinished(account))
