"""What can go wrong, a class each: what happens, and what the policy is meant to do about it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from tests.workload.floor import Floor
from tieout.brokers.base import OrderRequest
from tieout.brokers.simulated import Fault, FaultRule
from tieout.model.snapshot import Fill, Order, Position

End = Literal["heals", "warns", "waits", "halts", "passes"]
Happen = Callable[[Floor], Awaitable[None]]


class Kind(Struct, frozen=True):
    """A class of breaks: `heals` without a person; `warns`, `waits` for approval or `halts`; `passes` by itself."""

    name: str
    end: End
    happen: Happen


async def missed_fill(floor: Floor) -> None:
    floor.filled(floor.rest())


async def missed_fills(floor: Floor) -> None:
    order = floor.rest(Decimal(6))
    for _ in range(3):
        floor.filled(order, Decimal(2))


async def half_heard(floor: Floor) -> None:
    order = floor.rest(Decimal(8))
    floor.books.book_fill(floor.filled(order, Decimal(3)))
    floor.filled(order, Decimal(5))


async def large_missed_fill(floor: Floor) -> None:
    order = floor.rest(Decimal(40))
    floor.filled(order)


async def missed_sale(floor: Floor) -> None:
    floor.filled(floor.send("MSFT", "sell", floor.quantity(1, 5), Decimal(4000)), price=Decimal(4000))


async def wrong_price(floor: Floor) -> None:
    heard = floor.filled(floor.rest(Decimal(10)))
    floor.books.book_fill(replace(heard, price=heard.price + Decimal(3)))


async def fee_unheard(floor: Floor) -> None:
    heard = floor.filled(floor.rest(Decimal(60)))
    floor.books.book_fill(replace(heard, fee=None, fee_currency=None))


async def doubled(floor: Floor) -> None:
    heard = floor.filled(floor.rest(Decimal(4)))
    floor.books.book_fill(heard)
    await _booked_again(floor, heard)


async def _booked_again(floor: Floor, fill: Fill) -> None:
    """The books list and count a fill twice."""
    said = await floor.books.read()
    cost = fill.quantity * fill.price + (fill.fee or Decimal(0))
    positions = tuple(_with(row, fill) if row.asset == fill.asset else row for row in said.positions or ())
    balances = tuple(
        replace(row, total=row.total - cost) if row.currency == "USD" else row for row in said.balances or ()
    )
    floor.reopen(replace(said, positions=positions, balances=balances, fills=(*(said.fills or ()), fill)))


def _with(row: Position, fill: Fill) -> Position:
    assert row.average_price is not None
    amount = row.amount + fill.quantity
    paid = row.amount * row.average_price + fill.quantity * fill.price
    return replace(row, amount=amount, average_price=paid / amount)


def paid(kind: str, low: int, high: int) -> Happen:
    async def happen(floor: Floor) -> None:
        amount = Decimal(floor.rng.randint(low, high)) + Decimal("0.37")
        floor.world.office.pay("main", kind, "USD", amount)  # type: ignore[arg-type]

    return happen


def moved(kind: str, low: int, high: int) -> Happen:
    """Cash that comes or goes: thousandths of what there is, both bounds below 0 for what goes."""

    async def happen(floor: Floor) -> None:
        cash = next(row.total for row in floor.world.snapshot("main").balances or () if row.currency == "USD")
        amount = (cash * Decimal(floor.rng.randint(low, high)) / 1000).quantize(Decimal("0.01"))
        floor.world.office.pay("main", kind, "USD", amount)  # type: ignore[arg-type]

    return happen


async def split(floor: Floor) -> None:
    floor.world.office.split("MSFT", floor.rng.choice(("2", "4", "1/2")))


async def renamed(floor: Floor) -> None:
    floor.world.office.rename("FB", "META")


async def merged(floor: Floor) -> None:
    floor.world.office.move("main", "merger", "OLD", Decimal(-50), new_asset="NEW", new_amount=Decimal(20))


async def wrong_quantity(floor: Floor) -> None:
    held = next(row.amount for row in floor.world.snapshot("main").positions or () if row.asset == "AAPL")
    off = (held * Decimal("0.03")).quantize(Decimal("0.01"))
    heard = floor.filled(floor.rest(off + 2))
    floor.books.book_fill(replace(heard, quantity=Decimal(2)))


async def phantom(floor: Floor) -> None:
    held = next(row.amount for row in floor.world.snapshot("main").positions or () if row.asset == "AAPL")
    off = (held * Decimal("0.03")).quantize(Decimal("0.01"))
    order = floor.rest(off + 1)
    floor.books.book_fill(
        Fill(
            f"ghost-{order.broker_order_id}", "AAPL", "buy", off, Decimal(190), floor.clock.now(),
            broker_order_id=order.broker_order_id, client_order_id=order.client_order_id, quote="USD",
        )
    )  # fmt: skip


async def unheard_end(floor: Floor) -> None:
    order = floor.rest()
    assert order.broker_order_id is not None
    floor.world.end("main", order.broker_order_id, floor.rng.choice(("expired", "cancelled")))


async def partly_filled_then_cancelled(floor: Floor) -> None:
    order = floor.rest(Decimal(9))
    floor.filled(order, Decimal(4))
    floor.world.cancel("main", client_order_id=order.client_order_id)


async def lost_submission(floor: Floor) -> None:
    now, name, quantity = floor.clock.now(), floor.name(), floor.quantity(1, 9)
    sent = Order(
        asset="AAPL", side="buy", quantity=quantity, status="pending", client_order_id=name, type="limit",
        filled=Decimal(0), limit_price=Decimal(50), created_at=now, updated_at=now,
    )  # fmt: skip
    floor.books.orders.register(sent)
    request = OrderRequest(client_order_id=name, asset="AAPL", side="buy", quantity=quantity, limit_price=Decimal(50))
    floor.world.submit("main", request)
    floor.books.orders.advance("rejected", now, client_order_id=name)


async def never_arrived(floor: Floor) -> None:
    now = floor.clock.now()
    floor.books.orders.register(
        Order(
            asset="AAPL", side="buy", quantity=floor.quantity(1, 9), status="open", client_order_id=floor.name(),
            type="limit", filled=Decimal(0), limit_price=Decimal(50), created_at=now, updated_at=now,
        )
    )  # fmt: skip


async def rounded(floor: Floor) -> None:
    held = {row.asset: row.amount for row in (await floor.books.read()).positions or ()}
    off = Decimal(floor.rng.choice(("0.004", "-0.003", "0.007")))
    floor.books.ledger.set_position("AAPL", "net", held["AAPL"] + off, reason="a rounding somewhere")


async def two_at_once(floor: Floor) -> None:
    await missed_fill(floor)
    await paid("funding", -300, -60)(floor)


async def just_traded(floor: Floor) -> None:
    """A fill that is on its way when both sides are read."""
    floor.clock.advance(18)
    order = floor.rest()
    floor.clock.advance(-0.0)
    floor.filled(order)


def by_hand(low: int, high: int) -> Happen:
    async def happen(floor: Floor) -> None:
        side = floor.rng.choice(("buy", "sell"))
        held = next(row.amount for row in floor.world.snapshot("main").positions or () if row.asset == "AAPL")
        share = Decimal(floor.rng.randint(low, high)) / 1000
        floor.world.trade("main", "AAPL", side, (held * share).quantize(Decimal("0.01")), floor.price())  # type: ignore[arg-type]

    return happen


async def strange_order(floor: Floor) -> None:
    floor.world.submit(
        "main",
        OrderRequest(
            client_order_id=f"app-{floor.rng.random()}",
            asset="AAPL",
            side="buy",
            quantity=Decimal(2),
            limit_price=Decimal(50),
        ),
    )


async def liquidated(floor: Floor) -> None:
    floor.world.trade("main", "AAPL", "sell", Decimal(10), floor.price(), liquidation=True)


def unknown(low: int, high: int) -> Happen:
    async def happen(floor: Floor) -> None:
        held = {row.asset: row.amount for row in (await floor.books.read()).positions or ()}["AAPL"]
        share = 1 + Decimal(floor.rng.randint(low, high)) / 1000
        floor.books.ledger.set_position(
            "AAPL", "net", (held * share).quantize(Decimal("0.01")), reason="a hand gone wrong"
        )

    return happen


def trouble(fault: Fault, *calls: str) -> Happen:
    async def happen(floor: Floor) -> None:
        await missed_fill(floor)
        rule = FaultRule(fault=fault, calls=frozenset(calls) or None, times=1, seconds=300)  # type: ignore[arg-type]
        floor.broker.faults.inject(rule)

    return happen


KINDS = (
    Kind("a missed fill", "heals", missed_fill),
    Kind("three missed fills of one order", "heals", missed_fills),
    Kind("a fill heard, the next one missed", "heals", half_heard),
    Kind("a missed fill of a fifth of the position", "heals", large_missed_fill),
    Kind("a missed sale", "heals", missed_sale),
    Kind("a fill booked at another price", "heals", wrong_price),
    Kind("a fee that was not heard of", "heals", fee_unheard),
    Kind("a fill booked twice", "heals", doubled),
    Kind("funding", "heals", paid("funding", -900, -50)),
    Kind("interest", "heals", paid("interest", 20, 400)),
    Kind("a dividend", "heals", paid("dividend", 20, 400)),
    Kind("a rebate", "heals", paid("rebate", 20, 400)),
    Kind("a fee for data", "heals", paid("fee", -400, -20)),
    Kind("a split", "heals", split),
    Kind("a renamed share", "heals", renamed),
    Kind("a merger", "heals", merged),
    Kind("cash in lieu", "heals", paid("cash_in_lieu", 20, 400)),
    Kind("a fill booked with another quantity", "heals", wrong_quantity),
    Kind("a fill that never was", "heals", phantom),
    Kind("a withdrawal of 1 to 5 %", "heals", moved("withdrawal", -40, -15)),
    Kind("a transfer of 1 to 5 %", "heals", moved("transfer", -40, -15)),
    Kind("an end that was not heard of", "heals", unheard_end),
    Kind("filled in part, then cancelled", "heals", partly_filled_then_cancelled),
    Kind("a submission given up on that landed", "heals", lost_submission),
    Kind("an order that never arrived", "heals", never_arrived),
    Kind("a rounding", "heals", rounded),
    Kind("a missed fill and funding at once", "heals", two_at_once),
    Kind("a fill in flight", "heals", just_traded),
    Kind("a trade by hand of 1 to 5 %", "heals", by_hand(15, 40)),
    Kind("a deposit of 1 to 5 %", "heals", moved("deposit", 15, 40)),
    Kind("a trade by hand below 1 %", "warns", by_hand(2, 8)),
    Kind("a trade by hand above 5 %", "halts", by_hand(80, 200)),
    Kind("a deposit above 5 %", "halts", moved("deposit", 80, 200)),
    Kind("a liquidation", "halts", liquidated),
    Kind("unknown, below 1 %", "warns", unknown(2, 8)),
    Kind("unknown, 1 to 5 %", "waits", unknown(15, 40)),
    Kind("unknown, above 5 %", "halts", unknown(80, 200)),
    Kind("a stranger's order", "warns", strange_order),
    Kind("a missed fill while positions are stale", "heals", trouble(Fault.STALE, "get_positions")),
    Kind("a missed fill while positions are empty", "heals", trouble(Fault.EMPTY, "get_positions")),
    Kind("a missed fill while fills time out", "heals", trouble(Fault.TIMEOUT, "get_fills")),
    Kind("a missed fill while the venue is down", "heals", trouble(Fault.UNAVAILABLE)),
    Kind("a missed fill while rows are dropped", "heals", trouble(Fault.DROPPED, "get_fills", "get_balances")),
)
