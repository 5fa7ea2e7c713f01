"""Hyperliquid: `/info`, where everything is asked by the address of the account and nothing is signed, and `/exchange`.

Source: Hyperliquid's public API documentation, as of 2026-11. Perpetuals are held in USDC, other coins in the spot account.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

from tieout.brokers.simulated.facts import Resting
from tieout.errors import ActionRefused
from tieout.model.amounts import ZERO, exact
from tieout.model.snapshot import Activity, Fill, OrderStatus, Position

from .base import Asked, LoopbackVenue, Refused, Route
from .binance_futures import waits
from .bodies import Reply, milliseconds, text
from .hyperliquid_exchange import SIZE_DECIMALS, Exchange, failure, perpetuals
from .hyperliquid_stream import HyperliquidStream
from .symbols import Listed, by_asset, number_of, order_id

Json = dict[str, object]
_COIN = "USDC"
_LATEST, _PAGE = 2000, 500
_STATUS: dict[OrderStatus, str] = {
    "open": "open", "pending": "open", "partially_filled": "open", "filled": "filled",
    "cancelled": "canceled", "expired": "canceled", "rejected": "rejected",
}  # fmt: skip
_MOVES = {"deposit": ("deposit", "usdc"), "withdrawal": ("withdraw", "usdc"), "rebate": ("rewardsClaim", "amount")}
_OTHER = "0x" + "9" * 40


class LoopbackHyperliquid(LoopbackVenue):
    """Hyperliquid's main exchange over a world in which perpetuals in USDC are listed."""

    kinds = frozenset(("type",))
    stream_kinds = (HyperliquidStream,)

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.exchange = Exchange(self)

    @property
    def agents(self) -> dict[str, str]:
        """Addresses that sign for an account, and whose they are."""
        return self.exchange.agents

    def routes(self) -> Iterable[Route]:
        """One path for every question; who is asked about stands in it. Another one for what is signed."""
        yield Route("POST", "/info", self._info, signed=False)
        yield from self.exchange.routes()

    def authenticate(self, asked: Asked) -> str:
        """By the address that a signature is recovered to."""
        return self.admitted(asked, self.exchange.login(asked))

    def forbidden(self) -> Reply:
        """As for an address that nobody knows."""
        return failure("User or API Wallet 0x0 does not exist.")

    def endpoint(self, asked: Asked) -> str:
        """The type of a question or of an action belongs to it."""
        said = asked.document if asked.path in ("/info", "/exchange") else {}
        kind = said.get("action", said).get("type", "")
        return f"{asked.method} {asked.target} {kind}"

    def no(self, _asked: Asked, _error: ActionRefused) -> Reply:
        """What is not understood."""
        return Reply(b"Failed to deserialize the JSON body into the target type", 422)

    def _info(self, asked: Asked) -> object:
        said: dict[str, Any] = asked.document
        public: dict[str, Callable[[], object]] = {
            "meta": lambda: self._meta()[0],
            "metaAndAssetCtxs": self._meta,
            "spotMeta": lambda: {"tokens": [], "universe": []},
            "spotMetaAndAssetCtxs": lambda: [{"tokens": [], "universe": []}, []],
            "perpDexs": lambda: [None],
            "exchangeStatus": lambda: {"time": milliseconds(self.present()), "specialStatuses": None},
        }
        private: dict[str, Callable[[str, dict[str, Any]], object]] = {
            "clearinghouseState": self._perpetuals,
            "spotClearinghouseState": self._spot,
            "frontendOpenOrders": self._orders,
            "orderStatus": self._order,
            "userFills": self._fills,
            "userFillsByTime": self._fills,
            "userFunding": self._funding,
            "userNonFundingLedgerUpdates": self._moves,
            "userAbstraction": lambda _account, _said: Reply(b'"default"'),
            "userRole": self._role,
            "subAccounts": lambda _account, _said: None,
        }
        kind = str(said.get("type"))
        if kind in public:
            return public[kind]()
        if kind not in private:
            raise Refused(Reply(b"Failed to deserialize the JSON body into the target type", 422))
        login = self.logins.get(str(said.get("user")))
        return private[kind](login.account if login else "", said)

    def _role(self, _account: str, said: dict[str, Any]) -> object:
        if said.get("user") in self.agents:
            return {"role": "agent", "data": {"user": self.agents[str(said["user"])]}}
        return {"role": "user" if said.get("user") in self.logins else "missing"}

    def _meta(self) -> list[object]:
        rows = perpetuals(self)
        universe = [
            {"name": row.base, "szDecimals": SIZE_DECIMALS, "maxLeverage": 50, "marginTableId": 50} for row in rows
        ]
        prices = self.desk.state.prices
        marks = [text(prices[row.asset].price) if row.asset in prices else "1.0" for row in rows]
        ctxs = [
            {"dayNtlVlm": "0.0", "funding": "0.0", "impactPxs": None, "markPx": mark, "midPx": mark, "openInterest": "0.0",
             "oraclePx": mark, "premium": None, "prevDayPx": mark, "dayBaseVlm": "0.0"}
            for mark in marks
        ]  # fmt: skip
        return [{"universe": universe, "marginTables": [], "collateralToken": 0}, ctxs]

    @exact
    def _perpetuals(self, account: str, _said: dict[str, Any]) -> object:
        named = by_asset(self.desk.state)
        held = [] if not account else [row for row in self.desk.positions(account) if row.asset in named]
        rows = [_position(row, named[row.asset]) for row in held]
        profit = sum((_profit(row) for row in held), ZERO)
        cash = self._cash(account).get(_COIN, ZERO)
        summary = {
            "accountValue": text(cash + profit),
            "totalMarginUsed": "0.0",
            "totalNtlPos": "0.0",
            "totalRawUsd": "0.0",
        }
        return {
            "marginSummary": summary, "crossMarginSummary": summary, "crossMaintenanceMarginUsed": "0.0",
            "withdrawable": text(cash), "assetPositions": rows, "time": milliseconds(self.present()),
        }  # fmt: skip

    def _cash(self, account: str) -> dict[str, Decimal]:
        return {row.currency: row.total for row in self.desk.balances(account)} if account else {}

    def _spot(self, account: str, _said: dict[str, Any]) -> object:
        coins = self.desk.balances(account) if account else ()
        rows = [
            {
                "coin": row.currency,
                "token": number,
                "total": text(row.total),
                "hold": text(row.locked),
                "entryNtl": "0.0",
            }
            for number, row in enumerate(coins)
            if row.currency != _COIN
        ]
        return {"balances": rows}

    def _orders(self, account: str, _said: dict[str, Any]) -> object:
        if not account:
            return []
        live, named = self.desk.state.account(account).live, by_asset(self.desk.state)
        found = [live[row.broker_order_id or ""] for row in reversed(self.desk.orders(account))]
        return [_order(row, named[row.order.asset]) for row in found]

    def _order(self, account: str, said: dict[str, Any]) -> object:
        wanted = said.get("oid")
        by_number = isinstance(wanted, int)
        found = None if not account else self.desk.order(
            account,
            broker_order_id=order_id(self.desk.state, str(wanted)) if by_number else None,
            client_order_id=None if by_number else str(wanted),
        )  # fmt: skip
        if found is None:
            return {"status": "unknownOid"}
        told = _order(found, by_asset(self.desk.state)[found.order.asset])
        at = milliseconds(found.order.updated_at or self.present())
        inner = {"order": told, "status": _STATUS[found.order.status], "statusTimestamp": at}
        return {"status": "order", "order": inner}

    def _fills(self, account: str, said: dict[str, Any]) -> object:
        if not account:
            return []
        named = by_asset(self.desk.state)
        rows = [_fill(row, named[row.asset]) for row in self.desk.fills(account)]
        if said["type"] == "userFills":
            return list(reversed(rows[-_LATEST:]))
        first, last = int(said.get("startTime", 0)), int(said.get("endTime", 10**15))
        return [row for row in rows if first <= int(str(row["time"])) <= last][:_LATEST]

    def _funding(self, account: str, said: dict[str, Any]) -> object:
        return [
            {"time": at, "hash": "0x0", "delta": {"type": "funding", "coin": f"C{number_of(row.activity_id)}",
             "usdc": text(row.amount), "szi": "0.0", "fundingRate": "0.0", "nSamples": None}}
            for at, row in self._moved(account, said) if _is_funding(row)
        ]  # fmt: skip

    def _moves(self, account: str, said: dict[str, Any]) -> object:
        return [
            {"time": at, "hash": row.activity_id, "delta": _delta(row, str(said["user"]))}
            for at, row in self._moved(account, said)
            if not _is_funding(row)
        ]

    def _moved(self, account: str, said: dict[str, Any]) -> list[tuple[int, Activity]]:
        rows = self.desk.activities(account) if account else ()
        first, last = int(said.get("startTime", 0)), int(said.get("endTime", 10**15))
        timed = [(milliseconds(row.at), row) for row in rows if row.currency is not None]
        return [(at, row) for at, row in timed if first <= at <= last][:_PAGE]


def _is_funding(row: Activity) -> bool:
    return row.kind == "funding" and row.currency == _COIN


def _delta(row: Activity, own: str) -> Json:
    """What happened; what there is no word for was sent by somebody, or to somebody."""
    amount = row.amount or ZERO
    if row.currency == _COIN and row.kind in _MOVES and not (row.kind == "rebate" and amount < 0):
        kind, name = _MOVES[row.kind]
        return {"type": kind, name: text(abs(amount)), "fee": "0.0", "nonce": 0}
    sender, receiver = (_OTHER, own) if amount > 0 else (own, _OTHER)
    return {
        "type": "spotTransfer", "token": row.currency, "amount": text(abs(amount)), "usdcValue": "0.0", "user": sender,
        "destination": receiver, "fee": "0.0", "nativeTokenFee": "0.0", "nonce": 0, "feeToken": "",
    }  # fmt: skip


@exact
def _profit(told: Position) -> Decimal:
    if told.average_price is None or told.market_price is None:
        return ZERO
    return told.amount * (told.market_price - told.average_price)


@exact
def _position(told: Position, row: Listed) -> Json:
    mark = told.market_price or told.average_price or ZERO
    inner = {
        "coin": row.base, "szi": text(told.amount), "entryPx": text(told.average_price or ZERO), "liquidationPx": None,
        "positionValue": text(abs(told.amount) * mark), "unrealizedPnl": text(_profit(told)), "returnOnEquity": "0.0",
        "leverage": {"type": "cross", "value": 20}, "marginUsed": "0.0", "maxLeverage": 50,
        "cumFunding": {"allTime": "0.0", "sinceOpen": "0.0", "sinceChange": "0.0"},
    }  # fmt: skip
    return {"type": "oneWay", "position": inner}


@exact
def _order(resting: Resting, row: Listed) -> Json:
    told = resting.order
    assert told.created_at is not None, "the world stamps its orders"
    stop = told.stop_price is not None
    kind = ("Stop Limit" if told.limit_price else "Stop Market") if stop else "Limit" if told.limit_price else "Market"
    return {
        "coin": row.base, "side": "B" if told.side == "buy" else "A", "oid": number_of(told.broker_order_id),
        "limitPx": text(told.limit_price or told.stop_price or ZERO), "sz": text(told.quantity - told.done),
        "origSz": text(told.quantity), "timestamp": milliseconds(told.created_at), "cloid": told.client_order_id,
        "isTrigger": stop and waits(resting), "triggerPx": text(told.stop_price or ZERO), "orderType": kind, "children": [],
        "triggerCondition": "N/A", "isPositionTpsl": False, "reduceOnly": resting.reduce_only, "tif": "Gtc",
    }  # fmt: skip


def _fill(told: Fill, row: Listed) -> Json:
    verb = "Liquidated" if told.liquidation else "Open"
    return {
        "coin": row.base, "px": text(told.price), "sz": text(told.quantity), "side": "B" if told.side == "buy" else "A",
        "time": milliseconds(told.at), "startPosition": "0.0", "closedPnl": "0.0", "hash": "0x0", "crossed": True,
        "dir": f"{verb} {'Long' if told.side == 'buy' else 'Short'}", "oid": number_of(told.broker_order_id),
        "fee": text(told.fee or ZERO), "feeToken": told.fee_currency, "tid": number_of(told.fill_id),
        **({} if told.client_order_id is None else {"cloid": told.client_order_id}),
    }  # fmt: skip
