"""An OpenID Connect issuer, asked over the network: what it says of itself, its keys, and whom a code is of."""

from __future__ import annotations

import base64
from typing import TypeVar
from urllib.parse import quote_plus, urlencode

import msgspec
from aiohttp import ClientError, ClientSession, ClientTimeout, DummyCookieJar
from msgspec import Struct

from tieout.clock import Clock
from tieout.config.oidc import OidcSettings, is_private
from tieout.model.secret import Secret
from tieout.serve.access.begun import Begun
from tieout.serve.access.id_tokens import Claims, Jwk, NotVouched, key_for, key_named, read_token, require_meant

PATIENCE = ClientTimeout(total=10)
MOST = 512 * 1024
KEPT_NS = 3600 * 10**9  # what it says of itself, and its keys: one that it took back counts no longer than that
AGAIN_NS = 30 * 10**9  # from one look for a key that was not found to the next
_BASIC, _POST = "client_secret_basic", "client_secret_post"
T = TypeVar("T")


class About(Struct, frozen=True):
    """What it says of itself (OpenID Connect Discovery 1.0)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    token_endpoint_auth_methods_supported: tuple[str, ...] = (_BASIC,)
    authorization_response_iss_parameter_supported: bool = False


class Keys(Struct, frozen=True):
    """Its keys, as it publishes them."""

    keys: tuple[dict[str, object], ...]


class Given(Struct, frozen=True):
    """What it gives for a code; we take the ID token alone."""

    id_token: str

    def __repr__(self) -> str:
        return "Given()"


class Issuer:
    """Asks it. All raise `NotVouched`, also where it does not answer.

    Args:
        settings: What the configuration says of it.
        secret: What it knows this service by.
        clock: Where time comes from.
    """

    def __init__(self, settings: OidcSettings, secret: Secret, clock: Clock) -> None:
        self._settings, self._secret, self._clock = settings, secret, clock
        self._about: tuple[int, About] | None = None
        self._keys: tuple[int, tuple[Jwk, ...]] | None = None
        self._in_vain_ns: int | None = None

    async def address(self, begun: Begun) -> str:
        """Where the browser has to go to sign in there."""
        about = await self._said()
        asked = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": self._settings.redirect_uri,
            "scope": " ".join(dict.fromkeys(("openid", *self._settings.scopes))),
            "state": begun.state,
            "nonce": begun.nonce,
            "code_challenge": begun.challenge,
            "code_challenge_method": "S256",
        }
        place = about.authorization_endpoint
        return f"{place}{'&' if '?' in place else '?'}{urlencode(asked)}"

    async def require_own(self, named: str | None) -> None:
        """Refuse an answer that another issuer gave (RFC 9207)."""
        about = await self._said()
        if named is None and not about.authorization_response_iss_parameter_supported:
            return
        if named != about.issuer:
            raise NotVouched("the answer is of another issuer")

    async def claims(self, code: str, begun: Begun) -> Claims:
        """What it says of whoever the code is of."""
        token = (await self._given(code, begun)).id_token
        algorithm, name = key_named(token)
        found = read_token(token, await self._key(algorithm, name), algorithm)
        told, now = self._settings, self._clock.now()
        require_meant(found, issuer=told.issuer, client=told.client_id, nonce=begun.nonce, now=now)
        return found

    async def _said(self) -> About:
        now = self._clock.monotonic_ns()
        if self._about is not None and now - self._about[0] < KEPT_NS:
            return self._about[1]
        place = f"{self._settings.issuer.rstrip('/')}/.well-known/openid-configuration"
        about = await self._asked(place, About)
        if about.issuer != self._settings.issuer:
            raise NotVouched("the issuer calls itself otherwise than the configuration does")
        if not all(map(is_private, (about.authorization_endpoint, about.token_endpoint, about.jwks_uri))):
            raise NotVouched("the issuer is not safe from others: its addresses are without TLS")
        self._about = now, about
        return about

    async def _key(self, algorithm: str, name: str | None) -> Jwk:
        """The key of that name. One that is not known may be new: then they are looked up again, once."""
        now = self._clock.monotonic_ns()
        fresh = self._keys is None or now - self._keys[0] >= KEPT_NS
        found = key_for(await self._published(fresh=fresh), algorithm, name)
        if found is None and not fresh and (self._in_vain_ns is None or now - self._in_vain_ns >= AGAIN_NS):
            found = key_for(await self._published(fresh=True), algorithm, name)
            self._in_vain_ns = now if found is None else None
        if found is None:
            raise NotVouched("the issuer's ID token is signed with a key that the issuer does not publish")
        return found

    async def _published(self, *, fresh: bool) -> tuple[Jwk, ...]:
        if self._keys is None or fresh:
            now = self._clock.monotonic_ns()
            self._keys = now, (await self._asked((await self._said()).jwks_uri, Keys)).keys
        return self._keys[1]

    async def _given(self, code: str, begun: Begun) -> Given:
        """What it gives for the code, which counts once."""
        about, told = await self._said(), self._settings
        sent = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": told.redirect_uri,
            "code_verifier": begun.verifier,
        }
        ways = about.token_endpoint_auth_methods_supported
        if _BASIC in ways or _POST not in ways:
            pair = f"{quote_plus(told.client_id)}:{quote_plus(self._secret.reveal())}"
            return await self._asked(about.token_endpoint, Given, sent, base64.b64encode(pair.encode()).decode())
        sent |= {"client_id": told.client_id, "client_secret": self._secret.reveal()}
        return await self._asked(about.token_endpoint, Given, sent)

    async def _asked(self, url: str, shape: type[T], sent: dict[str, str] | None = None, basic: str | None = None) -> T:
        """What it answers; *sent* is posted, by whoever *basic* names."""
        headers = {"Accept": "application/json"} | ({} if basic is None else {"Authorization": f"Basic {basic}"})
        try:
            status, raw = await _answer("GET" if sent is None else "POST", url, sent, headers)
        except (ClientError, TimeoutError, OSError, ValueError):
            raise NotVouched("the issuer does not answer", unreachable=True) from None
        if status != 200:
            refused = sent is not None and status < 500
            why = "the issuer does not take the code" if refused else f"the issuer answers {status}"
            raise NotVouched(why, unreachable=not refused)
        try:
            return msgspec.json.decode(raw, type=shape)
        except msgspec.DecodeError:
            raise NotVouched("the issuer's answer cannot be read", unreachable=True) from None


async def _answer(method: str, url: str, sent: dict[str, str] | None, headers: dict[str, str]) -> tuple[int, bytes]:
    """Status and body. It is believed at the address that was asked alone: no redirect is followed."""
    async with (
        ClientSession(timeout=PATIENCE, cookie_jar=DummyCookieJar()) as session,
        session.request(method, url, data=sent, headers=headers, allow_redirects=False) as answer,
    ):
        raw = bytearray()
        async for part in answer.content.iter_chunked(MOST):
            raw += part
            if len(raw) > MOST:
                raise ValueError("an answer without an end")
        return answer.status, bytes(raw)
