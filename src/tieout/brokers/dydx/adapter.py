"""One account at dYdX v4 as a `BrokerAdapter`. It only reads: an order there is a transaction that its owner signs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from datetime import datetime
from functools import partial

from msgspec.structs import replace

from tieout.brokers.base import AccountInfo, Capabilities, OrderRequest
from tieout.brokers.dydx import parse
from tieout.brokers.dydx.examined import DydxExamined
from tieout.brokers.dydx.holdings import USDC, Holdings
from tieout.brokers.dydx.indexer import LAG_BLOCKS, Indexer
from tieout.brokers.dydx.instruments import DydxInstruments
from tieout.brokers.dydx.owner import Owner
from tieout.brokers.dydx.pages import SIZE, Page, Unproven, walk
from tieout.brokers.dydx.rows import Json, RowError, RowLeft
from tieout.brokers.wire.http import Http
from tieout.brokers.wire.wire import Wire
from tieout.errors import ActionRefused, SourceIncomplete, SourceMalformed
from tieout.model.instrument import Instrument
from tieout.model.snapshot import SECTIONS, Activity, Balance, Fill, Order, Position

MAINNET = "https://indexer.dydx.trade"
_READS_ONLY = "dYdX takes orders as signed transactions, and this adapter holds no key: it only reads"


class DydxBroker:
    """A parent sub-account at dYdX v4 with the isolated ones that hang on it, as one account.

    Args:
        address: On the chain, "dydx1…". It is public, and so is everything that is read.
        account: The account's name, for reports.
        wire: How the indexer is asked; all accounts share one, for it counts requests by where they come from.
        subaccount: The parent's number, 0 to 127.
        url: Of the indexer.
    """

    def __init__(self, address: str, *, account: str, wire: Wire, subaccount: int = 0, url: str = MAINNET) -> None:
        self.name = f"dydx:{account}"
        self._account, self._owner = account, Owner(address, subaccount)
        self._wire, self._url = wire, url
        self._http = Http(self.name, url, wire)
        self._indexer = Indexer(self.name, self._owner, self._http, wire)
        self._instruments = DydxInstruments(self.name, self._http)

    async def get_positions(self) -> tuple[Position, ...]:
        """Every open position, netted over isolated sub-accounts."""
        scope = "get_positions"
        return self._believed(scope, await self._indexer.height(scope), await self._indexer.holdings(scope)).positions

    async def get_balances(self) -> tuple[Balance, ...]:
        """USDC, below 0 where positions are bought with borrowed money; funding due is in it."""
        scope = "get_balances"
        return self._believed(scope, await self._indexer.height(scope), await self._indexer.holdings(scope)).balances

    async def get_open_orders(self) -> tuple[Order, ...]:
        """Every order that can still trade: untriggered ones, and those that are open or cancelled by best effort only."""
        scope = "get_open_orders"
        await self._indexer.require_known(scope)
        height = await self._indexer.height(scope)
        rows = await self._indexer.orders(scope, status=",".join(parse.LIVE))
        full = len(rows) >= SIZE
        if full:
            # Orders that were cancelled by best effort are never tidied up there: of those, only what may still fill.
            parts = [await self._indexer.orders(scope, **asked) for asked in self._indexer.narrowed(height)]
            rows, full = [row for part in parts for row in part], any(len(part) >= SIZE for part in parts)
        orders = [order for order in self._orders(scope, rows, height) if order.live]
        if full:
            raise SourceIncomplete(self.name, scope, "more orders than the venue gives at once", orders)
        return _named_apart(orders)

    async def get_order(
        self, *, broker_order_id: str | None = None, client_order_id: str | None = None
    ) -> Order | None:
        """One order; by a client id, among the latest that the venue lists, for it cannot be asked by one."""
        assert broker_order_id or client_order_id, "an id to look for"
        scope = "get_order"
        height = await self._indexer.height(scope)
        if broker_order_id is None:
            return await self._by_client_id(scope, client_order_id or "", height)
        row = await self._indexer.order(scope, broker_order_id)
        if row is None or not self._mine(scope, row):
            return None
        (order,) = self._orders(scope, [row], height)
        if order.broker_order_id != broker_order_id:
            raise SourceMalformed(self.name, scope, "another order than was asked for")
        return order if client_order_id in (None, order.client_order_id) else None

    async def get_fills(self, since: datetime) -> tuple[Fill, ...]:
        """Every fill with ``at >= since``, oldest first."""
        scope = "get_fills"
        found = await self._walked(scope, since, self._indexer.fills)
        return tuple(record for record in found if isinstance(record, Fill))

    async def get_activities(self, since: datetime) -> tuple[Activity, ...]:
        """Every deposit, withdrawal, transfer and funding payment with ``at >= since``, oldest first."""
        scope = "get_activities"
        found = await self._walked(scope, since, self._indexer.transfers, self._indexer.funding)
        return tuple(record for record in found if isinstance(record, Activity))

    async def get_account_info(self) -> AccountInfo:
        """Which account this is; the venue is asked whether it knows it."""
        await self._indexer.holdings("get_account_info")
        return AccountInfo(account=self._account, venue="dydx", currency=USDC, trading_enabled=False)

    async def get_instruments(self, assets: Collection[str]) -> tuple[Instrument, ...]:
        """What dYdX says of *assets*."""
        return await self._instruments.get(assets)

    async def submit_order(self, request: OrderRequest) -> Order:
        """Always refused; nothing is sent."""
        raise ActionRefused("submit_order", _READS_ONLY)

    async def cancel_order(self, *, broker_order_id: str | None = None, client_order_id: str | None = None) -> Order:
        """Always refused; nothing is sent."""
        raise ActionRefused("cancel_order", _READS_ONLY)

    async def server_time(self) -> datetime:
        """The clock of the venue's servers; blocks follow it within seconds."""
        return await self._indexer.time("server_time")

    def capabilities(self) -> Capabilities:
        """Everything is read, and nothing done."""
        return Capabilities(sections=frozenset(SECTIONS), acts=False, tries_again=True)

    def examined(self) -> DydxExamined:
        """What there is to examine."""
        return DydxExamined(self._url, self._wire)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    def _believed(self, scope: str, height: int, held: Holdings) -> Holdings:
        """*held*, unless it is older than the newest block, or is not whole."""
        rows = held.positions if scope == "get_positions" else held.balances
        if held.doubt is not None:
            raise SourceIncomplete(self.name, scope, held.doubt, rows)
        if height - held.height > LAG_BLOCKS and held.height:
            raise SourceIncomplete(self.name, scope, "an answer from long before the newest block", rows)
        return held

    async def _by_client_id(self, scope: str, client_order_id: str, height: int) -> Order | None:
        await self._indexer.require_known(scope)
        rows = await self._indexer.orders(scope)
        found = self._orders(scope, [row for row in rows if row.get("clientId") == client_order_id], height)
        if len(found) > 1:
            raise SourceIncomplete(self.name, scope, "the client id names more than one order", found)
        if not found and len(rows) >= SIZE:
            raise SourceIncomplete(self.name, scope, "the venue lists its latest orders, and it is not among them")
        return found[0] if found else None

    async def _walked(
        self, scope: str, since: datetime, *lists: Callable[[str, int], Awaitable[Page]]
    ) -> list[Fill | Activity]:
        """The records of all *lists* since then, in order."""
        await self._indexer.require_known(scope)
        await self._indexer.height(scope)
        entries, why = list[parse.Entry](), None
        for ask in lists:
            try:
                entries += await walk(partial(ask, scope), since)
            except Unproven as part:
                entries += part.entries
                why = str(part)
        entries.sort(key=lambda entry: (entry.at, entry.height))
        records = [entry.record for entry in entries if entry.record is not None]
        if why is not None:
            raise SourceIncomplete(self.name, scope, why, records)
        return records

    def _orders(self, scope: str, rows: Sequence[Json], height: int) -> list[Order]:
        orders, left = list[Order](), None
        for row in rows:
            try:
                orders.append(parse.order(row, self._owner, height))
            except RowLeft as error:
                left = str(error)
            except RowError as error:
                raise SourceMalformed(self.name, scope, str(error)) from None
        if left is not None:
            raise SourceIncomplete(self.name, scope, left, orders)
        return orders

    def _mine(self, scope: str, row: Json) -> bool:
        try:
            return parse.is_ours(row, self._owner)
        except RowError as error:
            raise SourceMalformed(self.name, scope, str(error)) from None


def _named_apart(orders: Iterable[Order]) -> tuple[Order, ...]:
    """A client id is free to serve again in another market there; where two live orders bear one, it names neither."""
    rows = tuple(orders)
    borne = Counter(order.client_order_id for order in rows)
    return tuple(replace(order, client_order_id=None) if borne[order.client_order_id] > 1 else order for order in rows)
