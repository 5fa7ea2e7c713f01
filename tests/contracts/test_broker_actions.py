"""The promises of `tieout.brokers.base.BrokerAdapter` about `submit_order` and `cancel_order`."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from tests.contracts.steps import buy, found, list_share
from tests.contracts.venues import Venue
from tests.proving import sample

from tieout.brokers.base import OrderRequest
from tieout.brokers.simulated import Fault, FaultRule
from tieout.brokers.simulated.commands import SetPrice
from tieout.errors import ActionError, ActionRefused, OutcomeUnknown
from tieout.model.amounts import dec
from tieout.model.snapshot import Order


async def listed(venue: Venue, order: Order) -> tuple[Order, ...]:
    """The open orders, but for when they last changed: some venues tell that of a single order only."""
    return tuple(replace(row, updated_at=order.updated_at) for row in await venue.broker.get_open_orders())


@pytest.fixture
def venue(acting: Venue) -> Venue:
    """Each implementation in turn that sends orders."""
    return acting


async def test_who_sends_no_orders_says_so(reading: Venue, ticker: str) -> None:
    """A submit and a cancel are refused, the capabilities tell it beforehand, and nothing arrives at the venue."""
    await list_share(reading, ticker)
    before = await reading.truth()
    assert not reading.broker.capabilities().acts
    with pytest.raises(ActionRefused):
        await reading.broker.submit_order(buy("c-1", ticker))
    with pytest.raises(ActionRefused):
        await reading.broker.cancel_order(client_order_id="c-1")
    assert await reading.truth() == before


async def test_a_submit_is_acknowledged_as_it_stands(venue: Venue, ticker: str) -> None:
    """The answer to a submit is the order as the venue has it, what was filled at once included."""
    await list_share(venue, ticker)
    resting = await venue.broker.submit_order(buy("c-1", ticker))
    assert (resting.status, resting.filled, resting.client_order_id) == ("open", dec(0), "c-1")
    await venue.let(SetPrice(asset=ticker, price=dec(200), available=dec("0.4")))
    market = OrderRequest(client_order_id="c-2", asset=ticker, side="buy", quantity=dec(1), type="market")
    if "market" not in venue.traits.takes:
        with pytest.raises(ActionRefused):
            await venue.broker.submit_order(market)
        taken = await venue.broker.submit_order(buy("c-2", ticker, price="201"))
        assert (taken.status, taken.filled) == ("partially_filled", dec("0.4"))
        return
    taken = await venue.broker.submit_order(market)
    assert (taken.status, taken.filled) == ("cancelled", dec("0.4"))
    assert await venue.broker.get_order(client_order_id="c-2") == taken


async def test_a_refused_submit_leaves_nothing(venue: Venue, ticker: str) -> None:
    """What the venue refuses does not rest there and moves nothing."""
    await list_share(venue, ticker)
    before = (await venue.truth()).snapshot
    requests = [buy("c-1", "NONE"), buy("c-1", ticker, quantity="0")]
    if venue.traits.refuses_expensive:
        requests.append(buy("c-1", ticker, price="100000000"))
    for request in requests:
        with pytest.raises(ActionRefused):
            await venue.broker.submit_order(request)
    assert await venue.broker.get_order(client_order_id="c-1") is None
    assert (await venue.truth()).snapshot == before


async def test_a_client_id_serves_once(venue: Venue, ticker: str) -> None:
    """A second submit of a client id rests nowhere and is counted, also after the first order ended.

    An adapter may call it refused or unknown: that an id was seen says that an earlier attempt may have arrived.
    """
    await list_share(venue, ticker)
    await venue.broker.submit_order(buy("c-1", ticker))
    with pytest.raises(ActionError):
        await venue.broker.submit_order(buy("c-1", ticker))
    await venue.broker.cancel_order(client_order_id="c-1")
    with pytest.raises(ActionError):
        await venue.broker.submit_order(buy("c-1", ticker))
    truth = await venue.truth()
    assert len(truth.snapshot.orders or ()) == 1
    assert truth.submits == {"c-1": 3 if venue.traits.unique else 1}


async def test_a_cancel_can_be_repeated(venue: Venue, ticker: str) -> None:
    """A cancel answers the ended order with its fills, and the same again when repeated, by either id."""
    await list_share(venue, ticker)
    order = await venue.broker.submit_order(buy("c-1", ticker))
    await venue.let(SetPrice(asset=ticker, price=dec(99), available=dec("0.25")))
    ended = await venue.broker.cancel_order(broker_order_id=order.broker_order_id)
    assert (ended.status, ended.filled) == ("cancelled", dec("0.25"))
    assert await venue.broker.cancel_order(client_order_id="c-1") == ended
    assert await venue.broker.get_open_orders() == ()


async def test_a_cancel_needs_a_live_order(venue: Venue, ticker: str) -> None:
    """Cancelling an order that was filled, or that nobody knows, is refused."""
    await list_share(venue, ticker)
    await venue.broker.submit_order(buy("c-1", ticker))
    await venue.let(SetPrice(asset=ticker, price=dec(99)))
    for name in ("c-1", "c-never"):
        with pytest.raises(ActionRefused):
            await venue.broker.cancel_order(client_order_id=name)


@pytest.mark.parametrize("fault", [Fault.LOST_REPLY, Fault.MALFORMED])
async def test_a_submit_whose_answer_was_lost_is_found_by_its_client_id(
    venue: Venue, ticker: str, fault: Fault
) -> None:
    """`OutcomeUnknown`, then the order is found; sending it again is refused, so that it rests once."""
    await list_share(venue, ticker)
    await venue.go_wrong(FaultRule(fault=fault, calls=frozenset({"submit_order"})))
    with pytest.raises(OutcomeUnknown):
        await venue.broker.submit_order(buy("c-1", ticker))
    order = await found(venue, "c-1")
    assert order.status == "open"
    with pytest.raises(ActionError):
        await venue.broker.submit_order(buy("c-1", ticker))
    assert await listed(venue, order) == (order,)


@pytest.mark.parametrize("fault", [Fault.LOST_REQUEST, Fault.UNAVAILABLE])
async def test_a_submit_that_never_arrived_is_not_found(venue: Venue, ticker: str, fault: Fault) -> None:
    """`OutcomeUnknown`, then the venue says that it knows no such order and has seen no submit."""
    await list_share(venue, ticker)
    await venue.go_wrong(FaultRule(fault=fault, calls=frozenset({"submit_order"})))
    with pytest.raises(OutcomeUnknown):
        await venue.broker.submit_order(buy("c-1", ticker))
    assert await venue.broker.get_order(client_order_id="c-1") is None
    assert (await venue.truth()).submits == {}


async def test_a_submit_that_timed_out_landed_or_not(venue: Venue, ticker: str) -> None:
    """After time-outs some orders rest and some do not, and each look-up tells which, by the venue's own count."""
    await list_share(venue, ticker)
    await venue.go_wrong(FaultRule(fault=Fault.TIMEOUT, calls=frozenset({"submit_order"}), times=None))
    landed: dict[str, bool] = {}
    while len(set(landed.values())) < 2:
        assert len(landed) < 16, "chance has it that this ends long before"
        name = f"c-{len(landed)}"
        with pytest.raises(OutcomeUnknown):
            await venue.broker.submit_order(buy(name, ticker))
        landed[name] = await venue.broker.get_order(client_order_id=name) is not None
    assert {name for name, arrived in landed.items() if arrived} == set((await venue.truth()).submits)


@pytest.mark.parametrize("fault", [Fault.THROTTLED, Fault.REFUSED])
async def test_an_action_that_was_turned_away_did_nothing(venue: Venue, ticker: str, fault: Fault) -> None:
    """A submit turned away at the door is `ActionRefused`, nothing rests, and the same id may be sent again.

    Where the venue is vague about it, it is `OutcomeUnknown`, until the look-up says that it never arrived.
    """
    await list_share(venue, ticker)
    await venue.go_wrong(FaultRule(fault=fault, calls=frozenset({"submit_order"})))
    with pytest.raises(OutcomeUnknown if fault in venue.traits.vague else ActionRefused):
        await venue.broker.submit_order(buy("c-1", ticker))
    assert await venue.broker.get_order(client_order_id="c-1") is None
    assert (await venue.broker.submit_order(buy("c-1", ticker))).status == "open"


@pytest.mark.prove
@pytest.mark.parametrize("fault", sample([fault for fault in Fault if fault is not Fault.LATENCY], 2))
async def test_nothing_but_action_errors_escapes_from_actions(venue: Venue, ticker: str, fault: Fault) -> None:
    """Whatever goes wrong, a submit and a cancel end in an order or in an `ActionError`, never in a source's failure."""
    if fault in venue.traits.cannot:
        pytest.skip(venue.traits.cannot[fault])
    await list_share(venue, ticker)
    await venue.broker.submit_order(buy("c-1", ticker))
    await venue.go_wrong(FaultRule(fault=fault, calls=frozenset({"submit_order", "cancel_order"}), times=2))
    for act in (
        venue.broker.submit_order(buy("c-2", ticker)),
        venue.broker.cancel_order(client_order_id="c-1"),
    ):
        try:
            assert (await act).client_order_id in ("c-1", "c-2")
        except ActionError as error:
            assert isinstance(error, (ActionRefused, OutcomeUnknown))


@pytest.mark.parametrize(
    ("fault", "status"),
    [(Fault.LOST_REPLY, "cancelled"), (Fault.LOST_REQUEST, "open")],
)
async def test_a_cancel_of_unknown_outcome_is_read_back(venue: Venue, ticker: str, fault: Fault, status: str) -> None:
    """`OutcomeUnknown`; reading the order back tells; asking again ends it in any case."""
    await list_share(venue, ticker)
    await venue.broker.submit_order(buy("c-1", ticker))
    await venue.go_wrong(FaultRule(fault=fault, calls=frozenset({"cancel_order"})))
    with pytest.raises(OutcomeUnknown):
        await venue.broker.cancel_order(client_order_id="c-1")
    assert (await found(venue, "c-1")).status == status
    assert (await venue.broker.cancel_order(client_order_id="c-1")).status == "cancelled"


async def test_a_cancel_that_was_only_acknowledged_shows_in_the_answer(venue: Venue, ticker: str) -> None:
    """The answer is the order as it stands: a cancel without effect shows it live."""
    await list_share(venue, ticker)
    order = await venue.broker.submit_order(buy("c-1", ticker))
    await venue.go_wrong(FaultRule(fault=Fault.CANCEL_LOST))
    assert await venue.broker.cancel_order(client_order_id="c-1") == order
    assert await listed(venue, order) == (order,)
