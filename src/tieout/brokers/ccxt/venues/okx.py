"""OKX: the trading account, conditional orders of every sort and spot margin positions included."""

from __future__ import annotations

from tieout.brokers.ccxt import cash, mend, own
from tieout.brokers.ccxt.calls import Call, Json, Venue
from tieout.brokers.ccxt.ids import ALPHANUMERIC
from tieout.brokers.ccxt.ledger import Table, entries
from tieout.brokers.ccxt.pages import Path, after
from tieout.brokers.ccxt.sends import ways
from tieout.brokers.ccxt.spans import Span

_DATA: Path = ("data",)
_ALGOS = ("conditional,oco", "trigger", "move_order_stop", "iceberg", "twap", "chase")
_QUARTER = Span("begin", kept_days=90)

# By OKX's numbers. Trades, forced ones too, are what the fills tell.
_BILLS: Table = {
    "1": "transfer",
    "2": None, "5": None, "9": None,
    "7": "interest", "8": "funding",
    "11": "conversion", "27": "conversion", "28": "conversion",
}  # fmt: skip


def _pending(endpoint: str, method: str, name: str, turn: int, **params: str) -> Call:
    said: Json = {"limit": 100, **params}
    return Call(endpoint, _DATA, said, method=method, pages=after(name, "after", 100), ident=(name,), turn=turn)


_LEGS = {"long": {"posSide": "long"}, "short": {"posSide": "short"}}
_ALGO = "algoClOrdId"  # under ccxt's own name for it, the id of a conditional order is sent where it is not looked up
VENUES: dict[str, Venue] = {
    "okx": Venue(
        positions=(
            Call(
                "/account/positions",
                _DATA,
                method="privateGetAccountPositions",
                ident=("posId", "instId", "posSide"),
                own=own.okx,
            ),
        ),
        # A conditional order that is triggered between the two is then in both, and not in neither.
        orders=(
            *(
                _pending("/trade/orders-algo-pending", "privateGetTradeOrdersAlgoPending", "algoId", 0, ordType=kind)
                for kind in _ALGOS
            ),
            _pending("/trade/orders-pending", "privateGetTradeOrdersPending", "ordId", 1),
        ),
        fills=tuple(
            Call(
                "/trade/fills-history",
                _DATA,
                {"instType": kind, "limit": 100},
                method="privateGetTradeFillsHistory",
                pages=after("billId", "after", 100, overlap=1),
                span=_QUARTER,
                ident=("billId",),
            )
            for kind in ("SPOT", "MARGIN", "SWAP", "FUTURES", "OPTION")
        ),
        balances=(
            Call(
                "/account/balance",
                method="privateGetAccountBalance",
                cash=cash.table(
                    "data", 0, "details", currency="ccy", total="cashBal", available="availBal", locked="frozenBal"
                ),
            ),
        ),
        activities=(
            Call(
                "/account/bills-archive",
                _DATA,
                {"limit": 100},
                method="privateGetAccountBillsArchive",
                pages=after("billId", "after", 100, overlap=1),
                span=_QUARTER,
                ident=("billId",),
                read=entries("type", _BILLS, ident=("billId",), at="ts", currency="ccy", amount="balChg"),
            ),
        ),
        position=mend.okx_position,
        order=mend.okx_order,
        lookup="asset",
        client_id="clOrdId",
        lookup_params=({}, {"trigger": True}),
        hedge_mode=True,
        sends=(
            *ways("spot", "market", "limit"),
            *ways("spot", "stop", "stop_limit", client_id=_ALGO),
            *ways("linear", "market", "limit", reduce_only=True, legs=_LEGS, legs_close=True),
            *ways("linear", "stop", "stop_limit", client_id=_ALGO, reduce_only=True, legs=_LEGS, legs_close=True),
        ),
        ids=ALPHANUMERIC,
        options={"brokerId": None},  # with ccxt's own, orders bear its tag, and conditional ones a made-up second id
        acknowledges=False,
    )
}
