"""Rows of fills, transfers and funding, one by one: what they move, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from tieout.brokers.dydx import parse
from tieout.brokers.dydx.owner import Owner
from tieout.brokers.dydx.rows import RowError, RowLeft
from tieout.model.amounts import dec
from tieout.model.snapshot import Activity, Fill

OWNER = Owner("dydx1me", 3)
WALLET, OTHER = {"address": "dydx1me"}, {"address": "dydx1other", "subaccountNumber": 3}
FILL = {
    "id": "f", "side": "SELL", "type": "LIMIT", "market": "BTC-USD", "marketType": "PERPETUAL", "price": "105117",
    "size": "0.0001", "fee": "0.25", "createdAt": "2025-11-12T11:19:52.470Z", "createdAtHeight": "63049869",
    "orderId": "o", "subaccountNumber": 131,
}  # fmt: skip


def ours(number: int, name: str = "subaccountNumber") -> dict[str, Any]:
    """A sub-account of the address."""
    return {"address": "dydx1me", name: number}


def moved(sender: dict[str, Any], recipient: dict[str, Any], kind: str, size: str = "5.5") -> Activity | None:
    """What a transfer between the two moves in this account."""
    row = {
        "id": "t", "sender": sender, "recipient": recipient, "size": size, "type": kind, "symbol": "USDC",
        "createdAt": "2025-10-20T11:42:26.405Z", "createdAtHeight": "9",
    }  # fmt: skip
    record = parse.transfer(row, OWNER).record
    assert record is None or isinstance(record, Activity)
    return record


@pytest.mark.parametrize("name", ["subaccountNumber", "parentSubaccountNumber"])
@pytest.mark.parametrize(
    ("sender", "recipient", "told", "kind", "amount"),
    [
        (WALLET, 3, "DEPOSIT", "deposit", "5.5"),
        (3, WALLET, "WITHDRAWAL", "withdrawal", "-5.5"),
        (OTHER, 3, "TRANSFER_IN", "transfer", "5.5"),
        (3, OTHER, "TRANSFER_OUT", "transfer", "-5.5"),
        (4, 3, "TRANSFER_IN", "transfer", "5.5"),
    ],
)
def test_money_comes_and_goes(name: str, sender: Any, recipient: Any, told: str, kind: str, amount: str) -> None:
    """The sign comes from the two ends: another parent of the same address, and the wallet itself, are others."""
    ends = [ours(end, name) if isinstance(end, int) else end for end in (sender, recipient)]
    record = moved(ends[0], ends[1], told)
    assert record is not None
    assert (record.kind, record.amount, record.currency) == (kind, dec(amount), "USDC")


def test_what_moves_within_the_account_moves_nothing() -> None:
    """Margin of an isolated position is called TRANSFER_OUT there; the account as a whole has all of it still."""
    assert moved(ours(3), ours(131), "TRANSFER_OUT") is None
    assert moved(ours(131), ours(3), "TRANSFER_OUT") is None


@pytest.mark.parametrize(
    ("sender", "recipient", "told"),
    [(OTHER, OTHER, "TRANSFER_IN"), (WALLET, ours(3), "WITHDRAWAL"), (ours(3), OTHER, "GIFT")],
)
def test_a_transfer_that_contradicts_itself_is_refused(sender: Any, recipient: Any, told: str) -> None:
    """Neither end is the account, the kind is not that of the ends, or nobody knows it."""
    with pytest.raises(RowError):
        moved(sender, recipient, told)


@pytest.mark.parametrize(("payment", "amount"), [("-0.125", "-0.125"), ("0.000000001", "0.000000001")])
def test_funding_is_above_zero_where_it_was_received(payment: str, amount: str) -> None:
    """Its id is made of what names it: block, market and sub-account."""
    row = {
        "createdAt": "2025-10-20T11:00:00.000Z", "createdAtHeight": "9", "perpetualId": "4", "payment": payment,
        "subaccountNumber": "131",
    }  # fmt: skip
    entry = parse.funding(row, OWNER)
    assert isinstance(entry.record, Activity)
    assert (entry.record.activity_id, entry.record.kind, entry.record.amount) == (
        "funding-9-4-131",
        "funding",
        dec(amount),
    )
    assert parse.funding(row | {"payment": "0"}, OWNER).record is None


def filled(**changed: object) -> Fill:
    """The fill that the row is, with changes."""
    record = parse.fill(FILL | changed, OWNER).record
    assert isinstance(record, Fill)
    return record


def test_a_fee_is_all_that_was_taken() -> None:
    """A builder's fee comes on top of the venue's; a maker's rebate is below 0."""
    assert filled().fee == dec("0.25")
    assert filled(builderFee="0.1").fee == dec("0.35")
    assert filled(fee="-0.01").fee == dec("-0.01")


@pytest.mark.parametrize(
    ("told", "forced"),
    [
        ("LIMIT", False),
        ("LIQUIDATED", True),
        ("LIQUIDATION", False),
        ("DELEVERAGED", True),
        ("OFFSETTING", True),
        ("NEW", None),
    ],
)
def test_a_forced_fill_says_so(told: str, forced: bool | None) -> None:
    """LIQUIDATED and deleveraging force the account; LIQUIDATION is the other side of somebody else's."""
    assert filled(type=told).liquidation is forced


def test_a_fill_in_another_kind_of_market_is_left() -> None:
    """What it would move is not known here."""
    with pytest.raises(RowLeft):
        filled(marketType="SPOT")


@pytest.mark.parametrize(
    ("field", "value"),
    [("side", "HOLD"), ("size", "-1"), ("size", 0.1), ("price", ""), ("createdAt", "2025-11-12T11:19:52"),
     ("createdAt", "today"), ("subaccountNumber", 4), ("subaccountNumber", True), ("id", "")],
)  # fmt: skip
def test_a_fill_that_makes_no_sense_is_refused(field: str, value: object) -> None:
    """Nor is one of another sub-account taken for ours."""
    with pytest.raises(RowError):
        filled(**{field: value})


def test_ids_are_those_that_the_indexer_makes() -> None:
    """A sub-account's id, as it was recorded (dYdX's public indexer, 2025)."""
    owner = Owner("dydx14zzueazeh0hj67cghhf9jypslcf9sh2n5k6art", 0)
    assert owner.subaccount_id(0) == "8586bcf6-1f58-5ec9-a0bc-e53db273e7b0"
