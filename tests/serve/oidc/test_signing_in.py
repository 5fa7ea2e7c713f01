"""Signing in through an issuer over sockets: who one is afterwards, what one may, and when that ends."""

from __future__ import annotations

import logging
from datetime import datetime

import pytest
from aiohttp import web

from tests.serve.api.stage import CLOCK, PASSWORD, QUICK
from tests.serve.oidc.house import House
from tests.serve.oidc.loopback import SECRET, browser, query_of
from tieout.errors import WordRefused
from tieout.record.entry import EntryKind
from tieout.record.users import LASTS, UserRow
from tieout.serve.access.roles import Role

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_whoever_the_issuer_vouches_for_is_signed_in(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """One button, and one is who the issuer says, with the roles of one's groups; nothing of a token is written anywhere."""
    caplog.set_level(logging.DEBUG)
    form = await house.browser.get("/login?next=/breaks")
    assert "Sign in with the desk&#39;s own" in form.text
    assert 'href="/login/oidc?next=%2Fbreaks"' in form.text
    seen = await house.browser.sign_in("/breaks")
    assert (seen.status, 'content="0; url=/breaks"' in seen.text) == (200, True)
    who = await house.browser.who()
    assert (who["name"], who["roles"], who["accounts"]) == ("oidc:u-1", ["approver", "operator"], None)
    assert datetime.fromisoformat(who["until"]) <= CLOCK.now() + LASTS
    kept = house.browser.cookies()
    assert (kept["tieout_session"]["httponly"], kept["tieout_session"]["samesite"]) == (True, "strict")
    assert "tieout_begun" not in kept
    entry = next(each for each in reversed(await house.entries()) if "login" in each.refs)
    assert (entry.kind, entry.actor, entry.refs["login"]) == (EntryKind.GRANT, "oidc:u-1", "oidc:u-1")
    assert (entry.refs["roles"], entry.refs["issuer"]) == ("approver operator", house.issuer.url)
    heard = [each for each in caplog.records if each.name.startswith("tieout") or each.levelno >= logging.WARNING]
    written = "".join(map(str, [*(each.getMessage() for each in heard), *await house.entries()]))
    assert not [each for each in (*house.issuer.told, SECRET) if each in written]


async def test_rsa_keys_and_new_keys_are_known(house: House) -> None:
    """A key that is new is looked up again, once, whatever kind it is of."""
    await house.browser.sign_in()
    before = house.issuer.asked["keys"]
    house.issuer.rotate("second", rsa=True)
    assert "You are signed in" in (await house.browser.sign_in()).text
    assert "You are signed in" in (await house.browser.sign_in()).text
    assert house.issuer.asked["keys"] == before + 1
    house.issuer.rotate("third")


async def test_roles_are_those_of_the_last_login_in_every_session(house: House) -> None:
    """More or less in the issuer's groups is more or less here, from the next login on; in none of them ends it."""
    house.issuer.claims |= {"sub": "u-of-roles"}  # the log is everybody's: what other tests did is in it, too
    async with browser(house.browser.url) as other:
        assert (await other.sign_in()).status == 200
        house.issuer.claims |= {"groups": ["guests", "nothing"]}
        await house.browser.sign_in()
        for each in (house.browser, other):
            who = await each.who()
            assert (who["roles"], who["accounts"], who["sees_amounts"]) == (["viewer"], ["main"], False)
        house.issuer.claims |= {"groups": ["nothing"]}
        async with browser(house.browser.url) as third:
            assert "no group that may anything" in (await third.sign_in()).problem
        assert [await each.who() for each in (house.browser, other)] == [{}, {}]
    withdrawn = [entry.refs["withdrawn"] for entry in await house.entries() if "withdrawn" in entry.refs]
    assert withdrawn.count("oidc:u-of-roles") == 1


async def test_several_groups_give_what_each_of_them_would(house: House) -> None:
    """A role counts on no account that its own group is not for; where nothing is left nobody is let in."""
    house.issuer.claims |= {"sub": "u-2", "groups": ["desk", "guests"]}
    await house.browser.sign_in()
    who = await house.browser.who()
    assert (who["roles"], who["accounts"]) == (["approver", "operator", "viewer"], ["main"])
    house.browser.clear()
    house.issuer.claims |= {"sub": "u-3", "groups": ["guests", "elsewhere"]}
    await house.refused("your groups have no account in common", await house.browser.sign_in())


async def test_one_person_is_one_and_another_of_that_name_another(house: House) -> None:
    """Two logins bear one name; a user with a password of the same one is somebody else, and nobody can take the name."""
    await house.stage.user("u-1", Role.VIEWER)
    await house.browser.sign_in()
    async with browser(house.browser.url) as other:
        await other.sign_in()
        assert [(await each.who())["name"] for each in (house.browser, other)] == ["oidc:u-1"] * 2
    local = await house.stage.ask("POST", "/v1/session", body={"name": "u-1", "password": PASSWORD})
    assert (local.body["name"], local.body["roles"]) == ("u-1", ["viewer"])
    for name in ("oidc:u-9", "OIDC:u-1"):
        row = UserRow(name=name, roles=("admin",), created_at=CLOCK.now(), created_by="test", password="x")
        with pytest.raises(WordRefused, match="given by an issuer alone"):
            await house.stage.desk.users.add(row)
    admin = await house.stage.token(Role.ADMIN)
    body = {"name": "oidc:u-9", "password": PASSWORD, "roles": ["admin"]}
    assert (await house.stage.ask("POST", "/v1/users", admin, body=body)).status == 409


async def test_there_is_no_password_of_whoever_has_none(house: House) -> None:
    """Not an empty one, not what nobody has, and none that an administrator gives."""
    await house.browser.sign_in()
    for password in ("", "nobody has this password", PASSWORD):
        got = await house.stage.ask("POST", "/v1/session", body={"name": "oidc:u-1", "password": password})
        assert (got.status, got.body["detail"].partition(";")[0]) == (401, "the name or the password is wrong")
        assert not await QUICK.fits(password, "")
    hashed = await QUICK.hash(PASSWORD)
    with pytest.raises(WordRefused, match="without a password"):
        await house.stage.desk.users.set_password("oidc:u-1", hashed, actor="test", at=CLOCK.now())


async def test_signing_out_and_being_disabled_end_it_here(house: House) -> None:
    """Out is out, whatever the issuer still believes; who was disabled does not come in again by it."""
    house.issuer.claims |= {"sub": "u-4"}
    await house.browser.sign_in()
    assert (await house.browser.post("/logout")).status == 200
    assert await house.browser.who() == {}
    await house.browser.sign_in()
    await house.stage.desk.users.disable("oidc:u-4", actor="test", at=CLOCK.now())
    assert await house.browser.who() == {}
    await house.refused("you may sign in no more", await house.browser.sign_in())


async def test_a_session_rests_on_the_issuer_that_is_configured(house: House) -> None:
    """Where another issuer is believed, or none, what the old one vouched for counts no more, and its names are nobody's."""
    house.issuer.claims |= {"sub": "u-5"}
    await house.browser.sign_in()
    callers = house.stage.desk.callers
    believed = callers.issuer
    try:
        callers.issuer = ""
        assert await house.browser.who() == {}
    finally:
        callers.issuer = believed
    row = await house.stage.desk.users.user("oidc:u-5")
    assert row is not None
    for known in ({"issuer": "https://other.example"}, {"name": "oidc:U-5"}):
        other = UserRow(**{**{each: getattr(row, each) for each in UserRow.__struct_fields__}, **known})
        with pytest.raises(WordRefused, match="somebody else has your name"):
            await callers.admit(other)


async def test_what_the_issuer_calls_somebody_is_shown_and_counts_for_nothing(house: House) -> None:
    """A mail address, a nickname and a name are whatever somebody typed there: none of them makes anybody somebody else."""
    await house.stage.user("ann", Role.ADMIN)
    told = {"email": "ann@desk.example", "email_verified": True, "preferred_username": "ann", "name": "ann"}
    house.issuer.claims |= {"sub": "u-6", "groups": ["guests"], **told}
    await house.browser.sign_in()
    who = await house.browser.who()
    assert (who["name"], who["roles"]) == ("oidc:u-6", ["viewer"])
    users = (await house.stage.ask("GET", "/v1/users", await house.stage.token(Role.ADMIN))).body["grants"]
    assert [each["display"] for each in users if each["name"] == "oidc:u-6"] == ["ann"]
    house.issuer.claims |= {"name": "x" * 500, "sub": "u-7"}
    await house.browser.sign_in()
    row = await house.stage.desk.users.user("oidc:u-7")
    assert row is not None and row.display == "x" * 80


async def test_an_issuer_that_is_away_keeps_nobody_else_out(house: House) -> None:
    """Whoever signs in through it is told; passwords count on, and it is asked again the next time."""
    house.issuer.token_answer = lambda: web.Response(status=500)
    seen = await house.browser.sign_in()
    assert (seen.status, seen.problem) == (503, "Not signed in: the issuer answers 500.")
    await house.stage.user("bea", Role.VIEWER)
    assert (await house.stage.ask("POST", "/v1/session", body={"name": "bea", "password": PASSWORD})).status == 200
    house.issuer.token_answer = None
    assert "You are signed in" in (await house.browser.sign_in()).text


async def test_what_the_issuer_is_asked_is_bound_to_the_browser(house: House) -> None:
    """State, nonce and challenge are new each time, and none of them tells the verifier or the cookie."""
    asked = []
    for _ in range(2):
        seen = await house.browser.get("/login/oidc", follow=False)
        asked.append(query_of(seen.came[0]))
        assert house.browser.cookies()["tieout_begun"]["samesite"] == "lax"
    for name in ("state", "nonce", "code_challenge"):
        assert len({each[name] for each in asked}) == 2
        assert all(len(each[name]) == 43 for each in asked)
