"""Every kind of break, each made on a stage as it comes about: at the venue, in the books, or between the two."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal

from msgspec import Struct

from tests.integration.live.stage import Stage
from tieout.brokers.base import OrderRequest
from tieout.model.discrepancy import Domain
from tieout.model.snapshot import Order

Make = Callable[[Stage], Awaitable[None]]


class Kind(Struct, frozen=True):
    """A kind of break: its domain and type as the report names them, and what makes it."""

    domain: Domain
    type: str
    make: Make
    waits: bool = False  # no record explains it: a second reading has to show it again


async def missed_fill(stage: Stage) -> None:
    """The venue filled an order of ours; the books did not hear of it."""
    stage.missed(3)


async def other_quantity(stage: Stage) -> None:
    """The books say 98, without a record that says why."""
    stage.books.ledger.set_position("AAPL", "net", Decimal(98), reason="a hand gone wrong")


async def other_side(stage: Stage) -> None:
    """The books say short."""
    stage.books.ledger.set_position("MSFT", "net", Decimal(-1), reason="a hand gone wrong")


async def not_in_books(stage: Stage) -> None:
    """The books know nothing of a position."""
    stage.books.ledger.set_position("MSFT", "net", Decimal(0), reason="a hand gone wrong")


async def not_at_broker(stage: Stage) -> None:
    """The books have a position that the broker does not."""
    stage.books.ledger.set_position("TSLA", "net", Decimal(1), reason="a hand gone wrong", average_price=Decimal(250))
    stage.books.set_prices({"TSLA": Decimal(250)})


async def dividend(stage: Stage) -> None:
    """The broker paid a dividend; the books did not hear of it."""
    stage.world.office.pay("main", "dividend", "USD", Decimal("123.45"))


async def other_cash(stage: Stage) -> None:
    """The books say 2 % less, without a record that says why."""
    cash = (await stage.ours()).cash["USD"]
    stage.books.ledger.set_balance("USD", cash - 1200, reason="a hand gone wrong")


async def currency_not_in_books(stage: Stage) -> None:
    """The broker has euros of which the books know nothing, not even the deposit."""
    stage.world.office.pay("main", "deposit", "EUR", Decimal(700))


async def currency_not_at_broker(stage: Stage) -> None:
    """The books have euros that the broker does not."""
    stage.books.ledger.set_balance("EUR", Decimal(700), reason="a hand gone wrong")


async def other_locked(stage: Stage) -> None:
    """The books, a file, say that dollars are held back; the broker holds none."""
    await stage.into_a_file(locked=900)
    await stage.start()


async def never_arrived(stage: Stage) -> None:
    """The books have a live order that the venue never saw."""
    now = stage.clock.now()
    stage.books.orders.register(
        Order(
            asset="AAPL", side="buy", quantity=Decimal(5), status="open", client_order_id=stage.name(), type="limit",
            filled=Decimal(0), limit_price=Decimal(50), created_at=now, updated_at=now,
        )
    )  # fmt: skip


def _strange(stage: Stage, name: str) -> Order:
    return stage.world.submit(
        "main",
        OrderRequest(client_order_id=name, asset="AAPL", side="buy", quantity=Decimal(2), limit_price=Decimal(50)),
    )


async def strangers_order(stage: Stage) -> None:
    """Somebody else sent an order."""
    _strange(stage, "app-1")


async def forgotten_order(stage: Stage) -> None:
    """An order of ours rests at the venue; the books do not know it any more."""
    _strange(stage, stage.name())


async def unheard_end(stage: Stage) -> None:
    """The venue let an order of ours expire."""
    order = stage.rest()
    assert order.broker_order_id is not None
    stage.world.end("main", order.broker_order_id, "expired")


async def unheard_part(stage: Stage) -> None:
    """Two parts of an order were filled; the books have both fills, and the order heard of the first only."""
    order = stage.rest(10)
    assert order.broker_order_id is not None
    for quantity in (3, 4):
        fill = stage.world.fill("main", order.broker_order_id, Decimal(quantity), Decimal(190))
        if quantity == 3:
            stage.books.book_fill(fill)
        else:
            stage.books.ledger.book_fill(fill)


async def amended(stage: Stage) -> None:
    """The venue changed an order's limit."""
    order = stage.rest()
    assert order.broker_order_id is not None
    stage.world.amend("main", order.broker_order_id, limit_price=Decimal(55))


async def fill_unlisted(stage: Stage) -> None:
    """The books were set to what a trade led to, and the trade itself is not among their fills."""
    stage.missed(3)
    truth = stage.theirs()
    order = next(order for order in stage.books.orders.orders if order.live)
    stage.books.orders.advance("filled", stage.clock.now(), client_order_id=order.client_order_id)
    amount, average = truth.positions["AAPL"]
    stage.books.ledger.set_position("AAPL", "net", amount, reason="by hand", average_price=average)
    stage.books.ledger.set_balance("USD", truth.cash["USD"], reason="by hand")


KINDS = {
    "a missed fill": Kind("position", "QUANTITY_MISMATCH", missed_fill),
    "another quantity": Kind("position", "QUANTITY_MISMATCH", other_quantity, waits=True),
    "the other side": Kind("position", "SIDE_MISMATCH", other_side, waits=True),
    "a position missing in the books": Kind("position", "MISSING_LOCAL", not_in_books, waits=True),
    "a position missing at the broker": Kind("position", "MISSING_BROKER", not_at_broker, waits=True),
    "an unheard dividend": Kind("balance", "BALANCE_MISMATCH", dividend),
    "other cash": Kind("balance", "BALANCE_MISMATCH", other_cash, waits=True),
    "a currency missing in the books": Kind("balance", "MISSING_LOCAL", currency_not_in_books),
    "a currency missing at the broker": Kind("balance", "MISSING_BROKER", currency_not_at_broker, waits=True),
    "other locked cash": Kind("balance", "LOCKED_MISMATCH", other_locked),
    "an order that never arrived": Kind("order", "ORPHANED_LOCAL", never_arrived, waits=True),
    "a stranger's order": Kind("order", "ORPHANED_BROKER", strangers_order),
    "a forgotten order of ours": Kind("order", "ORPHANED_BROKER", forgotten_order),
    "an unheard end": Kind("order", "STATUS_MISMATCH", unheard_end),
    "an unheard part": Kind("order", "FILLED_MISMATCH", unheard_part),
    "an amended limit": Kind("order", "TERMS_MISMATCH", amended),
    "a fill alone": Kind("fill", "MISSING_LOCAL", fill_unlisted),
}
