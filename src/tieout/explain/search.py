"""The bounded search: is there exactly one set of records whose effects are exactly the differences?

Meet in the middle over exact sums. Sums that coincide are counted, not listed, so ten equal fills are eleven states; a
second way to the same answer makes the answer worthless, and the search says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

Vector = tuple[Decimal, ...]


def only_subset(effects: Sequence[Vector], target: Vector, max_states: int) -> tuple[int, ...] | None:
    """The indices of the only set of *effects* that sums to *target*.

    Args:
        effects: One vector a record, none of them all zero.
        target: What has to come out, not all zero.
        max_states: Distinct sums that each half of the search may hold.

    Returns:
        None where there is no such set, more than one, or the bound was reached: then nothing is explained.
    """
    middle = len(effects) // 2
    left = _sums(effects, range(middle), len(target), max_states)
    right = _sums(effects, range(middle, len(effects)), len(target), max_states)
    if left is None or right is None:
        return None
    found: int | None = None
    for reached, (ways, chosen) in left.items():
        rest = right.get(tuple(t - r for t, r in zip(target, reached, strict=True)))
        if rest is None:
            continue
        if found is not None or ways * rest[0] > 1:
            return None
        found = chosen | rest[1]
    if found is None:
        return None
    return tuple(index for index in range(len(effects)) if found >> index & 1)


def _sums(
    effects: Sequence[Vector], indices: range, width: int, max_states: int
) -> dict[Vector, tuple[int, int]] | None:
    """Every sum that subsets of *indices* reach: how many ways, and one of them as a bit set. None past the bound."""
    reached: dict[Vector, tuple[int, int]] = {(Decimal(0),) * width: (1, 0)}
    for index in indices:
        grown = dict(reached)
        for vector, (ways, chosen) in reached.items():
            moved = tuple(a + b for a, b in zip(vector, effects[index], strict=True))
            known = grown.get(moved)
            grown[moved] = (ways, chosen | 1 << index) if known is None else (known[0] + ways, known[1])
        if len(grown) > max_states:
            return None
        reached = grown
    return reached
