"""Signed notes (first cut)."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec import Struct

from tieout.errors import ProofRefused

ED25519 = b"\x01"


def key_id(name: str, kind: bytes, public: bytes) -> bytes:
    """4 bytes that hint at a key."""
    return hashlib.sha256(name.encode() + b"\n" + kind + public).digest()[:4]


class Verifier:
    """A public key with its name."""

    def __init__(self, vkey: str) -> None:
        self.name, hint, key = vkey.split("+", 2)
        raw = base64.b64decode(key, validate=True)
        self.id = bytes.fromhex(hint)
        if raw[:1] != ED25519 or key_id(self.name, ED25519, raw[1:]) != self.id:
            raise ProofRefused("this is no public key of a log")
        self.vkey = vkey
        self._key = Ed25519PublicKey.from_public_bytes(raw[1:])

    def verify(self, text: bytes, signature: bytes) -> bool:
        """Whether it signed *text*."""
        try:
            self._key.verify(signature, text)
        except InvalidSignature:
            return False
        return True


class Signer:
    """A private key with its name."""

    def __init__(self, skey: str) -> None:
        _, _, self.name, hint, key = skey.split("+", 4)
        self._key = Ed25519PrivateKey.from_private_bytes(base64.b64decode(key, validate=True)[1:])
        public = self._key.public_key().public_bytes_raw()
        self.id = bytes.fromhex(hint)
        self.vkey = f"{self.name}+{hint}+{base64.b64encode(ED25519 + public).decode()}"

    def sign(self, text: bytes) -> bytes:
        """The signature."""
        return self._key.sign(text)


def generate_key(name: str, seed: bytes) -> str:
    """A private key's text from a seed of 32 bytes."""
    public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    hint = key_id(name, ED25519, public).hex()
    return f"PRIVATE+KEY+{name}+{hint}+{base64.b64encode(ED25519 + seed).decode()}"


class Note(Struct, frozen=True):
    """An opened note."""

    text: str
    signers: tuple[str, ...]


def sign(text: str, *signers: Signer) -> bytes:
    """A signed note."""
    raw = text.encode()
    lines = [f"— {each.name} {base64.b64encode(each.id + each.sign(raw)).decode()}\n" for each in signers]
    return (text + "\n" + "".join(lines)).encode()


def open_note(raw: bytes, verifiers: Sequence[Verifier]) -> Note:
    """The note, once a known signature holds."""
    text, sep, signatures = raw.decode().rpartition("\n\n")
    text += "\n"
    known = {(each.name, each.id): each for each in verifiers}
    good = []
    for line in signatures.splitlines():
        _, name, encoded = line.split(" ")
        value = base64.b64decode(encoded)
        verifier = known.get((name, value[:4]))
        if verifier is None:
            continue
        if not verifier.verify(text.encode(), value[4:]):
            raise ProofRefused(f"the signature of {name} does not hold")
        good.append(name)
    if not sep or not good:
        raise ProofRefused("no known key signed this")
    return Note(text, tuple(good))
