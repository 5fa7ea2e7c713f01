"""An OpenID Connect issuer on loopback with keys of its own, which lies where it is told to, and a browser."""

from __future__ import annotations

import base64
import hashlib
import secrets
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http.cookies import Morsel
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlencode, urlsplit

import msgspec
from aiohttp import ClientSession, CookieJar, web
from joserfc import jwt
from joserfc.jwk import ECKey, Key, KeyParameters, RSAKey

from tests.serve.api.stage import CLOCK

CLIENT, SECRET = "tieout-desk", "not-a-real+secret/of:anybody"
Claims = dict[str, object]
Sign = Callable[[Claims], str]


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


class Loopback:
    """The issuer. Whoever comes is `claims`; `sign` makes the token, `about` and `answers` say what it should not."""

    def __init__(self, url: str, redirect_uri: str) -> None:
        self.url, self.redirect_uri = url, redirect_uri
        self.asked: Counter[str] = Counter()
        self.told: list[str] = []  # what nobody else may see
        self._codes: dict[str, Claims] = {}
        self._challenges: dict[str, str] = {}
        self.key: Key = ECKey.generate_key("P-256", {"kid": "first", "use": "sig"})
        self.forget()

    def forget(self) -> None:
        """Be honest again."""
        self.told.clear()
        self.published: list[Key] = [self.key]
        self.claims: Claims = {"sub": "u-1", "groups": ["desk"], "name": "Ann Smith"}
        self.sign: Sign = self.signed
        self.about: dict[str, object] = {}
        self.answers: dict[str, str] = {}
        self.token_answer: Callable[[], web.Response] | None = None
        self.reuse = False

    def signed(self, claims: Claims, *, algorithm: str = "", key: Key | None = None, **header: object) -> str:
        """A token as it makes them."""
        key = key or self.key
        algorithm = algorithm or ("RS256" if key.key_type == "RSA" else "ES256")
        head: dict[str, Any] = {"alg": algorithm, "kid": key.kid, **header}
        return jwt.encode({name: each for name, each in head.items() if each is not None}, claims, key, [algorithm])

    def rotate(self, name: str, *, rsa: bool = False) -> None:
        """Another key from now on."""
        told: KeyParameters = {"kid": name, "use": "sig"}
        self.key = RSAKey.generate_key(2048, told) if rsa else ECKey.generate_key("P-256", told)
        self.published = [self.key]

    @property
    def app(self) -> web.Application:
        """What it serves."""
        app = web.Application()
        app.add_routes(
            [
                web.get("/.well-known/openid-configuration", self._tell),
                web.get("/keys", self._keys),
                web.get("/authorize", self._authorize),
                web.post("/token", self._token),
            ]
        )
        return app

    async def _tell(self, request: web.Request) -> web.Response:
        self.asked["about"] += 1
        told = {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            "authorization_response_iss_parameter_supported": True,
        }
        return _json(told | self.about)

    async def _keys(self, request: web.Request) -> web.Response:
        self.asked["keys"] += 1
        return _json({"keys": [each.as_dict(private=False) for each in self.published]})

    async def _authorize(self, request: web.Request) -> web.Response:
        asked = request.query
        assert (asked["response_type"], asked["client_id"]) == ("code", CLIENT)
        assert asked["redirect_uri"] == self.redirect_uri
        assert (asked["code_challenge_method"], asked["scope"]) == ("S256", "openid profile")
        code, now = secrets.token_urlsafe(16), int(CLOCK.now().timestamp())
        self._codes[code] = {
            "iss": self.url, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": asked["nonce"], **self.claims,
        }  # fmt: skip
        self._challenges[code] = asked["code_challenge"]
        self.told += [code, asked["nonce"]]
        back = {"code": code, "state": asked["state"], "iss": self.url} | self.answers
        to = f"{self.redirect_uri}?{urlencode({name: each for name, each in back.items() if each})}"
        return web.Response(status=302, headers={"Location": to})

    async def _token(self, request: web.Request) -> web.Response:
        self.asked["token"] += 1
        if self.token_answer is not None:
            return self.token_answer()
        sent = {name: values[0] for name, values in parse_qs(await request.text()).items()}
        way, _, pair = request.headers.get("Authorization", "").partition(" ")
        login, _, password = base64.b64decode(pair).decode().partition(":")
        if (way, unquote_plus(login), unquote_plus(password)) != ("Basic", CLIENT, SECRET):
            return _json({"error": "invalid_client"}, 401)
        found = self._codes.get(sent["code"]) if self.reuse else self._codes.pop(sent["code"], None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(sent["code_verifier"].encode()).digest()).rstrip(b"=")
        fits = found is not None and challenge.decode() == self._challenges[sent["code"]]
        if not fits or sent["redirect_uri"] != self.redirect_uri or found is None:
            return _json({"error": "invalid_grant"}, 400)
        token = self.sign({name: each for name, each in found.items() if each is not None})
        self.told += [token, sent["code_verifier"]]
        return _json({"access_token": "x", "token_type": "Bearer", "id_token": token})


def _json(told: object, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(told), status=status, content_type="application/json")


@asynccontextmanager
async def loopback(redirect_uri: str) -> AsyncIterator[Loopback]:
    """It, listening."""
    port = free_port()
    issuer = Loopback(f"http://127.0.0.1:{port}", redirect_uri)
    runner = web.AppRunner(issuer.app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield issuer
    finally:
        await runner.cleanup()


class Seen:
    """What a browser was shown in the end, and where."""

    def __init__(self, status: int, url: str, text: str, came: list[str]) -> None:
        self.status, self.url, self.text, self.came = status, url, text, came

    @property
    def problem(self) -> str:
        """What the form says went wrong."""
        return self.text.partition('id="problem">')[2].partition("</p>")[0]


class Browser:
    """Follows redirects and keeps cookies, as one does."""

    def __init__(self, url: str, session: ClientSession) -> None:
        self.url, self._session = url, session

    async def get(self, path: str, *, follow: bool = True) -> Seen:
        """A page, by its path at the service or by its whole address."""
        place = path if path.startswith("http") else self.url + path
        async with self._session.get(place, allow_redirects=follow) as got:
            came = [str(each.headers["Location"]) for each in (*got.history, got) if "Location" in each.headers]
            return Seen(got.status, str(got.url), await got.text(), came)

    async def post(self, path: str) -> Seen:
        """Press a button of a form without fields."""
        async with self._session.post(self.url + path) as got:
            return Seen(got.status, str(got.url), await got.text(), [])

    async def sign_in(self, after: str = "/") -> Seen:
        """The button, and where it leads."""
        return await self.get("/login/oidc?" + urlencode({"next": after}))

    async def walk(self) -> str:
        """Go to the issuer, and stop before what it leads back to; that address."""
        away = (await self.get("/login/oidc", follow=False)).came[0]
        return (await self.get(away, follow=False)).came[0]

    def cookies(self) -> dict[str, Morsel[str]]:
        """What it keeps."""
        return {each.key: each for each in self._session.cookie_jar}

    def keep(self, name: str, value: str) -> None:
        """Keep a cookie that somebody put there."""
        self._session.cookie_jar.update_cookies({name: value})

    def clear(self) -> None:
        """Lose all cookies."""
        self._session.cookie_jar.clear()

    def drop(self, *names: str) -> None:
        """Lose cookies."""
        self._session.cookie_jar.clear(lambda each: each.key in names)

    async def who(self) -> dict[str, Any]:
        """Who is signed in, as the service has it."""
        async with self._session.get(self.url + "/v1/session") as got:
            return msgspec.json.decode(await got.read()) if got.status == 200 else {}


@asynccontextmanager
async def browser(url: str) -> AsyncIterator[Browser]:
    """A new one, without a cookie."""
    async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as session:
        yield Browser(url, session)


def query_of(address: str) -> dict[str, str]:
    """What an address asks."""
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
