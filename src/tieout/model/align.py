"""Finds the few rows that need a closer look among the many that are the same on both sides.

Rows that are equal field by field cannot differ in anything, and comparing two records is one step in C; so a pair of
lists in the same order is passed over at that speed, and only what is left is looked up by its name.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import compress
from operator import ne
from typing import TypeVar

T = TypeVar("T")


def unequal(local: Sequence[T], broker: Sequence[T], name: Callable[[T], str]) -> set[str]:
    """The names under which the two sides do not hold exactly the same rows."""
    if local and len(local) == len(broker) and name(local[0]) == name(broker[0]):
        rows = list(compress(zip(local, broker, strict=True), map(ne, local, broker)))
        if all(name(a) == name(b) for a, b in rows):
            return {name(a) for a, _ in rows}
    theirs = dict(zip(map(name, broker), broker, strict=True))
    ours = list(map(name, local))
    if len(theirs) < len(broker) or len(set(ours)) < len(ours):
        return _unequal_groups(local, broker, name)  # a hedged asset has two rows
    names = set(compress(ours, map(ne, local, map(theirs.get, ours))))
    return names | theirs.keys() - ours


def _unequal_groups(local: Sequence[T], broker: Sequence[T], name: Callable[[T], str]) -> set[str]:
    here, elsewhere = by_name(local, name), by_name(broker, name)
    names = {key for key, rows in here.items() if set(elsewhere.get(key, ())) != set(rows)}
    return names | elsewhere.keys() - here.keys()


def by_name(rows: Iterable[T], name: Callable[[T], str]) -> dict[str, tuple[T, ...]]:
    """Rows gathered by name; most names have one row, and their order does not matter."""
    gathered: dict[str, tuple[T, ...]] = {}
    for row in rows:
        key = name(row)
        known = gathered.get(key)
        gathered[key] = (row,) if known is None else (*known, row)
    return gathered


def only(rows: Sequence[T], names: Collection[str], name: Callable[[T], str]) -> Mapping[str, tuple[T, ...]]:
    """The rows that bear one of *names*, gathered."""
    if not names or not rows:
        return {}
    return by_name([row for row, key in zip(rows, map(name, rows), strict=True) if key in names], name)
