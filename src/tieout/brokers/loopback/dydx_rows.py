"""The world's records as dYdX's indexer writes them: sub-accounts, perpetual positions, orders, fills and transfers."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from msgspec import Struct, field

from tieout.brokers.simulated.facts import Resting
from tieout.model.amounts import ZERO, exact
from tieout.model.snapshot import Activity, Balance, Fill, Order, Position

from .bodies import text

NAMESPACE = uuid.UUID("0f9da948-a6fb-4c45-9edc-4685c3f3317d")
LONG_TERM = "64"  # the flags of orders that are kept on the chain
GOOD_FOR = timedelta(days=28)
STRANGER, WALLET = "dydx1stranger", "dydx1wallet"
USDC = "USDC"

Row = dict[str, object]


class Whose(Struct, frozen=True):
    """One account of the world as a parent sub-account.

    Attributes:
        address: On the chain.
        parent: Its number.
        cash: The world's currency that is USDC here.
        isolated: The world's instruments that are held in a sub-account of their own, by its number.
        markets: The numbers of the world's instruments.
    """

    address: str
    parent: int
    cash: str = USDC
    isolated: dict[str, int] = field(default_factory=dict)
    markets: dict[str, int] = field(default_factory=dict)

    def number(self, asset: str) -> int:
        """The sub-account that *asset* is traded in."""
        return self.isolated.get(asset, self.parent)

    def subaccount_id(self, number: int) -> str:
        """The indexer's id of a sub-account."""
        return uuid_of(f"{self.address}-{number}")

    def symbol(self, currency: str) -> str:
        """What a currency of the world is called here."""
        return USDC if currency == self.cash else currency


def uuid_of(name: str) -> str:
    """An id as the indexer makes them."""
    return str(uuid.uuid5(NAMESPACE, name))


def iso(at: datetime) -> str:
    """A time as the indexer writes it; to the microsecond, where the world has such times."""
    return at.astimezone(UTC).isoformat(timespec="microseconds" if at.microsecond % 1000 else "milliseconds")[:-6] + "Z"


def block_of(id_: str) -> int:
    """The block that a record of the world was made in: every change is one."""
    return int(id_.rpartition("-")[2])


def client_id(order: Order) -> str:
    """The client's id; who traded elsewhere gave one, too, that nobody here knows."""
    return order.client_order_id or str(block_of(order.broker_order_id or ""))


def order_id(order: Order) -> str:
    """The indexer's id of an order."""
    return uuid_of(order.broker_order_id or "")


@exact
def subaccounts(
    positions: Iterable[Position], balances: Iterable[Balance], whose: Whose, height: int, touched: int
) -> list[Row]:
    """Every sub-account of the parent, with what it holds and what that is worth. All cash is in the parent."""
    held = tuple(positions)
    numbers = dict.fromkeys((whose.parent, *(whose.number(row.asset) for row in held)))
    rows = []
    for number in numbers:
        cash = [(row, text(abs(row.total))) for row in balances if number == whose.parent and row.total]
        mine = [row for row in held if whose.number(row.asset) == number]
        equity = sum((_oracle(row) * row.amount for row in mine), ZERO)
        equity += sum((row.total for row, _ in cash if whose.symbol(row.currency) == USDC), ZERO)
        rows.append(
            {
                "address": whose.address,
                "subaccountNumber": number,
                "equity": text(equity),
                "freeCollateral": text(equity),
                "openPerpetualPositions": {row.asset: position(row, number) for row in mine},
                "assetPositions": {
                    whose.symbol(row.currency): {
                        "size": size,
                        "symbol": whose.symbol(row.currency),
                        "side": "LONG" if row.total > 0 else "SHORT",
                        "assetId": "0" if whose.symbol(row.currency) == USDC else "1",
                        "subaccountNumber": number,
                    }
                    for row, size in cash
                },
                "marginEnabled": True,
                "updatedAtHeight": str(touched),
                "latestProcessedBlockHeight": str(height),
            }
        )
    return rows


def _oracle(row: Position) -> Decimal:
    """There is always an oracle's price; where the world has none, what was paid."""
    return row.market_price or row.average_price or ZERO


@exact
def position(row: Position, number: int) -> Row:
    """An open perpetual position."""
    entry = row.average_price or ZERO
    return {
        "market": row.asset,
        "status": "OPEN",
        "side": "LONG" if row.amount > 0 else "SHORT",
        "size": text(row.amount),
        "maxSize": text(row.amount),
        "entryPrice": text(entry),
        "exitPrice": None,
        "realizedPnl": "0",
        "unrealizedPnl": text((_oracle(row) - entry) * row.amount),
        "createdAt": "2026-01-01T00:00:00.000Z",
        "createdAtHeight": "1",
        "closedAt": None,
        "sumOpen": text(abs(row.amount)),
        "sumClose": "0",
        "netFunding": "0",
        "subaccountNumber": number,
    }


def order(resting: Resting, whose: Whose) -> Row:
    """An order, as one that is kept on the chain."""
    row = resting.order
    number = whose.number(row.asset)
    return {
        "id": order_id(row),
        "subaccountId": whose.subaccount_id(number),
        "clientId": client_id(row),
        "clobPairId": str(whose.markets[row.asset]),
        "side": row.side.upper(),
        "size": text(row.quantity),
        "totalFilled": text(row.done),
        "price": text(row.limit_price or row.stop_price or ZERO),
        "type": kind(row),
        "status": status(resting),
        "timeInForce": "GTT",
        "reduceOnly": resting.reduce_only,
        "orderFlags": LONG_TERM,
        "goodTilBlockTime": iso((row.created_at or datetime(2026, 1, 1, tzinfo=UTC)) + GOOD_FOR),
        "createdAtHeight": str(block_of(row.broker_order_id or "")),
        "clientMetadata": "0",
        "postOnly": False,
        "ticker": row.asset,
        "updatedAtHeight": str(block_of(row.broker_order_id or "")),
        "subaccountNumber": number,
        **({"triggerPrice": text(row.stop_price)} if row.stop_price is not None else {}),
        **({"createdAt": iso(row.created_at)} if row.created_at is not None else {}),
        **({"updatedAt": iso(row.updated_at)} if row.updated_at is not None else {}),
    }


def kind(row: Order) -> str:
    """The type of an order in the venue's words."""
    if row.stop_price is not None:
        return "STOP_MARKET" if row.limit_price is None else "STOP_LIMIT"
    return "MARKET" if row.limit_price is None else "LIMIT"


def status(resting: Resting) -> str:
    """The status of an order in the venue's words: it has one for every end but a fill."""
    row = resting.order
    if row.live:
        return "UNTRIGGERED" if row.stop_price is not None and not resting.triggered else "OPEN"
    return "FILLED" if row.status == "filled" else "CANCELED"


def fill(row: Fill, whose: Whose) -> Row:
    """An execution."""
    return {
        "id": uuid_of(row.fill_id),
        "side": row.side.upper(),
        "liquidity": "TAKER",
        "type": "LIQUIDATED" if row.liquidation else "LIMIT",
        "market": row.asset,
        "marketType": "PERPETUAL",
        "price": text(row.price),
        "size": text(row.quantity),
        "fee": text(row.fee or ZERO),
        "affiliateRevShare": "0",
        "createdAt": iso(row.at),
        "createdAtHeight": str(block_of(row.fill_id)),
        "clientMetadata": "0",
        "subaccountNumber": whose.number(row.asset),
        **({} if row.broker_order_id is None else {"orderId": uuid_of(row.broker_order_id)}),
    }


_TRANSFERS = {"deposit": "DEPOSIT", "withdrawal": "WITHDRAWAL"}


def transfer(row: Activity, whose: Whose) -> Row:
    """Cash that came or went: from a wallet, or from and to the sub-account of somebody else."""
    amount = row.amount or ZERO
    mine: Row = {"address": whose.address, "parentSubaccountNumber": whose.parent}
    other: Row = {"address": WALLET} if row.kind in _TRANSFERS else {"address": STRANGER, "parentSubaccountNumber": 0}
    sender, recipient = (other, mine) if amount > 0 else (mine, other)
    return {
        "id": uuid_of(row.activity_id),
        "sender": sender,
        "recipient": recipient,
        "size": text(abs(amount)),
        "createdAt": iso(row.at),
        "createdAtHeight": str(block_of(row.activity_id)),
        "symbol": whose.symbol(row.currency or USDC),
        "type": _TRANSFERS.get(row.kind) or ("TRANSFER_IN" if amount > 0 else "TRANSFER_OUT"),
        "transactionHash": uuid_of(row.activity_id).replace("-", "").upper(),
    }


def funding(row: Activity, whose: Whose) -> Row:
    """A funding payment; the world does not say for which market."""
    return {
        "createdAt": iso(row.at),
        "createdAtHeight": str(block_of(row.activity_id)),
        "perpetualId": "0",
        "ticker": next(iter(whose.markets), "BTC-USD"),
        "oraclePrice": "0",
        "size": "0",
        "side": "LONG",
        "rate": "0",
        "payment": text(row.amount or ZERO),
        "subaccountNumber": str(whose.parent),
        "fundingIndex": "0",
    }
