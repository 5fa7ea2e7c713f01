"""Proofs about a subtree of a log, as mirrors and witnesses of parts of a log exchange them.

A subtree is the leaves from *start* to *end*, where start is a multiple of their number, rounded up to a power of two.

Source: draft-ietf-plants-merkle-tree-certs, section 4 (subtrees).
"""

from __future__ import annotations

from collections.abc import Sequence

from tieout.errors import ProofRefused
from tieout.record.tlog.merkle import EMPTY_ROOT, HASH_BYTES, node_hash, verify_inclusion


def verify_subtree_inclusion(
    leaf: bytes, index: int, subtree: tuple[int, int], proof: Sequence[bytes], root: bytes
) -> None:
    """Return where the leaf *index* of the log has the hash *leaf*, and *root* is that of *subtree*, (start, end).

    Raises:
        ProofRefused: It has not, or the proof does not show it.
    """
    start, end = _valid(subtree)
    verify_inclusion(leaf, index - start, end - start, proof, root)


def verify_subtree_consistency(
    subtree: tuple[int, int], size: int, proof: Sequence[bytes], subtree_root: bytes, root: bytes
) -> None:
    """Return where *subtree*, (start, end) with *subtree_root*, is a part of the log of *size* with *root*.

    Raises:
        ProofRefused: It is not, or the proof does not show it.
    """
    start, end = subtree
    if start == end <= size or (start, end) == (0, size):
        # Nothing is a part of everything, and the whole is the whole: neither needs a proof.
        if proof or subtree_root != (EMPTY_ROOT if start == end else root):
            raise ProofRefused("the subtree has another root than the empty or the whole log")
        return
    _valid(subtree)
    if end > size or any(len(each) != HASH_BYTES for each in (subtree_root, root, *proof)):
        raise ProofRefused("the subtree ends after the log, or a hash has not 32 bytes")
    first, last, border = start, end - 1, size - 1
    while first != last and (last == border or last & 1):
        first, last, border = first >> 1, last >> 1, border >> 1
    rest = list(proof)
    if first != last and not rest:
        raise ProofRefused("the proof is too short")
    part = whole = subtree_root if first == last else rest.pop(0)
    for hash_ in rest:
        if not border:
            raise ProofRefused("the proof is too long")
        if last & 1 or last == border:
            part = node_hash(hash_, part) if first < last else part
            whole = node_hash(hash_, whole)
            while last and not last & 1:
                first, last, border = first >> 1, last >> 1, border >> 1
        else:
            whole = node_hash(whole, hash_)
        first, last, border = first >> 1, last >> 1, border >> 1
    if border or (part, whole) != (subtree_root, root):
        raise ProofRefused("the subtree is not a part of that log")


def _valid(subtree: tuple[int, int]) -> tuple[int, int]:
    start, end = subtree
    if not 0 <= start < end or start % (1 << (end - start - 1).bit_length()):
        raise ProofRefused(f"the leaves from {start} to {end} are no subtree")
    return start, end
