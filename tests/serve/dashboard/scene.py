"""The whole service with its pages on loopback, accounts to break, and a browser to look at them with."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    WebSocket,
    async_playwright,
    expect,
)

from tests.serve.api.stage import ACCOUNT, CLOCK, CONFIGURATION, PASSWORD, QUICK, Stage, asking, write_side, write_trade
from tieout.config import load
from tieout.record import keys
from tieout.record.users import UserRow
from tieout.serve.access.roles import Role
from tieout.serve.api.app import build_app
from tieout.serve.dashboard.mounting import add_dashboard
from tieout.serve.listening import listening
from tieout.serve.service import serving

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = ("--no-sandbox", "--disable-background-networking", "--disable-gpu", "--disable-dev-shm-usage")
ASKS = """
[policy]
rules = [{ cause = ["EXTERNAL_TRADE"], strategy = "SYNC_TO_BROKER", approval = true }]
"""
NAMES = ("calm", "cure", "no", "stop", "look", "odd", "late", "spare", "held", "known")
PATIENCE = 30_000  # milliseconds; what a page follows comes within two seconds, unless much else runs here
expect.set_options(timeout=PATIENCE)
HOSTILE = "<img src=x onerror=alert(1)>`${alert(2)}{{7*7}}/USD"


class Scene:
    """What tests do with the service and its pages."""

    def __init__(self, stage: Stage, browser: Browser) -> None:
        self.stage, self.browser, self.url = stage, browser, stage.url

    @asynccontextmanager
    async def visit(
        self,
        *roles: Role,
        name: str,
        amounts: bool = False,
        width: int = 1280,
        dark: bool = False,
        silent: tuple[str, ...] = (),
        lands: str = "Accounts",
    ) -> AsyncIterator[Page]:
        """A browser of somebody who is signed in; at the end nothing was fetched from elsewhere and nothing complained."""
        if await self.stage.desk.users.user(name) is None:
            hashed = await self.stage.desk.callers.passwords.hash(PASSWORD)
            await self.stage.desk.users.add(
                UserRow(
                    name=name, roles=roles, amounts=amounts, created_at=CLOCK.now(), created_by="test", password=hashed
                )
            )
        async with self.unknown(width=width, dark=dark, silent=silent) as page:
            await page.goto(self.url)
            await page.get_by_label("Name").fill(name)
            await page.get_by_label("Password").fill(PASSWORD)
            await page.get_by_role("button", name="Sign in").click()
            await page.wait_for_selector(f"h1:text-is('{lands}')")
            yield page

    @asynccontextmanager
    async def unknown(
        self, *, width: int = 1280, dark: bool = False, silent: tuple[str, ...] = ()
    ) -> AsyncIterator[Page]:
        """A browser of nobody known yet; what a browser itself complains of an answer may be in *silent*."""
        context = await self.browser.new_context(
            viewport={"width": width, "height": 800}, color_scheme="dark" if dark else "light"
        )
        page = await context.new_page()
        page.set_default_timeout(PATIENCE)
        try:
            with _watched(context, page, self.url, silent):
                yield page
        finally:
            await context.close()

    def strange_trade(self, account: str, amount: str = "2.1", asset: str = "BTC/USD") -> None:
        """The broker shows a trade that nobody here made, and what is held after it."""
        write_trade(self.stage.folder, account, amount, asset)


@contextmanager
def _watched(context: BrowserContext, page: Page, url: str, silent: tuple[str, ...]) -> Iterator[None]:
    wrong: list[str] = []

    def requested(request: Request) -> None:
        if not request.url.startswith((url, "data:", "blob:")):
            wrong.append(f"asks {request.url}")

    def connected(socket: WebSocket) -> None:
        if not socket.url.startswith(url.replace("http", "ws")):
            wrong.append(f"connects to {socket.url}")

    def said(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not any(text in message.text for text in silent):
            wrong.append(f"console: {message.text}")

    context.on("request", requested)
    page.on("console", said)
    page.on("pageerror", lambda error: wrong.append(f"script: {error}"))
    page.on("websocket", connected)
    yield
    assert not wrong, wrong


@asynccontextmanager
async def scene(folder: Path) -> AsyncIterator[Scene]:
    """A service over *folder* with its pages, and a browser."""
    for account in NAMES:
        for source in ("local", "broker"):
            write_side(folder, account, source, "2")
    told = "".join(ACCOUNT.format(name=name, folder=folder) for name in NAMES)
    path = folder / "tieout.toml"
    path.write_text(ASKS + CONFIGURATION.format(folder=folder, accounts=told), "utf-8")
    keys.create(folder / "keys", "test")
    config = load(path, None, {})
    async with serving(config) as desk:
        app = build_app(desk)
        add_dashboard(app, desk, config.record)
        async with (
            listening(app, config.service, config.file) as url,
            asking() as session,
            async_playwright() as playwright,
        ):
            browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
            desk.callers.passwords = QUICK
            for name in NAMES:
                await desk.schedule.request(name)
            yield Scene(Stage(folder, desk, url, session), browser)
            await browser.close()
