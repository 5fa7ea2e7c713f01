"""What somebody tries at the way through the issuer: with tokens, with answers, with cookies, as the issuer itself."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable
from urllib.parse import urlencode

import msgspec
import pytest
from aiohttp import web
from joserfc.jwk import ECKey, RSAKey

from tests.serve.api.stage import CLOCK
from tests.serve.oidc.house import House
from tests.serve.oidc.loopback import SECRET, Claims, Loopback, browser, query_of
from tieout.clock import VirtualClock
from tieout.model.secret import Secret
from tieout.serve.access.begun import LASTS, Beginnings
from tieout.serve.access.pace import Pace

pytestmark = pytest.mark.asyncio(loop_scope="session")
OTHER = ECKey.generate_key("P-256", {"kid": "first", "use": "sig"})
PUBLIC = OTHER.as_dict(private=False)


def now() -> int:
    """This second, as tokens tell it."""
    return int(CLOCK.now().timestamp())


def text(raw: bytes) -> str:
    """As tokens write bytes."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def made(header: dict[str, object], claims: Claims, key: bytes | None = None) -> str:
    """A token that nobody of the issuer made: without a signature, or under a key that is no secret."""
    body = f"{text(msgspec.json.encode(header))}.{text(msgspec.json.encode(claims))}"
    return f"{body}.{'' if key is None else text(hmac.digest(key, body.encode(), 'sha256'))}"


def pem(issuer: Loopback) -> bytes:
    """The public key, which everybody has."""
    assert isinstance(issuer.key, ECKey)
    return issuer.key.as_pem(private=False)


Lie = Callable[[Loopback, Claims], str]
UNSIGNED, UNFIT = "is not signed by the issuer", "is not signed in a way that counts"
UNKNOWN, LACKING = "does not publish", "does not say what it has to"
TOKENS: dict[str, tuple[Lie, str]] = {
    "algorithm none": (lambda _, c: made({"alg": "none"}, c), UNFIT),
    "algorithm None, with its key's name": (lambda _, c: made({"alg": "None", "kid": "third"}, c), UNFIT),
    "HS256 under the public key": (lambda i, c: made({"alg": "HS256", "kid": i.key.kid}, c, pem(i)), UNFIT),
    "HS256 under our secret": (lambda _, c: made({"alg": "HS256"}, c, SECRET.encode()), UNFIT),
    "no signature": (lambda i, c: made({"alg": "ES256", "kid": i.key.kid}, c), UNSIGNED),
    "somebody's signature": (lambda i, c: made({"alg": "ES256", "kid": i.key.kid}, c, b"x" * 32), UNSIGNED),
    "another key of that name": (lambda i, c: i.signed(c, key=OTHER, kid=i.key.kid), UNSIGNED),
    "a key of its own inside": (lambda i, c: i.signed(c, key=OTHER, kid=i.key.kid, jwk=PUBLIC), UNSIGNED),
    "a key elsewhere": (lambda i, c: i.signed(c, key=OTHER, kid="x", jku="http://127.0.0.1:1/keys"), UNKNOWN),
    "an unknown key": (lambda i, c: i.signed(c, key=OTHER, kid="unknown"), UNKNOWN),
    "other claims under an old signature": (lambda i, c: _swapped(i, c), UNSIGNED),
    "three words": (lambda *_: "a.b.c", "ID token is none"),
    "nothing": (lambda *_: "", "ID token is none"),
    "another audience": (lambda i, c: i.signed(c | {"aud": "other"}), "for another client"),
    "no audience": (lambda i, c: i.signed(c | {"aud": []}), "for another client"),
    "several audiences": (lambda i, c: i.signed(c | {"aud": [c["aud"], "other"]}), "asked for by another client"),
    "another client's": (lambda i, c: i.signed(c | {"azp": "other"}), "asked for by another client"),
    "another issuer": (lambda i, c: i.signed(c | {"iss": "https://other.example"}), "of another issuer"),
    "the issuer with a stroke": (lambda i, c: i.signed(c | {"iss": f"{i.url}/"}), "of another issuer"),
    "expired": (lambda i, c: i.signed(c | {"exp": now() - 61}), "has expired"),
    "never expiring": (lambda i, c: i.signed({n: e for n, e in c.items() if n != "exp"}), LACKING),
    "expiring at no number": (lambda i, c: i.signed(c | {"exp": "tomorrow"}), LACKING),
    "of later": (lambda i, c: i.signed(c | {"iat": now() + 400}), "of a later moment"),
    "from later on": (lambda i, c: i.signed(c | {"nbf": now() + 400}), "from a later moment"),
    "another nonce": (lambda i, c: i.signed(c | {"nonce": "x" * 43}), "of another sign-in"),
    "a nonce of another kind": (lambda i, c: i.signed(c | {"nonce": [c["nonce"]]}), "of another sign-in"),
    "no nonce": (lambda i, c: i.signed({n: e for n, e in c.items() if n != "nonce"}), LACKING),
    "no subject": (lambda i, c: i.signed({n: e for n, e in c.items() if n != "sub"}), LACKING),
    "an empty subject": (lambda i, c: i.signed(c | {"sub": ""}), LACKING),
    "a subject of lines": (lambda i, c: i.signed(c | {"sub": "u-1\nroot"}), "what the log cannot hold"),
    "an endless subject": (lambda i, c: i.signed(c | {"sub": "u" * 201}), "what the log cannot hold"),
    "no groups": (lambda i, c: i.signed({n: e for n, e in c.items() if n != "groups"}), "in no group"),
    "groups in one text": (lambda i, c: i.signed(c | {"groups": "desk root"}), "in no group"),
    "groups inside of groups": (lambda i, c: i.signed(c | {"groups": [["desk"], {"root": 1}, 7, None]}), "in no group"),
    "a group of another case": (lambda i, c: i.signed(c | {"groups": ["Desk", "desk "]}), "in no group"),
    "roles that it gives itself": (lambda i, c: i.signed(c | {"groups": [], "roles": ["admin"]}), "in no group"),
}  # fmt: skip


def _swapped(issuer: Loopback, claims: Claims) -> str:
    head, _, signature = issuer.signed(claims).split(".")
    return f"{head}.{text(msgspec.json.encode(claims | {'groups': ['root']}))}.{signature}"


@pytest.mark.parametrize("lie", TOKENS)
async def test_a_token_that_does_not_hold_lets_nobody_in(house: House, lie: str) -> None:
    """Whatever is wrong with it: nobody is signed in, one sentence says why, and the log has the denial."""
    tell, why = TOKENS[lie]
    house.issuer.sign = lambda claims: tell(house.issuer, claims)
    await house.refused(why, await house.browser.sign_in())


async def test_clocks_may_be_a_minute_apart(house: House) -> None:
    """No more than that: just expired, or of a moment that is to come, still counts within it."""
    now = int(CLOCK.now().timestamp())
    house.issuer.claims |= {"exp": now - 40, "iat": now + 50}
    assert "You are signed in" in (await house.browser.sign_in()).text


async def test_an_unknown_key_is_looked_for_once(house: House) -> None:
    """Many tokens with made-up keys do not have the issuer asked for its keys each time."""
    await house.browser.sign_in()
    house.issuer.sign = lambda claims: house.issuer.signed(claims, key=OTHER, kid="unknown")
    before = house.issuer.asked["keys"]
    for _ in range(4):
        house.browser.clear()
        await house.refused(UNKNOWN, await house.browser.sign_in())
    assert house.issuer.asked["keys"] - before <= 1


async def test_a_small_key_and_one_for_another_use_are_none(house: House) -> None:
    """A key that can be factored signs nothing; neither does one that is there to encrypt."""
    right = house.issuer.key
    try:
        house.issuer.rotate("crypt")
        house.issuer.published = [ECKey.import_key(house.issuer.key.as_dict(private=False) | {"use": "enc"})]
        await house.refused(UNKNOWN, await house.browser.sign_in())
        with pytest.warns(match="2048"):
            small = RSAKey.generate_key(1024, {"kid": "small", "use": "sig"})
            house.issuer.key, house.issuer.published = small, [small]
            house.stage.desk.elsewhere._issuer._in_vain_ns = None  # type: ignore[union-attr]
            await house.refused(UNSIGNED, await house.browser.sign_in())
    finally:
        house.issuer.key = right


async def test_an_answer_counts_once_and_in_its_browser_alone(house: House) -> None:
    """Played again, with its cookie or without, or in another browser, it lets nobody in, whatever the issuer does."""
    house.issuer.reuse = True
    back = await house.browser.walk()
    kept = house.browser.cookies()["tieout_begun"].value
    async with browser(house.browser.url) as thief:
        assert "this browser did not begin this here" in (await thief.get(back)).problem
        assert await thief.who() == {}
    assert "You are signed in" in (await house.browser.get(back)).text
    house.browser.drop("tieout_session")
    await house.refused("this browser did not begin this here", await house.browser.get(back))
    house.browser.keep("tieout_begun", kept)
    await house.refused("came to its end already", await house.browser.get(back))


async def test_a_code_that_was_stolen_is_of_no_use_elsewhere(house: House) -> None:
    """Put into another browser's answer it lacks what proves who asked for it: the issuer does not give it away."""
    stolen = query_of(await house.browser.walk())["code"]
    async with browser(house.browser.url) as thief:
        own = query_of(await thief.walk())
        seen = await thief.get("/login/oidc/answer?" + urlencode(own | {"code": stolen}))
        assert (seen.status, seen.problem) == (401, "Not signed in: the issuer does not take the code.")
        assert await thief.who() == {}


ANSWERS = {
    "another state": ({"state": "x" * 43}, "this browser did not begin this here"),
    "no state": ({"state": ""}, "this browser did not begin this here"),
    "no code": ({"code": ""}, "the issuer let nobody in"),
    "an error": ({"error": "access_denied<script>"}, "the issuer let nobody in"),
    "another issuer": ({"iss": "https://other.example"}, "the answer is of another issuer"),
    "no issuer, where it says that it names itself": ({"iss": ""}, "the answer is of another issuer"),
    "a code that nobody gave": ({"code": "guessed"}, "the issuer does not take the code"),
}


@pytest.mark.parametrize("lie", ANSWERS)
async def test_an_answer_that_is_not_the_issuers_lets_nobody_in(house: House, lie: str) -> None:
    """Whatever the browser brings back that the issuer did not send in this sign-in."""
    house.issuer.answers, why = ANSWERS[lie]
    seen = await house.browser.sign_in()
    assert "<script>" not in seen.text
    await house.refused(why, seen)


async def test_what_stands_twice_in_an_answer_is_none(house: House) -> None:
    """Two codes, or two states, of which another reader may take the other."""
    for name in ("state", "code", "iss"):
        back = await house.browser.walk()
        seen = await house.browser.get(f"{back}&{urlencode({name: query_of(back)[name]})}")
        assert (seen.status, await house.browser.who()) == (401, {}), name


async def test_nobody_is_sent_elsewhere_after_it(house: House) -> None:
    """Neither by the address that began it nor by a cookie that says so."""
    for after in (
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "javascript:alert(1)",
        "/\n//evil.example",
    ):
        seen = await house.browser.sign_in(after)
        assert 'content="0; url=/"' in seen.text
        assert not any("evil" in each for each in seen.came if "/login/oidc?" not in each)
    forged = Beginnings(Secret("somebody else's secret"), CLOCK)
    begun = forged.begin("//evil.example")
    house.browser.clear()
    house.browser.keep("tieout_begun", forged.cookie(begun))
    seen = await house.browser.get("/login/oidc/answer?" + urlencode({"state": begun.state, "code": "x"}))
    await house.refused("this browser did not begin this here", seen)


async def test_a_session_that_was_there_before_is_not_the_one_after(house: House) -> None:
    """A cookie that somebody put into the browser beforehand is replaced, and lets nobody in."""
    house.browser.keep("tieout_session", "chosen-by-somebody")
    await house.browser.sign_in()
    assert house.browser.cookies()["tieout_session"].value != "chosen-by-somebody"
    async with browser(house.browser.url) as other:
        other.keep("tieout_session", "chosen-by-somebody")
        assert await other.who() == {}


async def test_a_sign_in_is_begun_for_ten_minutes() -> None:
    """After that its cookie counts no more; one that was changed, or of a clock ahead, never did."""
    clock = VirtualClock(CLOCK.now())
    beginnings = Beginnings(Secret(SECRET), clock)
    begun = beginnings.begin("/breaks")
    cookie = beginnings.cookie(begun)
    assert Beginnings(Secret(SECRET), clock).read(cookie) == begun, "another worker knows it, too"
    for wrong in ("", "x", "é", cookie[:-2], "A" + cookie[1:], cookie + "AA"):
        assert wrong == cookie or beginnings.read(wrong) is None
    await clock.sleep(LASTS.total_seconds())
    assert beginnings.read(cookie) == begun
    await clock.sleep(1)
    assert beginnings.read(cookie) is None
    assert begun.seed not in repr(begun)
    assert hashlib.sha256(begun.verifier.encode()).digest() == base64.urlsafe_b64decode(begun.challenge + "=")


def redirected() -> web.Response:
    """A token endpoint that sends whoever asks elsewhere, code and secret with them."""
    return web.Response(status=307, headers={"Location": "http://127.0.0.1:1/token"})


GIVEN: dict[str, tuple[Callable[[], web.Response], str]] = {
    "elsewhere": (redirected, "the issuer does not take the code"),
    "a page": (lambda: web.Response(text="<html>"), "the issuer's answer cannot be read"),
    "no ID token": (lambda: web.json_response({"access_token": "x"}), "the issuer's answer cannot be read"),
    "too much": (lambda: web.Response(text="x" * 600_000), "the issuer does not answer"),
}


@pytest.mark.parametrize("given", GIVEN)
async def test_an_issuer_that_answers_nonsense_lets_nobody_in(house: House, given: str) -> None:
    """It is told in a sentence, and nothing is sent to where it points."""
    house.issuer.token_answer, why = GIVEN[given]
    seen = await house.browser.sign_in()
    assert why in seen.problem.replace("&#39;", "'")
    assert (seen.status in (401, 503), await house.browser.who()) == (True, {})


ABOUT: dict[str, tuple[dict[str, object], str]] = {
    "another's name": ({"issuer": "https://other.example"}, "calls itself otherwise"),
    "keys without TLS": ({"jwks_uri": "http://keys.example/keys"}, "not safe from others"),
    "a door without TLS": ({"authorization_endpoint": "http://localhost/authorize"}, "not safe from others"),
    "no text": ({"token_endpoint": 7}, "cannot be read"),
}


@pytest.mark.parametrize("about", ABOUT)
async def test_an_issuer_that_says_otherwise_of_itself_is_not_asked(house: House, about: str) -> None:
    """What it says of itself has to be of it, and nobody else may hear what is said to it."""
    elsewhere = house.stage.desk.elsewhere
    assert elsewhere is not None
    elsewhere._issuer._about, known = None, elsewhere._issuer._about
    house.issuer.about, why = ABOUT[about]
    try:
        await house.told(why, await house.browser.get("/login/oidc"))
    finally:
        elsewhere._issuer._about = known


async def test_who_tries_too_often_is_sent_away(house: House) -> None:
    """The way there and the way back count as tries to log in, by address."""
    house.stage.desk.logins = Pace(2, CLOCK)
    assert "You are signed in" in (await house.browser.sign_in()).text
    for path in ("/login/oidc", "/login/oidc/answer?code=x&state=y"):
        seen = await house.browser.get(path)
        assert (seen.status, "too many tries to log in" in seen.problem) == (429, True)
