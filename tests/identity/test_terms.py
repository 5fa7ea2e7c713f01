"""Acting in each side's own terms: under which name something is booked or sent, and when it is rather not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from msgspec.structs import replace

from tieout.act.book_terms import IdentifiedBooks
from tieout.act.broker_terms import IdentifiedBroker
from tieout.act.terms import Terms
from tieout.books import EngineBooks
from tieout.brokers.base import OrderRequest
from tieout.brokers.simulated import Fault, FaultRule, Instrument, SimulatedBroker, World
from tieout.clock import VirtualClock
from tieout.errors import ActionRefused, BookError, SourceIncomplete
from tieout.live.gate import Gate
from tieout.model.changes import (
    AdoptOrder,
    BookActivity,
    BookFill,
    ReverseActivity,
    ReverseFill,
    SetBalance,
    SetPosition,
    UpdateOrder,
)
from tieout.model.halt import Halt
from tieout.model.identity import Identity, identity_of
from tieout.model.settings import AssetSettings
from tieout.model.snapshot import Activity, Balance, Fill, Observation, Order, Position, Snapshot

NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)
BTC = identity_of({"BTC": AssetSettings(aliases=("XBT", "XXBT"), same_as=("WBTC",))})
SWAP = AssetSettings(aliases=("SWAP", "SWAP2"), contract_size=Decimal("0.03"))


def books(*positions: Position, fills: tuple[Fill, ...] = (), balances: tuple[Balance, ...] = ()) -> EngineBooks:
    """Books that hold these."""
    said = Snapshot("tieout.snapshot/1", "main", "local", NOW, positions, balances, (), fills, ())
    return EngineBooks.opened_from(said, VirtualClock(NOW))


def trade(name: str, asset: str) -> Fill:
    """A bought unit at 100 USD."""
    return Fill(name, asset, "buy", Decimal(1), Decimal(100), NOW, settlement="margin", quote="USD")


async def amounts(kept: EngineBooks) -> dict[str, Decimal]:
    """What books hold, as they call it."""
    return {row.asset: row.amount for row in (await kept.read()).positions or ()}


@pytest.mark.parametrize("own", ["BTC", "XBT", "XXBT"])
async def test_a_fill_is_booked_under_the_name_that_the_books_use(own: str) -> None:
    """Whichever of the names they hold it under: nothing new appears beside it."""
    kept = books(Position(own, Decimal(2), currency="USD"))
    await IdentifiedBooks(kept, BTC).apply([BookFill(trade("f", "BTC"))], reason="test")
    assert await amounts(kept) == {own: Decimal(3)}


async def test_books_that_hold_only_a_twin_get_the_thing_itself() -> None:
    """A fill in BTC is no fill in WBTC, however equal they count."""
    kept = books(Position("WBTC", Decimal(2), currency="USD"))
    await IdentifiedBooks(kept, BTC).apply([BookFill(trade("f", "BTC"))], reason="test")
    assert await amounts(kept) == {"WBTC": Decimal(2), "BTC": Decimal(1)}
    told = IdentifiedBooks(books(), identity_of({"BTC": AssetSettings(local_name="XBT")}))
    await told.apply([BookFill(trade("f", "BTC"))], reason="test")
    assert [row.asset for row in (await told.inner.read()).positions or ()] == ["XBT"]


async def test_a_fill_that_was_booked_is_taken_out_as_it_was_booked() -> None:
    """The books' own record under its own name is what is reversed."""
    kept = books()
    sides = IdentifiedBooks(kept, BTC)
    await kept.apply([BookFill(trade("f", "XBT")), BookFill(trade("g", "XBT"))], reason="test")
    (seen, *_) = [row for row in (await sides.read()).fills or () if row.fill_id == "g"]
    assert seen.asset == "BTC"
    await sides.apply([ReverseFill(seen)], reason="test")
    assert {name: held for name, held in (await amounts(kept)).items() if held} == {"XBT": Decimal(1)}


async def test_an_activity_is_booked_and_taken_out_under_the_name_that_the_books_use() -> None:
    """A deposit of BTC goes to the XBT that the books hold, and the record that is reversed is the books' own."""
    kept = books(balances=(Balance("XBT", Decimal(1)),))
    sides = IdentifiedBooks(kept, BTC)
    paid = Activity("a-1", "deposit", NOW, currency="BTC", amount=Decimal(2))
    await sides.apply([BookActivity(paid)], reason="test")
    held = await kept.read()
    assert [(row.currency, row.total) for row in held.balances or ()] == [("XBT", Decimal(3))]
    assert [row.currency for row in held.activities or ()] == ["XBT"]
    (seen,) = (await sides.read()).activities or ()
    assert seen == paid
    await sides.apply([ReverseActivity(seen)], reason="test")
    assert [(row.currency, row.total) for row in (await kept.read()).balances or ()] == [("XBT", Decimal(1))]


async def test_what_the_books_do_not_list_cannot_be_taken_out_of_them() -> None:
    """Neither a fill nor an activity: the books stay as they are."""
    kept = books(balances=(Balance("XBT", Decimal(5)),))
    sides = IdentifiedBooks(kept, BTC)
    paid = Activity("a-1", "deposit", NOW, currency="BTC", amount=Decimal(2))
    await sides.apply([BookActivity(paid)], reason="test")
    before = await kept.read()
    for change in (ReverseActivity(replace(paid, activity_id="a-2")), ReverseFill(trade("f", "BTC"))):
        with pytest.raises(BookError):
            await sides.apply([change], reason="test")
    assert await kept.read() == before


async def test_an_order_keeps_the_name_under_which_the_books_sent_it() -> None:
    """What the broker says of it is noted on the books' own order; one they never had comes under the name they use."""
    sent = Order(asset="XBT", side="buy", quantity=Decimal(1), status="open", client_order_id="c-1", updated_at=NOW)
    kept = books(Position("XXBT", Decimal(2), currency="USD"))
    kept.orders.register(sent)
    sides = IdentifiedBooks(kept, BTC)
    ended = replace(sent, asset="BTC", status="cancelled")
    await sides.apply([UpdateOrder(ended)], reason="test")
    assert [(row.asset, row.status) for row in (await kept.read()).orders or ()] == [("XBT", "cancelled")]
    other = Order(asset="BTC", side="sell", quantity=Decimal(1), status="open", broker_order_id="b-2", updated_at=NOW)
    alone = books(Position("XXBT", Decimal(2), currency="USD"))
    await IdentifiedBooks(alone, BTC).apply([AdoptOrder(other)], reason="test")
    assert [(row.asset, row.broker_order_id) for row in (await alone.read()).orders or ()] == [("XXBT", "b-2")]


async def test_a_number_is_set_only_where_there_is_one() -> None:
    """Books with a coin and its twin have two numbers: neither is set to the sum of both."""
    kept = books(
        Position("BTC", Decimal(1)),
        Position("WBTC", Decimal(2)),
        balances=(Balance("XBT", Decimal(1)), Balance("WBTC", Decimal(2))),
    )
    sides, before = IdentifiedBooks(kept, BTC), await kept.read()
    for change in (SetPosition("BTC", "net", Decimal(5), "test"), SetBalance("BTC", Decimal(5), "test")):
        with pytest.raises(BookError, match="which one to set, nobody said"):
            await sides.apply([change], reason="test")
    assert await kept.read() == before
    one = books(balances=(Balance("XBT", Decimal(1)),))
    await IdentifiedBooks(one, BTC).apply([SetBalance("BTC", Decimal(5), "test")], reason="test")
    assert [(row.currency, row.total) for row in (await one.read()).balances or ()] == [("XBT", Decimal(5))]


def venue(told: AssetSettings, *held: str) -> tuple[World, IdentifiedBroker]:
    """A venue with two contracts, of which some are held, asked about P."""
    clock = VirtualClock(NOW)
    world = World(clock, seed=1)
    world.add_account("main")
    for name in ("SWAP", "SWAP2", "P"):
        size = told.contract_size or Decimal(1)
        world.add_instrument(Instrument(asset=name, kind="margin", currency="USD", multiplier=size))
        world.set_price(name, Decimal(10))
    world.office.pay("main", "deposit", "USD", Decimal(10_000))
    for name in held:
        world.trade("main", name, "buy", Decimal(5), Decimal(10))
    return world, IdentifiedBroker(SimulatedBroker(world, "main"), identity_of({"P": told}), clock)


def order(quantity: str) -> OrderRequest:
    """A buy of P that rests."""
    return OrderRequest(
        client_order_id="c-1", asset="P", side="buy", quantity=Decimal(quantity), limit_price=Decimal(1)
    )


async def test_nothing_is_sent_under_a_name_that_nobody_told() -> None:
    """Neither where the venue has shown no name of it, nor where it has shown two."""
    alone = replace(SWAP, contract_size=None)
    for held in ((), ("SWAP", "SWAP2")):
        world, broker = venue(alone, *held)
        for name in held:  # an order each: rows of a position under two names would be refused
            await broker.inner.submit_order(replace(order("1"), client_order_id=name, asset=name))
        await broker.get_open_orders()
        with pytest.raises(ActionRefused, match="write broker_name"):
            await broker.submit_order(order("3"))
        assert "c-1" not in world.submits_seen("main")
    world, broker = venue(replace(alone, broker_name="SWAP2"))
    assert (await broker.submit_order(order("3"))).asset == "P"
    assert [row.asset for row in world.snapshot("main").orders or () if row.live] == ["SWAP2"]


async def test_everything_that_the_venue_lists_is_told_under_one_name_and_in_one_unit() -> None:
    """Five contracts of 0.03 are 0.15 of P, in positions, orders, fills and one order; cash and payments stay as they are."""
    _, broker = venue(SWAP, "SWAP")
    await broker.inner.submit_order(replace(order("10"), asset="SWAP"))
    since = NOW - timedelta(days=1)
    assert [(row.asset, row.amount) for row in await broker.get_positions()] == [("P", Decimal("0.15"))]
    assert [(row.asset, row.quantity) for row in await broker.get_open_orders()] == [("P", Decimal("0.3"))]
    assert [(row.asset, row.quantity) for row in await broker.get_fills(since)] == [("P", Decimal("0.15"))]
    assert (await broker.get_order(client_order_id="c-1") or order("1")).quantity == Decimal("0.3")
    assert await broker.get_balances() == await broker.inner.get_balances() != ()
    assert await broker.get_activities(since) == await broker.inner.get_activities(since) != ()
    later = NOW + timedelta(days=1)
    assert (await broker.get_fills(later), await broker.get_activities(later)) == ((), ())


async def test_a_part_of_a_list_is_told_in_the_same_terms() -> None:
    """What came of a list that is not whole bears the one name too, with the venue's word on why."""
    world, broker = venue(SWAP, "SWAP")
    assert isinstance(broker.inner, SimulatedBroker)
    for _ in range(2):
        world.trade("main", "SWAP", "buy", Decimal(5), Decimal(10))
    broker.inner.faults.inject(FaultRule(fault=Fault.PARTIAL))
    with pytest.raises(SourceIncomplete) as part:
        await broker.get_fills(NOW - timedelta(days=1))
    assert {row.asset for row in part.value.rows if isinstance(row, Fill)} == {"P"}
    assert (part.value.source, part.value.scope) == (broker.name, "get_fills") and part.value.why


async def test_the_name_that_the_venue_showed_in_a_reading_is_the_one_that_is_sent() -> None:
    """What acts asks the venue nothing more for it."""
    alone = replace(SWAP, contract_size=None)
    world, broker = venue(alone, "SWAP")
    local = Snapshot("tieout.snapshot/1", "main", "local", NOW)
    seen = Observation(NOW, "main", local, world.snapshot("main"))
    _, sides = Terms({"P": alone}, VirtualClock(NOW)).sides(books(), broker.inner, seen)
    await sides.submit_order(order("3"))
    assert [row.asset for row in world.snapshot("main").orders or () if row.live] == ["SWAP"]


async def test_nothing_is_sent_that_is_no_exact_number_of_contracts() -> None:
    """0.3 of contracts of 0.03 are 10; 0.31 are no number of them that ends, and the venue hears nothing."""
    world, broker = venue(SWAP, "SWAP")
    await broker.get_positions()
    with pytest.raises(ActionRefused, match="no exact number"):
        await broker.submit_order(order("0.31"))
    assert not world.submits_seen("main")
    sent = await broker.submit_order(order("0.3"))
    assert (sent.asset, sent.quantity) == ("P", Decimal("0.3"))
    resting = [row for row in world.snapshot("main").orders or () if row.live]
    assert [(row.asset, row.quantity) for row in resting] == [("SWAP", Decimal(10))]
    assert await broker.get_order(client_order_id="c-1") == sent
    assert (await broker.cancel_order(client_order_id="c-1")).quantity == Decimal("0.3")


@pytest.mark.parametrize("asset", ["BTC", "XBT", "XXBT/USD", "WBTC-PERP"])
def test_a_halt_of_an_asset_stops_it_under_every_name(asset: str) -> None:
    """An engine that calls it otherwise is stopped as well, in every pair that moves it."""
    gate = Gate()
    gate.open()
    sent = OrderRequest(client_order_id="c", asset=asset, side="buy", quantity=Decimal(1))
    halt = Halt(id="h", asset="BTC", reason="UNKNOWN", since=NOW, break_ids=())
    gate.follow([halt], identity=BTC)
    assert gate.refusal(sent, local=Decimal(0), broker=Decimal(0), enforced=True) is not None
    gate.follow([halt], identity=Identity())
    assert (gate.refusal(sent, local=Decimal(0), broker=Decimal(0), enforced=True) is None) == (asset != "BTC")
