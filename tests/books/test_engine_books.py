"""The local side as a port: read whole, written all or none, opened from a snapshot."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tieout.books import EngineBooks, Instrument, LocalBooks
from tieout.clock import VirtualClock
from tieout.errors import BookError
from tieout.model.amounts import dec
from tieout.model.changes import (
    AdoptOrder,
    BookActivity,
    BookFill,
    Change,
    ReverseActivity,
    ReverseFill,
    SetBalance,
    SetPosition,
    UpdateOrder,
)
from tieout.model.codec import decode_snapshot, encode
from tieout.model.snapshot import Activity, Balance, Fill, Order, Position, Snapshot

AT = datetime(2026, 11, 20, 10, tzinfo=UTC)
REGISTRY = {"AAPL": Instrument(asset="AAPL", currency="USD", multiplier=dec("1"))}


def fill(fill_id: str = "f-1", quantity: str = "10", price: str = "100", *, order: str | None = None) -> Fill:
    """A buy of AAPL with a fee of a dollar."""
    return Fill(
        fill_id, "AAPL", "buy", dec(quantity), dec(price), AT, client_order_id=order, fee=dec("1"), fee_currency="USD"
    )


def order(client: str = "c-1", *, status: str = "open", filled: str = "0", at: datetime = AT) -> Order:
    """A buy order of AAPL."""
    return Order(
        asset="AAPL",
        side="buy",
        quantity=dec("100"),
        status=status,  # type: ignore[arg-type]
        client_order_id=client,
        filled=dec(filled),
        created_at=at,
        updated_at=at,
    )


def deposit(activity_id: str = "a-1", amount: str = "500") -> Activity:
    """A deposit of dollars."""
    return Activity(activity_id, "deposit", AT, currency="USD", amount=dec(amount))


def snapshot(**fields: object) -> Snapshot:
    """A local snapshot with the given sections."""
    return Snapshot("tieout.snapshot/1", "main", "local", AT, **fields)  # type: ignore[arg-type]


WHOLE = snapshot(
    positions=(
        Position(asset="AAPL", amount=dec("20"), average_price=dec("100"), market_price=dec("190"), currency="USD"),
    ),
    balances=(
        Balance(currency="USD", total=dec("7998"), available=dec("7000"), locked=dec("998"), usd_price=dec("1")),
    ),
    orders=(order(filled="10", status="partially_filled"),),
    fills=(fill(order="c-1"), fill(order="c-1")),
    activities=(deposit(),),
    fills_since=AT - timedelta(days=1),
    activities_since=AT - timedelta(days=1),
)


async def read_again(books: EngineBooks) -> Snapshot:
    """The reading as it arrives after a journey through JSON: what the contract cannot carry fails here."""
    seen = await books.read()
    assert decode_snapshot(encode(seen), "local.json") == seen
    return seen


async def test_empty_books_are_a_whole_statement() -> None:
    """New books know every section to be empty, from the moment of their opening."""
    clock = VirtualClock(AT)
    books: LocalBooks = EngineBooks("main", clock)
    clock.advance(60)
    seen = await books.read()
    assert (seen.positions, seen.balances, seen.orders, seen.fills, seen.activities) == ((), (), (), (), ())
    assert (seen.as_of, seen.fills_since, seen.activities_since) == (AT + timedelta(seconds=60), AT, AT)
    assert (seen.source, seen.account) == ("local", "main")


async def test_what_the_engine_books_is_read() -> None:
    """Position, cash, order and lists move together, with what is known of the asset and its price."""
    books = EngineBooks("main", VirtualClock(AT), instruments=REGISTRY)
    books.orders.register(order())
    books.book_activity(deposit(amount="5000"))
    books.book_fill(fill(order="c-1"))
    books.set_prices({"AAPL": dec("190")}, usd={"USD": dec("1")})
    seen = await read_again(books)
    assert seen.positions == (
        Position("AAPL", dec("10"), "net", dec("100"), dec("190"), currency="USD", multiplier=dec("1")),
    )
    assert seen.balances == (Balance(currency="USD", total=dec("3999"), usd_price=dec("1")),)
    assert seen.orders == (order(status="partially_filled", filled="10"),)
    assert seen.fills == (fill(order="c-1"),)
    assert seen.activities == (deposit(amount="5000"),)


async def test_opened_books_read_as_the_snapshot() -> None:
    """Books opened from a snapshot say the same, repeats included; what is locked they leave to the venue to say."""
    unlocked = replace(WHOLE, balances=(Balance(currency="USD", total=dec("7998"), usd_price=dec("1")),))
    assert await read_again(EngineBooks.opened_from(WHOLE, VirtualClock(AT))) == unlocked


async def test_empty_books_adopt_once() -> None:
    """Empty books take a statement as their opening entries; books that hold something refuse, unchanged."""
    books = EngineBooks("main", VirtualClock(AT))
    await books.adopt(replace(WHOLE, source="broker"))
    seen = await read_again(books)
    assert (seen.positions, seen.orders, seen.fills) == (WHOLE.positions, WHOLE.orders, WHOLE.fills)
    assert all(entry.reason == "opening" for entry in books.ledger.entries)
    with pytest.raises(BookError, match="not empty"):
        await books.adopt(WHOLE)
    assert await read_again(books) == seen


async def test_sections_not_read_stay_not_read() -> None:
    """Holdings that nobody established never become an empty list; new records have a list that begins at the opening."""
    books = EngineBooks.opened_from(snapshot(), VirtualClock(AT))
    books.book_fill(fill())
    seen = await read_again(books)
    assert (seen.positions, seen.balances, seen.orders) == (None, None, None)
    assert (seen.fills, seen.fills_since) == ((fill(),), AT)


async def test_adopting_the_brokers_snapshot_makes_local_books() -> None:
    """Opened from the broker's side, the books are local's own."""
    books = EngineBooks.opened_from(replace(WHOLE, source="broker", fills=(fill(),)), VirtualClock(AT))
    seen = await read_again(books)
    assert (seen.source, seen.positions) == ("local", WHOLE.positions)


async def test_one_of_two_repeats_is_reversed() -> None:
    """After a reversal one booking remains, amount and cash are what one fill makes, and the order has counted one."""
    books = EngineBooks.opened_from(WHOLE, VirtualClock(AT))
    await books.apply([ReverseFill(fill(order="c-1"))], reason="DUPLICATE_FILL")
    seen = await read_again(books)
    assert seen.positions == (replace(WHOLE.positions[0], amount=dec("10")),)  # type: ignore[index]
    assert seen.balances == (Balance(currency="USD", total=dec("8999"), usd_price=dec("1")),)
    assert seen.fills == (fill(order="c-1"),)
    assert seen.orders == WHOLE.orders
    assert books.ledger.entries[-1].reason == "DUPLICATE_FILL"


async def test_order_that_counted_the_repeat_is_brought_back() -> None:
    """Where the order counted both bookings, the reversal takes one off it."""
    doubled = replace(WHOLE, orders=(order(filled="20", status="partially_filled"),))
    books = EngineBooks.opened_from(doubled, VirtualClock(AT))
    await books.apply([ReverseFill(fill(order="c-1"))], reason="DUPLICATE_FILL")
    assert (await books.read()).orders == (order(filled="10", status="partially_filled"),)


async def test_a_repeat_in_the_list_leaves_room_for_the_real_rest() -> None:
    """A fill listed twice does not make the next real one an overfill, as long as the order counted it once."""
    both = replace(fill("f-1", "60", order="c-1"), broker_order_id="b-1")
    known = replace(order(filled="60", status="partially_filled"), broker_order_id="b-1")
    books = EngineBooks.opened_from(replace(WHOLE, orders=(known,), fills=(both, both)), VirtualClock(AT))
    await books.apply([BookFill(fill("f-2", "40", order="c-1")), ReverseFill(both)], reason="MULTIPLE")
    assert (await books.read()).orders == (replace(known, filled=dec("100"), status="filled"),)


async def test_a_fill_with_both_ids_counts_once_towards_its_order() -> None:
    """What the opening list proves is counted by one id, or the next fill would be taken for one overfilling."""
    both = replace(fill("f-1", "60", order="c-1"), broker_order_id="b-1")
    known = replace(order(filled="60", status="partially_filled"), broker_order_id="b-1")
    books = EngineBooks.opened_from(replace(WHOLE, orders=(known,), fills=(both,)), VirtualClock(AT))
    await books.apply([ReverseFill(both)], reason="PHANTOM_FILL")
    assert (await books.read()).orders == (replace(known, filled=dec("0"), status="open"),)


@pytest.mark.parametrize(
    ("since", "filled"),
    [(AT - timedelta(days=1), "40"), (AT + timedelta(hours=1), "50"), (None, "50")],
    ids=["list-is-whole", "list-begins-later", "list-vouches-for-nothing"],
)
async def test_missed_fill_of_an_opened_order(since: datetime | None, filled: str) -> None:
    """An order that says 40 with no fill listed: they are missing if the list is whole, and older fills if it is not."""
    opened = replace(WHOLE, orders=(order(filled="40", status="partially_filled"),), fills=(), fills_since=since)
    books = EngineBooks.opened_from(opened, VirtualClock(AT))
    await books.apply([BookFill(fill(order="c-1"))], reason="MISSED_FILL")
    (seen,) = (await books.read()).orders or ()
    assert seen.done == dec(filled)


async def test_missed_fill_of_an_order_known_as_filled() -> None:
    """An engine that heard of the end but not of the fill can still book the fill."""
    books = EngineBooks.opened_from(
        replace(WHOLE, orders=(order(filled="100", status="filled"),), fills=()), VirtualClock(AT)
    )
    await books.apply([BookFill(fill(order="c-1"))], reason="MISSED_FILL")
    seen = await books.read()
    assert seen.orders == (order(filled="100", status="filled"),)
    assert seen.positions is not None
    assert seen.positions[0].amount == 30


async def test_every_kind_of_change_is_booked() -> None:
    """One case with each of them, in one transaction."""
    books = EngineBooks.opened_from(WHOLE, VirtualClock(AT))
    changes: list[Change] = [
        ReverseFill(fill(order="c-1")),
        BookFill(fill("f-2", "5", order="c-1")),
        ReverseActivity(deposit()),
        BookActivity(deposit("a-2", "7")),
        UpdateOrder(order(status="cancelled", filled="15")),
        AdoptOrder(order("c-2")),
        SetPosition("MSFT", "net", dec("3"), "counted", dec("50")),
        SetBalance("EUR", dec("9"), "counted"),
    ]
    await books.apply(changes, reason="case 7")
    seen = await read_again(books)
    assert [(row.asset, row.amount, row.average_price) for row in seen.positions or ()] == [
        ("AAPL", dec("15"), dec("100")),
        ("MSFT", dec("3"), dec("50")),
    ]
    assert {row.currency: row.total for row in seen.balances or ()} == {"USD": dec("8005"), "EUR": dec("9")}
    first, second = seen.orders or ()
    assert first == order(status="cancelled", filled="15")
    assert second == order("c-2")
    assert [row.fill_id for row in seen.fills or ()] == ["f-1", "f-2"]
    assert seen.activities == (deposit("a-2", "7"),)
    assert books.ledger.entries[-1].reason == "case 7: counted"


@st.composite
def cases(draw: st.DrawFn) -> list[Change]:
    """Some changes that fit and, somewhere among them, one that does not."""
    good: list[Change] = [
        BookFill(fill("f-2", order="c-1")),
        ReverseFill(fill(order="c-1")),
        BookActivity(deposit("a-2")),
        ReverseActivity(deposit()),
        UpdateOrder(order(status="cancelled", filled="30")),
        AdoptOrder(order("c-2")),
        SetPosition("MSFT", "net", dec("3"), "counted"),
        SetBalance("USD", dec("9"), "counted"),
    ]
    bad: list[Change] = [
        BookFill(fill("f-1", order="c-1", price="7")),
        BookFill(fill("f-9", "1000", order="c-1")),
        BookFill(replace(fill("f-9"), price=Decimal("NaN"))),
        ReverseFill(fill("f-9")),
        ReverseActivity(deposit("a-9")),
        UpdateOrder(order("c-9")),
        AdoptOrder(order("c-9", status="filled")),
        SetPosition("MSFT", "long", dec("-3"), "counted"),
        SetBalance("USD", dec("9"), ""),
    ]
    chosen = draw(st.lists(st.sampled_from(good), unique=True))
    # A reversal of the first booking would let its id be booked again.
    wrong = draw(st.sampled_from(bad if ReverseFill(fill(order="c-1")) not in chosen else bad[1:]))
    return [*chosen, wrong, *draw(st.lists(st.sampled_from(good), max_size=2))]


@given(cases())
def test_a_case_is_applied_whole_or_not_at_all(changes: list[Change]) -> None:
    """One change that does not fit leaves everything as it was: reading, entries and the orders' history."""
    books = EngineBooks.opened_from(WHOLE, VirtualClock(AT))
    books.set_prices({"AAPL": dec("191")})
    before = (asyncio.run(books.read()), books.ledger.entries, books.ledger.held, books.orders.history)
    with pytest.raises(BookError):
        asyncio.run(books.apply(changes, reason=""))
    assert (asyncio.run(books.read()), books.ledger.entries, books.ledger.held, books.orders.history) == before


async def test_a_fill_its_order_refuses_is_not_in_the_ledger_either() -> None:
    """The engine's own booking is all or none too."""
    books = EngineBooks("main", VirtualClock(AT), instruments=REGISTRY)
    books.orders.register(order())
    with pytest.raises(BookError, match="beyond its quantity"):
        books.book_fill(fill(quantity="101", order="c-1"))
    assert (books.ledger.entries, books.ledger.standing.fills) == ((), ())


async def test_ended_orders_stay_for_a_while() -> None:
    """An ended order is evidence for the retention; live and unknown ones never leave."""
    clock = VirtualClock(AT)
    books = EngineBooks("main", clock, keep_ended=timedelta(hours=1))
    for client, status in (("c-1", "filled"), ("c-2", "open"), ("c-3", "unknown")):
        books.orders.register(order(client, status=status))
    clock.advance(3600)
    assert [row.name for row in (await books.read()).orders or ()] == ["c-1", "c-2", "c-3"]
    clock.advance(1)
    assert [row.name for row in (await books.read()).orders or ()] == ["c-2", "c-3"]
    with pytest.raises(BookError, match="never used again"):
        books.orders.register(order("c-1"))


async def test_client_ids_of_the_snapshot_are_never_used_again() -> None:
    """Ids that stand among the opening orders or fills were sent once."""
    books = EngineBooks.opened_from(replace(WHOLE, fills=(fill(order="c-0"),)), VirtualClock(AT))
    for used in ("c-0", "c-1"):
        with pytest.raises(BookError, match="never used again"):
            books.orders.register(order(used))


async def test_a_spot_pair_needs_balances_to_be_held_in() -> None:
    """A copy without balances holds a pair as a position, one with balances as two of them."""
    pair = Fill("f-1", "BTC/USDT", "buy", dec("1"), dec("40000"), AT)
    without = EngineBooks.opened_from(snapshot(positions=()), VirtualClock(AT))
    with_them = EngineBooks.opened_from(snapshot(positions=(), balances=()), VirtualClock(AT))
    for books in (without, with_them):
        books.book_fill(pair)
    assert [row.asset for row in (await read_again(without)).positions or ()] == ["BTC/USDT"]
    seen = await read_again(with_them)
    assert seen.positions == ()
    assert {row.currency: row.total for row in seen.balances or ()} == {"BTC": dec("1"), "USDT": dec("-40000")}


async def test_what_has_more_digits_than_the_contract_is_rounded_on_reading_only() -> None:
    """A third is cut at the 64th digit in the statement; the ledger keeps what it computed."""
    swap = {"S": Instrument(asset="S", settlement="margin", quote="USDT")}
    books = EngineBooks("main", VirtualClock(AT), instruments=swap)
    for number, (side, quantity, price) in enumerate(
        (("buy", "1", "0.01"), ("buy", "2", "0.02"), ("sell", "0.001", "7"))
    ):
        books.book_fill(Fill(f"f-{number}", "S", side, dec(quantity), dec(price), AT))  # type: ignore[arg-type]
    seen = await read_again(books)
    assert seen.balances is not None
    assert books.ledger.held.cash["USDT"].as_tuple().exponent < -64  # type: ignore[operator]
    assert abs(seen.balances[0].total - books.ledger.held.cash["USDT"]) < dec("0.0000000000000000000000000001")
