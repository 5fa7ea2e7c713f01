"""Hyperliquid: spot, the main perpetual exchange, and those of builders; one address is one account."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tieout.brokers.ccxt import cash, mend, own, signer
from tieout.brokers.ccxt.calls import Call, Each, Json, Known, Told, Venue
from tieout.brokers.ccxt.ids import HYPERLIQUID
from tieout.brokers.ccxt.ledger import less, minus, moves, number_at
from tieout.brokers.ccxt.pages import field, moment_of, onward
from tieout.brokers.ccxt.parse import RowLeft, number
from tieout.brokers.ccxt.sends import ways
from tieout.brokers.ccxt.spans import Span
from tieout.model.snapshot import Activity, ActivityKind

Row = Mapping[str, Any]

_INFO, _METHOD = "/info", "publicPostInfo"
_START = Span("startTime")


def _builder(row: Any) -> Json | None:
    """Null stands for the main exchange, which is asked without a name."""
    return None if row is None else {"dex": str(field(row, "name"))}


def _no_holder(body: Any) -> str | None:
    """An agent signs for an account and holds nothing itself; both it and an unknown address look like an empty account."""
    role = field(body, "role")
    if role in ("user", "subAccount", "vault"):
        return None
    return "the address of an agent, not of the account" if role == "agent" else "the venue knows no such account"


_BUILDERS = Each(_INFO, _METHOD, (), _builder, {"type": "perpDexs"})


def _info(kind: str, *, rows: tuple[str, ...] = (), **more: Any) -> Call:
    return Call(_INFO, rows, {"type": kind}, method=_METHOD, address="user", **more)


def funding(row: Row, _told: Told) -> Iterator[Activity]:
    """Funding paid (below 0) or received for one coin; all coins of one hour share a hash."""
    at, coin = moment_of(row, "time"), str(field(row, "delta.coin"))
    yield from moves(f"funding-{at}-{coin}", "funding", at, "USDC", number_at(row, "delta.usdc"))


# Between spot and perpetuals of one account; and what the fills tell.
_OWN_WAYS = frozenset(("accountClassTransfer", "liquidation"))
_KINDS: dict[str, tuple[ActivityKind, str, int]] = {
    "deposit": ("deposit", "usdc", 1),
    "withdraw": ("withdrawal", "usdc", -1),
    "vaultDeposit": ("transfer", "usdc", -1),
    "vaultCreate": ("transfer", "usdc", -1),
    "vaultWithdraw": ("transfer", "netWithdrawnUsd", 1),
    "vaultDistribution": ("transfer", "usdc", 1),
    "spotGenesis": ("dividend", "amount", 1),
    "rewardsClaim": ("rebate", "amount", 1),
}
_BETWEEN = {"internalTransfer": "usdc", "subAccountTransfer": "usdc", "spotTransfer": "amount", "send": "amount"}


def update(row: Row, told: Told) -> Iterator[Activity]:
    """Everything but trades and funding. Who sent and who received is told by addresses."""
    delta, at = field(row, "delta"), moment_of(row, "time")
    kind, name = str(field(delta, "type")), f"{field(row, 'hash')}-{field(delta, 'type')}"
    if kind in _OWN_WAYS:
        return
    if kind in _BETWEEN:
        yield from _sent(name, at, delta, _BETWEEN[kind], told)
        return
    if kind == "cStakingTransfer":
        staked = number_at(delta, "amount")
        yield from moves(
            name,
            "transfer",
            at,
            told.code(str(field(delta, "token"))),
            minus(staked) if delta.get("isDeposit") else staked,
        )
        return
    if kind not in _KINDS:
        raise RowLeft(f"ledger rows of kind {kind[:40]!r}")
    sort, amount, sign = _KINDS[kind]
    moved = number_at(delta, amount)
    signed = moved if sign > 0 else minus(moved)
    if kind == "withdraw":
        signed = less(signed, number({"fee": delta.get("fee")}, "fee"))
    yield from moves(name, sort, at, told.code(str(delta.get("token") or "USDC")), signed)


def _sent(name: str, at: int, delta: Row, amount: str, told: Told) -> Iterator[Activity]:
    ours = (told.address or "").lower()
    sender, receiver = (str(field(delta, end)).lower() for end in ("user", "destination"))
    moved, currency = number_at(delta, amount), told.code(str(delta.get("token") or "USDC"))
    if ours not in (sender, receiver):
        raise RowLeft("a transfer between other accounts")
    if sender == receiver:
        return
    if ours == receiver:
        yield from moves(f"{name}-in", "transfer", at, currency, moved)
        return
    yield from moves(f"{name}-out", "transfer", at, currency, minus(moved))
    fee = number({"fee": delta.get("fee")}, "fee")
    if fee:
        paid_in = told.code(str(delta.get("feeToken") or "USDC"))
        yield from moves(f"{name}-fee", "fee", at, paid_in, minus(fee))


def _on_main(market: Row) -> bool:
    """Whether it trades on the main exchange: the numbers of builders' markets begin at 100,000."""
    number = str(market.get("id"))
    return number.isdecimal() and int(number) < 100_000


VENUES: dict[str, Venue] = {
    "hyperliquid": Venue(
        positions=(
            _info("clearinghouseState", rows=("assetPositions",), own=own.hyperliquid),
            _info("clearinghouseState", rows=("assetPositions",), own=own.hyperliquid, each=_BUILDERS),
        ),
        orders=(
            _info("frontendOpenOrders", told={"ccxtStatus": "open"}, ident=("oid",)),
            _info("frontendOpenOrders", told={"ccxtStatus": "open"}, ident=("oid",), each=_BUILDERS),
        ),
        fills=(
            _info(
                "userFillsByTime",
                span=_START,
                pages=onward("time", "startTime", 2000, cap=10_000),
                ident=("tid", "oid"),
            ),
        ),
        balances=(
            _info("userAbstraction", cash=cash.hyperliquid_margin),
            _info("clearinghouseState", rows=("assetPositions",), cash=cash.hyperliquid_perpetuals),
            _info("clearinghouseState", rows=("assetPositions",), cash=cash.hyperliquid_builder, each=_BUILDERS),
            _info(
                "spotClearinghouseState",
                rows=("balances",),
                cash=cash.table("balances", currency="coin", total="total", locked="hold"),
            ),
        ),
        activities=(
            _info("userFunding", span=_START, pages=onward("time", "startTime", 500), read=funding),
            _info("userNonFundingLedgerUpdates", span=_START, pages=onward("time", "startTime", 500), read=update),
        ),
        fill=mend.hyperliquid_fill,
        known=Known(_METHOD, {"type": "userRole"}, _no_holder),
        lookup="id",
        client_id="clientOrderId",
        # A market order would be one with a price of ccxt's choice, and so would a plain stop.
        sends=ways("linear", "limit", "stop_limit", reduce_only=True, fits=_on_main),
        ids=HYPERLIQUID,
        signer=signer.hyperliquid,
        acknowledges=False,
    )
}
