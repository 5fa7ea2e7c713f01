"""The same desk on a SQLite file and on PostgreSQL: interface and pages say the same of breaks in every state."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import nicegui
import pytest
from sqlalchemy import Connection, insert, select

from tests.proving import sample
from tests.record import postgres
from tests.serve.api.stage import CLOCK, Stage, staged, write_trade
from tests.serve.dashboard.bare import cookie_of, opened
from tests.serve.dashboard.scene import ASKS
from tieout.clock import VirtualClock
from tieout.record.looking import Looking
from tieout.record.settings import RecordSettings
from tieout.record.store.database import Database, open_database
from tieout.record.store.migrations import migrate
from tieout.record.store.schema import metadata
from tieout.serve.access.roles import Role
from tieout.serve.dashboard import account, accounts, audit, breaks, charts, life
from tieout.serve.dashboard.verifying import Verifier

pytestmark = pytest.mark.asyncio(loop_scope="session")
ALONE, WAITING, BOOKED, ACCEPTED, REFUSED = NAMES = ("alpha", "Beta", "a-cured", "acc_epted", "Zeta")
ROUTES = (
    "/v1/accounts", *(f"/v1/accounts/{name}" for name in NAMES), "/v1/breaks", "/v1/breaks?closed=true", "/v1/breaks?limit=2",
    "/v1/breaks?severity=MODERATE", "/v1/breaks?cause=EXTERNAL_TRADE&limit=1&offset=1",
    "/v1/breaks?account=Zeta&asset=BTC/USD",
    *(f"/v1/reports?account={name}&limit=2" for name in NAMES), "/v1/reports?account=alpha&status=discrepancies&limit=1",
    "/v1/users", "/v1/tokens", "/v1/audit/entries?limit=500",
)  # fmt: skip
T = TypeVar("T")
Page = Callable[[], Awaitable[None]]


async def lived(stage: Stage) -> None:
    """Five accounts, each with a break that something else became of."""
    say = await stage.token(*Role, name="ann")
    for name in NAMES:
        write_trade(stage.folder, name, "2.08", "BTC/USD")
    await read(stage)
    rows = (await stage.ask("GET", "/v1/breaks", say)).body["breaks"]
    ids = {row["account"]: row["discrepancy_id"] for row in rows if row["domain"] == "position"}
    assert ids.keys() == set(NAMES)
    words: tuple[tuple[str, str, dict[str, object]], ...] = (
        (BOOKED, "approve", {}),
        (REFUSED, "reject", {}),
        (REFUSED, "comment", {}),
        (REFUSED, "assign", {"to": "ann"}),
        (ACCEPTED, "accept", {"until": "2099-01-01T00:00:00Z"}),
    )
    for name, verb, more in words:
        path = f"/v1/breaks/{ids[name]}"
        plan = (await stage.ask("GET", path, say)).body["waiting"]
        more = {**more, **({"plan": plan["plan"]} if verb in ("approve", "reject") else {})}
        said = await stage.ask("POST", f"{path}/{verb}", say, body={"reason": f"{verb} it", **more})
        assert said.status == 200, said.body
    assert (await stage.ask("POST", f"/v1/accounts/{WAITING}/halt", say, body={"reason": "lunch"})).status == 200
    await read(stage)


async def read(stage: Stage, times: int = 2) -> None:
    """Every account, one after the other, so often."""
    for _ in range(times):
        for name in NAMES:
            await stage.desk.schedule.request(name)
        await asyncio.sleep(0.21)  # the settle window: files are written at real times


async def answered(stage: Stage, token: str) -> dict[str, Any]:
    """What the interface says, and of each break its life."""
    found = {}
    rows = (await stage.ask("GET", "/v1/breaks?closed=true", token)).body["breaks"]
    for route in (*ROUTES, *(f"/v1/breaks/{row['discrepancy_id']}" for row in rows)):
        got = await stage.ask("GET", route, token)
        assert got.status == 200, (route, got.body)
        found[route] = got.body
    return found


async def shown(stage: Stage, cookie: str, ids: Sequence[str]) -> dict[str, list[str]]:
    """What the pages say to somebody who may see all of it."""
    pages: dict[str, Page] = {
        "/": accounts.show,
        "/breaks": breaks.show,
        "/breaks?closed=yes": breaks.show,
        "/history": charts.show,
        "/audit": audit.show,
        **{f"/accounts/{name}": partial(account.show, name) for name in NAMES},
        **{f"/breaks/{name}": partial(life.show, name) for name in ids},
    }
    found = {}
    nicegui.app.state.verifier = Verifier(RecordSettings(), CLOCK)
    for path, show in sample([*pages.items()], 3):
        with opened(stage, cookie, path) as page:
            await show()
            found[path] = page.told()
            assert not page.told("alarm"), (path, page.told("alarm"))
    return found


async def copied(stage: Stage, *stores: str) -> list[Database]:
    """The same rows in each of these, which nobody writes any more."""
    record = stage.desk.running.record
    assert record is not None
    rows = await record.database.read(
        lambda seen: [(table, [*seen.execute(select(table)).mappings()]) for table in metadata.sorted_tables]
    )

    def write(connection: Connection) -> None:
        migrate(connection)
        for table, found in rows:
            if found:
                connection.execute(insert(table), [dict(row) for row in found])

    databases = [open_database(store) for store in stores]
    for each in databases:
        await each.write(write)
    return databases


async def test_both_stores_show_the_same(tmp_path: Path, server: postgres.Server) -> None:
    """From the same rows SQLite and PostgreSQL give the same lists, lives, charts and pages, to the letter."""
    async with staged(tmp_path, NAMES, store=server.fresh(), more=ASKS) as stage:
        await lived(stage)
        token, cookie = await stage.token(*Role, name="reader"), await cookie_of(stage, "mia", *Role)
        desk, record, frozen = stage.desk, stage.desk.running.record, VirtualClock(CLOCK.now())
        assert record is not None
        databases = await copied(stage, f"{tmp_path}/copy.db", server.fresh())

        async def look(read_by: Database, work: Callable[[Looking], T], *, amounts: bool) -> T:
            sealed, locked = (record.payloads, None) if amounts else (None, "amounts are not shown to you")
            return await read_by.read(lambda connection: work(Looking(connection, sealed, locked)))

        said = list[tuple[dict[str, Any], dict[str, list[str]]]]()
        for read_by in databases:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(desk, "look", partial(look, read_by))
                patch.setattr(desk, "clock", frozen)
                told = await answered(stage, token)
                ids = [row["discrepancy_id"] for row in told["/v1/breaks?closed=true"]["breaks"]]
                patch.setattr("tests.serve.dashboard.bare.CLOCK", frozen)
                said.append((told, await shown(stage, cookie, ids)))
        for each in databases:
            await each.close()
    (told, pages), other = said
    assert other == (told, pages)
    rows = told["/v1/breaks?closed=true"]["breaks"]
    states = {row["account"]: (row["closed_at"] is not None, row["awaits"]) for row in rows}
    open_, waits, closed = (False, False), (False, True), (True, False)
    assert states == {ALONE: waits, WAITING: waits, BOOKED: closed, ACCEPTED: open_, REFUSED: open_}
    assert [row["account"] for row in told["/v1/accounts"]["accounts"] if row["halts"]] == [WAITING]
    assert all(len(each) > 5 for each in pages.values())
