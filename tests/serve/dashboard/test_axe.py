"""The pages for everybody: axe finds no serious fault, the keyboard reaches everything, a phone shows everything."""

from __future__ import annotations

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from tests.proving import PROVE
from tests.serve.dashboard.scene import Scene
from tieout.serve.access.roles import Role

pytestmark = pytest.mark.asyncio(loop_scope="session")
LOOKS = [(1280, False), (360, True), *([(1280, True), (360, False)] if PROVE else [])]
PAGES = ("/", "/breaks?state=all", "/accounts/no", "/history", "/audit")
GRAVE = ("serious", "critical")


async def faults(page: Page) -> list[str]:
    """What axe finds grave, each with the element."""
    found = (await Axe().run(page)).response["violations"]
    return [
        f"{each['id']} ({each['impact']}): {node['html']}"
        for each in found
        if each["impact"] in GRAVE
        for node in each["nodes"]
    ]


@pytest.mark.parametrize(("width", "dark"), LOOKS)
async def test_every_page_is_for_everybody(scene: Scene, width: int, dark: bool) -> None:
    """No serious or critical fault of axe's on any page or dialog, and nothing wider than the screen."""
    await scene.stage.desk.people.halt("held", actor="test", why="to be looked at")
    scene.strange_trade("no", "2.02")
    await scene.stage.reconciled("no", times=2)
    wrong = list[str]()

    async def look(page: Page, where: str) -> None:
        wrong.extend(f"{where}: {each}" for each in await faults(page))
        over = await page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert over <= 0, f"{where} is {over} px wider than the screen"

    async with scene.unknown(width=width, dark=dark) as page:
        await page.goto(scene.url + "/login")
        await look(page, "/login")
        await page.evaluate("document.querySelector('label').remove()")
        assert any("label" in each for each in await faults(page)), "axe finds what is wrong"
    async with scene.visit(Role.OPERATOR, Role.APPROVER, name=f"amy{width}", width=width, dark=dark) as page:
        for path in PAGES if PROVE or not dark else PAGES[:2]:
            await page.goto(scene.url + path)
            await expect(page.locator(".pulse")).to_have_text("Live")
            await look(page, path)
        await page.goto(scene.url + "/breaks?account=no")
        await page.get_by_role("link", name="position BTC/USD").click()
        await page.get_by_role("button", name="Accept as it is").click()
        await expect(page.get_by_role("dialog")).to_be_visible()
        await look(page, "a break, with a question")
    assert not wrong, "\n".join(wrong)


async def test_a_break_is_rejected_by_keyboard_alone(scene: Scene) -> None:
    """Tab and Enter reach what may be said, Escape leaves a question without saying it, and the focus comes back."""
    scene.strange_trade("calm", "2.03")
    await scene.stage.reconciled("calm", times=2)
    async with scene.visit(Role.APPROVER, name="kim") as page:
        await page.goto(scene.url + "/breaks?account=calm")
        await page.get_by_role("link", name="position BTC/USD").press("Enter")
        button = page.get_by_role("button", name="Reject")
        await button.focus()
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("dialog")).to_be_visible()
        await page.keyboard.press("Escape")
        await expect(page.locator("dialog")).to_have_count(0)
        await expect(button).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(page.get_by_label("Reason")).to_be_focused()
        await page.keyboard.type("not ours")
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await expect(page.locator(".news")).to_contain_text("kim rejected")
        await scene.stage.reconciled("calm", times=1)
        await expect(page.get_by_text("Somebody said no to this")).to_be_visible()


async def test_light_or_dark_is_kept(scene: Scene) -> None:
    """The switch turns the page round, and the next page as well."""
    async with scene.visit(Role.VIEWER, name="dan") as page:
        await page.get_by_role("button", name="Light or dark").click()
        await page.goto(scene.url + "/breaks")
        assert await page.evaluate("document.documentElement.dataset.theme") == "dark"
        assert await page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(15, 20, 18)"


async def test_the_log_is_verified_from_its_page(scene: Scene) -> None:
    """It says that nobody verified it; then that it is sound."""
    async with scene.visit(Role.VIEWER, name="uma") as page:
        await page.goto(scene.url + "/audit")
        await page.get_by_role("button", name="Verify now").click()
        await expect(page.get_by_text("SOUND at")).to_be_visible()
        assert "NOT SOUND" not in await page.locator("body").inner_text()
