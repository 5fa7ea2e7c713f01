"""One entry's proof in a file: where it stands, the hashes up to the root, and the checkpoint that was signed.

Source: C2SP tlog-proof (c2sp.org/tlog-proof@v1).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable

from msgspec import Struct

from tieout.errors import ProofRefused
from tieout.record.tlog.checkpoint import Checkpoint, parse_checkpoint
from tieout.record.tlog.merkle import HASH_BYTES, leaf_hash, verify_inclusion
from tieout.record.tlog.note import Note, Verifier, open_note

HEADER = "c2sp.org/tlog-proof@v1"
MAX_HASHES = 63
MAX_BYTES = 2_000_000
_INDEX = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


class Proof(Struct, frozen=True):
    """A proof as it is handed on.

    Attributes:
        index: Where the entry stands, from 0.
        hashes: From the leaf's sibling up.
        checkpoint: The signed note.
        extra: What else its maker wanted to say; ours puts the entry's own bytes there.
    """

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes | None = None


class Proved(Struct, frozen=True):
    """What a proof shows: the checkpoint that it leads to, and the note whose signatures hold."""

    checkpoint: Checkpoint
    note: Note


def format_proof(proof: Proof) -> bytes:
    """The file."""
    lines = [HEADER]
    if proof.extra is not None:
        lines.append(f"extra {_text(proof.extra)}")
    lines += [f"index {proof.index}", *map(_text, proof.hashes), ""]
    return "".join(f"{line}\n" for line in lines).encode() + proof.checkpoint


def parse_proof(raw: bytes) -> Proof:
    """Read that file.

    Raises:
        ProofRefused: It is none.
    """
    head, blank, checkpoint = raw.partition(b"\n\n")
    if len(raw) > MAX_BYTES or not blank or not checkpoint:
        raise ProofRefused("this is no proof: lines, an empty one, and a checkpoint")
    try:
        header, *lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError:
        raise ProofRefused("this is no proof: its lines are plain ASCII") from None
    if header != HEADER:
        raise ProofRefused(f"this is no proof: its first line is {HEADER}")
    extra = None
    if lines and lines[0].startswith("extra "):
        extra = _bytes(lines.pop(0).removeprefix("extra "))
    if not lines or not lines[0].startswith("index ") or _INDEX.fullmatch(lines[0].removeprefix("index ")) is None:
        raise ProofRefused("this is no proof: it does not say at which index the entry stands")
    hashes = tuple(map(_bytes, lines[1:]))
    if len(hashes) > MAX_HASHES or any(len(each) != HASH_BYTES for each in hashes):
        raise ProofRefused(f"this is no proof: it has at most {MAX_HASHES} hashes of {HASH_BYTES} bytes")
    return Proof(int(lines[0].removeprefix("index ")), hashes, checkpoint, extra)


def check_proof(proof: Proof, entry: bytes, origin: str, verifiers: Iterable[Verifier]) -> Proved:
    """Return where *entry* stands in the log *origin*, as one of *verifiers* signed.

    Raises:
        ProofRefused: It does not, or the proof does not show it.
    """
    note = open_note(proof.checkpoint, verifiers)
    checkpoint = parse_checkpoint(note.text)
    if checkpoint.origin != origin:
        raise ProofRefused(f"the checkpoint is of the log {checkpoint.origin}, not of {origin}")
    verify_inclusion(leaf_hash(entry), proof.index, checkpoint.size, proof.hashes, checkpoint.root)
    return Proved(checkpoint, note)


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _bytes(text: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ProofRefused("this is no proof: a line is not base64") from None
    if _text(raw) != text:
        raise ProofRefused("this is no proof: a line is not base64 in its one spelling")
    return raw
