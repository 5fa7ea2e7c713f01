"""The service: everything that runs while `tieout serve` does, begun and ended in one order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

from tieout.bootstrap import Running, opened
from tieout.clock import Clock, SystemClock
from tieout.config import Config
from tieout.errors import BadInput, Problem
from tieout.live.alarm import Alarm, LoggedAlarm
from tieout.live.roster import Roster
from tieout.live.schedule import Schedule
from tieout.live.telling import deliver_alerts, outgoing_of
from tieout.live.watch import Trouble
from tieout.record.beating import Duty, beat, duties
from tieout.record.outbox import Outbox
from tieout.serve.access.denials import EVERY
from tieout.serve.desk import Desk
from tieout.serve.measuring import Measured
from tieout.serve.reloading import Reloading, watched
from tieout.serve.tasks import Place, beside
from tieout.serve.vital import keep_calling, switch_of
from tieout.serve.workers.engine import Engine, Troubles

BEGIN_AT_ONCE = 64  # first reconciliations


@asynccontextmanager
async def serving(config: Config, *, clock: Clock | None = None, alarm: Alarm | None = None) -> AsyncIterator[Desk]:
    """Everything that *config* describes, running: accounts are reconciled, alerts go out, the log is kept alive.

    At the end nothing new is begun, and what may be acting is waited for.

    Raises:
        BadInput: The configuration has no [record], or as `bootstrap.opened` and `record.beating.duties`.
        RecordError: The record cannot be opened.
    """
    if not config.recorded:
        mend = "write [record], and make its keys with `tieout audit key new`"
        raise BadInput([Problem(config.file, "record", "a service cannot do without a record", mend)])
    clock, alarm = clock or SystemClock(), alarm or LoggedAlarm()
    measured = Measured(clock)
    async with (
        opened(config, watched(config), clock=clock, alarm=alarm, reported=measured.reported) as running,
        _engine(config, running, clock, alarm) as (engine, roster),
    ):
        record = running.record
        assert record is not None, "the configuration has one"
        shared = config.service.workers == "shared"
        ours = engine.watch.accounts if shared else running.accounts
        outgoing = outgoing_of(config.alerts, Outbox(record), clock, alarm, ours)
        sending = Place("sending alerts", alarm)

        async def tell(sentence: str) -> None:
            await alarm.raise_alarm("record", sentence)

        measured.watch(running, engine)
        desk = Desk(running, engine, record, measured, clock, roster=roster)
        if config.service.oidc is not None:
            from tieout.serve.access.elsewhere import elsewhere_of  # loads what only the extra has

            desk.elsewhere = elsewhere_of(config, desk.callers, desk.users, clock)
        desk.take_on = refused if shared else Reloading(desk, config, roster, sending=sending, alarm=alarm).take_on
        # Before anything runs: what is wrong here ends the start, and not a task that nobody looks at.
        what = *duties(record, config.record, clock), Duty("logging who was not let", EVERY, desk.denials.tell_rest)
        async with (
            sending.standing(deliver_alerts(outgoing, clock, alarm)),
            beside(beat(what, clock, tell), "looking after the log", alarm),
            beside(measured.keep_time(), "measuring the event loop", alarm),
            _switched(config, desk, alarm),
            _scheduled(engine, alarm),
        ):
            yield desk
            await desk.denials.tell_rest()


@asynccontextmanager
async def _engine(config: Config, running: Running, clock: Clock, alarm: Alarm) -> AsyncIterator[tuple[Engine, Roster]]:
    """What reconciles, and by whom: all accounts here or, where workers share them, those that fall to this one."""
    record = running.record
    assert record is not None, "the configuration has one"
    roster = Roster(
        running.reconciler,
        running.accounts,
        running.halts,
        lambda account, why: _note_halt(engine.watch, account, why),
        record.confirm,
    )
    engine: Engine
    beginning = asyncio.Semaphore(BEGIN_AT_ONCE)

    def make(names: Collection[str]) -> Schedule:
        roster.forget(names)
        accounts, streams = {name: running.accounts[name] for name in names}, running.streams(names)
        own = running.cadences
        return Schedule(roster, accounts, own=own, clock=clock, alarm=alarm, streams=streams, beginning=beginning)

    if config.service.workers == "solo":
        engine = make(running.accounts)
        yield engine, roster
        return
    from tieout.serve.workers.joining import joined

    async with joined(config, running, make, alarm) as engine:
        yield engine, roster


async def refused(config: Config) -> None:
    """Workers that share accounts have one configuration, all of them.

    Raises:
        BadInput: Always.
    """
    mend = "start them anew, one after the other: the others go on meanwhile"
    raise BadInput([Problem(config.file, "service.workers", "workers that share accounts take nothing on", mend)])


def _note_halt(watch: Troubles, account: str, why: str | None) -> None:
    """Whether an account's halts took effect where its orders come from, and *why* that was not seen."""
    if why is None:
        watch.end(account, Trouble.UNHALTED)
    else:
        watch.begin(account, Trouble.UNHALTED, why)


@asynccontextmanager
async def _scheduled(engine: Engine, alarm: Alarm) -> AsyncIterator[None]:
    """The engine, running. Its first round is not waited for: a venue that is slow keeps nobody from looking."""
    async with beside(engine.start(), "reconciling", alarm):
        try:
            yield
        finally:
            await engine.stop()


@asynccontextmanager
async def _switched(config: Config, desk: Desk, alarm: Alarm) -> AsyncIterator[None]:
    """The dead man's switch is called meanwhile, where the configuration names one."""
    switch = switch_of(config)
    if switch is None:
        yield
        return
    async with beside(keep_calling(switch, desk, desk.clock), "calling the dead man's switch", alarm):
        yield
