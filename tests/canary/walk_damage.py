"""Walks over what was damaged: keys, stored rows, files beside them; and over addresses with a password in them."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from msgspec.structs import replace
from sqlalchemy import Connection, delete, select, text, update

from tests.canary.desks import START, MarkedDesk
from tests.canary.marks import PASSWORD, TOKEN
from tests.canary.walk_record import Ground, opened
from tieout.clock import VirtualClock
from tieout.errors import TieoutError
from tieout.record import keys
from tieout.record.opening import open_record
from tieout.record.settings import RecordSettings
from tieout.record.store import schema
from tieout.record.store.database import open_database

Damage = Callable[[Connection], object]


async def damaged_keys(ground: Ground) -> None:
    """Each key file cut, lengthened, exchanged for another, opened to others, or gone; keys made and rotated over it."""
    whole, other = ground.settings().key_folder, ground.settings().key_folder
    for number, file in enumerate((keys.LOG_KEY, keys.LOG_VKEY, keys.MASTER_KEY)):
        line = (whole / file).read_bytes()
        fates = [line[:-9], line + line, line.replace(b"+", b"-"), line[:20] + b"!" + line[20:], b"", b"\xff" + line,
                 (other / file).read_bytes(), (whole / keys.LOG_KEY).read_bytes(), line.swapcase()]  # fmt: skip
        for fate in fates:
            for attempt in (keys.load, keys.rotate, keys.create):
                folder = _fresh(whole, ground.folder / "damaged")
                (folder / file).write_bytes(fate)
                _caught(ground, attempt, folder)
        folder = _fresh(whole, ground.folder / f"open-{number}")
        (folder / file).chmod(0o644)
        _caught(ground, keys.load, folder)
        (folder / file).unlink()
        _caught(ground, keys.load, folder)
        _caught(ground, keys.create, folder)
        (folder / file).mkdir()
        _caught(ground, keys.load, folder)
    folder = _fresh(whole, ground.folder / "rotated")
    for _ in range(2):
        keys.rotate(folder)
    folder.chmod(0o755)
    _caught(ground, keys.create, folder)
    for name in ("a b", "a+b", "", "x" * 300):
        _caught(ground, keys.new_name, name)
    _caught(ground, keys.new_name, (whole / keys.LOG_KEY).read_text())
    held = keys.load(whole)
    ground.ear.hear("repr", f"{held!r} {held.signer!r} {held.vault!r}")


def _fresh(whole: Path, folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(whole, folder)
    return folder


def _caught(ground: Ground, attempt: Callable[..., object], *given: object) -> None:
    try:
        attempt(*given)
    except TieoutError as error:
        ground.ear.caught(error)


def _swap(connection: Connection) -> None:
    """Let two payloads change places."""
    one, other = connection.execute(select(schema.payloads).limit(2)).all()
    for to, of in ((one, other), (other, one)):
        values = {"wrapped_key": of.wrapped_key, "sealed": of.sealed}
        connection.execute(update(schema.payloads).where(schema.payloads.c.id == to.id).values(values))


DAMAGES: tuple[Damage, ...] = (
    _swap,
    lambda connection: connection.execute(update(schema.payloads).values(sealed=b"x" * 40)),
    lambda connection: connection.execute(update(schema.payloads).values(wrapped_key=b"x" * 40)),
    lambda connection: connection.execute(update(schema.payloads).values(sealed=None)),
    lambda connection: connection.execute(delete(schema.snapshots)),
    lambda connection: connection.execute(update(schema.snapshots).values(body=b"\x00" + TOKEN.encode())),
    lambda connection: connection.execute(update(schema.observations).values(record=b"\x00" + TOKEN.encode())),
    lambda connection: connection.execute(delete(schema.checkpoints)),
    lambda connection: connection.execute(update(schema.checkpoints).values(note=TOKEN.encode())),
    lambda connection: connection.execute(delete(schema.live_positions)),
    lambda connection: connection.execute(update(schema.live_positions).values(amount="94815162.37x")),
    lambda connection: connection.execute(text("DROP TABLE payloads")),
)


async def damaged_records(ground: Ground) -> None:
    """A record that was written, then changed behind its back: opened, read, and recorded into again."""
    settings, clock = ground.settings(), VirtualClock(START)
    desk = MarkedDesk(ground.ear.marks, clock)
    async with opened(settings, clock) as record:
        desk.start(record)
        await desk.differ(stranger=True, order=True)
        for _ in range(3):
            await desk.read()
    for number, damage in enumerate(DAMAGES):
        copy = _copied(settings, ground.folder / f"copy-{number}")
        database = open_database(copy.store)
        await ground.caught(database.write(damage))
        await database.close()
        await ground.caught(_go_on(desk, copy, clock))
    wrong = ground.settings()
    await ground.caught(_go_on(desk, replace(settings, keys=wrong.keys), clock))
    copy = _copied(settings, ground.folder / "copy-master")
    shutil.copy(wrong.key_folder / keys.MASTER_KEY, copy.key_folder / keys.MASTER_KEY)
    await ground.caught(_go_on(desk, copy, clock))
    for content in (b"", b"SQLite format 3\x00" + TOKEN.encode() * 400, _read(settings)[:5000]):
        copy = _copied(settings, ground.folder / f"file-{len(content)}")
        _write(copy, content)
        await ground.caught(_go_on(desk, copy, clock))
    for head in (TOKEN.encode(), b"", None):
        copy = _copied(settings, ground.folder / f"head-{head is None}-{len(head or b'')}")
        copy.head_file.unlink() if head is None else copy.head_file.write_bytes(head)
        await ground.caught(_go_on(desk, copy, clock))


def _read(settings: RecordSettings) -> bytes:
    return Path(settings.store).read_bytes()


def _write(settings: RecordSettings, content: bytes) -> None:
    Path(settings.store).write_bytes(content)


def _copied(settings: RecordSettings, folder: Path) -> RecordSettings:
    shutil.copytree(Path(settings.store).parent, folder)
    return RecordSettings(store=str(folder / "tieout.db"), keys=str(folder / "keys"))


async def _go_on(desk: MarkedDesk, settings: RecordSettings, clock: VirtualClock) -> None:
    async with opened(settings, clock) as record:
        desk.start(record)
        await desk.read()
        await desk.read()


async def addresses(ground: Ground) -> None:
    """URLs of databases with a password in them: refused, unreachable, malformed, or of another kind."""
    settings, clock = ground.settings(), VirtualClock(START)
    with closing(socket.socket()) as deaf:
        deaf.bind(("127.0.0.1", 0))
        port = deaf.getsockname()[1]
    guarded = guard(ground)
    urls = [
        guarded.replace("@", f":not-{PASSWORD}@"),
        guarded.replace("canary@", f"nobody:{PASSWORD}@"),
        f"postgresql://u:{PASSWORD}@127.0.0.1:{port}/x",
        f"postgresql://u:{PASSWORD}@127.0.0.1:port/x",
        f"postgresql://u:{PASSWORD}@h/x?secret={TOKEN}",
        f"postgresql://u:{PASSWORD}@[::1/x",
        f"postgresql+asyncpg://u:{PASSWORD}@127.0.0.1:{port}/x",
        f"POSTGRESQL://u:{PASSWORD}@127.0.0.1:{port}/x",
        f"mysql://u:{PASSWORD}@127.0.0.1",
        f"mysql://u:{PASSWORD}@127.0.0.1:{port}/x",
        f"postgresql:/u:{PASSWORD}@127.0.0.1:{port}/x",
        f"postgresql:u:{PASSWORD}@127.0.0.1:{port}",
    ]
    for url in urls:
        told = replace(settings, store=url)
        ground.ear.hear("repr", repr(told))
        await ground.caught(open_record(told, clock))
    ground.ear.hear("repr", repr(open_database(urls[2])))
    names = "\n".join(map(str, Path.cwd().rglob("*")))
    ground.ear.hear("file names", names)


def guard(ground: Ground) -> str:
    """The URL of a database that really asks for a password; the password is PASSWORD."""
    ground.server.psql(f"DROP ROLE IF EXISTS canary; CREATE ROLE canary LOGIN PASSWORD '{PASSWORD}';")
    rules = Path(ground.server.psql("SHOW hba_file;").strip().splitlines()[-1].strip() or "")
    if not rules.is_file():
        rules = ground.server._data / "pg_hba.conf"
    before = rules.read_text()
    if "canary" not in before:
        rules.write_text(f"local all canary scram-sha-256\n{before}")
        ground.server.psql("SELECT pg_reload_conf();")
    return ground.server.fresh().replace("postgres@", "canary@")


WALKS = (damaged_keys, damaged_records, addresses)
