"""The workload, judged: what the policy lets heal heals without a person, to the cent and its cost; the rest is untouched."""

from __future__ import annotations

import pytest

from tests.proving import PROVE
from tests.workload.breaks import KINDS
from tests.workload.run import run, summary


@pytest.mark.prove
async def test_what_may_heal_heals_and_nothing_else_is_touched() -> None:
    """Breaks of every class on live sides: all that may heal are closed and verified; nothing is wrong, no halt unneeded."""
    told = await run(1008 if PROVE else 2 * len(KINDS), seed=5)
    figures = summary(told)
    print(figures)  # noqa: T201 - shown by `make prove`
    assert (figures["wrong bookings"], figures["unneeded halts"], figures["halts missed"]) == ([], {}, {})
    assert figures["closed without leave"] == {}
    healed, meant = figures["healed and verified"], figures["meant to heal"]
    assert isinstance(healed, int) and isinstance(meant, int)
    assert healed >= meant * 95 // 100 > 0
    assert figures["not healed"] == {}
