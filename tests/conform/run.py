"""`make conform`: recorded answers of real venues through a real HTTP server, the unmodified ccxt client and our adapter.

Every number of every record is held against the recorded text, no fault may be read as an empty account, every recorded
incident is replayed to the verdict expected, and every vector of the log's specifications is judged. Where npm is there, a
venue's own OpenAPI judges our adapter and our server, and Bitfinex's own mock server is read. Needs the
folder of recordings as its argument; nothing of it is kept.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.conform import alpaca_recorded, bitfinex, dydx, faults, incidents, openapi, recorded, vectors
from tests.conform.output import say


def main(shared: Path) -> int:
    """Run all checks on the recordings under *shared*; 0 if something was fed and all of it passed."""
    passed, failed = asyncio.run(_run(shared))
    say(f"{passed} passed, {failed} failed")
    return 0 if passed and not failed else 1


async def _run(shared: Path) -> tuple[int, int]:
    fed = await recorded.run(shared)
    native = await dydx.run(shared)
    own = await alpaca_recorded.run(shared)
    broken = await faults.run()
    kept = await openapi.run(shared)
    mocked = await bitfinex.run()
    judged = await asyncio.to_thread(incidents.run, shared)
    proved = await asyncio.to_thread(vectors.run, shared)
    rounds = (fed, native, own, broken, kept, mocked, judged, proved)
    return sum(passed for passed, _ in rounds), sum(failed for _, failed in rounds)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: run.py SHARED_DIR")
    sys.exit(main(Path(sys.argv[1])))
