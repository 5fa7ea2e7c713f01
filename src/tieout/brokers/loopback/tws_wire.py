"""Messages as they go over the wire to and from TWS, and the numbers of those that the loopback knows.

Messages are written with | for the zero byte between fields, as they are read in logs.
"""

from __future__ import annotations

import asyncio
import struct

VERSION = 176
START, POSITIONS, ALL_ORDERS, EXECUTIONS, CASH, TIME, COMPLETED = 71, 61, 16, 7, 76, 49, 99
PLACE, CANCEL, CONTRACT = 3, 4, 9
READS = frozenset((POSITIONS, ALL_ORDERS, EXECUTIONS, CASH, TIME, COMPLETED, CONTRACT))
ACTIONS = frozenset((PLACE, CANCEL))
ANSWERED = READS | ACTIONS | {START}  # ends of subscriptions and others are not


def packed(message: str) -> bytes:
    """A message as it goes over the wire: its length, and its fields, each ended by a zero byte."""
    raw = message.replace("|", "\0").encode()
    return struct.pack(">I", len(raw)) + raw


async def received(reader: asyncio.StreamReader) -> str:
    """The next message."""
    (length,) = struct.unpack(">I", await reader.readexactly(4))
    return (await reader.readexactly(length)).decode()
