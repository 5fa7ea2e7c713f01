"""ID tokens (OpenID Connect Core 1.0, section 3.1.3.7): whose signature, for whom, of when; and what they say of somebody."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from joserfc import jws, jwt
from joserfc.errors import ExpiredTokenError, JoseError
from joserfc.jwk import ECKey, RSAKey
from joserfc.jwt import JWTClaimsRegistry

from tieout.errors import TieoutError

# Signed by the issuer's own key. Never "none", and nothing (HS256) that whoever knows a public key could sign with.
ALGORITHMS = {"RS256": "RSA", "RS384": "RSA", "RS512": "RSA", "PS256": "RSA", "ES256": "EC", "ES384": "EC"}
SKEW = timedelta(seconds=60)  # how far the issuer's clock and ours may be apart
FEWEST_BITS = 2048
Jwk = Mapping[str, object]
Claims = Mapping[str, object]


class NotVouched(TieoutError):
    """An issuer does not vouch for somebody.

    Attributes:
        why: For them and for the log; nothing of a token or of what the issuer wrote is in it.
        who: Their name here, where that is known.
        unreachable: Whether it is the issuer that does not answer.
    """

    def __init__(self, why: str, *, who: str | None = None, unreachable: bool = False) -> None:
        self.why, self.who, self.unreachable = why, who, unreachable
        super().__init__(why)


def key_named(token: str) -> tuple[str, str | None]:
    """The algorithm and the id of the key that a token says it is signed with.

    Raises:
        NotVouched: It is no token, or of an algorithm that proves nothing.
    """
    try:
        header = jws.extract_compact(token.encode()).headers()
    except (JoseError, ValueError):
        raise NotVouched("the issuer's ID token is none") from None
    algorithm, name = header.get("alg"), header.get("kid")
    if algorithm not in ALGORITHMS:
        raise NotVouched("the issuer's ID token is not signed in a way that counts")
    return str(algorithm), None if name is None else str(name)


def key_for(keys: Sequence[Jwk], algorithm: str, name: str | None) -> Jwk | None:
    """The one key of *keys* that a token can be signed with; None where there is none, or it may be one of several."""
    kind = ALGORITHMS[algorithm]
    fitting = [
        key
        for key in keys
        if key.get("kty") == kind
        and key.get("use", "sig") == "sig"
        and key.get("alg", algorithm) == algorithm
        and (name is None or key.get("kid") == name)
    ]
    return fitting[0] if len(fitting) == 1 else None


def read_token(token: str, key: Jwk, algorithm: str) -> Claims:
    """What a token says, under *key*.

    Raises:
        NotVouched: Another key signed it, or it is no token.
    """
    plain: dict[str, str | list[str]] = {name: each for name, each in key.items() if isinstance(each, str)}
    try:
        public = _public(plain, ALGORITHMS[algorithm])
        return jwt.decode(token, public, algorithms=[algorithm]).claims
    except (JoseError, ValueError, TypeError):
        raise NotVouched("the issuer's ID token is not signed by the issuer") from None


def require_meant(claims: Claims, *, issuer: str, client: str, nonce: str, now: datetime) -> None:
    """Refuse what was not said by *issuer*, to this *client*, in this sign-in, now.

    Raises:
        NotVouched: Which of it does not hold.
    """
    wanted = JWTClaimsRegistry(
        int(now.timestamp()),
        int(SKEW.total_seconds()),
        iss={"essential": True, "value": issuer},
        aud={"essential": True, "value": client},
        sub={"essential": True},
        exp={"essential": True},
        iat={"essential": True},
        nonce={"essential": True},
    )
    try:
        wanted.validate(dict(claims))
    except ExpiredTokenError:
        raise NotVouched("the issuer's ID token has expired: do the two clocks agree?") from None
    except JoseError as error:
        named = getattr(error, "claim", "")
        what = _MEANT.get(named, "does not say what it has to")
        raise NotVouched(f"the issuer's ID token {what}") from None
    told = claims["nonce"]
    if not isinstance(told, str) or not hmac.compare_digest(told.encode(), nonce.encode()):
        raise NotVouched("the issuer's ID token is of another sign-in")
    # One that is for several, or was asked for by another client, could have been handed on by that one.
    others = isinstance(claims["aud"], list) and claims["aud"] != [client]
    if claims.get("azp", None if others else client) != client:
        raise NotVouched("the issuer's ID token was asked for by another client")


_MEANT = {
    "iss": "is of another issuer",
    "aud": "is for another client",
    "iat": "is of a later moment: do the two clocks agree?",
    "nbf": "counts from a later moment on: do the two clocks agree?",
}


def _public(plain: dict[str, str | list[str]], kind: str) -> RSAKey | ECKey:
    if kind == "EC":
        return ECKey.import_key(plain)
    key = RSAKey.import_key(plain)
    public = key.public_key
    if not isinstance(public, RSAPublicKey) or public.key_size < FEWEST_BITS:
        raise ValueError("a key that can be guessed")
    return key
