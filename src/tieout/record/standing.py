"""How an account stands: what waits for a person and until when, which halts stand, and what nobody has heard yet.

It is read from the newest reading that was acted on. Its report is sealed: without the master key what waits is not known.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import Connection, func, select

from tieout.model.discrepancy import ActionStatus
from tieout.model.halt import Halt
from tieout.model.report import Action, ReconciliationReport
from tieout.model.word import Verdict, Word
from tieout.record.breaks import BreakRow
from tieout.record.history import read_report
from tieout.record.payloads import Payloads
from tieout.record.readings import decode_record
from tieout.record.restoring import configuration_of
from tieout.record.rows import split_ids
from tieout.record.store.schema import accounts, configurations, decisions, halts, observations, reports
from tieout.record.words import words_behind

BY_HAND = "by_hand"
REJECTED = "rejected"


class Rules(Struct, frozen=True):
    """What of a policy concerns what people say."""

    mode: str = "act"
    four_eyes: bool = False


class Plan(Struct, frozen=True, kw_only=True):
    """A plan of the newest reading that is not carried out.

    Attributes:
        plan: Its fingerprint.
        break_ids: The breaks that it would cure.
        strategy: The policy's, or a person's.
        reason: Why it is not carried out, in the policy's word.
        actions: What would be carried out, where it waits for a person or somebody rejected it; else empty.
        until: When the request for approval ends.
    """

    plan: str
    break_ids: tuple[str, ...]
    strategy: str
    reason: str
    actions: tuple[Action, ...] = ()
    until: datetime | None = None

    @property
    def waits(self) -> bool:
        """Whether a person is asked."""
        return any(action.status is ActionStatus.AWAITING_APPROVAL for action in self.actions)

    @property
    def rejected(self) -> bool:
        """Whether somebody said no to it."""
        return self.reason == REJECTED and bool(self.actions)


class Standing(Struct, frozen=True, kw_only=True):
    """How an account stands after its newest reading.

    Attributes:
        at: When that reading began; None where there is none.
        report: As it was made; None where there is none, or it cannot be opened.
        plans: What is not carried out.
        halts: The halts that stand, once what was said is heard.
        stood: The halts that stood after that reading.
        said: What people said that no reading has heard.
        rules: Of the policy that it was judged by.
    """

    account: str
    at: datetime | None = None
    report: ReconciliationReport | None = None
    plans: tuple[Plan, ...] = ()
    halts: tuple[Halt, ...] = ()
    stood: tuple[Halt, ...] = ()
    said: tuple[Word, ...] = ()
    rules: Rules = Rules()

    def plan_of(self, break_id: str) -> Plan | None:
        """The plan that would cure a break, if there is one that is not carried out."""
        return next((each for each in self.plans if break_id in each.break_ids), None)

    def lifted_by(self, halt: Halt) -> Word | None:
        """The word, not heard yet, that lifts a halt that stood."""
        words = (word for word in self.said if word.verdict is Verdict.RESUME)
        return next((word for word in words if word.subject in (word.account, halt.asset)), None)

    def answer(self, plan: str) -> Word | None:
        """What was last said of a plan and is not heard yet."""
        said = [word for word in self.said if word.plan == plan and word.verdict in (Verdict.APPROVE, Verdict.REJECT)]
        return said[-1] if said else None


def read_standing(connection: Connection, sealed: Payloads | None, account: str) -> Standing:
    """How an account stands; without *sealed* what waits for a person is not known.

    Raises:
        LogBroken: What is stored is not what was recorded.
    """
    row = connection.execute(
        select(reports.c.entry, reports.c.started_at, reports.c.configuration, observations.c.record)
        .join(observations, observations.c.entry == reports.c.entry)
        .join(accounts, accounts.c.id == reports.c.account)
        .where(accounts.c.name == account, ~observations.c.look)
        .order_by(reports.c.entry.desc())
        .limit(1)
    ).first()
    heard = -1 if row is None else decode_record(row.record, row.entry).heard
    said = words_behind(connection, account, heard)
    name = _configuration(connection, account) if row is None else row.configuration
    report = None if row is None or sealed is None else read_report(connection, sealed, row.entry)
    stood = _halts(connection, account) if report is None else report.halts
    return Standing(
        account=account,
        at=None if row is None else row.started_at,
        report=report,
        plans=() if report is None else _plans(connection, account, report),
        halts=_heard(stood, said),
        stood=stood,
        said=said,
        rules=Rules() if sealed is None or name is None else _rules(connection, sealed, account, name),
    )


def with_standing(row: BreakRow, standing: Standing | None, now: datetime) -> BreakRow:
    """The break with what waits for a person, and without an acceptance that has come to its end."""
    if row.known_until is not None and row.known_until <= now:
        row = replace(row, known_until=None, known_by=None)
    plan = None if standing is None or row.closed_at is not None else standing.plan_of(row.discrepancy_id)
    if plan is None or not plan.waits or (plan.until is not None and plan.until <= now):
        return row
    return replace(row, awaits=True, awaits_until=plan.until)


def known_accounts(connection: Connection) -> tuple[str, ...]:
    """The accounts that the record knows, by name."""
    return tuple(connection.execute(select(accounts.c.name).order_by(accounts.c.name)).scalars())


def _plans(connection: Connection, account: str, report: ReconciliationReport) -> tuple[Plan, ...]:
    """What the newest decision refuses; a decision that stands is logged once, by an earlier reading."""
    of = select(accounts.c.id).where(accounts.c.name == account).scalar_subquery()
    newest = select(func.max(decisions.c.entry)).where(decisions.c.account == of).scalar_subquery()
    query = select(decisions).where(decisions.c.entry == newest, ~decisions.c.approved).order_by(decisions.c.id)
    found = []
    for row in connection.execute(query):
        ids = split_ids(row.break_ids)
        status = ActionStatus.SKIPPED if row.reason == REJECTED else ActionStatus.AWAITING_APPROVAL
        asked = tuple(action for action in report.actions if _is(status, action, ids))
        until = next((action.detail["expires_at"] for action in asked if "expires_at" in action.detail), None)
        found.append(
            Plan(
                plan=row.fingerprint,
                break_ids=ids,
                strategy=row.strategy,
                reason=row.reason,
                actions=tuple(_without_amounts(action) for action in asked),
                until=None if until is None else datetime.fromisoformat(until),
            )
        )
    standing = {name for action in report.actions for name in action.discrepancy_ids}
    return tuple(plan for plan in found if standing.intersection(plan.break_ids))


NAMES = frozenset(
    "fill_id activity_id asset currency position_side side status client_order_id broker_order_id reason".split()
)


def _without_amounts(action: Action) -> Action:
    """The action with what it names, and no figure, whatever a later kind of action may tell of itself."""
    return replace(action, detail={key: text for key, text in action.detail.items() if key in NAMES})


def _is(status: ActionStatus, action: Action, ids: Collection[str]) -> bool:
    return action.status is status and not set(ids).isdisjoint(action.discrepancy_ids)


def _halts(connection: Connection, account: str) -> tuple[Halt, ...]:
    """The halts that stand, as the tables have them: without their breaks."""
    query = (
        select(halts)
        .join(accounts, accounts.c.id == halts.c.account)
        .where(accounts.c.name == account, halts.c.lifted_at.is_(None))
        .order_by(halts.c.entry, halts.c.id)
    )
    return tuple(
        Halt(id=row.name or str(row.id), asset=row.asset, reason=row.reason, since=row.set_at)
        for row in connection.execute(query)
    )


def _heard(stood: tuple[Halt, ...], said: tuple[Word, ...]) -> tuple[Halt, ...]:
    """The halts that stand once *said* is heard."""
    for word in said:
        whole = word.subject == word.account
        if word.verdict is Verdict.HALT:
            assert word.at is not None, "it was kept"
            asset = None if whole else word.subject
            halt = Halt(id=f"word {word.entry}", asset=asset, reason=BY_HAND, since=word.at, by=word.actor)
            stood = (*stood, halt)
        elif word.verdict is Verdict.RESUME:
            stood = tuple(halt for halt in stood if not whole and halt.asset != word.subject)
    return stood


def _configuration(connection: Connection, account: str) -> str | None:
    """The newest configuration of an account that was never read."""
    query = (
        select(configurations.c.name)
        .join(accounts, accounts.c.id == configurations.c.account)
        .where(accounts.c.name == account)
        .order_by(configurations.c.entry.desc())
        .limit(1)
    )
    found: str | None = connection.execute(query).scalar()
    return found


class _Configuration(Struct, frozen=True):
    policy: Rules


_decoder = msgspec.msgpack.Decoder(_Configuration)


def _rules(connection: Connection, sealed: Payloads, account: str, name: str) -> Rules:
    return _decoder.decode(configuration_of(connection, sealed, account, name)).policy
