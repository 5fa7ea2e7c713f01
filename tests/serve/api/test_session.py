"""People who log in: by a cookie that scripts cannot read, and a token that their page shows besides it."""

from __future__ import annotations

from tests.serve.api.stage import PASSWORD, Stage
from tieout.serve.access.roles import Role
from tieout.serve.api.guard import COOKIE, CSRF


async def logged_in(stage: Stage, name: str) -> tuple[dict[str, str], str]:
    """The cookie of somebody who logged in, as a header, and what their page shows."""
    got = await stage.ask("POST", "/v1/session", body={"name": name, "password": PASSWORD})
    assert got.status == 200, got
    cookie = got.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    return {"Cookie": cookie.partition(";")[0]}, str(got.body["csrf"])


async def test_whoever_logged_in_may_what_their_roles_let(stage: Stage) -> None:
    """A session sees, and changes something only with what its page shows; without that it is another site that asks."""
    await stage.user("ann", Role.OPERATOR)
    cookie, csrf = await logged_in(stage, "ann")
    assert (await stage.ask("GET", "/v1/accounts", headers=cookie)).status == 200
    assert (await stage.ask("GET", "/v1/session", headers=cookie)).body["name"] == "ann"
    body = {"reason": "lunch"}
    for headers in (cookie, {**cookie, CSRF: "guessed"}):
        assert (await stage.ask("POST", "/v1/accounts/main/halt", body=body, headers=headers)).status == 403
    said = await stage.ask("POST", "/v1/accounts/main/halt", body=body, headers={**cookie, CSRF: csrf})
    assert said.status == 200
    assert (await stage.ask("GET", "/v1/accounts/main", headers=cookie)).body["halts"][0]["by"] == "ann"


async def test_a_session_ends_when_it_should(stage: Stage) -> None:
    """Logging out, another password and being disabled each end what was begun before."""
    at = stage.desk.clock.now
    await stage.user("ann", Role.VIEWER)
    await stage.user("ben", Role.VIEWER)
    first, _ = await logged_in(stage, "ann")
    second, _ = await logged_in(stage, "ann")
    bens, _ = await logged_in(stage, "ben")
    assert (await stage.ask("DELETE", "/v1/session", headers=first)).status == 200
    assert (await stage.ask("GET", "/v1/accounts", headers=first)).status == 401
    assert (await stage.ask("GET", "/v1/accounts", headers=second)).status == 200
    hashed = await stage.desk.callers.passwords.hash("another four words")
    await stage.desk.users.set_password("ann", hashed, actor="test", at=at())
    await stage.desk.users.disable("ben", actor="test", at=at())
    for cookie in (second, bens, {"Cookie": f"{COOKIE}=made-up"}):
        assert (await stage.ask("GET", "/v1/accounts", headers=cookie)).status == 401
    refused = await stage.ask("POST", "/v1/session", body={"name": "ben", "password": PASSWORD})
    assert (refused.status, refused.body["detail"]) == (401, "the name or the password is wrong")


async def test_wrong_passwords_lock_a_name_whether_there_is_such_a_user_or_not(stage: Stage) -> None:
    """After five, not even the right one is looked at for a while; nothing tells whether the name is anybody's."""
    await stage.user("ann", Role.VIEWER)
    told = {}
    for name in ("ann", "nobody"):
        tries = [await stage.ask("POST", "/v1/session", body={"name": name, "password": "w" * 12}) for _ in range(6)]
        told[name] = [(each.status, each.body["detail"].partition(";")[0]) for each in tries]
        assert tries[5].headers["Retry-After"] == "60"
    assert told["ann"] == told["nobody"]
    assert [why for _, why in told["ann"]] == ["the name or the password is wrong"] * 5 + ["too many wrong passwords"]
    assert (await stage.ask("POST", "/v1/session", body={"name": "ann", "password": PASSWORD})).status == 401


async def test_whoever_administers_makes_and_takes_back(stage: Stage) -> None:
    """A token and a user made over the interface count, are listed without secrets, and end when taken back."""
    admin = await stage.token(Role.ADMIN, name="root")
    made = await stage.ask("POST", "/v1/tokens", admin, body={"name": "bot", "roles": ["viewer"], "days": 1})
    assert made.status == 201
    assert (await stage.ask("GET", "/v1/accounts", made.body["token"])).status == 200
    person = {"name": "ann", "password": PASSWORD, "roles": ["viewer"], "accounts": ["other"]}
    assert (await stage.ask("POST", "/v1/users", admin, body=person)).status == 201
    assert (await stage.ask("POST", "/v1/users", admin, body=person)).status == 409
    cookie, _ = await logged_in(stage, "ann")
    listed = (await stage.ask("GET", "/v1/accounts", headers=cookie)).body["accounts"]
    assert [row["account"] for row in listed] == ["other"]
    told = str((await stage.ask("GET", "/v1/tokens", admin)).body) + str(
        (await stage.ask("GET", "/v1/users", admin)).body
    )
    assert "argon2" not in told
    assert made.body["token"] not in told
    assert (await stage.ask("DELETE", f"/v1/tokens/{made.body['id']}", admin)).status == 200
    assert (await stage.ask("DELETE", "/v1/users/ann", admin)).status == 200
    assert (await stage.ask("GET", "/v1/accounts", made.body["token"])).status == 401
    assert (await stage.ask("GET", "/v1/accounts", headers=cookie)).status == 401
