"""Merkle trees against a naive one: every proof of every small tree holds, and nothing else does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieout.errors import ProofRefused
from tieout.record.tlog import merkle
from tieout.record.tlog.subtree import verify_subtree_consistency, verify_subtree_inclusion

SIZE = 70
LEAVES = [merkle.leaf_hash(bytes([number])) for number in range(SIZE)]


def naive(leaves: list[bytes]) -> bytes:
    """The root as RFC 6962 defines it, by recursion."""
    if len(leaves) < 2:
        return leaves[0] if leaves else merkle.EMPTY_ROOT
    half = 1 << (len(leaves) - 1).bit_length() - 1
    return merkle.node_hash(naive(leaves[:half]), naive(leaves[half:]))


ROOTS = [naive(LEAVES[:size]) for size in range(SIZE + 1)]


def subtrees() -> dict[merkle.Coordinate, bytes]:
    """Every complete subtree's hash, as appending leaf by leaf makes them."""
    found = {(0, number): leaf for number, leaf in enumerate(LEAVES)}
    peaks: tuple[bytes, ...] = ()
    for number, leaf in enumerate(LEAVES):
        peaks, completed = merkle.extend(number, peaks, leaf)
        for place, made in enumerate(completed):
            coordinate = (place + 1, number >> (place + 1))
            assert merkle.home(*coordinate) == (number, place)
            found[coordinate] = made
    return found


HASHES = subtrees()
sizes = st.integers(1, SIZE)


@pytest.mark.parametrize("size", range(SIZE + 1))
def test_the_root_is_that_of_the_naive_tree(size: int) -> None:
    """Growing leaf by leaf, in one go, or from peaks that were read back gives one and the same root."""
    peaks, _ = merkle.extend_all(0, (), LEAVES[:size])
    assert peaks == tuple(HASHES[node] for node in merkle.peak_nodes(size))
    assert merkle.root(peaks) == ROOTS[size]


@pytest.mark.parametrize("size", range(1, SIZE + 1))
def test_every_entry_can_be_proved(size: int) -> None:
    """Each leaf of each tree has a proof that holds, made of the hashes that it asks for."""
    for index in range(size):
        asked = {node: HASHES[node] for node in merkle.inclusion_nodes(index, size)}
        merkle.verify_inclusion(LEAVES[index], index, size, merkle.inclusion_proof(index, size, asked), ROOTS[size])


@pytest.mark.parametrize("size", range(1, SIZE + 1))
def test_every_growth_can_be_proved(size: int) -> None:
    """Each tree is shown to begin with each smaller one."""
    for first in range(1, size + 1):
        asked = {node: HASHES[node] for node in merkle.consistency_nodes(first, size)}
        proof = merkle.consistency_proof(first, size, asked)
        merkle.verify_consistency(first, size, proof, ROOTS[first], ROOTS[size])


def flipped(raw: bytes, bit: int) -> bytes:
    """*raw* with one bit turned."""
    return bytes(byte ^ (1 << bit % 8 if place == bit // 8 else 0) for place, byte in enumerate(raw))


@given(st.data())
def test_no_other_inclusion_is_believed(data: st.DataObject) -> None:
    """A proof that is cut, lengthened, changed by a bit, or told of another place, size or leaf is refused."""
    size = data.draw(sizes)
    index = data.draw(st.integers(0, size - 1))
    leaf, root = LEAVES[index], ROOTS[size]
    proof = merkle.inclusion_proof(index, size, HASHES)
    bit = data.draw(st.integers(0, 255))
    wrong = [
        (leaf, index, size, [*proof, leaf], root),
        (leaf, index, size, [leaf, *proof], root),
        (flipped(leaf, bit), index, size, proof, root),
        (leaf, index, size, proof, flipped(root, bit)),
        (leaf, size, size, proof, root),
        (leaf, -1, size, proof, root),
        (leaf, index, size, [each[:-1] for each in proof] or [b""], root),
    ]
    if proof:
        place = data.draw(st.integers(0, len(proof) - 1))
        changed = [flipped(each, bit) if number == place else each for number, each in enumerate(proof)]
        wrong += [(leaf, index, size, changed, root), (leaf, index, size, proof[:-1], root)]
        wrong += [(leaf, index ^ 1, size, proof, root)]
    for each in wrong:
        with pytest.raises(ProofRefused):
            merkle.verify_inclusion(*each)


@given(st.data())
def test_no_other_growth_is_believed(data: st.DataObject) -> None:
    """A consistency proof that is cut, lengthened, changed, or told of other sizes or roots is refused."""
    size2 = data.draw(st.integers(2, SIZE))
    size1 = data.draw(st.integers(1, size2 - 1))
    root1, root2 = ROOTS[size1], ROOTS[size2]
    proof = merkle.consistency_proof(size1, size2, HASHES)
    place, bit = data.draw(st.integers(0, len(proof) - 1)), data.draw(st.integers(0, 255))
    changed = [flipped(each, bit) if number == place else each for number, each in enumerate(proof)]
    wrong = [
        (size1, size2, [*proof, root1], root1, root2),
        (size1, size2, [root1, *proof], root1, root2),
        (size1, size2, proof[:-1], root1, root2),
        (size1, size2, changed, root1, root2),
        (size1, size2, proof, root2, root1),
        (size1, size2, proof, flipped(root1, bit), root2),
        (size1, size2, proof, root1, flipped(root2, bit)),
        (size2, size1, proof, root1, root2),
        (size2, size2, proof, root1, root1),
        (0, size2, proof, root1, root2),
        (0, size2, [], merkle.EMPTY_ROOT, root2),
        (size1, size1, [], root1, root2),
    ]
    for each in wrong:
        with pytest.raises(ProofRefused):
            merkle.verify_consistency(*each)


@given(st.integers(0, 6), st.data())
def test_a_subtree_is_a_part_of_its_log_and_of_no_other(level: int, data: st.DataObject) -> None:
    """A subtree's leaves are proved in it, and a subtree of another root or place is refused."""
    width = data.draw(st.integers((1 << level) // 2 + 1, 1 << level))
    start = data.draw(st.integers(0, (SIZE - width) >> level)) << level
    end = start + width
    root = naive(LEAVES[start:end])
    index = data.draw(st.integers(start, end - 1))
    inside = {(0, place): leaf for place, leaf in enumerate(LEAVES[start:end])}
    peaks, made = merkle.extend_all(0, (), LEAVES[start:end])
    for number, completed in enumerate(made):
        inside |= {(place + 1, number >> (place + 1)): each for place, each in enumerate(completed)}
    assert merkle.root(peaks) == root
    proof = merkle.inclusion_proof(index - start, width, inside)
    verify_subtree_inclusion(LEAVES[index], index, (start, end), proof, root)
    with pytest.raises(ProofRefused):
        verify_subtree_inclusion(LEAVES[index], index, (start, end), [*proof, root], root)
    with pytest.raises(ProofRefused):
        verify_subtree_consistency((start, end), SIZE, [], flipped(root, 3), ROOTS[SIZE])
