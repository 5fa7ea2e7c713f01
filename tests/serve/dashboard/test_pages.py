"""The pages as people meet them: signing in, following a break to its end, halting and resuming."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Page, expect

from tests.serve.dashboard.scene import Scene
from tieout.serve.access.roles import Role

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def say(page: Page, button: str, reason: str) -> None:
    """Press a button, give the reason, confirm."""
    await page.get_by_role("button", name=button).first.click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Reason").fill(reason)
    await dialog.locator("button.primary").click()
    await expect(dialog).to_have_count(0)


async def test_a_break_is_followed_from_its_first_sight_to_its_verified_end(scene: Scene) -> None:
    """It appears without reload, is opened, approved, booked, and shown as closed by a later reading."""
    async with scene.visit(Role.OPERATOR, Role.APPROVER, name="ann") as page:
        await expect(page.get_by_role("row", name="cure")).to_contain_text("Matched")
        scene.strange_trade("cure")
        await scene.stage.reconciled("cure", times=3)
        card = page.locator("article", has_text="of cure")
        await expect(card).to_contain_text("book the broker's fill")
        await card.get_by_role("link").click()
        await expect(page.locator("h1")).to_have_text("position BTC/USD")
        facts = page.locator(".facts")
        await expect(facts).to_contain_text("somebody traded this account outside your system", ignore_case=True)
        await expect(facts).to_contain_text("fill x-cure")
        await say(page, "Approve…", "seen on the phone")
        await expect(page.locator(".news")).to_contain_text("ann approved: book the broker's fill")
        await scene.stage.reconciled("cure", times=2)
        await expect(page.locator(".summary")).to_contain_text("Closed")
        life = page.get_by_role("table")
        await expect(life).to_contain_text("seen on the phone")
        await expect(life).to_contain_text("a reading that compared its section whole shows it no more")


async def test_a_break_is_accepted_given_away_and_commented_on(scene: Scene) -> None:
    """What may be said besides yes and no: each shows at once on the break's page, and in its life."""
    scene.strange_trade("known", "2.04")
    await scene.stage.reconciled("known", times=2)
    async with scene.visit(Role.APPROVER, name="mia") as page:
        await page.goto(scene.url + "/breaks?account=known")
        await page.get_by_role("link", name="position BTC/USD").click()
        await page.get_by_role("button", name="Give to…").click()
        await page.get_by_label("To whom").select_option("mia")
        await page.get_by_label("Reason").fill("I was there")
        await page.get_by_role("button", name="Give", exact=True).click()
        await expect(page.get_by_text("mia looks after it.")).to_be_visible()
        await page.get_by_role("button", name="Comment…").click()
        await page.get_by_label("Your comment").fill("asked the broker")
        await page.get_by_role("button", name="Comment", exact=True).click()
        await expect(page.get_by_role("table")).to_contain_text("asked the broker")
        await say(page, "Accept as it is…", "a fee they will pay back")
        await expect(page.get_by_text("Accepted as it is by mia until")).to_be_visible()


async def test_trading_is_halted_and_resumed(scene: Scene) -> None:
    """A halt shows at once as what it is, and a resume shows what it lifts before it is said."""
    async with scene.visit(Role.APPROVER, name="bob") as page:
        await say(page, "Halt trading of stop", "strange fills")
        banner = page.locator(".halted", has_text="stop since")
        await expect(banner).to_contain_text("TRADING HALTED")
        await expect(banner).to_contain_text("by bob")
        await expect(page.locator(".headline")).to_contain_text(re.compile(r"Trading is HALTED in .*stop"))
        await page.get_by_role("button", name="Resume trading of stop").click()
        await expect(page.get_by_role("dialog")).to_contain_text("HALTED stop since")
        await page.get_by_role("dialog").get_by_label("Reason").fill("explained")
        await page.get_by_role("button", name="Resume trading", exact=True).click()
        await expect(banner).to_have_count(0)
