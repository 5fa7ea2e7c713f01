"""`tieout serve`: watches all accounts of a configuration until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from starlette.types import ASGIApp

from tieout.config import Config, load
from tieout.live.alarm import LoggedAlarm
from tieout.live.watch import Unfinished, caught
from tieout.serve.api.app import build_app
from tieout.serve.checking import DEFAULT_FILE
from tieout.serve.collecting import collecting_seldom
from tieout.serve.dashboard.mounting import add_dashboard
from tieout.serve.desk import Desk
from tieout.serve.listening import listening
from tieout.serve.logged import Form, RequestLog, log_to_stderr
from tieout.serve.notifying import Notifying
from tieout.serve.reloading import reload
from tieout.serve.reported import MATCHED
from tieout.serve.service import serving
from tieout.serve.tasks import beside
from tieout.serve.tracing import TracedRequests, traced

_log = logging.getLogger("tieout.service")


def serve(
    *,
    config: Annotated[Path, Parameter(help="Where accounts, record and service are configured (TOML).")] = DEFAULT_FILE,
    log: Annotated[Form, Parameter(help="How its own log is written, on standard error.")] = "plain",
    verbose: Annotated[bool, Parameter(help="Log each request, too.", negative=())] = False,
) -> int:
    """Watch all accounts, beside whatever trades them, until a signal ends it.

    Each account is reconciled at the start, at its interval, and when its venue tells of a change. What the policy lets heal
    is healed, alerts go out, and the interface listens where [service] says. Ctrl-C, or the signal TERM, ends it: nothing new
    is begun, and what may be acting is waited for. The signal HUP has it take the
    configuration on anew, once that is found right.
    """
    log_to_stderr(log, verbose=verbose)
    asyncio.run(_serve(config, load(config, None), verbose=verbose))
    return MATCHED


async def _serve(path: Path, config: Config, *, verbose: bool) -> None:
    stopping, again, systemd, alarm = asyncio.Event(), asyncio.Event(), Notifying(), LoggedAlarm()
    with _told(stopping, again):
        async with (
            traced(config) as tracing,
            serving(config, alarm=alarm) as desk,
            collecting_seldom(desk.clock, alarm),
        ):
            app = build_app(desk)
            add_dashboard(app, desk, config.record)
            told: ASGIApp = RequestLog(app, desk.clock) if verbose else app
            told = TracedRequests(told) if tracing else told
            async with listening(told, config.service, config.file, alarm) as url:
                print(f"tieout watches {len(desk.accounts)} accounts; it listens at {url}", flush=True)
                systemd.say("READY=1")
                async with (
                    beside(systemd.keep_alive(desk.clock), "telling systemd that it lives", alarm),
                    beside(_reloading(path, desk, again), "taking configurations on", alarm),
                ):
                    await stopping.wait()
                systemd.say("STOPPING=1")
                desk.closing.set()
            print("tieout stops: nothing new is begun, and what may be acting is waited for", flush=True)


async def _reloading(path: Path, desk: Desk, again: asyncio.Event) -> None:
    """Take the configuration on anew each time that somebody says so; several at once are one."""
    while True:
        await again.wait()
        again.clear()
        failure = await caught(reload(path, desk))
        if isinstance(failure, Unfinished):
            _log.error(
                "the configuration was not taken on whole, by a fault inside Tieout; start anew: %s", failure.why
            )
            desk.measured.refused.set(1)


@contextlib.contextmanager
def _told(stopping: asyncio.Event, again: asyncio.Event) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    meant = {signal.SIGTERM: stopping, signal.SIGINT: stopping, signal.SIGHUP: again}
    for each, event in meant.items():
        loop.add_signal_handler(each, event.set)
    try:
        yield
    finally:
        for each in meant:
            loop.remove_signal_handler(each)
