"""What the page of history shows: counts and times by day, latency by venue, exposure where the visitor sees amounts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from msgspec import Struct

from tieout.record.figures import Exposure, Stood, breaks_since, exposure_at
from tieout.record.looking import Looking
from tieout.serve.access.roles import Caller
from tieout.serve.dashboard.glancing import may_know
from tieout.serve.desk import Desk

DAYS = 14
MOST_BREAKS, MOST_ACCOUNTS = 5000, 100


class Day(Struct, frozen=True, kw_only=True):
    """One day: how many breaks opened and closed, and the times in the middle, in seconds; None where there are none."""

    day: date
    opened: int
    closed: int
    detect_seconds: int | None
    resolve_seconds: int | None
    usd: Decimal | None = None
    unknown: int = 0


class Latency(Struct, frozen=True, kw_only=True):
    """How long answers of one venue took since the service started, in milliseconds a question, by class of question."""

    venue: str
    asked: str
    questions: int
    mean_ms: int
    waited_ms: int
    failures: int
    breaker: str


class History(Struct, frozen=True, kw_only=True):
    """The last days, and the venues; `left_out` accounts are more than are reckoned with at once.

    `cut` means that the same is true of breaks: only the newest are counted, so that older days show too few.
    """

    days: tuple[Day, ...]
    venues: tuple[Latency, ...]
    left_out: int
    cut: bool


async def read_history(desk: Desk, caller: Caller, account: str) -> History:
    """How it went in all accounts that *caller* may see, or in one of them.

    Raises:
        RecordUnavailable: The record cannot be read now.
    """
    all_names = [name for name in desk.accounts if caller.is_for(name) and account in ("", name)]
    names = all_names[:MOST_ACCOUNTS]
    now = desk.clock.now()
    today = now.astimezone(UTC).date()
    dates = [today - timedelta(days=ago) for ago in reversed(range(DAYS))]
    since = _begin(dates[0])

    def read(seen: Looking) -> History:
        found = breaks_since(seen.connection, names, since, MOST_BREAKS + 1)
        stood = found[:MOST_BREAKS]
        exposures = dict[date, Exposure]()
        if seen.sealed is not None:
            for each in dates:
                end = min(now, _begin(each + timedelta(days=1)))
                exposures[each] = exposure_at(seen.connection, seen.sealed, names, end)
        return History(
            days=tuple(_day(each, stood, exposures.get(each)) for each in dates),
            venues=tuple(_latencies(desk, caller)),
            left_out=len(all_names) - len(names),
            cut=len(found) > len(stood),
        )

    return await desk.look(read, amounts=caller.sees_amounts)


def _begin(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _day(day: date, stood: Iterable[Stood], exposure: Exposure | None) -> Day:
    opened = [each for each in stood if each.first_seen.date() == day]
    closed = [each for each in stood if each.closed_at is not None and each.closed_at.date() == day]
    return Day(
        day=day,
        opened=len(opened),
        closed=len(closed),
        detect_seconds=_middle([each.unseen for each in opened if each.unseen is not None]),
        resolve_seconds=_middle([each.closed_at - each.first_seen for each in closed if each.closed_at is not None]),
        usd=None if exposure is None else exposure.usd,
        unknown=0 if exposure is None else exposure.unknown,
    )


def _middle(spans: Sequence[timedelta]) -> int | None:
    """The median in whole seconds, rounded up: nothing was over in no time."""
    return None if not spans else -(-sorted(spans)[len(spans) // 2] // timedelta(seconds=1))


def _latencies(desk: Desk, caller: Caller) -> Iterator[Latency]:
    for venue, endpoints in sorted(desk.running.measured.items()):
        for name, each in sorted(endpoints.items()):
            if each.requests and may_know(desk, caller, venue):
                yield Latency(
                    venue=venue,
                    asked=name,
                    questions=each.requests,
                    mean_ms=each.asked_ms // each.requests,
                    waited_ms=each.waited_ms // each.requests,
                    failures=sum(each.failures.values()),
                    breaker=each.breaker,
                )
