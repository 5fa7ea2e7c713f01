"""`tieout doctor` against loopback venues: it says of an account what the venue says, and changes nothing there."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tieout.brokers.loopback.alpaca import LoopbackAlpaca
from tieout.brokers.loopback.base import Login
from tieout.brokers.loopback.faults import HttpFault, HttpRule
from tieout.brokers.simulated import Instrument, World
from tieout.clock import SystemClock
from tieout.model.amounts import dec
from tieout.serve.cli import run
from tieout.serve.doctor.examine import Case, compared

KEY, SECRET = "key-of-nobody", "secret-of-nobody"
LOCAL = '[accounts.{0}.local]\nkind = "file"\npath = "local.json"\n[accounts.{0}.broker]\n'
ALPACA = LOCAL.format("main") + 'kind = "alpaca"\napi_key_env = "VENUE_KEY"\nsecret_env = "VENUE_SECRET"\nurl = "{}"\n'


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of its own, and the secrets where they are looked for."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("VENUE_KEY", KEY)
    monkeypatch.setenv("VENUE_SECRET", SECRET)


def configured(text: str) -> None:
    """The configuration where the command looks for it."""
    Path("tieout.toml").write_text(text)


def here() -> list[Path]:
    """What lies in the folder."""
    return list(Path().iterdir())


@pytest.fixture
async def alpaca() -> AsyncIterator[LoopbackAlpaca]:
    """Alpaca, with an account that has some cash."""
    world = World(SystemClock(), seed=7)
    world.add_account("main", currency="USD")
    world.office.pay("main", "deposit", "USD", dec("94815162.37"))
    server = LoopbackAlpaca(world, Login(account="main", key=KEY, secret=SECRET))
    async with server:
        configured(ALPACA.format(server.url))
        yield server


async def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[dict[str, Any]]]:
    """Exit status, and what was seen of each account."""
    status = await asyncio.to_thread(run, ["doctor", "--json", *arguments])
    return status, [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def mends(seen: dict[str, Any]) -> list[str]:
    """What is to be mended."""
    return [each["what"] for each in seen["findings"] if each["level"] == "mend"]


async def test_an_account_that_is_well(alpaca: LoopbackAlpaca, capsys: pytest.CaptureFixture[str]) -> None:
    """Reach, clock, key, sections and pace are what is there; only reads were sent, and no amount or secret is told."""
    status, (seen,) = await told(capsys)
    assert (status, mends(seen)) == (0, [])
    assert seen["reached"]["failed"] is None
    assert abs(seen["clock"]["ahead_ms"]) <= seen["clock"]["within_ms"] + 1
    assert {each["section"]: (each["seen"], each["rows"]) for each in seen["sections"]} == {
        "positions": ("complete", 0), "balances": ("complete", 1), "orders": ("complete", 0), "fills": ("complete", 0),
        "activities": ("complete", 1),
    }  # fmt: skip
    assert seen["pace"]["rates"] == [[200, 60000]]
    assert {asked.method for asked in alpaca.asked} == {"GET", "HEAD"}
    assert await asyncio.to_thread(run, ["doctor"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("WELL, with 1 note  account main at alpaca, only reads\n")
    for secret in (KEY, SECRET, "94815162", "94,815,162"):
        assert secret not in text + json.dumps(seen)


async def test_a_right_that_is_not_told_is_not_a_no(alpaca: LoopbackAlpaca, capsys: pytest.CaptureFixture[str]) -> None:
    """Alpaca does not say what a key may do: it is said that it does not."""
    _, (seen,) = await told(capsys)
    assert (seen["rights"]["read"], seen["rights"]["trade"], seen["rights"]["withdraw"]) == (True, None, None)
    assert any("does not say whether the key may trade or withdraw" in each["what"] for each in seen["findings"])


async def test_a_clock_that_is_off_is_said_with_its_side(
    alpaca: LoopbackAlpaca, capsys: pytest.CaptureFixture[str]
) -> None:
    """A venue two seconds ahead means that this machine is behind it."""
    alpaca.skew = timedelta(seconds=2)
    status, (seen,) = await told(capsys)
    assert status == 1
    assert 1900 <= seen["clock"]["ahead_ms"] <= 2100
    assert any("behind the venue's" in what for what in mends(seen))


async def test_a_wrong_key_is_not_an_empty_account(alpaca: LoopbackAlpaca, capsys: pytest.CaptureFixture[str]) -> None:
    """The venue is reached, nothing is read, and no section counts as read with no rows."""
    alpaca.logins.clear()
    status, (seen,) = await told(capsys)
    assert (status, seen["rights"]) == (1, None)
    assert {(each["seen"], each["rows"]) for each in seen["sections"]} == {("failed", None)}
    assert any(what.startswith("nothing could be read") for what in mends(seen))


async def test_a_page_of_html_is_no_reading(alpaca: LoopbackAlpaca, capsys: pytest.CaptureFixture[str]) -> None:
    """What fails is said to have failed, whatever else is read."""
    page = HttpRule(fault=HttpFault.TEXT, endpoint="GET /v2/positions*", text="<html>", times=None)
    alpaca.faults.inject(page)
    status, (seen,) = await told(capsys)
    assert status == 1
    assert {each["section"] for each in seen["sections"] if each["seen"] == "failed"} == {"positions"}
    assert [what.partition(":")[0] for what in mends(seen)] == ["positions could not be read"]


async def test_nobody_there_is_said_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    """A venue that refuses connections is one thing to mend, and says nothing about the account."""
    configured(ALPACA.format("http://127.0.0.1:9"))
    status, (seen,) = await told(capsys)
    assert (status, seen["sections"], len(seen["findings"])) == (1, [], 1)
    assert seen["reached"]["failed"] == "connection"


async def test_bad_input_is_status_two(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A secret that is not there, and an account that is not: sentences that name the setting and never a value."""
    configured(ALPACA.format("http://127.0.0.1:9"))
    assert await asyncio.to_thread(run, ["doctor", "other"]) == 2
    monkeypatch.delenv("VENUE_SECRET")
    assert await asyncio.to_thread(run, ["doctor"]) == 2
    said = capsys.readouterr().err
    assert "accounts.main.broker.secret_env" in said
    assert KEY not in said


@pytest.mark.parametrize(
    ("more", "acts"),
    [
        ("", False),
        ("[record]\n", True),
        ('[record]\n[policy]\nmode = "shadow"\n', False),
        ("[record]\n[reconciliation]\nenabled = false\n", False),
    ],
)
async def test_who_acts_is_who_could(
    alpaca: LoopbackAlpaca, capsys: pytest.CaptureFixture[str], more: str, acts: bool
) -> None:
    """Only with a record, in the mode that acts, and switched on: and nothing of the record is opened for it."""
    configured(ALPACA.format(alpaca.url) + more)
    _, (seen,) = await told(capsys)
    assert seen["acts"] is acts
    assert sorted(each.name for each in here()) == ["tieout.toml"]


async def test_an_account_that_may_not_trade_is_said_where_it_should_act(
    alpaca: LoopbackAlpaca, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only there: who only reads needs no right to trade."""
    alpaca.logins[KEY] = Login(account="main", key=KEY, secret=SECRET, may=frozenset(("read",)))
    assert (await told(capsys))[0] == 0
    configured(ALPACA.format(alpaca.url) + "[record]\n")
    status, (seen,) = await told(capsys)
    assert (status, len(mends(seen)), "may not trade" in mends(seen)[0]) == (1, 1, True)


class WholeSeconds:
    """A broker whose clock tells whole seconds; it has nothing else."""

    name = "whole"

    def __init__(self, clock: SystemClock) -> None:
        self._clock = clock

    async def server_time(self) -> datetime:
        """Cut off."""
        return self._clock.now().replace(microsecond=0)


async def test_a_clock_that_tells_whole_seconds_claims_no_more() -> None:
    """Two clocks that agree are never told apart by what such a clock cuts off."""
    clock = SystemClock()
    broker: Any = WholeSeconds(clock)
    seen = await compared(Case("main", "v", broker, False, 300, 3600, 5), None, clock)
    assert seen.ahead_ms is not None and seen.within_ms is not None
    assert abs(seen.ahead_ms) <= seen.within_ms
    assert seen.within_ms >= 500


OPTION = "TSLA261218C00250000"


async def test_a_table_that_contradicts_the_venue_is_to_be_mended(
    alpaca: LoopbackAlpaca, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is held yet, and the size of a contract is told wrong: the venue's word stands beside it, status 1."""
    alpaca.world.add_instrument(Instrument(asset=OPTION, kind="cash", currency="USD", multiplier=dec("100")))
    table = f'[assets."{OPTION}"]\ncontract_size = "{{}}"\n'
    configured(ALPACA.format(alpaca.url) + table.format("10"))
    status, (seen,) = await told(capsys)
    said = f'{OPTION}: [assets."{OPTION}"] says contract_size = "10", and the venue lists contracts of 100'
    assert (status, [what.startswith(said) for what in mends(seen)]) == (1, [True])
    configured(ALPACA.format(alpaca.url) + table.format("100"))
    status, (seen,) = await told(capsys)
    assert (status, mends(seen), seen["against_table"]) == (0, [], [])


async def test_what_is_held_in_contracts_or_traded_no_more_is_noted(
    alpaca: LoopbackAlpaca, capsys: pytest.CaptureFixture[str]
) -> None:
    """A contract of 100 of which the table says nothing, and a share that is not traded: notes, and all is well."""
    for asset, size in ((OPTION, "100"), ("GONE", "1")):
        alpaca.world.add_instrument(Instrument(asset=asset, kind="cash", currency="USD", multiplier=dec(size)))
        alpaca.world.trade("main", asset, "buy", dec("1"), dec("5"))
    alpaca.told["GONE"] = {"status": "inactive"}
    status, (seen,) = await told(capsys)
    notes = [each["what"] for each in seen["findings"] if each["level"] == "note"]
    assert status == 0
    assert any(f"{OPTION}: the venue counts contracts of 100" in each for each in notes)
    assert "GONE: the venue says that it is not traded there now" in notes


async def test_a_list_that_is_not_told_is_no_list(alpaca: LoopbackAlpaca, capsys: pytest.CaptureFixture[str]) -> None:
    """Where the venue does not say what it lists, that is noted, and nothing is said of any instrument."""
    alpaca.world.add_instrument(Instrument(asset=OPTION, kind="cash", currency="USD", multiplier=dec("100")))
    alpaca.world.trade("main", OPTION, "buy", dec("1"), dec("5"))
    alpaca.faults.inject(
        HttpRule(fault=HttpFault.TEXT, endpoint="GET /v2/options/*", status=403, text="{}", times=None)
    )
    status, (seen,) = await told(capsys)
    assert (status, seen["listed"], seen["against_table"]) == (0, [], [])
    assert any("could not be asked" in each["what"] for each in seen["findings"])
