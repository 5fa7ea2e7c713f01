"""Acts through TWS: sends an order once and as it was asked for, or not at all; cancels, and reads back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from tieout.brokers.base import OrderRequest
from tieout.brokers.ib import words
from tieout.brokers.ib.codes import NOT_CANCELLED, READ_ONLY
from tieout.brokers.ib.contracts import Contracts
from tieout.brokers.ib.notes import Fields
from tieout.brokers.ib.orders import IbOrders, Listed
from tieout.brokers.ib.sent import SentOrders
from tieout.brokers.ib.session import Session
from tieout.brokers.ib.terms import as_asked, made, require_sendable
from tieout.brokers.ib.words import Word
from tieout.errors import ActionRefused, OutcomeUnknown, SourceError
from tieout.model.snapshot import Order


class IbActing:
    """Submits and cancels. *linger*: seconds that are waited for what TWS tells after its answer."""

    def __init__(
        self, account: str, session: Session, orders: IbOrders, contracts: Contracts, sent: SentOrders, *, linger: float
    ) -> None:
        self._account, self._session, self._orders = account, session, orders
        self._contracts, self._sent, self._linger = contracts, sent, linger

    async def submit(self, request: OrderRequest) -> Order:
        """Send an order once.

        Raises:
            ActionRefused: Nothing rests there.
            OutcomeUnknown: It may rest there, or does with other terms.
        """
        action, name = f"submit {request.client_order_id}", request.client_order_id
        require_sendable(request, action)
        self._sent.begin(name, action)
        try:
            contract = await self._contracts.find(request.asset, action)
            await self._require_new(name, action)
            word = await self._place(request, contract, action)
        finally:
            self._sent.forget_unsent(name)
        if word.code:
            return await self._refused(name, action, word.code)
        self._sent.settled(name, "taken")
        return await self._acknowledged(request, action, word.rows)

    async def _place(self, request: OrderRequest, contract: Any, action: str) -> Word:
        def send(ib: Any) -> int:
            order = made(request, self._account)
            order.orderId = ib.client.getReqId()
            self._sent.numbered(request.client_order_id, order.orderId)
            ib.placeOrder(contract, order)
            return int(order.orderId)

        about = words.About(action, self._session.client_id)
        return await self._session.act(action, send, about.placed, about.begun, linger=self._session.seconds)

    async def cancel(self, broker_order_id: str | None, client_order_id: str | None) -> Order:
        """Ask for an order's end, and read it back.

        Raises:
            ActionRefused: No such live order, one that somebody else sent, or nothing was sent.
            OutcomeUnknown: It may have ended or not.
        """
        action = f"cancel {broker_order_id or client_order_id}"
        try:
            found = await self._orders.find("orders", broker_order_id, client_order_id)
        except SourceError as error:
            raise ActionRefused(action, f"nothing was sent, for the order could not be read: {error.why}") from None
        standing = found.order if found else None
        if found is not None and standing is not None and standing.status == "cancelled":
            return standing
        if found is None or standing is None or not (standing.live or standing.status == "unknown"):
            raise ActionRefused(action, "no such live order")
        if found.number <= 0 or found.client != self._session.client_id:
            raise ActionRefused(
                action, "TWS lets only the client that sent an order cancel it, and that is another one"
            )

        def end(ib: Any) -> int:
            from ib_async import Order as IbOrder

            ib.cancelOrder(IbOrder(orderId=found.number, clientId=found.client))
            return found.number

        about = words.About(action, self._session.client_id)
        word = await self._session.act(action, end, about.ended, about.ending, linger=self._linger)
        return await self._after(found, action, word)

    async def _require_new(self, name: str, action: str) -> None:
        """Return if TWS tells of nothing that bears the client's id: it would take a second one without a word."""
        try:
            known = await self._orders.known("orders", name)
        except SourceError as error:
            why = f"nothing was sent, for it could not be seen whether it was sent before: {error.why}"
            raise ActionRefused(action, why) from None
        if known:
            raise OutcomeUnknown(action, "an order of that client id is there: look it up")

    async def _refused(self, name: str, action: str, code: str) -> Order:
        """Raise what a refusal comes to; if the order is listed as live all the same, nobody knows."""
        try:
            rows = await self._orders.listed("orders")
        except SourceError:
            rows = []
        if any(row.order.client_order_id == name and row.order.live for row in rows):
            raise OutcomeUnknown(action, f"TWS refused it with code {code}, and lists it as live")
        self._sent.settled(name, "refused")
        raise ActionRefused(action, f"TWS did not take it, with code {code}")

    async def _acknowledged(self, request: OrderRequest, action: str, rows: Sequence[Fields]) -> Order:
        """The order as TWS lists it; as it told it, where it cannot be listed.

        Raises:
            OutcomeUnknown: It stands there with other terms than were asked for, or was not told.
        """
        told = words.told(request.client_order_id, rows)
        id_ = told.order.broker_order_id if told else None
        try:
            found = await self._orders.find("orders", id_, None if id_ else request.client_order_id)
        except SourceError:
            found = told
        if found is None:
            raise OutcomeUnknown(action, "TWS took it, and does not list it")
        if not as_asked(request, found.order):
            raise OutcomeUnknown(action, "it stands there with other terms than were asked for")
        return words.with_filled(found.order, rows)

    async def _after(self, found: Listed, action: str, word: Word) -> Order:
        try:
            after = await self._orders.find("orders", found.order.broker_order_id, None)
        except SourceError as error:
            if word.status in ("Cancelled", "ApiCancelled"):
                return words.with_filled(replace(found.order, status="cancelled", filled=None), word.rows)
            raise OutcomeUnknown(action, error.why) from None
        if after is None:
            raise OutcomeUnknown(action, "the order is not to be found any more")
        if word.code in NOT_CANCELLED | {READ_ONLY} and (after.order.live or after.order.status == "unknown"):
            raise ActionRefused(action, f"TWS does not cancel it, with code {word.code}")
        return words.with_filled(after.order, word.rows)
