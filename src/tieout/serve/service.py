"""The service: everything that runs while `tieout serve` does, begun and ended in one order."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from tieout.bootstrap import Running, opened
from tieout.clock import Clock, SystemClock
from tieout.config import Config
from tieout.errors import BadInput, Problem
from tieout.live.alarm import Alarm, LoggedAlarm
from tieout.live.roster import Roster
from tieout.live.schedule import Schedule
from tieout.live.telling import deliver_alerts, outgoing_of
from tieout.live.watch import Trouble, Watch
from tieout.record.beating import Duty, keep_alive
from tieout.record.outbox import Outbox
from tieout.serve.access.denials import EVERY
from tieout.serve.desk import Desk
from tieout.serve.measuring import Measured
from tieout.serve.reloading import Reloading
from tieout.serve.tasks import Place, beside
from tieout.serve.vital import keep_calling, switch_of


@asynccontextmanager
async def serving(config: Config, *, clock: Clock | None = None, alarm: Alarm | None = None) -> AsyncIterator[Desk]:
    """Everything that *config* describes, running: accounts are reconciled, alerts go out, the log is kept alive.

    At the end nothing new is begun, and what may be acting is waited for.

    Raises:
        BadInput: The configuration has no [record], or as `bootstrap.opened`.
        RecordError: The record cannot be opened.
    """
    if not config.recorded:
        mend = "write [record], and make its keys with `tieout audit key new`"
        raise BadInput([Problem(config.file, "record", "a service cannot do without a record", mend)])
    clock, alarm = clock or SystemClock(), alarm or LoggedAlarm()
    names = [name for name, each in config.accounts.items() if each.reconciliation.enabled and each.broker is not None]
    measured = Measured(clock)
    async with opened(config, names, clock=clock, alarm=alarm, reported=measured.reported) as running:
        record = running.record
        assert record is not None, "the configuration has one"
        outgoing = outgoing_of(config.alerts, Outbox(record), clock, alarm, running.accounts)
        sending, roster = Place(), _rostered(running, lambda: schedule.watch)
        schedule = Schedule(
            roster,
            running.accounts,
            own=running.cadences,
            clock=clock,
            alarm=alarm,
            streams=running.streams(),
        )

        async def tell(sentence: str) -> None:
            await alarm.raise_alarm("record", sentence)

        measured.watch(running, schedule)
        desk = Desk(running, schedule, record, measured, clock, roster=roster)
        desk.take_on = Reloading(desk, config, roster, sending=sending, alarm=alarm).take_on
        others = (Duty("logging who was not let", EVERY, desk.denials.tell_rest),)
        async with (
            sending.standing(deliver_alerts(outgoing, clock, alarm)),
            beside(keep_alive(record, config.record, clock, tell=tell, others=others)),
            beside(measured.keep_time()),
            _switched(config, desk),
            _scheduled(schedule),
        ):
            yield desk
            await desk.denials.tell_rest()


def _rostered(running: Running, watch: Callable[[], Watch]) -> Roster:
    return Roster(
        running.reconciler,
        running.accounts,
        running.halts,
        lambda account, why: _note_halt(watch(), account, why),
    )


def _note_halt(watch: Watch, account: str, why: str | None) -> None:
    """Whether an account's halts took effect where its orders come from, and *why* that was not seen."""
    if why is None:
        watch.end(account, Trouble.UNHALTED)
    else:
        watch.begin(account, Trouble.UNHALTED, why)


@asynccontextmanager
async def _scheduled(schedule: Schedule) -> AsyncIterator[None]:
    """The schedule, running. Its first round is not waited for: a venue that is slow keeps nobody from looking."""
    async with beside(schedule.start()):
        try:
            yield
        finally:
            await schedule.stop()


@asynccontextmanager
async def _switched(config: Config, desk: Desk) -> AsyncIterator[None]:
    """The dead man's switch is called meanwhile, where the configuration names one."""
    switch = switch_of(config)
    if switch is None:
        yield
        return
    async with beside(keep_calling(switch, desk, desk.clock)):
        yield
