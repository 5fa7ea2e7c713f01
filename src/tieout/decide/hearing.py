"""Words -> history: what people said since the last reading counts from this one on."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from msgspec.structs import replace

from tieout.decide.lifecycle import History, digest
from tieout.decide.limits import SET_TOO_OFTEN, TOO_MANY
from tieout.decide.words import Accepted, Approval, Resolution, Words
from tieout.model.halt import Halt, shown
from tieout.model.word import Verdict, Word

BY_HAND = "by_hand"


def hear(history: History, words: Iterable[Word], now: datetime) -> History:
    """The history after *words*, in their order; one that was heard before changes nothing.

    Args:
        history: As the last reading left it.
        words: As they were kept: each knows where it stands.
        now: The time of the reading that hears them.
    """
    for word in words:
        assert word.entry is not None, "a word is heard once it is kept"
        if word.entry > history.words.heard:
            history = _heard(history, word, now)
            history = replace(history, words=replace(history.words, heard=word.entry))
    return history


def _heard(history: History, word: Word, now: datetime) -> History:
    said = history.words
    match word.verdict:
        case Verdict.APPROVE if word.plan is not None:
            return _approved(history, word, word.plan, now)
        case Verdict.REJECT if word.plan is not None:
            kept = {name: each for name, each in said.approved.items() if name != word.plan}
            rejected = said.rejected | {word.plan: word.actor}
            return replace(history, words=replace(said, approved=kept, rejected=rejected))
        case Verdict.KNOWN | Verdict.RESOLVE:
            return replace(history, words=_of_break(history, word))
        case Verdict.HALT:
            return _halted(history, word, now)
        case Verdict.RESUME:
            return _resumed(history, word)
        case _:
            return history


def _approved(history: History, word: Word, plan: str, now: datetime) -> History:
    said = history.words
    before = said.approved.get(plan)
    approval = Approval(word.actor, word.at or now, 1 if before is None else before.times + 1)
    if plan in history.attempted and before is None:
        # Let go ahead once more after it was tried without anybody's leave: another attempt, under another name.
        approval = replace(approval, times=2)
    words = replace(
        said,
        approved=said.approved | {plan: approval},
        rejected={name: each for name, each in said.rejected.items() if name != plan},
    )
    return replace(history, words=words, attempted=history.attempted - {plan})


def _of_break(history: History, word: Word) -> Words:
    """What was said of a break, at the difference that the last reading showed; of none that stands, nothing."""
    said = history.words
    broken = next((each for each in history.breaks.values() if each.id == word.subject), None)
    if broken is None:
        return said
    if word.verdict is Verdict.KNOWN and word.until is not None:
        return replace(said, known=said.known | {broken.id: Accepted(broken.difference, word.until)})
    if word.verdict is Verdict.RESOLVE and word.strategy is not None:
        wanted = Resolution(broken.difference, word.strategy, word.actor)
        return replace(said, resolved=said.resolved | {broken.id: wanted})
    return said


def _halted(history: History, word: Word, now: datetime) -> History:
    asset = None if word.subject == word.account else word.subject
    name = digest([word.account, asset or "", BY_HAND, word.id])
    return replace(
        history, halts=history.halts | {name: Halt(id=name, asset=asset, reason=BY_HAND, since=now, by=word.actor)}
    )


def _resumed(history: History, word: Word) -> History:
    """Trading goes on: the halts of the account, or of one asset, are lifted, and what stands does not set them again.

    A limit that was hit counts anew; a side that cannot be read has its whole time again. Where more stands by now than
    whoever said it was shown, nothing is lifted.
    """
    whole = word.subject == word.account
    lifted = [halt for halt in history.halts.values() if whole or halt.asset == word.subject]
    if not lifted or (word.plan is not None and word.plan != shown(lifted)):
        return history
    named = {name for halt in lifted for name in halt.break_ids}
    reasons = {halt.reason for halt in lifted}
    gone = {halt.id for halt in lifted}
    breaks = {key: replace(each, halted=None) if each.id in named else each for key, each in history.breaks.items()}
    excused = {each.id: each.difference for each in breaks.values() if each.id in named}
    stopped = {key for key, each in breaks.items() if each.id in named}
    return replace(
        history,
        breaks=breaks,
        closed={key: each for key, each in history.closed.items() if key not in stopped},
        changes={} if TOO_MANY in reasons else history.changes,
        sets={} if SET_TOO_OFTEN in reasons else history.sets,
        last_complete=None if whole else history.last_complete,
        halts={name: halt for name, halt in history.halts.items() if name not in gone},
        words=replace(history.words, excused=history.words.excused | excused),
    )
