"""A person's wish -> the word that is kept, with the plan or the halts that it is about; or the sentence why it cannot count.

Everything here reads one consistent state of the store and writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NoReturn

from sqlalchemy import Connection, select

from tieout.errors import RecordError, WordRefused
from tieout.model.discrepancy import DOUBTS, DiscrepancyType
from tieout.model.halt import Halt, shown
from tieout.model.word import Verdict, Word
from tieout.record.breaks import BreakRow, breaks_by_id, find_breaks
from tieout.record.payloads import Payloads
from tieout.record.standing import Plan, Standing, known_accounts, read_standing
from tieout.record.store.schema import accounts, approvals, breaks, live_positions
from tieout.record.wishes import Said, Wish

SHORTEST = 6  # characters of an id that may stand for it
RESOLVED = ("resolved_by_hand", "does_not_close")  # why a plan waits that somebody asked for
FIRST_START = "first_start"


def draw(connection: Connection, sealed: Payloads, wish: Wish) -> Said:
    """The word that *wish* comes to on what the store holds now.

    Raises:
        WordRefused: It cannot count.
        LogBroken: What is stored is not what was recorded.
    """
    if wish.verdict in (Verdict.HALT, Verdict.RESUME):
        standing = _account(connection, sealed, wish)
        return (
            _halt(connection, standing, wish) if wish.verdict is Verdict.HALT else _resume(connection, standing, wish)
        )
    row = find_break(connection, wish.about)
    if row.closed_at is not None and wish.verdict is not Verdict.COMMENT:
        raise WordRefused(
            f"break {row.discrepancy_id} closed at {_at(row.closed_at)}: nothing is left to say but a comment"
        )
    standing = read_standing(connection, sealed, row.account)
    if wish.verdict in (Verdict.APPROVE, Verdict.REJECT):
        return _answer(connection, standing, row, wish)
    if wish.verdict is Verdict.RESOLVE:
        _check_resolvable(standing, row)
    return _said(connection, standing, wish, subject=row.discrepancy_id, names=(row.discrepancy_id,))


def stands(connection: Connection, sealed: Payloads, wish: Wish, word: Word) -> bool:
    """Whether *wish* still comes to *word*: nothing that it is about has changed."""
    try:
        return draw(connection, sealed, wish).word == word
    except WordRefused:
        return False


def find_break(connection: Connection, prefix: str) -> BreakRow:
    """The one break whose id begins with *prefix*.

    Raises:
        WordRefused: There is none, or more than one.
    """
    if len(prefix) < SHORTEST:
        raise WordRefused(f"{prefix!r} is too short for a break's id: give at least {SHORTEST} characters of it")
    found = find_breaks(connection, prefix.lower())
    if not found:
        raise WordRefused(f"no break has an id that begins with {prefix!r}: `tieout breaks --all` lists them")
    if len(found) > 1:
        raise WordRefused(f"several breaks have an id that begins with {prefix!r}: give more of it")
    return found[0]


def _answer(connection: Connection, standing: Standing, row: BreakRow, wish: Wish) -> Said:
    """Yes or no to the plan that waits for a break."""
    plan, name = standing.plan_of(row.discrepancy_id), row.discrepancy_id
    if wish.plan is not None and (plan is None or plan.plan != wish.plan):
        raise WordRefused(f"what waits for break {name} has changed since it was shown: look at it again")
    if plan is None or not (plan.waits or plan.rejected):
        _refuse_plan(standing, row, plan)
    answered = standing.answer(plan.plan)
    if answered is not None and answered.verdict is wish.verdict:
        done = "approved" if wish.verdict is Verdict.APPROVE else "rejected"
        raise WordRefused(
            f"{answered.actor} {done} it at {_at(answered.at)} already, and the next reading of {row.account} hears it"
        )
    if plan.rejected and answered is None and wish.verdict is Verdict.REJECT:
        raise WordRefused(f"the plan for break {name} was rejected already, and is not asked for again")
    if plan.actions[0].detail.get("reason") == FIRST_START:
        raise WordRefused(f"the books of {row.account} are empty: `tieout adopt` takes over what the broker holds")
    if plan.until is not None and plan.until <= wish.now:
        raise WordRefused(
            f"the request for approval expired at {_at(plan.until)}: the next reading of {row.account} asks anew"
        )
    if wish.verdict is Verdict.APPROVE:
        _check_other(connection, standing, plan, wish)
    return _said(connection, standing, wish, subject=name, plan=plan, names=plan.break_ids)


def _refuse_plan(standing: Standing, row: BreakRow, plan: Plan | None) -> NoReturn:
    """Say why nothing waits for a break."""
    name, report = row.discrepancy_id, standing.report
    if report is None:
        raise WordRefused(
            f"the newest report of {row.account} was erased: what waits is not known before the next reading"
        )
    if plan is not None:
        why = plan.reason.replace("_", " ")
        raise WordRefused(
            f"nothing that can be approved or rejected waits for break {name}: what it calls for is not done ({why})"
        )
    mine = [action for action in report.actions if name in action.discrepancy_ids]
    if any(action.status == "awaiting_approval" for action in mine):
        raise WordRefused(
            f"what waits for break {name} cannot be approved as it is: resolve it, with "
            f"`tieout breaks resolve {name[:8]} --strategy …`"
        )
    if any(action.action == "wait" for action in mine):
        raise WordRefused(f"nothing waits for approval for break {name}: it is not confirmed yet, or in doubt")
    raise WordRefused(f"nothing waits for approval for break {name}: {_done(row)}")


def _done(row: BreakRow) -> str:
    return {
        "SYNC_TO_BROKER": "it is being brought to the broker's figures without asking",
        "HALT_AND_ALERT": "it halts, and no record explains it that could be booked",
    }.get(row.strategy, "the policy only warns of it, and no record explains it that could be booked")


def _check_other(connection: Connection, standing: Standing, plan: Plan, wish: Wish) -> None:
    """Nobody approves what he asked for himself."""
    if plan.reason not in RESOLVED:
        return
    query = (
        select(approvals.c.actor)
        .join(accounts, accounts.c.id == approvals.c.account)
        .where(accounts.c.name == standing.account, approvals.c.verdict == Verdict.RESOLVE)
        .where(approvals.c.subject.in_(plan.break_ids), approvals.c.strategy == plan.strategy)
        .order_by(approvals.c.entry.desc())
        .limit(1)
    )
    asked: str | None = connection.execute(query).scalar()
    if asked is not None and asked.strip().casefold() == wish.actor.strip().casefold():
        raise WordRefused(f"{asked} asked for this, so somebody else has to approve it")


def _check_resolvable(standing: Standing, row: BreakRow) -> None:
    """Whether another strategy would make any difference."""
    name, report = row.discrepancy_id, standing.report
    found = None if report is None else next((one for one in report.discrepancies if one.discrepancy_id == name), None)
    if report is None or found is None:
        raise WordRefused(f"the newest reading of {row.account} does not show break {name}: wait for one that does")
    if found.within_tolerance:
        raise WordRefused(f"break {name} is within tolerance: nothing is done about it")
    if found.discrepancy_type is DiscrepancyType.LOCKED_MISMATCH:
        raise WordRefused(f"break {name} follows from orders, and goes with them: resolve those")
    if found.cause.code in DOUBTS:
        raise WordRefused(
            f"break {name} is in doubt ({found.cause.code}): nobody makes a fact of that; wait until it settles"
        )
    if any(action.detail.get("reason") == FIRST_START for action in report.actions if name in action.discrepancy_ids):
        raise WordRefused(f"the books of {row.account} are empty: `tieout adopt` takes over what the broker holds")


def _account(connection: Connection, sealed: Payloads, wish: Wish) -> Standing:
    known = known_accounts(connection)
    if wish.about not in known:
        raise WordRefused(f"the record knows no account {wish.about!r}; it knows {', '.join(known) or 'none yet'}")
    try:
        standing = read_standing(connection, sealed, wish.about)
    except RecordError:
        if wish.verdict is not Verdict.HALT:
            raise
        standing = Standing(account=wish.about)  # whatever is wrong with what was kept, trading can be stopped
    if standing.rules.mode == "shadow":
        raise WordRefused(
            f"{wish.about} is in shadow mode, in which Tieout only watches: it stops no trading there. "
            'Stop the trading system itself, or set mode = "act"'
        )
    return standing


def _halt(connection: Connection, standing: Standing, wish: Wish) -> Said:
    known = () if wish.asset in (None, wish.about) else _assets(connection, wish.about)
    doubts: tuple[str, ...] = ()
    if known and wish.asset not in known:
        there = ", ".join(known[:8]) + (", …" if len(known) > 8 else "")
        doubts = (f"nothing named {wish.asset} was seen in {wish.about} yet, where there is {there}. Is it spelt so?",)
    return _said(connection, standing, wish, subject=wish.asset or wish.about, doubts=doubts)


def _resume(connection: Connection, standing: Standing, wish: Wish) -> Said:
    whole = wish.asset is None or wish.asset == wish.about
    lifted = tuple(halt for halt in standing.halts if whole or halt.asset == wish.asset)
    if not lifted:
        others = {halt.asset for halt in standing.halts}
        if not others:
            raise WordRefused(f"nothing of {wish.about} is halted")
        what = (
            "all of it is halted: resume it without an asset"
            if None in others
            else f"halted are {', '.join(sorted(map(str, others)))}"
        )
        raise WordRefused(f"{wish.asset} of {wish.about} is not halted by itself; {what}")
    if wish.shown is not None and _gist(wish.shown) != _gist(lifted):
        raise WordRefused(f"what is halted in {wish.about} has changed since it was shown: look at it again")
    names = tuple(dict.fromkeys(name for halt in lifted for name in halt.break_ids))
    return _said(connection, standing, wish, subject=wish.asset or wish.about, names=names, lifted=lifted)


def _gist(halts: Iterable[Halt]) -> set[tuple[str, frozenset[str]]]:
    """What makes halts the same ones. One that was set by hand gets its name when it is heard, and is the same before."""
    return {(f"{halt.asset} by {halt.by}" if halt.by else halt.id, frozenset(halt.break_ids)) for halt in halts}


def _said(
    connection: Connection,
    standing: Standing,
    wish: Wish,
    *,
    subject: str,
    plan: Plan | None = None,
    names: tuple[str, ...] = (),
    lifted: tuple[Halt, ...] | None = None,
    doubts: tuple[str, ...] = (),
) -> Said:
    about = None if plan is None else plan.plan
    word = Word(
        id=wish.once,
        account=standing.account,
        subject=subject,
        verdict=wish.verdict,
        actor=wish.actor.strip(),
        text=wish.why.strip(),
        until=wish.until,
        strategy=wish.strategy,
        assignee=None if wish.assignee is None else wish.assignee.strip(),
        plan=about if lifted is None else shown(lifted),
    )
    report = standing.report
    rows = breaks_by_id(connection, names)
    found = () if report is None or not wish.amounts else report.discrepancies
    return Said(
        word=word,
        plan=plan,
        halts=standing.halts if lifted is None else lifted,
        breaks=tuple(row for row in rows if row.closed_at is None or wish.verdict is Verdict.COMMENT),
        discrepancies=tuple(one for one in found if one.discrepancy_id in names),
        doubts=(*doubts, *_shadow(standing, wish)),
    )


def _shadow(standing: Standing, wish: Wish) -> tuple[str, ...]:
    watched = standing.rules.mode == "shadow" and wish.verdict in (Verdict.APPROVE, Verdict.RESOLVE)
    return (f"{standing.account} is in shadow mode: nothing is acted on there.",) if watched else ()


def _assets(connection: Connection, account: str) -> tuple[str, ...]:
    """The assets and currencies that were seen in an account."""
    of = select(accounts.c.id).where(accounts.c.name == account).scalar_subquery()
    held = select(live_positions.c.asset).where(live_positions.c.account == of)
    broken = select(breaks.c.asset).where(breaks.c.account == of)
    return tuple(sorted(set(connection.execute(held.union(broken)).scalars())))


def _at(moment: datetime | None) -> str:
    assert moment is not None, "what was kept has its time"
    return f"{moment:%Y-%m-%d %H:%M} UTC"
