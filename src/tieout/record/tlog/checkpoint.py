"""Checkpoints: the size and the root of a log, as text that is signed.

Source: C2SP tlog-checkpoint (c2sp.org/tlog-checkpoint).
"""

from __future__ import annotations

import base64
import binascii
import re

from msgspec import Struct

from tieout.errors import ProofRefused

MAX_SIZE = 2**63 - 1
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


class Checkpoint(Struct, frozen=True):
    """What a log says of itself: whose it is, how many entries it has, the root over them, and lines of its own."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()


def format_checkpoint(checkpoint: Checkpoint) -> str:
    """The text that is signed."""
    lines = (
        checkpoint.origin,
        str(checkpoint.size),
        base64.b64encode(checkpoint.root).decode(),
        *checkpoint.extensions,
    )
    return "".join(f"{line}\n" for line in lines)


def parse_checkpoint(text: str) -> Checkpoint:
    """Read that text. How long a root is, is for those to judge who use it.

    Raises:
        ProofRefused: It is none.
    """
    origin, *rest = text.split("\n")
    if len(rest) < 3 or rest[-1] or not origin:
        raise ProofRefused("this is no checkpoint: it has the lines origin, size and root, each ended")
    size, root, *extensions = rest[:-1]
    if _SIZE.fullmatch(size) is None or int(size) > MAX_SIZE:
        raise ProofRefused("this is no checkpoint: its second line is not a size")
    if not all(extensions):
        raise ProofRefused("this is no checkpoint: an empty line")
    return Checkpoint(origin, int(size), _root(root), tuple(extensions))


def _root(text: str) -> bytes:
    try:
        root = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        root = b""
    if not root or base64.b64encode(root).decode() != text:
        raise ProofRefused("this is no checkpoint: its third line is not a root in base64")
    return root
