"""Markets come from a process of their own and from disk: exact, whole and of that venue, or not at all."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.brokers.ccxt.venue import SINCE
from tests.conform.loopback import Asked, Loopback, client, market

from tieout.brokers.ccxt.listed import ask
from tieout.brokers.ccxt.listing import Listing, NoListing, Wanted, kept
from tieout.brokers.ccxt.markets import FRESH, LAST, UNKNOWN_S, Markets
from tieout.clock import VirtualClock
from tieout.errors import SourceError, SourceMalformed, SourceRefused, SourceThrottled, SourceUnreachable

ONE, TWO = market("QQQZEUR", "QQQ/EUR", altname="QQQEUR"), market("ZZZZEUR", "ZZZ/EUR", altname="ZZZEUR")
SWAP = market("PI_QQQUSD", "QQQ/USD:QQQ", "1")


def pair(name: str) -> dict[str, Any]:
    """One of Kraken's pairs as it lists them."""
    return {
        "altname": f"{name}EUR", "wsname": f"{name}/EUR", "base": name, "quote": "ZEUR", "status": "online",
        "pair_decimals": 2, "lot_decimals": 8, "cost_decimals": 5, "ordermin": "0.0001", "costmin": "0.45",
        "tick_size": "0.01", "leverage_buy": [], "leverage_sell": [], "fees": [[0, 0.4]], "fees_maker": [[0, 0.25]],
    }  # fmt: skip


PAIRS = {f"{name}ZEUR": pair(name) for name in ("XQQQ", "ZZZ", "YYY")}
COINS = {
    name: {"altname": alt, "decimals": 8, "display_decimals": 4, "status": "enabled"}
    for name, alt in (("XQQQ", "QQQ"), ("ZEUR", "EUR"))
}


def kraken(asked: Asked) -> tuple[int, str]:
    """Kraken's public lists, in invented names."""
    return 200, json.dumps({"error": [], "result": PAIRS if asked.path.endswith("AssetPairs") else COINS})


class Lister:
    """A process that lists: `cat` of what is to be told."""

    def __init__(self, folder: Path) -> None:
        self.path, self.clock = folder / "told", VirtualClock(SINCE)
        self.command: tuple[str, ...] = ("cat", str(self.path))

    def tells(self, *markets: dict[str, Any], names: tuple[str, ...] = ("QQQ/EUR",), **other: Any) -> None:
        """From now on it lists these."""
        wanted = Wanted(**{"venue": "kraken", "names": names, **other.pop("wanted", {})})
        told = Listing(**{"wanted": wanted, "ccxt": version("ccxt"), "markets": markets, "currencies": {}, **other})
        self.path.write_bytes(msgspec.json.encode(told))

    def fails(self, kind: str, wait: int | None = None) -> None:
        """From now on it says that it cannot."""
        self.path.write_bytes(msgspec.json.encode(NoListing(kind, "ExchangeNotAvailable", wait)))

    def gone(self) -> None:
        """From now on the process fails."""
        self.path.unlink()

    def markets(self, folder: Path | None = None, *, names: tuple[str, ...] = ("QQQ/EUR",)) -> Markets:
        """Markets that ask it."""
        return Markets("kraken", clock=self.clock, names=names, folder=folder, command=self.command)


@pytest.fixture
def lister(tmp_path: Path) -> Lister:
    """One that tells of one pair."""
    made = Lister(tmp_path)
    made.tells(ONE)
    return made


@asynccontextmanager
async def two_clients() -> AsyncIterator[tuple[Any, Any]]:
    """Two clients of a venue that is not to be reached."""
    both = client("kraken", 9), client("kraken", 9)
    try:
        yield both
    finally:
        for each in both:
            await each.close()


async def served(markets: Markets, one: Any) -> list[str]:
    """The symbols that a client was given."""
    await markets.ready(one)
    return sorted(one.markets)


async def test_a_process_lists_what_is_asked_for_exactly() -> None:
    """The real process, against a venue on the loopback interface: only what is named, no float, currencies by their code."""
    server = Loopback()
    server.answer = kraken
    await server.start()
    origin = f"http://127.0.0.1:{server.port}"
    markets = Markets("kraken", clock=VirtualClock(SINCE), names=("QQQ/EUR", "YYYEUR", "none"), origin=origin)
    try:
        async with two_clients() as (one, two):
            assert await served(markets, one) == ["QQQ/EUR", "YYY/EUR"]
            requests = len(server.asked)
            assert await served(markets, two) == ["QQQ/EUR", "YYY/EUR"]
            steps = one.markets["QQQ/EUR"]["precision"]
            assert (steps["amount"], steps["price"]) == ("0.00000001", "0.01")
            assert (one.safe_currency_code("XQQQ"), one.safe_currency_code("ZEUR")) == ("QQQ", "EUR")
            assert await one.load_markets() is one.markets is two.markets
            assert len(server.asked) == requests
    finally:
        await markets.close()
        await server.stop()


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ((200, '{"error":[],"result":{"XQQQZEUR":{"alt'), SourceMalformed),
        ((200, '{"error":[],"result":{}}'), SourceMalformed),
    ],
)
async def test_a_venue_that_does_not_list_is_a_failure(answer: tuple[int, str], kind: type[SourceError]) -> None:
    """A cut or an empty answer is told by its kind through the process, and is no list of no markets."""
    server = Loopback()
    server.answer = lambda _asked: answer
    await server.start()
    markets = Markets("kraken", clock=VirtualClock(SINCE), origin=f"http://127.0.0.1:{server.port}")
    try:
        async with two_clients() as (one, _):
            with pytest.raises(kind):
                await markets.ready(one)
            assert one.markets is None
    finally:
        await server.stop()


async def test_a_second_start_asks_nobody(lister: Lister, tmp_path: Path) -> None:
    """What lies on disk serves the next process, for it is whole, fresh and has all that is wanted."""
    async with two_clients() as (one, two):
        assert await served(lister.markets(tmp_path / "kept"), one) == ["QQQ/EUR"]
        lister.gone()
        assert await served(lister.markets(tmp_path / "kept"), two) == ["QQQ/EUR"]
        assert one.markets == two.markets


def broken(path: Path) -> Iterator[bytes]:
    """What may lie there instead of what was written."""
    whole = path.read_bytes()
    told = json.loads(whole)
    yield from (b"", b"null", b"[]", whole[: len(whole) // 2], whole + b"}")
    size = whole.replace(b'"precision":{"amount":"0.00000001"', b'"precision":{"amount":1e-8')
    assert size != whole
    yield size
    yield whole.replace(b'"venue":"kraken"', b'"venue":"binance"')
    yield whole.replace(b'"sandbox":false', b'"sandbox":true')
    yield whole.replace(version("ccxt").encode(), b"1.0.0")
    told["listing"]["markets"][0].pop("symbol")
    yield json.dumps(told).encode()
    yield whole.replace(b'"at":"2026', b'"at":"2036')


async def test_what_is_damaged_is_refreshed_and_not_believed(lister: Lister, tmp_path: Path) -> None:
    """Cut, empty, of another venue, network or version, with a float, without a name, or from the future: fetched anew."""
    (folder := tmp_path / "kept").mkdir()
    async with two_clients() as (one, two):
        await lister.markets(folder).ready(one)
        lister.tells(ONE, TWO)
        for damage in list(broken(folder / "kraken.json")):
            (folder / "kraken.json").write_bytes(damage)
            assert await served(lister.markets(folder), two) == ["QQQ/EUR", "ZZZ/EUR"], damage[:80]
        lister.gone()
        for damage in list(broken(folder / "kraken.json")):
            (folder / "kraken.json").write_bytes(damage)
            with pytest.raises(SourceUnreachable):
                await lister.markets(folder).ready(client("kraken", 9))


async def test_age_is_met_in_two_steps(lister: Lister, tmp_path: Path) -> None:
    """Old markets serve while new ones are fetched; very old ones do not serve."""
    async with two_clients() as (one, two):
        markets = lister.markets(tmp_path / "kept")
        await markets.ready(one)
        lister.tells(ONE, TWO)
        lister.clock.advance(FRESH.total_seconds() + 1)
        assert await served(markets, one) == ["QQQ/EUR"]
        assert markets._fetching is not None
        await markets._fetching
        assert await served(markets, one) == ["QQQ/EUR", "ZZZ/EUR"] == await served(markets, two)
        lister.gone()
        lister.clock.advance(LAST.total_seconds() + 1)
        for each in (markets, lister.markets(tmp_path / "kept")):
            with pytest.raises(SourceUnreachable):
                await each.ready(one)


async def test_a_failure_is_told_by_its_kind_and_not_asked_for_at_once_again(lister: Lister) -> None:
    """Each kind is itself again; until the time is up the same failure is told, and no process is started."""
    async with two_clients() as (one, _):
        for kind, wait in ((SourceRefused, None), (SourceThrottled, 120)):
            lister.fails(kind.__name__, wait)
            markets = lister.markets()
            with pytest.raises(kind):
                await markets.ready(one)
            lister.tells(ONE)
            lister.clock.advance(29 if wait is None else 119)
            with pytest.raises(kind):
                await markets.ready(one)
            lister.clock.advance(1)
            assert await served(markets, one) == ["QQQ/EUR"]


async def test_a_listing_of_something_else_is_refused(lister: Lister) -> None:
    """Another venue, another network, fewer names, one symbol twice, a contract of no size: nothing of it is believed."""
    sizeless = {name: value for name, value in SWAP.items() if name != "contractSize"}
    async with two_clients() as (one, _):
        for wrong in (
            lambda: lister.tells(ONE, wanted={"venue": "binance"}),
            lambda: lister.tells(ONE, wanted={"sandbox": True}),
            lambda: lister.tells(ONE, names=()),
            lambda: lister.tells(ONE, ONE),
            lambda: lister.tells(ONE, sizeless),
            lambda: lister.tells(ONE | {"precision": {"price": 0.1}}),
            lambda: lister.path.write_bytes(b"[]"),
        ):
            wrong()
            with pytest.raises(SourceMalformed):
                await lister.markets().ready(one)
        assert one.markets is None


async def test_a_name_that_turns_up_is_looked_up_once(lister: Lister) -> None:
    """A market that an answer names is fetched with the others; one that the venue does not know is rarely asked for."""
    async with two_clients() as (one, two):
        markets = lister.markets()
        await markets.ready(one)
        lister.tells(ONE, TWO, names=("QQQ/EUR", "ZZZEUR"))
        assert await markets.look_up(["ZZZEUR"])
        assert await served(markets, one) == await served(markets, two) == ["QQQ/EUR", "ZZZ/EUR"]
        lister.gone()
        assert await markets.look_up(["ZZZ/EUR"])
        lister.tells(ONE, TWO, names=("QQQ/EUR", "ZZZEUR", "NEW"))
        assert not await markets.look_up(["NEW"])
        lister.tells(ONE, TWO, market("NEW", "NEW/EUR"), names=("QQQ/EUR", "ZZZEUR", "NEW"))
        assert not await markets.look_up(["NEW"])
        lister.clock.advance(UNKNOWN_S)
        assert await markets.look_up(["NEW"])


async def test_nobodys_impatience_ends_what_others_wait_for(lister: Lister, tmp_path: Path) -> None:
    """One process fetches for all who wait; it goes on when one of them gives up, and ends when the markets are closed."""
    count, gate = tmp_path / "count", tmp_path / "gate"
    lister.command = ("sh", "-c", f"echo >> {count}; while ! test -e {gate}; do sleep 0.01; done; cat {lister.path}")
    async with two_clients() as (one, two):
        markets = lister.markets()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(markets.ready(one), 0.05)
        waiting = asyncio.create_task(markets.ready(two))
        gate.touch()
        await waiting
        assert sorted(two.markets) == ["QQQ/EUR"] and count.read_text() == "\n"
        gate.unlink()
        looking = asyncio.create_task(markets.look_up(["NEW"]))
        await asyncio.sleep(0)
        await markets.close()
        await asyncio.gather(looking, return_exceptions=True)
        assert markets._fetching is not None and markets._fetching.cancelled()


async def test_the_process_is_handed_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the environment it sees what a program needs to start, and none of the variables that hold keys."""
    monkeypatch.setenv("KRAKEN_SECRET", "31337")
    seen = (await ask(("env",), Wanted("kraken", ()))).decode()
    assert "PATH=" in seen and "31337" not in seen


def test_a_number_that_went_through_a_float_is_left_out() -> None:
    """Nobody knows its digits; text and whole numbers stay, and of the raw entry only what ccxt looks up."""
    told = kept(
        SWAP | {"precision": {"amount": 1e-8, "price": "0.5"}, "expiry": 7, "info": {"orderTypes": ["A"], "x": 1}}
    )
    assert (told["precision"], told["expiry"], told["contractSize"]) == ({"amount": None, "price": "0.5"}, 7, "1")
    assert told["info"] == {"orderTypes": ["A"]}
