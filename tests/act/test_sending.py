"""Orders that bring the broker to local: what they change at the broker, and that each is sent at most once, ever."""

from __future__ import annotations

import re
from collections import Counter
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from msgspec.structs import replace

from tests.act.desk import Power, PowerCut
from tests.act.sending_desk import SENDS, Desk, DyingClock
from tieout.act import Waiting
from tieout.brokers.base import Capabilities, OrderRequest
from tieout.brokers.simulated import Fault
from tieout.brokers.simulated.faults import Call
from tieout.decide import Policy, Rule
from tieout.live.reconciler import Account, PositionReconciler
from tieout.model.amounts import dec
from tieout.model.changes import SubmitOrder
from tieout.model.discrepancy import ReconciliationStrategy
from tieout.model.intent import Ended
from tieout.model.report import ReconciliationReport
from tieout.model.snapshot import SECTIONS


def actions(report: ReconciliationReport, kind: str = "submit_order") -> list[str]:
    """How far each action of a kind has come."""
    return [str(action.status) for action in report.actions if action.action == kind]


async def test_the_broker_is_brought_to_local_by_one_order() -> None:
    """The broker held 10 and local 4: six are sold, reduce-only, under an id of ours; the books are not touched."""
    desk = Desk()
    (effect,) = await desk.act(await desk.plans())
    assert (effect.ended, effect.why) == (Ended.DONE, None)
    assert desk.stated() == await desk.believed() == 4
    (request,) = desk.broker.asked
    assert (request.side, request.quantity, request.limit_price) == ("sell", dec("6"), dec("49.5"))
    assert request.reduce_only and request.type == "limit" and request.position_side is None
    assert effect.sent == request.client_order_id
    assert re.fullmatch(r"tieout-[a-z0-9]{25}", request.client_order_id)


async def test_an_order_names_the_leg_that_it_trades() -> None:
    """Ten long at the broker and four in the books: six of the long leg are sold, and nothing is sold short."""
    desk = Desk(leg="long")
    (effect,) = await desk.act(await desk.plans())
    assert (effect.ended, effect.why) == (Ended.DONE, None)
    assert desk.stated() == 4 and [row.leg for row in desk.world.snapshot("main").positions or ()] == ["long"]
    assert [request.position_side for request in desk.broker.asked] == ["long"]


@pytest.mark.parametrize(
    ("local", "held", "after", "orders"), [("4", "10", 4, 1), ("10", "4", 10, 1), ("-3", "-8", -3, 1), ("0", "6", 0, 1),
                                           ("5", "0", 5, 1), ("3", "-2", 3, 2)]
)  # fmt: skip
async def test_every_kind_of_difference_is_brought_to_local(local: str, held: str, after: Decimal, orders: int) -> None:
    """Too many, too few, short, alone at the broker, alone in the books, and opposite, by way of zero."""
    desk = Desk(local, held=held)
    seen = []
    for _ in range(6):
        await desk.reconcile()
        seen.append(desk.stated())
    assert desk.stated() == after and len(desk.broker.asked) == orders
    assert await desk.believed() == Decimal(local)
    assert orders == 1 or 0 in seen


async def test_what_rests_is_cancelled_when_its_time_is_up() -> None:
    """Two are to be had within the collar: the rest is cancelled after half a minute, and the case is done in part."""
    desk = Desk()
    plans = await desk.plans()
    desk.world.set_price("X", dec("50"), available=dec("2"))
    before = desk.clock.now()
    (effect,) = await desk.act(plans)
    assert (effect.ended, effect.why) == (Ended.DONE, "filled in part, then cancelled")
    assert [order.status for order in desk.ours()] == ["cancelled"] and desk.stated() == 8
    assert timedelta(seconds=30) <= desk.clock.now() - before < timedelta(seconds=40)
    for _ in range(4):
        await desk.reconcile()
    assert len(desk.broker.asked) == 1 and desk.stated() == 8


async def test_a_price_beyond_the_collar_is_not_taken() -> None:
    """The market fell by a tenth since the reading: nothing is sold, the order is cancelled and failed."""
    desk = Desk()
    plans = await desk.plans()
    desk.world.set_price("X", dec("45"))
    (effect,) = await desk.act(plans)
    assert (effect.ended, effect.why) == (Ended.FAILED, "it ended without a fill (cancelled)")
    assert desk.stated() == 10 and not [order for order in desk.ours() if order.live]


async def test_a_fill_that_comes_while_it_is_waited_for_counts() -> None:
    """The order rests, and fills after ten seconds: it is done, whole, and nothing is cancelled."""
    desk = Desk()
    plans = await desk.plans()
    desk.world.set_price("X", dec("45"))
    until = desk.clock.now() + timedelta(seconds=10)

    def market_comes_back() -> None:
        if desk.clock.now() >= until:
            desk.world.set_price("X", dec("50"))

    desk.clock.meanwhile = market_comes_back
    assert [(each.ended, each.why) for each in await desk.act(plans)] == [(Ended.DONE, None)]
    assert [order.status for order in desk.ours()] == ["filled"] and desk.stated() == 4


async def test_a_refused_order_is_a_failed_attempt() -> None:
    """The venue says no, or asks to wait: nothing rests, it failed, and the same break is not sent for again."""
    for fault in (Fault.REFUSED, Fault.THROTTLED):
        desk = Desk()
        desk.fault(fault, "submit_order")
        for _ in range(9):
            await desk.reconcile()
        assert desk.ends() == [[Ended.FAILED]] and len(desk.broker.asked) == 1 and desk.stated() == 10
        assert {halt.reason for halt in desk.state.history.halts.values()} == {"did_not_converge"}


@pytest.mark.parametrize("fault", [Fault.LOST_REPLY, Fault.MALFORMED])
async def test_a_lost_answer_is_read_back_and_not_sent_again(fault: Fault) -> None:
    """The order arrived and its answer did not: it is found by its id, and done."""
    desk = Desk()
    desk.fault(fault, "submit_order")
    assert [each.ended for each in await desk.act(await desk.plans())] == [Ended.DONE]
    assert len(desk.broker.asked) == 1 and desk.stated() == 4


async def test_a_lost_request_is_undone_only_when_it_is_too_late_to_arrive() -> None:
    """Nobody knows of it: for a minute it is too early to tell and nothing else is done; then another id is sent."""
    desk = Desk()
    desk.waiting = type(desk.waiting)(clock=desk.clock, seconds=dec("10"))
    desk.fault(Fault.LOST_REQUEST, "submit_order")
    plans = await desk.plans()
    (effect,) = await desk.act(plans)
    assert effect.ended is Ended.UNKNOWN and "too early to tell" in str(effect.why)
    assert [each.ended for each in await desk.recover()] == [Ended.UNKNOWN]
    desk.clock.advance(60)
    assert [(each.ended, each.why) for each in await desk.recover()] == [(Ended.UNDONE, "the order never arrived")]
    await desk.reconcile()
    names = [request.client_order_id for request in desk.broker.asked]
    assert len(set(names)) == len(names) == 2 and desk.stated() == 4


async def test_a_venue_that_hides_the_order_is_not_believed() -> None:
    """It says no such order for minutes, while its list of fills, or its position, shows that there was one: never again."""
    desk = Desk()
    desk.fault(Fault.LOST_REPLY, "submit_order")
    desk.fault(Fault.EMPTY, "get_order", times=None)
    plans = await desk.plans()
    await desk.act(plans)
    for _ in range(4):
        desk.clock.advance(300)
        assert [each.ended for each in await desk.recover()] == [Ended.UNKNOWN]
    desk.fault(Fault.EMPTY, "get_fills", times=None)
    desk.fault(Fault.EMPTY, "get_open_orders", times=None)
    desk.broker.faults.clear()
    assert [each.ended for each in await desk.recover()] == [Ended.DONE]
    assert len(desk.broker.asked) == 1 and desk.stated() == 4


@pytest.mark.parametrize("calls", [("get_order",), ("get_order", "server_time"), ("get_order", "get_fills")])
async def test_while_nobody_answers_nobody_knows(calls: tuple[Call, ...]) -> None:
    """A venue that is down while the order is waited for leaves it unknown; once it answers, the truth is found out."""
    desk = Desk()
    plans = await desk.plans()
    desk.fault(Fault.LATENCY, "submit_order", seconds=0)
    original = desk.broker.submit_order

    async def submit_and_fall_silent(request: OrderRequest) -> object:
        order = await original(request)
        desk.fault(Fault.UNAVAILABLE, *calls, times=None)
        return order

    desk.broker.submit_order = submit_and_fall_silent  # type: ignore[method-assign,assignment]
    assert [each.ended for each in await desk.act(plans)] == [Ended.UNKNOWN]
    assert [each.ended for each in await desk.recover()] == [Ended.UNKNOWN]
    desk.broker.faults.clear()
    assert [each.ended for each in await desk.recover()] == [Ended.DONE]
    assert len(desk.broker.asked) == 1 and desk.stated() == 4


async def test_a_cancel_that_is_lost_is_asked_again() -> None:
    """The venue acknowledges three cancels and does nothing: the order is cancelled in the end, and only then failed."""
    desk = Desk()
    plans = await desk.plans()
    desk.world.set_price("X", dec("45"))
    desk.fault(Fault.CANCEL_LOST, "cancel_order", times=3)
    assert [each.ended for each in await desk.act(plans)] == [Ended.FAILED]
    assert [order.status for order in desk.ours()] == ["cancelled"]


async def test_an_order_that_cannot_be_ended_stops_everything_else() -> None:
    """Cancels never arrive: unknown, and recovery keeps at it until the order is gone."""
    desk = Desk()
    plans = await desk.plans()
    desk.world.set_price("X", dec("45"))
    desk.fault(Fault.CANCEL_LOST, "cancel_order", times=None)
    (effect,) = await desk.act(plans)
    assert effect.ended is Ended.UNKNOWN and "does not end" in str(effect.why)
    await desk.reconcile()
    assert len(desk.broker.asked) == 1 and desk.journal.unfinished()
    desk.broker.faults.clear()
    assert [each.ended for each in await desk.recover()] == [Ended.FAILED]
    assert not [order for order in desk.ours() if order.live]


async def test_what_moved_since_it_was_decided_is_left_alone() -> None:
    """Books or broker moved, or a stranger's order is live there: skipped, nothing sent, and decided anew later."""
    for move in ("books", "broker", "order"):
        desk = Desk()
        plans = await desk.plans()
        if move == "books":
            desk.books.ledger.set_position("X", "net", dec("5"), reason="somebody")
        elif move == "broker":
            desk.world.trade("main", "X", "sell", dec("1"), dec("50"))
        else:
            request = OrderRequest(
                client_order_id="q", asset="X", side="sell", quantity=dec("1"), limit_price=dec("90")
            )
            desk.world.submit("main", request)
        (effect,) = await desk.act(plans)
        expected = "books_moved" if move == "books" else "broker_moved"
        assert effect.ended is None and str(effect.why).startswith(expected)
        assert desk.broker.asked == [] and desk.journal.intents == {}


async def test_a_side_that_cannot_be_read_sends_nothing() -> None:
    """Positions that fail or come in part, orders that do not come: not tried."""
    for fault, call in (
        (Fault.PARTIAL, "get_positions"),
        (Fault.TIMEOUT, "get_open_orders"),
        (Fault.TIMEOUT, "get_order"),
    ):
        desk = Desk()
        plans = await desk.plans()
        desk.fault(fault, call)  # type: ignore[arg-type]
        (effect,) = await desk.act(plans)
        assert effect.ended is None and str(effect.why).startswith("not_read") and desk.broker.asked == []


async def test_a_venue_that_cannot_look_orders_up_is_sent_none() -> None:
    """Without a lookup by our id a lost answer could never be resolved: nothing is sent."""
    for able in (Capabilities(sections=frozenset(SECTIONS), order_lookup=False),
                 Capabilities(sections=frozenset(SECTIONS), client_order_ids=False)):  # fmt: skip
        desk = Desk()
        plans = await desk.plans()
        desk.broker.capabilities = lambda able=able: able  # type: ignore[method-assign,misc]
        assert [each.why for each in await desk.act(plans)] == ["venue_cannot_look_up"]
        assert desk.broker.asked == []


async def test_a_venue_without_reduce_only_is_not_asked_for_it() -> None:
    """The flag is sent where the venue enforces it, and nowhere else."""
    desk = Desk()
    plans = await desk.plans()
    desk.broker.capabilities = lambda: Capabilities(sections=frozenset(SECTIONS))  # type: ignore[method-assign]
    await desk.act(plans)
    assert [request.reduce_only for request in desk.broker.asked] == [False]


async def test_a_record_that_was_lost_does_not_send_the_order_again() -> None:
    """The journal was restored from before the order: its id is known at the venue, and it is not sent a second time."""
    desk = Desk()
    desk.world.set_price("X", dec("50"), available=dec("0.001"))
    plans = await desk.plans()
    await desk.act(plans)
    desk.journal.intents.clear()
    desk.journal.ends.clear()
    local = replace(plans[0].changes[0], broker_amount=desk.stated())
    assert isinstance(local, SubmitOrder)
    (effect,) = await desk.act([replace(plans[0], changes=(local,))])
    assert (effect.ended, effect.why) == (None, "already_sent")
    assert len(desk.broker.asked) == 1


MARKETS = {"there": (dec("50"), None), "away": (dec("45"), None), "thin": (dec("50"), dec("2"))}
POINTS = frozenset(
    ("before intend", "between intend and the act", "before the submit", "after the submit", "after a look", "while waiting",
     "after the cancel", "between the act and conclude", "after conclude")
)  # fmt: skip


@pytest.mark.parametrize("market", ["there", "away", "thin"])
async def test_wherever_it_dies_the_order_is_sent_at_most_once(market: str) -> None:
    """For each point of sending: die there, recover, go on. No id is sent twice, and no order rests."""
    met: set[str] = set()
    for lasts in range(200):
        desk = Desk()
        await desk.judge()
        desk.broker.market = MARKETS[market]
        died = False
        try:
            await desk.reconcile(Power(lasts))
        except PowerCut as cut:
            died = True
            met.add(str(cut))
        for _ in range(10):
            await desk.reconcile()
        sent = Counter(request.client_order_id for request in desk.broker.asked)
        arrived = desk.world.submits_seen("main")
        assert set(sent.values()) <= {1} and all(count == 1 for name, count in arrived.items() if name in sent)
        assert len(desk.ours()) <= 1, "an order that arrived is the only one ever"
        assert 4 <= desk.stated() <= 10 and not [order for order in desk.ours() if order.live]
        assert not desk.journal.unfinished()
        assert desk.stated() == {"there": 4, "away": 10, "thin": 8}[market]
        if not died:
            break
    assert lasts > 5
    assert met >= POINTS - {"after the cancel", "while waiting"} and (market == "there" or met == POINTS)


@pytest.mark.parametrize(
    "fault", [Fault.LOST_REPLY, Fault.LOST_REQUEST, Fault.TIMEOUT, Fault.UNAVAILABLE, Fault.THROTTLED]
)
async def test_a_crash_on_top_of_a_fault_sends_no_second_order(fault: Fault) -> None:
    """An answer is lost, and the process dies at any point after it: what arrived is the only order that ever does."""
    for lasts in range(0, 120, 3):
        desk = Desk()
        await desk.judge()
        desk.fault(fault, "submit_order")
        try:
            await desk.reconcile(Power(lasts))
            died = False
        except PowerCut:
            died = True
        for _ in range(12):
            await desk.reconcile()
        assert max(Counter(request.client_order_id for request in desk.broker.asked).values()) == 1
        filled = sum((order.done for order in desk.ours()), dec("0"))
        assert filled in (0, 6) and desk.stated() == 10 - filled
        assert not desk.journal.unfinished()
        if not died:
            break


# --- the whole road


async def reconciler(desk: Desk, policy: Policy | None = None) -> PositionReconciler:
    """The real reconciler over a desk."""
    account = Account(name="main", local=desk.books, broker=desk.broker, policy=policy or desk.policy)
    return PositionReconciler({"main": account}, desk.clock)


async def rounds(desk: Desk, road: PositionReconciler, times: int) -> list[ReconciliationReport]:
    """So many reconciliations, half a minute apart."""
    reports = []
    for _ in range(times):
        desk.clock.advance(30)
        reports.append(await road.reconcile("main"))
    return reports


async def test_end_to_end_the_position_is_in_step_and_the_report_says_what_was_sent() -> None:
    """Two readings confirm, the second sends: done, with asset, side and id. From then on the position matches."""
    desk = Desk()
    reports = await rounds(desk, await reconciler(desk), 4)
    assert actions(reports[0]) == [] and actions(reports[0], "wait") == ["planned"]
    (sent,) = [action for action in reports[1].actions if action.action == "submit_order"]
    assert (sent.status, sent.detail["asset"], sent.detail["side"]) == ("done", "X", "sell")
    assert sent.detail["client_order_id"] == desk.broker.asked[0].client_order_id
    assert not {"amount", "quantity", "usd"} & sent.detail.keys()
    assert desk.stated() == await desk.believed() == 4
    for report in reports[2:]:
        assert [row.domain for row in report.discrepancies if row.domain == "position"] == []
        assert actions(report) == actions(report, "halt") == []


async def test_after_it_the_brokers_cash_differs_by_the_trade_and_is_told() -> None:
    """The sale realised a loss at the broker that local never made: the position is in step, and the next readings say
    that cash differs and that there is a fill that local lacks; nothing is booked for it without a person."""
    desk = Desk()
    desk.world.set_price("X", dec("40"))
    reports = await rounds(desk, await reconciler(desk), 4)
    assert desk.stated() == await desk.believed() == 4
    cash = [row for row in reports[-1].discrepancies if row.domain == "balance"]
    assert [(row.asset, row.difference, str(row.severity)) for row in cash] == [("USD", dec("-60"), "MINOR")]
    assert {str(row.strategy) for row in reports[-1].discrepancies} == {"WARN_ONLY"}
    assert {str(action.action) for action in reports[-1].actions if action.status == "planned"} == {"alert"}


async def test_by_default_a_person_is_asked_and_nothing_is_sent() -> None:
    """A rule without a word on approval: it waits, for as long as it takes."""
    rule = Rule(strategy=ReconciliationStrategy.SYNC_TO_LOCAL, domain=("position",))
    desk = Desk(policy=Policy(rules=(rule,)))
    reports = await rounds(desk, await reconciler(desk), 5)
    assert actions(reports[-1]) == ["awaiting_approval"]
    assert desk.broker.asked == [] and desk.stated() == 10


async def test_a_partial_fill_halts_and_sends_no_more() -> None:
    """Two of six were to be had: done in part, and when the rest still stands it halts instead of trying once more."""
    desk = Desk()
    desk.world.set_price("X", dec("50"), available=dec("2"))
    reports = await rounds(desk, await reconciler(desk), 9)
    (sent,) = [action for action in reports[1].actions if action.action == "submit_order"]
    assert (sent.status, sent.detail["outcome"]) == ("done", "filled in part, then cancelled")
    assert actions(reports[-1], "halt") == ["planned"] and actions(reports[-1]) == []
    assert len(desk.broker.asked) == 1 and desk.stated() == 8
    assert SENDS.approval is False


class SetClock(DyingClock):
    """A clock whose wall time an administrator sets; nobody can set what it measures with."""

    wall = timedelta()

    def now(self) -> datetime:
        """The wall time."""
        return super().now() + self.wall


@pytest.mark.parametrize("hours", [-1, 1])
async def test_a_wall_clock_that_is_set_changes_no_patience(hours: int) -> None:
    """An order rests for its 30 seconds and is then cancelled, though the wall clock is set while it is waited for."""
    desk = Desk()
    plans = await desk.plans()
    desk.world.set_price("X", dec("45"))
    clock = SetClock(desk.clock.now())
    desk.waiting = Waiting(clock=clock)
    seconds: list[float] = []

    def meanwhile() -> None:
        clock.wall = timedelta(hours=hours)
        seconds.append(1)
        assert len(seconds) < 100, "it waits for ever"

    clock.meanwhile = meanwhile
    (effect,) = await desk.act(plans)
    assert (len(seconds), [order.status for order in desk.ours()]) == (30, ["cancelled"])
    assert effect.ended is Ended.FAILED


async def test_a_wall_clock_that_is_put_right_does_not_make_an_order_old() -> None:
    """It was ten minutes behind the venue and is set while the order is looked for: it is still too early to tell."""
    desk = Desk()
    plans = await desk.plans()
    clock = SetClock(desk.clock.now())
    clock.wall = timedelta(minutes=-10)
    desk.waiting = Waiting(clock=clock, lag_seconds=Decimal(300))
    clock.meanwhile = lambda: setattr(clock, "wall", timedelta())
    desk.fault(Fault.LOST_REQUEST, "submit_order")
    (effect,) = await desk.act(plans)
    assert (effect.ended, effect.why) == (
        Ended.UNKNOWN,
        "the venue does not know the order, and it is too early to tell",
    )
