"""Binance: the spot wallet, USDⓈ-M and COIN-M futures, each an account of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tieout.brokers.ccxt import cash, own
from tieout.brokers.ccxt.calls import Call, Read, Told, Venue
from tieout.brokers.ccxt.ledger import Table, entries, less, minus, moves, number_at
from tieout.brokers.ccxt.pages import field, from_id, moment_of, numbered, onward, skipping, whole
from tieout.brokers.ccxt.parse import RowError
from tieout.brokers.ccxt.sends import ways
from tieout.brokers.ccxt.spans import Span
from tieout.model.snapshot import Activity

Row = Mapping[str, Any]

_OPTIONS = {"warnOnFetchOpenOrdersWithoutSymbol": False, "fetchOpenOrders": {"warnWithoutSymbol": False}}
_WALLET = cash.table("assets", currency="asset", total="walletBalance")
_DAY, _WEEK, _QUARTER = (
    Span("startTime", "endTime", days=days, kept_days=kept) for days, kept in ((1, None), (7, 180), (7, 90))
)

# Commissions and realised profits are what the fills tell.
_INCOME: Table = {
    "TRANSFER": "transfer", "INTERNAL_TRANSFER": "transfer", "CROSS_COLLATERAL_TRANSFER": "transfer",
    "STRATEGY_UMFUTURES_TRANSFER": "transfer", "COIN_SWAP_DEPOSIT": "transfer", "COIN_SWAP_WITHDRAW": "transfer",
    "FUNDING_FEE": "funding", "SPECIAL_FUNDING_FEE": "funding",
    "REFERRAL_KICKBACK": "rebate", "COMMISSION_REBATE": "rebate", "API_REBATE": "rebate", "FEE_RETURN": "rebate",
    "WELCOME_BONUS": "rebate", "CONTEST_REWARD": "rebate",
    "BFUSD_REWARD": "interest",
    "INSURANCE_CLEAR": "fee", "POSITION_LIMIT_INCREASE_FEE": "fee",
    "AUTO_EXCHANGE": "conversion",
    "REALIZED_PNL": None, "COMMISSION": None,
}  # fmt: skip


def _trades(endpoint: str, method: str, span: Span, latest: str | None = None) -> Call:
    return Call(
        endpoint,
        params={"limit": 1000},
        per_asset=True,
        method=method,
        pages=from_id("id", "fromId", 1000, "startTime", "endTime"),
        span=span,
        onward=True,
        latest=latest,
        ident=("id",),
    )


def deposit(row: Row, told: Told) -> Iterator[Activity]:
    """A deposit that was credited; one that is on its way or was rejected moved nothing yet."""
    if str(field(row, "status")) not in ("1", "6"):
        return
    at = moment_of(row, "insertTime")
    yield from moves(f"deposit-{field(row, 'id')}", "deposit", at, told.code(row["coin"]), number_at(row, "amount"))


def withdrawal(row: Row, told: Told) -> Iterator[Activity]:
    """A withdrawal with what it cost, unless it was cancelled, rejected or failed: the amount leaves when it is asked for."""
    if str(field(row, "status")) in ("1", "3", "5"):
        return
    told_at = str(field(row, "applyTime"))
    at = moment_of({"at": f"{told_at.replace(' ', 'T')}+00:00"}, "at")
    amount = minus(number_at(row, "amount"))
    fee = number_at(row, "transactionFee") if row.get("transactionFee") else None
    yield from moves(f"withdrawal-{field(row, 'id')}", "withdrawal", at, told.code(row["coin"]), less(amount, fee))


def transfer(row: Row, told: Told) -> Iterator[Activity]:
    """Between the spot wallet (MAIN) and another of the same owner."""
    if field(row, "status") != "CONFIRMED":
        return
    kind, amount = str(field(row, "type")), number_at(row, "amount")
    if not (kind.startswith("MAIN_") or kind.endswith("_MAIN")):
        raise RowError("a transfer that does not touch the spot wallet")
    signed = minus(amount) if kind.startswith("MAIN_") else amount
    at, currency = moment_of(row, "timestamp"), told.code(str(field(row, "asset")))
    yield from moves(f"transfer-{field(row, 'tranId')}", "transfer", at, currency, signed)


def conversion(row: Row, told: Told) -> Iterator[Activity]:
    """One currency given for another, without an order book."""
    if field(row, "orderStatus") != "SUCCESS":
        return
    name, at = f"convert-{field(row, 'orderId')}", moment_of(row, "createTime")
    given, taken = number_at(row, "fromAmount"), number_at(row, "toAmount")
    yield from moves(f"{name}-from", "conversion", at, told.code(str(field(row, "fromAsset"))), minus(given))
    yield from moves(f"{name}-to", "conversion", at, told.code(str(field(row, "toAsset"))), taken)


def dust(row: Row, told: Told) -> Iterator[Activity]:
    """Small rests turned into one currency, each with what that cost."""
    details = field(row, "userAssetDribbletDetails")
    for part in details if isinstance(details, list) else ():
        name, at = f"dust-{field(part, 'transId')}-{field(part, 'fromAsset')}", moment_of(part, "operateTime")
        into = str(part.get("targetAsset") or "BNB")
        yield from moves(
            f"{name}-from", "conversion", at, told.code(str(field(part, "fromAsset"))), minus(number_at(part, "amount"))
        )
        yield from moves(f"{name}-to", "conversion", at, told.code(into), number_at(part, "transferedAmount"))


def distribution(row: Row, told: Told) -> Iterator[Activity]:
    """What was handed out for holding something: rewards, airdrops, shares of a pool."""
    at, currency = moment_of(row, "divTime"), told.code(str(field(row, "asset")))
    yield from moves(f"dividend-{field(row, 'id')}", "dividend", at, currency, number_at(row, "amount"))


def _asked(endpoint: str, method: str, read: Read, span: Span, ident: tuple[str, ...], **more: Any) -> Call:
    return Call(endpoint, method=method, read=read, span=span, ident=ident, **more)


_MONTH, _LONG = (Span("startTime", "endTime", days=days) for days in (30, 90))
_SPOT = (
    _asked(
        "/capital/deposit/hisrec", "sapiGetCapitalDepositHisrec", deposit, _LONG, ("id",),
        params={"limit": 1000}, pages=skipping("offset", 1000),
    ),
    _asked(
        "/capital/withdraw/history", "sapiGetCapitalWithdrawHistory", withdrawal, _LONG, ("id",),
        params={"limit": 1000}, pages=skipping("offset", 1000),
    ),
    *(
        _asked(
            "/asset/transfer", "sapiGetAssetTransfer", transfer, _MONTH, ("tranId",),
            rows=("rows",), params={"type": kind, "size": 100}, pages=numbered("current", ("total",)),
        )
        for other in ("UMFUTURE", "CMFUTURE", "MARGIN", "FUNDING")
        for kind in (f"MAIN_{other}", f"{other}_MAIN")
    ),
    _asked(
        "/convert/tradeFlow", "sapiGetConvertTradeFlow", conversion, _MONTH, ("orderId",),
        rows=("list",), params={"limit": 1000}, pages=whole(1000),
    ),
    _asked(
        "/asset/dribblet", "sapiGetAssetDribblet", dust, _LONG, ("transId",),
        rows=("userAssetDribblets",), pages=whole(100),
    ),
    _asked(
        "/asset/assetDividend", "sapiGetAssetAssetDividend", distribution, _LONG, ("id",),
        rows=("rows",), params={"limit": 500}, pages=whole(500),
    ),
)  # fmt: skip


def _income(prefix: str) -> Call:
    return Call(
        f"/{prefix}/v1/income",
        params={"limit": 1000},
        method=f"{prefix}PrivateGetIncome",
        pages=onward("time", "startTime", 1000),
        span=_QUARTER,
        ident=("incomeType", "tranId", "asset", "symbol", "income"),
        read=entries(
            "incomeType", _INCOME, ident=("incomeType", "tranId", "asset", "symbol"), at="time", currency="asset",
            amount="income",
        ),
    )  # fmt: skip


def _futures(prefix: str, version: str, private: str, **more: Any) -> Venue:
    """*version* is that of what is held, and *private* ccxt's name of the group of endpoints that tell it."""
    return Venue(
        positions=(
            Call(
                f"/{prefix}/{version}/positionRisk",
                method=f"{private}GetPositionRisk",
                ident=("symbol", "positionSide"),
                own=own.binance,
            ),
        ),
        # A conditional order that is triggered between the two is then in both, and not in neither.
        orders=(
            Call(f"/{prefix}/v1/openAlgoOrders", params={"trigger": True}),
            Call(f"/{prefix}/v1/openOrders", turn=1),
        ),
        fills=(_trades(f"/{prefix}/v1/userTrades", f"{prefix}PrivateGetUserTrades", _WEEK),),
        balances=(Call(f"/{prefix}/{version}/account", method=f"{private}GetAccount", cash=_WALLET),),
        activities=(_income(prefix),),
        options=_OPTIONS,
        lookup="asset",
        client_id="origClientOrderId",
        lookup_params=({}, {"trigger": True}),
        hedge_mode=True,
        **more,
    )


_LEGS = {"long": {"positionSide": "LONG"}, "short": {"positionSide": "SHORT"}}
VENUES: dict[str, Venue] = {
    "binance": Venue(
        orders=(Call("/api/v3/openOrders"),),
        fills=(_trades("/api/v3/myTrades", "privateGetMyTrades", _DAY, latest="time"),),
        balances=(
            Call(
                "/api/v3/account",
                method="privateGetAccount",
                cash=cash.table("balances", currency="asset", available="free", locked="locked"),
            ),
        ),
        activities=_SPOT,
        gaps={"activities": "payments in fiat, Earn, and movements to other people and sub-accounts are not read"},
        options=_OPTIONS,
        lookup="asset",
        client_id="origClientOrderId",
        sends=ways("spot", "market", "limit", "stop", "stop_limit"),
    ),
    "binanceusdm": _futures(
        "fapi",
        "v3",
        "fapiPrivateV3",
        sends=ways("linear", "market", "limit", "stop", "stop_limit", reduce_only=True, legs=_LEGS, legs_close=True),
    ),
    "binancecoinm": _futures(
        "dapi",
        "v1",
        "dapiPrivate",
        # Its documentation has no endpoint for conditional orders, though ccxt knows one.
        sends=ways("inverse", "market", "limit", reduce_only=True, legs=_LEGS, legs_close=True),
    ),
}
