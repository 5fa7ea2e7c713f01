"""What moved Binance's wallets without a trade: the spot wallet's many lists, and the income of futures.

Source: Binance's public REST documentation, as of 2026-11. The spot wallet has no ledger. What none of its lists has a word
for is told as a movement from or to the margin wallet; conversions and dust cannot happen in a world: their lists are empty.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta

from tieout.model.amounts import ZERO
from tieout.model.snapshot import Activity, ActivityKind, Fill

from .base import Asked, LoopbackVenue, Route
from .binance_rows import Json, symbol
from .binance_spot import Spot
from .bodies import EPOCH, at_milliseconds, milliseconds, text
from .symbols import number_of

_HANDED_OUT = frozenset(("dividend", "interest", "rebate", "cash_in_lieu"))
_INCOME: dict[ActivityKind, str] = {
    "deposit": "TRANSFER", "withdrawal": "TRANSFER", "transfer": "TRANSFER", "funding": "FUNDING_FEE",
    "interest": "BFUSD_REWARD", "rebate": "API_REBATE", "dividend": "WELCOME_BONUS", "cash_in_lieu": "CONTEST_REWARD",
    "fee": "INSURANCE_CLEAR",
}  # fmt: skip


class SpotLists:
    """The lists of the spot wallet, newest first, each within a stretch of time that the venue limits."""

    def __init__(self, venue: LoopbackVenue) -> None:
        self.venue, self.desk = venue, venue.desk

    def routes(self) -> Iterable[Route]:
        """Where they are."""
        lists: dict[str, Callable[[Asked], object]] = {
            "capital/deposit/hisrec": self.deposits,
            "capital/withdraw/history": self.withdrawals,
            "asset/transfer": self.transfers,
            "asset/assetDividend": self.distributions,
            "asset/dribblet": lambda _asked: {"total": 0, "userAssetDribblets": []},
            "convert/tradeFlow": lambda _asked: {"list": [], "limit": 1000, "moreData": False},
        }
        yield from (Route("GET", f"/sapi/v1/{path}", handler) for path, handler in lists.items())

    def deposits(self, asked: Asked) -> object:
        """Those that were credited."""
        rows = [deposit(row) for row in self._moved(asked, 90) if row.kind == "deposit"]
        start = int(asked.fields.get("offset", 0))
        return rows[start : start + int(asked.fields.get("limit", 1000))]

    def withdrawals(self, asked: Asked) -> object:
        """Those that were sent."""
        rows = [withdrawal(row) for row in self._moved(asked, 90) if row.kind == "withdrawal"]
        start = int(asked.fields.get("offset", 0))
        return rows[start : start + int(asked.fields.get("limit", 1000))]

    def transfers(self, asked: Asked) -> object:
        """Between the wallets of the owner, one way at a time, by pages with numbers."""
        told = [row for row in self._moved(asked, 30) if way(row) == asked.fields.get("type")]
        size = min(int(asked.fields.get("size", 10)), 100)
        start = (int(asked.fields.get("current", 1)) - 1) * size
        return {"total": len(told), "rows": [transfer(row) for row in told[start : start + size]]}

    def distributions(self, asked: Asked) -> object:
        """What was handed out."""
        told = [row for row in self._moved(asked, 90) if handed_out(row)]
        rows = [distribution(row) for row in told[: min(int(asked.fields.get("limit", 20)), 500)]]
        return {"rows": rows, "total": len(told)}

    def _moved(self, asked: Asked, days: int) -> list[Activity]:
        """What moved a coin between startTime and endTime, or in the latest *days*."""
        rows, said = self.desk.activities(asked.account), asked.fields
        last = int(said["endTime"]) if "endTime" in said else milliseconds(self.venue.present())
        first = int(said.get("startTime", last - days * 86_400_000))
        return [row for row in reversed(rows) if row.currency is not None and first <= milliseconds(row.at) <= last]


class Income:
    """The list of everything that moved a futures wallet, commissions included, oldest first."""

    def __init__(self, side: Spot) -> None:
        self.side, self.venue, self.desk = side, side.venue, side.desk

    def routes(self) -> Iterable[Route]:
        """Where it is."""
        yield Route("GET", f"{self.side.path}/income", self.income)

    def income(self, asked: Asked) -> object:
        """From startTime on, or of the latest seven days."""
        said = asked.fields
        last = int(said["endTime"]) if "endTime" in said else milliseconds(self.venue.present())
        first = int(said.get("startTime", milliseconds(at_milliseconds(last) - timedelta(days=7))))
        told = [row for row in self._told(asked.account) if first <= int(str(row["time"])) <= last]
        return told[: min(int(said.get("limit", 100)), 1000)]

    def _told(self, account: str) -> Sequence[Json]:
        moved = [income(row) for row in self.desk.activities(account) if row.currency is not None]
        paid = [(row, self.side.listing(row.asset)) for row in self.desk.fills(account) if row.fee]
        costs = [commission(row, symbol(listed)) for row, listed in paid if listed is not None]
        return sorted(moved + costs, key=lambda row: int(str(row["time"])))


def handed_out(row: Activity) -> bool:
    """Whether it is told as something that the venue hands out."""
    return row.kind in _HANDED_OUT and (row.amount or ZERO) > 0


def way(row: Activity) -> str | None:
    """From where to where it is told to have moved; None where another list tells it."""
    if row.kind in ("deposit", "withdrawal") or handed_out(row):
        return None
    other = "FUNDING" if row.kind == "transfer" else "MARGIN"
    return f"{other}_MAIN" if (row.amount or ZERO) > 0 else f"MAIN_{other}"


def deposit(row: Activity) -> Json:
    """A deposit, credited."""
    at = milliseconds(row.at)
    return {
        "id": str(number_of(row.activity_id)), "amount": text(row.amount), "coin": row.currency, "network": row.currency,
        "status": 1, "address": "", "addressTag": "", "txId": row.activity_id, "insertTime": at, "completeTime": at,
        "transferType": 0, "confirmTimes": "1/1", "unlockConfirm": 1, "walletType": 0,
    }  # fmt: skip


def withdrawal(row: Activity) -> Json:
    """A withdrawal, sent, at no cost of its own; its times are dates of whole seconds."""
    at = f"{(EPOCH + timedelta(seconds=milliseconds(row.at) // 1000)):%Y-%m-%d %H:%M:%S}"
    return {
        "id": str(number_of(row.activity_id)), "amount": text(-(row.amount or ZERO)), "transactionFee": "0",
        "coin": row.currency, "status": 6, "address": "", "txId": row.activity_id, "applyTime": at, "network": row.currency,
        "transferType": 0, "info": "", "confirmNo": 1, "walletType": 0, "txKey": "", "completeTime": at,
    }  # fmt: skip


def transfer(row: Activity) -> Json:
    """A movement between wallets of the owner; its type says which way."""
    return {
        "asset": row.currency, "amount": text(abs(row.amount or ZERO)), "type": way(row), "status": "CONFIRMED",
        "tranId": number_of(row.activity_id), "timestamp": milliseconds(row.at),
    }  # fmt: skip


def distribution(row: Activity) -> Json:
    """Something that was handed out."""
    number = number_of(row.activity_id)
    return {"id": number, "amount": text(row.amount), "asset": row.currency, "divTime": milliseconds(row.at),
            "enInfo": row.kind, "tranId": number, "direction": 1}  # fmt: skip


def income(row: Activity) -> Json:
    """A line of a futures wallet."""
    return {
        "symbol": "", "incomeType": _INCOME.get(row.kind, row.kind.upper()), "income": text(row.amount),
        "asset": row.currency, "time": milliseconds(row.at), "info": row.kind, "tranId": number_of(row.activity_id),
        "tradeId": "",
    }  # fmt: skip


def commission(fill: Fill, name: str) -> Json:
    """What an execution cost: the fill tells it as well."""
    number = number_of(fill.fill_id)
    return {
        "symbol": name, "incomeType": "COMMISSION", "income": text(-(fill.fee or ZERO)), "asset": fill.fee_currency,
        "time": milliseconds(fill.at), "info": "COMMISSION", "tranId": number, "tradeId": str(number),
    }  # fmt: skip
