"""The log as tiles, so that anybody with a C2SP client can hold it against its checkpoints.

Source: C2SP tlog-tiles. A tile is 256 hashes of one level of every eighth, or fewer at the log's end (`.p/W`); a bundle
is 256 entries, each behind its length in two bytes.
"""

from __future__ import annotations

import re

from msgspec import Struct
from sqlalchemy import Connection

from tieout.record.audit.exporting import read_entries
from tieout.record.log import read_head, read_subtrees

WIDTH, HEIGHT = 256, 8
_PATH = re.compile(r"(?:(entries)|([0-5]))/((?:x[0-9]{3}/){0,5}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?")


class Tile(Struct, frozen=True):
    """Which tile: of entries (`level` None) or of hashes, the how manieth, and how many it has of 256."""

    level: int | None
    index: int
    width: int


def parse_tile(path: str) -> Tile | None:
    """The tile that a path names, such as ``0/x001/067.p/5`` or ``entries/000``; None where it names none."""
    found = _PATH.fullmatch(path)
    if found is None:
        return None
    entries, level, index, width = found.groups()
    number = int(index.replace("x", "").replace("/", ""))
    wide = WIDTH if width is None else int(width)
    if wide > WIDTH or (width is not None and wide == WIDTH) or _name(number) != index:
        return None
    return Tile(None if entries else int(level), number, wide)


def read_tile(connection: Connection, tile: Tile) -> bytes | None:
    """The bytes of a tile; None where the log is not as long yet.

    Raises:
        LogBroken: Something that it is made of is not there.
    """
    first, last = tile.index * WIDTH, tile.index * WIDTH + tile.width
    level = HEIGHT * (tile.level or 0)
    if last << level > read_head(connection).size:
        return None
    if tile.level is None:
        bodies = [placed.raw for placed in read_entries(connection, first, last)]
        return b"".join(len(body).to_bytes(2, "big") + body for body in bodies)
    nodes = [(level, index) for index in range(first, last)]
    hashes = read_subtrees(connection, nodes)
    return b"".join(hashes[node] for node in nodes)


def _name(index: int) -> str:
    """A tile's number as paths write it: three digits at a time, all but the last behind an x."""
    digits = f"{index:03d}"
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    parts = [digits[start : start + 3] for start in range(0, len(digits), 3)]
    return "/".join([*(f"x{part}" for part in parts[:-1]), parts[-1]])
