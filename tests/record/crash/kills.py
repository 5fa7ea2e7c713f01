"""kill -9 at random moments, again and again on one record: `python -m tests.record.crash.kills --database sqlite`.

What is checked after each death stands in `house.House.check`; here is when it comes, and how often.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.record import postgres
from tests.record.crash.house import house

PER_RECORD = 20  # deaths on one record, before the next one begins on an empty one
ACCOUNTS, PRODUCERS = 3, 4
TROUBLE = 0.75  # how likely one more thing goes wrong before a reading
STARTING_S, WORKING_S = 0.1, 0.5


async def kills(times: int, store: Callable[[Path], str], seed: int) -> Counter[str]:
    """Kill a process *times* times, each at a random moment under load; what is checked after each raises where it fails."""
    rng, counts = random.Random(seed), Counter[str]()
    while counts["kills"] < times:
        with tempfile.TemporaryDirectory(prefix="tieout-kills-") as name:
            folder = Path(name)
            async with house(store(folder), folder, rng, accounts=ACCOUNTS, producers=PRODUCERS) as home:
                home.outside.trouble = TROUBLE
                assert await home.live(rounds=3, producers=0) == 0
                await home.check()
                for _ in range(min(PER_RECORD, times - counts["kills"])):
                    # A part of them strikes while the process still starts, looks up and recovers.
                    assert await home.die(rng.uniform(0, STARTING_S if rng.random() < 0.25 else WORKING_S)) == -9
                    await home.check()
                    counts["kills"] += 1
                    said = home.outside.alarms()
                    assert not said, said
                await home.rest()
                counts += home.counts
                counts.update(
                    entries=len(home.found.events),
                    intents=len(home.found.intents),
                    undone=sum(each.status == "undone" for each in home.found.intents),
                    booked=sum("cancel" not in name for name in home.outside.made),
                    cancelled=sum("cancel" in name for name in home.outside.made),
                )
    return counts


def sentence(counts: Counter[str]) -> str:
    """The figures, for people. The first entry that was lost, or thing done twice, ends a run before there are any."""
    return (
        f"{counts['kills']} × kill -9 survived: each of {counts['acknowledged']} acknowledged entries found again; "
        f"{counts['unheard']} committed that nobody was told of; "
        f"{counts['intents']} intents, {counts['left_open']} left open by a death and looked up first, "
        f"{counts['undone']} of them never happened; {counts['booked']} records booked and {counts['cancelled']} orders "
        f"cancelled, each once; the log verified {counts['starts']} times"
    )


def main() -> None:
    """Run it, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=200)
    parser.add_argument("--database", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    if options.database == "sqlite":
        counts = asyncio.run(kills(options.times, lambda folder: str(folder / "record.db"), options.seed))
    else:
        with postgres.running() as server:
            counts = asyncio.run(kills(options.times, lambda _: server.fresh(), options.seed))
    sys.stdout.write(f"{options.database}: {sentence(counts)}\n")


if __name__ == "__main__":
    main()
