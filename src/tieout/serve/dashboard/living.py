"""What the page of one break shows, read from the store; amounts only where the visitor sees them."""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct

from tieout.model.discrepancy import DiscrepancyType
from tieout.model.halt import Halt
from tieout.model.report import Discrepancy
from tieout.model.word import Verdict
from tieout.record.breaks import BreakRow, breaks_by_id
from tieout.record.lives import Life, read_life
from tieout.record.looking import Looking
from tieout.record.standing import Standing, read_standing, with_standing
from tieout.serve.access.roles import Caller
from tieout.serve.desk import Desk
from tieout.serve.render.life import last_known, withheld
from tieout.serve.render.saying import minute, plan_words

HIDDEN = "your role does not show them to you"


class Asked(Struct, frozen=True, kw_only=True):
    """A plan that is not carried out before a person says yes.

    Attributes:
        plan: Its fingerprint: what is answered is this one, and no other that came since.
        words: What would be done.
        waits: Whether a person is asked; else somebody said no to it.
        until: When the request ends.
        answer: What was said of it and is not heard yet, and by whom.
    """

    plan: str
    words: str
    waits: bool
    until: datetime | None
    answer: str


class View(Struct, frozen=True, kw_only=True):
    """One break, its life, and what waits for a person because of it; `note` is why amounts are lacking."""

    head: BreakRow
    life: Life
    asked: Asked | None
    halts: tuple[Halt, ...]
    note: str | None

    @property
    def item(self) -> Discrepancy | None:
        """As it was last seen, with its amounts; None where they cannot be shown."""
        last = last_known(self.life)
        return None if last is None else last.discrepancy

    @property
    def kind(self) -> DiscrepancyType:
        """In which way the sides differ."""
        return DiscrepancyType(self.head.discrepancy_type)


async def find_head(desk: Desk, break_id: str) -> BreakRow | None:
    """The break of that id.

    Raises:
        RecordUnavailable: The record cannot be read now.
    """
    found = await desk.look(lambda seen: breaks_by_id(seen.connection, [break_id]), amounts=False)
    return found[0] if found else None


async def read_view(desk: Desk, caller: Caller, break_id: str) -> View:
    """How a break stands that is known to be there.

    Raises:
        RecordUnavailable: The record cannot be read now.
    """
    now = desk.clock.now()

    def read(seen: Looking) -> View:
        (row,) = breaks_by_id(seen.connection, [break_id])
        standing = read_standing(seen.connection, seen.sealed, row.account)
        head = with_standing(row, standing, now)
        life = read_life(seen.connection, seen.sealed if caller.sees_amounts else None, head)
        halts = tuple(halt for halt in standing.halts if halt.asset in (None, head.asset))
        note = withheld(life, None if caller.sees_amounts else HIDDEN)
        return View(head=head, life=life, asked=_asked(standing, head), halts=halts, note=note)

    return await desk.look(read, amounts=True)


def _asked(standing: Standing, head: BreakRow) -> Asked | None:
    plan = None if head.closed_at is not None else standing.plan_of(head.discrepancy_id)
    if plan is None or not (head.awaits or plan.rejected):
        return None
    word = standing.answer(plan.plan)
    answer = ""
    if word is not None:
        done = "approved" if word.verdict is Verdict.APPROVE else "rejected"
        answer = f"{word.actor} {done} it at {minute(word.at)}; the next reading hears it."
    return Asked(plan=plan.plan, words=plan_words(plan), waits=head.awaits, until=head.awaits_until, answer=answer)
