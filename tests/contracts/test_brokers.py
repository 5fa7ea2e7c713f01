"""The promises of `tieout.brokers.base.BrokerAdapter`, held against every implementation in `conftest.VENUES`.

*Failures* must raise. *Lies* (stale, empty or shortened answers that the venue itself calls whole) cannot be told from the
truth at the adapter, by their nature; what is tested of them is that they pass through and that the next answer is whole.
"""

from __future__ import annotations

from datetime import timedelta
from itertools import product

import pytest
from msgspec.structs import replace
from tests.contracts.steps import (
    READS,
    ROWS,
    SECTION,
    buy,
    cancelled,
    found,
    held_of,
    ids,
    least,
    list_share,
    populate,
    reads,
    sent,
    sorted_rows,
    told,
    unheard_of,
)
from tests.contracts.venues import Venue
from tests.proving import sample

from tieout.brokers.base import OrderRequest
from tieout.brokers.simulated import Fault, FaultRule
from tieout.brokers.simulated.commands import AddInstrument, Advance, EndOrder, Pay, SetPrice, Trade
from tieout.brokers.simulated.faults import Call
from tieout.errors import (
    ActionError,
    SourceError,
    SourceIncomplete,
    SourceMalformed,
    SourceRefused,
    SourceThrottled,
    SourceTimeout,
    SourceUnreachable,
)
from tieout.model.amounts import dec, plain
from tieout.model.snapshot import Activity, Fill, Leg, OrderSide

FAILURES: dict[Fault, type[SourceError]] = {
    Fault.TIMEOUT: SourceTimeout,
    Fault.THROTTLED: SourceThrottled,
    Fault.UNAVAILABLE: SourceUnreachable,
    Fault.REFUSED: SourceRefused,
    Fault.MALFORMED: SourceMalformed,
}


async def test_reads_are_the_whole_truth(venue: Venue, ticker: str) -> None:
    """Every read gives every row of its section, and nothing else; a section that is not told is never an empty one."""
    await populate(venue, ticker)
    truth = venue.traits.tells((await venue.truth()).snapshot)
    due = {section: getattr(truth, section) or () for section in SECTION.values()}
    due["orders"] = tuple(order for order in due["orders"] if order.live)
    assert venue.broker.capabilities().sections == venue.traits.sections
    for call, read in ROWS.items():
        if told(venue, call):
            assert sorted_rows(await read(venue)) == sorted_rows(due[SECTION[call]])
            assert len(due[SECTION[call]]) >= least(venue, call)
        else:
            with pytest.raises(SourceIncomplete):
                await read(venue)


@pytest.mark.parametrize("call", ROWS)
async def test_an_empty_account_is_empty(venue: Venue, call: Call) -> None:
    """An account without anything answers an empty tuple, not a failure; what is not told stays untold."""
    if told(venue, call):
        assert await ROWS[call](venue) == ()
    else:
        with pytest.raises(SourceIncomplete):
            await ROWS[call](venue)


@pytest.mark.prove
@pytest.mark.parametrize(("call", "fault"), sample(list(product(READS, FAILURES)), 3))
async def test_a_failed_read_raises_its_kind(venue: Venue, call: Call, fault: Fault) -> None:
    """A failed read raises the member of the family that fits, also for an empty account; the next one answers."""
    if call in venue.traits.local:
        await no_request(venue, call)
        return
    await venue.go_wrong(FaultRule(fault=fault, calls=frozenset({call}), seconds=3))
    with pytest.raises(FAILURES[fault]) as failure:
        await READS[call](venue)
    assert failure.value.source == venue.broker.name
    if isinstance(failure.value, SourceThrottled):
        assert failure.value.retry_after_s == (None if fault in venue.traits.vague else 3)
    await (unheard_of(venue, "c-rest") if call == "get_order" else READS[call](venue))


async def no_request(venue: Venue, call: Call) -> None:
    """What is answered without the network is answered, or refused as untold, though everything on the way is down."""
    await venue.go_wrong(FaultRule(fault=Fault.UNAVAILABLE, times=None))
    if told(venue, call):
        await READS[call](venue)
    else:
        with pytest.raises(SourceIncomplete):
            await READS[call](venue)


@pytest.mark.parametrize("call", ROWS)
async def test_a_partial_answer_raises_with_its_rows(venue: Venue, ticker: str, call: Call) -> None:
    """An answer that says it is partial raises, and carries the rows that did come."""
    if Fault.PARTIAL in venue.traits.cannot:
        pytest.skip(venue.traits.cannot[Fault.PARTIAL])
    await populate(venue, ticker)
    whole = await ROWS[call](venue)
    await venue.go_wrong(FaultRule(fault=Fault.PARTIAL))
    with pytest.raises(SourceIncomplete) as failure:
        await ROWS[call](venue)
    assert set(failure.value.rows) < set(whole)
    assert await ROWS[call](venue) == whole


@pytest.mark.prove
@pytest.mark.parametrize(("call", "fault"), sample(list(product(ROWS, [Fault.EMPTY, Fault.DROPPED])), 3))
async def test_a_lie_lasts_one_answer(venue: Venue, ticker: str, call: Call, fault: Fault) -> None:
    """Rows that the venue hides without a word cannot be missed here; the next answer is whole again."""
    if not told(venue, call) or not least(venue, call):
        pytest.skip("this venue does not tell the section, or has nothing in it")
    await populate(venue, ticker)
    whole = await ROWS[call](venue)
    await venue.go_wrong(FaultRule(fault=fault, calls=frozenset({call})))
    try:
        lie = await ROWS[call](venue)
    except SourceIncomplete as found_out:  # what the venue says elsewhere contradicts it
        lie = tuple(row for row in whole if row in found_out.rows)
    assert set(lie) < set(whole)
    assert lie == () or fault is Fault.DROPPED or len(whole) > 1
    assert await ROWS[call](venue) == whole


async def test_a_stale_answer_is_a_former_truth(venue: Venue, ticker: str) -> None:
    """A stale answer is exactly what was answered then."""
    await populate(venue, ticker)
    before = await venue.broker.get_balances()
    await venue.let(Advance(seconds=10))
    await venue.let(Trade(account=venue.account, asset=ticker, side="sell", quantity=dec(1), price=dec(95)))
    await venue.go_wrong(FaultRule(fault=Fault.STALE, seconds=10))
    assert await venue.broker.get_balances() == before
    assert await venue.broker.get_balances() != before


async def test_lagging_fills_come_in_the_end(venue: Venue, ticker: str) -> None:
    """Fills younger than the lag are missing while it lasts, and listed afterwards."""
    await list_share(venue, ticker)
    trade = Trade(account=venue.account, asset=ticker, side="buy", quantity=dec(1), price=dec(9))
    old = await venue.let(trade)
    await venue.let(Advance(seconds=5))
    new = await venue.let(trade)
    await venue.go_wrong(
        FaultRule(fault=Fault.LAG, seconds=5, calls=frozenset({"get_fills"}), times=venue.traits.pages)
    )
    assert ids(await ROWS["get_fills"](venue)) == ids(venue.traits.renamed(old.fills))
    assert ids(await ROWS["get_fills"](venue)) == ids(venue.traits.renamed(old.fills + new.fills))


@pytest.mark.parametrize(
    "digits", ["0.000000000000000001", "123456789.123456789012345678", "0.1", "1.100000000000000000", "99999999999"]
)
async def test_numbers_keep_every_digit(venue: Venue, ticker: str, digits: str) -> None:
    """Amounts, quantities and prices of 18 decimals arrive digit by digit."""
    await venue.let(AddInstrument(instrument=venue.traits.contract(ticker)))
    await venue.let(Pay(account=venue.account, kind="deposit", currency="WEI", amount=dec(digits)))
    await venue.let(Pay(account=venue.account, kind="deposit", currency="USDT", amount=dec(10)))
    await venue.let(Trade(account=venue.account, asset=ticker, side="sell", quantity=dec(digits), price=dec("0.1")))
    # An inverse contract at next to nothing would be worth more coins than the world counts.
    limit = "3.000000000000000003" if venue.traits.kind == "inverse" else "0.000000000000000003"
    order = await sent(venue, buy("c-1", ticker, digits, limit))
    held = await held_of(venue, "WEI")
    (fill,) = await venue.broker.get_fills(venue.traits.since)
    seen = [held, fill.quantity, order.quantity]
    if told(venue, "get_activities"):
        seen += [
            row.amount or dec(0)
            for row in await venue.broker.get_activities(venue.traits.since)
            if "WEI" in (row.currency, (row.asset or "").partition("/")[0])
        ]
    assert [plain(value) for value in seen] == [plain(dec(digits))] * len(seen)
    if least(venue, "get_positions"):
        mine = [row for row in await venue.broker.get_positions() if row.asset == ticker]
        assert [plain(-row.amount) for row in mine] == [plain(dec(digits))]
    assert [format(value or dec(0), "f") for value in (order.limit_price, fill.price)] == [limit, "0.1"]
    if venue.traits.finds:
        assert await venue.broker.get_order(client_order_id="c-1") == order


async def test_reads_are_safe_to_repeat(venue: Venue, ticker: str) -> None:
    """Reading changes nothing, and the same account gives the same answers."""
    await populate(venue, ticker)
    before = await venue.truth()
    first = [await read(venue) for read in reads(venue)]
    assert [await read(venue) for read in reads(venue)] == first
    assert await venue.truth() == before


async def test_orders_are_found_by_either_id_also_ended(venue: Venue, ticker: str) -> None:
    """A live, a filled, a cancelled and an expired order are found by the broker's and by the client's id."""
    if not venue.traits.finds:
        pytest.skip("orders are not looked up by the client's id there")
    await list_share(venue, ticker)
    for name in ("live", "cancelled", "expired"):
        await sent(venue, buy(name, ticker, price="50"))
    await sent(venue, buy("filled", ticker))
    await venue.let(SetPrice(asset=ticker, price=dec(90)))
    await cancelled(venue, "cancelled")
    expired = (await found(venue, "expired")).broker_order_id
    await venue.let(EndOrder(account=venue.account, broker_order_id=expired or ""))
    for name, status in (("live", "open"), ("filled", "filled"), ("cancelled", "cancelled"), ("expired", "expired")):
        order = await found(venue, name)
        assert (order.client_order_id, order.status) == (name, venue.traits.statuses.get(status, status))
        assert await venue.broker.get_order(broker_order_id=order.broker_order_id) == order
    assert [order.client_order_id for order in await venue.broker.get_open_orders()] == ["live"]


async def test_none_is_the_word_that_there_is_no_such_order(venue: Venue, ticker: str) -> None:
    """Only an order that the venue does not know is None; two ids of different orders name none."""
    if not venue.traits.finds:
        pytest.skip("orders are not looked up by the client's id there")
    await populate(venue, ticker)
    other = await found(venue, "c-rest-2")
    await unheard_of(venue, "c-never")
    if venue.traits.denies:
        assert await venue.broker.get_order(broker_order_id=venue.traits.ids("o-7-999999")) is None
    else:
        with pytest.raises(SourceError):
            await venue.broker.get_order(broker_order_id=venue.traits.ids("o-7-999999"))
    assert await venue.broker.get_order(broker_order_id=other.broker_order_id, client_order_id="c-rest") is None


async def test_conditional_orders_are_open_orders(venue: Venue, ticker: str) -> None:
    """A stop that was not touched yet is among the open orders."""
    await list_share(venue, ticker)
    stop = OrderRequest(
        client_order_id="s-1", asset=ticker, side="buy", quantity=dec(1), type="stop", stop_price=dec(120)
    )
    order = await sent(venue, stop)
    (row,) = await venue.broker.get_open_orders()
    assert replace(row, updated_at=order.updated_at) == order
    assert order.stop_price == dec(120)


async def test_since_includes_its_own_moment(venue: Venue, ticker: str) -> None:
    """Fills and activities at exactly *since* are listed, earlier ones are not, each once."""
    await list_share(venue, ticker)
    trade = Trade(account=venue.account, asset=ticker, side="buy", quantity=dec(1), price=dec(9))
    pay = Pay(account=venue.account, kind="interest", currency="USDT", amount=dec("-0.01"))
    fills: list[Fill] = []
    activities: list[Activity] = []
    for _ in range(3):
        await venue.let(Advance(seconds=1))
        fills += (await venue.let(trade)).fills
        activities += (await venue.let(pay)).activities
    moment, tick, named = fills[1].at, timedelta(microseconds=1), venue.traits.renamed
    assert ids(await venue.broker.get_fills(moment)) == ids(named(fills[1:]))
    assert ids(await venue.broker.get_fills(moment + tick)) == ids(named(fills[2:]))
    assert await venue.broker.get_fills(fills[2].at + tick) == ()
    if told(venue, "get_activities"):
        assert ids(await venue.broker.get_activities(activities[1].at)) == ids(named(activities[1:]))
        assert ids(await venue.broker.get_activities(activities[1].at + tick)) == ids(named(activities[2:]))


async def test_hedge_mode_has_two_legs(hedged: Venue, ticker: str) -> None:
    """An account in hedge mode shows a long and a short row of one asset, each with its sign."""
    await hedged.let(AddInstrument(instrument=hedged.traits.contract(ticker)))
    await hedged.let(SetPrice(asset=ticker, price=dec(10)))
    legs: tuple[tuple[str, OrderSide, Leg], ...] = (("c-1", "buy", "long"), ("c-2", "sell", "short"))
    for name, side, leg in legs:
        request = OrderRequest(
            client_order_id=name, asset=ticker, side=side, quantity=dec(2), type="market", position_side=leg
        )
        assert (await hedged.broker.submit_order(request)).position_side == leg
    rows = {row.side: row.amount for row in await hedged.broker.get_positions()}
    assert rows == {"long": dec(2), "short": dec(-2)}
    assert [fill.position_side for fill in await hedged.broker.get_fills(hedged.traits.since)] == ["long", "short"]


async def test_server_time_is_aware_and_moves(venue: Venue) -> None:
    """The venue's clock carries an offset, and goes on; latency passes on it."""
    before = await venue.broker.server_time()
    assert before.utcoffset() is not None
    await venue.let(Advance(seconds=30))
    await venue.go_wrong(FaultRule(fault=Fault.LATENCY, seconds=2))
    assert await venue.broker.server_time() - before == timedelta(seconds=32)


async def test_the_account_says_who_it_is(venue: Venue) -> None:
    """The account's name is the one asked for, and the capabilities need no network."""
    info = await venue.broker.get_account_info()
    assert (info.account, info.venue) == (venue.account, venue.traits.name)
    assert info.currency in (venue.traits.currency, None)
    await venue.broker.close()
    assert venue.broker.capabilities().sections == venue.traits.sections


async def test_close_can_be_repeated(venue: Venue) -> None:
    """Closing twice is fine; whoever asks afterwards gets a failure, not an empty account."""
    await venue.broker.get_balances()
    await venue.broker.close()
    await venue.broker.close()
    for call, read in READS.items():
        if call not in venue.traits.local:
            with pytest.raises(SourceError):
                await read(venue)
    with pytest.raises(ActionError):
        await venue.broker.submit_order(buy("c-1", "X"))
