"""What people said, as a history remembers it: heard once and in order, about what stood then, and for its time."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.decide.building import moment
from tieout.decide import hear
from tieout.decide.lifecycle import Break, Closed, History
from tieout.decide.words import Accepted, Approval, Resolution, Words, lapse
from tieout.model.discrepancy import Key, ReconciliationStrategy
from tieout.model.halt import Halt
from tieout.model.word import Verdict, Word

S = ReconciliationStrategy
NOW = moment(0)
X, Y = Key("position", "X"), Key("position", "Y")


def say(verdict: str, entry: int = 1, **more: Any) -> Word:
    """Ann's word on the break ``x``."""
    told = {"id": f"w{entry}", "account": "main", "subject": "x", "actor": "ann", "text": "why", **more}
    return Word(verdict=Verdict(verdict), entry=entry, **told)


def broken(name: str, key: Key = X, difference: int = 5, halted: str | None = None) -> Break:
    return Break(id=name, key=key, first_seen=NOW, difference=Decimal(difference), run=2, run_since=NOW, halted=halted)


def halt(name: str, reason: str, *breaks: str, asset: str | None = None) -> Halt:
    return Halt(id=name, asset=asset, reason=reason, since=NOW, break_ids=breaks)


STANDING = History(breaks={X: broken("x"), Y: broken("y", Y, -7)})


def test_a_word_is_heard_once_and_in_its_place() -> None:
    """What was heard before changes nothing, and the last word heard is remembered, whatever it said."""
    words = [say("approve", 3, plan="p"), say("comment", 4)]
    once = hear(History(), words, NOW)
    assert once.words.heard == 4
    assert hear(once, words, NOW) == once
    assert hear(once, [say("reject", 4, plan="p")], NOW) == once
    assert hear(once, [say("reject", 5, plan="p")], NOW).words.rejected == {"p": "ann"}
    assert hear(History(), [say("comment", 0)], NOW) == History(words=Words(heard=0))


def test_a_word_that_was_not_kept_is_not_heard() -> None:
    """Only what has its place in the log counts."""
    with pytest.raises(AssertionError):
        hear(History(), [Word(id="w", account="main", subject="x", verdict=Verdict.HALT, actor="ann", text="")], NOW)


def test_an_approval_takes_a_rejection_back_and_the_other_way_round() -> None:
    """The last word on a plan counts, and those on other plans stand."""
    first = hear(History(), [say("approve", 1, plan="p", at=moment(-9)), say("reject", 2, plan="q")], NOW)
    assert first.words.approved == {"p": Approval("ann", moment(-9))}
    turned = hear(first, [say("reject", 3, plan="p", actor="bob"), say("approve", 4, plan="q")], NOW)
    assert (turned.words.approved, turned.words.rejected) == ({"q": Approval("ann", NOW)}, {"p": "bob"})


def test_leave_for_another_attempt_counts_on() -> None:
    """A plan that was tried may be let go ahead again: a second attempt, then a third, each untried."""
    tried = History(attempted=frozenset(("p", "q")))
    again = hear(tried, [say("approve", 1, plan="p")], NOW)
    assert (again.words.approved["p"].times, set(again.attempted)) == (2, {"q"})
    third = hear(again, [say("approve", 2, plan="p")], NOW)
    assert third.words.approved["p"].times == 3
    fresh = hear(History(), [say("approve", 1, plan="p")], NOW)
    assert fresh.words.approved["p"].times == 1
    assert hear(fresh, [say("approve", 2, plan="p")], NOW).words.approved["p"].times == 2


def test_a_word_about_no_plan_changes_no_plan() -> None:
    """Without a plan there is nothing to approve or reject."""
    for verdict in ("approve", "reject", "comment", "adopt"):
        assert hear(STANDING, [say(verdict)], NOW).words == Words(heard=1)


def test_a_break_is_known_or_resolved_at_the_difference_that_was_seen() -> None:
    """What is said of a break is about how it stood; of one that does not stand, or without its terms, nothing is kept."""
    until = moment(3600)
    known = hear(STANDING, [say("known", until=until)], NOW).words
    assert known == Words(heard=1, known={"x": Accepted(Decimal(5), until)})
    wanted = hear(STANDING, [say("resolve", subject="y", strategy=S.SYNC_TO_BROKER)], NOW).words
    assert wanted == Words(heard=1, resolved={"y": Resolution(Decimal(-7), S.SYNC_TO_BROKER, "ann")})
    for said in (say("known"), say("resolve"), say("known", subject="z", until=until)):
        assert hear(STANDING, [said], NOW).words == Words(heard=1)


@pytest.mark.parametrize(("subject", "asset"), [("main", None), ("X", "X")])
def test_a_halt_by_hand_stops_the_account_or_an_asset(subject: str, asset: str | None) -> None:
    """It stands beside the others, says who set it, and does not lift itself."""
    before = History(halts={"h": halt("h", "unexplained")})
    (other, mine) = hear(before, [say("halt", subject=subject)], NOW).halts.values()
    assert (other.id, mine.asset, mine.reason, mine.by, mine.since) == ("h", asset, "by_hand", "ann", NOW)
    assert not mine.lifts_itself and not mine.break_ids
    two = hear(before, [say("halt", 1, subject=subject), say("halt", 2, subject=subject)], NOW)
    assert len(two.halts) == 3 and all(name == each.id for name, each in two.halts.items())


HALTED = History(
    breaks={X: broken("x", halted="came_back"), Y: broken("y", Y, -7, halted="came_back")},
    closed={X: Closed(Decimal(5), ("f",), 3), Y: Closed(Decimal(-7), ("g",), 3)},
    changes={"x": (NOW, True)},
    sets={"x": (NOW, X)},
    last_complete=moment(-5000),
    halts={"a": halt("a", "came_back", "x", asset="X"), "b": halt("b", "too_many_changes", "y")},
)


def test_trading_goes_on_for_one_asset() -> None:
    """Only that asset's halts are lifted, its breaks may be acted on again, and what stands does not halt it again."""
    after = hear(HALTED, [say("resume", subject="X")], NOW)
    assert set(after.halts) == {"b"}
    assert {name: each.halted for name, each in after.breaks.items()} == {X: None, Y: "came_back"}
    assert set(after.closed) == {Y}
    assert after.words.excused == {"x": Decimal(5)}
    assert (after.changes, after.sets, after.last_complete) == (HALTED.changes, HALTED.sets, moment(-5000))


def test_trading_goes_on_for_the_account() -> None:
    """All halts are lifted; the limit that was hit counts anew, and a side that cannot be read has its whole time again."""
    after = hear(HALTED, [say("resume", subject="main")], NOW)
    assert (after.halts, after.closed, after.changes, after.last_complete) == ({}, {}, {}, None)
    assert {each.halted for each in after.breaks.values()} == {None}
    assert after.words.excused == {"x": Decimal(5), "y": Decimal(-7)}
    assert after.sets == HALTED.sets
    often = History(sets=HALTED.sets, changes=HALTED.changes, halts={"c": halt("c", "set_too_often")})
    counted = hear(often, [say("resume", subject="main")], NOW)
    assert (counted.sets, counted.changes) == ({}, HALTED.changes)


def test_where_nothing_is_halted_nothing_is_resumed() -> None:
    """A word too many leaves the clocks and the counts as they are."""
    still = History(last_complete=moment(-5000), changes={"x": (NOW, True)}, words=Words(heard=1))
    for subject in ("main", "X"):
        assert hear(still, [say("resume", 1, subject=subject)], NOW) == still
        assert hear(HALTED, [say("resume", 1, subject="Z")], NOW).halts == HALTED.halts


@pytest.mark.parametrize(
    ("accepted", "shown", "known"),
    [(5, 5, True), (5, 4, True), (5, 6, False), (5, -5, False), (-5, -5, True), (-5, -6, False), (5, 0, True)],
)
def test_a_known_break_is_known_up_to_its_size_and_in_its_direction(accepted: int, shown: int, known: bool) -> None:
    """What has grown, or turned round, is new."""
    words = Words(known={"x": Accepted(Decimal(accepted), NOW)})
    assert words.knows("x", Decimal(shown)) is known
    assert not words.knows("y", Decimal(shown))


def test_a_resolution_and_an_excuse_are_for_just_what_was_seen() -> None:
    """Any other difference is another matter."""
    wanted = Resolution(Decimal(5), S.WARN_ONLY, "ann")
    words = Words(resolved={"x": wanted}, excused={"x": Decimal(5)})
    assert [words.resolution(name, Decimal(n)) for name, n in (("x", 5), ("x", 4), ("y", 5))] == [wanted, None, None]
    assert [words.excuses(name, Decimal(n)) for name, n in (("x", 5), ("x", 4), ("y", 5))] == [True, False, False]


def test_words_lapse_with_their_time_and_with_their_break() -> None:
    """An approval counts for its time, an acceptance until its date, and what was said of a break while it stands."""
    day = timedelta(seconds=100)
    words = Words(
        heard=7,
        approved={"old": Approval("ann", NOW - day), "young": Approval("ann", NOW - day + timedelta(seconds=1))},
        rejected={"r": "ann"},
        known={
            "x": Accepted(Decimal(1), NOW + timedelta(seconds=1)),
            "over": Accepted(Decimal(1), NOW),
            "gone": Accepted(Decimal(1), NOW + day),
        },
        resolved={name: Resolution(Decimal(1), S.WARN_ONLY, "ann") for name in ("x", "gone")},
        excused={name: Decimal(1) for name in ("x", "gone")},
    )
    left = lapse(words, {"x", "over"}, NOW, 100)
    assert (set(left.approved), set(left.known), set(left.resolved), set(left.excused)) == (
        {"young"}, {"x"}, {"x"}, {"x"},
    )  # fmt: skip
    assert (left.heard, left.rejected) == (7, {"r": "ann"})
