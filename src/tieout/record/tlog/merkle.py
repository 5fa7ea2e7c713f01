"""RFC 6962 Merkle trees: hashes, growth at the right edge, proofs, and their verification.

A complete subtree is named by a coordinate (level, index): it covers the leaves from index * 2**level on, 2**level of them;
level 0 are the leaves. Hashes have 32 bytes. Source: RFC 6962 section 2.1, RFC 9162 section 2.1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import sha256

from tieout.errors import ProofRefused

Coordinate = tuple[int, int]
Part = tuple[Coordinate, ...]

HASH_BYTES = 32
EMPTY_ROOT = sha256().digest()


def leaf_hash(entry: bytes) -> bytes:
    """H(0x00 || entry)."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """H(0x01 || left || right)."""
    return sha256(b"\x01" + left + right).digest()


def extend(size: int, peaks: Sequence[bytes], leaf: bytes) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """The peaks after one more leaf, and the hashes of the subtrees of level 1 and up that it completes, lowest first."""
    after, completed = extend_all(size, peaks, (leaf,))
    return after, completed[0]


def extend_all(
    size: int, peaks: Sequence[bytes], leaves: Sequence[bytes]
) -> tuple[tuple[bytes, ...], list[tuple[bytes, ...]]]:
    """Grow a tree.

    Args:
        size: How many leaves it has.
        peaks: The hashes of its complete subtrees, largest first.
        leaves: The hashes of the leaves to come.

    Returns:
        The peaks after them, and for each leaf the hashes of the subtrees of level 1 and up that it completes, lowest first.
    """
    assert len(peaks) == size.bit_count(), "one peak for each bit of the size"
    stack, made = list(peaks), []
    for number, leaf in enumerate(leaves, size):
        completed, node, bits = [], leaf, number
        while bits & 1:
            node = sha256(b"\x01" + stack.pop() + node).digest()
            completed.append(node)
            bits >>= 1
        stack.append(node)
        made.append(tuple(completed))
    return tuple(stack), made


def root(peaks: Sequence[bytes]) -> bytes:
    """The root of the tree that has these peaks, largest first."""
    if not peaks:
        return EMPTY_ROOT
    found = peaks[-1]
    for peak in reversed(peaks[:-1]):
        found = node_hash(peak, found)
    return found


def home(level: int, index: int) -> tuple[int, int]:
    """Where the hash of a subtree of level 1 and up is kept: the leaf that completes it, and its place among those."""
    assert level > 0, "a leaf is hashed from its entry"
    return ((index + 1) << level) - 1, level - 1


def peak_nodes(size: int) -> tuple[Coordinate, ...]:
    """The coordinates of the peaks of a tree of *size*, largest first."""
    return _complete(0, size)


def inclusion_nodes(index: int, size: int) -> tuple[Coordinate, ...]:
    """The complete subtrees whose hashes a proof of leaf *index* in a tree of *size* is made of."""
    return tuple(node for part in _inclusion(index, size) for node in part)


def consistency_nodes(size1: int, size2: int) -> tuple[Coordinate, ...]:
    """The complete subtrees whose hashes a proof that a tree of *size2* extends one of *size1* is made of."""
    return tuple(node for part in _consistency(size1, size2) for node in part)


def inclusion_proof(index: int, size: int, hashes: Mapping[Coordinate, bytes]) -> list[bytes]:
    """The audit path of leaf *index*, from *hashes* of `inclusion_nodes`."""
    return [root([hashes[node] for node in part]) for part in _inclusion(index, size)]


def consistency_proof(size1: int, size2: int, hashes: Mapping[Coordinate, bytes]) -> list[bytes]:
    """The proof that the first *size1* leaves are the same, from *hashes* of `consistency_nodes`."""
    return [root([hashes[node] for node in part]) for part in _consistency(size1, size2)]


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Return where *leaf*, a leaf's hash, stands at *index* of the tree of *size* that has *root*. RFC 9162, 2.1.3.2.

    Raises:
        ProofRefused: It does not, or the proof does not show it.
    """
    if not 0 <= index < size:
        raise ProofRefused(f"a tree of {size} leaves has no leaf {index}")
    _require_hashes([leaf, root, *proof])
    inner = (index ^ (size - 1)).bit_length()
    border = (index >> inner).bit_count()
    if len(proof) != inner + border:
        raise ProofRefused(f"the proof has {len(proof)} hashes, and needs {inner + border}")
    found = leaf
    for level, hash_ in enumerate(proof):
        right = level >= inner or index >> level & 1
        found = node_hash(hash_, found) if right else node_hash(found, hash_)
    if found != root:
        raise ProofRefused("the entry is not in the log that was signed: the proof leads to another root")


def verify_consistency(size1: int, size2: int, proof: Sequence[bytes], root1: bytes, root2: bytes) -> None:
    """Return where the tree of *size2* with *root2* begins with the tree of *size1* with *root1*. RFC 9162, 2.1.4.2.

    Raises:
        ProofRefused: It does not, or the proof does not show it.
    """
    if not 0 <= size1 <= size2:
        raise ProofRefused(f"a log of {size2} entries cannot extend one of {size1}")
    if size1 == 0:
        raise ProofRefused("every log extends an empty one: that proves nothing")
    if size1 == size2:
        if proof or root1 != root2:
            raise ProofRefused("two logs of the same size have different roots, or a proof that they need not")
        return
    _require_hashes([root1, root2, *proof])
    _require_extension(size1, size2, list(proof), root1, root2)


def _require_extension(size1: int, size2: int, proof: list[bytes], root1: bytes, root2: bytes) -> None:
    shift = (size1 & -size1).bit_length() - 1
    if size1 & (size1 - 1) == 0:
        proof = [root1, *proof]  # a complete first tree is the start itself
    node, last = (size1 - 1) >> shift, (size2 - 1) >> shift
    if len(proof) != 1 + _steps(node, last):
        raise ProofRefused(f"the proof has {len(proof)} hashes where another number is needed")
    old = new = proof[0]
    for hash_ in proof[1:]:
        if node & 1 or node == last:
            old, new = node_hash(hash_, old), node_hash(hash_, new)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            new = node_hash(new, hash_)
        node, last = node >> 1, last >> 1
    if (old, new) != (root1, root2):
        raise ProofRefused("the longer log does not begin with the shorter one: it was rewritten")


def _steps(node: int, last: int) -> int:
    """How many hashes lead from *node* to the root of a row that ends at *last*."""
    steps = 0
    while last:
        if node & 1 or node == last:
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        steps += 1
        node, last = node >> 1, last >> 1
    return steps


def _complete(start: int, end: int) -> Part:
    """The largest complete subtrees that make up the leaves from *start* to *end*, left to right."""
    found = []
    while start < end:
        level = (end - start).bit_length() - 1
        if start:
            level = min(level, (start & -start).bit_length() - 1)
        found.append((level, start >> level))
        start += 1 << level
    return tuple(found)


@lru_cache(maxsize=16)  # a proof asks twice: which hashes it takes, and which of them go together
def _inclusion(index: int, size: int) -> tuple[Part, ...]:
    """The complete subtrees under each hash of an audit path, lowest first."""
    assert 0 <= index < size, "a leaf of the tree"
    found, start, end = [], 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            found.append(_complete(middle, end))
            end = middle
        else:
            found.append(_complete(start, middle))
            start = middle
    return tuple(found[::-1])


@lru_cache(maxsize=16)
def _consistency(size1: int, size2: int) -> tuple[Part, ...]:
    assert 0 <= size1 <= size2, "the second tree is not the smaller one"
    if size1 in (0, size2):
        return ()
    found, start, end = [], 0, size2
    while size1 != end:
        middle = start + _split(end - start)
        if size1 <= middle:
            found.append(_complete(middle, end))
            end = middle
        else:
            found.append(_complete(start, middle))
            start = middle
    if start:
        found.append(_complete(start, end))
    return tuple(found[::-1])


def _split(width: int) -> int:
    """The largest power of two below *width*."""
    return 1 << (width - 1).bit_length() - 1


def _require_hashes(hashes: Sequence[bytes]) -> None:
    if any(len(each) != HASH_BYTES for each in hashes):
        raise ProofRefused(f"a hash has {HASH_BYTES} bytes")
