"""Coinbase Advanced's user channel: orders, and positions in futures, not payments. Heartbeats number the messages."""

from __future__ import annotations

import base64
import json
import random as randomness
from collections.abc import Iterable, Mapping

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from tieout.brokers.streams.base import Heard, StreamEvent
from tieout.brokers.streams.dialect import Json, Now, Spoken, due_object, due_rows, milliseconds, touched
from tieout.brokers.streams.line import Line
from tieout.brokers.streams.numbered import Numbered

URL = "wss://advanced-trade-ws-user.coinbase.com"
_GOOD_FOR_S = 120
_CHANNELS = ("heartbeats", "user")


class Coinbase(Spoken):
    """Subscribed with tokens that a key signs; *now* is the venue's time, *random* makes each token another."""

    def __init__(
        self, source: str, credentials: Mapping[str, str], now: Now, random: randomness.Random, url: str = URL
    ) -> None:
        super().__init__(source, url)
        self._key, self._secret, self._now = credentials.get("apiKey", ""), credentials.get("secret", ""), now
        self._chance, self._numbers = random, Numbered()

    async def open(self, line: Line) -> None:
        """Subscribe to each channel."""
        self._numbers.begin()
        for channel in _CHANNELS:
            await line.send({"type": "subscribe", "channel": channel, "jwt": self._token()})
            await self._answered(line, lambda frame, name=channel: self._confirms(frame, name))  # type: ignore[misc]

    def told(self, frame: object) -> Iterable[StreamEvent]:
        """Orders and positions; everything where messages are missing."""
        told = due_object(frame)
        self._require_no_error(told)
        if self._numbers.missed(told.get("sequence_num")):
            yield StreamEvent(what=Heard.TOUCHED)
        if told.get("channel") != "user":
            return
        for event in due_rows(told.get("events")):
            yield from (
                touched("fills", row, "order_id", "client_order_id") for row in due_rows(event.get("orders") or [])
            )
            if event.get("positions"):
                yield StreamEvent(what=Heard.TOUCHED, section="positions")

    def _confirms(self, frame: Json, channel: str) -> bool:
        self._require_no_error(frame)
        self._numbers.missed(frame.get("sequence_num"))
        if frame.get("channel") != "subscriptions":
            return False
        return any(channel in (row.get("subscriptions") or {}) for row in due_rows(frame.get("events")))

    def _require_no_error(self, frame: Json) -> None:
        if frame.get("type") == "error":
            raise self._refused()

    def _token(self) -> str:
        """A token good for two minutes, and for nothing but streams: it names no request."""
        seconds = milliseconds(self._now()) // 1000
        try:
            signer, algorithm = _signer(self._secret)
        except ValueError:
            raise self._refused() from None
        nonce = f"{self._chance.getrandbits(128):032x}"
        head = {"alg": algorithm, "kid": self._key, "typ": "JWT", "nonce": nonce}
        body = {"iss": "cdp", "sub": self._key, "nbf": seconds, "exp": seconds + _GOOD_FOR_S}
        payload = f"{_part(json.dumps(head).encode())}.{_part(json.dumps(body).encode())}"
        return f"{payload}.{_part(_signed(signer, payload.encode()))}"


Signer = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def _signer(secret: str) -> tuple[Signer, str]:
    """The key and its algorithm: a PEM of a curve, or 64 bytes in base64.

    Raises:
        ValueError: It is neither.
    """
    if not secret.startswith("-----"):
        return ed25519.Ed25519PrivateKey.from_private_bytes(base64.b64decode(secret)[:32]), "EdDSA"
    key = serialization.load_pem_private_key(secret.replace("\\n", "\n").encode(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("a key of another kind")
    return key, "ES256"


def _signed(key: Signer, payload: bytes) -> bytes:
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(payload)
    r, s = decode_dss_signature(key.sign(payload, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32) + s.to_bytes(32)


def _part(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
