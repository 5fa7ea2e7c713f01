"""Another configuration, taken on by a real process at a real SIGHUP: whole or not at all, and told line by line."""

from __future__ import annotations

import asyncio
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.serve.api.stage import ACCOUNT, Stage, staged, write_side
from tests.serve.ops.process import Served, served, write_configuration
from tieout.books.durable import DurableBooks
from tieout.clock import SystemClock
from tieout.config import load
from tieout.config.lines import line_of, located
from tieout.errors import BadInput
from tieout.model.report import ReconciliationReport
from tieout.serve.access.roles import Role
from tieout.serve.cli import run
from tieout.serve.reloading import reload

BROKEN = """\
[settings]
treshold_usd = "5"

[reconciliation]
interval_seconds = "soon"

[accounts.main.local]
kind = "file"
path = '''
main-local.json'''

[accounts.main."broker"]
knid = "file"

[[policy.rules]]
strategy = "HALT"
[[policy.rules]]
cause = "UNEXPLAINED"

[service]
listen = "nowhere"
"""
LINES = {
    "settings.treshold_usd": 2,
    "reconciliation.interval_seconds": 5,
    "accounts.main.broker.kind": 12,
    "policy.rules[1].strategy": 17,
    "service.listen": 21,
}


def test_each_problem_of_a_file_names_its_line(tmp_path: Path) -> None:
    """All of them at once, each where it stands; what is missing is where its table begins."""
    path = tmp_path / "tieout.toml"
    path.write_text(BROKEN)
    with pytest.raises(BadInput) as failed:
        load(path, None, {})
    told = {problem.place: located(problem) for problem in failed.value.problems}
    assert set(LINES) <= set(told)
    for place, line in LINES.items():
        assert told[place].startswith(f"{path}:{line}: {place}: ")
    assert all(text.startswith(f"{path}:") for text in told.values())


def test_a_place_that_is_not_there_has_no_line() -> None:
    """Nothing is made up; and a name is not taken for the beginning of another."""
    assert line_of("", "settings.x") is None
    assert line_of("[settingsx]\n[accounts.main-2.local]\n", "accounts.main.local") is None
    assert line_of("a.b = 1\n[c]\nd = 2\n", "c.e") == 2


def test_a_command_names_the_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever starts anything by a wrong file is led to the line."""
    (tmp_path / "tieout.toml").write_text(BROKEN)
    assert run(["check", "--config", str(tmp_path / "tieout.toml")]) == 2
    assert f"{tmp_path}/tieout.toml:2: settings.treshold_usd" in capsys.readouterr().err


async def accounts(running: Served) -> dict[str, Any]:
    """The accounts that are watched, and how they stand."""
    return {each["account"]: each for each in (await running.ask("/v1/accounts"))["accounts"]}


async def reloaded(running: Served, word: str, times: int = 1) -> list[str]:
    """Send the signal, and wait for what is said of it, in so many lines."""
    before = len(running.lines)
    running.signal(signal.SIGHUP)
    await running.until(lambda: sum(word in line["event"] for line in running.lines[before:]) >= times)
    return [line["event"] for line in running.lines[before:]]


async def test_a_real_process_takes_a_configuration_on(tmp_path: Path) -> None:
    """Accounts come, change and go, each by its own; a wrong file changes nothing; each change is in the log."""
    path = write_configuration(tmp_path, "main", "old")
    async with served(path, "--log", "json") as running:
        await running.ask("/v1/accounts/main/reconcile", "POST")
        assert set(await accounts(running)) == {"main", "old"}
        good = path.read_text()
        path.write_text(good.replace("[settings]", "[settings]\ntreshold_usd = 5\n[reconcilaition]"))
        told = await reloaded(running, "refused", times=2)
        assert all(f"{path}:" in line for line in told)
        assert any("settings.treshold_usd" in line for line in told)
        assert "tieout_configuration_refused 1.0" in await running.ask("/metrics")
        assert set(await accounts(running)) == {"main", "old"}
        write_configuration(tmp_path, "main", "new", more="[accounts.main.reconciliation]\ninterval_seconds = 30\n")
        told = await reloaded(running, "another configuration is in force")
        assert told[-1].endswith("added new; changed main; removed old")
        assert "tieout_configuration_refused 0.0" in await running.ask("/metrics")
        write_side(tmp_path, "new", "broker", "5")
        report = await running.ask("/v1/accounts/new/reconcile", "POST")
        assert [row["difference"] for row in report["discrepancies"]] == ["3"]
        assert (await running.ask("/v1/accounts/main/reconcile", "POST"))["status"] == "matched"
        found = await accounts(running)
        assert set(found) == {"main", "new"}
        assert found["main"]["overdue_after_seconds"] < found["new"]["overdue_after_seconds"]
        assert not found["main"]["troubles"]
        entries = [row["entry"] for row in (await running.ask("/v1/audit/entries?limit=500"))["entries"]]
        (entry,) = [each for each in entries if each.get("actor") == "reload"]
        assert entry["kind"] == "configure"
        assert {name: entry["refs"][name] for name in ("added", "changed", "removed")} == {
            "added": "new", "changed": "main", "removed": "old",
        }  # fmt: skip
        assert await reloaded(running, "in force") == [
            "another configuration is in force: nothing that counts now has changed"
        ]
    verify = ["audit", "verify", "--config", str(path), "--head", f"{tmp_path}/heads"]
    assert await asyncio.to_thread(run, verify) == 0


async def test_what_may_be_acting_is_waited_for(stage: Stage) -> None:
    """An account changes hands between two reconciliations: while one is under way nobody else begins one, others go on."""
    desk, gate, began = stage.desk, asyncio.Event(), asyncio.Event()
    reconciler, under_way = desk.running.reconciler, 0
    plain = reconciler.reconcile

    async def slow(account: str, **more: Any) -> ReconciliationReport:
        nonlocal under_way
        under_way += 1
        began.set()
        await gate.wait()  # as one that acts
        under_way -= 1
        return await plain(account, **more)

    await stage.reconciled(times=1)
    reconciler.reconcile = slow  # type: ignore[method-assign]
    asked = asyncio.create_task(desk.schedule.request("main"))
    await began.wait()
    path = stage.folder / "tieout.toml"
    path.write_text(path.read_text().replace("[settings]", '[settings]\nthreshold_usd = "7"'))
    taking = asyncio.ensure_future(desk.take_on(load(path, None, {})))
    async with asyncio.timeout(20):
        while desk.running.accounts["other"].settings.threshold_usd != 7:  # the other one does not wait
            await SystemClock().sleep(0.01)
    assert under_way == 1 and not taking.done()
    assert desk.running.accounts["main"].settings.threshold_usd != 7
    gate.set()
    assert (await asked).status == "matched"
    await taking
    assert desk.running.accounts["main"].settings.threshold_usd == 7
    assert (await stage.ask("POST", "/v1/accounts/main/reconcile", await stage.token(Role.OPERATOR))).body[
        "status"
    ] == "matched"
    assert desk.schedule.watch.troubles("main") == {}


async def test_halts_and_breaks_survive_a_change(stage: Stage) -> None:
    """A halt that stands, and a break that is open, stand as before once the account is judged by other settings."""
    break_id = await stage.open_break()
    approver = await stage.token(Role.APPROVER, amounts=True)
    before = (await stage.ask("GET", "/v1/accounts/main", approver)).body["halts"]
    assert before
    path = stage.folder / "tieout.toml"
    path.write_text(path.read_text().replace("[settings]", '[settings]\nthreshold_usd = "7"'))
    await stage.desk.take_on(load(path, None, {}))
    await stage.reconciled(times=1)
    after = (await stage.ask("GET", "/v1/accounts/main", approver)).body
    assert after["halts"] == before
    rows = (await stage.ask("GET", "/v1/breaks", approver)).body["breaks"]
    assert [row["discrepancy_id"] for row in rows] == [break_id]


async def test_an_account_on_an_engines_folder_changes_at_a_start_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """That is said as a problem of the file, and not as a fault of ours; the account goes on, and others may come."""
    books = DurableBooks.open("main", tmp_path / "state", SystemClock())
    books.close()
    engine = f'kind = "engine"\nfolder = "{tmp_path}/state"\n'
    told = re.sub(r'kind = "file"\n.*local.json"\nwritable = true\n', engine, ACCOUNT)
    async with staged(tmp_path, ("main",), configured=told) as stage:
        path = tmp_path / "tieout.toml"
        before = path.read_text("utf-8")
        path.write_text(before.replace("[settings]", '[settings]\nthreshold_usd = "7"'), "utf-8")
        await reload(path, stage.desk)
        (said,) = [each.getMessage() for each in caplog.records if "refused" in each.getMessage()]
        assert f"{path}:" in said and "change hands at a start alone; start the service anew" in said
        assert stage.desk.running.accounts["main"].settings.threshold_usd != 7
        for source in ("local", "broker"):
            write_side(tmp_path, "new", source, "2")
        path.write_text(before + ACCOUNT.format(name="new", folder=tmp_path), "utf-8")
        await reload(path, stage.desk)
        assert set(stage.desk.accounts) == {"main", "new"}
        await stage.reconciled(times=1)
