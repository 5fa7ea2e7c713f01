"""Over the whole service: a halt reaches the program that trades, and so does its end; one not seen there is a trouble."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.serve.api.stage import ACCOUNT, Stage, staged
from tieout.config import load
from tieout.serve.access.roles import Role

HALTING = (
    ACCOUNT
    + """
[accounts.{name}.halting]
kind = "flag"
path = "{folder}/{name}.halt"
obeyed = "{folder}/{name}.obeyed"
"""
)


@pytest.fixture
async def halting(tmp_path: Path) -> AsyncIterator[Stage]:
    """A service whose accounts are traded by programs that look at a flag."""
    async with staged(tmp_path, configured=HALTING) as running:
        yield running


def flag(stage: Stage) -> list[str]:
    """The halts that the program is told of."""
    path = stage.folder / "main.halt"
    return [row["id"] for row in json.loads(path.read_text("utf-8"))["halts"]] if path.exists() else []


def obey(stage: Stage) -> None:
    """Have the program obey what it is told."""
    (stage.folder / "main.obeyed").write_text(json.dumps({"halts": flag(stage)}), "utf-8")


async def test_a_halt_is_a_trouble_until_it_is_seen_to_take_effect(halting: Stage) -> None:
    """A break halts the account: the program is told, the account in trouble until it obeys, and a resume takes the flag."""
    seer, approver = await halting.token(Role.VIEWER), await halting.token(Role.APPROVER)
    assert flag(halting) == []
    await halting.open_break()
    state = (await halting.ask("GET", "/v1/accounts/main", seer)).body
    assert flag(halting) == [halt["id"] for halt in state["halts"]]
    assert ["not seen to take effect" in each for each in state["troubles"]] == [True]
    obey(halting)
    await halting.reconciled(times=1)
    assert (await halting.ask("GET", "/v1/accounts/main", seer)).body["troubles"] == []
    halting.hold("local", "3")
    await halting.reconciled()
    assert flag(halting) != []
    body = {"reason": "mended", "shown": state["halts"]}
    assert (await halting.ask("POST", "/v1/accounts/main/resume", approver, body=body)).status == 200
    await halting.reconciled(times=1)
    assert flag(halting) == []


async def test_a_reload_halts_where_the_new_configuration_says(halting: Stage) -> None:
    """Another flag is told of the halt that stands; one that did not change is kept; who goes and comes back stays halted."""
    path, seer = halting.folder / "tieout.toml", await halting.token(Role.VIEWER)
    await halting.open_break()
    approver = await halting.token(Role.APPROVER)
    assert (await halting.ask("POST", "/v1/accounts/other/halt", approver, body={"reason": "by hand"})).status == 200
    await halting.reconciled("other", times=1)
    stood, others = flag(halting), (halting.folder / "other.halt").read_bytes()
    first = path.read_text("utf-8")
    path.write_text(first.replace("/main.halt", "/new.halt"), "utf-8")
    await halting.desk.take_on(load(path, None, {}))
    await halting.reconciled(times=1)
    assert [row["id"] for row in json.loads((halting.folder / "new.halt").read_text("utf-8"))["halts"]] == stood
    assert (flag(halting), (halting.folder / "other.halt").read_bytes()) == (stood, others)
    path.write_text(first[: first.index("[accounts.main")] + first[first.index("[accounts.other") :], "utf-8")
    await halting.desk.take_on(load(path, None, {}))
    assert (await halting.ask("GET", "/v1/accounts/main", seer)).status == 404
    assert flag(halting) == stood
    path.write_text(first, "utf-8")
    await halting.desk.take_on(load(path, None, {}))
    await halting.reconciled(times=1)
    assert [each["id"] for each in (await halting.ask("GET", "/v1/accounts/main", seer)).body["halts"]] == stood
    assert flag(halting) == stood
