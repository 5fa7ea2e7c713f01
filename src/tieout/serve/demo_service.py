"""`tieout demo`: the whole service on loopback, in real time, while things go wrong at its three accounts.

Nothing is staged but what goes wrong: venues answer over sockets, the configuration is one that anybody could write, cures
are booked into the bot's books, and what the terminal says of Tieout is read from its record.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import shutil
import signal
import socket
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from msgspec import Struct

from tieout.clock import SystemClock
from tieout.errors import BadInput, Problem, RecordError
from tieout.record.users import UserRow
from tieout.serve.access.passwords import Passwords
from tieout.serve.access.roles import Role
from tieout.serve.api.app import build_app
from tieout.serve.dashboard.mounting import add_dashboard
from tieout.serve.demo_mishaps import MISHAPS, next_mishap, trade
from tieout.serve.demo_stage import ACCOUNTS, Bot, Stage, bots, staged
from tieout.serve.demo_telling import Teller
from tieout.serve.desk import Desk
from tieout.serve.listening import listening
from tieout.serve.logged import formatter
from tieout.serve.render.story import StoryPrinter
from tieout.serve.service import serving

LISTEN, ANY = "127.0.0.1:8710", "127.0.0.1:0"
USER = "demo"
LOOK_S = 0.4  # how often the record is read for news
SYLLABLES = [a + b for a in "bdfgklmnprstvz" for b in "aeiou"]


class Show(Struct, frozen=True, kw_only=True):
    """How the demo runs.

    Attributes:
        seconds: After how long it ends by itself; None where somebody ends it.
        every: Seconds from one mishap to the next.
        folder: Where everything is kept; None is a folder that is gone at the end.
        listen: The address of the pages; None is the usual one, or any where that is taken.
        seed: Of the venues' ids.
    """

    seconds: float | None = None
    every: float = 6
    folder: Path | None = None
    listen: str | None = None
    seed: int = 7


def run_service(show: Show) -> int:
    """Play it until it ends by itself, or somebody ends it.

    Returns:
        0: it ended cleanly.

    Raises:
        BadInput: The folder holds something, or the address cannot be had.
    """
    with _folder(show.folder) as folder, _logged(folder / "service.log"):
        asyncio.run(_run(show, folder))
    return 0


async def _run(show: Show, folder: Path) -> None:
    stopping, printer = asyncio.Event(), StoryPrinter()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(each, stopping.set)
    clock = SystemClock()
    async with staged(folder, clock, show.seed, show.listen or _usual()) as stage, serving(stage.config) as desk:
        password = await _add_user(desk)
        app = build_app(desk)
        add_dashboard(app, desk, stage.config.record)
        async with listening(app, stage.config.service, stage.config.file) as url:
            printer.welcome(ACCOUNTS, url, USER, password, show.folder)
            play = Play(show, stage, desk, printer, url)
            await play.until(stopping)
            desk.closing.set()
        printer.summary(*await play.teller.summary())


class Play:
    """Lets things go wrong, one after another, and tells what comes of it.

    Attributes:
        teller: Reads the record.
    """

    def __init__(self, show: Show, stage: Stage, desk: Desk, printer: StoryPrinter, url: str) -> None:
        self._show, self._stage, self._desk, self._printer, self._url = show, stage, desk, printer, url
        self._bots: dict[str, Bot] = bots(desk.running.accounts, desk.clock)
        self.teller = Teller(desk)

    async def until(self, stopping: asyncio.Event) -> None:
        """Go on until *stopping* is set, or the time is over."""
        work = [asyncio.create_task(each) for each in (self._misfortune(), self._tell(), stopping.wait())]
        try:
            async with _limited(self._show.seconds):
                done, _ = await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        finally:
            for task in work:
                task.cancel()
            await asyncio.wait(work)
        await self._once()

    async def _misfortune(self) -> None:
        for account, asset, quantity in (
            ("alpha", "ETH/USDT", "0.2"),
            ("beta", "ETH-PERP", "0.5"),
            ("gamma", "MSFT", "1"),
        ):
            await trade(self._stage, self._bots[account], asset, quantity)
        self._printer.happens(
            self._desk.clock.now(), "all", "the bots buy a little, and book what they hear: all is well"
        )
        began, last, held = self._desk.clock.monotonic_ns(), -1, False
        while True:
            await self._desk.clock.sleep(self._show.every)
            left = (
                None
                if self._show.seconds is None
                else self._show.seconds - (self._desk.clock.monotonic_ns() - began) / 1e9
            )
            if left is not None and left < self._show.every / 2:
                continue  # what began now would not be seen through
            free = {state.account: not state.halts for state in await self._desk.states(list(ACCOUNTS))}
            number = next_mishap(last, free)
            if number is None:
                if not held:
                    self._printer.say(
                        f"Every account is halted: its bot sends nothing until you resume it at {self._url}"
                    )
                held = True
                continue
            held, last = False, number
            mishap = MISHAPS[number]
            self._printer.happens(self._desk.clock.now(), mishap.account, mishap.title)
            await mishap.happen(self._stage, self._bots[mishap.account])

    async def _tell(self) -> None:
        while True:
            await self._once()
            await self._desk.clock.sleep(LOOK_S)

    async def _once(self) -> None:
        try:
            news = await self.teller.news()
        except RecordError:
            return  # it is told once the record can be read
        for told in news:
            link = None if told.place is None else self._url + told.place
            self._printer.tells(told.at, told.account, told.word, told.text, link)


async def _add_user(desk: Desk) -> str:
    """The password, made up now, of a user who sees amounts, approves, halts and resumes."""
    password = "-".join("".join(secrets.choice(SYLLABLES) for _ in range(3)) for _ in range(3))
    row = UserRow(
        name=USER,
        roles=(Role.APPROVER, Role.OPERATOR),
        created_at=desk.clock.now(),
        created_by="tieout demo",
        password=await Passwords().hash(password),
    )
    await desk.users.add(row)
    return password


def _usual() -> str:
    """The usual address, or any free one of this machine where that is taken."""
    host, _, port = LISTEN.rpartition(":")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, int(port)))
        except OSError:
            return ANY
    return LISTEN


@contextlib.asynccontextmanager
async def _limited(seconds: float | None) -> AsyncIterator[None]:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            yield


@contextlib.contextmanager
def _folder(kept: Path | None) -> Iterator[Path]:
    """Where everything is kept; gone at the end, unless it was named."""
    if kept is not None:
        if kept.exists() and any(kept.iterdir()):
            raise BadInput([Problem(str(kept), "", "holds something already", "name another folder, or an empty one")])
        kept.mkdir(parents=True, exist_ok=True)
        kept.chmod(0o700)
        yield kept.resolve()
        return
    made = Path(tempfile.mkdtemp(prefix="tieout-demo-"))
    try:
        yield made
    finally:
        shutil.rmtree(made)


@contextlib.contextmanager
def _logged(file: Path) -> Iterator[None]:
    """What is logged goes to a file: the terminal tells the story."""
    root, handler = logging.getLogger(), logging.FileHandler(file, encoding="utf-8")
    handler.setFormatter(formatter("plain"))
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        yield
    finally:
        root.setLevel(before)
        root.removeHandler(handler)
        handler.close()
