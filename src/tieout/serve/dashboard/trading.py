"""Halt, resume and reconcile now, of one account."""

from __future__ import annotations

from collections.abc import Sequence

from nicegui.element import Element

from tieout.errors import ReconciliationError, RecordError, WordRefused
from tieout.serve.access.roles import Permission
from tieout.serve.dashboard.asking import Answer, Question, ask, told
from tieout.serve.dashboard.page import Page
from tieout.serve.dashboard.parts import put
from tieout.serve.render.saying import lifting_lines
from tieout.serve.render.words import verdict


def halt_button(page: Page, account: str) -> Element:
    """A button that stops trading of an account, after a question."""

    async def halt() -> None:
        if await page.let(Permission.HALT, account) is None:
            return
        question = Question(
            title=f"Halt trading of {account}?",
            happens=(f"Tieout stops trading of {account} at once, and it stays stopped until somebody resumes it.",),
            yes="Halt trading",
            needs=Permission.HALT,
            account=account,
        )
        ask(page, question, say)

    async def say(answer: Answer) -> Sequence[str]:
        said = await page.desk.people.halt(account, actor=answer.caller.name, why=answer.reason, once=answer.once)
        return told(said)

    button = put(
        "button",
        "Halt…",
        "danger",
        type="button",
        aria_label=f"Halt trading of {account}",
        data_focus=f"halt {account}",
    )
    button.on("click", halt, args=[])
    return button


def resume_button(page: Page, account: str) -> Element:
    """A button that lets trading go on, after what stands was shown."""

    async def resume() -> None:
        if await page.let(Permission.RESUME, account) is None:
            return
        try:
            standing = await page.desk.people.lifting(account)
        except (WordRefused, RecordError) as error:
            page.warn(f"{error}.")
            return

        async def say(answer: Answer) -> Sequence[str]:
            said = await page.desk.people.resume(
                account, actor=answer.caller.name, why=answer.reason, once=answer.once, shown=standing.halts
            )
            return told(said)

        question = Question(
            title=f"Resume trading of {account}?",
            happens=(f"Trading of {account} may go on, and these halts are lifted:", *lifting_lines(standing)),
            yes="Resume trading",
            needs=Permission.RESUME,
            account=account,
        )
        ask(page, question, say)

    button = put(
        "button", "Resume…", type="button", aria_label=f"Resume trading of {account}", data_focus=f"resume {account}"
    )
    button.on("click", resume, args=[])
    return button


def reconcile_button(page: Page, account: str) -> Element:
    """A button that reads both sides of an account now. It changes nothing by itself, so nothing is asked."""

    async def reconcile() -> None:
        if await page.let(Permission.RECONCILE, account) is None:
            return
        page.tell(f"{account} is being read.")
        try:
            report = await page.desk.schedule.request(account)
        except (ReconciliationError, RecordError) as error:
            page.warn(f"{account} could not be reconciled: {error}.")
            return
        page.tell(f"{account} was read: {verdict(report)}.")

    button = put(
        "button", "Read now", type="button", aria_label=f"Reconcile {account} now", data_focus=f"read {account}"
    )
    button.on("click", reconcile, args=[])
    return button
