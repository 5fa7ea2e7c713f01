"""Hyperliquid's `/exchange`: limit orders, stop-limit orders and cancels, each signed by the account's own key or an agent's.

Source: Hyperliquid's public API documentation, as of 2026-11. What else can be signed (fees for builders, referrers,
transfers, leverage) is refused here, and kept in `asked` like every request.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableSet
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from tieout.brokers.base import OrderRequest
from tieout.errors import ActionRefused
from tieout.model.amounts import dec, plain
from tieout.model.snapshot import Order

from .base import Asked, Login, LoopbackVenue, Refused, Route
from .bodies import Reply, at_milliseconds, text
from .eip712 import digest, signer
from .symbols import Listed, listed, number_of, order_id

SIZE_DECIMALS = 5
_PRICE_DECIMALS, _PRICE_DIGITS = 6, 5
_SAID = frozenset(("a", "b", "p", "s", "r", "t", "c"))
_BEHIND, _AHEAD = timedelta(days=2), timedelta(days=1)  # how far a nonce may lie from the venue's time
_REASONS = {
    "insufficient funds": "Insufficient margin to place order. asset=0",
    "nothing to reduce": "Reduce only order would increase position. asset=0",
    "quantity must be above 0": "Order has zero size.",
    "no such live order": "Order was never placed, already canceled, or filled. asset=0",
}


def perpetuals(venue: LoopbackVenue) -> list[Listed]:
    """What is traded; an instrument's place in this list is what it is called in actions."""
    return [row for row in listed(venue.desk.state) if row.linear]


def failure(message: str) -> Reply:
    """The venue's form of a refusal at the door."""
    return Reply({"status": "err", "response": message})


class Exchange:
    """The signed half of the venue.

    Attributes:
        agents: Addresses that sign for an account, and whose they are.
    """

    def __init__(self, venue: LoopbackVenue) -> None:
        self.venue, self.agents = venue, dict[str, str]()
        self._used: MutableSet[int] = set()

    def routes(self) -> Iterable[Route]:
        """One path for every action."""
        yield Route("POST", "/exchange", self.act)

    def login(self, asked: Asked) -> Login:
        """For whom an action was signed.

        Raises:
            Refused: For nobody known here, or its nonce is used up or not of this time.
        """
        said: Mapping[str, Any] = asked.document
        nonce, vault = said.get("nonce"), said.get("vaultAddress")
        if not isinstance(nonce, int) or vault is not None:
            raise Refused(failure("Vault not registered" if vault is not None else "Invalid nonce"))
        address = signer(digest(said.get("action"), nonce), said.get("signature") or {})
        logins = {key.lower(): login for key, login in self.venue.logins.items()}
        login = logins.get(address or "") or logins.get(self.agents.get(address or "", "").lower())
        if login is None:
            raise Refused(failure(f"User or API Wallet {address} does not exist."))
        if nonce in self._used or not self.venue.fresh(at_milliseconds(nonce), behind=_BEHIND, ahead=_AHEAD):
            raise Refused(failure(f"Invalid nonce: duplicate nonce {nonce}"))
        self._used.add(nonce)
        return login

    def act(self, asked: Asked) -> object:
        """Take orders or end them, one answer for each."""
        action = asked.document["action"]
        kind, fields = action.get("type"), set(action)
        if kind == "order" and fields == {"type", "orders", "grouping"} and action["grouping"] == "na":
            return told(kind, [self._taken(asked.account, wire) for wire in action["orders"]])
        if kind == "cancel" and fields == {"type", "cancels"}:
            return told(kind, [self._ended(asked.account, wire) for wire in action["cancels"]])
        return failure("this action is not taken here")

    def _taken(self, account: str, wire: Mapping[str, Any]) -> object:
        try:
            order = self.venue.desk.submit(account, self._request(wire))
        except ActionRefused as error:
            return {"error": _REASONS.get(error.reason, f"Cannot place the order: {error.reason}")}
        ids = {"oid": number_of(order.broker_order_id), "cloid": order.client_order_id}
        if order.status == "filled":
            return {"filled": {**ids, "totalSz": text(order.done), "avgPx": text(order.limit_price)}}
        return {"resting": ids}

    def _request(self, wire: Mapping[str, Any]) -> OrderRequest:
        """What is asked for.

        Raises:
            ActionRefused: Not in the venue's form.
        """
        trigger = wire.get("t", {}).get("trigger")
        if set(wire) - _SAID or (
            wire["t"] != {"limit": {"tif": "Gtc"}} if trigger is None else _unlike_a_stop(trigger)
        ):
            raise ActionRefused("order", "a form that is not taken here")
        places = perpetuals(self.venue)
        if not 0 <= wire["a"] < len(places):
            raise ActionRefused("order", "no such asset")
        return OrderRequest(
            client_order_id=wire.get("c") or f"hyperliquid{self.venue.world.state.count}",
            asset=places[wire["a"]].asset,
            side="buy" if wire["b"] else "sell",
            quantity=_number(wire["s"], SIZE_DECIMALS, None),
            type="limit" if trigger is None else "stop_limit",
            limit_price=_number(wire["p"], _PRICE_DECIMALS - SIZE_DECIMALS, _PRICE_DIGITS),
            stop_price=trigger and _number(trigger["triggerPx"], _PRICE_DECIMALS - SIZE_DECIMALS, _PRICE_DIGITS),
            reduce_only=wire["r"],
        )

    def _ended(self, account: str, wire: Mapping[str, Any]) -> object:
        desk, places = self.venue.desk, perpetuals(self.venue)
        id_ = order_id(desk.state, str(wire["o"]))
        found = desk.order(account, broker_order_id=id_)
        if found is None or not found.order.live or _place(places, found.order) != wire["a"]:
            return {"error": _REASONS["no such live order"]}
        desk.cancel(account, broker_order_id=id_)
        return "success"


def told(kind: str, statuses: list[object]) -> object:
    """The venue's envelope of what came of each order."""
    return {"status": "ok", "response": {"type": kind, "data": {"statuses": statuses}}}


def _place(places: list[Listed], order: Order) -> int:
    return next(place for place, row in enumerate(places) if row.asset == order.asset)


def _unlike_a_stop(trigger: Mapping[str, Any]) -> bool:
    return set(trigger) != {"isMarket", "triggerPx", "tpsl"} or trigger["isMarket"] or trigger["tpsl"] != "sl"


def _number(told: str, decimals: int, digits: int | None) -> Decimal:
    """A number as the venue takes it: without a zero too many, which would change what was signed, and in its steps."""
    try:
        value = dec(told)
    except (ValueError, InvalidOperation):
        raise ActionRefused("order", "no number") from None
    fraction = told.partition(".")[2]
    fine = plain(value) == told and len(fraction) <= decimals
    if not fine or (digits is not None and fraction and len(told.replace(".", "").lstrip("0")) > digits):
        raise ActionRefused("order", "a number that is not in steps")
    return value
