"""Orders at Hyperliquid: signed for this account or not at all, and nothing is signed beside them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from msgspec.structs import replace
from tests.brokers.ccxt.test_sends import asked_for, over_loopback
from tests.contracts.venues import OverHttp

from tieout.brokers.base import OrderRequest
from tieout.brokers.ccxt.orders import acknowledged, ids_alone
from tieout.brokers.ccxt.sends import way_for
from tieout.brokers.ccxt.venues import VENUES
from tieout.brokers.loopback.faults import HttpFault, HttpRule
from tieout.brokers.loopback.hyperliquid import LoopbackHyperliquid
from tieout.errors import ActionRefused, OutcomeUnknown
from tieout.model.amounts import dec

Json = dict[str, Any]


@pytest.fixture
async def venue() -> AsyncIterator[OverHttp]:
    """An account that an agent signs for."""
    async with over_loopback("hyperliquid") as made:
        yield made


def request() -> OrderRequest:
    """A limit order that rests."""
    return asked_for("linear", "limit", "buy", None, reduce_only=False, venue="hyperliquid")


def signed(venue: OverHttp) -> list[Json]:
    """Every action that was signed and sent."""
    return [one.document for one in venue.server.asked if one.path == "/exchange"]


def skin(venue: OverHttp) -> LoopbackHyperliquid:
    """The server."""
    assert isinstance(venue.server, LoopbackHyperliquid)
    return venue.server


async def test_nothing_is_signed_but_the_order_and_its_end(venue: OverHttp) -> None:
    """No fee for a builder, no referrer, no leverage: one action to submit and one to cancel, each with its own nonce."""
    await venue.broker.get_balances()
    order = await venue.broker.submit_order(request())
    await venue.broker.cancel_order(client_order_id=order.client_order_id)
    sent, ended = signed(venue)
    assert {name: set(one["action"]) for name, one in (("sent", sent), ("ended", ended))} == {
        "sent": {"type", "orders", "grouping"},
        "ended": {"type", "cancels"},
    }
    assert ended["action"]["cancels"] == [{"a": 1, "o": int(order.broker_order_id or "")}]
    assert sent["nonce"] < ended["nonce"] and set(sent) == set(ended) == {"action", "nonce", "signature"}


async def test_a_key_of_another_account_sends_nothing(venue: OverHttp) -> None:
    """An agent of somebody else, or of the main account of this one: the order would rest there, so it is not signed."""
    for other in ("0x" + "8" * 40, None):
        ((agent, _own),) = skin(venue).agents.items()
        skin(venue).agents.clear()
        if other is not None:
            skin(venue).agents[agent] = other
        else:
            skin(venue).agents["0x" + "7" * 40] = "0x" + "1" * 40
        for deed in (venue.broker.submit_order(request()), venue.broker.cancel_order(client_order_id="c-1")):
            with pytest.raises(ActionRefused, match="signs for another account"):
                await deed
        skin(venue).agents.clear()
        skin(venue).agents[agent] = "0x" + "1" * 40
    assert signed(venue) == []


async def test_without_the_venue_s_word_for_whom_the_key_signs_nothing_is_sent(venue: OverHttp) -> None:
    """That question fails: refused, unsent; it is asked again, and then once and for all."""
    rule = HttpRule(fault=HttpFault.TEXT, endpoint="POST /info userRole", times=1, status=503, text="down")
    venue.server.faults.inject(rule)
    with pytest.raises(ActionRefused, match="could not be asked"):
        await venue.broker.submit_order(request())
    assert signed(venue) == []
    await venue.broker.submit_order(request())
    await venue.broker.submit_order(replace(request(), client_order_id="c-2"))
    asked = [one.document for one in venue.server.asked if one.path == "/info"]
    assert len([one for one in asked if one["type"] == "userRole"]) == 3  # twice about the key, once about the account


async def test_the_server_takes_what_was_signed_and_nothing_else(venue: OverHttp) -> None:
    """An action once more, or with another size under the same signature: nothing of it reaches the world."""
    await venue.broker.submit_order(request())
    (sent,) = signed(venue)
    (order,) = sent["action"]["orders"]
    changed = {**sent, "action": {**sent["action"], "orders": [{**order, "s": "5"}]}}
    later = {**sent, "nonce": sent["nonce"] + 1}
    async with aiohttp.ClientSession() as session:
        for body in (sent, changed, later):
            async with session.post(f"{venue.server.url}/exchange", json=body) as answer:
                assert (await answer.json())["status"] == "err"
    assert len(venue.world.snapshot(venue.account).orders or ()) == 1


@pytest.mark.parametrize(
    "terms",
    [{"limit_price": dec("99.55")}, {"limit_price": dec("123456.5")}, {"quantity": dec("1.000001")}],
    ids=["decimals", "digits", "size"],
)
async def test_what_would_be_rounded_is_not_sent(venue: OverHttp, terms: Json) -> None:
    """Prices have five digits there, and decimals by the size's; ccxt would round, and the order be another one."""
    with pytest.raises(ActionRefused, match="step"):
        await venue.broker.submit_order(replace(request(), **terms))
    assert signed(venue) == []


def test_markets_of_builders_are_sent_nothing() -> None:
    """They are numbered from 100,000 on, and no order of theirs was ever seen to go out as asked for."""
    sends = VENUES["hyperliquid"].sends
    for number, known in (("3", True), ("110003", False), ("PURR", False)):
        market = {"id": number, "swap": True, "linear": True}
        if known:
            assert way_for(sends, market, request(), "submit").type == "limit"
            continue
        with pytest.raises(ActionRefused):
            way_for(sends, market, request(), "submit")


def test_a_part_that_was_filled_at_once_is_not_the_order() -> None:
    """The acknowledgement names the size that was filled: it is believed its ids only."""
    told = {"id": "7", "amount": "0.1", "filled": "0.1", "status": None, "symbol": None, "clientOrderId": None}
    order = acknowledged(request(), VENUES["hyperliquid"].ids.heard, ids_alone(told))
    assert (order.quantity, order.filled, order.status, order.broker_order_id) == (
        request().quantity, None, "unknown", "7",
    )  # fmt: skip


async def test_the_order_of_another_price_is_not_told_as_ours(venue: OverHttp) -> None:
    """What stands under the id that came back has other terms: of unknown outcome."""
    await venue.broker.submit_order(request())
    number = (await venue.broker.get_open_orders())[0].broker_order_id
    told = f'{{"status":"ok","response":{{"type":"order","data":{{"statuses":[{{"resting":{{"oid":{number}}}}}]}}}}}}'
    old = HttpRule(fault=HttpFault.TEXT, endpoint="POST /exchange order", status=200, taken=True, text=told)
    venue.server.faults.inject(old)
    with pytest.raises(OutcomeUnknown):
        await venue.broker.submit_order(replace(request(), client_order_id="c-2", limit_price=dec("98")))
