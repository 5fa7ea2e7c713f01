"""RFC 6962 trees (first cut)."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

Coordinate = tuple[int, int]
EMPTY_ROOT = sha256().digest()


def leaf_hash(entry: bytes) -> bytes:
    """H(0x00 || entry)."""
    return sha256(b"\0" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """H(0x01 || left || right)."""
    return sha256(b"\1" + left + right).digest()


def extend_all(
    size: int, peaks: Sequence[bytes], leaves: Sequence[bytes]
) -> tuple[tuple[bytes, ...], list[tuple[bytes, ...]]]:
    """Append leaves."""
    stack, made = list(peaks), []
    for number, leaf in enumerate(leaves, size):
        completed, node = [], leaf
        while number & 1:
            node = node_hash(stack.pop(), node)
            completed.append(node)
            number >>= 1
        stack.append(node)
        made.append(tuple(completed))
    return tuple(stack), made


def root(peaks: Sequence[bytes]) -> bytes:
    """The root over the peaks."""
    if not peaks:
        return EMPTY_ROOT
    found = peaks[-1]
    for peak in reversed(peaks[:-1]):
        found = node_hash(peak, found)
    return found


def peak_nodes(size: int) -> tuple[Coordinate, ...]:
    """Coordinates of the peaks, largest first."""
    found, start = [], 0
    for level in range(size.bit_length() - 1, -1, -1):
        if size >> level & 1:
            found.append((level, start >> level))
            start += 1 << level
    return tuple(found)


def home(level: int, index: int) -> Coordinate:
    """Leaf and place where a subtree's hash is stored."""
    return ((index + 1) << level) - 1, level - 1
