"""`People`: what a person says of a break or an account, once it is found out what it is about and that it can count.

It is kept in the record and heard by the next reading of the account, wherever that runs. What stood when it was looked up
has to stand still when it is kept, and else it is looked up again: nobody says yes to what he was not shown.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from msgspec.structs import replace

from tieout.clock import Clock
from tieout.errors import RecordUnavailable, WordRefused
from tieout.model.discrepancy import ReconciliationStrategy
from tieout.model.halt import Halt
from tieout.model.word import Verdict, Word
from tieout.record.recorder import StoreRecord
from tieout.record.wishes import Said, Wish, check
from tieout.record.wording import draw, stands
from tieout.record.words import word_by_id
from tieout.record.writer import Overtaken

__all__ = ["People", "Said"]

TRIES = 5


class People:
    """What people say, kept in the record.

    Each method takes who says it and why, and may be given `once`, a name that makes it harmless to say it again after a lost
    answer. All of them raise `WordRefused` where it cannot count, in a sentence, and `RecordError` where it cannot be kept.

    Args:
        record: Where it is kept.
        clock: Where time comes from.
        tell: Where a halt or a resume goes instead of straight to the record, such as `PositionReconciler.say`, which shuts
            the gate of this process at once; None where no account trades in this process.
    """

    def __init__(
        self, record: StoreRecord, clock: Clock, *, tell: Callable[[Word], Awaitable[None]] | None = None
    ) -> None:
        self._record, self._clock, self._tell = record, clock, tell

    async def approve(
        self,
        break_id: str,
        *,
        actor: str,
        why: str,
        once: str | None = None,
        plan: str | None = None,
        amounts: bool = False,
    ) -> Said:
        """Let the plan that waits for a break be carried out, by the next reading that shows just what this one showed.

        With the *plan* that he was shown, it is refused where another one waits by now.
        """
        wish = self._wish(Verdict.APPROVE, break_id, actor, why, once=once, amounts=amounts)
        return await self._say(replace(wish, plan=plan))

    async def reject(
        self,
        break_id: str,
        *,
        actor: str,
        why: str,
        once: str | None = None,
        plan: str | None = None,
        amounts: bool = False,
    ) -> Said:
        """Refuse the plan that waits for a break: it is not asked for again while its evidence stays the same.

        With the *plan* that he was shown, it is refused where another one waits by now.
        """
        wish = self._wish(Verdict.REJECT, break_id, actor, why, once=once, amounts=amounts)
        return await self._say(replace(wish, plan=plan))

    async def accept(
        self, break_id: str, *, until: datetime, actor: str, why: str, once: str | None = None, amounts: bool = False
    ) -> Said:
        """Accept a break as known until a date: it neither halts nor alerts, unless it grows or turns round."""
        wish = self._wish(Verdict.KNOWN, break_id, actor, why, once=once, amounts=amounts)
        return await self._say(replace(wish, until=until))

    async def resolve(
        self,
        break_id: str,
        *,
        strategy: ReconciliationStrategy,
        actor: str,
        why: str,
        once: str | None = None,
        amounts: bool = False,
    ) -> Said:
        """Have a break resolved by another strategy than the policy's, for as long as its difference stays what it is."""
        wish = self._wish(Verdict.RESOLVE, break_id, actor, why, once=once, amounts=amounts)
        return await self._say(replace(wish, strategy=strategy))

    async def comment(self, break_id: str, *, actor: str, why: str, once: str | None = None) -> Said:
        """Add a comment to the life of a break, open or closed."""
        return await self._say(self._wish(Verdict.COMMENT, break_id, actor, why, once=once))

    async def assign(self, break_id: str, *, to: str, actor: str, why: str, once: str | None = None) -> Said:
        """Say who is to look after a break; it is only said, and nothing waits for them."""
        wish = self._wish(Verdict.ASSIGN, break_id, actor, why, once=once)
        return await self._say(replace(wish, assignee=to))

    async def halt(
        self, account: str, *, asset: str | None = None, actor: str, why: str, once: str | None = None
    ) -> Said:
        """Stop trading of an account, or of one of its assets, until somebody resumes it."""
        wish = self._wish(Verdict.HALT, account, actor, why, once=once)
        return await self._say(replace(wish, asset=asset))

    async def resume(
        self,
        account: str,
        *,
        asset: str | None = None,
        actor: str,
        why: str,
        once: str | None = None,
        shown: Sequence[Halt] | None = None,
    ) -> Said:
        """Lift the halts of an account, or of one of its assets. What stands does not halt again unless it changes.

        Where another halt is set before this is heard, it does not count: whoever said it has not seen that one. With the
        halts that he was *shown*, as `lifting` gave them, it is refused where others stand by now.
        """
        wish = self._wish(Verdict.RESUME, account, actor, why, once=once)
        return await self._say(replace(wish, asset=asset, shown=None if shown is None else tuple(shown)))

    async def lifting(self, account: str, *, asset: str | None = None) -> Said:
        """What a resume would lift, and what stands: to be shown to a person before it is said. Nothing is kept."""
        wish = replace(self._wish(Verdict.RESUME, account, "nobody", "to look"), asset=asset)
        return await self._drawn(wish)

    def _wish(
        self, verdict: Verdict, about: str, actor: str, why: str, *, once: str | None = None, amounts: bool = False
    ) -> Wish:
        return Wish(
            once=once or secrets.token_hex(16),
            verdict=verdict,
            about=about,
            actor=actor,
            why=why,
            now=self._clock.now(),
            amounts=amounts,
        )

    async def _drawn(self, wish: Wish) -> Said:
        check(wish)
        return await self._record.database.read(lambda connection: draw(connection, self._record.payloads, wish))

    async def _say(self, wish: Wish) -> Said:
        for _ in range(TRIES):
            kept = await self._kept(wish)
            if kept is not None:
                _require_same(wish, kept)
                return Said(word=kept, again=True)
            said = await self._drawn(wish)
            try:
                await self._keep(wish, said.word)
            except Overtaken:
                continue  # it changed in between: what stands now is looked up anew
            kept = await self._kept(wish)
            assert kept is not None, "what was acknowledged is there"
            return replace(said, word=kept)
        raise RecordUnavailable("the account changes faster than this can be kept; try again")

    async def _keep(self, wish: Wish, word: Word) -> None:
        if self._tell is not None and word.verdict in (Verdict.HALT, Verdict.RESUME):
            await self._tell(word)
        elif word.verdict is Verdict.HALT:
            # Whatever came between, it stops; and a log that nobody may act on takes it all the same.
            await self._record.say(word)
        else:
            await self._record.permit()
            sealed = self._record.payloads
            await self._record.say(word, stands=lambda connection: stands(connection, sealed, wish, word))

    async def _kept(self, wish: Wish) -> Word | None:
        """The word under the name that was given once, if it was kept."""
        return await self._record.database.read(lambda connection: word_by_id(connection, wish.once))


def _require_same(wish: Wish, kept: Word) -> None:
    """Refuse a name that was given to something else: nobody takes that for done which was never said."""
    if wish.verdict in (Verdict.HALT, Verdict.RESUME):
        alike = (kept.account, kept.subject) == (wish.about, wish.asset or wish.about)
    else:
        alike = kept.subject.startswith(wish.about.lower())
    said = (wish.verdict, wish.strategy, wish.actor.strip(), wish.assignee and wish.assignee.strip(), wish.until)
    alike &= said == (kept.verdict, kept.strategy, kept.actor, kept.assignee, kept.until)
    if not alike or wish.plan not in (None, kept.plan):
        raise WordRefused("something else was said under that key before: give each word a key of its own")
