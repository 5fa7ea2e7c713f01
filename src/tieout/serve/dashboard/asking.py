"""A question before anything is said: what will happen in one sentence, why it is said, and yes or no."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from functools import partial
from typing import TypeAlias

from msgspec import Struct
from nicegui.elements.mixins.text_element import TextElement
from nicegui.events import GenericEventArguments

from tieout.errors import BadInput, ReconciliationError, RecordError, WordRefused
from tieout.model.word import Verdict
from tieout.record.people import Said
from tieout.serve.access.roles import Caller, Permission
from tieout.serve.dashboard.page import Page, write
from tieout.serve.dashboard.parts import put
from tieout.serve.render.saying import said_words

FORM = "(event) => { event.preventDefault(); emit(Object.fromEntries(new FormData(event.target))) }"
MOST_TEXT = 5000


class Choice(Struct, frozen=True, kw_only=True):
    """A further answer that is needed: one of *options*, as pairs of what is sent and what is shown."""

    label: str
    options: tuple[tuple[str, str], ...]


class Question(Struct, frozen=True, kw_only=True):
    """What is asked before it is said.

    Attributes:
        title: What it is about.
        happens: What will happen, in a sentence; then what else has to be known first.
        yes: What the button says.
        needs: What the visitor needs for it.
        account: Whose account it is about.
        choice: What else has to be chosen.
        reason: What the field of the reason is called.
    """

    title: str
    happens: tuple[str, ...]
    yes: str
    needs: Permission
    account: str
    choice: Choice | None = None
    reason: str = "Reason, for whoever reads the log later"


class Answer(Struct, frozen=True, kw_only=True):
    """What was answered; `once` names this one question, so that it counts once however often it is sent.

    `at` is when it was first sent: what is sent again after a lost answer says the same, to the letter.
    """

    caller: Caller
    reason: str
    choice: str
    once: str
    at: datetime


Say: TypeAlias = Callable[[Answer], Awaitable[Sequence[str]]]


def ask(page: Page, question: Question, say: Say) -> None:
    """Ask; with yes, and where the visitor may still do that, *say* says it and gives the sentences to tell."""
    name, once = secrets.token_hex(4), secrets.token_hex(16)
    at: datetime | None = None
    with page.dialogs, put("dialog", data_open="", aria_labelledby=f"title-{name}") as dialog:
        put("h2", question.title, id_=f"title-{name}")
        for sentence in question.happens:
            put("p", sentence, "happens")
        with put("form", method="dialog") as form:
            problem = _fill(question, name)

    async def answered(event: GenericEventArguments) -> None:
        caller = await page.let(question.needs, question.account, partial(write, problem))
        if caller is None:
            return
        nonlocal at
        at = at or page.desk.clock.now()
        reason, choice = _fields(event.args)
        try:
            told = await say(Answer(caller=caller, reason=reason, choice=choice, once=once, at=at))
        except (WordRefused, RecordError, ReconciliationError, BadInput) as error:
            write(problem, f"Not said: {error.why if isinstance(error, WordRefused) else error}.")
            return
        page.tell(" ".join(told))
        dialog.props["data-close"] = ""

    form.on("submit", answered, js_handler=FORM)
    dialog.on("close", dialog.delete, args=[])


def _fill(question: Question, name: str) -> TextElement:
    """The fields and the buttons; what is returned says why something was not said."""
    if question.choice is not None:
        put("label", question.choice.label, for_=f"choice-{name}")
        with put("select", id_=f"choice-{name}", name="choice", required=""):
            for value, words in question.choice.options:
                put("option", words, value=value)
    put("label", question.reason, for_=f"reason-{name}")
    put("textarea", "", id_=f"reason-{name}", name="reason", rows="3", required="", maxlength="4000")
    problem = put("p", "", "problem", role="alert")
    with put("div", classes="buttons"):
        put("button", question.yes, "primary", type="submit")
        cancel = put("button", "Cancel", type="button")
        cancel.on("click", js_handler="(event) => event.target.closest('dialog').close()")
    return problem


def _fields(sent: object) -> tuple[str, str]:
    """Reason and choice as they were sent, by whomever: anything that is no text counts as empty."""
    found = sent if isinstance(sent, dict) else {}
    reason, choice = found.get("reason"), found.get("choice")
    return (reason if isinstance(reason, str) else "")[:MOST_TEXT], choice if isinstance(choice, str) else ""


def told(said: Said) -> Sequence[str]:
    """What was said and when it takes effect, then what else the visitor should know."""
    word = said.word
    if said.again:
        return ["That was said before: nothing changed."]
    soon = "" if word.verdict in (Verdict.COMMENT, Verdict.ASSIGN) else "; the next reading hears it, within seconds"
    halted = said.halts and word.verdict in (Verdict.APPROVE, Verdict.KNOWN, Verdict.RESOLVE)
    return [
        f"{said_words(said)}{soon}.",
        *(["Trading stays halted until it is resumed."] if halted else []),
        *(f"Note: {doubt}" for doubt in said.doubts),
    ]
