"""Where ccxt's row means something else than the contract, the raw row wins. One quirk a test; all values are invented."""

from __future__ import annotations

from typing import Any

import pytest

from tieout.brokers.ccxt import mend as mend
from tieout.brokers.ccxt.parse import RowError, RowLeft


def row(info: Any, **unified: Any) -> dict[str, Any]:
    """A unified row with the venue's own row in it."""
    return {"info": info, **unified}


def test_okx_margin_positions_are_left() -> None:
    """What a spot margin position counts is not known here; a swap is read as it is."""
    with pytest.raises(RowLeft):
        mend.okx_position(row({"instType": "MARGIN"}))
    assert mend.okx_position(row({"instType": "SWAP"})) == {}


def test_okx_conditional_orders_are_triggered_at_their_own_price() -> None:
    """A stop is the trigger of an algo order, and on a plain order one that is attached to it."""
    assert mend.okx_order(row({"algoId": "9"}, stopLossPrice="7"))["triggerPrice"] == "7"
    assert mend.okx_order(row({"algoId": "9"}, takeProfitPrice="8"))["triggerPrice"] == "8"
    assert "triggerPrice" not in mend.okx_order(row({"algoId": ""}, stopLossPrice="7"))


def test_okx_conditional_orders_bear_their_owners_id_and_no_price_of_minus_one() -> None:
    """The id stays on the plain order that one becomes; nothing is filled of one that was not triggered."""
    waiting = {"algoId": "9", "algoClOrdId": "c1", "clOrdId": "", "ordPx": "-1", "state": "live"}
    told = {"clientOrderId": "c1", "price": None, "type": "market", "filled": "0"}
    assert mend.okx_order(row(waiting, triggerPrice="7")) == told
    assert mend.okx_order(row({**waiting, "ordPx": "5"}, triggerPrice="7")) == {"clientOrderId": "c1", "filled": "0"}
    assert "filled" not in mend.okx_order(row({**waiting, "state": "effective"}, triggerPrice="7"))
    become = {"algoId": "9", "algoClOrdId": "c1", "clOrdId": "", "ordId": "3", "px": "-1"}
    assert mend.okx_order(row(become)) == {"clientOrderId": "c1"}


def test_kraken_orders_sent_to_the_market_have_no_limit() -> None:
    """The trigger is the stop price, and without one the price of the description; a reference number is no id."""
    info = {"opentm": "10.5", "userref": 5, "descr": {"ordertype": "stop-loss"}, "stopprice": "0.0"}
    told = mend.kraken_order(row(info, stopLossPrice="55"))
    assert told == {
        "timestamp": "10500",
        "lastUpdateTimestamp": None,
        "clientOrderId": None,
        "triggerPrice": "55",
        "type": "market",
    }


@pytest.mark.parametrize(("margin", "settlement"), [("0.000", "cash"), ("12.5", "margin")])
def test_kraken_fills_with_margin_move_no_base(margin: str, settlement: str) -> None:
    """A trade on margin belongs to a position; one without moves both currencies."""
    assert mend.kraken_fill(row({"time": "10.0001", "margin": margin})) == {
        "timestamp": "10000.1",
        "settlement": settlement,
    }


def test_bybit_executions_that_are_no_trades_are_no_fills() -> None:
    """Funding is no fill, a liquidation is one, and a delivery is not understood."""
    assert mend.bybit_fill(row({"execType": "Funding"})) is None
    assert mend.bybit_fill(row({"execType": "BustTrade"})) == {"liquidation": True}
    assert mend.bybit_fill(row({"execType": "Trade"})) == {"liquidation": False}
    with pytest.raises(RowLeft):
        mend.bybit_fill(row({"execType": "Delivery"}))


def test_coinbase_prices_are_amounts_of_a_currency() -> None:
    """Both of the venue's forms are read; a size in quote currency cannot be told exactly and is left."""
    info = {"avg_entry_price": {"value": "3.5", "currency": "EUR"}, "current_price": "4"}
    assert mend.coinbase_position(row(info)) == {"entryPrice": "3.5", "markPrice": "4"}
    with pytest.raises(RowLeft):
        mend.coinbase_fill(row({"size_in_quote": True}))


@pytest.mark.parametrize(("direction", "forced"), [("Liquidated Cross Long", True), ("Open Long", False)])
def test_hyperliquid_tells_who_was_liquidated(direction: str, forced: bool) -> None:
    """Only the side that was liquidated bears the flag."""
    assert mend.hyperliquid_fill(row({"dir": direction})) == {"liquidation": forced}


def test_bitfinex_arrays_are_read_by_place() -> None:
    """A position's amount is its third place; a stop order's price is its trigger."""
    assert mend.bitfinex_position(row(["tQQQ", "ACTIVE", "-3"])) == {"contracts": "3", "side": "short"}
    fields = [1, None, 2, "tQQQ", 40, 50, "1", "1", "EXCHANGE STOP LIMIT", *[None] * 7, "9", 0, 0, "8"]
    told = mend.bitfinex_order(row(fields))
    assert told == {"timestamp": 40, "lastUpdateTimestamp": 50, "triggerPrice": "9", "price": "8"}
    with pytest.raises(RowError):
        mend.bitfinex_position(row(None))


def test_legs_are_named_by_each_venue_in_its_own_way() -> None:
    """Gate's dual modes and KuCoin's position sides are legs; single and BOTH are not."""
    assert mend.gate_position(row({"mode": "dual_short"}))["hedged"] is True
    assert mend.gate_position(row({"mode": "single"}))["hedged"] is False
    assert mend.kucoin_position(row({"currentQty": -4, "positionSide": "SHORT"})) == {
        "contracts": "4",
        "side": "short",
        "hedged": True,
    }


def test_gate_updates_are_read_from_seconds() -> None:
    """Where milliseconds are not given, whole seconds are the time."""
    assert mend.gate_order(row({"update_time": "10"}, lastUpdateTimestamp=None)) == {"lastUpdateTimestamp": "10000"}
    assert mend.gate_order(row({"update_time": "10"}, lastUpdateTimestamp=9))["lastUpdateTimestamp"] == 9


def test_kraken_futures_orders_have_their_limit() -> None:
    """The type and the price that ccxt leaves out are the venue's own."""
    told = mend.kraken_futures_order(row({"orderType": "lmt", "limitPrice": "5.5", "cliOrdId": "c"}))
    assert told == {"type": "limit", "price": "5.5", "clientOrderId": "c"}
