"""Signed notes: a text, and lines that say who signed it. What a log publishes about itself travels in this form.

Source: C2SP signed-note v1 and tlog-cosignature v1 (c2sp.org); golang.org/x/mod/sumdb/note for what is refused.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from msgspec import Struct

from tieout.errors import ProofRefused

ED25519, COSIGNATURE = b"\x01", b"\x04"
MAX_BYTES = 1_000_000
MAX_SIGNATURES = 100
KEY_BYTES = SEED_BYTES = 32

_PREFIX = "\N{EM DASH} "
_HINT = re.compile(r"[0-9a-f]{8}")


class Signature(Struct, frozen=True):
    """One line under a note: who signed, the hint of the key, and the signature itself."""

    name: str
    hint: bytes
    value: bytes

    def line(self) -> bytes:
        """As it stands in the note."""
        return f"{_PREFIX}{self.name} {base64.b64encode(self.hint + self.value).decode()}\n".encode()


class Note(Struct, frozen=True):
    """An opened note: its text, who was seen to have signed it, and who else says so."""

    text: str
    verified: tuple[Signature, ...]
    unverified: tuple[Signature, ...] = ()

    @property
    def signers(self) -> tuple[str, ...]:
        """The names whose signatures hold."""
        return tuple(each.name for each in self.verified)


def key_hint(name: str, key: bytes) -> bytes:
    """4 bytes by which a signature line says which key it was made with; *key* begins with its type."""
    return hashlib.sha256(name.encode() + b"\n" + key).digest()[:4]


def is_name(name: str) -> bool:
    """Whether a key may be called so: not empty, without spaces or a plus."""
    return bool(name) and "+" not in name and not any(letter.isspace() for letter in name)


class Verifier:
    """A public key with its name, of a log (Ed25519) or of a witness (cosignature/v1).

    Args:
        vkey: ``name+hint+base64``.

    Raises:
        ProofRefused: It is no such key.
    """

    def __init__(self, vkey: str) -> None:
        name, hint, encoded = _parts(vkey.strip(), 2)
        key = _decoded(encoded)
        if not is_name(name) or _HINT.fullmatch(hint) is None or len(key) != 1 + KEY_BYTES:
            raise ProofRefused("this is no public key of a log: it has the form name+8 hex digits+base64")
        if key[:1] not in (ED25519, COSIGNATURE):
            raise ProofRefused(f"the public key of {name} is of a kind that is not known here")
        self.name, self.kind, self.id = name, key[:1], bytes.fromhex(hint)
        if key_hint(name, key) != self.id:
            raise ProofRefused(f"the public key of {name} was changed: its hint does not belong to it")
        self.vkey = f"{name}+{hint}+{encoded}"
        self._key = Ed25519PublicKey.from_public_bytes(key[1:])

    def verify(self, text: bytes, value: bytes) -> bool:
        """Whether *value* is this key's signature of *text*."""
        message = text
        if self.kind == COSIGNATURE:
            if len(value) != 8 + 64:
                return False
            message, value = _cosigned(text, int.from_bytes(value[:8])), value[8:]
        try:
            self._key.verify(value, message)
        except InvalidSignature:
            return False
        return True

    def __repr__(self) -> str:
        return f"Verifier({self.vkey})"


class Signer:
    """A private key with its name. Its `repr` shows the public one.

    Args:
        skey: ``PRIVATE+KEY+name+hint+base64``.
        kind: What it signs as; a witness cosigns.

    Raises:
        ProofRefused: It is no such key.
    """

    def __init__(self, skey: str, *, kind: bytes = ED25519) -> None:
        private, word, name, hint, encoded = _parts(skey.strip(), 4)
        key = _decoded(encoded)
        if (private, word) != ("PRIVATE", "KEY") or not is_name(name) or len(key) != 1 + SEED_BYTES:
            raise ProofRefused("this is no private key of a log")
        if key[:1] != ED25519:
            raise ProofRefused(f"the private key of {name} is of a kind that is not known here")
        self._key = Ed25519PrivateKey.from_private_bytes(key[1:])
        public = self._key.public_key().public_bytes_raw()
        if _HINT.fullmatch(hint) is None or key_hint(name, ED25519 + public) != bytes.fromhex(hint):
            raise ProofRefused(f"the private key of {name} was changed: its hint does not belong to it")
        self.name, self.kind, self.id = name, kind, key_hint(name, kind + public)
        self.vkey = f"{name}+{self.id.hex()}+{base64.b64encode(kind + public).decode()}"

    def sign(self, text: bytes) -> bytes:
        """The signature of *text*, as a log makes it."""
        assert self.kind == ED25519, "a witness cosigns"
        return self._key.sign(text)

    def cosign(self, text: bytes, at: int) -> bytes:
        """The signature of a checkpoint's *text* as of *at*, in seconds since 1970."""
        assert self.kind == COSIGNATURE, "a log signs"
        return at.to_bytes(8) + self._key.sign(_cosigned(text, at))

    def __repr__(self) -> str:
        return f"Signer({self.vkey})"


def generate_key(name: str, seed: bytes) -> str:
    """The text of a private key, from a secret *seed* of 32 bytes."""
    assert is_name(name), "a name without spaces or a plus"
    public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    hint = key_hint(name, ED25519 + public).hex()
    return f"PRIVATE+KEY+{name}+{hint}+{base64.b64encode(ED25519 + seed).decode()}"


def sign(text: str, *signers: Signer) -> bytes:
    """*text*, which ends with a newline, signed by each of *signers*."""
    assert text.endswith("\n"), "the text of a note is whole lines"
    raw = text.encode()
    lines = [Signature(each.name, each.id, each.sign(raw)).line() for each in signers]
    return raw + b"\n" + b"".join(lines)


def cosign(signed: bytes, signer: Signer, at: int) -> bytes:
    """The line that a witness adds to a signed checkpoint, as of *at*, in seconds since 1970."""
    text, _ = _split(signed)
    return Signature(signer.name, signer.id, signer.cosign(text.encode(), at)).line()


def open_note(signed: bytes, verifiers: Iterable[Verifier]) -> Note:
    """The note, once somebody known is seen to have signed it.

    Who is not known is left aside; a known one's wrong signature refuses the whole.

    Raises:
        ProofRefused: It is no signed note, or nobody known signed it, or one of them did not.
    """
    known = _by_key(verifiers)
    text, signatures = _split(signed)
    verified: list[Signature] = []
    unverified: list[Signature] = []
    seen: set[tuple[str, bytes]] = set()
    for each in signatures:
        candidates = known.get((each.name, each.hint), ())
        if len(candidates) > 1:
            raise ProofRefused(f"two keys are given for {each.name} that cannot be told apart")
        if not candidates:
            if each not in unverified:
                unverified.append(each)
            continue
        if (each.name, each.hint) in seen:
            continue  # the first one counts
        seen.add((each.name, each.hint))
        if not candidates[0].verify(text.encode(), each.value):
            raise ProofRefused(f"the signature of {each.name} does not hold: the text or the signature was changed")
        verified.append(each)
    if not verified:
        raise ProofRefused("no key that is known here signed this")
    return Note(text, tuple(verified), tuple(unverified))


def signature_of(line: bytes) -> Signature:
    """Read one line of a signature, as it stands under a note.

    Raises:
        ProofRefused: It is none.
    """
    try:
        return _signature(line.decode().removesuffix("\n"))
    except UnicodeDecodeError:
        raise ProofRefused("a line under the note is no signature") from None


def cosigned_at(signature: Signature) -> int:
    """When a witness signed, in seconds since 1970, as its signature says."""
    return int.from_bytes(signature.value[:8])


def _by_key(verifiers: Iterable[Verifier]) -> Mapping[tuple[str, bytes], Sequence[Verifier]]:
    known: dict[tuple[str, bytes], list[Verifier]] = {}
    for each in verifiers:
        known.setdefault((each.name, each.id), []).append(each)
    return known


def _split(signed: bytes) -> tuple[str, list[Signature]]:
    """The text with its last newline, and the signatures.

    Raises:
        ProofRefused: It is no signed note.
    """
    if len(signed) > MAX_BYTES:
        raise ProofRefused(f"a note of more than {MAX_BYTES} bytes")
    try:
        whole = signed.decode()
    except UnicodeDecodeError:
        raise ProofRefused("this is no signed note: it is not UTF-8 text") from None
    text, blank, rest = whole.rpartition("\n\n")
    if not blank or not rest.endswith("\n") or any(letter < " " and letter != "\n" for letter in whole):
        raise ProofRefused("this is no signed note: a text, an empty line, and lines of signatures")
    lines = rest[:-1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise ProofRefused(f"a note with more than {MAX_SIGNATURES} signatures")
    return text + "\n", [_signature(line) for line in lines]


def _signature(line: str) -> Signature:
    name, _, encoded = line.removeprefix(_PREFIX).partition(" ")
    raw = _decoded(encoded)
    if not line.startswith(_PREFIX) or not is_name(name) or len(raw) < 5:
        raise ProofRefused("a line under the note is no signature")
    return Signature(name, raw[:4], raw[4:])


def _cosigned(text: bytes, at: int) -> bytes:
    return b"cosignature/v1\ntime %d\n" % at + text


def _parts(key: str, cuts: int) -> list[str]:
    parts = key.split("+", cuts)
    if len(parts) != cuts + 1:
        raise ProofRefused("this is no key of a log: parts are missing")
    return parts


def _decoded(encoded: str) -> bytes:
    """Bytes from base64 in its one spelling; empty where it is none."""
    try:
        raw = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return b""
    return raw if base64.b64encode(raw).decode() == encoded else b""
