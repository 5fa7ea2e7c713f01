"""A process that lives a scene and is really killed at one point of it.

`python -m tests.live.crash.victim FOLDER SCENE POINT HAPPENED`: HAPPENED is 1 where the effect of that point persists.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import msgspec

from tests.live.crash.house import House, found
from tests.live.crash.points import Cell, Points
from tests.live.crash.scenes import SCENES
from tests.live.virtual import LoopClock, virtually
from tieout.record import keys


def live(folder: Path, name: str, point: int, *, happened: bool) -> None:
    """Live until killed there."""
    houses: list[House] = []

    def killed() -> None:
        house = houses[0]
        house.outside.memory.passed += house.clock.passed() + 1
        (folder / "memory.json").write_bytes(msgspec.json.encode(house.outside.memory))
        os.kill(os.getpid(), signal.SIGKILL)

    scene = next(each for each in SCENES if each.name == name)
    points = Points({point: Cell(persisted=happened, dies=True)}, killed)
    if not (folder / "keys").exists():
        keys.create(folder / "keys", "tieout-test")

    async def run(clock: LoopClock) -> None:
        houses.append(found(folder, clock, scene, points))
        await houses[0].run()

    virtually(run)


if __name__ == "__main__":
    live(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), happened=sys.argv[4] == "1")
