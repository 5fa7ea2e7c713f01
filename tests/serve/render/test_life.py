"""A break's life in lines: what comes together, what stands alone, and what never reaches a page as markup."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import StringIO

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from rich.console import Console

from tieout.model.discrepancy import Cause, CauseCode, DiscrepancyType, ReconciliationStrategy, Severity
from tieout.model.report import Discrepancy
from tieout.record.breaks import BreakRow
from tieout.record.lives import Life, Step
from tieout.serve.render.life import render_life, render_life_page
from tieout.serve.render.lines import lines

START = datetime(2026, 11, 20, 10, tzinfo=UTC)
NASTY = "<script>alert(1)</script>\x1b[31m[bold]{{ 7 * 7 }}"


def discrepancy(difference: str = "-3") -> Discrepancy:
    amount = Decimal(difference)
    return Discrepancy(
        discrepancy_id="abcdef",
        domain="position",
        discrepancy_type=DiscrepancyType.QUANTITY_MISMATCH,
        asset="AAPL",
        local_amount=Decimal(100),
        broker_amount=Decimal(100) + amount,
        difference=amount,
        percent=Decimal(3),
        usd_value=None,
        severity=Severity.MODERATE,
        within_tolerance=False,
        confirmed=True,
        cause=Cause(CauseCode.UNKNOWN, Decimal(0), amount, ()),
        strategy=ReconciliationStrategy.WARN_ONLY,
    )


def reading(number: int, difference: str = "-3", *, confirmed: bool = True) -> Step:
    item = discrepancy(difference)
    return Step(
        entry=number,
        at=START + timedelta(seconds=30 * number),
        kind="reading",
        severity=item.severity,
        cause=item.cause.code,
        strategy=item.strategy,
        confirmed=confirmed,
        discrepancy=item,
    )


def said(number: int, text: str) -> Step:
    at = START + timedelta(seconds=30 * number)
    return Step(entry=number, at=at, kind="word", verdict="comment", actor="ada", text=text)


def life_of(*steps: Step, asset: str = "AAPL") -> Life:
    head = BreakRow(
        discrepancy_id="abcdef", account="main", domain="position", discrepancy_type="QUANTITY_MISMATCH", asset=asset,
        first_seen=START, last_seen=START, closed_at=None, severity="MODERATE", cause="UNKNOWN", strategy="WARN_ONLY",
        confirmed=True, known_until=None, readings=sum(step.kind == "reading" for step in steps),
    )  # fmt: skip
    return Life(head=head, steps=steps)


def printed(life: Life, width: int) -> str:
    text = StringIO()
    render_life(life, Console(file=text, width=width))
    return text.getvalue()


STEPS = st.lists(st.sampled_from(("-3", "-4", "word", "unconfirmed")), max_size=30)


def steps_of(kinds: list[str]) -> list[Step]:
    def step(number: int, kind: str) -> Step:
        if kind == "word":
            return said(number, "noted")
        return reading(number, "-3", confirmed=False) if kind == "unconfirmed" else reading(number, kind)

    return [step(number, kind) for number, kind in enumerate(kinds)]


@given(STEPS)
def test_every_step_stands_in_exactly_one_line_and_in_its_order(kinds: list[str]) -> None:
    """Nothing is lost or told twice, whatever comes together, and lines are in the order of their first entries."""
    steps = steps_of(kinds)
    told = lines(life_of(*steps))
    assert sorted(step.entry for line in told for step in line.steps) == [step.entry for step in steps]
    firsts = [line.steps[0].entry for line in told]
    assert firsts == sorted(firsts)


@given(STEPS)
def test_readings_come_together_only_where_they_say_the_same(kinds: list[str]) -> None:
    """A line of several readings has one difference and one grade, and nobody spoke between them."""
    steps = steps_of(kinds)
    for line in lines(life_of(*steps)):
        entries = [step.entry for step in line.steps]
        assert len({kinds[entry] for entry in entries}) == 1
        assert "word" not in kinds[entries[0] + 1 : entries[-1]]


def test_a_line_says_what_is_new_in_it() -> None:
    """Seen, then confirmed, then still the same, then changed."""
    told = lines(life_of(reading(0, confirmed=False), reading(1), said(2, "hm"), reading(3), reading(4, "-4")))
    assert [line.word for line in told] == ["seen", "confirmed", "comment", "still", "changed"]
    assert [line.entries for line in lines(life_of(reading(0), reading(1), reading(7)))] == ["0–7"]


@given(st.integers(60, 160), STEPS)
def test_no_line_is_wider_than_the_terminal(width: int, kinds: list[str]) -> None:
    """From 60 columns on, every printed line fits."""
    steps = [*steps_of(kinds), said(99, "a comment that goes on " * 8)]
    assert max(len(line) for line in printed(life_of(*steps), width).splitlines()) <= width


def test_what_a_person_or_a_venue_wrote_stays_text() -> None:
    """Markup, escapes and templates in a comment, an asset or a reason are shown, and do nothing."""
    life = life_of(replace(reading(0), discrepancy=None), said(1, NASTY), asset=NASTY)
    page, table = render_life_page(life), printed(life, 120)
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "{{ 7 * 7 }}" in page
    assert "\x1b" not in page
    assert "\x1b[31m" not in table
    assert "[bold]" in table
