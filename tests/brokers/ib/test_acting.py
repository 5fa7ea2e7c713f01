"""Orders through TWS: what goes out is what was asked for, once; what TWS leaves open stays open."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.brokers.ib.conftest import OPTION, Office
from tests.proving import sample

from tieout.brokers.base import OrderRequest
from tieout.brokers.ib.codes import NOT_TAKEN
from tieout.brokers.ib.sent import SentOrders
from tieout.brokers.ib.terms import DIGITS, require_sendable
from tieout.brokers.loopback import tws_rows
from tieout.brokers.loopback.desk import Desk
from tieout.brokers.loopback.faults import HttpFault, HttpRule
from tieout.brokers.loopback.tws_faults import TwsFault, TwsRule
from tieout.brokers.loopback.tws_wire import ALL_ORDERS, CANCEL, COMPLETED, CONTRACT, EXECUTIONS, PLACE, START
from tieout.errors import ActionRefused, OutcomeUnknown, SourceIncomplete
from tieout.model.amounts import dec, plain

BUY = OrderRequest(client_order_id="e-1", asset="AAPL", side="buy", quantity=dec(2), limit_price=dec("50.05"))
OTHER_TWS = (
    "10|REQ|AAPL|STK||0|?|SMART|CAD|AAPL|NEO|NEO|990099|0.01||LMT|SMART|1|0|APPLE CDR|NEO||||||||||0|1|||26|||1|1|1|"
)
WIRE = {"action": 16, "quantity": 17, "type": 18, "limit": 19, "stop": 20, "tif": 21, "account": 23, "ref": 26,
        "transmit": 27, "outside": 33}  # fmt: skip


def wire(office: Office) -> dict[str, str]:
    """The fields of the last order that TWS was sent."""
    row = office.tws.orders.placed[-1]
    return {name: row[at] for name, at in WIRE.items()}


def resting(office: Office, name: str) -> int:
    """How many orders of a reference live at TWS."""
    return sum(tws_rows.sender(row, office.tws.orders.numbers).ref == name for row in Desk(office.world).orders("DU1"))


@pytest.mark.parametrize(
    ("terms", "told"),
    [
        ({}, ("BUY", "2", "LMT", "50.05", "", "GTC")),
        ({"side": "sell", "type": "stop", "limit_price": None, "stop_price": dec(40)}, ("SELL", "2", "STP", "", "40", "GTC")),
        ({"type": "stop_limit", "stop_price": dec("0.0000001")}, ("BUY", "2", "STP LMT", "50.05", "1E-7", "GTC")),
        ({"type": "market", "limit_price": None, "quantity": dec("0.25")}, ("BUY", "0.25", "MKT", "", "", "DAY")),
        ({"quantity": dec("123456789.012345")}, ("BUY", "123456789.012345", "LMT", "50.05", "", "GTC")),
    ],
)  # fmt: skip
async def test_what_goes_out_is_what_was_asked_for(
    office: Office, terms: dict[str, Any], told: tuple[str, ...]
) -> None:
    """Every digit, for the account by its name, transmitted at once, in the hours that TWS has; and it is only sent once."""
    office.world.office.pay("DU1", "deposit", "USD", dec(10) ** 11)
    office.world.set_price("AAPL", dec(51))
    order = await office.connect().submit_order(replace(BUY, **terms))
    sent = wire(office)
    assert tuple(sent[name] for name in ("action", "quantity", "type", "limit", "stop", "tif")) == told
    assert (sent["account"], sent["ref"], sent["transmit"], sent["outside"]) == ("DU1", "e-1", "1", "0")
    assert len(office.tws.orders.placed) == 1
    assert order.broker_order_id == str(tws_rows.number(next(iter(office.tws.orders.numbers))))


@given(
    digits=st.text("0123456789", min_size=1, max_size=30),
    point=st.integers(0, 12),
    name=st.text("e- |\0\n\u00e9", min_size=1, max_size=4),
    odd=st.sampled_from([{}, {"reduce_only": True}, {"position_side": "long"}, {"type": "trail"}, {"type": "stop"}]),
)
def test_what_cannot_be_said_just_so_is_not_sent(digits: str, point: int, name: str, odd: dict[str, Any]) -> None:
    """More digits than TWS holds, a zero, a field's end, legs, reduce-only: refused; all else keeps its text."""
    amount = dec(f"1{digits}").scaleb(-point)
    request = replace(BUY, quantity=amount, client_order_id=name, **odd)
    fits = len(plain(amount).replace(".", "").strip("0")) <= DIGITS
    spelt = name.isascii() and name.isprintable() and name == name.strip()
    if fits and spelt and not odd:
        require_sendable(request, "submit")
    else:
        with pytest.raises(ActionRefused):
            require_sendable(request, "submit")


@pytest.mark.parametrize("code", sorted(map(int, NOT_TAKEN)))
async def test_a_definite_no_is_a_refusal(office: Office, code: int) -> None:
    """Nothing rests, the look-up says so, and the same id may be sent again."""
    broker = office.connect()
    office.tws.orders.turned_away = [code]
    with pytest.raises(ActionRefused, match=str(code)):
        await broker.submit_order(BUY)
    assert await broker.get_order(client_order_id="e-1") is None
    assert (await broker.submit_order(BUY)).status == "open"


async def test_a_refusal_of_what_is_listed_as_live_is_none(office: Office) -> None:
    """TWS says no, and has it: nobody is told that nothing rests there."""
    broker = office.connect()
    office.tws.plan.inject(TwsRule(kinds=frozenset((PLACE,)), fault=TwsFault.REFUSED, taken=True))
    with pytest.raises(OutcomeUnknown, match="lists it as live"):
        await broker.submit_order(BUY)
    found = await broker.get_order(client_order_id="e-1")
    assert found is not None
    assert (found.status, resting(office, "e-1")) == ("open", 1)


@pytest.mark.parametrize("code", sample([100, 105, 106, 133, 202, 399, 404, 451, 2109, 10349, 99999], 5))
async def test_any_other_code_leaves_it_unknown(office: Office, code: int) -> None:
    """TWS saw the number, so that nobody may say that it never arrived: not sent again, and not looked up as nothing."""
    broker = office.connect(seconds=0.8)
    await broker.get_positions()
    office.tws.orders.turned_away = [code]
    with pytest.raises(OutcomeUnknown):
        await broker.submit_order(BUY)
    broker.session.seconds = 5
    with pytest.raises(SourceIncomplete):
        await broker.get_order(client_order_id="e-1")
    with pytest.raises(OutcomeUnknown, match="sent before"):
        await broker.submit_order(BUY)
    assert len(office.tws.orders.placed) == 1


async def test_an_order_of_the_same_number_is_another_clients(office: Office) -> None:
    """A master client is told of everybody's orders, whose numbers may be ours: what ended there says nothing of ours."""
    broker = office.connect(linger=0.1)
    await broker.submit_order(BUY)
    number = office.tws.orders.placed[-1][1]
    office.tws.more[CANCEL] = [f"3|{number}|Cancelled|0|2|0|771|0|0|100||0|"]
    lost = HttpRule(fault=HttpFault.CANCEL_LOST)
    office.tws.plan.inject(
        TwsRule(kinds=frozenset((CANCEL,)), lie=lost),
        TwsRule(kinds=frozenset((ALL_ORDERS,))),  # as it should be: what is to be cancelled is read
        TwsRule(kinds=frozenset((ALL_ORDERS,)), fault=TwsFault.CLOSED),
    )
    with pytest.raises(OutcomeUnknown):
        await broker.cancel_order(client_order_id="e-1")
    assert resting(office, "e-1") == 1


async def test_a_submit_that_is_broken_off_before_it_is_sent_may_be_sent_again(office: Office) -> None:
    """Who waits no longer while TWS is still asked whether the id is new has sent nothing, and no memory of it stays."""
    broker = office.connect()
    await broker.get_positions()
    office.tws.faults = {COMPLETED: TwsFault.SILENT}
    waiting = asyncio.ensure_future(broker.submit_order(BUY))
    await office.tws.heard(COMPLETED)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    office.tws.faults = {}
    assert (await broker.submit_order(BUY)).status == "open"
    assert len(office.tws.orders.placed) == 1


async def test_a_submit_that_is_broken_off_behind_its_sending_is_unknown(office: Office) -> None:
    """It is there: it is found, and not sent again."""
    broker = office.connect()
    await broker.get_positions()
    office.tws.plan.inject(TwsRule(kinds=frozenset((PLACE,)), fault=TwsFault.SILENT, taken=True))
    waiting = asyncio.ensure_future(broker.submit_order(BUY))
    await office.tws.heard(PLACE)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    with pytest.raises(OutcomeUnknown):
        await broker.submit_order(BUY)
    found = await broker.get_order(client_order_id="e-1")
    assert found is not None
    assert (len(office.tws.orders.placed), found.status) == (1, "open")


async def test_no_second_order_of_an_id(office: Office) -> None:
    """TWS would take it: two at once, one more of another process, one of somebody else's id that ended or only traded."""
    broker, another = office.connect(), office.connect()
    told = await asyncio.gather(*(broker.submit_order(BUY) for _ in range(3)), return_exceptions=True)
    assert sorted(isinstance(each, OutcomeUnknown) for each in told) == [False, True, True]
    office.tws.more[EXECUTIONS] = [
        "11|1|7|265598|AAPL|STK||0|?||SMART|USD|AAPL|AAPL|x.01|20261120 09:35:00 UTC|DU1|SMART|BOT|1|9|4|9|0|1|9|e-9||||1|"
    ]
    for name in ("e-1", "c-1", "c-3", "e-9"):  # ours, a live one, one that was cancelled, one that only traded
        with pytest.raises(OutcomeUnknown, match="is there"):
            await another.submit_order(replace(BUY, client_order_id=name))
    assert (len(office.tws.orders.placed), resting(office, "e-1")) == (1, 1)


async def test_a_look_up_that_failed_sends_nothing(office: Office) -> None:
    """Without a word on whether an id was sent before, or with TWS cut off, nothing goes out."""
    for kind in (ALL_ORDERS, COMPLETED, EXECUTIONS, CONTRACT):
        office.tws.faults = {kind: TwsFault.CLOSED}
        with pytest.raises(ActionRefused, match="nothing was sent"):
            await office.connect().submit_order(BUY)
    office.tws.faults = {START: TwsFault.CUT_OFF}
    with pytest.raises(ActionRefused, match="lost its connection"):
        await office.connect().submit_order(BUY)
    assert office.tws.orders.placed == []


@pytest.mark.parametrize(
    "changed", [{"limit_price": dec(50)}, {"quantity": dec(1)}, {"side": "sell"}, {"client_order_id": "e"}]
)
async def test_an_order_that_stands_otherwise_is_unknown(office: Office, changed: dict[str, Any]) -> None:
    """TWS took it at another price, in another size, to the other side or under another name: that is not told as ours."""
    office.tws.orders.bend = lambda request: replace(request, **changed)
    with pytest.raises(OutcomeUnknown):
        await office.connect().submit_order(BUY)
    assert len(office.tws.orders.placed) == 1


@pytest.mark.parametrize(("there", "status"), [("0.75", "cancelled"), ("2", "filled")])
async def test_what_an_ended_order_filled_is_not_forgotten(office: Office, there: str, status: str) -> None:
    """TWS's list of ended orders leaves that out at times: executions tell it, for who sent it and for who looks it up."""
    office.world.set_price("AAPL", dec(60), available=dec(there))
    office.tws.forgets = True
    order = await office.connect().submit_order(replace(BUY, type="market", limit_price=None))
    assert (order.status, order.filled) == (status, dec(there))
    assert await office.connect().get_order(client_order_id="e-1") == order
    with pytest.raises(ActionRefused) if status == "filled" else nullcontext():
        assert await office.connect().cancel_order(client_order_id="e-1") == order


async def test_only_who_sent_an_order_cancels_it(office: Office) -> None:
    """Another client's and a person's orders are read; their cancel is refused, and nothing is sent."""
    broker = office.connect()
    for name in ("c-1", "c-2"):
        with pytest.raises(ActionRefused, match="only the client that sent"):
            await broker.cancel_order(client_order_id=name)
    assert CANCEL not in office.tws.asked
    await broker.submit_order(BUY)
    after_a_restart = office.connect()
    assert (await after_a_restart.cancel_order(client_order_id="e-1")).status == "cancelled"


async def test_a_name_means_one_instrument_or_none(office: Office) -> None:
    """What is held is meant; of several of one name, that in the configured currency; else nothing is sent."""
    office.tws.more[CONTRACT] = [OTHER_TWS]
    assert (await office.connect().submit_order(BUY)).asset == "AAPL"  # it is held
    office.trade("AAPL", "sell", "3.25", "90")
    request = replace(BUY, client_order_id="e-2")
    with pytest.raises(ActionRefused, match="several instruments"):
        await office.connect().submit_order(request)
    with pytest.raises(ActionRefused, match="knows no such instrument"):
        await office.connect().submit_order(replace(request, asset="MSFT"))
    assert len(office.tws.orders.placed) == 1
    assert (await office.connect(currency="USD").submit_order(request)).asset == "AAPL"
    assert office.tws.orders.placed[-1][2] == str(tws_rows.number("AAPL"))


async def test_options_and_futures_are_found_by_their_local_symbol(office: Office) -> None:
    """Also where nothing is held of them; an option's name has one space here and as many there as it needs."""
    office.trade("ESZ6", "buy", "3", "5800")
    office.trade(OPTION, "sell", "2", "1")
    broker = office.connect()
    for name, asset in (("e-1", "ESZ6"), ("e-2", "AAPL 270115C00200000")):
        assert (await broker.submit_order(replace(BUY, client_order_id=name, asset=asset))).asset == asset
    assert [row[2] for row in office.tws.orders.placed] == [str(tws_rows.number(each)) for each in ("ESZ6", OPTION)]


async def test_news_of_our_orders_among_a_list_are_not_rows_more(office: Office) -> None:
    """TWS tells who sent an order of what becomes of it, at any time: each order counts once, as it was told last."""
    broker = office.connect()
    await broker.submit_order(BUY)
    desk = Desk(office.world)
    (ours,) = [row for row in desk.orders("DU1") if row.client_order_id == "e-1"]
    senders = office.tws.orders.numbers
    office.tws.more[ALL_ORDERS] = [
        tws_rows.open_order(desk, ours, "DU1", senders),
        tws_rows.status(replace(ours, status="filled", filled=ours.quantity), senders),
    ]
    assert sorted(row.name for row in await broker.get_open_orders()) == ["c-1", "c-2"]
    office.tws.more.clear()
    assert sorted(row.name for row in await broker.get_open_orders()) == ["c-1", "c-2", "e-1"]


async def test_an_order_that_never_arrived_is_told_by_its_number(office: Office) -> None:
    """TWS has not seen it by the next connection: no such order; not so while anything tells that it traded."""
    broker = office.connect()
    await broker.get_positions()
    office.tws.plan.inject(TwsRule(kinds=frozenset((PLACE,)), fault=TwsFault.CLOSED, taken=False))
    with pytest.raises(OutcomeUnknown):
        await broker.submit_order(BUY)
    office.tws.more[EXECUTIONS] = [
        "11|1|7|265598|AAPL|STK||0|?||SMART|USD|AAPL|AAPL|x.01|20261120 09:35:00 UTC|DU1|SMART|BOT|1|9|4|9|0|1|9|e-1||||1|"
    ]
    with pytest.raises(SourceIncomplete):
        await broker.get_order(client_order_id="e-1")
    office.tws.more.clear()
    assert await broker.get_order(client_order_id="e-1") is None
    assert (await broker.submit_order(BUY)).status == "open"


def test_order_numbers_that_begin_anew_prove_nothing() -> None:
    """Somebody resets TWS's numbers: what TWS has seen stays seen, and what is under way has no number yet."""
    sent = SentOrders()
    for name in ("taken", "seen", "lost", "under way"):
        sent.begin(name, "submit")
    for number, name in enumerate(("taken", "seen", "lost"), 5):
        sent.numbered(name, number)
    sent.settled("taken", "taken")
    sent.connected(7)
    names = ("taken", "seen", "lost", "under way", "stranger")
    assert [name for name in names if sent.never(name)] == ["lost"]
    sent.connected(1)
    assert [name for name in names if sent.never(name)] == ["lost"]
    sent.forget_unsent("under way")
    sent.begin("under way", "submit")
    with pytest.raises(OutcomeUnknown):
        sent.begin("seen", "submit")
