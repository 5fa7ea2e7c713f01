"""The page of the log: its signed head, whether it was verified, and its entries."""

from __future__ import annotations

import nicegui
from msgspec import Struct
from nicegui import ui
from nicegui.element import Element

from tieout.errors import RecordUnavailable
from tieout.record.audit.exporting import Placed, last_index, newest_checkpoint, read_entries
from tieout.record.entry import EntryKind
from tieout.record.looking import Looking
from tieout.serve.access.roles import Caller, Permission
from tieout.serve.dashboard.page import Page, opened
from tieout.serve.dashboard.parts import Keyed, cell, put, second, table
from tieout.serve.dashboard.verifying import Checked, Verifier
from tieout.serve.desk import Desk
from tieout.serve.render.words import counted

MOST, MOST_READ = 50, 2000  # entries that are shown, and that one look goes through to find them
NONE = f"None of these entries is yours to see; of all accounts, {MOST_READ:,} are looked through at a time."
HIDDEN = frozenset({"at"})  # it says the same as the entry's own time
WHAT = {
    EntryKind.OBSERVE: "A reading, nothing comparable", EntryKind.COMPARE: "A reading", EntryKind.DECIDE: "A decision",
    EntryKind.INTENT: "About to act", EntryKind.OUTCOME: "What came of it", EntryKind.APPROVE: "A person's word",
    EntryKind.HALT: "Halt", EntryKind.RESUME: "Resume", EntryKind.CONFIGURE: "A start, or another configuration",
    EntryKind.ERASE: "An erasure", EntryKind.HEARTBEAT: "Heartbeat", EntryKind.GRANT: "Access granted or taken",
    EntryKind.CORRECT: "A correction taken, or refused", EntryKind.DENY: "Access denied",
}  # fmt: skip


class Log(Struct, frozen=True, kw_only=True):
    """The log as it stands: its head, entries that were asked for, the newest first, and how it was verified last.

    What is older than those shown is before the entry `older`; nothing is, where that is 0.
    """

    entries: int
    head: str
    shown: tuple[Placed, ...]
    older: int
    checked: Checked | None
    running: bool


async def show() -> None:
    """The page."""
    page = await opened("Log", "/audit")
    if page is None:
        return
    verifier: Verifier = nicegui.app.state.verifier
    before = _number()
    with page.body:
        put("h1", "The log")
        whole = page.caller.accounts is None
        verdict = Keyed(put("section", aria_label="Verification")) if whole else None
        button = Keyed(put("div", classes="buttons")) if whole else None
        head = Keyed(put("section", aria_label="Signed head")) if whole else None
        with put("section", aria_label="Entries"):
            put("h2", "Entries")
            rows = Keyed(table("Entries, the newest first", "Entry", "When (UTC)", "What", "Account", "Who", "About"))
            none, older = Keyed(put("div")), Keyed(put("p"))

    def fill(log: Log) -> None:
        if verdict is not None and button is not None and head is not None:
            verdict.show([("", (log.checked, log.running))], _verdict)
            button.show([("", "")], lambda _: _button(page, verifier))
            head.show([("", log.head)], _head)
        rows.show([(placed.index, placed) for placed in log.shown], _row)
        none.show([] if log.shown else [("", NONE)], lambda text: put("p", text, "hint"))
        older.show([("", log.older)] if log.older > 0 else [], _older)

    await page.follow(lambda: read_log(page.desk, page.caller, verifier, before), fill)


def _number() -> int | None:
    """From which entry on older ones were asked for."""
    request = ui.context.client.request
    text = "" if request is None else request.query_params.get("before", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 18 else None


async def read_log(desk: Desk, caller: Caller, verifier: Verifier, before: int | None) -> Log:
    """The log, with the newest entries before *before* that *caller* may see, as far as one look goes.

    Raises:
        RecordError: The record cannot be read now.
    """

    def read(seen: Looking) -> Log:
        count = last_index(seen.connection) + 1
        start = count if before is None else min(before, count)
        least = max(0, start - MOST_READ)
        found = list[Placed]()
        while start > least and len(found) < MOST:
            end, start = start, max(least, start - MOST)
            some = list(read_entries(seen.connection, start, end))
            found += [placed for placed in reversed(some) if caller.hears_of(placed.entry.account)]
        older = found[MOST - 1].index if len(found) >= MOST else start
        try:
            head = newest_checkpoint(seen.connection)
        except RecordUnavailable:
            head = ""
        return Log(
            entries=count, head=head, shown=tuple(found[:MOST]), older=older,
            checked=verifier.last, running=verifier.running,
        )  # fmt: skip

    return await desk.look(read, amounts=False)


def _verdict(told: tuple[Checked | None, bool]) -> Element:
    checked, running = told
    tone = "hint"
    if running:
        text = "It is being verified: every entry is hashed anew and held against the key."
    elif checked is None:
        text = "Not verified since this service started."
    elif checked.verdict is None:
        tone, text = "alarm", f"It could not be verified at {second(checked.at)} UTC: {checked.why}."
    elif checked.verdict.sound:
        tone = "closed"
        text = (
            f"SOUND at {second(checked.at)} UTC: each of its {checked.verdict.entries:,} entries is as it was signed."
        )
    else:
        tone = "alarm"
        told_ = " ".join(finding.sentence + "." for finding in checked.verdict.findings[:5])
        text = f"NOT SOUND at {second(checked.at)} UTC, {counted(len(checked.verdict.findings), 'finding')}: {told_}"
    with put("div") as made:
        put("p", text, tone)
        put(
            "p",
            "This is the service's own word. A stranger's check: `tieout audit verify`, on another machine.",
            "hint",
        )
    return made


def _button(page: Page, verifier: Verifier) -> Element:
    async def verify(caller: Caller) -> None:
        if caller.accounts is not None:
            page.warn("The whole log is verified for those alone who may see every account.")
            return
        count = await page.desk.look(lambda seen: last_index(seen.connection) + 1, amounts=False)
        refusal = verifier.refusal(count)
        page.tell(refusal or "The log is being verified.")
        if not refusal:
            await verifier.verify()
            page.tell("The log was verified.")

    button = put("button", "Verify now", type="button", data_focus="verify")
    page.on_press(button, Permission.SEE, None, verify)
    return button


def _head(note: str) -> Element:
    lines = note.splitlines()
    with put("div", classes="card") as card:
        put("h2", "Signed head")
        if len(lines) < 5:
            put("p", "Nothing was signed yet.")
            return card
        with put("dl", classes="figures"):
            for name, text in (("Log", lines[0]), ("Entries signed", lines[1]), ("Root hash", lines[2])):
                put("dt", name)
                put("dd", text)
        signers = [line.split(" ")[1] for line in lines[4:] if line.startswith("— ") and line.count(" ") >= 2]
        put("p", f"Signed by {', '.join(signers)}.")
        put("p", "Keep it elsewhere: a log that is cut later cannot explain it.", "hint")
    return card


def _row(placed: Placed) -> Element:
    entry = placed.entry
    refs = ", ".join(f"{name} {value}" for name, value in entry.refs.items() if name not in HIDDEN)
    with put("tr", role="row") as row:
        put("th", str(placed.index), scope="row", role="rowheader")
        cell("When (UTC)", second(entry.at), "when")
        cell("What", WHAT[entry.kind])
        cell("Account", entry.account or "")
        cell("Who", entry.actor)
        cell("About", refs)
    return row


def _older(before: int) -> Element:
    return put("a", "Older entries", href=f"/audit?before={before}")
