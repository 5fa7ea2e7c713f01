r"""The bytes of state on the disk: a generation, and its journal, in which each line is chained to the one before it.

A line is ``sha256 length payload\n``. The hash covers the line's length and payload and the hash of the line before, so a
line that was changed, taken away from the middle, doubled or moved there from elsewhere is seen. A length that is stated
tells a line that a crash cut short (it is shorter, and no newline follows) from one that was damaged later.
"""

from __future__ import annotations

import hashlib
import re

import msgspec
from msgspec import Struct

FORMAT = 1
FOLLOWED = b"=followed="
"""The last line of a journal that a newer generation follows: so that one that is gone with its journal is missed."""

_LINE = re.compile(rb"([0-9a-f]{64}) (0|[1-9][0-9]{0,17}) ")
_TORN = re.compile(rb"[0-9a-f]{0,64}|[0-9a-f]{64} |[0-9a-f]{64} (0|[1-9][0-9]{0,17}) ?")
_GENERATION = re.compile(rb"([0-9a-f]{64})\n")


class Damaged(Exception):
    """What is stored is not what was written; the text says where."""


class Head(Struct, frozen=True, forbid_unknown_fields=True):
    """What a generation and its journal begin with.

    `previous` is the generation before, whose journal led up to the line with the hash `chain`. `follows` says that this
    generation is what that one and its journal lead to, so that it can be had from them, too.
    """

    format: int
    layout: str
    account: str
    generation: int
    previous: int | None
    follows: bool
    chain: str


class _Format(Struct):
    """The one field that every format has."""

    format: int


class Journal(Struct, frozen=True):
    """A journal as it was read. `chains` are the hashes of its head and of each event; `torn` if a cut line was left out."""

    head: Head
    events: tuple[bytes, ...]
    chains: tuple[str, ...]
    torn: bool
    unended: bool

    def until(self, chain: str) -> tuple[bytes, ...] | None:
        """The events up to the line with that hash; None where there is no such line."""
        return self.events[: self.chains.index(chain)] if chain in self.chains else None


def line(chain: str, payload: bytes) -> tuple[str, bytes]:
    """The hash and the bytes of the line that follows the one with the hash *chain* ("" before the first)."""
    assert b"\n" not in payload, "a line is one line"
    found = _hash(chain, payload)
    return found, b"%b %d %b\n" % (found.encode(), len(payload), payload)


def head_line(head: Head) -> tuple[str, bytes]:
    """The first line of a journal."""
    return line("", msgspec.json.encode(head))


def generation(head: Head, state: bytes) -> bytes:
    """The bytes of a generation."""
    body = msgspec.json.encode(head) + b"\n" + state
    return hashlib.sha256(body).hexdigest().encode() + b"\n" + body


def read_generation(raw: bytes) -> tuple[Head, bytes]:
    """The head and the state of a generation.

    Raises:
        Damaged: It is not what was written.
    """
    found = _GENERATION.match(raw)
    if found is None or hashlib.sha256(body := raw[found.end() :]).hexdigest().encode() != found[1]:
        raise Damaged("its checksum does not hold")
    head, _, state = body.partition(b"\n")
    return _head(head), state


def read_journal(raw: bytes) -> Journal:
    """A journal, without what a crash cut short at its end.

    Raises:
        Damaged: Something in it is not what was written.
    """
    chains, payloads, at, unended = [""], [], 0, False
    while at < len(raw) and (found := _whole_line(raw, at, chains[-1])) is not None:
        payload, chain, at = found
        chains.append(chain)
        payloads.append(payload)
        unended = at > len(raw)
    if not payloads:
        raise Damaged("its first line is cut short")
    return Journal(_head(payloads[0]), tuple(payloads[1:]), tuple(chains[1:]), at < len(raw), unended)


def _whole_line(raw: bytes, at: int, chain: str) -> tuple[bytes, str, int] | None:
    """The payload, the hash and the end of the line at *at*; None where a crash cut it short."""
    found = _LINE.match(raw, at)
    end = len(raw) + 1 if found is None else found.end() + int(found[2])
    if found is None or end > len(raw):
        if _is_torn(raw, at, found):
            return None
        raise Damaged(f"the line at byte {at} is not what was written")
    payload = raw[found.end() : end]
    computed = _hash(chain, payload)
    # All of it but its newline: a whole line nonetheless, for its hash says so.
    if computed.encode() != found[1] or raw[end : end + 1] not in (b"\n", b""):
        raise Damaged(f"the line at byte {at} is not what was written")
    return payload, computed, end + 1


def _is_torn(raw: bytes, at: int, found: re.Match[bytes] | None) -> bool:
    """Whether what is left can be the beginning of a line, or room for one (zeros) that was taken and never written."""
    if b"\n" in raw[at:]:
        return False  # a line that ends was whole once: its stated length is what was damaged
    return found is not None or _TORN.fullmatch(raw, at) is not None or not raw[at:].strip(b"\0")


def _hash(chain: str, payload: bytes) -> str:
    return hashlib.sha256(b"%b %d %b" % (chain.encode(), len(payload), payload)).hexdigest()


def _head(raw: bytes) -> Head:
    """The head, unless another format has one that is not known here: then just its format is told.

    Raises:
        Damaged: It is none.
    """
    try:
        known = msgspec.json.decode(raw, type=_Format).format
        if known != FORMAT:
            return Head(known, "", "", 0, None, follows=False, chain="")
        return msgspec.json.decode(raw, type=Head)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Damaged("its head is not one") from None
