"""A report as a page: whole, inert, and well-formed."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from html.parser import HTMLParser

import pytest

from tests.serve.render import samples
from tests.serve.render.samples import HOSTILE
from tieout.model.report import ReconciliationReport
from tieout.serve.render.page import render_page
from tieout.serve.render.text import amount, inert, signed

VOID = {"meta", "br", "link", "img", "hr", "input"}
PAGES: dict[str, list[ReconciliationReport]] = {
    **{name: [make()] for name, make in samples.SINGLE.items()},
    "history": samples.history(),
    "quiet_night": samples.quiet_night(),
    "none": [],
    "two_accounts": [samples.several(), samples.report(account="b")],
}
pages = pytest.mark.parametrize("reports", PAGES.values(), ids=PAGES.keys())


class Document(HTMLParser):
    """A strict reading: every element is closed in order; keeps texts, tags, attributes."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(source)
        self.close()
        assert not self.open, f"left open: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        assert len({name for name, _ in attrs}) == len(attrs), f"<{tag}> has an attribute twice"
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Close the element that was opened last."""
        assert self.open and self.open.pop() == tag, f"</{tag}> out of order"

    def handle_data(self, data: str) -> None:
        """Keep what a reader sees."""
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        """All visible text, blanks drawn together."""
        return re.sub(r"\s+", " ", " ".join(self.words))


def page(reports: Sequence[ReconciliationReport], title: str = "Reconciliation") -> tuple[str, Document]:
    source = render_page(reports, title)
    return source, Document(source)


@pages
def test_the_page_is_well_formed(reports: list[ReconciliationReport]) -> None:
    """Every element is closed in order, ids are unique and every link within the page leads somewhere."""
    source, document = page(reports)
    assert source.startswith("<!doctype html>")
    ids = [attrs["id"] for _, attrs in document.tags if "id" in attrs]
    assert len(set(ids)) == len(ids)
    links = {attrs["href"] for tag, attrs in document.tags if tag == "a"}
    assert links <= {f"#{one}" for one in ids}
    named = [attrs["aria-labelledby"] for _, attrs in document.tags if "aria-labelledby" in attrs]
    assert set(named) <= set(ids)


@pages
def test_nothing_runs_and_nothing_is_fetched(reports: list[ReconciliationReport]) -> None:
    """No script, no handler, no inline style, no address: the page is all there is."""
    source, document = page(reports)
    assert not {tag for tag, _ in document.tags} & {"script", "link", "img", "iframe", "object", "form", "base"}
    names = {name for _, attrs in document.tags for name in attrs}
    assert not {name for name in names if name.startswith("on")} | (names & {"style", "src", "srcset"})
    assert "http://" not in source and "https://" not in source and "url(" not in source and "@import" not in source


@pages
def test_the_policy_allows_this_style_sheet_and_nothing_else(reports: list[ReconciliationReport]) -> None:
    """The content security policy forbids everything but the one style sheet, by its hash."""
    source, document = page(reports)
    policies = [attrs["content"] for _, attrs in document.tags if attrs.get("http-equiv") == "Content-Security-Policy"]
    style = re.search(r"<style>(.*?)</style>", source, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert policies == [f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"]


@pytest.mark.parametrize("name", samples.SINGLE)
def test_every_figure_is_there_in_full(name: str) -> None:
    """Each amount, difference, percent, value, residual and piece of evidence can be read on the page."""
    report = PAGES[name][0]
    text = page([report])[1].text
    for item in report.discrepancies:
        numbers = [item.local_amount, item.broker_amount, item.percent]
        for figure in [*map(amount, numbers), signed(item.difference)]:
            assert figure in text
        if item.usd_value is not None:
            assert amount(item.usd_value) in text
        if item.cause.residual:
            assert f"{signed(item.cause.residual)} stays unexplained" in text
        for evidence in item.cause.evidence:
            assert inert(evidence) in text
    for warning in report.summary.warnings:
        assert inert(warning) in text


def test_injected_markup_is_text() -> None:
    """Names that try to be elements, attributes or controls are read as letters."""
    source, document = page([samples.hostile()], HOSTILE)
    assert "alert(1)" in document.text and inert(HOSTILE) in document.text
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\u05d0]", source)
    assert "<script" not in source


def test_a_single_report_shows_verdict_plan_and_coverage() -> None:
    """Verdict, halts, approvals, every action, and what could not be read stand on the page."""
    text = page([samples.several()])[1].text
    for part in (
        "7 discrepancies, worst CRITICAL",
        "HALTED: trading on this account is stopped",
        "AWAITS YOUR APPROVAL: book the broker's fill (fill 88123441-liq)",
        "FAILED: send an alert (reason mail server refused)",
        "unconfirmed",
        "BTC/USDT:USDT, long leg",
    ):
        assert part in text
    unread = page([samples.incomplete()])[1].text
    assert "INCOMPLETE: positions could not be read" in unread
    assert "read only in part: what is absent there got no verdict" in unread


def test_a_history_tells_each_break_once_with_its_life() -> None:
    """A break has one entry with its times, however many readings showed it."""
    _, document = page(samples.history())
    assert [attrs["id"] for tag, attrs in document.tags if tag == "article"] == ["b2", "b1"]
    for part in ("first seen 2026-11-20 10:01:00 UTC", "closed 2026-11-20 10:02:00 UTC"):
        assert part in document.text
    assert "explained 2026-11-20 10:04:30 UTC" in document.text
    assert "1 open break could not be looked at" in document.text


def test_every_table_has_names_for_its_figures() -> None:
    """Tables and drawings bear a label, header cells a scope."""
    _, document = page(samples.history())
    assert all(attrs.get("aria-label") for tag, attrs in document.tags if tag in ("table", "svg"))
    assert all(attrs.get("scope") for tag, attrs in document.tags if tag == "th")


def test_the_page_is_the_same_for_the_same_reports() -> None:
    """The same history gives the same bytes."""
    assert render_page(samples.history(), "x") == render_page(samples.history(), "x")
