"""One account at one of ccxt's venues as a `BrokerAdapter`: exact numbers, whole answers, typed failures.

Source: measured against ccxt 4.5.90 with recorded answers of the venues (`make conform`). ccxt is imported at first use,
never with this module.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from tieout.brokers import ccxt_parse as parse
from tieout.brokers.base import AccountInfo, Capabilities, OrderRequest
from tieout.brokers.ccxt_guard import connect
from tieout.brokers.ccxt_orders import acknowledged, arguments
from tieout.brokers.ccxt_reader import CcxtReader, Json, too_old
from tieout.brokers.ccxt_venues import Venue
from tieout.brokers.ccxt_venues import venue as known_venue
from tieout.clock import Clock, SystemClock
from tieout.errors import ActionRefused, OutcomeUnknown, SourceError, SourceIncomplete, SourceMalformed
from tieout.model.snapshot import Activity, Balance, Fill, Order, Position, Section

_REMEMBERED = 10_000


class CcxtBroker:
    """One account at the venue that ccxt calls *venue*.

    A venue or a section that is not in `ccxt_venues` is never read: `SourceIncomplete`, not an empty account.

    Args:
        venue: ccxt's id, such as "binanceusdm".
        account: The account's name, for reports.
        credentials: Under ccxt's names: apiKey, secret, password, walletAddress, …
        assets: The assets the account trades, by ccxt's symbols; needed where a venue is asked asset by asset.
        markets: ccxt market entries to use instead of loading all of the venue's, which may take hundreds of megabytes.
        accept_gaps: Sections of which the operator says that nothing is held where the adapter does not look.
        client: A ccxt client to use instead of a new one; it is armed here and closed here.
        clock: Where the present comes from.
    """

    def __init__(
        self,
        venue: str,
        *,
        account: str,
        credentials: Mapping[str, str] | None = None,
        assets: Sequence[str] = (),
        markets: Sequence[Mapping[str, Any]] | None = None,
        accept_gaps: Collection[Section] = (),
        client: Any = None,
        clock: Clock | None = None,
    ) -> None:
        known = known_venue(venue)
        gaps = {section: gap for section, gap in known.gaps.items() if section not in accept_gaps}
        self.name = f"{venue}:{account}"
        self._id, self._account = venue, account
        self._venue = replace(known, gaps=gaps)
        self._assets = tuple(assets)
        self._clock = clock or SystemClock()
        self._seen: dict[str, str] = {}  # order ids, either side's -> asset

        def make() -> Any:
            made = connect(venue, credentials or {}, known.options) if client is None else client
            made.options.update(known.options)
            if markets is not None:
                made.set_markets([dict(market) for market in markets])
            return made

        self._reader = CcxtReader(self.name, self._venue, make, self._assets)

    async def get_positions(self) -> tuple[Position, ...]:
        """Every open position in the scopes of this venue, signed, netted over margin modes."""
        return await self._section("positions", self._position, parse.net)

    async def get_balances(self) -> tuple[Balance, ...]:
        """Every currency, read from the venue's own fields for cash."""
        self._has("balances")
        return await self._reader.balances()

    async def get_open_orders(self) -> tuple[Order, ...]:
        """Every live order in the scopes of this venue."""
        return await self._section("orders", self._order)

    async def get_fills(self, since: datetime) -> tuple[Fill, ...]:
        """Every fill with ``at >= since``."""
        if too_old(self._venue, since, self._clock.now()):
            days = self._venue.fills_days
            raise SourceIncomplete(self.name, "fills", f"one request reaches over {days} days, and more are asked for")
        return await self._section("fills", self._fill, _once_each, since=since)

    async def get_activities(self, since: datetime) -> tuple[Activity, ...]:
        """Not read through ccxt yet: always `SourceIncomplete`."""
        raise SourceIncomplete(self.name, "activities", "not read at this venue")

    async def get_order(
        self, *, broker_order_id: str | None = None, client_order_id: str | None = None
    ) -> Order | None:
        """One order; None only where the venue said *no such order* in every market that was asked."""
        id_, params = self._lookup(broker_order_id, client_order_id)
        for asset in self._markets_of(broker_order_id, client_order_id):
            for extra in self._venue.lookup_params:
                row = await self._reader.ask("orders", _find(id_, asset, params | extra))
                if row is not None:
                    return self._made(row)
        return None

    async def get_account_info(self) -> AccountInfo:
        """Which account this is, as it was configured."""
        return AccountInfo(account=self._account, venue=self._id)

    async def submit_order(self, request: OrderRequest) -> Order:
        """Send an order once, with the digits that were asked for or not at all."""
        action = f"submit {request.client_order_id}"
        await self._ready(action)
        told = await self._reader.act(action, _checked(self._venue, request, action))
        row = await self._reader.act(action, lambda client: client.create_order(**told))
        try:
            order = acknowledged(request, row)
        except parse.RowError as error:
            raise OutcomeUnknown(action, str(error)) from None
        if order.status == "rejected":
            raise ActionRefused(action, "rejected")
        return self._remember(order)

    async def cancel_order(self, *, broker_order_id: str | None = None, client_order_id: str | None = None) -> Order:
        """Ask for an order's end, and read it back."""
        action = f"cancel {broker_order_id or client_order_id}"
        try:
            standing = await self.get_order(broker_order_id=broker_order_id, client_order_id=client_order_id)
        except SourceError as error:
            raise ActionRefused(action, f"nothing was sent, for the order could not be read: {error.why}") from None
        if standing is None or standing.broker_order_id is None or not (standing.live or standing.status == "unknown"):
            raise ActionRefused(action, "no such live order")
        id_, asset = standing.broker_order_id, standing.asset
        await self._reader.act(action, lambda client: client.cancel_order(id_, asset))
        try:
            after = await self.get_order(broker_order_id=id_)
        except SourceError as error:
            raise OutcomeUnknown(action, error.why) from None
        if after is None:
            raise OutcomeUnknown(action, "the order is not to be found any more")
        return after

    async def server_time(self) -> datetime:
        """The venue's clock."""
        told = await self._reader.ask("time", lambda client: client.fetch_time())
        if not isinstance(told, int):
            raise SourceMalformed(self.name, "time", "no time in the answer")
        return parse.at_milliseconds(told)

    def capabilities(self) -> Capabilities:
        """What is read and done here."""
        return Capabilities(
            sections=self._venue.sections,
            hedge_mode=self._venue.hedge_mode,
            reduce_only="positions" in self._venue.sections,
            order_lookup=self._venue.lookup != "none",
        )

    async def close(self) -> None:
        """Close the client's connections."""
        await self._reader.close()

    async def _section(
        self, section: Section, make: Callable[[Json, Json], Any], tidy: Callable[[Any], Any] = tuple, **how: Any
    ) -> tuple[Any, ...]:
        """The records of *section*, tidied as a whole; also those that come with an incomplete reading."""
        self._has(section)
        try:
            found = await self._reader.rows(section, make, **how)
        except SourceIncomplete as part:
            raise SourceIncomplete(part.source, part.scope, part.why, self._tidied(section, part.rows, tidy)) from None
        return self._tidied(section, found, tidy)

    def _tidied(self, section: Section, rows: Sequence[Any], tidy: Callable[[Any], Any]) -> tuple[Any, ...]:
        try:
            return tuple(tidy(rows))
        except parse.RowError as error:
            raise SourceMalformed(self.name, section, str(error)) from None

    def _has(self, section: Section) -> None:
        if section not in self._venue.sections:
            raise SourceIncomplete(self.name, section, "not read at this venue")

    def _position(self, row: Json, market: Json) -> Position | None:
        return parse.position(row | self._venue.position(row), market)

    def _order(self, row: Json, _market: Json) -> Order:
        return self._remember(parse.order(row | self._venue.order(row)))

    def _fill(self, row: Json, market: Json) -> Fill:
        return parse.fill(row | self._venue.fill(row), market)

    def _remember(self, order: Order) -> Order:
        for id_ in filter(None, (order.broker_order_id, order.client_order_id)):
            self._seen[id_] = order.asset
        while len(self._seen) > _REMEMBERED:
            del self._seen[next(iter(self._seen))]
        return order

    def _lookup(self, broker_order_id: str | None, client_order_id: str | None) -> tuple[str | None, Json]:
        """The id to look an order up by, and ccxt's parameters for it."""
        if self._venue.lookup == "none":
            raise SourceIncomplete(self.name, "orders", "single orders are not looked up at this venue")
        if broker_order_id is not None:
            return broker_order_id, {}
        if self._venue.client_id is None or client_order_id is None:
            raise SourceIncomplete(self.name, "orders", "an order is not looked up by its client id at this venue")
        return None, {self._venue.client_id: client_order_id}

    def _markets_of(self, *ids: str | None) -> tuple[str | None, ...]:
        """The assets to ask for an order in: its own where it is known, else all; one None where none has to be named."""
        if self._venue.lookup == "id":
            return (None,)
        asset = next((self._seen[id_] for id_ in ids if id_ in self._seen), None)
        if asset is None and not self._assets:
            raise SourceIncomplete(self.name, "orders", "orders are looked up asset by asset, and no assets are named")
        return self._assets if asset is None else (asset,)

    async def _ready(self, action: str) -> None:
        """Have the markets loaded; nothing has been sent if they cannot be."""
        try:
            await self._reader.ask("markets", lambda client: client.load_markets())
        except SourceError as error:
            raise ActionRefused(action, f"nothing was sent: {error.why}") from None

    def _made(self, row: Json) -> Order:
        market = self._reader.client().markets.get(row.get("symbol"))
        if market is None:
            raise SourceIncomplete(self.name, "orders", "an order in a market that is not known")
        try:
            return self._order(row, market)
        except ValueError as error:  # RowError or RowLeft
            raise SourceMalformed(self.name, "orders", str(error)) from None


def _find(id_: str | None, asset: str | None, params: Json) -> Callable[[Any], Awaitable[Json | None]]:
    """The question for one order; its answer is None only where ccxt read the venue's own *no such order*."""

    async def question(client: Any) -> Json | None:
        from ccxt.base.errors import OrderNotFound

        try:
            return dict(await client.fetch_order(id_, asset, dict(params)))
        except OrderNotFound:
            return None

    return question


def _checked(venue: Venue, request: OrderRequest, action: str) -> Callable[[Any], Awaitable[Json]]:
    async def question(client: Any) -> Json:
        return arguments(client, venue, request, action)

    return question


def _once_each(fills: Sequence[Fill]) -> tuple[Fill, ...]:
    """Each fill once: scopes may overlap. Equal ids with unequal values are left for the snapshot's rules to refuse."""
    return tuple(dict.fromkeys(fills))
