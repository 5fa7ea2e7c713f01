"""The bounded search for the only set of records: what it finds, and what it refuses to call the only one."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tieout.explain.search import only_subset


def vectors(*rows: str) -> list[tuple[Decimal, ...]]:
    return [tuple(map(Decimal, row.split())) for row in rows]


@pytest.mark.parametrize(
    ("effects", "target", "only"),
    [
        (("1", "2", "10", "20"), "12", (1, 2)),
        (("1", "2", "10", "20"), "33", (0, 1, 2, 3)),
        (("1", "2", "10", "20"), "4", None),
        (("1 9", "1 3", "5 2", "7 2"), "6 5", (1, 2)),  # the second number tells the first two apart
        (("1", "1", "5", "7"), "6", None),  # two ways in the first half
        (("5", "7", "1", "1"), "6", None),  # two in the second
        (("1", "1", "5", "5"), "6", None),  # two in each
        (("1", "5", "6", "9"), "6", None),  # one way across the halves, one within
        (("1", "-1", "5", "7"), "5", None),  # two records that cancel may be in it or not
    ],
)
def test_only_a_set_that_is_the_only_one_is_found(
    effects: tuple[str, ...], target: str, only: tuple[int, ...] | None
) -> None:
    """The one set that sums to the target is named, and a second way, wherever it hides, makes both worthless."""
    assert only_subset(vectors(*effects), vectors(target)[0], 16) == only


@pytest.mark.parametrize(("bound", "only"), [(4, (0, 3)), (3, None)])
def test_a_half_may_hold_as_many_sums_as_the_bound_says(bound: int, only: tuple[int, ...] | None) -> None:
    """Exactly as many sums as allowed are searched, and with one more nothing is explained."""
    assert only_subset(vectors("1", "2", "10", "20"), vectors("21")[0], bound) == only
