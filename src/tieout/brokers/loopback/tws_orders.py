"""Orders on their way through a loopback TWS into the world, and what TWS tells of them.

Like TWS it does not mind two orders of one `orderRef`: who sends twice has two. It counts the order numbers of each client,
and tells the next one when that client connects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from tieout.brokers.base import OrderRequest
from tieout.brokers.loopback import tws_rows as rows
from tieout.brokers.loopback.desk import Desk
from tieout.brokers.loopback.tws_wire import CANCEL
from tieout.errors import ActionRefused
from tieout.model.amounts import dec

KINDS = {"LMT": "limit", "MKT": "market", "STP": "stop", "STP LMT": "stop_limit"}
AGAIN = "#"


class TwsOrders:
    """The orders that came through the interface.

    Attributes:
        placed: Every order as it came, field by field.
        turned_away: Codes that the next orders are answered with, instead of being taken.
        bend: What becomes of an order's terms on their way.
    """

    def __init__(self, account: str) -> None:
        self.account = account
        self.placed: list[Sequence[str]] = []
        self.turned_away: list[int] = []
        self.bend: Callable[[OrderRequest], OrderRequest] = lambda request: request
        self.numbers: dict[str, rows.Sender] = {}
        self._next: dict[str, int] = {}

    def next_number(self, client: str) -> int:
        """The lowest order number that *client* has not used."""
        return self._next.get(client, 1)

    def act(self, desk: Desk, client: str, fields: Sequence[str]) -> list[str]:
        """What is answered to an order, or to a cancel."""
        if int(fields[0]) == CANCEL:
            return list(self._cancel(desk, client, fields[2]))
        return list(self._place(desk, client, fields))

    def _place(self, desk: Desk, client: str, fields: Sequence[str]) -> Iterator[str]:
        self.placed.append(tuple(fields))
        number, contract, account = fields[1], fields[2], fields[23]
        if int(number) < self.next_number(client):
            yield _no(number, 103, "Duplicate order id")
            return
        self._next[client] = int(number) + 1
        if self.turned_away:
            yield _no(number, self.turned_away.pop(0), "What TWS says")
            return
        asset = next((name for name in desk.state.instruments if str(rows.number(name)) == contract), None)
        if account != self.account:
            yield _no(number, 321, "Error validating request.-'bN' : cause - Invalid account code")
        elif asset is None:
            yield _no(number, 200, "No security definition has been found for the request")
        elif fields[27] == "1":  # what is not transmitted waits in TWS for somebody's click
            yield from self._send(desk, client, self._request(asset, fields))

    def _request(self, asset: str, fields: Sequence[str]) -> tuple[str, OrderRequest]:
        ref, kind = fields[26], KINDS[fields[18]]
        known = sum(each.ref == ref for each in self.numbers.values())
        limit, stop = (dec(text) if text else None for text in fields[19:21])
        return fields[1], OrderRequest(
            client_order_id=f"{ref}{AGAIN}{known}" if known or not ref else ref,
            asset=asset,
            side="buy" if fields[16] == "BUY" else "sell",
            quantity=dec(fields[17]),
            type=kind,
            limit_price=limit if "limit" in kind else None,
            stop_price=stop if "stop" in kind else None,
        )

    def _send(self, desk: Desk, client: str, sent: tuple[str, OrderRequest]) -> Iterator[str]:
        number, request = sent
        try:
            order = desk.submit(self.account, self.bend(request))
        except ActionRefused:
            yield _no(number, 201, "Order rejected - reason:The venue does not take it")
            return
        self.numbers[order.broker_order_id or ""] = rows.Sender(client, number, ref_of(order.client_order_id))
        new = rows.as_it_came(order)
        yield rows.open_order(desk, new, self.account, self.numbers)
        yield rows.status(new, self.numbers)
        done = [row for row in desk.fills(self.account) if row.broker_order_id == order.broker_order_id]
        yield from rows.executed(desk, done, self.account, "-1", self.numbers)
        if order != new:
            yield rows.open_order(desk, order, self.account, self.numbers)
            yield rows.status(order, self.numbers)
        yield from rows.paid(done)

    def _cancel(self, desk: Desk, client: str, number: str) -> Iterator[str]:
        id_ = next((id_ for id_, each in self.numbers.items() if (each.client, each.number) == (client, number)), None)
        if id_ is None:
            yield _no(number, 10147, f"OrderId {number} that needs to be cancelled is not found.")
            return
        try:
            order = desk.cancel(self.account, broker_order_id=id_)
        except ActionRefused:
            yield _no(number, 10148, f"OrderId {number} that needs to be cancelled cannot be cancelled, state: Filled.")
            return
        if order.live:
            yield rows.status(order, self.numbers).replace("|Submitted|", "|PendingCancel|")
            return
        yield rows.status(order, self.numbers)
        yield _no(number, 202, "Order Canceled - reason:")


def ref_of(name: str | None) -> str:
    """What stands in an order as its `orderRef`, without what tells the second of one from the first."""
    return (name or "").partition(AGAIN)[0]


def _no(number: str, code: int, words: str) -> str:
    return f"4|2|{number}|{code}|{words}||"
