"""What changed holdings without a trade, by each venue's own ledger: exact, signed, and never by a guess."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import pytest
from tests.brokers.ccxt.test_pages import START, said
from tests.brokers.ccxt.venue import SINCE, venue
from tests.conform.loopback import Asked

from tieout.errors import SourceIncomplete
from tieout.model.snapshot import Activity

LONG = "12345.678901234567890123"
DATE = "2026-03-01T00:00:01Z"
Told = tuple[str, str, str]  # kind, currency or asset, amount


class Ledger(NamedTuple):
    """What a venue answers, by the end of a path (and a word of the request), and what that means."""

    venue: str
    bodies: Mapping[str, Any]
    means: tuple[Told, ...]
    unknown: Mapping[str, Any]  # the same with a kind that nobody knows
    empty: Any = ()


def income(kind: str, amount: str, number: int = 1) -> dict[str, Any]:
    """A line of Binance's income."""
    return {"symbol": "", "incomeType": kind, "income": amount, "asset": "USDT", "time": START + 9, "tranId": number}


def bybit(kind: str, change: str, funding: str = "") -> dict[str, Any]:
    """A line of Bybit's transaction log."""
    row = {"id": f"i-{kind}{funding}", "type": kind, "change": change, "funding": funding}
    return {**row, "currency": "USDT", "transactionTime": str(START + 9)}


def bill(kind: str, change: str) -> dict[str, Any]:
    """A bill of OKX."""
    return {"billId": f"9{kind}", "type": kind, "subType": "1", "balChg": change, "ccy": "BTC", "ts": str(START + 9)}


def ledger(kind: str, amount: str, fee: str = "0", subtype: str = "") -> dict[str, Any]:
    """A line of Kraken's ledgers."""
    return {
        "type": kind,
        "subtype": subtype,
        "asset": "ZEUR",
        "amount": amount,
        "fee": fee,
        "time": START // 1000 + 1.5,
    }


def kraken(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Kraken's ledgers."""
    return {"error": [], "result": {"ledger": {f"L-{n}": row for n, row in enumerate(rows)}, "count": len(rows)}}


def log(kind: str, before: str, after: str, number: int, funding: str | None = None) -> dict[str, Any]:
    """A line of the log of Kraken's futures."""
    row = {"id": number, "booking_uid": f"u-{number}", "date": DATE, "asset": "usdt", "contract": None, "info": kind}
    return {**row, "old_balance": before, "new_balance": after, "realized_funding": funding}


def transaction(kind: str, amount: str, status: str = "completed") -> dict[str, Any]:
    """A line of a Coinbase wallet."""
    return {
        "id": f"t-{kind}{amount}", "type": kind, "status": status, "created_at": DATE,
        "amount": {"amount": amount, "currency": "QQQ"},
    }  # fmt: skip


def wallet(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The history of a Coinbase wallet."""
    return {"pagination": {"next_starting_after": None}, "data": rows}


COINBASE = {"accounts": [{"uuid": "a-1", "currency": "QQQ"}], "has_next": False, "cursor": ""}
ME, OTHER = "0x" + "1" * 40, "0x" + "9" * 40


def update(**delta: Any) -> dict[str, Any]:
    """A line of Hyperliquid's ledger."""
    return {"time": START + 9, "hash": "0xaa", "delta": delta}


FUNDING = update(type="funding", coin="QQQ", usdc="-0.000000000000000001", szi="1", fundingRate="0")

LEDGERS = (
    Ledger(
        "binanceusdm",
        {
            "/income": [
                income("FUNDING_FEE", f"-{LONG}"), income("TRANSFER", "5"), income("COMMISSION", "-1"),
                income("REALIZED_PNL", "7"), income("API_REBATE", "0.1"),
            ]
        },
        (("funding", "USDT", f"-{LONG}"), ("transfer", "USDT", "5"), ("rebate", "USDT", "0.1")),
        {"/income": [income("MOON_BONUS", "1"), income("TRANSFER", "5")]},
        [],
    ),
    Ledger(
        "bybit",
        {
            "/transaction-log": {
                "retCode": 0,
                "result": {
                    "list": [
                        bybit("TRANSFER_IN", LONG), bybit("TRADE", "-1"), bybit("TRADE", "-1", "-0.25"),
                        bybit("SETTLEMENT", "-2", "-2"), bybit("CURRENCY_SELL", "-3"),
                    ],
                    "nextPageCursor": "",
                },
            }
        },
        (
            ("transfer", "USDT", LONG), ("funding", "USDT", "-0.25"), ("funding", "USDT", "-2"),
            ("conversion", "USDT", "-3"),
        ),
        {"/transaction-log": {"retCode": 0, "result": {"list": [bybit("MOON", "1")], "nextPageCursor": ""}}},
    ),
    Ledger(
        "okx",
        {"/bills-archive": {"code": "0", "data": [bill("1", LONG), bill("2", "1"), bill("8", "-2"), bill("7", "-3")]}},
        (("transfer", "BTC", LONG), ("funding", "BTC", "-2"), ("interest", "BTC", "-3")),
        {"/bills-archive": {"code": "0", "data": [bill("777", "1")]}},
    ),
    Ledger(
        "kraken",
        {
            "/Ledgers": kraken(
                [
                    ledger("deposit", LONG, "0.5"), ledger("withdrawal", "-10", "0.25"), ledger("trade", "3"),
                    ledger("earn", "0.1", subtype="reward"), ledger("rollover", "0", "0.02"),
                    ledger("spend", "-4", "0.01"),
                ]
            )
        },
        (
            ("deposit", "EUR", "12345.178901234567890123"), ("withdrawal", "EUR", "-10.25"), ("interest", "EUR", "0.1"),
            ("fee", "EUR", "-0.02"), ("conversion", "EUR", "-4.01"),
        ),
        {"/Ledgers": kraken([ledger("moon", "1")])},
    ),
    Ledger(
        "krakenfutures",
        {
            "/account-log": {
                "logs": [
                    log("futures trade", "1", "2", 1, "-0.125"), log("funding rate change", "10", "9.75", 2),
                    log("cross-exchange transfer", "0", LONG, 3),
                ]
            }
        },
        (("funding", "USDT", "-0.125"), ("funding", "USDT", "-0.25"), ("transfer", "USDT", LONG)),
        {"/account-log": {"logs": [log("moon", "1", "2", 1)]}},
    ),
    Ledger(
        "coinbase",
        {
            "/brokerage/accounts": COINBASE,
            "/transactions": wallet(
                [
                    transaction("send", f"-{LONG}"), transaction("send", "2"), transaction("advanced_trade_fill", "3"),
                    transaction("staking_reward", "0.1"), transaction("fiat_deposit", "9", "failed"),
                    transaction("trade", "-1"),
                ]
            ),
        },
        (
            ("withdrawal", "QQQ", f"-{LONG}"), ("deposit", "QQQ", "2"), ("interest", "QQQ", "0.1"),
            ("conversion", "QQQ", "-1"),
        ),
        {"/brokerage/accounts": COINBASE, "/transactions": wallet([transaction("moon", "1")])},
    ),
    Ledger(
        "hyperliquid",
        {
            "userFunding": [FUNDING],
            "userNonFundingLedgerUpdates": [
                update(type="deposit", usdc=LONG),
                update(type="withdraw", usdc="10", nonce=1, fee="1.0"),
                update(type="accountClassTransfer", usdc="5", toPerp=True),
                update(type="internalTransfer", usdc="7", user=ME, destination=OTHER, fee="1"),
                update(type="spotTransfer", token="HYPE", amount="3", user=OTHER, destination=ME, fee="1"),
            ],
        },
        (
            ("funding", "USDC", "-0.000000000000000001"), ("deposit", "USDC", LONG), ("withdrawal", "USDC", "-11.0"),
            ("transfer", "USDC", "-7"), ("fee", "USDC", "-1"), ("transfer", "HYPE", "3"),
        ),
        {"userNonFundingLedgerUpdates": [update(type="moon", usdc="1")]},
        [],
    ),
)  # fmt: skip


def answers(bodies: Mapping[str, Any], empty: Any) -> Any:
    """Answer by the end of the path, or by the type that the request names."""

    def answer(asked: Asked) -> tuple[int, str]:
        found = [body for key, body in bodies.items() if asked.path.endswith(key) or said(asked).get("type") == key]
        return 200, json.dumps(found[0] if found else list(empty))

    return answer


def meaning(row: Activity) -> Told:
    """Kind, what moved, and how much."""
    assert row.amount is not None
    return row.kind, row.currency or row.asset or "", format(row.amount, "f")


@pytest.mark.parametrize("known", LEDGERS, ids=lambda known: known.venue)
async def test_every_line_is_told_with_its_sign_and_digits(known: Ledger) -> None:
    """Deposits, withdrawals, transfers, funding, rewards and conversions; trades are left to the fills."""
    async with venue(known.venue, answers(known.bodies, known.empty)) as (broker, _):
        found = await broker.get_activities(SINCE)
    assert sorted(meaning(row) for row in found) == sorted(known.means)
    assert len({row.activity_id for row in found}) == len(found)
    assert all(SINCE <= row.at < SINCE + timedelta(seconds=2) for row in found)


@pytest.mark.parametrize("known", LEDGERS, ids=lambda known: known.venue)
async def test_a_kind_that_nobody_knows_is_named_and_no_section_is_whole(known: Ledger) -> None:
    """The venue's word for it stands in the failure; no amount does."""
    async with venue(known.venue, answers(known.unknown, known.empty)) as (broker, _):
        with pytest.raises(SourceIncomplete, match=r"(?i)moon|777") as caught:
            await broker.get_activities(SINCE)
    assert LONG not in str(caught.value)


@pytest.mark.parametrize("known", LEDGERS, ids=lambda known: known.venue)
async def test_nothing_before_the_moment_asked_for_is_told(known: Ledger) -> None:
    """The venue may give earlier lines; they are not handed on."""
    async with venue(known.venue, answers(known.bodies, known.empty)) as (broker, _):
        assert await broker.get_activities(SINCE + timedelta(seconds=3)) == ()


async def test_a_spot_wallet_is_told_from_many_lists() -> None:
    """Binance keeps no ledger of the spot wallet: its lists are put together, and what is in none is a named gap."""
    bodies = {
        "/deposit/hisrec": [
            {"id": "d", "coin": "QQQ", "amount": LONG, "status": 1, "insertTime": START + 9},
            {"id": "e", "coin": "QQQ", "amount": "1", "status": 0, "insertTime": START + 9},
        ],
        "/withdraw/history": [
            {"id": "w", "coin": "QQQ", "amount": "3", "transactionFee": "0.5", "status": 6,
             "applyTime": "2026-03-01 00:00:01"},
            {"id": "v", "coin": "QQQ", "amount": "3", "transactionFee": "0.5", "status": 1,
             "applyTime": "2026-03-01 00:00:01"},
        ],
        "/tradeFlow": {
            "list": [{"orderId": 4, "orderStatus": "SUCCESS", "fromAsset": "QQQ", "fromAmount": "2", "toAsset": "EUR",
                      "toAmount": "5", "createTime": START + 9}]
        },
        "/dribblet": {
            "total": 1,
            "userAssetDribblets": [
                {"transId": 6, "userAssetDribbletDetails": [
                    {"transId": 6, "fromAsset": "ZZZ", "amount": "0.001", "transferedAmount": "0.0002",
                     "serviceChargeAmount": "0.1", "operateTime": START + 9}]}
            ],
        },
        "/assetDividend": {"rows": [{"id": 8, "asset": "QQQ", "amount": "0.1", "divTime": START + 9}], "total": 1},
    }  # fmt: skip

    def answer(asked: Asked) -> tuple[int, str]:
        if asked.path.endswith("/asset/transfer"):
            mine = said(asked)["type"] == "MAIN_UMFUTURE"
            row = {
                "timestamp": START + 9,
                "asset": "QQQ",
                "amount": "7",
                "type": "MAIN_UMFUTURE",
                "status": "CONFIRMED",
            }
            return 200, json.dumps({"total": int(mine), "rows": [{**row, "tranId": 3}] if mine else []})
        return 200, json.dumps(next(body for end, body in bodies.items() if asked.path.endswith(end)))

    async with venue("binance", answer) as (broker, _):
        with pytest.raises(SourceIncomplete, match="Earn"):
            await broker.get_activities(SINCE)
    async with venue("binance", answer, accept_gaps=("activities",)) as (broker, _):
        found = await broker.get_activities(SINCE)
    assert sorted(meaning(row) for row in found) == [
        ("conversion", "BNB", "0.0002"), ("conversion", "EUR", "5"), ("conversion", "QQQ", "-2"),
        ("conversion", "ZZZ", "-0.001"), ("deposit", "QQQ", LONG), ("dividend", "QQQ", "0.1"),
        ("transfer", "QQQ", "-7"), ("withdrawal", "QQQ", "-3.5"),
    ]  # fmt: skip
    assert all(isinstance(row.amount, Decimal) for row in found)
