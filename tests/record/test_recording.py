"""A day on the desk, kept: what is restored, what is acted on once, what it costs."""

from __future__ import annotations

from decimal import Decimal

from sqlalchemy import func, select

from tests.live.recorded import RecordedDesk
from tieout.model.discrepancy import ActionKind, ActionStatus
from tieout.model.report import ReconciliationReport
from tieout.model.snapshot import Order
from tieout.record.log import read_head
from tieout.record.settings import RecordSettings
from tieout.record.store.schema import actions, break_history, breaks, live_positions, reports


def statuses(report: ReconciliationReport) -> list[ActionStatus]:
    """What became of the bookings."""
    return [action.status for action in report.actions if action.action is ActionKind.BOOK_FILL]


def missed_fill(desk: RecordedDesk) -> None:
    """The venue fills an order of the desk's own, and the stream drops it."""
    desk.books.orders.register(
        Order(
            asset="AAPL",
            side="buy",
            quantity=Decimal(3),
            status="open",
            client_order_id="c-1",
            updated_at=desk.clock.now(),
        )
    )
    desk.world.trade("main", "AAPL", "buy", Decimal(3), Decimal(191), client_order_id="c-1")


async def test_a_cure_is_kept_from_intent_to_outcome(settings: RecordSettings) -> None:
    """A missed fill: the reading, the decision, the intent and the outcome are on the disk, and the break is closed."""
    desk = RecordedDesk(settings)
    record = await desk.start()
    missed_fill(desk)
    first, second = await desk.read(), await desk.read()
    assert statuses(first) == [ActionStatus.DONE]
    assert second.status == "matched"
    rows = await record.database.read(lambda connection: connection.execute(select(actions)).all())
    assert [(row.status, row.outcome is not None) for row in rows] == [("done", True)]
    closed = await record.database.read(lambda connection: connection.execute(select(breaks.c.closed_at)).all())
    assert all(row.closed_at is not None for row in closed)
    life = await record.database.read(
        lambda connection: connection.execute(select(break_history.c.event).order_by(break_history.c.id)).all()
    )
    assert {row.event for row in life} == {"reading", "closed"}
    positions = await record.database.read(lambda connection: connection.execute(select(live_positions)).all())
    assert [(row.asset, row.amount) for row in positions] == [("AAPL", Decimal(103))]
    await record.close()


async def test_a_restart_goes_on_where_it_was(settings: RecordSettings) -> None:
    """A desk that is started again before each reading judges as one that never stopped."""
    steady, restless = RecordedDesk(settings), RecordedDesk(settings)
    for desk in (steady, restless):
        missed_fill(desk)
    told = []
    for number in range(6):
        if number in (2, 4):
            for desk in (steady, restless):
                desk.world.trade("main", "AAPL", "sell", Decimal(1), Decimal(190), client_order_id=f"by-hand-{number}")
        await restless.start()
        told.append((await steady.read(), await restless.read()))
    assert restless.record is not None
    await restless.record.close()
    assert [one for one, _ in told] == [other for _, other in told]


async def test_a_reading_in_which_nothing_changed_costs_little(settings: RecordSettings) -> None:
    """What did not change is stored once: one entry, one record, one report row a reading; two entries for the start."""
    desk = RecordedDesk(settings)
    record = await desk.start()
    for _ in range(5):
        assert (await desk.read()).status == "matched"
    head = await record.database.read(read_head)
    count = await record.database.read(
        lambda connection: connection.execute(select(func.count()).select_from(reports)).scalar()
    )
    await record.close()
    assert (head.size, count) == (7, 5)  # the start, and once more with what the venue lists
