"""Rule 7: an order that brings the broker to local stays within what is open, within its caps, and within the forbidden."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.decide.building import (
    Side,
    actions,
    cash,
    every,
    fill,
    moment,
    order,
    pos,
    reading,
    side,
    sound,
    told,
)
from tieout.decide import Decided, Policy, Rule, attempted
from tieout.live.road import State, reconcile_observation
from tieout.model.amounts import dec
from tieout.model.case import Approved
from tieout.model.changes import SubmitOrder
from tieout.model.discrepancy import CauseCode, ReconciliationStrategy
from tieout.model.report import ReconciliationReport
from tieout.model.settings import AssetSettings, Settings
from tieout.model.snapshot import Activity, Observation
from tieout.model.word import Verdict, Word

S = ReconciliationStrategy
FREE = Rule(strategy=S.SYNC_TO_LOCAL, domain=("position",), approval=False)
ASKS = Rule(strategy=S.SYNC_TO_LOCAL, domain=("position",))
Judged = list[tuple[ReconciliationReport, Decided]]


def policy(*rules: Rule, **more: Any) -> Policy:
    """A policy that sends what these rules name; without asking where none is named."""
    return Policy(rules=rules or (FREE,), **more)


def judged(
    history: list[Observation],
    by: Policy,
    settings: Settings | None = None,
    *,
    sent: bool = True,
    words: dict[int, list[Word]] | None = None,
) -> Judged:
    """Every reading, with each plan carried out where it was decided; *words* are heard by the readings so numbered."""
    state, results = State(), []
    for number, one in enumerate(history):
        said = tuple((words or {}).get(number, ()))
        outcome = reconcile_observation(one, state, settings or Settings(), by, trigger="manual", words=said)
        plans = [plan for plan in outcome.decided.plans if isinstance(plan, Approved)]
        state = replace(outcome.state, history=attempted(outcome.state.history, plans if sent else []))
        results.append(sound(outcome.report, outcome.decided))
    return results


def planned(results: Judged) -> list[SubmitOrder]:
    """The orders that the last reading would send."""
    plans = [plan for plan in results[-1][1].plans if isinstance(plan, Approved)]
    return [plan.order for plan in plans if plan.order is not None]


def one_order(
    local: Side, broker: Side, by: Policy | None = None, settings: Settings | None = None
) -> list[SubmitOrder]:
    """What is sent once two readings agree."""
    return planned(judged(every(30, 2, local, broker), by or policy(), settings))


def of(order: SubmitOrder, names: str) -> list[object]:
    """Some of its terms."""
    return [getattr(order, name) for name in names.split()]


def reasons(report: ReconciliationReport, kind: str = "submit_order") -> list[str]:
    """Why, for each action of a kind."""
    return [action.detail["reason"] for action in report.actions if action.action == kind]


AMOUNTS = st.decimals(min_value=-50, max_value=50, places=3)
PRICES = st.decimals(min_value=Decimal("0.01"), max_value=500, places=2)
STEPS = st.sampled_from([None, dec("0.001"), dec("0.5"), dec("1"), dec("7")])


@given(local=AMOUNTS, broker=AMOUNTS, price=PRICES, step=STEPS, tick=STEPS, collar=st.decimals(0, 99, places=1))
def test_an_order_never_overshoots_crosses_zero_or_leaves_its_collar_or_caps(
    local: Decimal, broker: Decimal, price: Decimal, step: Decimal | None, tick: Decimal | None, collar: Decimal
) -> None:
    """Whatever the sides say: after the order the broker is nearer to local, on neither other side, and no dearer."""
    told_of = Settings(assets={"X": AssetSettings(step=step, price_tick=tick)})
    sides = [side(*([pos("X", str(amount), price=str(price))] if amount else [])) for amount in (local, broker)]
    by = policy(collar_percent=collar, send_max_usd=dec("700"))
    for sent in one_order(sides[0], sides[1], by, told_of):
        signed = sent.quantity if sent.side == "buy" else -sent.quantity
        after = broker + signed
        assert 0 < sent.quantity <= abs(broker - local) and (local - after) * signed >= 0
        assert not step or sent.quantity % step == 0
        assert broker * after >= 0, "it crosses zero"
        assert sent.reduce_only is (abs(after) < abs(broker))
        assert sent.leaves == after - local
        away = price * collar / 100
        assert sent.limit_price <= price + away if sent.side == "buy" else sent.limit_price >= price - away
        assert sent.limit_price > 0 and (not tick or sent.limit_price % tick == 0)
        assert sent.quantity * max(price, sent.limit_price) <= sent.usd <= 700


def test_the_broker_is_brought_down_by_a_reducing_sale_and_up_by_a_buy() -> None:
    """Ten held against four sells six and only reduces; four against ten buys six, at 1 % from the last price."""
    (sale,) = one_order(side(pos("X", "4")), side(pos("X", "10")))
    assert of(sale, "side quantity limit_price reduce_only") == ["sell", 6, 99, True]
    (buy,) = one_order(side(pos("X", "10")), side(pos("X", "4")))
    assert of(buy, "side quantity limit_price reduce_only usd") == ["buy", 6, 101, False, 606]


def test_what_else_is_held_says_nothing_about_an_order() -> None:
    """Five hundred of something else on both sides: the order is of X alone, and says what was held of it."""
    other = pos("Y", "500")
    (sent,) = one_order(side(pos("X", "4"), other), side(pos("X", "10"), other))
    assert of(sent, "asset side quantity local_amount broker_amount") == ["X", "sell", 6, 4, 10]


def test_the_smallest_order_and_the_least_worth_are_sent() -> None:
    """An edge belongs to what the venue takes: an order of just its minimum, worth just its least."""
    edge = Settings(assets={"X": AssetSettings(min_quantity=dec("6"), min_notional_usd=dec("600"))})
    (sent,) = one_order(side(pos("X", "4")), side(pos("X", "10")), settings=edge)
    assert of(sent, "quantity") == [6]


def test_opposite_sides_are_closed_to_zero_first() -> None:
    """Local is long and the broker short: what is short is bought back, and only then, by another plan, what is long."""
    by = policy()
    first = judged(every(30, 2, side(pos("X", "3")), side(pos("X", "-2"))), by)
    assert [of(each, "side quantity reduce_only") for each in planned(first)] == [["buy", 2, True]]
    bought = fill("o", "buy", "2", at=40)
    flat = every(30, 2, side(pos("X", "3")), side(bought), start=60)
    both = judged([*every(30, 2, side(pos("X", "3")), side(pos("X", "-2"))), *flat], by)
    assert [of(each, "side quantity reduce_only") for each in planned(both)] == [["buy", 3, False]]
    stands = every(60, 4, side(pos("X", "3")), side(bought), start=120)
    stuck = judged([*every(30, 2, side(pos("X", "3")), side(pos("X", "-2"))), *flat, *stands], by)
    assert planned(stuck) == [] and reasons(stuck[-1][0], "halt") == ["did_not_converge"]


def test_contracts_are_counted_in_the_brokers_units() -> None:
    """Local counts single coins and the broker contracts of ten: 55 too many are five contracts, and what is left stays."""
    local, broker = pos("X", "45", multiplier=dec("1")), pos("X", "10", multiplier=dec("10"))
    whole = Settings(assets={"X": AssetSettings(step=dec("1"))})
    (sent,) = one_order(
        side(local), side(broker), policy(send_max_usd=dec("9999"), send_usd_per_day=dec("9999")), whole
    )
    assert of(sent, "side quantity leaves usd") == ["sell", 5, 5, 5000]


def test_units_that_nobody_knows_are_not_traded() -> None:
    """Local has contracts of ten of which the broker holds none: whether it counts contracts or coins is not known."""
    result = judged(every(30, 2, side(pos("X", "4", multiplier=dec("10"))), side()), policy())
    assert planned(result) == [] and reasons(result[-1][0]) == ["units_unknown"]
    known = Settings(assets={"X": AssetSettings(multiplier=dec("10"))})
    (sent,) = one_order(side(pos("X", "4", price="2", multiplier=dec("10"))), side(), settings=known)
    assert of(sent, "quantity usd") == [4, dec("80.80")]


def test_a_leg_is_closed_on_its_own() -> None:
    """In hedge mode the long leg is sold down as a long leg; a sum of legs is nobody's to trade."""
    short = pos("X", "-2", side="short")
    (sent,) = one_order(side(pos("X", "4", side="long"), short), side(pos("X", "6", side="long"), short))
    assert of(sent, "position_side side quantity reduce_only") == ["long", "sell", 2, True]
    netted = judged(every(30, 2, side(pos("X", "2")), side(pos("X", "6", side="long"), short)), policy())
    assert planned(netted) == [] and reasons(netted[-1][0]) == ["legs_netted"]


def test_what_is_set_aside_is_not_sold() -> None:
    """Two units are not managed: of the twelve that the broker holds, ten are local's to bring down to four."""
    (sent,) = one_order(side(pos("X", "4")), side(pos("X", "12")), settings=Settings(unmanaged={"X": dec("2")}))
    assert of(sent, "quantity reduce_only broker_amount") == [6, True, 12]


@pytest.mark.parametrize(
    ("told_of", "local", "reason"),
    [
        (AssetSettings(step=dec("1")), "9.5", "below_step"),
        (AssetSettings(min_quantity=dec("2")), "9", "below_min_quantity"),
        (AssetSettings(min_notional_usd=dec("150")), "9", "below_min_notional_usd"),
    ],
)  # fmt: skip
def test_what_the_venue_would_not_take_is_not_sent(told_of: AssetSettings, local: str, reason: str) -> None:
    """Less than a step, than the smallest order or than the least worth: skipped, and said."""
    result = judged(
        every(30, 2, side(pos("X", local)), side(pos("X", "10"))), policy(), Settings(assets={"X": told_of})
    )
    assert planned(result) == []
    assert actions(result[-1][0]) == ["alert planned", "submit_order skipped"]
    assert reasons(result[-1][0]) == reasons(result[-1][0], "alert") == [reason]


def test_without_a_price_or_a_worth_there_is_no_order() -> None:
    """No price, no limit; a currency that nobody values is above every cap. Local's price does where the broker has none."""
    blind = judged(every(30, 2, side(pos("X", "4", price=None)), side(pos("X", "10", price=None))), policy())
    assert reasons(blind[-1][0]) == ["no_price"]
    odd = judged(every(30, 2, side(pos("X", "4", currency="ZZZ")), side(pos("X", "10", currency="ZZZ"))), policy())
    assert reasons(odd[-1][0]) == ["unknown_worth"]
    (sent,) = one_order(side(pos("X", "4", price="50")), side())
    assert of(sent, "side limit_price") == ["buy", dec("50.5")]


def test_the_caps_of_an_action_and_of_a_day() -> None:
    """Above 1,000 USD nothing is sent; of three orders of 400 USD a cap of 1,000 a day lets two go, until tomorrow."""
    dear = judged(every(30, 2, side(pos("X", "4")), side(pos("X", "15"))), policy())
    assert planned(dear) == [] and reasons(dear[-1][0]) == ["above_send_max_usd"]
    names, by = ("A", "B", "C"), policy(send_usd_per_day=dec("1000"))
    local, broker = (side(*(pos(name, amount) for name in names)) for amount in ("4", "8"))
    both = judged(every(30, 2, local, broker), by)
    assert [each.asset for each in planned(both)] == ["A", "B"]
    assert reasons(both[-1][0], "submit_order")[-1] == "above_send_usd_per_day"
    ours = [fill(f"o{name}", "sell", "4", asset=name, at=40) for name in ("A", "B")]
    left = side(pos("A", "4"), pos("B", "4"), pos("C", "8"), *ours)
    later = every(3600, 20, local, left, start=120)
    assert planned(judged([*every(30, 2, local, broker), *later], by)) == []
    next_day = [reading(86400 + 120, local, left)]
    assert [each.asset for each in planned(judged([*every(30, 2, local, broker), *later, *next_day], by))] == ["C"]


def test_a_price_that_is_far_off_makes_no_cap_wider() -> None:
    """The broker marks X at a cent and local at 50: what is sold counts at the dearer price."""
    wild = judged(every(30, 2, side(pos("X", "4")), side(pos("X", "104", price="0.01"))), policy())
    assert planned(wild) == [] and reasons(wild[-1][0]) == ["above_send_max_usd"]
    asked = judged(every(30, 2, side(pos("X", "4")), side(pos("X", "10"))), policy(ASKS))
    said = {2: [word("approve", plan=asked[-1][1].plans[0].fingerprint, entry=0)]}
    risen = [*every(30, 2, side(pos("X", "4")), side(pos("X", "10"))), reading(60, side(pos("X", "4")),
             side(pos("X", "10", price="900")))]  # fmt: skip
    later = judged(risen, policy(ASKS), words=said)
    assert planned(later) == [] and reasons(later[-1][0]) == ["above_send_max_usd"], "leave at 100 is none at 900"


def test_what_was_skipped_does_not_use_up_the_day() -> None:
    """An order that was decided in a hundred readings and never sent is no order, and one that was sent is one."""
    local, broker = side(pos("X", "4")), side(pos("X", "12"))
    assert len(planned(judged(every(30, 100, local, broker), policy(), sent=False))) == 1


CORPORATE = Activity("a", "split", moment(-600), asset="X", ratio="2")


@pytest.mark.parametrize(
    ("local", "broker", "code", "reason"),
    [
        (side(pos("X", "10")), side(pos("X", "4"), fill("f", "sell", "6", liquidation=True)), CauseCode.LIQUIDATION,
         "forbidden_liquidation"),
        (side(pos("X", "10")), side(pos("X", "1", multiplier=dec("10"))), CauseCode.MULTIPLIER, "forbidden_multiplier"),
        (side(pos("X", "4")), side(pos("X", "8"), CORPORATE), CauseCode.SPLIT, "forbidden_corporate_action"),
        (side(pos("X", "4")), side(pos("X", "9"), CORPORATE), CauseCode.SPLIT, "forbidden_corporate_action"),
        (side(pos("X", "4")), side(pos("X", "3"), CORPORATE), CauseCode.UNKNOWN, "forbidden_corporate_action"),
        (side(pos("X", "4")), side(pos("X", "6"), order("stranger", quantity="1")), CauseCode.UNKNOWN,
         "forbidden_live_order"),
        (side(pos("X", "4")), side(pos("X", "6"), orders=None), CauseCode.UNKNOWN, "forbidden_not_read_whole"),
    ],
)  # fmt: skip
def test_no_rule_and_no_person_has_an_order_sent_for_these(
    local: Side, broker: Side, code: CauseCode, reason: str
) -> None:
    """Forced closes, other units, corporate actions, orders under way: skipped with the reason, and said."""
    for rule in (FREE, ASKS):
        plain = judged(every(30, 3, local, broker), policy(rule))
        report, last = plain[-1]
        assert code in {row.cause.code for row in report.discrepancies}
        assert reasons(report) == [reason] and reason in reasons(report, "alert")
        refused = [plan.fingerprint for plan in last.plans]
        said = [word("approve", plan=name, entry=entry) for entry, name in enumerate(refused)]
        assert planned(judged(every(30, 3, local, broker), policy(rule), words={2: said})) == []


def word(verdict: str, *, entry: int, subject: str = "main", at: float = 45, **more: Any) -> Word:
    """What somebody said."""
    kind = Verdict(verdict)
    return Word(id=f"w{entry}", account="main", subject=subject, verdict=kind, actor="ann", text="because",
                at=moment(at), entry=entry, **more)  # fmt: skip


def test_a_doubt_is_no_reason_to_trade() -> None:
    """The broker moved without any fill, or lost a row: it waits, whatever the rule, and nothing is sent."""
    held = side(pos("X", "10"))
    for broker in (side(pos("X", "4")), side()):
        results = judged([reading(0, held, held), *every(5, 3, held, broker, start=30)], policy())
        assert {row.cause.code for row in results[-1][0].discrepancies} <= {"STALE_BROKER", "PARTIAL_RESPONSE"}
        assert all(not planned(results[: n + 1]) for n in range(len(results)))


def test_one_reading_confirms_nothing_and_what_is_tolerated_is_left() -> None:
    """The first reading only waits; a difference within tolerance calls for nothing at all."""
    local, broker = side(pos("X", "4")), side(pos("X", "10"))
    assert actions(told([reading(0, local, broker)], policy())[0]) == ["wait planned"]
    small = Settings(position_threshold_usd=dec("1000"))
    assert told(every(30, 3, local, broker), policy(), small)[-1].actions == ()


def test_an_order_waits_for_a_person_and_goes_when_approved() -> None:
    """By default it awaits approval; the same order is planned once its fingerprint was approved, and only that one."""
    local, broker = side(pos("X", "4")), side(pos("X", "10"))
    asked = judged(every(30, 2, local, broker), policy(ASKS))
    assert actions(asked[-1][0]) == ["submit_order awaiting_approval"]
    (plan,) = asked[-1][1].plans
    said = {2: [word("approve", plan=plan.fingerprint, entry=0)]}
    (sent,) = planned(judged(every(30, 3, local, broker), policy(ASKS), words=said))
    assert of(sent, "side quantity") == ["sell", 6]
    grown = [*every(30, 2, local, broker), *every(30, 2, local, side(pos("X", "11")), start=60)]
    assert planned(judged(grown, policy(ASKS), words=said)) == []
    rejected = {2: [word("reject", plan=plan.fingerprint, entry=0)]}
    assert actions(judged(every(30, 3, local, broker), policy(ASKS), words=rejected)[-1][0]) == ["submit_order skipped"]


def test_leave_to_book_is_no_leave_to_send() -> None:
    """A person approved setting the number; then the rule changed to SYNC_TO_LOCAL: the order has to be approved itself."""
    local, broker = side(pos("X", "100")), side(pos("X", "103"))
    sets = policy(Rule(strategy=S.SYNC_TO_BROKER, approval=True))
    (number,) = judged(every(30, 2, local, broker), sets)[-1][1].plans
    said = {2: [word("approve", plan=number.fingerprint, entry=0)]}
    result = judged(every(30, 3, local, broker), policy(ASKS), words=said)
    assert actions(result[-1][0]) == ["submit_order awaiting_approval"]


def test_one_attempt_a_break_however_far_it_got() -> None:
    """The order was sent and the break stands, unchanged or filled in part: it halts, and no other order is planned."""
    local, half = side(pos("X", "4")), fill("o", "sell", "3", at=40)
    for after in (side(pos("X", "10")), side(pos("X", "7"), half)):
        history = [*every(30, 2, local, side(pos("X", "10"))), *every(30, 6, local, after, start=60)]
        results = judged(history, policy())
        assert [len(planned(results[: n + 1])) for n in range(8)] == [0, 1, 0, 0, 0, 0, 0, 0]
        assert reasons(results[3][0], "alert") == ["order_settling"] and not results[3][0].halts
        assert reasons(results[-1][0], "halt") == ["did_not_converge"]


def test_a_rest_that_turned_minor_is_no_end_either() -> None:
    """What the order left is small enough to be only warned of: it was to leave nothing, so it halts."""
    local = side(pos("X", "1000", price="1"))
    by = policy(Rule(strategy=S.SYNC_TO_LOCAL, severity=("CRITICAL",), approval=False))  # type: ignore[arg-type]
    sold = fill("o", "sell", "95", price="1", at=40)
    history = [*every(30, 2, local, side(pos("X", "1100", price="1"))),
               *every(60, 4, local, side(pos("X", "1005", price="1"), sold), start=60)]  # fmt: skip
    results = judged(history, by)
    assert len(planned(results[:2])) == 1
    assert reasons(results[-1][0], "halt") == ["did_not_converge"]


def test_what_was_approved_once_more_counts_twice_against_the_day() -> None:
    """After an attempt that did not help a person lets it go ahead again: another attempt, and the cap knows of both."""
    local, broker = side(pos("X", "4")), side(pos("X", "10"))
    (plan,) = judged(every(30, 2, local, broker), policy(ASKS))[-1][1].plans
    said = {2: [word("approve", plan=plan.fingerprint, entry=0)], 4: [word("approve", plan=plan.fingerprint, entry=1)]}
    history = every(30, 5, local, broker)
    twice = judged(history, policy(ASKS), words=said)
    (again,) = [each for each in twice[-1][1].plans if isinstance(each, Approved)]
    assert again.attempt == 1
    capped = judged(history, policy(ASKS, send_usd_per_day=dec("1000")), words=said)
    assert planned(capped) == [] and reasons(capped[-1][0]) == ["above_send_usd_per_day"]


def test_a_halted_account_sends_only_what_a_person_asked_for() -> None:
    """One asset halts: the order that a rule would send for another waits; one that was approved goes."""
    rules = (Rule(strategy=S.HALT_AND_ALERT, asset=("Y",)), FREE)
    local, broker = side(pos("X", "4"), pos("Y", "1")), side(pos("X", "10"), pos("Y", "9"))
    free = judged(every(30, 3, local, broker), policy(*rules))
    assert planned(free) == [] and reasons(free[-1][0]) == ["halted"]
    ask = policy(rules[0], ASKS)
    (order_plan,) = [
        each for each in judged(every(30, 2, local, broker), ask)[-1][1].plans if each.strategy is S.SYNC_TO_LOCAL
    ]
    said = {2: [word("approve", plan=order_plan.fingerprint, entry=0)]}
    assert [each.asset for each in planned(judged(every(30, 3, local, broker), ask, words=said))] == ["X"]


def test_what_the_account_itself_did_is_undone_by_a_person_alone() -> None:
    """A fill of our own was missed: a rule that sends everything without asking still asks before it trades it back."""
    known = fill("k", "buy", "1", own=True)
    local, broker = (
        side(pos("X", "4"), known),
        side(pos("X", "10"), known, fill("m", "buy", "6", client_order_id="c-k")),
    )
    result = judged(every(30, 2, local, broker), policy())
    assert {row.cause.code for row in result[-1][0].discrepancies} == {"MISSED_FILL"}
    assert actions(result[-1][0]) == ["submit_order awaiting_approval"]


def test_sending_by_turns_comes_to_an_end() -> None:
    """Somebody undoes each order of ours within three readings: the second time it is not sent again, it halts."""
    ours, back = fill("o", "sell", "6", at=40), fill("z", "buy", "6", at=70)
    local, off, on = side(pos("X", "4")), side(pos("X", "10")), side(pos("X", "4"), ours)
    history = [*every(30, 2, local, off), reading(60, local, on)]
    again = [*history, *every(30, 3, local, side(pos("X", "10"), ours, back), start=90)]
    results = judged(again, policy())
    assert all(not planned(results[: n + 1]) for n in range(2, len(results)))
    assert reasons(results[-1][0], "halt") == ["came_back"]


def test_cash_alone_is_never_traded() -> None:
    """A balance that differs has no order: it is said."""
    by = policy(Rule(strategy=S.SYNC_TO_LOCAL, approval=False))
    assert actions(told(every(30, 2, side(cash("9000")), side(cash("9900"))), by)[-1]) == ["alert planned"]
