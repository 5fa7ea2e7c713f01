"""Bybit: the unified trading account, over all its categories and settle coins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tieout.brokers.ccxt import cash, mend, own
from tieout.brokers.ccxt.calls import Call, Find, Json, Told, Venue
from tieout.brokers.ccxt.ledger import Table, kind_of, moves, number_at
from tieout.brokers.ccxt.pages import Again, Path, cursor, field, moment_of
from tieout.brokers.ccxt.sends import ways
from tieout.brokers.ccxt.spans import Span
from tieout.model.snapshot import Activity

_ROWS: Path = ("result", "list")
_MARK: Path = ("result", "nextPageCursor")
_WEEK = Span("startTime", "endTime", days=7, kept_days=730)
_SCOPES: tuple[Json, ...] = (
    {"category": "linear", "settleCoin": "USDT"},
    {"category": "linear", "settleCoin": "USDC"},
    {"category": "inverse"},
    {"category": "option"},
)
_SPOT: Json = {"category": "spot"}
_CATEGORIES: tuple[Json, ...] = tuple({"category": name} for name in ("linear", "inverse", "spot", "option"))

# `change` is what the wallet moved by: what the fills tell is left to them.
_KINDS: Table = {
    "TRADE": None, "LIQUIDATION": None, "ADL": None,
    "TRANSFER_IN": "transfer", "TRANSFER_OUT": "transfer",
    "SETTLEMENT": "funding",
    "BONUS": "rebate", "BONUS_RECOLLECT": "rebate", "FEE_REFUND": "rebate", "AIRDROP": "dividend",
    "INTEREST": "interest",
    "CURRENCY_BUY": "conversion", "CURRENCY_SELL": "conversion",
    "TOKENS_SUBSCRIPTION": "transfer", "TOKENS_REDEMPTION": "transfer",
    "FLEXIBLE_STAKING_SUBSCRIPTION": "transfer", "FLEXIBLE_STAKING_REDEMPTION": "transfer",
    "FIXED_STAKING_SUBSCRIPTION": "transfer",
}  # fmt: skip


def entry(row: Mapping[str, Any], told: Told) -> Iterator[Activity]:
    """A line of the transaction log. A trade pays its funding with it, where it closes what funding is due for."""
    kind, said = str(field(row, "type")), field(row, "id")
    sort, at, currency = (
        kind_of(kind, _KINDS),
        moment_of(row, "transactionTime"),
        told.code(str(field(row, "currency"))),
    )
    if sort is None:
        if row.get("funding") not in (None, "", "0"):
            yield from moves(f"funding-{said}", "funding", at, currency, number_at(row, "funding"))
        return
    yield from moves(f"{kind}-{said}", sort, at, currency, number_at(row, "change"))


def _asked(
    endpoint: str, method: str, limit: int, *scopes: Json, again: Again | None = None, **more: Any
) -> tuple[Call, ...]:
    """Endpoint by endpoint: ccxt's own methods add a settle coin of USDT even to inverse contracts."""
    return tuple(
        Call(
            endpoint,
            _ROWS,
            {**scope, "limit": limit},
            method=method,
            pages=cursor(_MARK, "cursor", again=again),
            told={"category": scope["category"]},
            **more,
        )
        for scope in scopes
    )


def _orders(endpoint: str, method: str, *scopes: Json) -> tuple[Call, ...]:
    return _asked(endpoint, method, 50, *scopes, ident=("orderId",))


_REALTIME = _orders("/v5/order/realtime", "privateGetV5OrderRealtime", *_SCOPES, _SPOT)
_HISTORY = _orders("/v5/order/history", "privateGetV5OrderHistory", *_CATEGORIES)

_LEGS: dict[str, Json] = {"long": {"positionIdx": 1}, "short": {"positionIdx": 2}}
# A stop is set off as the price rises to it where it buys, and as it falls to it where it sells.
_TOWARDS: dict[str, Json] = {"buy": {"triggerDirection": "ascending"}, "sell": {"triggerDirection": "descending"}}
VENUES: dict[str, Venue] = {
    "bybit": Venue(
        positions=_asked(
            "/v5/position/list",
            "privateGetV5PositionList",
            200,
            *_SCOPES,
            ident=("symbol", "positionIdx"),
            own=own.bybit,
        ),
        orders=_REALTIME,
        fills=_asked(
            "/v5/execution/list",
            "privateGetV5ExecutionList",
            100,
            *_CATEGORIES,
            span=_WEEK,
            again=Again("execTime", "endTime"),
            ident=("execId", "symbol", "side"),
        ),
        balances=(
            Call(
                "/v5/account/wallet-balance",
                params={"accountType": "UNIFIED"},
                method="privateGetV5AccountWalletBalance",
                cash=cash.table("result", "list", 0, "coin", currency="coin", total="walletBalance", locked="locked"),
            ),
        ),
        activities=(
            Call(
                "/v5/account/transaction-log",
                _ROWS,
                {"accountType": "UNIFIED", "limit": 50},
                method="privateGetV5AccountTransactionLog",
                pages=cursor(_MARK, "cursor", again=Again("transactionTime", "endTime")),
                span=_WEEK,
                read=entry,
            ),
        ),
        fill=mend.bybit_fill,
        finds=tuple(Find(call, by_id="orderId", by_client_id="orderLinkId") for call in (*_REALTIME, *_HISTORY)),
        hedge_mode=True,
        sends=(
            *ways("spot", "market", "limit"),
            *ways("linear", "market", "limit", reduce_only=True, legs=_LEGS),
            *ways("linear", "stop", "stop_limit", by_side=_TOWARDS, reduce_only=True, legs=_LEGS),
        ),
        acknowledges=False,
    )
}
