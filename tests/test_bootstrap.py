"""The composition root: what is configured is what is built, and everything that was opened is closed."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import pytest

from tests.decide.building import START, pos, side
from tieout.books.durable import DurableBooks
from tieout.bootstrap import Built, Sides, opened
from tieout.brokers.alpaca.adapter import AlpacaBroker
from tieout.brokers.ccxt import adapter as ccxt_adapter
from tieout.brokers.ccxt.adapter import CcxtBroker
from tieout.brokers.dydx.adapter import DydxBroker
from tieout.brokers.loopback.alpaca import LoopbackAlpaca
from tieout.brokers.loopback.base import Login
from tieout.brokers.simulated import World
from tieout.brokers.simulated.remote import RemoteSimulatedBroker
from tieout.clock import SystemClock
from tieout.config import Config, load
from tieout.errors import BadInput, SourceUnreachable, StateError
from tieout.live.account import Account
from tieout.live.schedule import Cadence
from tieout.model.amounts import dec
from tieout.observe.reading import Reach
from tieout.sides import Making

SIDES = '[accounts.main.local]\nkind = "file"\npath = "local.json"\n[accounts.main.broker]\n'
HELD = side(pos("X", "1")).said("local", START, "main")
CCXT = SIDES + 'kind = "ccxt"\nexchange = "binanceusdm"\nassets = ["BTC/USDT:USDT"]\n'
ALPACA = SIDES + 'kind = "alpaca"\n'


def configured(tmp_path: Path, text: str) -> Config:
    """The configuration that *text* is."""
    path = tmp_path / "tieout.toml"
    path.write_text(text)
    return load(path, None, {})


async def test_the_pace_reaches_reading_and_schedule(tmp_path: Path) -> None:
    """Tries, deadlines, intervals and large fills, from the file, the profile and the account's own table."""
    text = 'profile = "conservative"\n[reconciliation]\nretry_count = 4\nlarge_fill_percent = ""\n'
    own = "[accounts.main.reconciliation]\ntimeout_seconds = 7\nhistory_seconds = 600\n"
    text += SIDES + 'kind = "simulated"\nurl = "http://127.0.0.1:9"\n' + own
    async with opened(configured(tmp_path, text), environment={}) as running:
        assert running.accounts["main"].reach == Reach(history_seconds=600, timeout_seconds=7, retry_count=4)
        assert running.cadences["main"] == Cadence(
            reconciliation_interval=60, timeout_seconds=91, large_fill_usd=Decimal(1000), large_fill_percent=None
        )


async def test_without_a_record_nothing_acts(tmp_path: Path) -> None:
    """What nobody could show later, and no restart remembers, is decided and left alone."""
    text = SIDES + 'kind = "simulated"\nurl = "http://127.0.0.1:9"\n'
    async with opened(configured(tmp_path, text), environment={}) as running:
        assert running.record is None
        assert running.accounts["main"].policy.mode == "shadow"


async def test_brokers_are_closed_in_the_end(tmp_path: Path) -> None:
    """Also where what was done with them failed."""
    text = SIDES + 'kind = "simulated"\nurl = "http://127.0.0.1:9"\naccount = "theirs"\n'
    brokers: list[RemoteSimulatedBroker] = []

    async def fail() -> None:
        async with opened(configured(tmp_path, text), environment={}) as running:
            broker = running.accounts["main"].broker
            assert isinstance(broker, RemoteSimulatedBroker)
            assert broker.name == "simulated:theirs"
            brokers.append(broker)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    with pytest.raises(SourceUnreachable, match="closed"):
        await brokers[0].get_positions()


async def test_secrets_come_from_where_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable and a file: what stands there reaches ccxt under its own names, and no part of the configuration."""
    (tmp_path / "secret").write_text("of-nobody\n")
    text = CCXT + f'api_key_env = "VENUE_KEY"\nsecret_file = "{tmp_path / "secret"}"\n'
    config, seen = configured(tmp_path, text), dict[str, str]()

    def note(venue: str, credentials: Mapping[str, str], options: object) -> None:
        seen.update(credentials, venue=venue)
        raise SourceUnreachable(venue, "all", "this is a test")

    monkeypatch.setattr(ccxt_adapter, "connect", note)
    async with opened(config, environment={"VENUE_KEY": "key-of-nobody"}) as running:
        with pytest.raises(SourceUnreachable):
            await running.accounts["main"].broker.get_positions()
    assert seen == {"venue": "binanceusdm", "apiKey": "key-of-nobody", "secret": "of-nobody"}
    assert "of-nobody" not in repr(config)


async def test_alpaca_is_asked_with_its_own_key_alone(tmp_path: Path) -> None:
    """Key and secret come from where they are, the server that is named is asked with them, and reads what is held."""
    world = World(SystemClock(), seed=7)
    world.add_account("main", currency="USD")
    world.office.pay("main", "deposit", "USD", dec("10.01"))
    (tmp_path / "secret").write_text("of-nobody\n")
    async with LoopbackAlpaca(world, Login(account="main", key="key-of-nobody", secret="of-nobody")) as server:
        keys = f'api_key_env = "VENUE_KEY"\nsecret_file = "{tmp_path / "secret"}"\nurl = "{server.url}"\n'
        config = configured(tmp_path, ALPACA + keys)
        async with opened(config, environment={"VENUE_KEY": "key-of-nobody", "OTHER": "other"}) as running:
            (balance,) = await running.accounts["main"].broker.get_balances()
            await running.accounts["main"].broker.close()
    assert (balance.currency, balance.total) == ("USD", dec("10.01"))
    assert "of-nobody" not in repr(config)
    assert not any("other" in value for asked in server.asked for value in asked.headers.values())


async def test_alpaca_without_a_key_is_not_asked(tmp_path: Path) -> None:
    """Both halves are missed at once, and a paper account is never asked at the live address."""
    with pytest.raises(BadInput) as raised:
        async with opened(configured(tmp_path, ALPACA), environment={}):
            raise AssertionError("unreachable")
    assert [problem.place for problem in raised.value.problems] == [
        "accounts.main.broker.api_key_env",
        "accounts.main.broker.secret_env",
    ]


@pytest.mark.parametrize(("paper", "host"), [("true", "paper-api.alpaca.markets"), ("false", "api.alpaca.markets")])
async def test_a_paper_account_has_its_own_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, paper: str, host: str
) -> None:
    """`paper` decides where Alpaca is asked."""
    urls, made = list[str](), AlpacaBroker.__init__

    def note(self: AlpacaBroker, *arguments: Any, **named: Any) -> None:
        urls.append(named["url"])
        made(self, *arguments, **named)

    monkeypatch.setattr(AlpacaBroker, "__init__", note)
    text = ALPACA + f'api_key_env = "K"\nsecret_env = "K"\npaper = {paper}\n'
    async with opened(configured(tmp_path, text), environment={"K": "k"}):
        assert urls == [f"https://{host}"]


async def test_a_sandbox_is_never_the_real_venue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the test network is asked for, the client's addresses are the test network's; where there is none, it says so."""
    clients = []
    made = CcxtBroker.__init__

    def note(self: CcxtBroker, *arguments: Any, **named: Any) -> None:
        clients.append(named["client"])
        made(self, *arguments, **named)

    monkeypatch.setattr(CcxtBroker, "__init__", note)
    async with opened(configured(tmp_path, CCXT + "sandbox = true\n"), environment={}):
        assert "testnet" in clients[0].urls["api"]["fapiPrivate"]
    text = CCXT.replace("binanceusdm", "kraken") + "sandbox = true\n"
    with pytest.raises(BadInput, match="without a test network"):
        async with opened(configured(tmp_path, text), environment={}):
            raise AssertionError("unreachable")


async def test_an_engine_s_books_are_read_and_let_go_of(tmp_path: Path) -> None:
    """Its folder is taken while it is looked at, and free afterwards; a folder without books is never empty books."""
    folder, clock = tmp_path / "state", SystemClock()
    DurableBooks.open("main", folder, clock, opened_from=HELD).close()
    text = f'[accounts.main.local]\nkind = "engine"\nfolder = "{folder}"\n[accounts.main.broker]\nkind = "file"\npath = "b"\n'
    config = configured(tmp_path, text)
    for _ in range(2):
        async with opened(config, environment={}) as running:
            assert (await running.accounts["main"].local.read()).positions == HELD.positions
            with pytest.raises(StateError):
                DurableBooks.open("main", folder, clock)
    misspelt = configured(tmp_path, text.replace("state", "sttae"))
    with pytest.raises(BadInput, match="no engine ever kept its books there"):
        async with opened(misspelt, environment={}):
            raise AssertionError("unreachable")
    assert not folder.with_name("sttae").exists()


async def test_everything_that_is_missing_is_told_at_once(tmp_path: Path) -> None:
    """A venue that cannot be read and each secret that is not there: one sentence each, and nothing was opened."""
    text = CCXT.replace("binanceusdm", "binanceusdn") + 'api_key_env = "NO_KEY"\nsecret_env = "NO_SECRET"\n'
    with pytest.raises(BadInput) as failure:
        async with opened(configured(tmp_path, text), environment={}):
            raise AssertionError("unreachable")
    places = [problem.place for problem in failure.value.problems]
    assert places == [f"accounts.main.broker.{name}" for name in ("api_key_env", "secret_env", "exchange")]
    assert "did you mean binanceusdm?" in str(failure.value)


async def test_accounts_of_one_key_share_its_wire(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One limiter and one breaker for both; each account as patient as it is configured; another key is another wire."""
    wires = []
    made = CcxtBroker.__init__

    def note(self: CcxtBroker, *arguments: Any, **named: Any) -> None:
        wires.append(named["wire"])
        made(self, *arguments, **named)

    monkeypatch.setattr(CcxtBroker, "__init__", note)
    text = ""
    for name, key, tries in (("a", "ONE", 1), ("b", "ONE", 4), ("c", "TWO", 4)):
        own = f"[accounts.{name}.reconciliation]\nretry_count = {tries}\ntimeout_seconds = {7 + tries}\n"
        text += CCXT.replace("binanceusdm", "okx").replace("main", name) + f'api_key_env = "{key}"\n{own}'
    async with opened(configured(tmp_path, text), environment={"ONE": "1", "TWO": "2"}) as running:
        assert all(account.broker.capabilities().tries_again for account in running.accounts.values())
        told = {name: each["read"].requests for name, each in running.measured.items() if each}
        assert told == {}
    a, b, c = wires
    assert a.limiter is b.limiter
    assert c.limiter is not a.limiter
    assert [(each.patience.tries_again, each.patience.seconds) for each in wires] == [(1, 8), (4, 11), (4, 11)]


async def test_dydx_is_read_by_an_adapter_of_its_own(tmp_path: Path) -> None:
    """Accounts at one indexer share its wire, for it counts requests by where they come from; ccxt is not asked."""
    text = SIDES + 'kind = "dydx"\naddress = "dydx1abcdef"\nsubaccount = 3\n'
    async with opened(configured(tmp_path, text), environment={}) as running:
        broker = running.accounts["main"].broker
        assert isinstance(broker, DydxBroker)
        assert broker.name == "dydx:main"
        assert not broker.capabilities().acts
    with pytest.raises(BadInput, match='write kind = "dydx"'):
        async with opened(configured(tmp_path, SIDES + 'kind = "ccxt"\nexchange = "dydx"\n'), environment={}):
            pass
    for wrong in ('address = "0x123"', 'address = "dydx1abcdef"\nsubaccount = 128'):
        with pytest.raises(BadInput):
            configured(tmp_path, SIDES + f'kind = "dydx"\n{wrong}\n')


@pytest.mark.parametrize(
    ("wanted", "heard"),
    [
        ("", ["file local.json", "alpaca:main", "alpaca:main polled"]),
        ("stream = false\n", ["file local.json", "alpaca:main polled"]),
    ],
)
async def test_the_venues_stream_is_listened_to_unless_the_file_says_no(
    tmp_path: Path, wanted: str, heard: list[str]
) -> None:
    """An account is looked at besides, for no stream tells of everything; without a stream that is all."""
    text = ALPACA + 'api_key_env = "K"\nsecret_env = "S"\n' + wanted
    async with opened(configured(tmp_path, text), environment={"K": "k", "S": "s"}) as running:
        streams = running.streams()
        assert {name: [stream.name for stream in each] for name, each in streams.items()} == {"main": heard}
        for stream in streams["main"]:
            await stream.close()


async def test_a_side_that_cannot_be_closed_leaves_no_other_open() -> None:
    """Each is let go of all the same; and one that takes the place of such a one is kept, to be closed at the end."""
    sides, ended = Sides(cast(Making, None), {}), list[str]()

    def built(name: str, *, broken: bool) -> Built:
        async def end() -> None:
            ended.append(name)
            if broken:
                raise OSError("no")

        closing = AsyncExitStack()
        closing.push_async_callback(end)
        return Built(cast(Account, None), None, closing, None)

    for name in ("a", "b", "c"):
        await sides.keep(name, built(name, broken=name == "a"))
    with pytest.raises(OSError):
        await sides.keep("a", built("another a", broken=True))
    with pytest.raises(OSError):
        await sides.close()
    assert sorted(ended) == ["a", "another a", "b", "c"]
    await sides.close()
