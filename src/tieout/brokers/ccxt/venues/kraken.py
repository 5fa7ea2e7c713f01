"""Kraken: the spot account with its margin positions, and the futures account."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tieout.brokers.ccxt import cash, mend
from tieout.brokers.ccxt.calls import Call, Find, Told, Venue
from tieout.brokers.ccxt.ids import KRAKEN
from tieout.brokers.ccxt.ledger import kind_of, less, moves, number_at
from tieout.brokers.ccxt.pages import backward, counted, field, moment_of, onward
from tieout.brokers.ccxt.parse import EPOCH, milliseconds, moment, number
from tieout.brokers.ccxt.sends import ways
from tieout.brokers.ccxt.spans import Span, iso
from tieout.model.snapshot import Activity, ActivityKind

Row = Mapping[str, Any]

# The very start is left out, and times are whole seconds here.
_SINCE = Span("start", unit="s", early_ms=1000)

# Trades, those on margin too, are what the fills tell.
_LEDGER: dict[str, ActivityKind | None] = {
    "trade": None, "margin": None,
    "deposit": "deposit", "withdrawal": "withdrawal", "transfer": "transfer", "rollover": "fee",
    "staking": "interest", "dividend": "dividend", "nft_rebate": "rebate", "reward": "interest",
    "spend": "conversion", "receive": "conversion", "conversion": "conversion", "sale": "conversion",
}  # fmt: skip
_EARN: dict[str, ActivityKind | None] = {
    "reward": "interest",
    "allocation": "transfer", "deallocation": "transfer", "autoallocation": "transfer", "migration": "transfer",
}  # fmt: skip
_LOG: dict[str, ActivityKind | None] = {
    "futures trade": None, "futures liquidation": None, "futures assignee": None, "futures assignor": None,
    "futures unwind counterparty": None, "futures unwind bankrupt": None,
    "funding rate change": "funding", "interest payment": "interest", "conversion": "conversion",
    "tax withheld": "fee", "tax refund": "rebate", "kfee applied": "rebate",
    "transfer": "transfer", "subaccount transfer": "transfer", "cross-exchange transfer": "transfer",
    "admin transfer": "transfer",
}  # fmt: skip


def ledger(row: Row, told: Told) -> Iterator[Activity]:
    """A line of the ledger: what moved is the amount without the fee."""
    said = str(field(row, "type"))
    kind = kind_of(field(row, "subtype"), _EARN) if said == "earn" else kind_of(said, _LEDGER)
    at = moment({"time": str(field(row, "time"))}, "time")
    assert at is not None
    if kind is None:
        return
    moved = less(number_at(row, "amount"), number({"fee": row.get("fee")}, "fee"))
    # Seconds with a fraction, as milliseconds would be: a thousand times as far from 1970.
    yield from moves(str(row["id"]), kind, milliseconds(EPOCH + (at - EPOCH) * 1000), told.code(row["asset"]), moved)


def log(row: Row, told: Told) -> Iterator[Activity]:
    """A line of the futures' log: of cash, not of contracts. A trade realises the funding that was due for what it closes."""
    asset = row.get("asset")
    if not asset or asset == row.get("contract"):
        return
    kind = kind_of(field(row, "info"), _LOG)
    name, at, currency = str(field(row, "booking_uid")), moment_of(row, "date"), told.code(str(asset).upper())
    if kind is None:
        funding = number({"funding": row.get("realized_funding")}, "funding")
        if funding:
            yield from moves(f"{name}-funding", "funding", at, currency, funding)
        return
    change = less(number_at(row, "new_balance"), number_at(row, "old_balance"))
    yield from moves(f"{name}-{currency}", kind, at, currency, change)


VENUES: dict[str, Venue] = {
    "kraken": Venue(
        positions=(Call("/0/private/OpenPositions", ("result",), keyed=True),),
        orders=(Call("/0/private/OpenOrders", ("result", "open"), keyed=True),),
        fills=(
            Call(
                "/0/private/TradesHistory",
                ("result", "trades"),
                keyed=True,
                method="privatePostTradesHistory",
                pages=counted("ofs", ("result", "count")),
                span=_SINCE,
                ident=("id",),
            ),
        ),
        balances=(Call("/0/private/BalanceEx", cash=cash.keyed("result", total="balance", locked="hold_trade")),),
        activities=(
            Call(
                "/0/private/Ledgers",
                ("result", "ledger"),
                keyed=True,
                method="privatePostLedgers",
                pages=counted("ofs", ("result", "count")),
                span=_SINCE,
                ident=("id",),
                read=ledger,
            ),
        ),
        position=mend.kraken_position,
        order=mend.kraken_order,
        fill=mend.kraken_fill,
        lookup="id",
        sends=(
            *ways("spot", "market", "limit"),
            # ccxt sends a stop told as a trigger price as a plain order, at once.
            *ways("spot", "stop", "stop_limit", trigger="stopLossPrice"),
        ),
        ids=KRAKEN,
        acknowledges=False,
        at_once=1,
        finds=(
            Find(
                Call("/0/private/OpenOrders", ("result", "open"), keyed=True, method="privatePostOpenOrders"),
                by_client_id="cl_ord_id",
            ),
            Find(
                Call("/0/private/ClosedOrders", ("result", "closed"), keyed=True, method="privatePostClosedOrders"),
                by_client_id="cl_ord_id",
            ),
        ),
    ),
    "krakenfutures": Venue(
        positions=(Call("/openpositions", ("openPositions",)),),
        orders=(Call("/openorders", ("openOrders",)),),
        fills=(
            Call(
                "/fills",
                ("fills",),
                method="privateGetFills",
                pages=backward("fillTime", "lastFillTime", 100, iso),
                ident=("fill_id",),
            ),
        ),
        balances=(Call("/accounts", params={"type": "flex"}, cash=cash.kraken_futures),),
        activities=(
            Call(
                "/account-log",
                ("logs",),
                {"sort": "asc", "count": 500},
                method="historyGetAccountLog",
                pages=onward("date", "since", 500),
                span=Span("since"),
                ident=("id",),
                read=log,
            ),
        ),
        order=mend.kraken_futures_order,
        fill=mend.kraken_futures_fill,
    ),
}
