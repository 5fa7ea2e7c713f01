"""What a record needs done while nothing happens: a sign of life, forgetting, and whatever else is due now and then."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from pathlib import Path

from msgspec import Struct

from tieout.clock import Clock
from tieout.errors import RecordError
from tieout.record.recorder import StoreRecord
from tieout.record.retention import erase_expired
from tieout.record.settings import RecordSettings

DAY = timedelta(days=1)
RETRY = timedelta(minutes=5)  # after a failure, for what is due less often than that
_SECOND_NS = 1_000_000_000

# Tells a person, in a sentence without amounts. MUST NOT raise.
Tell = Callable[[str], Awaitable[None]]


class Duty(Struct, frozen=True):
    """Something to be done again and again.

    Attributes:
        name: What it is, as a person is told that it fails.
        every: How long after it was due it is due again; what was missed meanwhile is not made up for.
        run: Does it; raises `RecordError` where it cannot be done now.
        at_once: Whether it is due at the start, and not only after the first interval.
    """

    name: str
    every: timedelta
    run: Callable[[], Awaitable[object]]
    at_once: bool = False


def duties(record: StoreRecord, settings: RecordSettings, clock: Clock) -> tuple[Duty, ...]:
    """What a record needs: the heartbeat, forgetting what has outlived its time, and having its heads attested where set.

    Raises:
        BadInput: The certificates of the timestamps' authority cannot be read.
    """

    async def forget() -> None:
        await erase_expired(record, settings.retention, clock.now())

    found = [
        Duty("the heartbeat of the log", timedelta(seconds=settings.heartbeat_seconds), record.heartbeat),
        # At the start too: a service that is started anew each day would never forget anything.
        Duty("erasing what has outlived its time", DAY, forget, at_once=True),
    ]
    if settings.witnesses:
        every = timedelta(seconds=min(settings.heartbeat_seconds, settings.witness_seconds))
        found.append(Duty("having the log witnessed", every, record.permit, at_once=True))
    if settings.timestamps:
        found.append(_stamping(record, settings, settings.timestamps))
    return tuple(found)


def _stamping(record: StoreRecord, settings: RecordSettings, authority: str) -> Duty:
    from tieout.record import timestamps  # an extra, and loads an HTTP client

    # Read at the start: who set this wrong hears of it then, and not the next day.
    roots = timestamps.read_roots(Path(settings.timestamp_roots or "record.timestamp_roots"))
    return Duty(
        "having the log timestamped",
        timedelta(hours=settings.timestamp_hours),
        lambda: timestamps.stamp(record.database, authority, roots),
        at_once=True,
    )


async def beat(what: Sequence[Duty], clock: Clock, tell: Tell) -> None:
    """Run duties when they are due, until it is cancelled; it never ends without having told so.

    A duty that fails is told of once for each reason, and tried again; the others go on. They run one after the other.

    Args:
        what: The duties, with names of their own.
        clock: Where time comes from.
        tell: The way to a person.
    """
    start = clock.monotonic_ns()
    due = {duty.name: start if duty.at_once else start + _ns(duty.every) for duty in what}
    assert len(due) == len(what), "duties with names of their own"
    told: dict[str, str] = {}
    ended: str | None = "the duties of the record stopped, by a fault inside Tieout: no heartbeat is logged any more"
    try:
        while True:
            duty = min(what, key=lambda each: due[each.name])
            wait_ns = due[duty.name] - clock.monotonic_ns()
            if wait_ns > 0:
                await clock.sleep(wait_ns / _SECOND_NS)
                continue
            again = _ns(await _run(duty, told, tell))
            on_time, now = due[duty.name] + again, clock.monotonic_ns()
            due[duty.name] = on_time if on_time > now else now + again
    except asyncio.CancelledError:
        ended = None
        raise
    finally:
        if ended is not None:
            await tell(ended)


async def _run(duty: Duty, told: dict[str, str], tell: Tell) -> timedelta:
    """Run a duty once; returns how long after it was due it is due again."""
    try:
        await duty.run()
    except RecordError as error:
        if told.get(duty.name) != error.why:
            told[duty.name] = error.why
            await tell(f"{duty.name} failed: {error.why}")
        return min(duty.every, RETRY)
    told.pop(duty.name, None)
    return duty.every


def _ns(span: timedelta) -> int:
    return span // timedelta(microseconds=1) * 1000
