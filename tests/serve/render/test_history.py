"""A history is told as the lives of its breaks."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from tests.serve.render import samples
from tests.serve.render.samples import START, found, report
from tieout.model.discrepancy import Severity
from tieout.serve.render.history import RUN_SHOWN, Step, follow, overall, ranked, runs, standing


def test_a_break_lives_from_first_sight_to_the_reading_that_no_longer_shows_it() -> None:
    """First seen, confirmed, explained, last seen and closed are the times of the readings that did it."""
    lives = {life.number: life for life in follow(samples.history()).lives}
    first, second = lives[1], lives[2]
    step = timedelta(seconds=30)
    assert (first.first_seen, first.confirmed_at, first.closed_at) == (
        START + 2 * step,
        START + 3 * step,
        START + 4 * step,
    )
    assert (second.explained_at, second.last_seen, second.closed_at) == (START + 9 * step, START + 11 * step, None)
    assert second.seen == [5, 6, 8, 9, 10, 11]


def test_an_outage_closes_nothing() -> None:
    """A break that a reading could not look at is neither closed nor new afterwards."""
    outage = follow(samples.history()).readings[7]
    assert outage.unseen == 1 and not outage.events
    assert follow(samples.history()).readings[8].events == ()


def test_each_reading_tells_only_what_is_new() -> None:
    """The steps of a history come once each, in order."""
    steps = [event.steps for reading in follow(samples.history()).readings for event in reading.events]
    assert steps == [
        (Step.NEW,),
        (Step.CONFIRMED,),
        (Step.CLOSED,),
        (Step.NEW,),
        (Step.CONFIRMED,),
        (Step.EXPLAINED,),
    ]


def test_a_partly_read_section_closes_nothing() -> None:
    """An absent row of a partial section gets no verdict."""
    partial = report(status="incomplete", coverage={"positions": "partial"})
    assert follow([report(found("1", "2")), partial]).lives[0].closed_at is None


def test_a_difference_that_shrinks_into_tolerance_closes() -> None:
    """A break whose difference is within tolerance now stands no longer."""
    item = found("1", "2")
    small = msgspec.structs.replace(item, within_tolerance=True)
    later = report(small, at=START + timedelta(seconds=5))
    assert follow([report(item), later]).lives[0].closed_at == later.started_at


def test_accounts_are_kept_apart() -> None:
    """The same break id in two accounts is two breaks."""
    history = follow([report(found("1", "2"), account="a"), report(found("1", "2"), account="b"), report(account="a")])
    assert [(life.account, life.closed_at is None) for life in history.lives] == [("b", True), ("a", False)]
    assert overall(history) == (
        "MATCHED, at the end; 1 reading not matched, worst: 1 discrepancy, MODERATE (account a); "
        "1 discrepancy, MODERATE, at the end (account b)"
    )


def test_a_halt_is_not_forgotten_in_an_outage() -> None:
    """What stands at the end includes the actions of open breaks that the last reading could not look at."""
    kinds = [action.action for action in standing(follow(samples.history()[:8]))["main"]]
    assert samples.A.HALT in kinds


def test_a_quiet_night_is_one_run_and_a_short_one_is_not() -> None:
    """Many readings without news are drawn together, a few are not, and none is lost."""
    quiet = follow(samples.quiet_night()).readings
    assert [len(run) for run in runs(quiet)] == [500]
    assert [len(run) for run in runs(quiet[:RUN_SHOWN])] == [1] * RUN_SHOWN


def test_the_worst_and_dearest_come_first() -> None:
    """Within a severity an unknown value ranks above every known one; what is tolerated comes last."""
    items = [
        found("1", "2", number=1, within=True, severity=Severity.MINOR),
        found("1", "2", number=2, usd="5"),
        found("1", "2", number=3, usd=None),
        found("1", "2", number=4, usd="50"),
        found("1", "2", number=5, severity=Severity.CRITICAL, usd="1"),
    ]
    assert [item.discrepancy_id[-1] for item in ranked(items)] == ["5", "3", "4", "2", "1"]
