"""What a person wants to say, and what it came to."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from tieout.errors import WordRefused
from tieout.model.discrepancy import ReconciliationStrategy
from tieout.model.halt import Halt
from tieout.model.report import Discrepancy
from tieout.model.word import Verdict, Word
from tieout.record.breaks import BreakRow
from tieout.record.standing import Plan

LONGEST, LONGEST_TEXT = 255, 4000


class Wish(Struct, frozen=True, kw_only=True):
    """What a person wants to say, before it is known what it is about.

    Attributes:
        once: A name given once, so that saying it again after a lost answer changes nothing.
        about: The begin of a break's id, or an account.
        assignee: Who is to look after a break.
        asset: For a halt or a resume of one asset.
        shown: For a resume: the halts that the person was shown before he said it; None where he was shown none.
        plan: For an answer: the plan that the person was shown; None where he was shown none.
        amounts: Whether the answer is to hold the amounts, too.
    """

    once: str
    verdict: Verdict
    about: str
    actor: str
    why: str
    now: datetime
    until: datetime | None = None
    strategy: ReconciliationStrategy | None = None
    assignee: str | None = None
    asset: str | None = None
    shown: tuple[Halt, ...] | None = None
    plan: str | None = None
    amounts: bool = False


class Said(Struct, frozen=True, kw_only=True):
    """What was said, and what it comes to once it is heard.

    Attributes:
        word: As it was kept.
        again: It was kept before: saying it again changed nothing.
        plan: The plan that is approved or rejected; its actions name records, and no amounts.
        halts: Of a resume: the halts that it lifts. Else those of the account that stand.
        breaks: The breaks that it is about; of a resume those that still stand, and do not halt again unless they change.
        discrepancies: The same with their amounts, as they were last seen; only where that was asked for.
        doubts: What a person should know before he relies on it, in sentences.
    """

    word: Word
    again: bool = False
    plan: Plan | None = None
    halts: tuple[Halt, ...] = ()
    breaks: tuple[BreakRow, ...] = ()
    discrepancies: tuple[Discrepancy, ...] = ()
    doubts: tuple[str, ...] = ()


def check(wish: Wish) -> None:
    """Refuse what needs no look at the store.

    Raises:
        WordRefused: Nobody says it, no reason is given, or its end has passed.
    """
    if not wish.why.strip():
        raise WordRefused("a reason is missing: say why, for whoever reads the log later")
    if len(wish.why) > LONGEST_TEXT:
        raise WordRefused(f"the reason is longer than {LONGEST_TEXT:,} characters: say it in fewer")
    named = (("who says it", wish.actor), ("the asset", wish.asset or "-"), ("the account", wish.about))
    for what, text in (*named, ("who looks after it", "-" if wish.assignee is None else wish.assignee)):
        if not text.strip() or len(text) > LONGEST or not text.isprintable():
            raise WordRefused(f"{what} is not a name: give 1 to {LONGEST} printable characters")
    if wish.until is not None and wish.until.tzinfo is None:
        raise WordRefused("the end has no time zone: give one")
    if wish.until is not None and wish.until <= wish.now:
        raise WordRefused("the end has passed already: give a date to come")
