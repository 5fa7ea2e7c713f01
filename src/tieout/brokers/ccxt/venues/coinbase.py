"""Coinbase Advanced: the wallets of the key's portfolio, and the futures account (CFM) beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tieout.brokers.ccxt import cash, mend
from tieout.brokers.ccxt.calls import Call, Each, Json, Told, Venue
from tieout.brokers.ccxt.ledger import kind_of, moves, number_at
from tieout.brokers.ccxt.pages import Again, behind, cursor, field, moment_of
from tieout.brokers.ccxt.parse import RowLeft
from tieout.brokers.ccxt.sends import ways
from tieout.brokers.ccxt.spans import Span, iso
from tieout.model.snapshot import Activity, ActivityKind

Row = Mapping[str, Any]

_MORE = cursor(("cursor",), "cursor", more=("has_next",))
_ACCOUNTS = "/brokerage/accounts"
# An order goes from one status to the next: asked for in this order, one that moves is seen twice and not missed.
_STATUSES = (("PENDING", 0), ("QUEUED", 0), ("EDIT_QUEUED", 0), ("OPEN", 1), ("EDIT_QUEUED", 2), ("CANCEL_QUEUED", 2))

# Fills tell what was traded in order books.
_TRANSACTIONS: dict[str, ActivityKind | None] = {
    "advanced_trade_fill": None,
    "fiat_deposit": "deposit", "fiat_withdrawal": "withdrawal",
    "exchange_deposit": "transfer", "exchange_withdrawal": "transfer", "pro_deposit": "transfer",
    "pro_withdrawal": "transfer", "transfer": "transfer", "intx_deposit": "transfer", "intx_withdrawal": "transfer",
    "vault_withdrawal": "transfer", "staking_transfer": "transfer", "unstaking_transfer": "transfer",
    "buy": "conversion", "sell": "conversion", "trade": "conversion", "wrap_asset": "conversion",
    "unwrap_asset": "conversion", "retail_eth2_deprecation": "conversion", "retail_simple_dust": "conversion",
    "interest": "interest", "staking_reward": "interest", "inflation_reward": "interest",
    "earn_payout": "rebate", "incentives_rewards_payout": "rebate", "incentives_shared_clawback": "rebate",
    "subscription_rebate": "rebate", "subscription": "fee",
}  # fmt: skip
_WORLD = frozenset(("send", "request", "receive"))
_NOTHING = frozenset(("canceled", "failed", "expired"))


def transaction(row: Row, told: Told) -> Iterator[Activity]:
    """A line of one wallet's history; sent or received by the sign of its amount. What failed moved nothing."""
    kind, status = str(field(row, "type")), field(row, "status")
    if status in _NOTHING:
        return
    amount, at = number_at(row, "amount.amount"), moment_of(row, "created_at")
    towards: ActivityKind = "deposit" if amount > 0 else "withdrawal"
    sort = towards if kind in _WORLD else kind_of(kind, _TRANSACTIONS)
    if sort is None:
        return
    if status != "completed":
        raise RowLeft("a transaction that is under way")
    yield from moves(str(field(row, "id")), sort, at, told.code(str(field(row, "amount.currency"))), amount)


def portfolio(row: Row, _told: Told) -> Iterator[Activity]:
    """Nothing; but perpetuals in a portfolio of the International Exchange are not read."""
    if field(row, "type") == "INTX":
        raise RowLeft("perpetuals held in an INTX portfolio")
    return iter(())


def _orders(status: str, turn: int) -> Call:
    return Call(
        "/brokerage/orders/historical/batch",
        ("orders",),
        {"order_status": status, "limit": 250},
        method="v3PrivateGetBrokerageOrdersHistoricalBatch",
        pages=_MORE,
        ident=("order_id",),
        turn=turn,
    )


def _wallet(row: Any) -> Json:
    return {"account_id": str(field(row, "uuid"))}


_NAMED = {"client_id": "client_order_id"}  # under ccxt's own name for it, ccxt sends an id that it makes up instead
_LISTED = "v3PrivateGetBrokerageAccounts"
VENUES: dict[str, Venue] = {
    "coinbase": Venue(
        positions=(
            Call("/brokerage/cfm/positions", ("positions",)),
            Call("/brokerage/portfolios", ("portfolios",), method="v3PrivateGetBrokeragePortfolios", read=portfolio),
        ),
        orders=tuple(_orders(status, turn) for status, turn in _STATUSES),
        fills=(
            Call(
                "/brokerage/orders/historical/fills",
                ("fills",),
                {"limit": 250},
                method="v3PrivateGetBrokerageOrdersHistoricalFills",
                pages=cursor(("cursor",), "cursor", again=Again("sequence_timestamp", "end_sequence_timestamp", iso)),
                span=Span("start_sequence_timestamp", unit="iso"),
                ident=("entry_id",),
            ),
        ),
        balances=(
            Call(
                _ACCOUNTS,
                ("accounts",),
                {"limit": 250},
                method=_LISTED,
                pages=_MORE,
                ident=("uuid",),
                cash=cash.table(
                    "accounts", currency="currency", available="available_balance.value", locked="hold.value"
                ),
            ),
        ),
        activities=(
            Call(
                "/transactions",
                ("data",),
                {"limit": 100},
                method="v2PrivateGetAccountsAccountIdTransactions",
                pages=behind(("pagination", "next_starting_after"), "id", "starting_after", "created_at"),
                each=Each(_ACCOUNTS, _LISTED, ("accounts",), _wallet, {"limit": 250}, _MORE),
                ident=("id",),
                read=transaction,
            ),
        ),
        order=mend.coinbase_order,
        position=mend.coinbase_position,
        fill=mend.coinbase_fill,
        gaps={"balances": "cash in the futures account (CFM) is not read"},
        lookup="id",
        sends=(
            *ways("spot", "limit", **_NAMED),
            *ways("spot", "market", sides=("sell",), **_NAMED),  # ccxt buys for an amount of money only
            *ways("spot", "stop_limit", trigger="stopLossPrice", **_NAMED),  # as a trigger price it is a target's
        ),
        acknowledges=False,
    )
}
