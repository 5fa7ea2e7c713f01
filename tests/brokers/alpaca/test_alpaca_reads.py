"""What Alpaca's adapter says of an account is what the venue holds, and where it cannot know it says so."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from tests.brokers.alpaca.conftest import START, Shop, connected

from tieout.brokers.base import OrderRequest
from tieout.brokers.loopback.faults import HttpFault, HttpRule
from tieout.errors import SourceError, SourceIncomplete, SourceMalformed, SourceRefused
from tieout.model.amounts import dec
from tieout.model.snapshot import Order


def buy(name: str, asset: str = "AAPL", price: str = "10", side: str = "buy") -> OrderRequest:
    """A limit order for one."""
    return OrderRequest(client_order_id=name, asset=asset, side=side, quantity=dec(1), limit_price=dec(price))  # type: ignore[arg-type]


def rest(shop: Shop, *names: str) -> list[str]:
    """Put orders into the world; the world's ids of them."""
    return [shop.world.submit("main", buy(name)).broker_order_id or "" for name in names]


async def test_a_coin_bears_one_name_in_all_sections(shop: Shop) -> None:
    """BTCUSD among the holdings, BTC/USD among orders and fills, BTCUSD among fees: one asset."""
    shop.world.trade("main", "BTC/USD", "buy", dec("0.123456789"), dec(90000))
    shop.world.office.pay("main", "fee", "BTC", dec("-0.000000009"))
    order = await shop.broker.submit_order(buy("c", "BTC/USD"))
    (position,), (fill,) = await shop.broker.get_positions(), await shop.broker.get_fills(START)
    *_, fee = await shop.broker.get_activities(START)
    assert {order.asset, position.asset, fill.asset, fee.asset} == {"BTC/USD"}
    assert (position.amount, fee.amount, fill.base) == (dec("0.12345678"), dec("-0.000000009"), "BTC")


async def test_a_holding_is_counted_whole(shop: Shop) -> None:
    """What open orders hold back is held all the same."""
    shop.world.trade("main", "AAPL", "buy", dec("2.5"), dec(190))
    await shop.broker.submit_order(buy("c", price="500", side="sell"))
    (row,) = await shop.broker.get_positions()
    assert row.amount == dec("2.5")


async def test_short_and_option_positions_have_sign_and_multiplier(shop: Shop) -> None:
    """A short holding is below 0, and an option counts contracts of a hundred."""
    shop.world.trade("main", "AAPL", "sell", dec(3), dec(190))
    shop.world.trade("main", "AAPL270115C00200000", "sell", dec(2), dec("3.05"))
    option, share = sorted(await shop.broker.get_positions(), key=lambda row: -len(row.asset))
    assert (share.amount, share.multiplier) == (dec(-3), dec(1))
    assert (option.amount, option.multiplier, option.average_price) == (dec(-2), dec(100), dec("3.05"))


@pytest.mark.parametrize(
    ("held", "failure"),
    [
        ({"asset_class": "crypto_perp"}, SourceIncomplete),
        ({"asset_class": "us_option"}, SourceIncomplete),
        ({"qty": "-5"}, SourceMalformed),
        ({"qty": None}, SourceMalformed),
        ({"qty": "1e9999"}, SourceMalformed),
        ({"side": "both"}, SourceMalformed),
        ({"symbol": None}, SourceMalformed),
    ],
)
async def test_a_holding_that_is_not_understood_is_never_left_out(
    shop: Shop, held: dict[str, str | None], failure: type[SourceError]
) -> None:
    """An unknown class comes as an incomplete section with the rows that are known, a broken row as a malformed one."""
    good = {"symbol": "T", "asset_class": "us_equity", "qty": "5", "side": "long"}
    shop.answers(json.dumps([good, good | {"symbol": "X"} | held]))
    with pytest.raises(failure) as raised:
        await shop.broker.get_positions()
    if isinstance(raised.value, SourceIncomplete):
        assert [row.asset for row in raised.value.rows if hasattr(row, "asset")] == ["T"]


@pytest.mark.parametrize("text", ["{}", "null", "[null]", '["x"]', '{"positions": []}', "", "<html>"])
async def test_what_is_no_list_of_holdings_is_not_flat(shop: Shop, text: str) -> None:
    """Anything but a list of objects is a failure."""
    shop.answers(text)
    with pytest.raises(SourceError):
        await shop.broker.get_positions()


@pytest.mark.parametrize(
    "text", ["{}", "[]", '{"currency": "USD"}', '{"cash": "1"}', '{"cash": true, "currency": "USD"}']
)
async def test_an_account_without_cash_is_malformed(shop: Shop, text: str) -> None:
    """Cash that is not told is not 0."""
    shop.answers(text)
    with pytest.raises(SourceError):
        await shop.broker.get_balances()


async def test_no_holdings_are_believed_only_where_the_account_has_no_other_worth(shop: Shop) -> None:
    """An empty list while the account says that it holds shares is incomplete; else it is flat."""
    assert await shop.broker.get_positions() == ()
    shop.world.trade("main", "AAPL", "sell", dec(3), dec(190))
    shop.answers("[]", "GET /v2/positions")
    with pytest.raises(SourceIncomplete):
        await shop.broker.get_positions()
    (position,) = await shop.broker.get_positions()
    assert position.amount == dec(-3)


async def test_a_wrong_secret_is_refused(shop: Shop) -> None:
    """Keys are checked, and a wrong one is a person's to mend."""
    other = connected(shop.server.url, secret="x")
    with pytest.raises(SourceRefused):
        await other.get_positions()
    await other.close()


async def test_exits_of_a_filled_bracket_are_found(shop: Shop) -> None:
    """Neither of Alpaca's lists shows the stop that is held back; it is live all the same."""
    entry, target, stop = rest(shop, "entry", "target", "stop")
    shop.server.legs[entry], shop.server.held = (target, stop), {stop}
    before = {order.client_order_id for order in await shop.broker.get_open_orders()}
    shop.world.fill("main", entry, dec(1), dec(10))
    after = {order.client_order_id for order in await shop.broker.get_open_orders()}
    assert (before, after) == ({"entry", "target", "stop"}, {"target", "stop"})


async def test_an_exit_without_its_family_leaves_the_section_incomplete(shop: Shop) -> None:
    """Where the entry is not to be had, nobody knows what else is held back."""
    entry, target, stop = rest(shop, "entry", "target", "stop")
    shop.server.legs[entry], shop.server.held = (target, stop), {stop}
    shop.world.fill("main", entry, dec(1), dec(10))
    shop.answers("[]", "*status=all*")
    with pytest.raises(SourceIncomplete) as raised:
        await shop.broker.get_open_orders()
    assert [order.client_order_id for order in raised.value.rows if isinstance(order, Order)] == ["target"]


@pytest.mark.parametrize("apart", [timedelta(0), timedelta(microseconds=1)])
async def test_orders_are_read_to_the_last_page(shop: Shop, apart: timedelta) -> None:
    """More orders than a page holds are all found, each once, also where many bear one moment."""
    shop.server.page = 60
    for number in range(150):
        shop.clock.advance(apart.total_seconds() if number % 50 else 1)
        rest(shop, f"c{number}")
    names = [order.client_order_id for order in await shop.broker.get_open_orders()]
    assert names == [f"c{number}" for number in range(150)]


async def test_more_orders_of_one_moment_than_a_page_are_not_guessed(shop: Shop) -> None:
    """Where paging by time cannot go on, the section is incomplete."""
    shop.server.page = 60
    rest(shop, *(f"c{number}" for number in range(61)))
    with pytest.raises(SourceIncomplete) as raised:
        await shop.broker.get_open_orders()
    assert len(raised.value.rows) == 60


@pytest.mark.parametrize("page", [100, 60])
async def test_records_are_read_to_the_last_page(shop: Shop, page: int) -> None:
    """Fills and payments of one moment fill several pages, of whatever length, and none is lost or counted twice."""
    shop.server.page = page
    for _ in range(120):
        shop.world.trade("main", "AAPL", "buy", dec(1), dec(10))
        shop.world.office.pay("main", "interest", "USD", dec("0.01"))
    fills, paid = await shop.broker.get_fills(START), await shop.broker.get_activities(START)
    assert len({fill.fill_id for fill in fills}) == len(fills) == 120
    assert len({row.activity_id for row in paid}) == len(paid) == 121


@pytest.mark.parametrize("section", ["fills", "activities"])
async def test_a_page_that_comes_again_is_found_out(shop: Shop, section: str) -> None:
    """A venue that ignores the page token is not read for ever, and its first page is not the whole."""
    for _ in range(101):
        shop.world.trade("main", "AAPL", "buy", dec(1), dec(10))
    shop.server.faults.inject(HttpRule(fault=HttpFault.DUPLICATE, endpoint="*page_token=*"))
    with pytest.raises(SourceIncomplete):
        await (shop.broker.get_fills(START) if section == "fills" else shop.broker.get_activities(START))


async def test_an_order_list_that_ignores_its_bound_is_found_out(shop: Shop) -> None:
    """A second page that holds what came before is no end of the list."""
    for number in range(60):
        shop.clock.advance(1)
        rest(shop, f"c{number}")
    shop.server.faults.inject(HttpRule(fault=HttpFault.DUPLICATE, endpoint="*until=*"))
    with pytest.raises(SourceIncomplete):
        await shop.broker.get_open_orders()


async def test_a_404_of_somebody_else_is_not_the_word_that_there_is_no_such_order(shop: Shop) -> None:
    """Only Alpaca's own code counts."""
    endpoint = "GET /v2/orders/*"
    for text in ("<html>", "{}", '{"message": "Not Found"}', '{"code": 40410001}'):
        shop.answers(text, endpoint, status=404)
        with pytest.raises(SourceError):
            await shop.broker.get_order(broker_order_id="00000000-0000-0000-0000-000000000000")
    assert await shop.broker.get_order(broker_order_id="00000000-0000-0000-0000-000000000000") is None


async def test_another_order_than_the_one_asked_for_is_not_believed(shop: Shop) -> None:
    """An answer about somebody else's id is malformed."""
    rest(shop, "c1", "c2")
    one = await shop.broker.get_order(client_order_id="c1")
    assert one is not None
    shop.answers(
        json.dumps({"id": "x", "client_order_id": "c2", "symbol": "A", "qty": "1", "status": "new", "side": "buy"})
    )
    with pytest.raises(SourceMalformed):
        await shop.broker.get_order(client_order_id="c1")


async def test_an_order_sized_in_money_has_no_quantity_to_tell(shop: Shop) -> None:
    """While it lives the section is incomplete; ended, it is what was filled."""
    row = {"id": "1", "client_order_id": "n", "symbol": "AAPL", "notional": "500", "qty": None, "filled_qty": "0.5",
           "side": "buy", "type": "market", "submitted_at": "2026-03-06T15:00:00.123456789Z"}  # fmt: skip
    for status, failed in (("new", True), ("filled", False)):
        shop.answers(json.dumps(row | {"status": status}))
        if failed:
            with pytest.raises(SourceIncomplete):
                await shop.broker.get_order(client_order_id="n")
        else:
            order = await shop.broker.get_order(client_order_id="n")
            assert order is not None
            assert (order.quantity, order.filled) == (Decimal("0.5"), Decimal("0.5"))


async def test_times_of_nine_digits_are_cut_to_the_microsecond(shop: Shop) -> None:
    """Alpaca writes nanoseconds."""
    shop.answers('{"timestamp": "2026-03-06T10:00:00.123456789-05:00"}')
    assert await shop.broker.server_time() == datetime.fromisoformat("2026-03-06T15:00:00.123456+00:00")
