"""What somebody may say about a break, each after a question that tells what will happen."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import timedelta

from msgspec import Struct
from msgspec.structs import replace
from nicegui.element import Element

from tieout.errors import BadInput, Problem
from tieout.model.discrepancy import ReconciliationStrategy
from tieout.record.looking import Looking
from tieout.record.people import Said
from tieout.record.users import list_users
from tieout.serve.access.callers import caller_of
from tieout.serve.access.roles import Caller, Permission
from tieout.serve.dashboard import trading
from tieout.serve.dashboard.asking import Answer, Choice, Question, ask, told
from tieout.serve.dashboard.living import View
from tieout.serve.dashboard.page import Page
from tieout.serve.dashboard.parts import put
from tieout.serve.render.words import STRATEGIES

SPANS = {
    "1": "for 1 hour", "8": "for 8 hours", "24": "for 1 day", "72": "for 3 days", "168": "for 7 days", "720": "for 30 days",
}  # fmt: skip
NEEDS = {
    "approve": Permission.APPROVE,
    "reject": Permission.APPROVE,
    "accept": Permission.APPROVE,
    "resolve": Permission.APPROVE,
    "comment": Permission.COMMENT,
    "assign": Permission.COMMENT,
}
LABELS = {
    "approve": "Approve…",
    "reject": "Reject…",
    "accept": "Accept as it is…",
    "resolve": "Resolve otherwise…",
    "comment": "Comment…",
    "assign": "Give to…",
}


class Offer(Struct, frozen=True, kw_only=True):
    """Something that may be said about a break; `plan` and `words` are what it is about, where it is an answer."""

    verb: str
    break_id: str
    account: str
    name: str
    plan: str = ""
    words: str = ""


def choices(caller: Caller, view: View) -> Iterator[tuple[str, Offer]]:
    """What *caller* may say about a break as it stands, the most urgent first."""
    head, asked = view.head, view.asked
    offer = Offer(verb="", break_id=head.discrepancy_id, account=head.account, name=f"{head.domain} {head.asset}")
    verbs = []
    if asked is not None and not asked.answer:
        verbs += ["approve", *(["reject"] if asked.waits else [])]
    verbs += ["accept", "resolve"] if head.closed_at is None else []
    verbs += ["assign"] if head.closed_at is None else []
    for verb in (*verbs, "comment"):
        if not caller.may(NEEDS[verb], head.account):
            continue
        about = {} if asked is None or verb not in ("approve", "reject") else {"plan": asked.plan, "words": asked.words}
        yield verb, replace(offer, verb=verb, **about)
    if head.closed_at is None and caller.may(Permission.HALT, head.account):
        yield "halt", replace(offer, verb="halt")
    if view.halts and caller.may(Permission.RESUME, head.account):
        yield "resume", replace(offer, verb="resume")


def button(page: Page, offer: Offer) -> Element:
    """The button that says it, after a question."""
    if offer.verb == "halt":
        return trading.halt_button(page, offer.account)
    if offer.verb == "resume":
        return trading.resume_button(page, offer.account)

    async def begin(_: Caller) -> None:
        question = _question(offer)
        if offer.verb == "assign":
            names = await page.desk.look(lambda seen: _may_look_after(seen, offer.account), amounts=False)
            question = replace(question, choice=Choice(label="To whom", options=tuple(names.items())))
        ask(page, question, lambda answer: _SAY[offer.verb](page, offer, answer))

    tone = "primary" if offer.verb == "approve" else ""
    made = put("button", LABELS[offer.verb], tone, type="button", data_focus=offer.verb)
    page.on_press(made, NEEDS[offer.verb], offer.account, begin)
    return made


def _question(offer: Offer) -> Question:
    title, happens, yes, choice = _ASKED[offer.verb](offer)
    return Question(
        title=title, happens=happens, yes=yes, needs=NEEDS[offer.verb], account=offer.account, choice=choice,
        reason="Your comment" if offer.verb == "comment" else "Reason, for whoever reads the log later",
    )  # fmt: skip


Asked = tuple[str, tuple[str, ...], str, Choice | None]


def _approve(offer: Offer) -> Asked:
    happens = (
        f"At the next reading Tieout will {offer.words} in {offer.account}, if it shows just what the last one showed.",
    )
    return f"Approve for {offer.name}?", happens, "Approve", None


def _reject(offer: Offer) -> Asked:
    happens = (f"This is not done, and is not asked for again while its evidence stays the same: {offer.words}.",)
    return f"Reject for {offer.name}?", happens, "Reject", None


def _accept(offer: Offer) -> Asked:
    happens = (
        f"Until then {offer.name} of {offer.account} neither halts nor alerts as it is; it does again where it grows.",
    )
    return f"Accept {offer.name} as it is?", happens, "Accept", Choice(label="How long", options=tuple(SPANS.items()))


def _resolve(offer: Offer) -> Asked:
    happens = (
        f"The next reading resolves {offer.name} of {offer.account} by what you choose, instead of what the policy says; "
        "where the policy wants four eyes, somebody else has to approve it first.",
    )
    options = tuple((str(each), f"{STRATEGIES[each].capitalize()} ({each})") for each in ReconciliationStrategy)
    return f"Resolve {offer.name} otherwise?", happens, "Resolve", Choice(label="How", options=options)


def _comment(offer: Offer) -> Asked:
    return f"Comment on {offer.name}", ("It becomes part of the break's life, and changes nothing.",), "Comment", None


def _assign(offer: Offer) -> Asked:
    happens = ("It is only said who looks after it: nothing waits for them.",)
    return f"Give {offer.name} to somebody?", happens, "Give", None


def _may_look_after(seen: Looking, account: str) -> dict[str, str]:
    """Who may say something of an account, of those who may log in: by name, and as they are called."""
    known = (caller_of(row) for row in list_users(seen.connection) if row.disabled_at is None)
    return {each.name: each.called for each in known if each.may(Permission.COMMENT, account)}


_ASKED: dict[str, Callable[[Offer], Asked]] = {
    "approve": _approve, "reject": _reject, "accept": _accept, "resolve": _resolve, "comment": _comment,
    "assign": _assign,
}  # fmt: skip


async def _say_answer(page: Page, offer: Offer, answer: Answer) -> Sequence[str]:
    """Yes or no to the plan that was shown, and to no other that came since."""
    people = page.desk.people
    say = people.approve if offer.verb == "approve" else people.reject
    return told(
        await say(offer.break_id, actor=answer.caller.name, why=answer.reason, once=answer.once, plan=offer.plan)
    )


async def _say_accept(page: Page, offer: Offer, answer: Answer) -> Sequence[str]:
    if answer.choice not in SPANS:
        raise BadInput([Problem("how long", "", "not one of those offered", "choose one")])
    until = answer.at + timedelta(hours=int(answer.choice))
    said = await page.desk.people.accept(
        offer.break_id, until=until, actor=answer.caller.name, why=answer.reason, once=answer.once
    )
    return told(said)


async def _say_resolve(page: Page, offer: Offer, answer: Answer) -> Sequence[str]:
    if answer.choice not in list(ReconciliationStrategy):
        raise BadInput([Problem("how", "", "not one of those offered", "choose one")])
    said: Said = await page.desk.people.resolve(
        offer.break_id,
        strategy=ReconciliationStrategy(answer.choice),
        actor=answer.caller.name,
        why=answer.reason,
        once=answer.once,
    )
    return told(said)


async def _say_comment(page: Page, offer: Offer, answer: Answer) -> Sequence[str]:
    people = page.desk.people
    return told(await people.comment(offer.break_id, actor=answer.caller.name, why=answer.reason, once=answer.once))


async def _say_assign(page: Page, offer: Offer, answer: Answer) -> Sequence[str]:
    names = await page.desk.look(lambda seen: _may_look_after(seen, offer.account), amounts=False)
    if answer.choice not in names:
        raise BadInput([Problem("to whom", "", "nobody who may say something of this account", "choose one")])
    said = await page.desk.people.assign(
        offer.break_id, to=answer.choice, actor=answer.caller.name, why=answer.reason, once=answer.once
    )
    return told(said)


Says = Callable[[Page, Offer, Answer], Awaitable[Sequence[str]]]
_SAY: dict[str, Says] = {
    "approve": _say_answer,
    "reject": _say_answer,
    "accept": _say_accept,
    "resolve": _say_resolve,
    "comment": _say_comment,
    "assign": _say_assign,
}
