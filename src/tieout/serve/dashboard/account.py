"""The page of one account: how it stands, what you may do, and what happened to it."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from msgspec import Struct
from msgspec.structs import replace
from nicegui import ui
from nicegui.element import Element

from tieout.record.history import ReportRow, Wanted, list_reports
from tieout.record.looking import Looking
from tieout.record.standing import read_standing
from tieout.record.timeline import Happening, read_timeline
from tieout.serve.access.roles import Permission
from tieout.serve.dashboard import trading
from tieout.serve.dashboard.accounts import STATES
from tieout.serve.dashboard.page import Page, opened
from tieout.serve.dashboard.parts import Keyed, ago, badge, cell, link, put, second, table
from tieout.serve.desk import AccountState, Desk
from tieout.serve.render.saying import halt_words
from tieout.serve.render.words import counted, unread_words

MOST = 100
READINGS = 300
WORDS = {
    "approve": "approved", "reject": "rejected", "known": "accepted as it is", "comment": "commented on",
    "resolve": "wants another way for", "halt": "halts", "resume": "resumes", "adopt": "takes over", "assign": "gave",
}  # fmt: skip


class Run(Struct, frozen=True, kw_only=True):
    """Readings in a row that said the same."""

    first: ReportRow
    last: ReportRow
    count: int


class AccountView(Struct, frozen=True, kw_only=True):
    """How an account stands and what happened to it, the newest first; `unread` is what its last reading lacks."""

    state: AccountState
    unread: str
    happenings: tuple[Happening, ...]
    runs: tuple[Run, ...]


async def show(account: str) -> None:
    """The page."""
    page = await opened("Account", "/", account)
    if page is None:
        return
    if account not in page.desk.accounts:
        _end(page, account)
        return
    ui.page_title(f"{account} · Tieout")
    with page.body:
        put("h1", account)
        top, urgent = Keyed(put("div")), Keyed(put("div", role="status", aria_live="polite"))
        with put("section", aria_label="What you may do"):
            may = Keyed(put("div", classes="buttons"))
        with put("section", aria_label="What happened"):
            put("h2", "What happened")
            rows = Keyed(table("What happened, the newest first", "When (UTC)", "What", "In words", "Log entry"))
        with put("section", aria_label="Readings"):
            put("h2", "Readings")
            runs = Keyed(table("Readings, the newest first", "When (UTC)", "Outcome", "Readings"))

    def fill(view: AccountView | None) -> None:
        if view is None:
            _end(page, account)
            return
        top.show([("", view.state)], _top)
        halts = [(halt.id, ("halted", f"TRADING HALTED: {halt_words(halt, account)}")) for halt in view.state.halts]
        troubles = [(trouble, ("alarm", trouble)) for trouble in view.state.troubles]
        if view.unread:
            troubles.append(("unread", ("alarm", f"The last reading does not show everything: {view.unread}.")))
        urgent.show([*halts, *troubles], lambda told: put("p", told[1], told[0]))
        may.show([(verb, verb) for verb in _verbs(page, view.state)], lambda verb: BUTTONS[verb](page, account))
        rows.show([((each.entry, each.what, each.about), each) for each in view.happenings], _happening)
        runs.show([(run.first.entry, run) for run in view.runs], _run)

    await page.follow(lambda: _read(page.desk, account, amounts=page.caller.sees_amounts), fill)


def _end(page: Page, account: str) -> None:
    why = f"Nothing of that name is watched: {account}. What is in the record stays there."
    page.end("There is no such account", why, "All accounts", "/")


BUTTONS = {"read": trading.reconcile_button, "halt": trading.halt_button, "resume": trading.resume_button}


def _verbs(page: Page, state: AccountState) -> list[str]:
    needs = {"read": Permission.RECONCILE, "halt": Permission.HALT, "resume": Permission.RESUME}
    may = [verb for verb, permission in needs.items() if page.caller.may(permission, state.account)]
    whole = any(halt.asset is None for halt in state.halts)
    return [verb for verb in may if (verb != "resume" or state.halts) and not (verb == "halt" and whole)]


async def _read(desk: Desk, account: str, *, amounts: bool) -> AccountView | None:
    """The account as it stands; None where it is not watched any more."""
    states = await desk.states([account])
    if not states:
        return None
    state = replace(states[0], age_seconds=None)
    unread = (
        "" if state.status in ("matched", None) else await desk.look(lambda seen: _unread(seen, account), amounts=True)
    )

    def read(seen: Looking) -> AccountView:
        listed = list_reports(seen.connection, Wanted(account=(account,), limit=READINGS))
        return AccountView(
            state=state,
            unread=unread,
            happenings=read_timeline(seen.connection, seen.sealed, account, MOST),
            runs=tuple(_runs(listed.rows))[::-1][:MOST],
        )

    return await desk.look(read, amounts=amounts)


def _unread(seen: Looking, account: str) -> str:
    report = read_standing(seen.connection, seen.sealed, account).report
    return "" if report is None else unread_words(report)


def _runs(rows: Sequence[ReportRow]) -> list[Run]:
    """Readings in the order of time, those together that say the same."""
    found: list[Run] = []
    for row in rows:
        last = found[-1] if found else None
        if last is not None and _gist(last.last) == _gist(row):
            found[-1] = Run(first=last.first, last=row, count=last.count + 1)
        else:
            found.append(Run(first=row, last=row, count=1))
    return found


def _gist(row: ReportRow) -> tuple[object, ...]:
    return row.status, row.severity, row.breaks, row.look, row.started_at.date()


def _top(state: AccountState) -> Element:
    with put("div", classes="summary") as top:
        put("span", STATES.get(state.status, state.status or ""), f"state {state.status or 'never'}")
        if state.worst is not None:
            badge(state.worst)
            number = counted(sum(state.open_breaks.values()), "open break")
            put("a", number, href=f"/breaks?account={quote(state.account, safe='')}")
        if state.awaits:
            waits = f"{state.awaits} {'waits' if state.awaits == 1 else 'wait'} for a person"
            put("a", waits, "state waiting", href=f"/breaks?account={quote(state.account, safe='')}&state=waiting")
        if state.read_at is not None:
            put("span", "read")
            ago(state.read_at, overdue_after=state.overdue_after_seconds)
    return top


def _happening(each: Happening) -> Element:
    with put("tr", role="row", classes=f"line {TONES.get(each.what, '')}") as row:
        cell("When (UTC)", second(each.at), "when")
        cell("What", LABELS.get(each.what, each.what), "word")
        with cell("In words"):
            put("span", _words(each))
            if each.break_id is not None:
                link(f"break {each.break_id[:8]}", "breaks", each.break_id, data_focus=f"{each.entry} {each.what}")
        cell("Log entry", str(each.entry), "entry")
    return row


LABELS = {"opened": "differs", "word": "said", "resume": "resumed", "action": "done"}
TONES = {
    "halt": "halt",
    "closed": "closed",
    "resume": "done",
    "alert": "approval",
    "opened": "approval",
    "word": "approval",
}


def _words(each: Happening) -> str:
    why = each.text.replace("_", " ")
    match each.what:
        case "opened":
            return f"{each.about} differs: {each.verdict}, {each.text}. "
        case "closed":
            return f"{each.about} differs no more. "
        case "halt":
            return f"trading of {each.about} is stopped: {why}. "
        case "resume":
            return f"trading of {each.about} may go on: {each.actor or 'lifted by itself'}. "
        case "word":
            to = "" if each.assignee is None else f" to {each.assignee}"
            said = f"{each.actor} {WORDS.get(each.verdict, each.verdict)} {each.about}{to}"
            return f"{said}: {each.text}. " if each.text else f"{said}. "
        case "action":
            return f"{each.about}: {each.verdict}{f', {why}' if why else ''}. "
        case _:
            return f"{each.text}; {each.verdict}. "


def _run(run: Run) -> Element:
    newest = run.last
    with put("tr", role="row") as row:
        until = f" to {newest.started_at:%H:%M:%S}" if run.count > 1 else ""
        cell("When (UTC)", f"{run.first.started_at:%Y-%m-%d %H:%M:%S}{until}", "when")
        with cell("Outcome"):
            put("span", STATES.get(newest.status, newest.status), f"state {newest.status}")
            if newest.severity:
                badge(newest.severity)
        cell("Readings", str(run.count))
    return row
