"""Sign-ins that were begun elsewhere: what the browser keeps meanwhile, so that it alone can end them, once and soon."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections import OrderedDict
from datetime import datetime, timedelta

import msgspec
from msgspec import Struct

from tieout.clock import Clock
from tieout.model.secret import Secret

LASTS = timedelta(minutes=10)
LONGEST_PATH = 1000
# How many sign-ins are remembered as ended; whoever could use one twice would need its cookie, and a code besides.
USED = 10_000
_KEY = b"tieout: sign-ins that were begun"


class Begun(Struct, frozen=True):
    """One sign-in. What the issuer is shown of it (`state`, `nonce`) tells nothing of the seed, which the browser has alone.

    Attributes:
        seed: 256 bits of chance.
        at: When it was begun.
        after: The page of ours that is to follow.
    """

    seed: str
    at: datetime
    after: str

    @property
    def state(self) -> str:
        """What the issuer sends back with the browser."""
        return self._made("state")

    @property
    def nonce(self) -> str:
        """What the ID token has to hold."""
        return self._made("nonce")

    @property
    def verifier(self) -> str:
        """What shows at the issuer that the code is asked for by whoever began (RFC 7636)."""
        return self._made("verifier")

    @property
    def challenge(self) -> str:
        """What the issuer holds the verifier against: S256 of it."""
        return _text(hashlib.sha256(self.verifier.encode()).digest())

    def _made(self, what: str) -> str:
        return _text(hmac.digest(self.seed.encode(), what.encode(), "sha256"))

    def __repr__(self) -> str:
        return f"Begun(at={self.at!r})"


class Beginnings:
    """Begins them and knows them again, also those that another worker with the same secret began.

    Args:
        secret: The issuer's secret for this service; the cookies are signed under a key made from it.
        clock: Where time comes from.
    """

    def __init__(self, secret: Secret, clock: Clock) -> None:
        self._key, self._clock = hmac.digest(secret.reveal().encode(), _KEY, "sha256"), clock
        self._used: OrderedDict[str, None] = OrderedDict()

    def begin(self, after: str) -> Begun:
        """A new one."""
        return Begun(secrets.token_urlsafe(32), self._clock.now(), after if len(after) <= LONGEST_PATH else "/")

    def cookie(self, begun: Begun) -> str:
        """What the browser keeps of it."""
        body = msgspec.msgpack.encode(begun)
        return _text(hmac.digest(self._key, body, "sha256") + body)

    def read(self, cookie: str) -> Begun | None:
        """The one of a cookie; None where we did not write it, or it was too long ago."""
        try:
            raw = base64.b64decode(cookie.encode() + b"=" * (-len(cookie) % 4), b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        mac, body = raw[:32], raw[32:]
        if not hmac.compare_digest(mac, hmac.digest(self._key, body, "sha256")):
            return None
        begun = msgspec.msgpack.decode(body, type=Begun)
        return begun if timedelta(0) <= self._clock.now() - begun.at <= LASTS else None

    def use(self, begun: Begun) -> bool:
        """Whether this is the first end that it comes to, which it then came to."""
        if begun.state in self._used:
            return False
        self._used[begun.state] = None
        if len(self._used) > USED:
            self._used.popitem(last=False)
        return True


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
