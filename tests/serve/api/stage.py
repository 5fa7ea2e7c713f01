"""A whole service on loopback over two files, with callers of every kind: what API and pages are tested on."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterable, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, TCPConnector
from fastapi import APIRouter
from msgspec import Struct
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from tieout.clock import SystemClock
from tieout.config import load
from tieout.record import keys
from tieout.record.audit.exporting import last_index, read_entries
from tieout.record.entry import Entry, EntryKind
from tieout.record.grants import TokenRow
from tieout.record.looking import Looking
from tieout.record.users import UserRow
from tieout.serve.access.passwords import Passwords
from tieout.serve.access.roles import Role
from tieout.serve.access.tokens import make_token
from tieout.serve.api.app import build_app
from tieout.serve.desk import Desk
from tieout.serve.listening import listening
from tieout.serve.service import serving

CONFIGURATION = """
[record]
store = "{folder}/tieout.db"
keys = "{folder}/keys"
[service]
listen = "127.0.0.1:0"
[reconciliation]
retry_count = 0
[settings]
settle_seconds = "0.2"
{accounts}
"""
ACCOUNT = """
[accounts.{name}.local]
kind = "file"
path = "{folder}/{name}-local.json"
writable = true
[accounts.{name}.broker]
kind = "file"
path = "{folder}/{name}-broker.json"
"""
CLOCK = SystemClock()
PASSWORD = "four words make one"

# As strong as nothing, so that tests do not spend their time on it; one test takes what is recommended.
QUICK = Passwords(PasswordHash((Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1),)))


Told = tuple[int, str, Any]


def asking() -> ClientSession:
    """A client that leaves an idle connection before the server does: what is just being sent over it is lost else."""
    return ClientSession(connector=TCPConnector(keepalive_timeout=2))


class Answer(Struct, frozen=True):
    """What was answered."""

    status: int
    body: Any
    headers: Mapping[str, str]


class Stage:
    """A service that runs, and whoever asks it."""

    def __init__(self, folder: Path, desk: Desk, url: str, session: ClientSession) -> None:
        self.folder, self.desk, self.url, self._session = folder, desk, url, session

    async def token(
        self,
        *roles: Role,
        accounts: tuple[str, ...] | None = None,
        amounts: bool = False,
        days: int = 1,
        name: str = "",
    ) -> str:
        """A token for somebody of these roles."""
        made, now = make_token(), CLOCK.now()
        row = TokenRow(
            id=made.id, digest=made.digest, name=name or "+".join(roles) or "nobody", roles=tuple(roles), accounts=accounts,
            amounts=amounts, created_at=now, created_by="test", expires_at=now + timedelta(days=days),
        )  # fmt: skip
        await self.desk.grants.add_token(row)
        return made.text

    async def ask(
        self, method: str, path: str, token: str | None = None, *, body: Any = None, headers: Mapping[str, str] = {}
    ) -> Answer:
        """One request, over the socket."""
        more = {} if token is None else {"Authorization": f"Bearer {token}"}
        async with self._session.request(method, self.url + path, json=body, headers={**headers, **more}) as got:
            streams = got.headers.get("Content-Type", "").startswith("text/event-stream")
            raw = b"" if streams else await got.read()
            is_json = "json" in got.headers.get("Content-Type", "")
            return Answer(got.status, json.loads(raw, parse_float=Decimal) if is_json else raw, got.headers)

    @asynccontextmanager
    async def listening(self, token: str, *, after: int | None = None) -> AsyncIterator[AsyncIterator[Told]]:
        """What happens from now on, as it is told: the entry's index, its kind, and itself."""
        headers = {"Authorization": f"Bearer {token}"} | ({} if after is None else {"Last-Event-ID": str(after)})
        async with self._session.get(f"{self.url}/v1/events", headers=headers) as got, asyncio.timeout(20):
            assert got.status == 200
            assert await got.content.readline() == b": listening\n"
            yield _told(got.content)

    async def user(self, name: str, *roles: Role, password: str = PASSWORD) -> None:
        """A user who may log in."""
        hashed = await self.desk.callers.passwords.hash(password)
        row = UserRow(
            name=name, roles=tuple(roles), created_at=CLOCK.now(), created_by="test", password=hashed
        )  # fmt: skip
        await self.desk.users.add(row)

    async def lessen(self, name: str, *roles: Role) -> None:
        """Leave a user these roles alone, as somebody beside the service does."""
        with closing(sqlite3.connect(self.folder / "tieout.db")) as store, store:
            store.execute("UPDATE users SET roles = ? WHERE name = ?", (" ".join(roles), name))

    async def entries(self, kind: EntryKind) -> list[Entry]:
        """What the log has of a kind."""

        def read(seen: Looking) -> list[Entry]:
            found = [placed.entry for placed in read_entries(seen.connection, 0, last_index(seen.connection) + 1)]
            return [entry for entry in found if entry.kind is kind]

        return await self.desk.look(read, amounts=False)

    async def denials(self) -> list[str]:
        """Whoever was not let, and what they asked for, by the log."""
        return [f"{each.actor} {each.refs['what']}" for each in await self.entries(EntryKind.DENY)]

    def hold(self, source: str, amount: str, account: str = "main") -> None:
        """Let one side say that it holds so much BTC."""
        write_side(self.folder, account, source, amount)

    async def reconciled(self, account: str = "main", times: int = 2) -> None:
        """Have an account read as often, a settle window apart."""
        for _ in range(times):
            await self.desk.schedule.request(account)
            await asyncio.sleep(0.25)  # the settle window of the configuration: files are written at real times

    async def open_break(self) -> str:
        """Something differs; the id of the break that was opened for it."""
        self.hold("broker", "3")
        await self.reconciled()
        rows = (await self.ask("GET", "/v1/breaks", await self.token(Role.VIEWER))).body["breaks"]
        return str(rows[0]["discrepancy_id"])


async def _told(lines: AsyncIterable[bytes]) -> AsyncIterator[Told]:
    told = dict[str, str]()
    async for line in lines:
        name, _, text = line.decode().rstrip("\n").partition(": ")
        if name:
            told[name] = text
        elif "data" in told:
            yield int(told["id"]), told["event"], json.loads(told["data"])
            told.clear()


def write_side(folder: Path, account: str, source: str, amount: str) -> None:
    """What a side says from now on."""
    said = {
        "schema": "tieout.snapshot/1", "account": account, "source": source, "as_of": datetime.now(UTC).isoformat(),
        "positions": [{"asset": "BTC/USD", "amount": amount, "market_price": "50000", "currency": "USD"}],
        "balances": [{"currency": "USD", "total": "10000", "usd_price": "1"}], "orders": [], "fills": [], "activities": [],
    }  # fmt: skip
    path = folder / f"{account}-{source}.json"
    part = path.with_suffix(".part")
    part.write_text(json.dumps(said), "utf-8")
    part.replace(path)  # a reader never finds half of it


def write_trade(folder: Path, account: str, amount: str, asset: str) -> None:
    """The broker's file, with a fill that the books lack."""
    path = folder / f"{account}-broker.json"
    said = json.loads(path.read_text("utf-8"))
    now = datetime.now(UTC)
    positions = [row for row in said["positions"] if row["asset"] != asset]
    held = next((row["amount"] for row in said["positions"] if row["asset"] == asset), "0")
    said["positions"] = [
        *positions, {"asset": asset, "amount": amount, "market_price": "50000", "currency": "USD"}
    ]  # fmt: skip
    said["fills"] = [
        {"fill_id": f"x-{account}", "broker_order_id": f"o-{account}", "asset": asset, "side": "buy",
         "quantity": str(Decimal(amount) - Decimal(held)), "price": "50000", "settlement": "margin",
         "at": (now - timedelta(hours=1)).isoformat()}
    ]  # fmt: skip
    said["as_of"] = now.isoformat()
    part = path.with_suffix(".part")
    part.write_text(json.dumps(said), "utf-8")
    part.replace(path)


@asynccontextmanager
async def staged(
    folder: Path,
    accounts: tuple[str, ...] = ("main", "other"),
    *,
    configured: str = ACCOUNT,
    store: str | None = None,
    more: str = "",
    forms: Sequence[APIRouter] = (),
    listen: str = "127.0.0.1:0",
) -> AsyncIterator[Stage]:
    """A service over *folder*, listening, with accounts that match.

    Args:
        folder: Where everything of it is.
        accounts: Their names.
        configured: How each is configured.
        store: The database of its record, where that is no file in *folder*.
        more: Whatever else its configuration says.
        forms: What it serves besides the interface.
        listen: Where, where that has to be known before.
    """
    for account in accounts:
        for source in ("local", "broker"):
            if not (folder / f"{account}-{source}.json").exists():
                write_side(folder, account, source, "2")
    told = "".join(configured.format(name=name, folder=folder) for name in accounts)
    path = folder / "tieout.toml"
    text, usual = CONFIGURATION.format(folder=folder, accounts=told) + more, f"{folder}/tieout.db"
    path.write_text(text.replace(usual, store or usual).replace("127.0.0.1:0", listen), "utf-8")
    if not (folder / "keys").exists():
        keys.create(folder / "keys", "test")
    config = load(path, None, {})
    async with serving(config) as desk:
        app = build_app(desk)
        for each in forms:
            app.include_router(each)
        async with listening(app, config.service, config.file) as url, asking() as session:
            desk.callers.passwords = QUICK
            yield Stage(folder, desk, url, session)
            desk.closing.set()
