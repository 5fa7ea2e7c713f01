"""TWS over a world: the text protocol of server version 176 on 127.0.0.1, for the unmodified ib_async. It takes no orders.

Messages are written with | for the zero byte between fields, as they are read in logs.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import Callable, Iterator
from enum import StrEnum

from tieout.brokers.loopback import tws_rows as rows
from tieout.brokers.loopback.desk import Desk
from tieout.brokers.simulated import World

VERSION = 176
START, POSITIONS, ALL_ORDERS, EXECUTIONS, CASH, TIME, COMPLETED = 71, 61, 16, 7, 76, 49, 99
ANSWERED = frozenset((START, POSITIONS, ALL_ORDERS, EXECUTIONS, CASH, TIME, COMPLETED))  # cancels and others are not


class TwsFault(StrEnum):
    """What goes wrong with one answer."""

    SILENT = "silent"
    NO_END = "no_end"
    CUT = "cut"
    CLOSED = "closed"
    SHORT_ROW = "short_row"
    BAD_NUMBER = "bad_number"
    REFUSED = "refused"
    CUT_OFF = "cut_off"
    HTML = "html"


class LoopbackTws:
    """TWS with one login that holds the accounts of *world*.

    Attributes:
        asked: The kinds of message that came, oldest first.
        faults: What goes wrong, by the kind of the request; each strikes for as long as it stands there.
        more: Further rows, by the kind of the request, as they are sent before its end.
        late: Rows sent after the end of an answer, by the kind of the request.
        commissions: Whether what was paid for executions is told.
        second_account: An account of the same login that this world does not hold.
    """

    def __init__(self, world: World, account: str) -> None:
        self.world, self.account = world, account
        self.asked: list[int] = []
        self.faults: dict[int, TwsFault] = {}
        self.more: dict[int, list[str]] = {}
        self.late: dict[int, list[str]] = {}
        self.commissions = True
        self.second_account = "DU7654321"
        self.port = 0
        self._server: asyncio.Server | None = None
        self._talks: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

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
        await _message(reader)
        if self.faults.get(0) is TwsFault.SILENT:
            await reader.read()
            return
        self._send(writer, f"{VERSION}|20261120 10:00:00 EST|")
        while True:
            fields = (await _message(reader)).split("\0")
            kind = int(fields[0])
            self.asked.append(kind)
            if kind in ANSWERED:
                self._answer(writer, kind, fields)
            await writer.drain()

    def _answer(self, writer: asyncio.StreamWriter, kind: int, fields: list[str]) -> None:
        fault = self.faults.get(kind)
        *body, end = self._whole(kind, fields)
        if fault is None or not _bent(writer, fault, body, fields):
            for message in [*body, end]:
                self._send(writer, message)
        if fault is None:
            for message in self._after(kind):
                self._send(writer, message)

    def _whole(self, kind: int, fields: list[str]) -> list[str]:
        desk, account = Desk(self.world), self.account
        number = fields[1] if kind == CASH else fields[2] if len(fields) > 2 else ""
        more = self.more.get(kind, [])
        answers: dict[int, Callable[[], list[str]]] = {
            START: lambda: [f"15|1|{account},{self.second_account}|", "9|1|1|"],
            POSITIONS: lambda: [*rows.positions(desk, account), *more, "62|1|"],
            ALL_ORDERS: lambda: [*rows.orders(desk, account), *more, "53|1|"],
            EXECUTIONS: lambda: [*rows.executions(desk, account, number), *more, f"55|1|{number}|"],
            CASH: lambda: [*rows.cash(desk, account, fields[2]), *more, f"74|1|{fields[2]}|"],
            TIME: lambda: [f"49|1|{int(self.world.clock.now().timestamp())}|"],
            COMPLETED: lambda: [*rows.completed(desk, account), *more, "102|"],
        }
        return answers[kind]()

    def _after(self, kind: int) -> Iterator[str]:
        yield from self.late.get(kind, [])
        if kind == EXECUTIONS and self.commissions:
            yield from rows.commissions(Desk(self.world), self.account)

    @staticmethod
    def _send(writer: asyncio.StreamWriter, message: str) -> None:
        writer.write(packed(message))


def packed(message: str) -> bytes:
    """A message as it goes over the wire: its length, and its fields, each ended by a zero byte."""
    raw = message.replace("|", "\0").encode()
    return struct.pack(">I", len(raw)) + raw


async def _message(reader: asyncio.StreamReader) -> str:
    (length,) = struct.unpack(">I", await reader.readexactly(4))
    return (await reader.readexactly(length)).decode()


def _bent(writer: asyncio.StreamWriter, fault: TwsFault, body: list[str], fields: list[str]) -> bool:
    """Send what the fault leaves of an answer; False where the answer itself still follows."""
    match fault:
        case TwsFault.NO_END:
            writer.write(b"".join(map(packed, body)))
        case TwsFault.CUT:
            whole = b"".join(map(packed, [*body, "62|1|"]))
            writer.write(whole[: len(whole) - 3])
            writer.close()
        case TwsFault.CLOSED:
            writer.close()
        case TwsFault.HTML:
            writer.write(b"HTTP/1.1 502 Bad Gateway\r\n\r\n<html></html>")
        case TwsFault.REFUSED:
            writer.write(packed(f"4|2|{_request(fields)}|321|Error validating request: read-only||"))
        case TwsFault.CUT_OFF:
            writer.write(packed("4|2|-1|1100|Connectivity between IBKR and Trader Workstation has been lost.||"))
            return False
        case TwsFault.SHORT_ROW | TwsFault.BAD_NUMBER:
            body[:] = [_broken(message, fault) for message in body]
            return False
        case TwsFault.SILENT:
            return True
    return True


def _request(fields: list[str]) -> str:
    return fields[2] if int(fields[0]) in (CASH, EXECUTIONS) else "-1"


def _broken(message: str, fault: TwsFault) -> str:
    if fault is TwsFault.SHORT_ROW:
        return "|".join(message.split("|")[:6]) + "|"
    parts = message.split("|")
    at = {"61": 14, "5": 14, "11": 19, "73": 6, "101": 13}.get(parts[0])
    if at is not None:
        parts[at] = "1,5O"
    return "|".join(parts)
