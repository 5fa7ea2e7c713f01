"""Acts at one venue through ccxt: sends an order once and as it was asked for, or not at all; cancels, and reads back."""

from __future__ import annotations

from typing import Any

from tieout.brokers.base import OrderRequest
from tieout.brokers.ccxt.asking import CcxtAsking
from tieout.brokers.ccxt.confirm import CcxtAccount
from tieout.brokers.ccxt.lookup import CcxtOrders
from tieout.brokers.ccxt.markets import Markets
from tieout.brokers.ccxt.orders import acknowledged, arguments, as_asked, ids_alone
from tieout.brokers.ccxt.parse import RowError
from tieout.brokers.ccxt.reader import Json
from tieout.brokers.ccxt.strangers import introduced, market_of
from tieout.brokers.ccxt.venues import Venue
from tieout.errors import ActionRefused, OutcomeUnknown, SourceError
from tieout.model.snapshot import Order


class CcxtActing:
    """Submits and cancels, at a venue to which something is sent at all."""

    def __init__(
        self, venue: Venue, asking: CcxtAsking, orders: CcxtOrders, account: CcxtAccount, markets: Markets | None
    ) -> None:
        self._venue, self._asking, self._orders = venue, asking, orders
        self._account, self._markets = account, markets
        self._signs = venue.signer is None

    async def placed(
        self, broker_order_id: str | None, client_order_id: str | None, where: Json | None = None
    ) -> tuple[Order, Json] | None:
        """One order, and where the venue keeps it, as `CcxtOrders.placed` has it.

        Raises:
            SourceError: The venue did not answer that question, or does not know the account.
        """
        await self._account.confirm("orders")
        return await introduced(
            self._markets, lambda: self._orders.placed(broker_order_id, client_order_id, where=where)
        )

    async def submit(self, request: OrderRequest) -> Order:
        """Send an order once, with the digits and terms that were asked for or not at all.

        Raises:
            ActionRefused: Nothing rests there.
            OutcomeUnknown: It may rest there, or does with other terms.
        """
        action = f"submit {request.client_order_id}"
        await self._require(action)
        await market_of(self._markets, request.asset, action)
        await self._asking.load(action)

        async def checked(client: Any) -> Json:
            return arguments(client, self._venue, request, action)

        told = await self._asking.act(action, checked)
        row = await self._asking.act(action, lambda client: client.create_order(**told))
        try:
            told_back = row if self._venue.acknowledges else ids_alone(row)
            order = acknowledged(request, self._venue.ids.heard, told_back)
        except RowError as error:
            raise OutcomeUnknown(action, str(error)) from None
        if order.status == "rejected":
            raise ActionRefused(action, "rejected")
        self._orders.remember(order)
        return order if self._venue.acknowledges else await self._read_back(order, request, action)

    async def cancel(self, broker_order_id: str | None, client_order_id: str | None) -> Order:
        """Ask for an order's end, and read it back.

        Raises:
            ActionRefused: No such live order, or nothing was sent.
            OutcomeUnknown: It may have ended or not.
        """
        action = f"cancel {broker_order_id or client_order_id}"
        await self._require(action)
        try:
            found = await self.placed(broker_order_id, client_order_id)
        except SourceError as error:
            raise ActionRefused(action, f"nothing was sent, for the order could not be read: {error.why}") from None
        standing, where = found or (None, {})
        if standing is not None and standing.status == "cancelled":
            return standing
        if standing is None or standing.broker_order_id is None or not (standing.live or standing.status == "unknown"):
            raise ActionRefused(action, "no such live order")
        id_, asset = standing.broker_order_id, standing.asset
        await self._asking.act(action, lambda client: client.cancel_order(id_, asset, dict(where)))
        try:
            after = await self.placed(id_, None, where)
        except SourceError as error:
            raise OutcomeUnknown(action, error.why) from None
        if after is None:
            raise OutcomeUnknown(action, "the order is not to be found any more")
        return after[0]

    async def _read_back(self, order: Order, request: OrderRequest, action: str) -> Order:
        """The order as it stands, where its acknowledgement is ids alone; as it was acknowledged, where it cannot be read.

        Raises:
            OutcomeUnknown: It stands there under another id, or with other terms.
        """
        try:
            found = await self.placed(order.broker_order_id, None)
        except SourceError:
            return order
        if found is None:
            return order
        if not as_asked(request, found[0]):
            raise OutcomeUnknown(action, "it stands there under another id, or with other terms, than were asked for")
        return found[0]

    async def _require(self, action: str) -> None:
        """Return if anything is sent, and signed for this account; the venue is asked that once."""
        if not self._venue.sends:
            raise ActionRefused(action, "nothing is sent to this venue: no order is known to go out there as asked for")
        if self._signs or self._venue.signer is None:
            return
        try:
            why = await self._asking.ask("account", self._venue.signer, markets=False)
        except SourceError as error:
            raise ActionRefused(
                action, f"nothing was sent, for whose key it is could not be asked: {error.why}"
            ) from None
        if why is not None:
            raise ActionRefused(action, why)
        self._signs = True
