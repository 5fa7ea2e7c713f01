"""What people are told because of a reading: once, again when it grows or still stands, and once when it is over."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import pytest

from tests.decide.building import DOWN, Side, cash, decided, pos, reading, row, side
from tieout.decide import Policy, Rule
from tieout.model.discrepancy import ReconciliationStrategy
from tieout.model.notice import Notice
from tieout.model.snapshot import SideError

ROWS = pos("X", "5")


def off(amount: str) -> Side:
    """A broker with so much more than local's 10,000 USD."""
    return side(cash(str(10000 + Decimal(amount))), ROWS)


def notices(
    brokers: Sequence[Side | SideError], every_s: float = 30, policy: Policy | None = None
) -> list[tuple[Notice, ...]]:
    """What each reading tells, every so many seconds."""
    history = [reading(every_s * n, off("0"), broker) for n, broker in enumerate(brokers)]
    return [result.notices for _, result in decided(history, policy)]


def kinds(told: Sequence[tuple[Notice, ...]]) -> list[str]:
    """What kind of notice each reading gives, and how bad it is; empty where it gives none."""
    return [" ".join(f"{each.kind} {each.severity}" for each in reading) for reading in told]


@pytest.mark.parametrize(
    ("amounts", "expected"),
    [
        (("50", "50", "50", "50"), ["", "opened MINOR", "", ""]),
        (("50", "50", "54.99", "54.99"), ["", "opened MINOR", "", ""]),
        (("50", "50", "55", "55", "55"), ["", "opened MINOR", "", "grown MINOR", ""]),
        (("-50", "-50", "-55", "-55"), ["", "opened MINOR", "", "grown MINOR"]),
        (("50", "50", "40", "40", "50", "50"), ["", "opened MINOR", "", "", "", ""]),  # back to what was told
        (("50", "50", "0", "0"), ["", "opened MINOR", "closed MINOR", ""]),
        (("50", "0", "0"), ["", "", ""]),  # nobody was told of it
        (("800", "800", "0"), ["", "opened CRITICAL", "closed MINOR"]),  # its end is quiet, however bad it was
    ],
)
def test_a_break_is_told_of_when_it_opens_grows_by_a_tenth_and_ends(
    amounts: tuple[str, ...], expected: list[str]
) -> None:
    """Exactly a tenth more than was told is told again, less is not, and the end is told once to who heard of it."""
    assert kinds(notices([off(amount) for amount in amounts])) == expected


@pytest.mark.parametrize(("every_s", "again"), [(1799, ""), (1800, "standing MINOR")])
def test_what_stands_is_told_of_again_after_an_hour(every_s: float, again: str) -> None:
    """An hour after it was last told, and not a second before."""
    told = kinds(notices([off("50")] * 6, every_s))
    assert told[1] == "opened MINOR" and told[3] == again
    assert told[2] == "" and told[5] == (again or "")


def test_a_notice_says_which_account_what_and_why() -> None:
    """One line, with the breaks that it is about; its end speaks of the same."""
    history = [reading(30 * n, off("0"), off(amount)) for n, amount in enumerate(("50", "50", "0"))]
    reports = decided(history)
    (opened,), (closed,) = reports[1][1].notices, reports[2][1].notices
    named = (row(reports[1][0], "balance").discrepancy_id,)
    assert opened.text == closed.text == "main: USD UNKNOWN: WARN_ONLY (unexplained)"
    assert opened.break_ids == closed.break_ids == named
    assert opened.subject == closed.subject == named[0]


def test_a_halt_is_critical_however_small_the_break() -> None:
    """What stops trading is told as loudly as it goes."""
    rules = (Rule(domain=("balance",), strategy=ReconciliationStrategy.HALT_AND_ALERT),)
    assert kinds(notices([off("50")] * 2, policy=Policy(rules=rules))) == ["", "opened CRITICAL"]


def test_an_account_that_cannot_be_read_is_told_of_until_it_can() -> None:
    """Its alert names the account, and its end comes with the first whole reading."""
    told = notices([off("0"), DOWN, DOWN, off("0"), off("0")])
    assert kinds(told) == ["", "opened MODERATE", "", "closed MINOR", ""]
    ((opened,), (closed,)) = told[1], told[3]
    assert opened.subject == closed.subject and opened.subject.startswith("main ")
    assert opened.text.startswith("main: the account: WARN_ONLY (") and opened.break_ids == ()


def test_shadow_mode_tells_nobody() -> None:
    """Everything is decided, and nobody is told."""
    assert kinds(notices([off("800")] * 3, policy=Policy(mode="shadow"))) == ["", "", ""]
