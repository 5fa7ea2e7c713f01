"""At every crash point of a whole engine: nothing is sent or booked twice, and no halt is forgotten, after the restart."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.live.crash.house import House, Scene, lived_on, lived_through
from tests.live.crash.points import CELLS, Cell, Died, Points, cells_of
from tests.live.crash.scenes import PEOPLE, SCENES, SENDING, TRADING
from tests.proving import PROVE

pytestmark = pytest.mark.long

PARTS = 8 if PROVE else 1  # so that an interrupted proof goes on
EVERY = PARTS if PROVE else 89  # of all points and ways to go wrong; a prime, so that no kind is left out for ever
IDS = [scene.name for scene in SCENES]


MEMORY = Path("/dev/shm")  # where there is one: whoever dies here loses no disk, and nobody waits for one


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """An empty folder, in memory where that can be had."""
    if not MEMORY.is_dir():
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=MEMORY) as name:
        yield Path(name)


@cache
def passed(scene: Scene) -> tuple[str, ...]:
    """The points of a run of *scene* in which nothing goes wrong."""
    points = Points()
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as name:
        lived_through(Path(name), scene, points)
    return tuple(points.passed)


def failures(scene: Scene) -> list[tuple[int, Cell]]:
    """Every way in which a run of *scene* can be struck once."""
    return [(number, cell) for number, name in enumerate(passed(scene)) for cell in cells_of(name)]


def figures(house: House) -> Counter[str]:
    """What a run came to."""
    world, memory = house.world, house.outside.memory
    return Counter(
        runs=1,
        lives=house.lives,
        orders=len(world.submits_seen("main")),
        fills=len(world.snapshot("main").fills or ()),
        halts=len(memory.halts),
        words=len(memory.acknowledged),
    )


def fresh(parent: Path, name: str) -> Path:
    """A folder of its own."""
    folder = parent / name
    folder.mkdir()
    return folder


@pytest.mark.prove
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("scene", SCENES, ids=IDS)
def test_whatever_fails_once_nothing_is_done_twice_and_nothing_forgotten(folder: Path, scene: Scene, part: int) -> None:
    """Each write and each call of the broker goes wrong: not done or done, and then an error or the end of the process."""
    ways, kinds = failures(scene), Counter(passed(scene))
    totals: Counter[str] = Counter()
    broken: list[str] = []
    for number, cell in ways[(part if PROVE else 7) :: EVERY]:
        points = Points({number: cell})
        try:
            totals += figures(lived_through(fresh(folder, f"{number}{cell}"), scene, points))
        except AssertionError as error:
            broken.append(f"{points.struck}: {error}")
    table = ", ".join(f"{name} {count}" for name, count in sorted(kinds.items()))
    sys.stdout.write(f"{scene.name}: {kinds.total()} points ({table}); {len(ways)} ways to fail; {dict(totals)}\n")
    assert not broken, "\n".join(broken)
    assert totals["runs"] >= len(ways) // EVERY
    assert totals["lives"] > totals["runs"], "some died"


@pytest.mark.prove
@pytest.mark.parametrize("scene", SCENES, ids=IDS)
def test_two_failures_are_no_worse_than_one(folder: Path, scene: Scene) -> None:
    """What goes wrong again while the first failure is being mended changes nothing."""
    ways = failures(scene)
    for place, (number, cell) in enumerate(ways[3 :: 7 if PROVE else 3 * EVERY]):
        second = number + 1 + place * 5 % 23
        points = Points({number: cell, second: CELLS[(number + second) % 4]})
        house = lived_through(fresh(folder, f"{number}{cell}"), scene, points)
        assert house.outside.memory.done >= {"over"}


KILLS = [(TRADING, "broker submit_order"), (PEOPLE, "record say"), (PEOPLE, "record conclude"),
         (SENDING, "record intend"), (SENDING, "broker submit_order")]  # fmt: skip


@pytest.mark.parametrize("happened", [False, True], ids=["did not happen", "happened"])
@pytest.mark.parametrize(("scene", "name"), KILLS if PROVE else KILLS[:1], ids=lambda each: getattr(each, "name", each))
def test_killed_for_real_the_next_process_goes_on(folder: Path, scene: Scene, name: str, *, happened: bool) -> None:
    """The same with a process that is killed by the system: nothing of it is left but what it wrote."""
    number = passed(scene).index(name)
    killed = fresh(folder, "killed")
    ended = subprocess.run(
        [sys.executable, "-m", "tests.live.crash.victim", str(killed), scene.name, str(number), str(int(happened))],
        cwd=Path(__file__).parents[3], env=os.environ, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    house = lived_on(killed, scene, Points())
    assert house.outside.memory.done >= {name for name, _ in scene.steps}


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_a_point_goes_wrong_as_it_is_told_to(cell: Cell) -> None:
    """The harness itself: the effect is there or not, the caller hears an error or nothing more has any effect."""
    made: list[str] = []
    points = Points({1: cell})
    points.step("disk append", lambda: made.append("first"))
    with pytest.raises(Died if cell.dies else OSError):
        points.step("disk append", lambda: made.append("second"))
    assert ("second" in made) is cell.persisted
    if cell.dies:
        with pytest.raises(Died):
            points.step("disk append", lambda: made.append("third"))
    assert "third" not in made


def test_an_order_that_never_left_is_sent_without_a_person(folder: Path) -> None:
    """Dead between the intent and the order of a correction: the next process finds out, halts nothing, and sends one."""
    number = passed(SENDING).index("broker submit_order")
    house = lived_through(folder, SENDING, Points({number: Cell(persisted=False, dies=True)}))
    assert list(house.world.submits_seen("main").values()) == [1]
    assert not house.outside.memory.halts
