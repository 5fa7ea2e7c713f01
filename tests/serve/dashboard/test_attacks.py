"""What somebody tries at the pages who may less than they want."""

from __future__ import annotations

import json
import re

import pytest
from aiohttp import ClientSession, WSServerHandshakeError
from playwright.async_api import WebSocket, expect

from tests.serve.api.stage import CLOCK, PASSWORD
from tests.serve.dashboard.scene import Scene
from tieout.bootstrap import Running
from tieout.brokers.wire.measured import EndpointMeasured
from tieout.record.users import UserRow
from tieout.serve.access.roles import Role

pytestmark = pytest.mark.asyncio(loop_scope="session")
TITLE = "</title></script><script>alert(1)</script><img src=x onerror=alert(2)>/USD"
HTML = {"Accept": "text/html"}


async def cookie_of(scene: Scene, name: str, *roles: Role, accounts: tuple[str, ...] | None = None) -> dict[str, str]:
    """The cookie of somebody who logged in."""
    hashed = await scene.stage.desk.callers.passwords.hash(PASSWORD)
    row = UserRow(
        name=name, roles=roles, accounts=accounts, created_at=CLOCK.now(), created_by="test", password=hashed
    )  # fmt: skip
    await scene.stage.desk.users.add(row)
    got = await scene.stage.ask("POST", "/v1/session", body={"name": name, "password": PASSWORD})
    return {"Cookie": got.headers["Set-Cookie"].partition(";")[0]}


async def shakes_hands(scene: Scene, client: str, headers: dict[str, str]) -> str:
    """What a socket is told that names a page in its address."""
    asked = f"client_id={client}&tab_id=mine&document_id=mine&next_message_id=0&implicit_handshake=true"
    url = f"{scene.url}/_nicegui_ws/socket.io/?EIO=4&transport=websocket&{asked}"
    async with ClientSession() as session, session.ws_connect(url, headers=headers) as socket:
        assert (await socket.receive_str()).startswith("0")
        await socket.send_str("40")
        return (await socket.receive_str())[:2]


async def test_a_socket_that_names_anothers_page_in_its_address_hears_nothing(scene: Scene) -> None:
    """The first to come to a page is not let in for that: it is for the session that it was made for."""
    theirs, mine = await cookie_of(scene, "a-olga", Role.OPERATOR), await cookie_of(scene, "a-eve", Role.VIEWER)
    page = await scene.stage.ask("GET", "/", headers={**theirs, **HTML})
    found = re.search(rb"client_id[^0-9a-f]{1,12}([0-9a-f-]{36})", page.body)
    assert found is not None
    client = found[1].decode()
    assert await shakes_hands(scene, client, mine) == "44"
    assert await shakes_hands(scene, client, theirs) == "40"


async def test_a_socket_of_nobody_known_is_refused_and_logged(scene: Scene) -> None:
    """A session that ended, and a page of another site, open no socket; the log has it."""
    mine = await cookie_of(scene, "a-gone", Role.VIEWER)
    for headers in ({"Cookie": "tieout_session=made-up"}, {**mine, "Origin": "https://evil.example"}, {}):
        with pytest.raises(WSServerHandshakeError):
            await shakes_hands(scene, "x", headers)
    await scene.stage.desk.denials.tell_rest()
    assert "nobody known page (socket)" in await scene.stage.denials()


async def test_another_site_signs_nobody_out(scene: Scene) -> None:
    """What it sends ends no session, and takes no cookie away."""
    mine = await cookie_of(scene, "a-stay", Role.VIEWER)
    elsewhere = {**mine, "Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    got = await scene.stage.ask("POST", "/logout", headers=elsewhere)
    assert "Set-Cookie" not in got.headers
    assert (await scene.stage.ask("GET", "/v1/accounts", headers=mine)).status == 200


async def test_a_name_that_ends_the_title_is_a_title(scene: Scene) -> None:
    """What a broker calls an asset acts neither in the head of a page nor in the data of its script."""
    scene.strange_trade("odd", "3", asset=TITLE)
    await scene.stage.reconciled("odd", times=2)
    async with scene.visit(Role.OPERATOR, name="a-otto") as page:
        page.on("dialog", lambda dialog: pytest.fail(f"a script ran: {dialog.message}"))
        await page.goto(f"{scene.url}/breaks?account=odd")
        await page.get_by_role("link", name=TITLE).click()
        await expect(page).to_have_title(f"position {TITLE} · Tieout")
        await page.reload()
        await expect(page.locator("h1")).to_have_text(f"position {TITLE}")
        assert await page.locator("img").count() == 0


async def test_a_socket_tells_a_viewer_no_amount(scene: Scene) -> None:
    """Neither in what a page is made of nor in what comes later over its socket, while amounts change."""
    heard: list[str] = []

    def listens(socket: WebSocket) -> None:
        socket.on("framereceived", lambda frame: heard.append(str(frame)))

    scene.strange_trade("late", "2.0777")
    await scene.stage.reconciled("late", times=2)
    async with scene.visit(Role.VIEWER, name="a-vera") as page:
        page.on("websocket", listens)
        rows = (await scene.stage.ask("GET", "/v1/breaks?account=late", await scene.stage.token(Role.VIEWER))).body
        name = rows["breaks"][0]["discrepancy_id"]
        for number, path in enumerate(("/accounts/late", f"/breaks/{name}", "/history")):
            await page.goto(scene.url + path)
            await expect(page.locator(".pulse")).to_have_text("Live")
            scene.strange_trade("late", f"2.0{777 + number}")
            await scene.stage.reconciled("late", times=1)
            heard.append(await page.content())
        await page.wait_for_timeout(2000)
    told = json.dumps(heard)
    assert len(heard) > 6
    for figure in ("2.077", "2.078", "0.077", "0.078", "3885", "3,88"):
        assert figure not in told, figure


async def test_venues_of_other_accounts_are_not_told(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is for some accounts alone hears nothing of the venues of others, nor of their accounts."""
    counts = EndpointMeasured(requests=5, breaker="open", failures={"timeout": 5})
    monkeypatch.setattr(Running, "measured", {"farvenue": {"positions": counts}})
    everybody = await cookie_of(scene, "a-all", Role.VIEWER)
    for path in ("/", "/history"):
        assert b"farvenue" in (await scene.stage.ask("GET", path, headers={**everybody, **HTML})).body
    mine = await cookie_of(scene, "a-sole", Role.VIEWER, accounts=("spare",))
    for path in ("/", "/breaks", "/history", "/audit", "/accounts/late"):
        page = await scene.stage.ask("GET", path, headers={**mine, **HTML})
        text = page.body.decode()
        assert page.status == 200
        for other in ("late", "odd", "calm"):
            assert "farvenue" not in text, path
            assert f'"{other}"' not in text, (path, other)
            assert f" {other} " not in text, (path, other)
