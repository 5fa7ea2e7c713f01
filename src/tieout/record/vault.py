"""Payloads sealed: a commitment that the log signs, the content encrypted under a key of its own.

A sealed payload can be forgotten for good by deleting its wrapped key, and the log's proofs still hold, for they cover the
commitment only. Whoever is given the payload and its salt checks them against that with `matches`, and needs no key.

What is encrypted is `salt (32) ‖ form (1) ‖ body`. With the tag (16), the commitment (32) and the wrapped key (40) that
makes 121 bytes besides the content. The length of the ciphertext shows how far the content could be compressed.
"""

from __future__ import annotations

import hmac
import os
import zlib

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap
from msgspec import Struct

from tieout.errors import KeyUnusable, LogBroken

KEY_BYTES = 32
SALT_BYTES = 32
DIGEST_BYTES = 16
LIMIT = 512 * 1024 * 1024  # bytes of one payload; what unpacks to more is an attack, not a reading

_PLAIN, _PACKED = b"\x00", b"\x01"
_LEVEL = 6  # an eighth smaller than level 1 on readings, for 5 to 10 µs a KB
# A nonce must not repeat under one key. Every payload has a key of its own, which encrypts once: any constant will do.
_NONCE = bytes(12)


class Sealed(Struct, frozen=True):
    """A payload as it is stored. The commitment also stands in the log; without `wrapped_key` the rest is noise."""

    commitment: bytes
    wrapped_key: bytes
    sealed: bytes


class Opened(Struct, frozen=True):
    """A payload in clear, and the salt by which its commitment can be checked. Its `repr` shows neither."""

    payload: bytes
    salt: bytes

    def __repr__(self) -> str:
        return f"Opened({len(self.payload)} bytes)"


class Vault:
    """Seals and opens payloads under one master key of 32 bytes.

    Raises:
        KeyUnusable: The master key has another length.
    """

    __slots__ = ("_dedup_key", "_master")

    def __init__(self, master: bytes) -> None:
        if len(master) != KEY_BYTES:
            raise KeyUnusable(f"a master key has {KEY_BYTES} bytes, this one {len(master)}; give the whole key")
        self._master = master
        self._dedup_key = HKDF(SHA256(), KEY_BYTES, salt=None, info=b"tieout dedup v1").derive(master)

    def seal(self, payload: bytes) -> Sealed:
        """*payload*, of at most `LIMIT` bytes, under a fresh key and salt: nothing shows that two seals hold the same."""
        assert len(payload) <= LIMIT, "a payload that could not be opened again"
        salt, key = os.urandom(SALT_BYTES), os.urandom(KEY_BYTES)
        commitment = committed(salt, payload)
        packed = zlib.compress(payload, _LEVEL)
        body = _PACKED + packed if len(packed) < len(payload) else _PLAIN + payload
        sealed = AESGCM(key).encrypt(_NONCE, salt + body, commitment)
        return Sealed(commitment, aes_key_wrap(self._master, key), sealed)

    def open(self, sealed: Sealed, *, entry: int | None = None, limit: int = LIMIT) -> Opened:
        """The very bytes that were sealed, once tag and commitment hold.

        Args:
            sealed: As it is stored.
            entry: The place in the log that it belongs to, for the sentence of a failure.
            limit: Bytes that it may have unpacked; no more than that is ever unpacked.

        Raises:
            LogBroken: It was changed, sealed under another master key, or is larger than *limit*.
        """
        whose = "a payload" if entry is None else f"the payload of entry {entry}"
        try:
            key = aes_key_unwrap(self._master, sealed.wrapped_key)
            clear = AESGCM(key).decrypt(_NONCE, sealed.sealed, sealed.commitment)
        except (InvalidUnwrap, InvalidTag, ValueError):
            raise LogBroken(_changed(whose), entry) from None
        salt, body = clear[:SALT_BYTES], clear[SALT_BYTES:]
        payload = _unpacked(body, limit)
        if payload is not None and len(payload) > limit:
            raise LogBroken(
                f"{whose} unpacks to more than {limit} bytes; raise the limit if it is known to be sound", entry
            )
        if payload is None or not matches(sealed.commitment, salt, payload):
            raise LogBroken(_changed(whose), entry)
        return Opened(payload, salt)

    def dedup(self, account: str, content: bytes) -> bytes:
        """16 bytes that are the same for the same content of the same account; they tell nothing without the master key."""
        name = account.encode()
        # The length keeps account and content apart: "ab" with "c" is not "a" with "bc".
        return hmac.digest(self._dedup_key, len(name).to_bytes(4) + name + content, "sha256")[:DIGEST_BYTES]


def committed(salt: bytes, payload: bytes) -> bytes:
    """The commitment to exactly these bytes: HMAC-SHA256 under *salt*, 32 bytes."""
    return hmac.digest(salt, payload, "sha256")


def matches(commitment: bytes, salt: bytes, payload: bytes) -> bool:
    """Whether *commitment* was made for *payload* under *salt*; takes the same time whichever byte differs."""
    # HMAC pads short keys and hashes long ones, so salts of other lengths could stand for each other.
    return len(salt) == SALT_BYTES and hmac.compare_digest(commitment, committed(salt, payload))


def _changed(whose: str) -> str:
    return (
        f"{whose} was changed or sealed under another master key; "
        "restore it from a backup, or open it with the master key of its time"
    )


def _unpacked(body: bytes, limit: int) -> bytes | None:
    """The payload in *body*, or its first *limit* + 1 bytes; None where it is none."""
    form, rest = body[:1], body[1:]
    if form == _PLAIN:
        return rest
    if form != _PACKED:
        return None
    unpacker = zlib.decompressobj()
    try:
        payload = unpacker.decompress(rest, limit + 1)
    except zlib.error:
        return None
    whole = unpacker.eof and not unpacker.unused_data
    return payload if whole or len(payload) > limit else None
