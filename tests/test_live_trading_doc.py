"""docs/architecture/live-trading.md cannot drift from the code, and leaves out nothing that people ask about."""

from __future__ import annotations

import inspect
import re

import pytest

from tests.live_trading_doc import DOCUMENT, MADE, MARK, PARTS, located, with_tables
from tieout.act import NO_AUDIT, OUTCOME_UNKNOWN
from tieout.act.venue import BOOKS_MOVED, BROKER_MOVED
from tieout.decide.halting import DOUBTED_TOO_LONG
from tieout.decide.limits import LIMITS
from tieout.live.engine import STRATEGY_FAILED
from tieout.live.gate import NOT_RECONCILED
from tieout.live.reconciler import HALTS_UNKNOWN
from tieout.live.sight import FILLS_NOT_READ
from tieout.model.discrepancy import CauseCode, ReconciliationStrategy, Severity

TEXT = DOCUMENT.read_text("utf-8")
REASONS = (
    *sorted(LIMITS), DOUBTED_TOO_LONG, NO_AUDIT, OUTCOME_UNKNOWN, BOOKS_MOVED, BROKER_MOVED, NOT_RECONCILED, HALTS_UNKNOWN,
    FILLS_NOT_READ, STRATEGY_FAILED, "unreadable_too_long", "does_not_close", "fill_ids_are_local", "first_start",
)  # fmt: skip


def test_what_the_code_makes_is_what_stands_there() -> None:
    """Tables, the report and what each strategy changes are the code's; `python -m tests.live_trading_doc` mends them."""
    assert with_tables(TEXT) == TEXT


def test_nothing_that_is_made_is_left_out() -> None:
    """Each table has its place, once."""
    assert sorted(mark[2] for mark in MARK.finditer(TEXT)) == sorted(MADE)


@pytest.mark.parametrize("part", [part for part, *_ in PARTS])
def test_every_promised_part_lives_where_it_is_said_to(part: str) -> None:
    """What users were promised can be imported from the place that the document names."""
    found = located()[part]
    assert inspect.isclass(found) or inspect.isfunction(found)
    assert (found.__doc__ or "").strip()


@pytest.mark.parametrize("word", [*CauseCode, *ReconciliationStrategy, *Severity, *REASONS])
def test_every_word_of_a_report_is_explained(word: str) -> None:
    """A cause, a strategy, a severity or a reason that somebody reads at night stands in the document."""
    assert re.search(rf"\b{word}\b", TEXT)


def test_every_symptom_says_what_to_look_at_and_what_to_do() -> None:
    """Each symptom has its meaning, what to look at and what to do, and there are enough of them."""
    guide = TEXT.partition("## Troubleshooting by symptom")[2].partition("\n## ")[0]
    symptoms = guide.split("\n### ")[1:]
    assert len(symptoms) >= 15
    incomplete = [each.splitlines()[0] for each in symptoms
                  if not all(f"*{part}:*" in each for part in ("Means", "Look at", "Do"))]  # fmt: skip
    assert incomplete == []
