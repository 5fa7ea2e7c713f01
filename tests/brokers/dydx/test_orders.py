"""Which orders can still trade, and which order is meant by an id."""

from __future__ import annotations

import json

import pytest
from tests.brokers.dydx.scene import ADDRESS, BTC, ETH, adapter, staged

from tieout.brokers.base import OrderRequest
from tieout.brokers.loopback.faults import HttpFault, HttpRule
from tieout.errors import SourceIncomplete, SourceMalformed
from tieout.model.amounts import dec

LIST = "GET /v4/orders/parentSubaccountNumber*"


async def test_every_order_that_can_still_trade_is_live() -> None:
    """Those that rest, wait for their trigger, or are known or cancelled by best effort only; no ended one."""
    async with staged() as scene:
        for number, status in enumerate(("OPEN", "BEST_EFFORT_OPENED", "BEST_EFFORT_CANCELED", "CANCELED"), 1):
            scene.rest(str(number))
            scene.venue.told[str(number)] = {"status": status}
        stop = OrderRequest(
            client_order_id="5", asset=BTC, side="buy", quantity=dec(1), type="stop", stop_price=dec(70000)
        )
        scene.world.submit("main", stop)
        live = {order.client_order_id: order for order in await scene.broker.get_open_orders()}
        assert set(live) == {"1", "2", "3", "5"}
        assert (live["5"].stop_price, live["5"].limit_price, live["5"].status) == (dec(70000), None, "open")


@pytest.mark.parametrize(
    ("told", "became"), [("OPEN", "expired"), ("BEST_EFFORT_OPENED", "expired"), ("BEST_EFFORT_CANCELED", "cancelled")]
)
async def test_an_order_of_a_block_that_has_passed_has_ended(told: str, became: str) -> None:
    """A short-term order fills up to its block and never after it, whatever the venue has not tidied up."""
    async with staged() as scene:
        order = scene.rest("1")
        height = int(json.loads(await scene.body("/v4/height"))["height"])
        for until, status, count in ((height, "open", 1), (height - 1, became, 0)):
            scene.venue.told["1"] = {"status": told, "goodTilBlock": str(until), "goodTilBlockTime": None}
            assert len(await scene.broker.get_open_orders()) == count
            found = await scene.broker.get_order(client_order_id="1")
            assert found is not None
            assert found.status == status
        assert order.live


async def test_a_filled_part_shows() -> None:
    """What was filled counts, and a live order with a filled part says so."""
    async with staged() as scene:
        order = scene.rest("1")
        scene.world.fill("main", order.broker_order_id or "", dec("0.4"), dec(50))
        (found,) = await scene.broker.get_open_orders()
        assert (found.status, found.filled, found.remaining) == ("partially_filled", dec("0.4"), dec("0.6"))


async def test_a_status_that_nobody_knows_leaves_the_list_incomplete() -> None:
    """The other orders are given, and that one is not read as ended."""
    async with staged() as scene:
        scene.rest("1")
        scene.rest("2")
        rows = json.loads(
            await scene.body(f"/v4/orders/parentSubaccountNumber?address={ADDRESS}&parentSubaccountNumber=0")
        )
        rows[0]["status"] = "SUSPENDED"
        scene.venue.faults.inject(HttpRule(fault=HttpFault.TEXT, endpoint=LIST, text=json.dumps(rows)))
        with pytest.raises(SourceIncomplete) as failure:
            await scene.broker.get_open_orders()
        assert len(failure.value.rows) == 1


async def test_a_client_id_that_two_orders_bear_names_neither() -> None:
    """It serves once a market there: in the list both keep their venue's ids, and a look-up by it is no answer."""
    async with staged() as scene:
        scene.rest("1")
        scene.rest("2", ETH)
        scene.venue.told["2"] = {"clientId": "1"}
        orders = await scene.broker.get_open_orders()
        assert [order.client_order_id for order in orders] == [None, None]
        assert len({order.broker_order_id for order in orders}) == 2
        with pytest.raises(SourceIncomplete, match="more than one"):
            await scene.broker.get_order(client_order_id="1")


async def test_the_order_of_somebody_else_is_none_of_ours() -> None:
    """Anybody's order can be asked for by its id; it is not this account's."""
    async with staged() as scene:
        scene.world.office.pay("far", "deposit", "USDC", dec(1000))
        request = OrderRequest(client_order_id="9", asset=BTC, side="buy", quantity=dec(1), limit_price=dec(5))
        scene.world.submit("far", request)
        far = adapter(scene.venue, scene.clock, ADDRESS, 5)
        (theirs,) = await far.get_open_orders()
        assert await far.get_order(broker_order_id=theirs.broker_order_id) == theirs
        assert await scene.broker.get_order(broker_order_id=theirs.broker_order_id) is None
        await far.close()


async def test_another_order_than_asked_for_is_no_answer() -> None:
    """An answer that names another id is not believed."""
    async with staged() as scene:
        scene.rest("1")
        scene.rest("2")
        one, two = await scene.broker.get_open_orders()
        text = (await scene.body(f"/v4/orders/{one.broker_order_id}")).decode()
        scene.venue.faults.inject(HttpRule(fault=HttpFault.TEXT, endpoint="GET /v4/orders/*", text=text))
        with pytest.raises(SourceMalformed):
            await scene.broker.get_order(broker_order_id=two.broker_order_id)


def _many(row: dict[str, object], count: int) -> str:
    return json.dumps([row | {"id": f"{number:036d}", "clientId": str(number)} for number in range(count)])


async def test_a_full_list_is_asked_for_in_parts() -> None:
    """Orders that were cancelled by best effort pile up there: of those, only what may still fill is asked for."""
    async with staged() as scene:
        scene.rest("1")
        (row,) = json.loads(
            await scene.body(f"/v4/orders/parentSubaccountNumber?address={ADDRESS}&parentSubaccountNumber=0")
        )
        full = HttpRule(fault=HttpFault.TEXT, endpoint=LIST, text=_many(row, 1000))
        scene.venue.faults.inject(full)
        assert [order.client_order_id for order in await scene.broker.get_open_orders()] == ["1"]
        asked = [each.fields for each in scene.venue.asked if each.path.endswith("/orders/parentSubaccountNumber")]
        assert [each.get("status") for each in asked[-3:]] == [
            "OPEN,UNTRIGGERED,BEST_EFFORT_OPENED", "BEST_EFFORT_CANCELED", "BEST_EFFORT_CANCELED",
        ]  # fmt: skip
        scene.venue.faults.inject(full, full)
        with pytest.raises(SourceIncomplete, match="more orders") as failure:
            await scene.broker.get_open_orders()
        assert len(failure.value.rows) == 1000


async def test_a_client_id_that_is_not_among_the_latest_is_not_unknown() -> None:
    """The venue lists its latest orders; that one is not among them proves nothing where it lists all that it can."""
    async with staged() as scene:
        scene.rest("1")
        path = f"/v4/orders/parentSubaccountNumber?address={ADDRESS}&parentSubaccountNumber=0"
        (row,) = json.loads(await scene.body(path))
        assert await scene.broker.get_order(client_order_id="-1") is None
        scene.venue.faults.inject(HttpRule(fault=HttpFault.TEXT, endpoint=LIST, text=_many(row, 1000)))
        with pytest.raises(SourceIncomplete, match="not among them"):
            await scene.broker.get_order(client_order_id="-1")
