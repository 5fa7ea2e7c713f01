"""The first page: what waits for you, what is halted, and how each account stands."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any

import nicegui
from nicegui import ui
from nicegui.element import Element

from tieout.model.halt import Halt
from tieout.serve.access.roles import Permission
from tieout.serve.dashboard import trading
from tieout.serve.dashboard.glancing import Everything, Glances, Waiting, headline, some
from tieout.serve.dashboard.page import Page, opened
from tieout.serve.dashboard.parts import Keyed, Rows, ago, badge, cell, link, put, table
from tieout.serve.desk import AccountState
from tieout.serve.render.saying import halt_words
from tieout.serve.render.words import counted

ALL_HALTED = "HALTED"
MOST, MANY = 100, 12  # rows; there may be thousands of accounts
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
    glances: Glances = nicegui.app.state.glances
    request = ui.context.client.request
    find = "" if request is None else request.query_params.get("find", "")[:100]
    with page.body:
        put("h1", "Accounts")
        said = Keyed(put("div", classes="headline", role="status", aria_live="polite"))
        halted = Keyed(put("div", classes="stack"))
        with put("section", aria_label="Waiting for a person"):
            heading, cards = Keyed(put("div")), Keyed(put("div", classes="stack"))
        with put("section", aria_label="All accounts"):
            put("h2", "All accounts")
            if len(page.desk.accounts) >= MANY or find:
                _finding(find)
            fewer = Keyed(put("div"))
            body = table("All accounts", "Account", "State", "Last reading", "Worst open break", "Open", "Do")
        venues = Keyed(put("div", classes="stack"))

    builders: dict[str, Callable[[Any], Element]] = {
        "Account": _account, "State": _state, "Last reading": _read_at, "Worst open break": _worst, "Open": _open,
        "Do": partial(_do, page),
    }  # fmt: skip
    rows = Rows(body, lambda told: builders[told[0]](told[1]))

    def fill(everything: Everything) -> None:
        said.show([(sentence, sentence) for sentence in headline(everything)], lambda text: put("p", text))
        halts = [(halt.id, (state.account, halt)) for state in everything.accounts for halt in state.halts]
        halted.show(halts[:MOST], _banner)
        heading.show([("", "Waiting for a person")] if everything.waiting else [], lambda text: put("h2", text))
        cards.show([(each.row.discrepancy_id, each) for each in everything.waiting[:MOST]], _card)
        found = everything.named(find)
        rows.show([(state.account, _cells(state)) for state in found[:MOST]])
        more = f"The first {MOST} of {len(found):,}, what needs somebody first." if len(found) > MOST else ""
        fewer.show([("", more)] if more else [], lambda text: put("p", text, "hint"))
        venues.show([(name, (name, sentences)) for name, sentences in everything.venues.items()], _venue)

    await page.follow(lambda: glances.read(page.caller), fill)


def _finding(find: str) -> None:
    with put("form", method="get", role="search", classes="filters", aria_label="Find an account"):
        with put("div"):
            put("label", "With this in its name", for_="find")
            put("input", id_="find", name="find", value=find, maxlength="100")
        put("button", "Find", type="submit")


def _banner(halted: tuple[str, Halt]) -> Element:
    account, halt = halted
    with put("p", classes="halted") as banner:
        put("strong", "TRADING HALTED")
        put("span", halt_words(halt, account))
    return banner


def _cells(state: AccountState) -> dict[str, object]:
    return {
        "Account": state.account,
        "State": (state.status, state.troubles, _halted(state)),
        "Last reading": (state.read_at, state.overdue_after_seconds),
        "Worst open break": state.worst,
        "Open": tuple(state.open_breaks.items()),
        "Do": (state.account, _halted(state)),
    }


def _halted(state: AccountState) -> str:
    """What of an account is halted; empty where nothing is."""
    assets = [halt.asset for halt in state.halts]
    return ALL_HALTED if None in assets else f"HALTED: {some([str(each) for each in assets])}" if assets else ""


def _account(name: str) -> Element:
    with put("th", scope="row", role="rowheader") as made:
        link(name, "accounts", name, data_focus=f"account {name}")
    return made


def _state(told: tuple[str | None, tuple[str, ...], str]) -> Element:
    status, troubles, halted = told
    with cell("State") as made:
        put("span", STATES.get(status, status or ""), f"state {status or 'never'}")
        if halted:
            put("span", halted, "badge critical")
        for trouble in troubles:
            put("p", trouble, "trouble")
    return made


def _read_at(told: tuple[datetime | None, int]) -> Element:
    at, overdue_after = told
    with cell("Last reading") as made:
        if at is None:
            put("span", "none yet")
        else:
            ago(at, overdue_after=overdue_after)
    return made


def _worst(severity: str | None) -> Element:
    with cell("Worst open break") as made:
        badge(severity)
    return made


def _open(counts: tuple[tuple[str, int], ...]) -> Element:
    return cell("Open", ", ".join(f"{number} {severity.lower()}" for severity, number in counts) or "none")


def _do(page: Page, told: tuple[str, str]) -> Element:
    name, halted = told
    with cell("Do", classes="do") as made, put("div", classes="buttons"):
        if page.caller.may(Permission.RECONCILE, name):
            trading.reconcile_button(page, name)
        if halted != ALL_HALTED and page.caller.may(Permission.HALT, name):
            trading.halt_button(page, name)
        if halted and page.caller.may(Permission.RESUME, name):
            trading.resume_button(page, name)
    return made


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
