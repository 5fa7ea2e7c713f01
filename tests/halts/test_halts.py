"""Halts where orders come from: each kind stops, shows that it did, and is not believed where it did not."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.books.freqtrade.bot import SHORT, Bot, listening
from tests.loopback import on_loopback
from tieout.books.freqtrade.rest import Freqtrade
from tieout.books.posting import SIGNATURE, signature
from tieout.clock import VirtualClock
from tieout.halts.freqtrade import FreqtradeHalts
from tieout.halts.simple import Command, FlagFile, Webhook
from tieout.model.halt import Halt

NOW = datetime(2026, 11, 20, 13, tzinfo=UTC)
WHOLE = Halt(id="h1", asset=None, reason="unexplained", since=NOW)
ETH = Halt(id="h2", asset="ETH", reason="unexplained", since=NOW)
XRP = Halt(id="h3", asset="XRP", reason="unexplained", since=NOW)


def said(path: Path) -> Any:
    """What a file says; None where it is not there."""
    return json.loads(path.read_text("utf-8")) if path.exists() else None


def write(path: Path, told: object) -> None:
    """Have a file say something."""
    path.write_text(json.dumps(told), "utf-8")


async def test_a_flag_is_there_while_anything_is_halted(tmp_path: Path) -> None:
    """It lists the halts, and goes with the last; where nobody knows what stands it stays."""
    path = tmp_path / "halt"
    flag = FlagFile("main", path)
    assert await flag.follow([WHOLE, ETH], lifts=True) is None
    assert [row["id"] for row in said(path)["halts"]] == ["h1", "h2"]
    assert await flag.follow([], lifts=False) is None
    assert said(path) is not None
    assert await flag.follow([], lifts=True) is None
    assert said(path) is None
    assert "cannot be written" in (await FlagFile("main", tmp_path / "no" / "halt").follow([WHOLE], lifts=True) or "")


async def test_a_program_that_is_to_obey_a_flag_says_so(tmp_path: Path) -> None:
    """With a file that the program writes, its word counts: nothing, nonsense and another halt are no proof."""
    obeyed = tmp_path / "obeyed"
    flag = FlagFile("main", tmp_path / "halt", obeyed=obeyed)
    assert await flag.follow([WHOLE], lifts=True) == "the program says nothing yet"
    answers: tuple[object, ...] = ("", {"halts": []}, {"halts": ["h2"]}, {"halts": "h1"}, [])
    for wrong in answers:
        write(obeyed, wrong)
        assert await flag.follow([WHOLE], lifts=True) is not None
    write(obeyed, {"halts": ["h1", "older"]})
    assert await flag.follow([WHOLE], lifts=True) is None


def program(tmp_path: Path, text: str) -> Command:
    """A command that runs *text*."""
    path = tmp_path / "program.py"
    path.write_text(text, "utf-8")
    return Command("main", [sys.executable, str(path)])


async def test_a_command_shows_what_it_obeys(tmp_path: Path) -> None:
    """It is given all halts, and believed where it repeats their ids and ends well; it is told of the end, too."""
    seen = tmp_path / "seen"
    good = program(
        tmp_path,
        f"import json, sys\ntold = json.load(sys.stdin)\nopen({str(seen)!r}, 'w').write(json.dumps(told))\n"
        "print(json.dumps({'halts': [each['id'] for each in told['halts']]}))",
    )
    assert await good.follow([WHOLE, ETH], lifts=True) is None
    assert [row["asset"] for row in said(seen)["halts"]] == [None, "ETH"]
    assert await good.follow([], lifts=True) is None
    assert said(seen) == {"account": "main", "halts": []}
    write(seen, "untouched")
    assert await good.follow([], lifts=False) is None
    assert said(seen) == "untouched"


async def test_a_command_that_fails_is_no_proof(tmp_path: Path) -> None:
    """It ends badly, prints nothing, or is not there; and it is given no secret of our environment."""
    assert await program(tmp_path, "raise SystemExit(3)").follow([WHOLE], lifts=True) == "the command ended with 3"
    assert await program(tmp_path, "").follow([WHOLE], lifts=True) is not None
    assert "cannot be started" in (await Command("main", ["/no/program"]).follow([WHOLE], lifts=True) or "")
    names = program(tmp_path, "import os\nraise SystemExit(len(set(os.environ) - {'PATH', 'LC_CTYPE'}))")
    assert await names.follow([], lifts=True) is None


class Ear:
    """A webhook that answers what it is told to."""

    def __init__(self) -> None:
        self.heard: list[tuple[bytes, str]] = []
        self.answer: web.Response | None = None
        self.tell: Callable[[web.Request], Awaitable[web.StreamResponse]] | None = None

    async def hear(self, request: web.Request) -> web.StreamResponse:
        """One message."""
        if self.tell is not None:
            return await self.tell(request)
        self.heard.append((await request.read(), request.headers.get(SIGNATURE, "")))
        told = json.loads(self.heard[-1][0])
        return self.answer or web.json_response({"halts": [each["id"] for each in told["halts"]]})


@asynccontextmanager
async def heard() -> AsyncIterator[tuple[Ear, str]]:
    """An ear, and its address."""
    ear, application = Ear(), web.Application()
    application.router.add_post("/halt", ear.hear)
    async with on_loopback(application) as url:
        yield ear, f"{url}/halt"


async def test_a_webhook_answers_what_it_obeys() -> None:
    """The message is signed; an answer that is an error, a redirection or not its halts proves nothing."""
    async with heard() as (ear, url):
        hook = Webhook("main", url, secret="s3cret")
        assert await hook.follow([WHOLE], lifts=True) is None
        body, signed = ear.heard[0]
        assert signed == signature("s3cret", body)
        answers = (
            web.Response(status=500),
            web.Response(status=302, headers={"Location": url}),
            web.Response(text="ok"),
            web.json_response({"halts": []}),
        )
        for answer in answers:
            ear.answer = answer
            assert await hook.follow([WHOLE], lifts=True) is not None
    gone = await hook.follow([WHOLE], lifts=True)
    assert gone is not None and "s3cret" not in gone and url not in gone


async def test_an_answer_that_comes_in_pieces_is_read_whole() -> None:
    """A program writes as it pleases: half of what it obeys is not taken for all of it."""

    async def pieces(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        for piece in (b'{"halts": ', b'["h1"', b"]}"):
            await answer.write(piece)
            for _ in range(50):  # whoever asked reads it
                await asyncio.sleep(0)
        return answer

    async with heard() as (ear, url):
        ear.tell = pieces
        assert await Webhook("main", url).follow([WHOLE], lifts=True) is None


def halting(bot: Bot, **settings: Any) -> FreqtradeHalts:
    """The halts of *bot*."""
    return FreqtradeHalts(Freqtrade(bot.url, "bot", "pass"), VirtualClock(NOW), **settings)


async def test_a_bot_is_paused_and_started_again() -> None:
    """A halt of the account pauses it, once; the end of it starts it, and only where the pause was ours."""
    async with listening(Bot(SHORT)) as bot:
        halts = halting(bot)
        for _ in range(2):
            assert await halts.follow([WHOLE], lifts=True) is None
        assert bot.asked.count("POST pause") == 1
        assert await halts.follow([], lifts=False) is None
        assert bot.state == "paused"
        assert await halts.follow([], lifts=True) is None
        assert bot.state == "running"
        bot.state = "paused"
        assert await halting(bot).follow([WHOLE], lifts=True) is None
        assert await halting(bot).follow([], lifts=True) is None
        assert (bot.state, bot.asked.count("POST start")) == ("paused", 1)


async def test_a_bot_that_only_says_yes_is_not_believed() -> None:
    """What it is told it is asked for afterwards: a pause, a stop, a lock and a start that did nothing are said."""
    async with listening(Bot(SHORT)) as bot:
        halts = halting(bot)
        await halts.follow([WHOLE], lifts=True)
        bot.deaf = True
        assert await halts.follow([], lifts=True) == "freqtrade was told to start, and is paused"
        bot.state = "running"
        assert await halts.follow([WHOLE], lifts=True) == "freqtrade was told to pause, and is running"
        assert await halting(bot, account="stop").follow([WHOLE], lifts=True) is not None
        assert "1 of them are not" in (await halts.follow([ETH], lifts=True) or "")
    assert "cannot be asked" in (await halts.follow([WHOLE], lifts=True) or "")


async def test_a_halt_of_an_asset_locks_its_pairs() -> None:
    """Each pair that moves it, renewed before it ends; another's lock is never taken away; without a pair the bot pauses."""
    async with listening(Bot(SHORT)) as bot:
        halts = halting(bot)
        bot.locks = [{"id": 9, "pair": "SOL/USDT:USDT", "side": "*", "reason": "by hand", "active": True,
                      "lock_end_timestamp": int((NOW + timedelta(days=9)).timestamp() * 1000)}]  # fmt: skip
        assert await halts.follow([ETH], lifts=True) is None
        assert sorted(lock["pair"] for lock in bot.locks) == ["ETH/USDT:USDT", "SOL/USDT:USDT"]
        assert bot.state == "running"
        assert await halts.follow([ETH], lifts=True) is None
        assert len(bot.locks) == 2
        assert await halts.follow([], lifts=False) is None
        assert len(bot.locks) == 2
        assert await halts.follow([], lifts=True) is None
        assert [lock["pair"] for lock in bot.locks] == ["SOL/USDT:USDT"]
        assert await halts.follow([XRP], lifts=True) is None
        assert bot.state == "paused"


async def test_assets_are_halted_also_where_the_account_is_not() -> None:
    """A pause that is not seen to work keeps no lock from being set, and a list of pairs that fails keeps no bot running."""
    async with listening(Bot(SHORT)) as bot:
        bot.deaf_to = {"pause"}
        said = await halting(bot).follow([WHOLE, ETH], lifts=True)
        assert said == "freqtrade was told to pause, and is running"
        assert [lock["pair"] for lock in bot.locks] == ["ETH/USDT:USDT"]
        bot.deaf_to = set()
        bot.gone = {"whitelist"}
        said = await halting(bot).follow([WHOLE, ETH], lifts=True)
        assert said is not None and "cannot be asked" in said
        assert bot.state == "paused"


async def test_nonsense_of_a_lock_is_said_and_not_raised() -> None:
    """A lock whose end or number is no number is an answer that cannot be believed."""
    async with listening(Bot(SHORT)) as bot:
        good = {
            "id": 9,
            "pair": "ETH/USDT:USDT",
            "side": "*",
            "reason": "tieout h9",
            "active": True,
            "lock_end_timestamp": 1,
        }
        for wrong in ({"lock_end_timestamp": "soon"}, {"id": "x"}):
            bot.locks = [{**good, **wrong}]
            halts = [] if "id" in wrong else [ETH]
            assert await halting(bot).follow(halts, lifts=True) == "freqtrade does not answer as it should"


async def test_a_bot_is_started_from_the_state_that_we_made_and_no_other() -> None:
    """A pause whose answer was lost is ours; what a person stopped after it, or had paused before our stop, stays so."""
    async with listening(Bot(SHORT)) as bot:
        halts = halting(bot)
        bot.lost = {"pause"}
        assert "cannot be asked" in (await halts.follow([WHOLE], lifts=True) or "")
        bot.lost = set()
        assert bot.state == "paused"
        assert await halts.follow([WHOLE], lifts=True) is None
        assert await halts.follow([], lifts=True) is None
        assert bot.state == "running"
        assert await halts.follow([WHOLE], lifts=True) is None
        bot.state = "stopped"  # by a person
        assert await halts.follow([], lifts=True) is None
        assert bot.state == "stopped"
        bot.state = "paused"  # by a person
        stops = halting(bot, account="stop")
        assert await stops.follow([WHOLE], lifts=True) is None
        assert bot.state == "stopped"
        assert await stops.follow([], lifts=True) is None
        assert (bot.state, bot.asked.count("POST start")) == ("stopped", 1)


async def test_a_bot_that_adds_to_its_trades_is_paused() -> None:
    """A lock keeps it from opening a trade, not from adding to one: then a halt of an asset pauses it, too."""
    async with listening(Bot(SHORT)) as bot:
        bot.adds, halts = True, halting(bot)
        assert await halts.follow([ETH], lifts=True) is None
        assert ([lock["pair"] for lock in bot.locks], bot.state) == (["ETH/USDT:USDT"], "paused")
        assert await halts.follow([], lifts=True) is None
        assert (bot.locks, bot.state) == ([], "running")
