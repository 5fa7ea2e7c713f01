"""What somebody said, what waits for a person and what is halted, in sentences without amounts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

from tieout.model.discrepancy import ReconciliationStrategy
from tieout.model.halt import Halt
from tieout.model.report import Action
from tieout.model.word import Verdict, Word
from tieout.record.breaks import BreakRow
from tieout.record.standing import Plan, Standing
from tieout.record.wishes import Said
from tieout.serve.render.text import amount, signed
from tieout.serve.render.words import ACTIONS, STRATEGIES, counted, listed

SOON = "the running service hears it within seconds, otherwise the next `tieout check` does"
_IDS = ("fill_id", "activity_id", "broker_order_id", "client_order_id")


def urgent_lines(standings: Iterable[Standing], about: BreakRow | None = None) -> Iterator[str]:
    """What must not be overlooked: what is halted, since when and why, and how it goes on; of all, or of one break."""
    for one in standings:
        for halt in one.stood:
            if about is None or _concerns(halt, about):
                yield f"TRADING HALTED: {halt_words(halt, one.account)}; {_way_on(halt, one)}"
        for halt in one.halts:
            if halt not in one.stood and (about is None or _concerns(halt, about)):
                yield f"TRADING TO BE HALTED, not heard yet: {halt_words(halt, one.account)}"


def _way_on(halt: Halt, standing: Standing) -> str:
    word = standing.lifted_by(halt)
    if word is None:
        return resume_hint([halt], standing.account)
    return f"resumed by {word.actor} at {minute(word.at)}, and not heard yet"


def _concerns(halt: Halt, row: BreakRow) -> bool:
    return row.discrepancy_id in halt.break_ids or (not halt.break_ids and halt.asset in (None, row.asset))


def life_lines(head: BreakRow, standing: Standing) -> Iterator[str]:
    """What must not be overlooked about one break: what is halted because of it, and what waits."""
    if head.closed_at is not None:
        return
    yield from urgent_lines([standing], head)
    plan = standing.plan_of(head.discrepancy_id)
    if plan is not None and (head.awaits or standing.answer(plan.plan) is not None):
        yield waiting_words(plan, standing, head.discrepancy_id)


def said_lines(said: Said) -> Iterator[str]:
    """What was said and when it takes effect, then what else a person should know."""
    word = said.word
    if said.again:
        yield f"That was said before, at {minute(word.at)}: nothing changed."
        return
    only_said = word.verdict in (Verdict.COMMENT, Verdict.ASSIGN)
    yield f"{said_words(said)}." if only_said else f"{said_words(said)}; {SOON}."
    for item in said.discrepancies:
        sides = f"local {amount(item.local_amount)}, broker {amount(item.broker_amount)}"
        yield f"  {item.domain} {item.asset}: {sides}, difference {signed(item.difference)}"
    if said.halts and word.verdict in (Verdict.APPROVE, Verdict.KNOWN, Verdict.RESOLVE):
        yield f"Trading stays halted until it is resumed: `tieout resume {word.account} --reason …`."
    for doubt in said.doubts:
        yield f"Note: {doubt}"


def said_words(said: Said) -> str:
    """What was said, in a sentence without its end."""
    word = said.word
    match word.verdict:
        case Verdict.APPROVE:
            assert said.plan is not None
            return f"{word.actor} approved: {plan_words(said.plan)}, for {breaks_words(said.breaks)} of {word.account}"
        case Verdict.REJECT:
            assert said.plan is not None
            return f"{word.actor} rejected: {plan_words(said.plan)} is not done, and not asked for again as it is"
        case Verdict.KNOWN:
            accepted = f"{word.actor} accepted {breaks_words(said.breaks)} of {word.account} as it is"
            return f"{accepted} until {minute(word.until)}, unless it grows"
        case Verdict.RESOLVE:
            assert word.strategy is not None
            how = f"{STRATEGIES[ReconciliationStrategy(word.strategy)]} ({word.strategy})"
            return f"{word.actor} wants {breaks_words(said.breaks)} of {word.account} resolved otherwise: {how}"
        case Verdict.HALT:
            return f"{word.actor} halts trading of {scope(word)}"
        case Verdict.RESUME:
            return f"{word.actor} lets trading of {scope(word)} go on"
        case Verdict.ASSIGN:
            return f"{word.actor} gave {breaks_words(said.breaks)} of {word.account} to {word.assignee}"
        case _:
            return f"{word.actor} commented on {breaks_words(said.breaks)} of {word.account}"


def scope(word: Word) -> str:
    """What a halt or a resume is about."""
    return word.account if word.subject == word.account else f"{word.subject} in {word.account}"


def plan_words(plan: Plan) -> str:
    """What would be carried out, each action with the record that it names."""
    return listed([action_name(action) for action in plan.actions])


def action_name(action: Action) -> str:
    """One action with what it is about."""
    found = [action.detail[key] for key in ("asset", "currency") if key in action.detail]
    ids = list(dict.fromkeys(action.detail[key] for key in _IDS if key in action.detail))
    about = " ".join((*found, *ids[:1]))
    return ACTIONS[action.action] + (f" ({about})" if about else "")


def breaks_words(rows: Sequence[BreakRow]) -> str:
    """Breaks by what they are about; the first ones of many."""
    names = [f"{row.domain} {row.asset}" for row in rows[:4]]
    more = len(rows) - len(names)
    return listed([*names, *([f"{more} more"] if more else [])]) or "it"


def halt_words(halt: Halt, account: str) -> str:
    """What is halted, since when, and why."""
    what = account if halt.asset is None else f"{halt.asset} in {account}"
    why = f"by {halt.by}" if halt.by else halt.reason.replace("_", " ")
    about = f", for {counted(len(halt.break_ids), 'break')}" if halt.break_ids else ""
    lifts = "; lifts itself after clean readings" if halt.lifts_itself else ""
    return f"{what} since {minute(halt.since)}: {why}{about}{lifts}"


def resume_hint(halts: Sequence[Halt], account: str) -> str:
    """The command that lifts them."""
    assets = {halt.asset for halt in halts}
    only = next(iter(assets)) if len(assets) == 1 else None
    return f"`tieout resume {account}{f' --asset {only}' if only else ''} --reason …`"


def lifting_lines(said: Said) -> Iterator[str]:
    """What a resume would lift, and what stands on."""
    for halt in said.halts:
        yield f"HALTED  {halt_words(halt, said.word.account)}"
    if not said.breaks:
        yield "None of the breaks that halted it is open any more." if _of_breaks(said) else "No break halted it."
        return
    yield "These breaks still stand, and will not halt again unless they change:"
    for row in said.breaks:
        state = f"{row.severity}, {row.cause}, open since {minute(row.first_seen)}"
        yield f"  {row.discrepancy_id[:8]}  {row.domain} {row.asset}: {state}"


def _of_breaks(said: Said) -> bool:
    return any(halt.break_ids for halt in said.halts)


def waiting_words(plan: Plan, standing: Standing, name: str) -> str:
    """What waits for a person because of a break, until when, and what was said of it already."""
    answer = standing.answer(plan.plan)
    if answer is not None:
        done = "APPROVED" if answer.verdict is Verdict.APPROVE else "REJECTED"
        return f"{done} by {answer.actor} at {minute(answer.at)}, and not heard yet: {plan_words(plan)}"
    until = f" until {minute(plan.until)}" if plan.until is not None else ""
    return f"AWAITS YOUR APPROVAL{until}: {plan_words(plan)}; `tieout breaks approve {name[:8]} --reason …`"


def minute(at: datetime | None) -> str:
    """A time to the minute, UTC."""
    assert at is not None, "what was kept has its time"
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
