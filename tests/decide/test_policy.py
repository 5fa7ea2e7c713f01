"""Rules 3, 4, 7 and 9: what heals itself, what goes by severity, what nobody can explain, and rules of one's own."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from msgspec import convert

from tests.decide.building import (
    OLD,
    Side,
    actions,
    booked,
    cash,
    every,
    fill,
    moment,
    moved,
    pos,
    reading,
    row,
    side,
    told,
    verdict,
)
from tieout.decide import Policy, Rule
from tieout.model.discrepancy import ReconciliationStrategy
from tieout.model.report import ReconciliationReport
from tieout.model.settings import AssetSettings, Settings
from tieout.model.snapshot import Activity

S = ReconciliationStrategy
MINOR, MODERATE, CRITICAL = "50", "300", "800"  # of 10000 USD: 0.5 %, 3 %, 7.4 %


def last(
    local: Side, broker: Side, policy: Policy | None = None, settings: Settings | None = None, times: int = 2
) -> ReconciliationReport:
    """The report of the last of some readings of the same two sides."""
    return told(every(30, times, local, broker), policy, settings)[-1]


def cash_moved(amount: str, kind: Any = None, **given: Any) -> ReconciliationReport:
    """Local holds 10000 USD, and the broker so much more, by an activity of that kind or by nothing at all."""
    rows = [moved("a", kind, amount)] if kind else []
    return last(side(cash("10000")), side(cash(str(10000 + Decimal(amount))), *rows), **given)


@pytest.mark.parametrize("kind", ["fee", "funding", "interest", "dividend", "rebate", "cash_in_lieu"])
@pytest.mark.parametrize("amount", [MINOR, MODERATE, CRITICAL, "-" + CRITICAL])
def test_what_records_explain_heals_itself(kind: str, amount: str) -> None:
    """A broker's own record heals a break whatever its severity, in silence."""
    report = cash_moved(amount, kind)
    assert actions(report) == ["book_activity planned"]
    assert row(report, "balance").strategy == "SYNC_TO_BROKER"


@pytest.mark.parametrize("kind", ["deposit", "withdrawal", "transfer"])
@pytest.mark.parametrize(("amount", "strategy", "done"), [
    (MINOR, "WARN_ONLY", ["alert planned", "book_activity awaiting_approval"]),
    (MODERATE, "SYNC_TO_BROKER", ["alert planned", "book_activity planned"]),
    (CRITICAL, "HALT_AND_ALERT", ["alert planned", "book_activity awaiting_approval", "halt planned"]),
])  # fmt: skip
def test_what_somebody_else_did_goes_by_severity(kind: str, amount: str, strategy: str, done: list[str]) -> None:
    """Deposits and the like: a warning, a booking that is told, or a halt; the cure is listed in any case."""
    report = cash_moved(amount, kind)
    assert (row(report, "balance").strategy, actions(report)) == (strategy, done)


@pytest.mark.parametrize(("amount", "strategy", "done"), [
    (MINOR, "WARN_ONLY", ["alert planned"]),
    (MODERATE, "SYNC_TO_BROKER", ["set_balance awaiting_approval"]),
    (CRITICAL, "HALT_AND_ALERT", ["alert planned", "halt planned"]),
])  # fmt: skip
def test_what_nobody_explains_goes_by_severity(amount: str, strategy: str, done: list[str]) -> None:
    """Without a record: a warning, a number that awaits approval, or a halt."""
    report = cash_moved(amount)
    assert (row(report, "balance").strategy, actions(report)) == (strategy, done)


def test_within_tolerance_nothing_is_done() -> None:
    """A difference of 10 USD stands in the report as MINOR, without an action, whatever explains it."""
    for kind in ("deposit", None):
        report = cash_moved("10", kind)
        assert (row(report, "balance").severity, report.actions, report.status) == ("MINOR", (), "matched")


@pytest.mark.parametrize(
    ("quantity", "strategy"), [("0.5", "WARN_ONLY"), ("3", "SYNC_TO_BROKER"), ("8", "HALT_AND_ALERT")]
)
@pytest.mark.parametrize("code", ["EXTERNAL_TRADE", "PHANTOM_FILL", "WRONG_FILL"])
def test_trades_that_are_not_ours_go_by_severity(code: str, quantity: str, strategy: str) -> None:
    """A stranger's trade, one that the broker does not know, and one of another quantity are treated alike."""
    more = str(100 + Decimal(quantity))
    known = fill("g", "buy", "1", client_order_id="c-1", at=OLD - 60)
    if code == "EXTERNAL_TRADE":
        local, broker = side(pos("X", "100"), known), side(pos("X", more), known, fill("f", "buy", quantity))
    elif code == "PHANTOM_FILL":
        local, broker = side(pos("X", more), known, fill("f", "buy", quantity)), side(pos("X", "100"), known)
    else:
        local = side(pos("X", "100"), fill("f", "buy", "1"))
        broker = side(pos("X", more), fill("f", "buy", str(1 + Decimal(quantity))))
    report = last(local, broker)
    assert verdict(report, "position")[::2] == (code, strategy)
    assert "alert planned" in actions(report)
    assert bool(booked(report)) is (strategy == "SYNC_TO_BROKER")


def test_a_wrong_price_heals_itself() -> None:
    """A fill booked at another price is reversed and booked again, whatever it costs."""
    local = side(pos("X", "100"), cash("10000"), fill("f", "buy", "100", price="90"))
    broker = side(pos("X", "100"), cash("9000"), fill("f", "buy", "100", price="100"))
    report = last(local, broker)
    assert verdict(report, "balance") == ("WRONG_FILL", "CRITICAL", "SYNC_TO_BROKER")
    assert actions(report) == ["book_fill planned", "reverse_fill planned"]


def test_a_liquidation_always_halts() -> None:
    """A forced sale halts though it is small, and as a part of several causes."""
    local = side(pos("X", "1000"))
    forced = fill("f", "sell", "1", liquidation=True)
    assert verdict(last(local, side(pos("X", "999"), forced)), "position") == ("LIQUIDATION", "MINOR", "HALT_AND_ALERT")
    known = fill("g", "buy", "1", client_order_id="c-1")
    both = side(pos("X", "1001"), known, forced, fill("h", "buy", "2", client_order_id="c-1"))
    report = last(side(pos("X", "1000"), known), both)
    assert verdict(report, "position") == ("MULTIPLE", "MINOR", "HALT_AND_ALERT")
    assert booked(report) == []


def test_several_causes_heal_only_if_each_of_them_does() -> None:
    """Funding and a dividend heal together; funding and a deposit go by severity."""
    local = side(cash("10000"))
    healing = last(local, side(cash("10800"), moved("a", "funding", "500"), moved("b", "dividend", "300")))
    assert verdict(healing, "balance") == ("MULTIPLE", "CRITICAL", "SYNC_TO_BROKER")
    assert booked(healing) == ["book_activity"] * 2
    mixed = last(local, side(cash("10800"), moved("a", "funding", "500"), moved("b", "deposit", "300")))
    assert verdict(mixed, "balance") == ("MULTIPLE", "CRITICAL", "HALT_AND_ALERT")


# --- what somebody else did, over a day


def deposits(*amounts: tuple[str, float]) -> list[ReconciliationReport]:
    """Deposits an hour apart, each booked by local before the next: every one's own report."""
    history, booked_ones, total = [], list[Activity](), Decimal(10000)
    for number, (amount, at) in enumerate(amounts):
        one = moved(f"d{number}", "deposit", amount, at=at - 60)
        history.append(
            reading(
                at, side(cash(str(total)), *booked_ones), side(cash(str(total + Decimal(amount))), *booked_ones, one)
            )
        )
        booked_ones.append(one)
        total += Decimal(amount)
        history.append(reading(at + 30, side(cash(str(total)), *booked_ones), side(cash(str(total)), *booked_ones)))
    reports = told(history)
    return reports[::2]


def test_small_steps_over_a_day_add_up() -> None:
    """Two deposits of 3 % are moderate; with the third the day's sum is critical, though each is moderate itself."""
    reports = deposits(("300", 0), ("300", 3600), ("300", 7200))
    assert [row(report, "balance").strategy for report in reports] == [
        "SYNC_TO_BROKER",
        "HALT_AND_ALERT",
        "HALT_AND_ALERT",
    ]
    assert {row(report, "balance").severity for report in reports} == {"MODERATE"}


def test_opposite_signs_cancel() -> None:
    """What was paid in and then taken out again is not a large sum."""
    reports = deposits(("300", 0), ("-300", 3600), ("300", 7200))
    assert {row(report, "balance").strategy for report in reports} == {"SYNC_TO_BROKER"}


def test_what_is_older_than_a_day_does_not_count() -> None:
    """The same two deposits 25 hours apart are two moderate changes."""
    reports = deposits(("300", 0), ("300", 25 * 3600))
    assert [row(report, "balance").strategy for report in reports] == ["SYNC_TO_BROKER"] * 2


def test_records_in_doubt_do_not_count() -> None:
    """Local's own trade that the broker showed late was never somebody else's change."""
    trade = fill("f", "buy", "10", at=-1, own=True)
    start = side(pos("X", "100"), cash("10000"))
    traded = side(pos("X", "110"), cash("9000"), trade)
    paid = side(pos("X", "110"), cash("9200"), trade, moved("d", "deposit", "200", at=60))
    reports = told(
        [reading(0, traded, start), reading(30, traded, traded), reading(90, traded, paid), reading(120, traded, paid)]
    )
    assert row(reports[0], "balance").cause.code == "IN_FLIGHT"
    assert verdict(reports[-1], "balance") == ("DEPOSIT", "MODERATE", "SYNC_TO_BROKER")


# --- small change


def test_dust_does_not_halt() -> None:
    """A whole position worth 30 cents is warned of: unexplained, or sold by a stranger; one of unknown worth halts."""
    local = side(pos("X", "0.00002", price="15000"))
    assert verdict(last(local, side()), "position") == ("UNKNOWN", "CRITICAL", "WARN_ONLY")
    sold = last(local, side(fill("f", "sell", "0.00002", price="15000")))
    assert verdict(sold, "position") == ("EXTERNAL_TRADE", "CRITICAL", "WARN_ONLY")
    assert actions(sold) == ["alert planned", "book_fill awaiting_approval"]
    unknown = last(side(pos("X", "0.00002", price=None)), side())
    assert verdict(unknown, "position") == ("UNKNOWN", "CRITICAL", "HALT_AND_ALERT")
    forced = last(local, side(fill("f", "sell", "0.00002", price="15000", liquidation=True)))
    assert verdict(forced, "position") == ("LIQUIDATION", "CRITICAL", "HALT_AND_ALERT")


def test_rounding_is_closed_by_a_number() -> None:
    """One configured step, worth at most 10 USD, is set after two readings; what is worth more counts as unknown."""
    settings = Settings(assets={"X": AssetSettings(step=Decimal("0.1"))})
    first, second = told(
        every(30, 2, side(pos("X", "10", price="50")), side(pos("X", "10.1", price="50"))), settings=settings
    )
    assert (actions(first), actions(second)) == (["wait planned"], ["set_position planned"])
    assert verdict(second, "position") == ("ROUNDING", "MINOR", "SYNC_TO_BROKER")
    dear = last(side(pos("X", "10")), side(pos("X", "10.1", price="101")), settings=settings)
    assert verdict(dear, "position") == ("UNKNOWN", "MINOR", "WARN_ONLY")


BLIND = Rule(cause=("UNKNOWN",), strategy=S.SYNC_TO_BROKER, approval=True, blind_sync_max_usd=Decimal(300))


@pytest.mark.parametrize(("policy", "done"), [
    (Policy(), "set_balance awaiting_approval"),
    (Policy(blind_sync_max_usd=Decimal(300)), "set_balance planned"),
    (Policy(blind_sync_max_usd=Decimal(299)), "set_balance awaiting_approval"),
    (Policy(rules=(BLIND,)), "set_balance planned"),
])  # fmt: skip
def test_setting_blindly_is_off_until_told(policy: Policy, done: str) -> None:
    """An unexplained moderate break is set without asking only below a cap, and when three readings agree."""
    assert "set_balance planned" not in actions(cash_moved(MODERATE, policy=policy, times=2))
    assert done in actions(cash_moved(MODERATE, policy=policy, times=3))


def test_a_worthless_break_is_not_set_blindly_by_default() -> None:
    """A cap of 0 means never, also for what is worth exactly nothing."""
    report = last(side(pos("X", "100", price="0")), side(pos("X", "103", price="0")), times=4)
    assert actions(report) == ["set_position awaiting_approval"]


# --- rules of one's own


@pytest.mark.parametrize("condition", [
    {"domain": ["balance"]}, {"type": ["BALANCE_MISMATCH"]}, {"asset": ["USD"]}, {"severity": ["MODERATE"]},
    {"cause": ["DEPOSIT"]}, {"cause_any": ["DEPOSIT", "FEE"]}, {"usd_below": "301"}, {"usd_from": "300"}, {"fully": True}, {},
])  # fmt: skip
def test_a_rule_that_matches_comes_before_the_table(condition: dict[str, Any]) -> None:
    """Each condition can pick the strategy by itself."""
    rule = convert({"strategy": "HALT_AND_ALERT", **condition}, Rule)
    report = cash_moved(MODERATE, "deposit", policy=Policy(rules=(rule,)))
    assert row(report, "balance").strategy == "HALT_AND_ALERT"


@pytest.mark.parametrize("condition", [
    {"domain": ["position"]}, {"type": ["PRECISION"]}, {"asset": ["EUR"]}, {"severity": ["MINOR"]},
    {"cause": ["WITHDRAWAL"]}, {"cause_any": ["FEE"]}, {"usd_below": "300"}, {"usd_from": "301"}, {"fully": False},
])  # fmt: skip
def test_a_rule_that_does_not_match_leaves_the_table(condition: dict[str, Any]) -> None:
    """Each condition can keep a rule out."""
    rule = convert({"strategy": "HALT_AND_ALERT", **condition}, Rule)
    report = cash_moved(MODERATE, "deposit", policy=Policy(rules=(rule,)))
    assert row(report, "balance").strategy == "SYNC_TO_BROKER"


def test_the_first_rule_that_matches_wins() -> None:
    """Order decides, not strictness."""
    rules = (Rule(strategy=S.WARN_ONLY), Rule(strategy=S.HALT_AND_ALERT))
    assert row(cash_moved(CRITICAL, policy=Policy(rules=rules)), "balance").strategy == "WARN_ONLY"


def test_a_rule_may_name_the_code_as_it_is_reported() -> None:
    """MULTIPLE and WRONG_FILL are matched by their own names."""
    halt = Policy(rules=(Rule(cause=("MULTIPLE", "WRONG_FILL"), strategy=S.HALT_AND_ALERT),))
    both = side(cash("10800"), moved("a", "funding", "500"), moved("b", "dividend", "300"))
    assert verdict(last(side(cash("10000")), both, halt), "balance")[2] == "HALT_AND_ALERT"
    wrong = last(
        side(cash("10000"), fill("f", "buy", "100", price="90")), side(cash("9000"), fill("f", "buy", "100")), halt
    )
    assert verdict(wrong, "balance")[2] == "HALT_AND_ALERT"


def test_a_rule_may_ask_for_approval_or_do_without() -> None:
    """Approval holds back what would heal itself; without it an unexplained break is set."""
    asked = cash_moved(MODERATE, "dividend", policy=Policy(rules=(Rule(strategy=S.SYNC_TO_BROKER, approval=True),)))
    assert actions(asked) == ["book_activity awaiting_approval"]
    free = cash_moved(MODERATE, policy=Policy(rules=(Rule(strategy=S.SYNC_TO_BROKER, alert=True),)))
    assert actions(free) == ["alert planned", "set_balance planned"]


@pytest.mark.parametrize("approval", [None, True, False])
def test_syncing_to_local_sends_nothing_by_itself(approval: bool | None) -> None:
    """A rule that names it lists the order that would be sent, and books nothing; it is never a default."""
    policy = Policy(rules=(Rule(strategy=S.SYNC_TO_LOCAL, approval=approval),))
    known = fill("g", "buy", "1", client_order_id="c-1")
    local = side(pos("X", "100"), known)
    broker = side(pos("X", "110"), known, fill("f", "buy", "10", client_order_id="c-1"))
    assert actions(last(local, broker, policy)) == ["submit_order awaiting_approval"]
    assert booked(last(local, broker)) == ["book_fill"]


def test_a_multiplier_is_not_booked_record_by_record() -> None:
    """Local counts coins and the broker contracts of ten: the position halts, and no fill is booked for it."""
    fills = (fill("f", "buy", "5"),)
    report = last(side(pos("X", "100")), side(pos("X", "10", multiplier=Decimal(10)), *fills))
    assert verdict(report, "position") == ("MULTIPLIER", "CRITICAL", "HALT_AND_ALERT")
    assert booked(report) == []


def test_a_renamed_asset_heals_both_its_rows() -> None:
    """The old name goes and the new one comes in one booking, after two readings."""
    change = Activity("s", "symbol_change", moment(OLD), asset="FB", new_asset="META")
    report = last(side(pos("FB", "10")), side(pos("META", "10"), change))
    assert {str(found.strategy) for found in report.discrepancies} == {"SYNC_TO_BROKER"}
    assert booked(report) == ["book_activity"]


def test_no_position_is_set_to_a_price() -> None:
    """A cost that differs is only told, and a rule that syncs everything sets nothing for it."""
    local, broker = side(pos("X", "5", average_price=Decimal(90))), side(pos("X", "5", average_price=Decimal(95)))
    compared = Settings(compare_cost=True)
    report = last(local, broker, settings=compared)
    assert verdict(report, "position") == ("UNKNOWN", "MINOR", "WARN_ONLY")
    assert actions(report) == ["alert planned"]
    assert booked(last(local, broker, Policy(rules=(Rule(strategy=S.SYNC_TO_BROKER),)), compared)) == []


def test_cash_cannot_be_synced_to_local() -> None:
    """No order brings cash back: a rule that asks for it alerts."""
    policy = Policy(rules=(Rule(strategy=S.SYNC_TO_LOCAL),))
    assert actions(cash_moved(MODERATE, policy=policy)) == ["alert planned"]


def test_a_rule_of_warnings_keeps_the_cure_in_sight() -> None:
    """What a rule only warns of is listed with the record that would cure it."""
    warned = cash_moved(CRITICAL, "dividend", policy=Policy(rules=(Rule(strategy=S.WARN_ONLY),)))
    assert actions(warned) == ["alert planned", "book_activity awaiting_approval"]
