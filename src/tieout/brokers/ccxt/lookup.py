"""Single orders: where to ask for one, and when *no such order* is the venue's own word."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from msgspec.structs import replace

from tieout.brokers.ccxt import parse
from tieout.brokers.ccxt.asking import CcxtAsking
from tieout.brokers.ccxt.calls import Find
from tieout.brokers.ccxt.reader import CcxtReader, Json
from tieout.brokers.ccxt.strangers import note
from tieout.brokers.ccxt.venues import Venue
from tieout.errors import SourceIncomplete, SourceMalformed
from tieout.model.snapshot import Order

_REMEMBERED = 10_000


class CcxtOrders:
    """Makes orders of rows and remembers in which asset each was, for most venues want that named."""

    def __init__(
        self, name: str, venue: Venue, asking: CcxtAsking, reader: CcxtReader, assets: tuple[str, ...]
    ) -> None:
        self._name, self._venue, self._asking, self._reader = name, venue, asking, reader
        self._assets = assets
        self._seen: dict[str, str] = {}  # order ids, either side's -> asset
        self._numbers: dict[str, str] = {}  # clients' ids -> the venue's, of orders seen

    async def placed(
        self, broker_order_id: str | None, client_order_id: str | None, *, where: Json | None = None
    ) -> tuple[Order, Json] | None:
        """One order, and where it is kept: what names that place in requests.

        None only where the venue said *no such order* in every place that was asked.

        Args:
            where: Asked there alone: a number is an id of its place, and may be another order's elsewhere.

        Raises:
            SourceError: The venue did not answer that question, or cannot be asked it.
        """
        if not self._asked_by(broker_order_id):
            return await self._searched(broker_order_id, client_order_id)
        id_, params = self._by(broker_order_id, client_order_id)
        for asset in self._places(broker_order_id, client_order_id):
            for extra in self._venue.lookup_params if where is None else (where,):
                row = await self._asking.ask("orders", _question(id_, asset, params | extra, self._asking))
                found = None if row is None else self._bearing(self._known(row), client_order_id)
                if found is not None:
                    return found, extra
        return None

    def _asked_by(self, broker_order_id: str | None) -> bool:
        """Whether the venue answers for single orders by what is known of this one, or lists have to be narrowed to it."""
        finds = self._venue.finds
        told = self._venue.lookup != "none" if broker_order_id is not None else self._venue.client_id is not None
        return told or not any(_narrowed(find, broker_order_id, "") for find in finds)

    async def _searched(self, broker_order_id: str | None, client_order_id: str | None) -> tuple[Order, Json] | None:
        """The order, in the lists where it can be; None only where each of them came without it."""
        for find in self._venue.finds:
            told = _narrowed(find, broker_order_id, self._said(client_order_id))
            if told is None:
                continue
            found = await self._reader.narrowed("orders", replace(find.call, params={**find.call.params, **told}))
            for row in found:
                order = self._known(row)
                if order.broker_order_id != broker_order_id and not self._same(order, client_order_id):
                    raise SourceMalformed(self._name, "orders", "another order than the one that was asked for")
                if self._bearing(order, client_order_id) is not None:
                    return order, {}
        return None

    def made(self, row: Json) -> Order:
        """The order that a unified row tells, mended and remembered.

        Raises:
            RowError: The row breaks its format.
            RowLeft: Its meaning is not known here.
        """
        order = parse.order(row | (self._venue.order(row) or {}))
        return self.remember(replace(order, client_order_id=self.heard(order.client_order_id)))

    def heard(self, client_order_id: str | None) -> str | None:
        """A client's id as its owner wrote it."""
        return None if client_order_id is None else self._venue.ids.heard(client_order_id)

    def _said(self, client_order_id: str | None) -> str | None:
        return None if client_order_id is None else self._venue.ids.said(client_order_id)

    def remember(self, order: Order) -> Order:
        """The same order, its asset kept for when it is looked up."""
        for id_ in filter(None, (order.broker_order_id, order.client_order_id)):
            self._seen[id_] = order.asset
        if order.client_order_id is not None and order.broker_order_id is not None:
            self._numbers[order.client_order_id] = order.broker_order_id
        for kept in (self._seen, self._numbers):
            while len(kept) > _REMEMBERED:
                del kept[next(iter(kept))]
        return order

    def _by(self, broker_order_id: str | None, client_order_id: str | None) -> tuple[str | None, Json]:
        """The id to look an order up by, and ccxt's parameters for it."""
        if self._venue.lookup == "none":
            raise SourceIncomplete(self._name, "orders", "single orders are not looked up at this venue")
        if broker_order_id is not None:
            return broker_order_id, {}
        if self._venue.client_id is None and client_order_id in self._numbers:
            return self._numbers[client_order_id], {}
        if self._venue.client_id is None or client_order_id is None:
            raise SourceIncomplete(self._name, "orders", "an order is not looked up by its client id at this venue")
        return None, {self._venue.client_id: self._said(client_order_id)}

    def _places(self, *ids: str | None) -> tuple[str | None, ...]:
        """The assets to ask for an order in: its own where it is known, else all; one None where none has to be named."""
        if self._venue.lookup == "id":
            return (None,)
        asset = next((self._seen[id_] for id_ in ids if id_ in self._seen), None)
        if asset is None and not self._assets:
            raise SourceIncomplete(self._name, "orders", "orders are looked up asset by asset, and no assets are named")
        return self._assets if asset is None else (asset,)

    def _same(self, order: Order, client_order_id: str | None) -> bool:
        """Whether the order bears that client's id, in either spelling."""
        return order.client_order_id is not None and self._said(order.client_order_id) == self._said(client_order_id)

    def _bearing(self, order: Order, client_order_id: str | None) -> Order | None:
        """The order, unless it bears another client's id than the one asked for: ids of two orders name none."""
        fits = client_order_id is None or order.client_order_id is None or self._same(order, client_order_id)
        return order if fits else None

    def _known(self, row: Json) -> Order:
        if row.get("symbol") not in self._asking.client().markets:
            note(row)
            raise SourceIncomplete(self._name, "orders", "an order in a market that is not known")
        try:
            return self.made(row)
        except ValueError as error:  # RowError or RowLeft
            raise SourceMalformed(self._name, "orders", str(error)) from None


def _narrowed(find: Find, broker_order_id: str | None, client_order_id: str | None) -> Json | None:
    """What narrows a list to one order; None where it cannot be."""
    if broker_order_id is not None:
        return None if find.by_id is None else {find.by_id: broker_order_id}
    return None if find.by_client_id is None or client_order_id is None else {find.by_client_id: client_order_id}


def _question(
    id_: str | None, asset: str | None, params: Json, asking: CcxtAsking
) -> Callable[[Any], Awaitable[Json | None]]:
    """The question for one order; its answer is None only where ccxt read the venue's own *no such order*."""

    async def question(client: Any) -> Json | None:
        from ccxt.base.errors import OrderNotFound

        try:
            return dict(await client.fetch_order(id_, asset, dict(params)))
        except OrderNotFound:
            if (asking.answers.status or 0) >= 500:
                raise  # a server in trouble is believed in nothing
            return None

    return question
