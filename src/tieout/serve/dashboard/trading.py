"""Halt, resume and reconcile now, of one account."""

from __future__ import annotations

from collections.abc import Sequence

from nicegui.element import Element

from tieout.errors import ReconciliationError
from tieout.serve.access.roles import Caller, Permission
from tieout.serve.dashboard.asking import Answer, Question, ask, told
from tieout.serve.dashboard.page import Page
from tieout.serve.dashboard.parts import put
from tieout.serve.render.saying import lifting_lines
from tieout.serve.render.words import verdict


def halt_button(page: Page, account: str) -> Element:
    """A button that stops trading of an account, after a question."""

    async def halt(_: Caller) -> None:
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
    page.on_press(button, Permission.HALT, account, halt)
    return button


def resume_button(page: Page, account: str) -> Element:
    """A button that lets trading go on, after what stands was shown."""

    async def resume(_: Caller) -> None:
        standing = await page.desk.people.lifting(account)

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
    page.on_press(button, Permission.RESUME, account, resume)
    return button


def reconcile_button(page: Page, account: str) -> Element:
    """A button that reads both sides of an account now. It changes nothing by itself, so nothing is asked."""

    async def reconcile(_: Caller) -> None:
        if account not in page.desk.accounts:
            page.warn(f"Not done: {account} is not watched any more.")
            return
        page.tell(f"{account} is being read.")
        try:
            report = await page.desk.schedule.request(account)
        except ReconciliationError as error:
            page.warn(f"{error}.")
            return
        page.tell(f"{account} was read: {verdict(report)}.")

    button = put(
        "button", "Read now", type="button", aria_label=f"Reconcile {account} now", data_focus=f"read {account}"
    )
    page.on_press(button, Permission.RECONCILE, account, reconcile)
    return button
