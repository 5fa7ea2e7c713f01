"""Every strategy against every kind of break: both sides before and after, the gate, the reports and the record."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from tests.integration.live.cells import TABLE, Cell
from tests.integration.live.kinds import KINDS
from tests.integration.live.stage import Held, Stage
from tieout.decide import Policy, Rule
from tieout.model.discrepancy import ActionKind, ReconciliationStrategy
from tieout.model.report import ReconciliationReport
from tieout.model.word import Verdict

S = ReconciliationStrategy
READINGS = 5


async def staged(folder: Path, strategy: S, kind: str, *, approval: bool | None = False) -> Stage:
    """A stage on which the rule for everything of the kind's domain is *strategy*, and the break has come about."""
    rule = Rule(strategy=strategy, domain=(KINDS[kind].domain,), approval=approval)
    stage = Stage(folder, Policy(rules=(rule,)))
    await stage.open()
    await KINDS[kind].make(stage)
    stage.reports.clear()
    return stage


def said(reports: list[ReconciliationReport]) -> list[str]:
    """What the reports say is done, each once; that something waits for a second reading is left out."""
    every = (action for report in reports for action in report.actions if action.action is not ActionKind.WAIT)
    return list(dict.fromkeys(f"{each.action} {each.status} {each.detail['reason']}" for each in every))


@pytest.mark.parametrize(("strategy", "kind"), TABLE, ids=[f"{kind}, {strategy}" for strategy, kind in TABLE])
async def test_a_strategy_does_to_a_break_what_the_table_says(tmp_path: Path, strategy: S, kind: str) -> None:
    """Books and broker are as they were or follow each other, the gate is shut or open, and report and log say so."""
    stage, cell = await staged(tmp_path, strategy, kind), TABLE[strategy, kind]
    ours, theirs, before = await stage.ours(), stage.theirs(), len(await stage.logged())
    for _ in range(READINGS):
        await stage.read()
    _check_finding(stage.reports[0], strategy, kind)
    _check_sides(cell, (ours, theirs), (await stage.ours(), stage.theirs()))
    assert stage.may_buy() is not cell.halted
    assert [halt.reason for halt in stage.reports[-1].halts] == ["own_rule"] * cell.halted
    assert said(stage.reports) == list(cell.said)
    assert stage.reports[-1].status == cell.ends
    logged = await stage.logged(after=before)
    assert [each for each in logged if each not in ("compare", "configure")] == list(cell.logged)
    assert logged.count("compare") == READINGS
    assert await stage.standing() == [("own_rule", False)] * cell.halted
    assert await stage.told() == list(cell.told)
    await stage.kept.close()


def _check_finding(first: ReconciliationReport, strategy: S, kind: str) -> None:
    """The first report names the break by its type and the strategy; what no record explains waits to be seen again."""
    domain, kind_of = KINDS[kind].domain, KINDS[kind].type
    row = next(row for row in first.discrepancies if row.domain == domain)
    assert row.discrepancy_type == kind_of
    assert row.strategy == (S.WARN_ONLY if kind_of == "LOCKED_MISMATCH" else strategy)
    waits = [action.detail["reason"] for action in first.actions if action.action is ActionKind.WAIT]
    assert waits == (["unconfirmed"] if KINDS[kind].waits else [])


def _check_sides(cell: Cell, before: tuple[Held, Held], after: tuple[Held, Held]) -> None:
    ours, theirs = after
    if cell.books == "stays":
        assert ours == before[0]
    else:
        assert ours == before[1] == theirs
    if cell.broker == "stays":
        assert theirs == before[1]
    elif cell.broker == "follows":
        assert theirs == before[0] == ours
    else:
        assert amounts(theirs) == amounts(before[0]) == amounts(ours)
        assert theirs.orders == before[1].orders
        # Each order that was sent filled once, at once; what it moved in cash is what the books still lack.
        assert len(theirs.fills) == len(before[1].fills) + cell.logged.count("intent")


def amounts(side: Held) -> dict[str, Decimal]:
    """Positions without their averages: a trade at the market has its own price."""
    return {asset: amount for asset, (amount, _) in side.positions.items()}


@pytest.mark.parametrize(
    ("strategy", "kind", "action"),
    [
        (S.SYNC_TO_BROKER, "another quantity", "set_position"),
        (S.SYNC_TO_BROKER, "a missed fill", "book_fill"),
        (S.SYNC_TO_BROKER, "a stranger's order", "adopt_order"),
        (S.SYNC_TO_LOCAL, "a stranger's order", "cancel_order"),
        (S.SYNC_TO_LOCAL, "another quantity", "submit_order"),
    ],
)
async def test_what_asks_first_is_told_waits_and_is_done_once_somebody_lets_it(
    tmp_path: Path, strategy: S, kind: str, action: str
) -> None:
    """Where the rule asks, both sides stay and people hear once that it waits; approved, it is done in the next reading."""
    stage = await staged(tmp_path, strategy, kind, approval=True)
    ours, theirs = await stage.ours(), stage.theirs()
    for _ in range(READINGS):
        await stage.read()
    assert said(stage.reports) == [f"{action} awaiting_approval own_rule"]
    assert (await stage.ours(), stage.theirs()) == (ours, theirs)
    assert await stage.told() == ["opened"]
    (notice,) = [notice for report in stage.reports for notice in report.notices]
    assert notice.text.endswith("(own_rule, waits for approval)")
    (plan,) = stage.reconciler.plans["main"]
    await stage.say(Verdict.APPROVE, plan=plan.fingerprint)
    await stage.read()
    assert f"{action} done own_rule" in said(stage.reports[-1:])
    assert (await stage.ours(), stage.theirs()) != (ours, theirs)
    sent = sum(stage.world.submits_seen("main").values())
    await stage.read()
    assert amounts(await stage.ours()) == amounts(stage.theirs())
    assert sum(stage.world.submits_seen("main").values()) == sent
    await stage.kept.close()


async def test_what_somebody_rejects_is_left_as_it_is(tmp_path: Path) -> None:
    """A stranger's order whose cancelling was rejected rests on, however often it is read."""
    stage = await staged(tmp_path, S.SYNC_TO_LOCAL, "a stranger's order", approval=True)
    theirs = stage.theirs()
    await stage.read()
    (plan,) = stage.reconciler.plans["main"]
    await stage.say(Verdict.REJECT, plan=plan.fingerprint)
    for _ in range(READINGS):
        await stage.read()
    assert said(stage.reports[1:]) == ["cancel_order skipped own_rule"]
    assert stage.theirs() == theirs
    await stage.kept.close()


def test_the_table_has_every_strategy_and_every_kind() -> None:
    """No kind of break, and no strategy, is without its cell."""
    assert set(TABLE) == {(strategy, kind) for strategy in S for kind in KINDS}


@pytest.mark.parametrize("strategy", S)
async def test_a_liquidation_is_never_traded_back(tmp_path: Path, strategy: S) -> None:
    """Whatever a rule says, approved or not, no order is sent for what the broker forced."""
    rule = Rule(strategy=strategy, approval=False)
    stage = Stage(tmp_path, Policy(rules=(rule,), send_max_usd=Decimal(10**6), send_usd_per_day=Decimal(10**6)))
    await stage.open()
    stage.world.trade("main", "AAPL", "sell", Decimal(1), Decimal(190), liquidation=True)
    theirs, sent = stage.theirs(), sum(stage.world.submits_seen("main").values())
    for _ in range(READINGS):
        await stage.read()
        for plan in stage.reconciler.plans["main"]:
            await stage.say(Verdict.APPROVE, plan=plan.fingerprint)
    assert stage.theirs() == theirs
    assert sum(stage.world.submits_seen("main").values()) == sent
    if strategy is S.SYNC_TO_LOCAL:
        assert "submit_order skipped forbidden_liquidation" in said(stage.reports)
    await stage.kept.close()
