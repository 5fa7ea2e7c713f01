"""A process that is killed at any moment: nothing acknowledged is lost, nothing is done twice, the log verifies."""

from __future__ import annotations

import itertools
import random
import sys
from pathlib import Path

import pytest

from tests.proving import PROVE, sample
from tests.record.crash.house import House, house
from tests.record.crash.kills import kills, sentence

pytestmark = pytest.mark.long

KILLS = 200 if PROVE else 4


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose path is short enough for a socket."""
    return tmp_path_factory.mktemp("c")


@pytest.mark.prove
async def test_kill_9_under_load(where: str, request: pytest.FixtureRequest) -> None:
    """Killed at random moments under load, a process loses nothing that was acknowledged and does nothing twice."""
    server = request.getfixturevalue("server") if "://" in where else None
    counts = await kills(KILLS, lambda folder: server.fresh() if server else str(folder / "record.db"), seed=11)
    sys.stdout.write(sentence(counts))  # shown by `make prove`
    assert counts["kills"] == KILLS
    assert counts["acknowledged"] > KILLS and counts["booked"] and counts["cancelled"]


WRITES = ("configure", "reading", "intent", "outcome")
PLACES = ("before", "in its transaction", "committed", "on the disk", "acknowledged")
POINTS = ["start: before the record", "start: opened"]
POINTS += [f"{write}: {place}" for write in WRITES for place in PLACES]


@pytest.mark.prove
async def test_a_death_at_each_point_between_intent_effect_and_outcome(where: str, folder: Path) -> None:
    """At every crash point that the code names, before a booking and before a cancel, the next process puts it right."""
    async with house(where, folder, random.Random(3)) as home:
        for point in sample(POINTS, 7, start=2 if "://" in where else 0):
            for times in (1, 2) if point.startswith(("intent", "outcome")) else (1,):
                _trouble(home)
                assert await home.live(rounds=9, dies_at=point, times=times) == -9, point
                await home.check()
                _expect_open(home, point)
                await home.rest(lives=1, rounds=3)


@pytest.mark.prove
async def test_a_death_between_an_effect_and_its_answer(where: str, folder: Path) -> None:
    """Asked and not done, done and not answered: the look-up tells the two apart, for bookings and cancels."""
    async with house(where, folder, random.Random(4)) as home:
        ways = list(itertools.product(("apply", "cancel_order"), (False, True)))
        for method, performed in sample(ways, 3, start=1 if "://" in where else 0):
            _trouble(home)
            home.outside.dies = (method, performed)
            assert await home.live(rounds=9) == -9
            home.outside.dies = None
            await home.check()
            (left,) = home.found.open
            assert home.outside.happened[left.id] is performed
            await home.rest(lives=1, rounds=3)
            (ended,) = [each for each in home.found.intents if each.id == left.id]
            assert ended.status == ("done" if performed else "undone")


@pytest.mark.prove
async def test_a_death_while_recovering(where: str, folder: Path) -> None:
    """Recovery itself may die at each of its points, one start after the other: the end that is found is the same."""
    async with house(where, folder, random.Random(5)) as home:
        for performed, last in sample(list(itertools.product((False, True), PLACES[2:])), 5):
            _trouble(home)
            home.outside.dies = ("apply", performed)
            assert await home.live(rounds=9) == -9
            home.outside.dies = None
            await home.check()
            (left,) = home.found.open
            for place in (*PLACES[:2], last):
                assert await home.live(rounds=9, dies_at=f"outcome: {place}") == -9
                await home.check()
                assert [each.id for each in home.found.open] == ([] if place == last else [left.id])
            await home.rest(lives=1, rounds=3)
            (ended,) = [each for each in home.found.intents if each.id == left.id]
            assert ended.status == ("done" if performed else "undone")


def _trouble(home: House) -> None:
    """One of each: a fill missed, a fee missed, a stranger's order."""
    for _ in range(3):
        home.outside.disturb("a0")


def _expect_open(home: House, point: str) -> None:
    """An intent without an outcome is left by just those points that lie between the two commits."""
    between = ["intent: committed", "intent: on the disk", "intent: acknowledged"]
    between += ["outcome: before", "outcome: in its transaction"]
    assert bool(home.found.open) is (point in between), point
