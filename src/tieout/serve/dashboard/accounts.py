"""The first page: what waits for you, what is halted, and how each account stands."""

from __future__ import annotations

from nicegui.element import Element

from tieout.model.halt import Halt
from tieout.serve.access.roles import Permission
from tieout.serve.dashboard import trading
from tieout.serve.dashboard.glancing import Glance, Waiting, headline, read_glance
from tieout.serve.dashboard.page import Page, opened
from tieout.serve.dashboard.parts import Keyed, ago, badge, cell, link, put, table
from tieout.serve.desk import AccountState
from tieout.serve.render.saying import halt_words
from tieout.serve.render.words import counted

STATES = {
    "matched": "Matched",
    "discrepancies": "Differs",
    "incomplete": "Read in part",
    "failed": "Not read",
    None: "Never read",
}


async def show() -> None:
    """The page."""
    page = await opened("Accounts", "/")
    if page is None:
        return
    with page.body:
        put("h1", "Accounts")
        said = Keyed(put("div", classes="headline", role="status", aria_live="polite"))
        halted = Keyed(put("div", classes="stack"))
        with put("section", aria_label="Waiting for a person"):
            heading, cards = Keyed(put("div")), Keyed(put("div", classes="stack"))
        with put("section", aria_label="All accounts"):
            put("h2", "All accounts")
            rows = Keyed(table("All accounts", "Account", "State", "Last reading", "Worst open break", "Open", "Do"))
        venues = Keyed(put("div", classes="stack"))

    def fill(glance: Glance) -> None:
        said.show([(sentence, sentence) for sentence in headline(glance)], lambda text: put("p", text))
        halts = [(halt.id, (state.account, halt)) for state in glance.accounts for halt in state.halts]
        halted.show(halts, _banner)
        heading.show([("", "Waiting for a person")] if glance.waiting else [], lambda text: put("h2", text))
        cards.show([(each.row.discrepancy_id, each) for each in glance.waiting], _card)
        rows.show([(state.account, state) for state in glance.accounts], lambda state: _row(page, state))
        venues.show([(name, (name, sentences)) for name, sentences in glance.venues.items()], _venue)

    await page.follow(lambda: read_glance(page.desk, page.caller), fill)


def _banner(halted: tuple[str, Halt]) -> Element:
    account, halt = halted
    with put("p", classes="halted") as banner:
        put("strong", "TRADING HALTED")
        put("span", halt_words(halt, account))
    return banner


def _row(page: Page, state: AccountState) -> Element:
    with put("tr", role="row") as row:
        with put("th", scope="row", role="rowheader"):
            link(state.account, "accounts", state.account, data_focus=f"account {state.account}")
        with cell("State"):
            put("span", STATES.get(state.status, state.status or ""), f"state {state.status or 'never'}")
            for trouble in state.troubles:
                put("p", trouble, "trouble")
        with cell("Last reading"):
            if state.read_at is None:
                put("span", "none yet")
            else:
                ago(state.read_at, overdue_after=state.overdue_after_seconds)
        with cell("Worst open break"):
            badge(state.worst)
        cell("Open", _counts(state))
        with cell("Do", classes="do"), put("div", classes="buttons"):
            _buttons(page, state)
    return row


def _buttons(page: Page, state: AccountState) -> None:
    caller, name = page.caller, state.account
    if caller.may(Permission.RECONCILE, name):
        trading.reconcile_button(page, name)
    if caller.may(Permission.HALT, name):
        trading.halt_button(page, name)
    if state.halts and caller.may(Permission.RESUME, name):
        trading.resume_button(page, name)


def _counts(state: AccountState) -> str:
    told = [f"{number} {severity.lower()}" for severity, number in state.open_breaks.items()]
    return ", ".join(told) or "none"


def _card(each: Waiting) -> Element:
    row = each.row
    with put("article", classes="card waits") as card:
        with put("h3"):
            link(f"{row.domain} {row.asset} of {row.account}", "breaks", row.discrepancy_id,
                 data_focus=f"waits {row.discrepancy_id}")  # fmt: skip
        with put("p"):
            badge(row.severity)
            put("span", f"Asked: {each.plan}?")
        if each.answer:
            put("p", each.answer, "answered")
        elif each.until is not None:
            put("p", f"It can be said until {each.until:%Y-%m-%d %H:%M} UTC; after that it is asked anew.", "hint")
    return card


def _venue(told: tuple[str, tuple[str, ...]]) -> Element:
    name, sentences = told
    with put("div", classes="card trouble") as card:
        put("h3", f"Venue {name}: {counted(len(sentences), 'kind')} of questions held back")
        for sentence in sentences:
            put("p", sentence)
    return card
