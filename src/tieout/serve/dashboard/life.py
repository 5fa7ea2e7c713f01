"""The page of one break: both sides, why they differ, what was done, and what you may do."""

from __future__ import annotations

from collections.abc import Iterator

from nicegui import ui
from nicegui.element import Element

from tieout.model.discrepancy import CauseCode, ReconciliationStrategy
from tieout.model.report import Discrepancy
from tieout.record.breaks import BreakRow
from tieout.serve.access.roles import Permission
from tieout.serve.dashboard import deciding
from tieout.serve.dashboard.living import View, find_head, read_view
from tieout.serve.dashboard.page import opened
from tieout.serve.dashboard.parts import Keyed, ago, badge, cell, link, put, table
from tieout.serve.dashboard.visitor import note_denial
from tieout.serve.render.life import about
from tieout.serve.render.lines import Line, lines
from tieout.serve.render.saying import halt_words, minute
from tieout.serve.render.text import amount, signed, usd
from tieout.serve.render.words import CAUSES, STRATEGIES, TYPES, counted

ONLY = "You may look. Whoever is an operator or an approver of this account may say something."


async def show(break_id: str) -> None:
    """The page."""
    page = await opened("Break", "/breaks")
    if page is None:
        return
    head = await find_head(page.desk, break_id)
    if head is not None and not page.caller.may(Permission.SEE, head.account):
        await note_denial(page.caller, f"may not {Permission.SEE}", head.account)
        head = None  # told alike, so that nobody learns what there is
    if head is None:
        page.end("There is no such break", "Nothing that you may see has that name.", "All breaks", "/breaks")
        return
    ui.page_title(f"{head.domain} {head.asset} · Tieout")
    with page.body:
        top = Keyed(put("div", classes="break-head"))
        urgent = Keyed(put("div", role="status", aria_live="polite"))
        with put("section", aria_label="What you may do"):
            put("h2", "What you may do")
            may, only = Keyed(put("div", classes="buttons")), Keyed(put("div"))
        facts = Keyed(put("div", classes="facts"))
        with put("section", aria_label="Its whole life"):
            put("h2", "Its whole life")
            rows = Keyed(table("Its whole life, the newest last", "When (UTC)", "What", "In words", "Log entry"))

    def fill(view: View) -> None:
        top.show([("title", (about(view.life), view.head))], _top)
        urgent.show(list(_urgent(view)), lambda said: put("p", said[1], said[0]))
        offers = list(deciding.choices(page.caller, view))
        may.show(offers, lambda offer: deciding.button(page, offer))
        only.show([] if offers else [("", ONLY)], lambda text: put("p", text, "hint"))
        facts.show([(name, (name, view)) for name in FACTS], lambda fact: FACTS[fact[0]](fact[1]))
        rows.show([((each.steps[0].entry, each.word), each) for each in lines(view.life)], _line)

    await page.follow(lambda: read_view(page.desk, page.caller, head.discrepancy_id), fill)


def _top(told: tuple[str, BreakRow]) -> Element:
    name, head = told
    with put("div") as top:
        put("h1", name)
        with put("div", classes="summary"):
            badge(head.severity)
            state = "Open" if head.closed_at is None else "Closed"
            put("strong", state, f"state {state.lower()}")
            put("span", "confirmed" if head.confirmed else "not confirmed yet")
            put("span", "in")
            link(head.account, "accounts", head.account)
            put("span", f"seen in {counted(head.readings, 'reading')}, last")
            ago(head.last_seen)
    return top


def _urgent(view: View) -> Iterator[tuple[str, tuple[str, str]]]:
    """What must not be overlooked, each with its tone."""
    for halt in view.halts:
        yield halt.id, ("halted", f"TRADING HALTED: {halt_words(halt, view.head.account)}")
    asked = view.asked
    if asked is not None and asked.answer:
        yield "answer", ("answered", asked.answer)
    elif asked is not None and asked.waits:
        until = "" if asked.until is None else f" It can be said until {minute(asked.until)}."
        yield "asked", ("waits", f"Waits for a person: {asked.words}?{until}")
    elif asked is not None:
        yield "asked", ("answered", f"Somebody said no to this: {asked.words}. It is not asked for again.")
    if view.head.known_until is not None:
        by = view.head.known_by or "somebody"
        yield (
            "known",
            ("answered", f"Accepted as it is by {by} until {minute(view.head.known_until)}, unless it grows."),
        )
    if view.head.assignee is not None and view.head.closed_at is None:
        yield "assignee", ("answered", f"{view.head.assignee} looks after it.")
    if view.head.closed_at is not None:
        yield "closed", ("closed", f"Closed at {minute(view.head.closed_at)}: a later reading shows it no more.")
    if view.note is not None:
        yield "note", ("hint", view.note)


def _sides(view: View) -> Element:
    item = view.item
    with put("section", classes="card") as card:
        put("h2", "Both sides")
        put("p", f"{TYPES[view.kind].capitalize()}.")
        if item is not None:
            with put("dl", classes="figures"):
                for name, figure in _figures(item):
                    put("dt", name)
                    put("dd", figure)
    return card


def _figures(item: Discrepancy) -> Iterator[tuple[str, str]]:
    yield "Broker", amount(item.broker_amount)
    yield "Local", amount(item.local_amount)
    yield "Difference (broker - local)", signed(item.difference)
    yield "In percent", f"{amount(item.percent)} %"
    yield "Worth", usd(item.usd_value)


def _why(view: View) -> Element:
    code = CauseCode(view.head.cause)
    with put("section", classes="card") as card:
        put("h2", "Why")
        put("p", f"{CAUSES[code].capitalize()}.")
        put("p", code, "code")
        item = view.item
        if item is None:
            return card
        with put("dl", classes="figures"):
            put("dt", "Records explain")
            put("dd", signed(item.cause.explained))
            put("dt", "Stays unexplained")
            put("dd", signed(item.cause.residual))
            put("dt", "Together, the difference")
            put("dd", signed(item.difference))
        put("h3", "Evidence")
        if not item.cause.evidence:
            put("p", "No record on either side.")
        with put("ul"):
            for record in item.cause.evidence:
                put("li", record)
    return card


def _so_far(view: View) -> Element:
    strategy = ReconciliationStrategy(view.head.strategy)
    with put("section", classes="card") as card:
        put("h2", "What is done")
        put("p", f"The policy says: {STRATEGIES[strategy]}.")
        put("p", strategy, "code")
        told = lines(view.life)
        done = [line for line in told if line.steps[0].kind in ("outcome", "halt", "resume", "word", "closed")]
        put("p", "Nothing was done yet." if not done else "Last:")
        for line in done[-1:]:
            put("p", f"{line.day} {line.time} UTC, {line.word}: {line.sentences[0]}")
    return card


def _line(line: Line) -> Element:
    with put("tr", role="row", classes=f"line {line.tone}") as row:
        cell("When (UTC)", f"{line.day} {line.time}", "when")
        cell("What", line.word, "word")
        with cell("In words"):
            for sentence in line.sentences:
                put("p", sentence)
        cell("Log entry", line.entries, "entry")
    return row


FACTS = {"sides": _sides, "why": _why, "done": _so_far}
