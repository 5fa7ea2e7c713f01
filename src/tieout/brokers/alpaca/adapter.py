"""One account at Alpaca as a `BrokerAdapter`: shares, options and coins, over its own REST interface.

What cannot be known here: how much of the cash is free (buying power is another thing), and the fees of a fill, which Alpaca
books later as activities. Activities, fills among them, trail what they tell of by up to minutes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import TypeVar

from tieout.brokers.alpaca import parse
from tieout.brokers.alpaca.activities import TRADE, activities
from tieout.brokers.alpaca.examined import AlpacaExamined
from tieout.brokers.alpaca.fields import Json, believed, due_word, moment
from tieout.brokers.alpaca.instruments import AlpacaInstruments
from tieout.brokers.alpaca.orders import AlpacaOrders
from tieout.brokers.alpaca.pages import ACTIVITIES, ORDERS, Pages
from tieout.brokers.alpaca.terms import body
from tieout.brokers.base import AccountInfo, Capabilities, OrderRequest
from tieout.brokers.wire.http import Asked, Http
from tieout.brokers.wire.wire import Wire
from tieout.errors import ActionRefused, OutcomeUnknown, SourceError, SourceIncomplete, SourceMalformed
from tieout.model.instrument import Instrument
from tieout.model.snapshot import SECTIONS, Activity, Balance, Fill, Order, Position

T = TypeVar("T")
LIVE, PAPER = "https://api.alpaca.markets", "https://paper-api.alpaca.markets"
CAPABILITIES = Capabilities(sections=frozenset(SECTIONS), tries_again=True)

_ACCOUNT, _POSITIONS, _CLOCK = "/v2/account", "/v2/positions", "/v2/clock"
_FILLS_MARGIN = timedelta(minutes=1)
_BACKDATED = timedelta(days=7)  # a payment is dated by its day, and may be booked under one that is past


class AlpacaBroker:
    """One account at Alpaca.

    Args:
        account: The account's name, for reports.
        key: The API key's id; one that may only read suffices for reading.
        secret: Its secret.
        wire: Alpaca's wire for that key.
        url: `LIVE`, `PAPER`, or where a test's server listens.
    """

    def __init__(self, account: str, *, key: str, secret: str, wire: Wire, url: str = LIVE) -> None:
        self.name = f"alpaca:{account}"
        self._account, self._wire, self._url = account, wire, url
        self._currency: str | None = None
        headers = {"APCA-API-KEY-ID": key, "APCA-API-SECRET-KEY": secret}

        def signed(_asked: Asked) -> Mapping[str, str]:
            return headers

        self._http = Http(self.name, url, wire, sign=signed)
        self._pages = Pages(self.name, self._http)
        self._orders = AlpacaOrders(self.name, self._http, self._pages)
        self._instruments = AlpacaInstruments(self.name, self._http)

    async def get_positions(self) -> tuple[Position, ...]:
        """Every holding, coins among them; Alpaca lists all on one page. An empty one is held against the account's worth."""
        rows = await self._pages.page("positions", _POSITIONS, {})
        found = self._made("positions", rows, lambda row: [held for held in [parse.position(row)] if held])
        if not found:
            account = await self._get("positions", _ACCOUNT)
            if believed(self.name, "positions", parse.holds, account):
                raise SourceIncomplete(
                    self.name, "positions", "none are listed, and the account says that it holds some"
                )
        return found

    async def get_balances(self) -> tuple[Balance, ...]:
        """The account's cash, unsettled cash included. Coins are positions here."""
        account = await self._get("balances", _ACCOUNT)
        balance = believed(self.name, "balances", parse.balance, account)
        return (balance,) if balance.total else ()

    async def get_open_orders(self) -> tuple[Order, ...]:
        """Every live order, legs that are held back included."""
        return await self._orders.open()

    async def get_order(
        self, *, broker_order_id: str | None = None, client_order_id: str | None = None
    ) -> Order | None:
        """One order; None only where Alpaca says that it knows none of that id."""
        assert broker_order_id or client_order_id, "an id to look for"
        return await self._orders.find(broker_order_id, client_order_id)

    async def get_fills(self, since: datetime) -> tuple[Fill, ...]:
        """Every fill that Alpaca lists from *since* on, oldest first."""
        after = since - _FILLS_MARGIN
        rows = await self._pages.activities("fills", f"{ACTIVITIES}/{TRADE}", after, {})
        fills = self._made("fills", rows, lambda row: [parse.fill(row)])
        return tuple(fill for fill in fills if fill.at >= since)

    async def get_activities(self, since: datetime) -> tuple[Activity, ...]:
        """Everything but fills from *since* on, oldest first. All types are asked for, so that none can hide."""
        if self._currency is None:  # an account is kept in one, for good
            account = await self._get("activities", _ACCOUNT)
            self._currency = believed(self.name, "activities", due_word, account, "currency")
        currency = self._currency
        rows = await self._pages.activities("activities", ACTIVITIES, since - _BACKDATED, {})
        others = [row for row in rows if row.get("activity_type") != TRADE]
        found = self._made("activities", others, lambda row: activities(row, currency))
        return tuple(sorted((row for row in found if row.at >= since), key=lambda row: row.at))

    async def get_account_info(self) -> AccountInfo:
        """Which account this is, and whether it may trade."""
        account = await self._get("account", _ACCOUNT)
        barred = any(account.get(bar) for bar in ("trading_blocked", "account_blocked", "trade_suspended_by_user"))
        return AccountInfo(
            account=self._account,
            venue="alpaca",
            currency=believed(self.name, "account", due_word, account, "currency"),
            trading_enabled=account.get("status") == "ACTIVE" and not barred,
        )

    async def get_instruments(self, assets: Collection[str]) -> tuple[Instrument, ...]:
        """What Alpaca says of *assets*: one question each, for its whole list has ten thousand."""
        return await self._instruments.get(assets)

    async def submit_order(self, request: OrderRequest) -> Order:
        """Send an order once."""
        action = f"submit {request.client_order_id}"
        answer = await self._http.send(action, "POST", ORDERS, body(request, action))
        try:
            order = believed(self.name, "orders", parse.order, answer.fields())
        except SourceError as error:
            raise OutcomeUnknown(action, error.why) from None
        if order.client_order_id != request.client_order_id:
            raise OutcomeUnknown(action, "the answer is about another order")
        if order.status == "rejected":
            raise ActionRefused(action, "rejected")
        return order

    async def cancel_order(self, *, broker_order_id: str | None = None, client_order_id: str | None = None) -> Order:
        """Ask for an order's end, and read it back."""
        action = f"cancel {broker_order_id or client_order_id}"
        try:
            standing = await self.get_order(broker_order_id=broker_order_id, client_order_id=client_order_id)
        except SourceError as error:
            raise ActionRefused(action, f"nothing was sent, for the order could not be read: {error.why}") from None
        if standing is not None and standing.status == "cancelled":
            return standing
        if standing is None or standing.broker_order_id is None or not (standing.live or standing.status == "unknown"):
            raise ActionRefused(action, "no such live order")
        await self._http.send(action, "DELETE", f"{ORDERS}/{standing.broker_order_id}")
        try:
            after = await self.get_order(broker_order_id=standing.broker_order_id)
        except SourceError as error:
            raise OutcomeUnknown(action, error.why) from None
        if after is None:
            raise OutcomeUnknown(action, "the order is not to be found any more")
        return after

    async def server_time(self) -> datetime:
        """Alpaca's clock."""
        asked = self._wire.clock.monotonic_ns()
        told = await self._get("time", _CLOCK)
        at = believed(self.name, "time", moment, told, "timestamp")
        if at is None:
            raise SourceMalformed(self.name, "time", "no time in the answer")
        self._wire.offset.note(at, asked, self._wire.clock.monotonic_ns())
        return at

    def capabilities(self) -> Capabilities:
        """All sections; one net position for each asset, and no orders that may only reduce."""
        return CAPABILITIES

    def examined(self) -> AlpacaExamined:
        """What there is to examine."""
        return AlpacaExamined(self._url, self._wire, self._http)

    async def close(self) -> None:
        """Close the connections. Safe to repeat."""
        await self._http.close()

    async def _get(self, scope: str, path: str) -> Json:
        return (await self._http.get(scope, path)).fields()

    def _made(self, scope: str, rows: Iterable[Json], make: Callable[[Json], Iterable[T]]) -> tuple[T, ...]:
        """The records of *rows*; where the meaning of one is not known, the others come with the failure."""
        made: list[T] = []
        left: list[str] = []
        for row in rows:
            try:
                made.extend(believed(self.name, scope, make, row))
            except SourceIncomplete as part:
                left.append(part.why)
        if left:
            raise SourceIncomplete(self.name, scope, "; ".join(sorted(set(left))), made)
        return tuple(made)
