"""What moves while an intent goes to the disk: the engine trades on, and nothing that it heard is written over."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from msgspec.structs import replace

from tests.act.desk import Notebook
from tests.act.sending_desk import Desk as SendingDesk
from tests.act.test_outcomes import ADRIFT, EXTRA, known, plan, strangers
from tieout.act import apply
from tieout.model.amounts import dec
from tieout.model.changes import Change, SetBalance, SetPosition, UpdateOrder
from tieout.model.intent import Ended, Intent


class SlowNotebook(Notebook):
    """A journal that takes its time; something happens before an intent is on the disk."""

    def __init__(self, meanwhile: Callable[[], object]) -> None:
        super().__init__()
        self.meanwhile = meanwhile

    async def intend(self, intent: Intent) -> None:
        """Keep it, late."""
        self.meanwhile()
        await super().intend(intent)


@pytest.mark.parametrize(
    "change",
    [
        SetPosition("X", "net", dec("7"), "test"),
        SetBalance("USD", dec("7"), "test"),
        UpdateOrder(replace(ADRIFT, client_order_id="own-known", limit_price=dec("2"))),
    ],
)
@pytest.mark.parametrize("remembered", [True, False])
async def test_a_fill_that_comes_while_the_intent_is_kept_is_not_written_over(change: Change, remembered: bool) -> None:
    """The engine books a fill before the intent is on the disk: the act is off, its intent ends as undone, the fill stays."""
    desk = await known()
    observed = await desk.books.read()
    fill = replace(EXTRA, quantity=dec("0.4"), client_order_id="own-known")
    desk.journal = SlowNotebook(lambda: desk.books.book_fill(fill, reason="the engine's own"))
    (effect,) = await apply(
        [plan(change)], account="main", report_id="r", books=desk.books, broker=desk.broker, journal=desk.journal,
        observed=observed if remembered else None,
    )  # fmt: skip
    assert (effect.ended, effect.why) == (Ended.UNDONE, "books_moved")
    assert (await desk.amount(), list(desk.journal.ends.values())) == (dec("11.4"), [[Ended.UNDONE]])
    order = desk.books.orders.find(client_order_id="own-known")
    assert order is not None and order.filled == dec("0.4")


async def test_an_order_is_not_sent_for_books_that_moved_while_its_intent_was_kept() -> None:
    """Local hears of the missing contracts in the meantime: no order brings the broker to what local no longer believes."""
    desk = SendingDesk()
    plans = await desk.plans()
    keep = desk.journal.intend

    async def late(intent: Intent) -> None:
        desk.books.ledger.set_position("X", "net", Decimal(10), reason="it heard")
        await keep(intent)

    desk.journal.intend = late  # type: ignore[method-assign]
    (effect,) = await desk.act(plans)
    assert (effect.ended, effect.why, effect.sent, desk.broker.asked) == (Ended.UNDONE, "books_moved", None, [])
    assert desk.journal.unfinished() == []


async def test_an_order_that_becomes_our_own_while_the_intent_is_kept_is_not_cancelled() -> None:
    """Local registers it before the intent is on the disk: it stays."""
    desk, plans = await strangers()
    (order,) = await desk.broker.get_open_orders()
    desk.journal = SlowNotebook(lambda: desk.books.orders.register(replace(order, broker_order_id=None)))
    (effect,) = await desk.act(plans)
    assert (effect.ended, effect.why) == (Ended.UNDONE, "own_order")
    assert len(await desk.broker.get_open_orders()) == 1
