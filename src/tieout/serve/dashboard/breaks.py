"""The page of breaks: which there are, the worst first, by account, severity and cause."""

from __future__ import annotations

from nicegui import ui
from nicegui.element import Element

from tieout.model.discrepancy import CauseCode, Severity
from tieout.serve.dashboard.listing import MOST, ORDERS, STATES, Filter, Listed, Listing, filter_of, read_listing
from tieout.serve.dashboard.page import Page, opened
from tieout.serve.dashboard.parts import Keyed, ago, badge, cell, choose, link, put, table
from tieout.serve.render.saying import minute
from tieout.serve.render.text import usd
from tieout.serve.render.words import CAUSES, counted


async def show() -> None:
    """The page."""
    page = await opened("Breaks", "/breaks")
    if page is None:
        return
    request = ui.context.client.request
    wanted = filter_of({} if request is None else request.query_params, page.caller)
    values = page.caller.sees_amounts
    with page.body:
        put("h1", "Breaks")
        _filters(page, wanted)
        said = Keyed(put("div", role="status", aria_live="polite"))
        columns = ("Severity", "What", "Account", "Why", "Open since", *(["Worth"] if values else []), "State")
        rows = Keyed(table("Breaks", *columns))

    def fill(listing: Listing) -> None:
        said.show([("", _counted(listing))], lambda text: put("p", text))
        rows.show(
            [(each.row.discrepancy_id, each) for each in listing.rows], lambda each: _row(each, values=values)
        )  # fmt: skip

    await page.follow(lambda: read_listing(page.desk, page.caller, wanted), fill)


def _counted(listing: Listing) -> str:
    if not listing.total:
        return "There is no such break."
    more = f"; these are the first {MOST}" if listing.total > MOST else ""
    waiting = sum(each.row.awaits for each in listing.rows)
    asks = f", {waiting} of them {'waits' if waiting == 1 else 'wait'} for a person" if waiting else ""
    return f"{counted(listing.total, 'break')}{more}{asks}."


def _filters(page: Page, wanted: Filter) -> None:
    accounts = {name: name for name in page.desk.accounts if page.caller.is_for(name)}
    orders = ORDERS if page.caller.sees_amounts else {name: words for name, words in ORDERS.items() if name != "value"}
    with put("form", method="get", classes="filters", aria_label="Which breaks"):
        choose("account", "Account", {"": "All"} | accounts, wanted.account)
        choose("severity", "Severity", {"": "All"} | {each: str(each) for each in reversed(Severity)}, wanted.severity)
        choose("cause", "Cause", {"": "All"} | {each: str(each) for each in CauseCode}, wanted.cause)
        choose("state", "State", STATES, wanted.state)
        choose("order", "Order", orders, wanted.order)
        put("button", "Show", type="submit")


def _row(each: Listed, *, values: bool) -> Element:
    row = each.row
    with put("tr", role="row") as made:
        with cell("Severity"):
            badge(row.severity)
        with put("th", scope="row", role="rowheader"):
            link(f"{row.domain} {row.asset}", "breaks", row.discrepancy_id, data_focus=row.discrepancy_id)
        with cell("Account"):
            link(row.account, "accounts", row.account)
        with cell("Why"):
            put("p", CAUSES[CauseCode(row.cause)])
            put("span", row.cause, "code")
        with cell("Open since"):
            ago(row.first_seen)
        if values:
            cell("Worth", "" if row.closed_at else usd(each.usd), "number")
        with cell("State"):
            _state(each)
    return made


def _state(each: Listed) -> None:
    row = each.row
    if row.closed_at is not None:
        put("span", f"Closed {minute(row.closed_at)}", "state closed")
    elif row.awaits:
        put("span", "Waits for a person", "state waiting")
    elif row.known_until is not None:
        put("span", f"Accepted until {minute(row.known_until)}")
    else:
        put("span", "Open" if row.confirmed else "Open, not confirmed yet", "state open")
