"""What a log and a witness say to each other: C2SP tlog-witness (c2sp.org/tlog-witness), `add-checkpoint`."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence

from msgspec import Struct

from tieout.errors import ProofRefused

PATH = "/add-checkpoint"
SIZE_TYPE = "text/x.tlog.size"
MAX_REQUEST = 1 << 18
MAX_PROOF = 63
_OLD = re.compile(rb"old (0|[1-9][0-9]{0,18})", re.ASCII)


class Request(Struct, frozen=True):
    """A log asks for a cosignature.

    Attributes:
        old: The size up to which the witness is thought to know it.
        proof: That the new checkpoint extends that size.
        signed: The new checkpoint, as the log signed it.
    """

    old: int
    proof: tuple[bytes, ...]
    signed: bytes


class Reply(Struct, frozen=True):
    """A witness' answer, with its HTTP status: lines of cosignatures, the size that it knows, or why not."""

    status: int
    body: bytes
    content_type: str = "text/plain"


def format_request(request: Request) -> bytes:
    """The body of a request."""
    lines = [b"old %d\n" % request.old, *(base64.b64encode(each) + b"\n" for each in request.proof)]
    return b"".join(lines) + b"\n" + request.signed


def parse_request(body: bytes) -> Request:
    """Read that body.

    Raises:
        ProofRefused: It is none.
    """
    head, blank, signed = body.partition(b"\n\n")
    first, *proof = head.split(b"\n")
    found = _OLD.fullmatch(first)
    if not blank or found is None or int(found[1]) >= 1 << 63:
        raise ProofRefused("the request does not begin with the line `old`, lines of a proof, and an empty one")
    if len(proof) > MAX_PROOF:
        raise ProofRefused(f"a proof of more than {MAX_PROOF} lines")
    return Request(int(found[1]), tuple(map(_hash, proof)), signed)


def conflict(size: int) -> Reply:
    """What a log is told that does not begin where the witness left off."""
    return Reply(409, b"%d\n" % size, SIZE_TYPE)


def parse_conflict(body: bytes) -> int | None:
    """The size that a witness knows, from such an answer; None where it names none."""
    found = re.fullmatch(rb"(0|[1-9][0-9]{0,18})\n?", body, re.ASCII)
    return None if found is None else int(found[1])


def split_lines(body: bytes) -> Sequence[bytes]:
    """The lines of cosignatures in an answer."""
    return [line + b"\n" for line in body.split(b"\n") if line]


def _hash(line: bytes) -> bytes:
    try:
        hash_ = base64.b64decode(line, validate=True)
    except (binascii.Error, ValueError):
        hash_ = b""
    if len(hash_) != 32 or base64.b64encode(hash_) != line:
        raise ProofRefused("a line of the proof is no hash")
    return hash_
