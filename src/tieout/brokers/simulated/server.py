"""The simulated venue as a process of its own: `python -m tieout.brokers.simulated.server --file world.sqlite --port 0`.

It listens on the loopback interface only and prints its port as one line. `/v1/ACCOUNT/…` is the venue's API,
`/control/…` lets things happen there (`commands.py`). What was answered is on the disk: the process may be killed and
started again on its file at any moment. Fault rules are not kept: a process that was started again has none.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from aiohttp import web

from tieout.clock import Clock, SystemClock, VirtualClock

from .control_api import ControlRoutes
from .facts import WorldBroken
from .storage import SqliteJournal
from .venue_api import Handler, Venue, VenueRoutes, tell_failures
from .world import World

_GRACE_S = 1.0


def application(venue: Venue) -> web.Application:
    """Both APIs over one venue; `venue.failed` is set as soon as its file cannot be written."""

    @web.middleware
    async def watch_file(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        finally:
            if not venue.world.whole:
                venue.failed.set()

    app = web.Application(middlewares=[watch_file, tell_failures])
    app.add_routes([*VenueRoutes(venue).routes(), *ControlRoutes(venue).routes()])
    return app


@asynccontextmanager
async def listening(venue: Venue, port: int = 0) -> AsyncIterator[int]:
    """The port at which both APIs answer on 127.0.0.1, for as long as this stands; 0 takes a free one."""
    runner = web.AppRunner(application(venue), access_log=None, shutdown_timeout=_GRACE_S)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def serve(world: World, port: int) -> int:
    """Serve *world* until SIGTERM or SIGINT; returns the exit status, 1 where its file failed."""
    venue = Venue(world)
    async with listening(venue, port) as taken:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        sys.stdout.write(f"{taken}\n")
        sys.stdout.flush()
        waits = [asyncio.create_task(event.wait()) for event in (stop, venue.failed)]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
    return 1 if venue.failed.is_set() else 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the process; returns its exit status."""
    parser = argparse.ArgumentParser(prog="tieout.brokers.simulated.server", description="A simulated venue.")
    parser.add_argument(
        "--file", type=Path, required=True, help="the world's own SQLite file; made where there is none"
    )
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one; it is printed as one line")
    parser.add_argument("--seed", type=int, default=0, help="of a new world")
    parser.add_argument("--virtual-from", type=_moment, help="run on a virtual clock from this RFC 3339 time on")
    options = parser.parse_args(arguments)
    try:
        journal = SqliteJournal(options.file)
    except WorldBroken as error:
        sys.stderr.write(f"{error}\n")
        return 1
    try:
        clock = SystemClock() if options.virtual_from is None else _virtual_clock(options.virtual_from, journal)
        return asyncio.run(serve(World(clock, options.seed, journal), options.port))
    except WorldBroken as error:
        sys.stderr.write(f"{error}\n")
        return 1
    finally:
        journal.close()


def _virtual_clock(start: datetime, journal: SqliteJournal) -> Clock:
    """A virtual clock that, for a world found again, goes on no earlier than its last fact."""
    return VirtualClock(max([start, *(entry.at for entry in journal.read()[-1:])]))


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise argparse.ArgumentTypeError("a time with an offset is needed")
    return moment.astimezone(UTC)


if __name__ == "__main__":
    sys.exit(main())
