"""Nobody gets anything of the pages who is not signed in, whoever's browser asks."""

from __future__ import annotations

import pytest
from starlette.datastructures import Headers

from tests.serve.api.stage import CLOCK, PASSWORD
from tests.serve.dashboard.scene import Scene
from tieout.serve.access.pace import Pace
from tieout.serve.access.roles import Role
from tieout.serve.api.guard import is_from_here
from tieout.serve.dashboard.signing_in import own_path
from tieout.serve.dashboard.visitor import cookie_in

session = pytest.mark.asyncio(loop_scope="session")


@session
async def test_without_a_session_there_is_nothing(scene: Scene) -> None:
    """Pages lead to the form, everything else of theirs is refused, and the interface stays what it was."""
    ask = scene.stage.ask
    page = await ask("GET", "/breaks/x", headers={"Accept": "text/html"})
    assert (page.status, b"Sign in" in page.body) == (200, True)
    for path in (
        "/",
        "/breaks/x",
        "/nothing",
        "/_nicegui/static/x.js",
        "/_nicegui_ws/socket.io/?EIO=4&transport=polling",
    ):
        assert (await ask("GET", path)).status == 401, path
    token = await scene.stage.token(*Role)
    assert (await ask("GET", "/", token)).status == 401, "a token is for programs"
    assert (await ask("GET", "/v1/nothing", token)).headers["Content-Type"] == "application/problem+json"
    assert (await ask("DELETE", "/v1/accounts", token)).status == 405
    assert (await ask("GET", "/healthz")).status == 200


@session
async def test_only_what_pages_are_made_of_is_past_the_pace(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path of ours that names it further on is counted like any other."""
    await scene.stage.user("pat", Role.VIEWER)
    got = await scene.stage.ask("POST", "/v1/session", body={"name": "pat", "password": PASSWORD})
    mine = {"Cookie": got.headers["Set-Cookie"].partition(";")[0]}
    monkeypatch.setattr(scene.stage.desk, "pace", Pace(1, CLOCK))
    await scene.stage.ask("GET", "/breaks/_nicegui", headers=mine)
    paths = ("/breaks/_nicegui", "//_nicegui", "/_nicegui/static/nothing.js")
    assert [(await scene.stage.ask("GET", path, headers=mine)).status for path in paths] == [429, 429, 404]


@session
async def test_a_wrong_password_is_told_and_locks(scene: Scene) -> None:
    """The form says that it was wrong, and no more: after a few tries it says until when."""
    async with scene.unknown(silent=("401",)) as page:
        await page.goto(scene.url + "/login")
        for _ in range(6):
            await page.get_by_label("Name").fill("nobody-here")
            await page.get_by_label("Password").fill("wrong horse battery")
            await page.get_by_role("button", name="Sign in").click()
            assert "Not signed in" in await page.get_by_role("alert").inner_text()
        assert "Try again at" in await page.get_by_role("alert").inner_text()


@session
async def test_another_sites_form_signs_nobody_in(scene: Scene) -> None:
    """What another site's page sends is refused, right or not."""
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site", "Origin": "null"}):
        got = await scene.stage.ask("POST", "/login", headers=headers)
        assert (got.status, "Set-Cookie" in got.headers) == (403, False)


def test_where_a_request_comes_from() -> None:
    """Our own pages, and somebody who types or follows a link; nobody else's page."""
    here = {"host": "desk:1"}
    assert is_from_here(Headers(here))
    assert is_from_here(Headers({**here, "origin": "https://desk:1"}))
    assert is_from_here(Headers({**here, "sec-fetch-site": "same-origin", "origin": "null"}))
    assert is_from_here(Headers({**here, "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}))
    assert not is_from_here(Headers({**here, "origin": "https://desk:2"}))
    assert not is_from_here(Headers({**here, "origin": "null"}))
    assert not is_from_here(Headers({**here, "sec-fetch-site": "same-site", "sec-fetch-mode": "cors"}))
    assert not is_from_here(
        Headers({**here, "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "origin": "x"})
    )


@pytest.mark.parametrize("text", ["//evil", "/\\evil", "https://evil", "evil", "", "/a\nb", "javascript:alert(1)"])
def test_nobody_is_sent_elsewhere(text: str) -> None:
    """After signing in one comes to a page of ours alone."""
    assert own_path(text) == "/"
    assert own_path("/breaks/a%20b") == "/breaks/a%20b"


def test_a_cookie_that_is_none() -> None:
    """Whatever stands in the header, it is a cookie or none."""
    assert cookie_in("") is None
    assert cookie_in("a=b; \x00;;=") is None
    assert cookie_in("a=b; tieout_session=xyz") == "xyz"
