"""A record with something of everything in it, and the tools of somebody who falsifies it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from msgspec.structs import replace
from sqlalchemy import Connection

from tests.live.recorded import RecordedDesk
from tests.record.observing import reading
from tests.record.test_recording import missed_fill
from tieout.clock import Clock
from tieout.record import keys
from tieout.record.audit.finding import Verdict
from tieout.record.audit.memory import remember
from tieout.record.audit.trust import Trust, trust_of
from tieout.record.audit.verifying import Asked, Verified, verify
from tieout.record.base import Verdict as Said
from tieout.record.base import Word
from tieout.record.entry import Draft
from tieout.record.log import Author, append, read_head
from tieout.record.payloads import Payloads
from tieout.record.plain import driver_sql
from tieout.record.retention import erase_expired
from tieout.record.settings import RecordSettings, Retention
from tieout.record.store.database import open_database
from tieout.record.tlog import merkle, note
from tieout.record.tlog.checkpoint import Checkpoint, format_checkpoint

Row = tuple[int, bytes, bytes]


async def fill(settings: RecordSettings, *, erase: bool = True) -> RecordedDesk:
    """Record a day: a missed fill that is booked, a foreign trade, a person's words, heartbeats, and an erasure or not."""
    desk = RecordedDesk(settings)
    record = await desk.start()
    missed_fill(desk)
    for _ in range(3):
        await desk.read()
    await record.say(
        Word(id="w-1", account="main", subject="b" * 32, verdict=Said.COMMENT, actor="ann", text="bought by hand")
    )
    until = desk.clock.now() + timedelta(days=400)
    await record.say(
        Word(id="w-2", account="main", subject="c" * 32, verdict=Said.KNOWN, actor="ben", text="as agreed", until=until)
    )
    desk.world.trade("main", "AAPL", "sell", Decimal(30), Decimal(190), client_order_id="by-hand")
    for _ in range(4):
        await desk.read()
    await record.reading(reading(desk.clock.now(), account="other", local="41", broker="43"))
    for _ in range(4):
        desk.clock.advance(300)
        await record.heartbeat()
    desk.clock.advance(40 * 86_400)
    record = await desk.start()
    await desk.read()
    await record.reading(reading(desk.clock.now(), account="other", local="7", broker="7", state=b"whole"))
    if erase:
        short = replace(Retention(), observations=30, reports=30)
        assert await erase_expired(record, short, desk.clock.now()) > 0
    for _ in range(3):
        await desk.read()
    await record.heartbeat()
    return desk


async def close(desk: RecordedDesk) -> None:
    """Let go of the store."""
    assert desk.record is not None
    await desk.record.close()


async def recorded(settings: RecordSettings, *, erase: bool = True) -> None:
    """Record that day, and let go of the store."""
    await close(await fill(settings, erase=erase))


async def change(settings: RecordSettings, work: Callable[[Connection], object]) -> None:
    """Change rows behind the record's back, as whoever may write the database can."""
    database = open_database(settings.store)

    def put(connection: Connection) -> None:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA defer_foreign_keys=ON")
        work(connection)

    try:
        await database.write(put)
    finally:
        await database.close()


def run(connection: Connection, sql: str, values: Sequence[object] = ()) -> None:
    """One statement, its places written as question marks."""
    connection.exec_driver_sql(driver_sql(connection, sql), tuple(values))


def rows(connection: Connection, sql: str, values: Sequence[object] = ()) -> list[tuple]:  # type: ignore[type-arg]
    """What a question answers."""
    return [tuple(row) for row in connection.exec_driver_sql(driver_sql(connection, sql), tuple(values))]


def entries_in(connection: Connection) -> list[Row]:
    """The log, whole."""
    found = rows(connection, "SELECT entry, event, body FROM log_entries ORDER BY entry")
    return [(row[0], bytes(row[1]), bytes(row[2])) for row in found]


def put_entries(connection: Connection, found: Sequence[Row]) -> None:
    """Put other entries in place of all."""
    run(connection, "DELETE FROM log_entries")
    for row in found:
        run(connection, "INSERT INTO log_entries (entry, event, body) VALUES (?, ?, ?)", row)


def rehash(connection: Connection, signer: note.Signer | None = None, origin: str | None = None) -> None:
    """Make the tree over the entries anew, and sign every checkpoint again if a *signer* is given."""
    bodies = [row[2] for row in entries_in(connection)]
    run(connection, "DELETE FROM tree_nodes")
    peaks: tuple[bytes, ...] = ()
    sizes = {row[0] for row in rows(connection, "SELECT size FROM checkpoints")}
    for place, body in enumerate(bodies):
        peaks, made = merkle.extend(place, peaks, merkle.leaf_hash(body))
        if made:
            run(connection, "INSERT INTO tree_nodes (leaf, hashes) VALUES (?, ?)", (place, b"".join(made)))
        if signer is not None and place + 1 in sizes:
            text = format_checkpoint(Checkpoint(origin or signer.name, place + 1, merkle.root(peaks)))
            signed = note.sign(text, signer)
            run(connection, "UPDATE checkpoints SET note = ? WHERE size = ?", (signed, place + 1))


def cut(connection: Connection, size: int, *, checkpoints: bool) -> None:
    """Cut the log to *size* entries: its rows, or also its checkpoints, its head and what was made of them."""
    run(connection, "DELETE FROM log_entries WHERE entry >= ?", (size,))
    run(connection, "DELETE FROM tree_nodes WHERE leaf >= ?", (size,))
    if not checkpoints:
        return
    run(connection, "DELETE FROM checkpoints WHERE size > ?", (size,))
    for table, column in _BY_ENTRY:
        run(connection, f"DELETE FROM {table} WHERE {column} >= ?", (size,))
    last = read_entry_time(connection, size - 1)
    run(connection, "UPDATE log_head SET size = ?, at = ?", (size, last))


def read_entry_time(connection: Connection, index: int) -> int:
    """An entry's time in microseconds."""
    from tieout.record.entry import decode
    from tieout.record.store.types import EPOCH

    (row,) = [row for row in entries_in(connection) if row[0] == index]
    return (decode(row[2], index).at - EPOCH) // timedelta(microseconds=1)


_BY_ENTRY = (
    ("observations", "entry"), ("reports", "entry"), ("decisions", "entry"), ("approvals", "entry"), ("actions", "intent"),
    ("alerts", "entry"), ("halts", "entry"), ("break_history", "entry"),
)  # fmt: skip


def append_as_thief(connection: Connection, signer: note.Signer, clock: Clock, *drafts: Draft) -> None:
    """Append with a stolen key, as the service would."""
    append(connection, read_head(connection), drafts, Author(signer.name, signer, clock, "feedface"))


async def last_good_size(settings: RecordSettings) -> int:
    """A size at which a commit ended, some entries before the end."""
    database = open_database(settings.store, read_only=True)
    try:
        found = await database.read(lambda connection: rows(connection, "SELECT size FROM checkpoints ORDER BY size"))
    finally:
        await database.close()
    size: int = found[-4][0]
    return size


async def verified(
    settings: RecordSettings, *, trust: Trust | None = None, memory: Path | None = None, master: bool = True
) -> Verified:
    """The verdict over a record as it lies there."""
    trust = trust or trust_of(None, None, settings.key_folder)
    memory = memory or settings.key_folder.parent / "memory"
    asked = Asked(store=settings.store, trust=trust, side=settings.head_file, memory=memory)
    database = open_database(settings.store, read_only=True)
    sealed = Payloads(database, keys.vault(settings.key_folder)) if master else None
    try:
        return await database.read(lambda connection: verify(connection, asked, sealed))
    finally:
        await database.close()


async def verdict(settings: RecordSettings, **how: object) -> Verdict:
    """The verdict alone."""
    return (await verified(settings, **how)).verdict  # type: ignore[arg-type]


async def remembered(settings: RecordSettings, memory: Path) -> None:
    """Verify it as a reader does, who finds it sound and remembers the head."""
    found = await verified(settings, memory=memory)
    assert found.verdict.sound, found.verdict.findings
    assert found.newest is not None
    remember(memory, found.newest)


def copy_of(settings: RecordSettings, folder: Path) -> RecordSettings:
    """The same record (a SQLite file) in another folder, keys and all."""
    folder.mkdir()
    shutil.copy(settings.store, folder / "tieout.db")
    shutil.copytree(settings.key_folder, folder / "keys")
    return replace(settings, store=str(folder / "tieout.db"), keys=str(folder / "keys"))
