"""Every code of the contract has words, and the words do not change its meaning."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import get_args

import msgspec
import pytest

from tests.serve.render.samples import A, S, T, act, found, incomplete, report, several
from tieout.model.discrepancy import ActionKind, ActionStatus, CauseCode, DiscrepancyType, ReconciliationStrategy
from tieout.model.report import SectionCoverage
from tieout.serve.render import words


@pytest.mark.parametrize(
    ("codes", "table"),
    [
        (CauseCode, words.CAUSES),
        (DiscrepancyType, words.TYPES),
        (ReconciliationStrategy, words.STRATEGIES),
        (ActionKind, words.ACTIONS),
        (ActionStatus, words.HALTS),
    ],
)
def test_every_code_has_words(codes: type[StrEnum], table: Mapping[StrEnum, str]) -> None:
    """Each member of each enum has a sentence of its own that is more than its name."""
    assert set(table) == set(codes)
    sentences = list(table.values())
    assert len(set(sentences)) == len(sentences)
    assert not [text for code, text in table.items() if text.strip() in ("", code.value)]


def test_every_state_has_words() -> None:
    """Each state of a section and of an action has words of its own."""
    assert set(words.STATUSES) == set(ActionStatus)
    assert len(set(words.STATUSES.values())) == len(words.STATUSES)
    assert set(words.COVERAGE) == set(get_args(SectionCoverage))
    assert len(set(words.COVERAGE.values())) == len(words.COVERAGE)


@pytest.mark.parametrize("kind", ActionKind)
@pytest.mark.parametrize("status", ActionStatus)
def test_an_action_tells_how_far_it_is(kind: ActionKind, status: ActionStatus) -> None:
    """An action's sentence holds its status, what it does, and every detail."""
    sentence = words.action_words(act(kind, 1, status=status, detail={"fill_id": "f-9", "note": "n-1"}))
    for part in (words.STATUSES[status], words.ACTIONS[kind], "fill f-9", "note n-1"):
        assert part in sentence


def test_a_section_that_was_not_read_is_never_called_matched() -> None:
    """The verdict of an incomplete report names what could not be read."""
    verdict = words.verdict(incomplete())
    assert verdict.startswith("INCOMPLETE") and "MATCHED" not in verdict
    for part in ("positions could not be read", "orders read only in part", "fills not fetched"):
        assert part in verdict


def test_discrepancies_do_not_hide_an_unread_section() -> None:
    """A verdict with discrepancies names the sections that could not be read as well."""
    odd = msgspec.structs.replace(several(), coverage={"positions": "compared", "orders": "failed"})
    assert words.verdict(odd) == "7 discrepancies, worst CRITICAL; orders could not be read"


def test_one_discrepancy_is_counted_as_one() -> None:
    """What is within tolerance does not count as a discrepancy in the verdict."""
    mixed = report(found("1", "2"), found("1", "1.00000001", number=2, within=True))
    assert words.verdict(mixed) == "1 discrepancy, MODERATE"


def test_a_plan_for_an_unconfirmed_break_is_conditional() -> None:
    """Nothing of a strategy is announced as certain while the break is unconfirmed."""
    assert words.strategy_words(found("1", "2", confirmed=False)).startswith("once confirmed: ")
    assert words.strategy_words(found("1", "2")) == "bring the books to what the broker has (SYNC_TO_BROKER)"


def test_the_residual_is_told() -> None:
    """A partial explanation tells both what it accounts for and what stays open, with signs."""
    text = words.cause_words(found("10", "4", CauseCode.FEE, residual="-5.5", evidence=["fill f"]))
    assert "accounts for -0.5" in text and "-5.5 stays unexplained" in text and "FEE: fill f" in text
    assert "unexplained" not in words.cause_words(found("10", "4", CauseCode.FEE))


def test_a_subject_names_every_id() -> None:
    """Asset, leg, order ids and fill id all stand in the name of a discrepancy."""
    item = found("1", "2", domain="fill", kind=T.FILL_MISMATCH, leg="short", ids=("b-1", "c-1", "f-1"))
    for part in ("AAPL", "short leg", "b-1", "c-1", "f-1"):
        assert part in words.subject(item)


def test_a_failed_halt_is_not_read_as_a_halt() -> None:
    """The words for a halt say plainly when trading still runs."""
    assert "could NOT be stopped" in words.halt_words(act(A.HALT, 1, status=S.FAILED))
