"""A report on a terminal shows every figure in full, at every width, with or without colour."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Literal

import pytest
from rich.console import Console

from tests.serve.render import samples
from tieout.model.report import Discrepancy, ReconciliationReport
from tieout.serve.render.table import render_table
from tieout.serve.render.text import amount, signed

WIDTHS = (40, 80, 130, 200)
Make = Callable[[], ReconciliationReport]
kinds = pytest.mark.parametrize("make", samples.SINGLE.values(), ids=samples.SINGLE.keys())


def shown(reports: Sequence[ReconciliationReport], width: int, *, colour: bool = False, encoding: str = "utf-8") -> str:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, newline="")
    colours: Literal["truecolor"] | None = "truecolor" if colour else None
    render_table(reports, Console(file=stream, width=width, force_terminal=colour, color_system=colours, _environ={}))
    stream.flush()
    return raw.getvalue().decode(encoding)


def squeezed(text: str) -> str:
    """The text without blanks, so that folding does not matter."""
    return re.sub(r"\s+", "", text)


def figures(item: Discrepancy) -> list[str]:
    numbers: list[Decimal] = [item.local_amount, item.broker_amount, item.percent]
    numbers += [item.usd_value] if item.usd_value is not None else []
    rest = [signed(item.cause.residual)] if item.cause.residual else []
    return [*(amount(number) for number in numbers), signed(item.difference), *rest]


@kinds
@pytest.mark.parametrize("width", WIDTHS)
def test_every_figure_is_there_in_full(make: Make, width: int) -> None:
    """No width cuts a figure, an id, a warning or a record, and no ellipsis stands for one."""
    report = make()
    text = shown([report], width)
    flat = squeezed(text)
    for item in report.discrepancies:
        for figure in figures(item):
            assert figure in flat
        assert item.severity.value in flat and item.cause.code.value in flat
    assert "..." not in text and "…" not in text


@kinds
@pytest.mark.parametrize("width", WIDTHS)
def test_no_line_is_wider_than_the_terminal(make: Make, width: int) -> None:
    """Everything folds within the width, and no line ends in blanks."""
    for line in shown([make()], width).split("\n"):
        assert len(line) <= width
        assert line == line.rstrip()


@kinds
def test_piped_output_bears_no_control_character(make: Make) -> None:
    """A file or a pipe gets plain text: no escape, no carriage return, no bidi control."""
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]", shown([make()], 80))


def test_injected_markup_is_text() -> None:
    """Markup and control sequences in names appear as what they are, and colour nothing."""
    text = shown([samples.hostile()], 200, colour=True)
    assert "[red]A\\x1b[31mAP\\u202eL\\x0a<script>" in text
    assert "\x1b[31mAP" not in text and "\u202e" not in text


def test_colour_never_says_more_than_words() -> None:
    """The coloured output without its escapes is the plain output."""
    coloured = shown([samples.several()], 130, colour=True)
    assert "\x1b[" in coloured
    assert re.sub("\x1b\\[[0-9;]*m", "", coloured) == shown([samples.several()], 130)


def test_no_color_is_obeyed() -> None:
    """With NO_COLOR a terminal gets no colour codes."""
    stream = io.StringIO()
    console = Console(file=stream, width=100, force_terminal=True, color_system="truecolor", _environ={"NO_COLOR": "1"})
    render_table([samples.several()], console)
    codes = {code for found in re.findall("\x1b\\[([0-9;]*)m", stream.getvalue()) for code in found.split(";")}
    assert codes <= {"0", "1", "2", ""}


@pytest.mark.parametrize("width", [80, 130])
def test_the_first_line_is_the_verdict_with_account_and_time(width: int) -> None:
    """The first line alone answers how it stands, where and when."""
    first = shown([samples.several()], width).splitlines()[0]
    assert first == "7 discrepancies, worst CRITICAL  account main  2026-11-20 10:00:00 UTC"


def test_a_halt_and_approvals_stand_right_below_the_verdict() -> None:
    """What needs a person comes before any detail."""
    lines = shown([samples.several()], 80).splitlines()
    assert lines[1].startswith("!! HALTED") and lines[2] == "?? 2 actions await your approval"


def test_decimal_points_stand_in_one_line() -> None:
    """Stacked figures of a discrepancy have their points below each other."""
    lines = shown([samples.several()], 80).splitlines()
    at = lines.index("    broker      -42.00000001")
    assert lines[at - 1] == "    local       -40" and lines[at + 1] == "    difference   -2.00000001"


def test_columns_need_room_and_stacks_do_not() -> None:
    """The wide layout has one head for all rows; the narrow one names every figure."""
    assert shown([samples.several()], 130).count("what differs") == 1
    assert shown([samples.several()], 80).count("    local  ") == 7


def test_what_is_within_tolerance_comes_after_the_discrepancies_and_warnings_last() -> None:
    """The order of a report is that of what matters."""
    text = shown([samples.several()], 130)
    assert text.index("fill f-1 of AAPL") < text.index("within tolerance, nothing is done") < text.index("warning  ")
    assert text.rstrip().endswith("the broker's clock is 1.8 s ahead of yours")


def test_the_same_plan_is_spelt_out_once() -> None:
    """Forty discrepancies under one halt say so forty times in a word, not in full."""
    text = shown([samples.many()], 130)
    assert text.count("planned: HALT trading") == 1 and text.count("the same as for 1") == 39


def test_a_history_gives_each_reading_a_line_and_details_only_for_news() -> None:
    """Twelve readings have twelve lines; figures are spelt out only where a break is new."""
    text = shown(samples.history(), 80)
    assert len(re.findall(r"^\d\d:\d\d:\d\d  ", text, re.MULTILINE)) == 12
    assert text.count("    local  ") == 2 and text.count("nothing new") == 3
    assert [text.count(word) for word in ("new:", "confirmed: 1", "closed: 1", "explained: 2")] == [2, 1, 1, 1]


def test_a_quiet_night_is_short() -> None:
    """Five hundred readings in which nothing happened fit a screen."""
    text = shown(samples.quiet_night(), 80)
    assert len(text.splitlines()) < 10 and "500 readings" in text


def test_an_ascii_pipe_does_not_end_the_program() -> None:
    """A console that knows only ASCII gets escapes for the rest."""
    report = samples.report(samples.found("1", "2", asset="比特币"))
    assert "position \\u6bd4\\u7279\\u5e01" in shown([report], 130, encoding="ascii")


def test_no_reading_is_said_to_be_none() -> None:
    """An empty history is not a match."""
    assert shown([], 80) == "NOTHING TO SHOW: there was no reading\n"


def test_the_terminal_needs_no_jinja() -> None:
    """Importing the table does not import the template engine."""
    code = "import sys; import tieout.serve.render.table; sys.exit('jinja2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
