"""`tieout doctor` of an account at Interactive Brokers: what TWS lets be done, and where it does not answer."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from tests.brokers.ib.conftest import Office

from tieout.brokers.loopback.tws_faults import TwsFault
from tieout.brokers.loopback.tws_wire import ALL_ORDERS, CANCEL, COMPLETED, EXECUTIONS, PLACE
from tieout.serve.cli import run

CONFIGURED = (
    '[accounts.main.local]\nkind = "file"\npath = "local.json"\n'
    '[accounts.main.broker]\nkind = "ib"\naccount = "DU1"\nport = {}\n'
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of its own."""
    monkeypatch.chdir(tmp_path)


def configured(text: str) -> None:
    """The configuration where the command looks for it."""
    Path("tieout.toml").write_text(text)


async def examined(office: Office, capsys: pytest.CaptureFixture[str], more: str = "") -> dict[str, Any]:
    """What the doctor sees of the account."""
    configured(CONFIGURED.format(office.tws.port) + more)
    await asyncio.to_thread(run, ["doctor", "--json"])
    seen: dict[str, Any] = json.loads(capsys.readouterr().out)
    return seen


def said(seen: dict[str, Any]) -> str:
    """All that the doctor found."""
    return "\n".join(each["what"] for each in seen["findings"])


async def test_an_account_is_seen_and_nothing_is_sent(office: Office, capsys: pytest.CaptureFixture[str]) -> None:
    """Every section that TWS tells is read; fills are partial, for they are the day's; no order and no cancel goes out."""
    seen = await examined(office, capsys)
    sections = {each["section"]: each["seen"] for each in seen["sections"]}
    assert sections == {"positions": "complete", "balances": "complete", "orders": "complete", "fills": "partial",
                        "activities": "not read"}  # fmt: skip
    assert (seen["rights"]["read"], seen["rights"]["trade"], seen["rights"]["withdraw"]) == (True, None, False)
    assert seen["reached"]["connection_ms"] is not None
    assert seen["reached"]["http_ms"] is None
    assert not {PLACE, CANCEL} & set(office.tws.asked)


async def test_an_interface_that_only_reads_is_said(office: Office, capsys: pytest.CaptureFixture[str]) -> None:
    """With "Read-Only API" ticked TWS shows no orders and no executions: that is said, with where the tick is."""
    office.tws.faults |= dict.fromkeys((ALL_ORDERS, COMPLETED, EXECUTIONS), TwsFault.REFUSED)
    seen = await examined(office, capsys, '[record]\n[policy]\nmode = "act"\n')
    assert (seen["rights"]["read"], seen["rights"]["trade"]) == (False, False)
    assert '"Read-Only API" is ticked in TWS' in said(seen)
    assert "the key may not trade" in said(seen)
    assert {each["section"]: each["seen"] for each in seen["sections"]}["orders"] == "failed"


async def test_a_tws_that_is_not_there_is_said_once(office: Office, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody listens: one finding, and nothing is known of the account."""
    port = office.tws.port
    await office.tws.__aexit__()
    configured(CONFIGURED.format(port))
    assert await asyncio.to_thread(run, ["doctor", "--json"]) == 1
    seen = json.loads(capsys.readouterr().out)
    assert seen["reached"]["failed"] == "connection"
    assert "nothing is known of the account" in said(seen)
