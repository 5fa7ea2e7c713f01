"""The pictures of docs/dashboard.md, taken of a running `tieout demo`: `python -m tests.serve.dashboard.shots`.

Look at each before it is committed.
"""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

from playwright.async_api import Browser, Page, async_playwright

from tests.serve.dashboard.scene import ARGUMENTS, CHROMIUM

FOLDER = Path(__file__).parents[3] / "docs" / "dashboard"
SECONDS, WAIT_MS = 240, 200_000
WIDE, PHONE = {"width": 1100, "height": 800}, {"width": 360, "height": 740}


async def shown(browser: Browser, url: str, name: str, password: str, *, phone: bool = False) -> Page:
    """A page of somebody who signed in; a phone is dark."""
    context = await browser.new_context(viewport=PHONE if phone else WIDE, color_scheme="dark" if phone else "light")  # type: ignore[arg-type]
    page = await context.new_page()
    await page.goto(url)
    if not phone:
        await keep(page, "sign-in", whole=False)
    await page.get_by_label("Name").fill(name)
    await page.get_by_label("Password").fill(password)
    await page.get_by_role("button", name="Sign in").click()
    await page.wait_for_selector("h1:text-is('Accounts')")
    return page


async def keep(page: Page, name: str, *, whole: bool = True) -> None:
    """Take it, once it is live."""
    if name != "sign-in":
        await page.get_by_text("Live", exact=True).wait_for()
    await page.wait_for_timeout(1500)
    await page.screenshot(path=FOLDER / f"{name}.png", full_page=whole)


async def take(browser: Browser, url: str, name: str, password: str) -> None:
    """All of them, once something waits for a person and something is halted."""
    page = await shown(browser, url, name, password)
    await page.get_by_text("TRADING HALTED").first.wait_for(timeout=WAIT_MS)
    await page.get_by_role("heading", name="Waiting for a person").wait_for(timeout=WAIT_MS)
    await keep(page, "accounts")
    await page.locator(".card a").first.click()
    await page.get_by_role("button", name="Approve").wait_for()
    await keep(page, "break")
    await page.get_by_role("button", name="Approve").click()
    await page.get_by_label(re.compile("Reason")).fill("checked with the venue")
    await keep(page, "question", whole=False)
    for name_of, path in (("breaks", "/breaks"), ("history", "/history"), ("account", "/accounts/beta")):
        await page.goto(url + path)
        await keep(page, name_of, whole=name_of == "history")
    await page.goto(url + "/audit")
    await page.get_by_role("button", name="Verify now").click()
    await page.get_by_text("SOUND at").wait_for()
    await keep(page, "log", whole=False)
    small = await shown(browser, url, name, password, phone=True)
    for name_of, path in (("accounts-phone", "/"), ("breaks-phone", "/breaks"), ("history-phone", "/history")):
        await small.goto(url + path)
        await keep(small, name_of, whole=False)


async def main() -> None:
    """The demo, a browser, and the pictures."""
    tieout = Path(sys.executable).parent / "tieout"
    demo = await asyncio.create_subprocess_exec(
        tieout, "demo", "--seconds", str(SECONDS), stdout=asyncio.subprocess.PIPE
    )
    assert demo.stdout is not None
    try:
        while (
            found := re.search(rb"The pages: (\S+) - sign in as (\S+) / (\S+)", await demo.stdout.readline())
        ) is None:
            pass
        url, name, password = (each.decode() for each in found.groups())
        rest = asyncio.ensure_future(demo.stdout.read())
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
            await take(browser, url, name, password)
            await browser.close()
        demo.terminate()
        await rest
    finally:
        if demo.returncode is None:
            demo.terminate()
        await demo.wait()


if __name__ == "__main__":
    asyncio.run(main())
