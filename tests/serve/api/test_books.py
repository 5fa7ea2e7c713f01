"""Books that are pushed, over a real socket: what is established, what is asked for, and what a restart knows."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import select

from tests.serve.api.pushing import PUSHED, books, fill, now, order
from tests.serve.api.stage import ACCOUNT, Stage, staged
from tieout.client import AsyncBooksClient, CorrectionState
from tieout.errors import ServiceRefused
from tieout.model.codec import encode
from tieout.record.entry import EntryKind, decode
from tieout.record.store.schema import alerts, log_entries
from tieout.serve.access.roles import Role

OPEN = (order("open"),)


@pytest.fixture
async def pushed(tmp_path: Path) -> AsyncIterator[Stage]:
    """A service whose accounts' books are pushed."""
    async with staged(tmp_path, configured=PUSHED) as running:
        yield running


async def client(stage: Stage) -> AsyncBooksClient:
    """A client of the account `main`."""
    return AsyncBooksClient(stage.url, await stage.token(Role.BOOKS, accounts=("main",)), "main", tries=2)


async def status(stage: Stage) -> str | None:
    """How the account's last reading ended."""
    return str((await stage.desk.states(["main"]))[0].status)


async def test_books_are_established_by_a_whole_snapshot_alone(pushed: Stage) -> None:
    """Before the first one, and while an event is missing, the account is not read; never as flat."""
    await pushed.reconciled(times=1)
    assert await status(pushed) == "incomplete"
    keeper = await client(pushed)
    assert (await keeper.push_snapshot(books())).established
    await pushed.reconciled(times=1)
    assert await status(pushed) == "matched"
    token = await pushed.token(Role.BOOKS)
    event = {"type": "fill", "id": "e2", "sequence": 2, "fill": json.loads(json.dumps(_raw_fill("f2")))}
    stream = (await keeper.push_snapshot(books())).stream
    body = {"stream": stream, "as_of": now().isoformat(), "events": [event]}
    got = (await pushed.ask("POST", "/v1/books/main/events", token, body=body)).body
    assert not got["books"]["established"]
    assert got["books"]["why"].startswith("event 1 of the stream is missing")
    await pushed.reconciled(times=1)
    assert await status(pushed) == "incomplete"
    first = {"type": "fill", "id": "e1", "sequence": 1, "fill": _raw_fill("f1")}
    body = {"stream": stream, "as_of": now().isoformat(), "events": [first, event]}
    got = (await pushed.ask("POST", "/v1/books/main/events", token, body=body)).body
    assert (got["news"], got["known"], got["books"]["established"], got["books"]["sequence"]) == (1, 1, True, 2)


def _raw_fill(name: str) -> dict[str, str]:
    return {
        "fill_id": name, "asset": "BTC/USD", "side": "buy", "quantity": "0.10", "price": "50000", "at": now().isoformat(),
        "settlement": "margin",
    }  # fmt: skip


async def test_a_correction_is_fetched_taken_booked_and_seen(pushed: Stage) -> None:
    """A missed fill is handed over, not applied by being acknowledged, and closes once the pushed books show it."""
    keeper = await client(pushed)
    missed = fill("F1", at=now() - timedelta(seconds=60))
    _broker_has(pushed, missed)
    await keeper.push_snapshot(books(orders=OPEN))
    report = await pushed.desk.schedule.request("main")
    (action,) = [each for each in report.actions if each.action == "book_fill"]
    assert action.status == "planned"
    (correction,) = await keeper.corrections()
    assert action.detail["correction"] == correction.id
    assert correction.changes[0].fill.fill_id == "F1"  # type: ignore[union-attr]
    assert (await keeper.acknowledge(correction.id)).state is CorrectionState.ACKNOWLEDGED
    report = await pushed.desk.schedule.request("main")
    (action,) = [each for each in report.actions if each.action == "book_fill"]
    assert (action.status, "acknowledged" in action.detail["outcome"]) == ("planned", True)
    assert "not applied" in action.detail["outcome"]
    keeper.add_fill(missed)
    await keeper.flush()
    report = await pushed.desk.schedule.request("main")
    assert report.status == "matched"
    assert await keeper.corrections() == ()
    token = await pushed.token(Role.BOOKS, Role.VIEWER)
    ended = (await pushed.ask("GET", "/v1/books/main/corrections?ended=true", token)).body["corrections"]
    assert [each["state"] for each in ended] == ["applied"]
    assert (await pushed.ask("GET", "/v1/breaks", token)).body["total"] == 0


async def test_a_correction_of_which_nothing_comes_is_escalated(pushed: Stage) -> None:
    """Taken and never booked: it fails after its time, trading stops, and nobody is asked to book it a second time."""
    keeper = await client(pushed)
    _broker_has(pushed, fill("F1", at=now() - timedelta(seconds=60)))
    await keeper.push_snapshot(books(orders=OPEN))
    await pushed.desk.schedule.request("main")
    (correction,) = await keeper.corrections()
    await keeper.acknowledge(correction.id)
    for _ in range(20):
        report = await pushed.desk.schedule.request("main")
        if report.halts:
            break
        await pushed.reconciled(times=1)
    assert [halt.reason for halt in report.halts] == ["did_not_converge"]
    assert len(await keeper.corrections()) == 1
    seer = await pushed.token(Role.VIEWER)
    (row, *_) = [each for each in report.discrepancies if each.domain == "position"]
    steps = (await pushed.ask("GET", f"/v1/breaks/{row.discrepancy_id}", seer)).body["steps"]
    ends = [step["verdict"] for step in steps if step["kind"] == "outcome"]
    assert ends == ["handed", "failed"], steps


async def test_what_nobody_wants_any_more_is_not_booked(pushed: Stage) -> None:
    """A correction whose break has gone is taken back: whoever fetched it late is told not to book it."""
    keeper = await client(pushed)
    _broker_has(pushed, fill("F1", at=now() - timedelta(seconds=60)))
    await keeper.push_snapshot(books(orders=OPEN))
    await pushed.desk.schedule.request("main")
    (correction,) = await keeper.corrections()
    pushed.hold("broker", "2")
    await keeper.push_snapshot(books())
    await pushed.reconciled()
    with pytest.raises(ServiceRefused) as refusal:
        await keeper.acknowledge(correction.id)
    assert refusal.value.status == 409


async def test_a_restart_knows_what_was_pushed(tmp_path: Path) -> None:
    """Books, the stream and open corrections are there after the service was ended and begun again."""
    async with staged(tmp_path, configured=PUSHED) as first:
        keeper = await client(first)
        _broker_has(first, fill("F1", at=now() - timedelta(seconds=60)))
        await keeper.push_snapshot(books(orders=OPEN))
        await first.desk.schedule.request("main")
        held = await keeper.corrections()
        token = await first.token(Role.BOOKS)
    async with staged(tmp_path, configured=PUSHED) as again:
        state = (await again.ask("GET", "/v1/books/main", token)).body
        assert (state["established"], state["corrections"]) == (True, 1)
        listed = (await again.ask("GET", "/v1/books/main/corrections", token)).body["corrections"]
        assert [each["id"] for each in listed] == [each.id for each in held]
        await again.desk.schedule.request("main")
        assert len((await again.ask("GET", "/v1/books/main/corrections", token)).body["corrections"]) == 1


async def test_what_does_not_fit_is_refused_and_said(pushed: Stage) -> None:
    """Another account's books, the broker's, older ones, ones of tomorrow, and events of no stream are refused in words."""
    token = await pushed.token(Role.BOOKS)

    async def put(raw: bytes, query: str = "") -> int:
        got = await pushed.ask("PUT", f"/v1/books/main/snapshot{query}", token, body=json.loads(raw))
        assert got.status == 200 or got.body["detail"]
        return got.status

    early = books()
    assert await put(encode(books(account="other"))) == 409
    assert await put(encode(books()).replace(b'"local"', b'"broker"')) == 422
    assert await put(encode(books()), "?sequence=5") == 200
    assert await put(encode(early), "?sequence=5") == 409
    assert await put(encode(books()), "?sequence=4") == 409
    tomorrow = now().replace(year=now().year + 1).isoformat()
    assert await put(json.dumps({**json.loads(encode(books())), "as_of": tomorrow}).encode()) == 409
    events: dict[str, object] = {"stream": "another", "as_of": now().isoformat(), "events": []}
    assert (await pushed.ask("POST", "/v1/books/main/events", token, body=events)).status == 409
    bad: dict[str, object] = {"type": "fill", "id": "e", "sequence": 6, "fill": {**_raw_fill("f"), "quantity": "-1"}}
    events = {"as_of": now().isoformat(), "events": [bad]}
    assert (await pushed.ask("POST", "/v1/books/main/events", token, body=events)).status == 409
    assert (await pushed.ask("GET", "/v1/books/none", token)).status == 404


async def test_books_that_are_not_pushed_take_nothing(stage: Stage) -> None:
    """An account whose books are a file is not written over HTTP."""
    got = await stage.ask("PUT", "/v1/books/main/snapshot", await stage.token(Role.BOOKS), body={})
    assert (got.status, 'kind = "pushed"' in got.body["detail"]) == (409, True)


def _broker_has(stage: Stage, missed: object) -> None:
    """The broker holds one more BTC by a fill, paid in cash."""
    held = json.loads((stage.folder / "main-broker.json").read_text("utf-8"))
    held["as_of"] = now().isoformat()
    held["positions"][0]["amount"] = "3"
    held["orders"] = [json.loads(msgspec.json.encode(order("filled")))]
    held["fills"] = [json.loads(msgspec.json.encode(missed))]
    (stage.folder / "main-broker.json").write_text(json.dumps(held), "utf-8")


async def test_books_of_another_account_are_another_ones_to_push(pushed: Stage) -> None:
    """A token is for its accounts: neither pushed nor fetched nor acknowledged elsewhere."""
    foreign = await pushed.token(Role.BOOKS, accounts=("other",))
    for method, path in (
        ("GET", "/v1/books/main"),
        ("PUT", "/v1/books/main/snapshot"),
        ("POST", "/v1/books/main/events"),
        ("GET", "/v1/books/main/corrections"),
        ("POST", "/v1/books/main/corrections/x/ack"),
    ):
        assert (await pushed.ask(method, path, foreign, body={})).status == 403


async def test_books_that_cannot_be_corrected_are_told_what_to_book(tmp_path: Path) -> None:
    """Read only: the action is skipped for that, the alert names the record and no amount, and trading is not stopped."""
    async with staged(tmp_path, configured=ACCOUNT.replace("writable = true\n", "")) as stage:
        local = json.loads(encode(books(orders=OPEN)))
        (stage.folder / "main-local.json").write_text(json.dumps(local), "utf-8")
        _broker_has(stage, fill("F1", at=now() - timedelta(seconds=60)))
        report = await stage.desk.schedule.request("main")
        (action,) = [each for each in report.actions if each.action == "book_fill"]
        assert (action.status, action.detail["reason"]) == ("skipped", "books_read_only")
        await stage.reconciled(times=2)
        rows = await stage.desk.look(lambda seen: seen.connection.execute(select(alerts.c.text)).all(), amounts=False)
        said = [row.text for row in rows if "books_read_only" in row.text]
        assert len(said) == 1, rows
        assert "Book it yourself: book the broker's fill F1 of BTC/USD, a buy" in said[0]
        assert "50000" not in said[0]
        assert (await stage.desk.schedule.request("main")).halts == ()


async def test_half_a_character_is_refused(pushed: Stage) -> None:
    """JSON lets it through, and nothing can be written with it: said, and no failure of ours."""
    keeper, token = await client(pushed), await pushed.token(Role.BOOKS)
    stream = (await keeper.push_snapshot(books())).stream
    event = {"type": "fill", "id": "\ud800", "sequence": 1, "fill": _raw_fill("f")}
    for body in (
        {"stream": stream, "as_of": now().isoformat(), "events": [event]},
        {"stream": stream, "as_of": now().isoformat(), "events": [{**event, "id": "e", "fill": _raw_fill("\ud800")}]},
    ):
        assert (await pushed.ask("POST", "/v1/books/main/events", token, body=body)).status in (409, 422)
    assert (await pushed.ask("GET", "/v1/books/main", token)).body["established"]


async def test_the_log_of_corrections_verifies(pushed: Stage) -> None:
    """What was handed over, taken and given up stands in the log as it happened, and the tables say the same."""
    keeper = await client(pushed)
    _broker_has(pushed, fill("F1", at=now() - timedelta(seconds=60)))
    await keeper.push_snapshot(books(orders=OPEN))
    await pushed.desk.schedule.request("main")
    (correction,) = await keeper.corrections()
    await keeper.acknowledge(correction.id)
    await keeper.acknowledge(correction.id)
    command = [
        sys.executable,
        "-m",
        "tieout",
        "audit",
        "verify",
        "--config",
        str(pushed.folder / "tieout.toml"),
        "--head",
        str(pushed.folder / "seen"),
    ]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    raw = await pushed.desk.look(lambda seen: seen.connection.execute(select(log_entries)).all(), amounts=False)
    kinds = [decode(row.body, row.entry) for row in raw]
    assert [(each.actor, each.refs["state"]) for each in kinds if each.kind is EntryKind.CORRECT] == [
        ("books", "acknowledged")
    ]
