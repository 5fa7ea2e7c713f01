"""The workload, judged: what the policy lets heal heals without a person, to the cent and its cost; the rest is untouched."""

from __future__ import annotations

import pytest

from tests.proving import PROVE
from tests.workload.breaks import KINDS
from tests.workload.run import Told, run, summary

pytestmark = pytest.mark.long


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


async def test_looks_in_between_change_nothing_and_say_nothing_else() -> None:
    """Looks at a part find fault with no verdict, and change none: each break ends as it does where nobody looks."""
    breaks = (10 if PROVE else 1) * len(KINDS)
    plain, looked = await run(breaks, seed=6), await run(breaks, seed=6, looking=True)
    assert [_ended(each) for each in looked] == [_ended(each) for each in plain]
    assert {each.kind.name for each in plain} == {kind.name for kind in KINDS}


def _ended(told: Told) -> object:
    # A fault that happens once may happen to the look; what is left is then read, and healed, sooner.
    sooner = (told.readings, told.waited) if "while" not in told.kind.name else None
    return told.kind.name, told.closed, told.halted, told.wrong, sooner
