"""Tokens: what a program shows to be known. The store holds a digest, so that whoever reads it has no token."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from datetime import datetime

from msgspec import Struct

from tieout.record.grants import TokenRow
from tieout.serve.access.roles import Caller, Role

_SHAPE = re.compile(r"tieout_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")


class Token(Struct, frozen=True):
    """A token as it is handed out, once: `text` is never kept."""

    id: str
    text: str
    digest: bytes

    def __repr__(self) -> str:
        return f"Token(id={self.id!r})"


def make_token() -> Token:
    """A new one: 256 bits of chance, so that a plain digest of it is as good as any."""
    name, secret = secrets.token_hex(6), secrets.token_urlsafe(32)
    return Token(name, f"tieout_{name}_{secret}", _digest(secret))


def read_token(text: str) -> tuple[str, bytes] | None:
    """The id and the digest of what somebody shows; None where it is no token at all."""
    found = _SHAPE.fullmatch(text)
    return None if found is None else (found[1], _digest(found[2]))


def caller_of(row: TokenRow | None, digest: bytes, now: datetime) -> Caller | None:
    """Whoever showed the token that is stored as *row*; None where it is another one, or counts no more."""
    if row is None or not hmac.compare_digest(row.digest, digest):
        return None
    if row.revoked_at is not None or row.expires_at <= now:
        return None
    return Caller(
        name=row.name,
        roles=frozenset(Role(role) for role in row.roles),
        accounts=None if row.accounts is None else frozenset(row.accounts),
        amounts=row.amounts,
    )


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
