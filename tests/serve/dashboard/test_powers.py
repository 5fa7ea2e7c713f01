"""What a page may is looked up again each time: roles, amounts, sessions that ended, events that were forged."""

from __future__ import annotations

import asyncio
import re

import pytest
from playwright.async_api import Page, expect

from tests.serve.dashboard.scene import HOSTILE, Scene
from tieout.serve.access.roles import Role

pytestmark = pytest.mark.asyncio(loop_scope="session")
# Every element of the page that hears something, as its script knows them.
HEARS = """() => Object.entries(mounted_app.elements).flatMap(([id, each]) => each.events.map((event) => (
    {id: Number(id), listener_id: event.listener_id, type: event.type, label: each.props["aria-label"] ?? each.text})))"""
EMIT = """([client, id, listener]) => window.socket.emit("event", {
    id, client_id: client ?? window.clientId, listener_id: listener, args: []})"""


async def halt_listener(page: Page, account: str) -> tuple[int, str]:
    """The button that halts an account, by the names that an event needs."""
    heard = await page.evaluate(HEARS)
    (found,) = [each for each in heard if each["label"] == f"Halt trading of {account}"]
    return found["id"], found["listener_id"]


async def test_a_viewer_sees_no_amounts_and_no_buttons(scene: Scene) -> None:
    """What differs and why is shown; how much is not, nor anything that a viewer may not say."""
    scene.strange_trade("look", "2.0777")
    await scene.stage.reconciled("look", times=2)
    async with scene.visit(Role.VIEWER, name="vic") as page:
        await expect(page.locator(".headline")).to_be_visible()
        await expect(page.get_by_role("button", name=re.compile("Halt|Resume|Read|Reconcile"))).to_have_count(0)
        await page.goto(f"{scene.url}/breaks?account=look&order=value")
        await expect(page.get_by_role("columnheader", name="Worth")).to_have_count(0)
        await page.get_by_role("link", name="position BTC/USD").click()
        await expect(page.locator(".facts")).to_contain_text("outside your system")
        await expect(page.get_by_text("Amounts are not shown")).to_be_visible()
        for path in (page.url.removeprefix(scene.url), "/", "/breaks", "/accounts/look", "/history", "/audit"):
            await page.goto(scene.url + path)
            source = await page.content()
            for figure in ("2.0777", "0.0777", "3885", "3,885"):
                assert figure not in source, (path, figure)
        await expect(page.get_by_role("button", name="Approve")).to_have_count(0)
    async with scene.visit(Role.VIEWER, name="val", amounts=True) as page:
        await page.goto(f"{scene.url}/breaks?account=look&order=value")
        await expect(page.get_by_role("cell", name="3,885.00 USD")).to_be_visible()


async def test_a_page_that_is_open_loses_its_powers_with_its_session(scene: Scene) -> None:
    """An event sent in the moment after the session ended does nothing; then the page shows nothing more."""
    async with scene.visit(Role.OPERATOR, name="oli") as page:
        button = await halt_listener(page, "spare")
        cookies = await page.context.cookies()
        (cookie,) = [each["value"] for each in cookies if each["name"] == "tieout_session"]
        await scene.stage.desk.callers.logout(cookie)
        await page.evaluate(EMIT, [None, *button])
        await expect(page.get_by_role("heading", name="You are signed out")).to_be_visible()
        await expect(page.get_by_role("dialog")).to_have_count(0)
        assert "spare" not in await page.locator("body").inner_text()
    assert (await scene.stage.desk.states(["spare"]))[0].halts == ()


async def test_nobody_speaks_through_the_page_of_another(scene: Scene) -> None:
    """A viewer who learnt the name of an operator's page and of its buttons is not heard through it."""
    async with scene.visit(Role.OPERATOR, name="opa") as theirs, scene.visit(Role.VIEWER, name="eve") as mine:
        button = await halt_listener(theirs, "spare")
        client = await theirs.evaluate("window.clientId")
        await mine.evaluate(EMIT, [client, *button])
        await mine.evaluate(EMIT, [None, *button])
        await theirs.evaluate(EMIT, [None, *await halt_listener(theirs, "late")])
        await expect(theirs.get_by_role("dialog")).to_contain_text("Halt trading of late?")
        await expect(theirs.get_by_role("dialog")).to_have_count(1)  # theirs alone: mine was sent before, and not heard
        await expect(mine.get_by_role("dialog")).to_have_count(0)


async def test_a_role_that_was_taken_back_is_gone_from_the_next_event_on(scene: Scene) -> None:
    """Between two updates, too: the handler looks again, refuses, and the log has it."""
    async with scene.visit(Role.OPERATOR, name="rex") as page:
        await page.get_by_role("button", name="Halt trading of spare").click()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_label("Reason").fill("mine")
        await scene.stage.desk.users.disable("rex", actor="test", at=scene.stage.desk.clock.now())
        # At once, as nobody's hand is: the page's next update takes the dialog away by itself.
        await page.evaluate("document.querySelector('dialog button.primary')?.click()")
        await expect(page.get_by_role("heading", name="You are signed out")).to_be_visible()
    assert (await scene.stage.desk.states(["spare"]))[0].halts == ()


async def test_a_role_that_became_less_is_less_at_once(scene: Scene) -> None:
    """The button is still there in the moment after; what it asks for is refused, logged, and then it is gone."""
    async with scene.visit(Role.OPERATOR, name="lou") as page:
        button = await halt_listener(page, "spare")
        await scene.stage.lessen("lou", Role.VIEWER)
        await page.evaluate(EMIT, [None, *button])
        await expect(page.get_by_role("button", name="Halt trading of spare")).to_have_count(0)
        await expect(page.get_by_role("dialog")).to_have_count(0)
    assert "lou page /" in await scene.stage.denials()


async def test_what_a_broker_writes_is_only_ever_text(scene: Scene) -> None:
    """A name that would act on a page is shown as it stands, on each page that shows it."""
    scene.strange_trade("odd", "3", asset=HOSTILE)
    await scene.stage.reconciled("odd", times=2)
    async with scene.visit(Role.OPERATOR, Role.APPROVER, name="ola") as page:
        page.on("dialog", lambda dialog: pytest.fail(f"a script ran: {dialog.message}"))
        await page.goto(f"{scene.url}/breaks?account=odd")
        await page.get_by_role("link", name=HOSTILE).click()
        await expect(page.locator("h1")).to_have_text(f"position {HOSTILE}")
        await page.get_by_role("button", name="Comment").click()
        await expect(page.get_by_role("dialog")).to_contain_text(HOSTILE)
        for path in ("/accounts/odd", "/audit", "/"):
            await page.goto(scene.url + path)
            await expect(page.locator(".pulse")).to_have_text("Live")
            assert await page.locator("img").count() == 0


async def test_what_is_stale_says_so(scene: Scene) -> None:
    """A page whose connection is gone says within seconds that it is not live."""
    async with scene.visit(Role.VIEWER, name="sam", silent=("WebSocket", "ERR_")) as page:
        await expect(page.locator(".pulse")).to_have_text("Live")
        await page.evaluate("window.socket.disconnect(); document.querySelector('.pulse').dataset.stale = '500'")
        await expect(page.locator(".pulse")).to_contain_text("NOT LIVE")


async def test_denials_on_pages_are_in_the_log(scene: Scene) -> None:
    """Somebody who may see nothing opens a page: it shows nothing, and the log says who it was."""
    token_of_nobody = (Role.BOOKS,)
    async with scene.visit(*token_of_nobody, name="bo", lands="Not for you") as page:
        assert "calm" not in await page.locator("body").inner_text()
    await asyncio.sleep(0)
    assert "bo page /" in await scene.stage.denials()
