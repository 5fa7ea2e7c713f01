"""Tokens: what a program shows to be known. The store holds a digest, so that whoever reads it has no token."""

from __future__ import annotations

import hashlib
import re
import secrets

from msgspec import Struct

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
    return Token(name, f"tieout_{name}_{secret}", digest_of(secret))


def read_token(text: str) -> tuple[str, bytes] | None:
    """The id and the digest of what somebody shows; None where it is no token at all."""
    found = _SHAPE.fullmatch(text)
    return None if found is None else (found[1], digest_of(found[2]))


def digest_of(secret: str) -> bytes:
    """What is stored of a secret that was made by chance."""
    return hashlib.sha256(secret.encode()).digest()
