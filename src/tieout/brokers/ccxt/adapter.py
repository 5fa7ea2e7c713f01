"""One account at one of ccxt's venues as a `BrokerAdapter`: exact numbers, whole answers, typed failures.

Source: measured against ccxt 4.5.90 with recorded answers of the venues (`make conform`). ccxt is imported at first use,
never with this module.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec.structs import replace

from tieout.brokers.base import AccountInfo, Capabilities, OrderRequest
from tieout.brokers.ccxt import parse
from tieout.brokers.ccxt.acting import CcxtActing
from tieout.brokers.ccxt.asking import CcxtAsking
from tieout.brokers.ccxt.confirm import CcxtAccount
from tieout.brokers.ccxt.examined import CcxtExamined
from tieout.brokers.ccxt.guard import connect, set_markets
from tieout.brokers.ccxt.instruments import CcxtInstruments
from tieout.brokers.ccxt.lookup import CcxtOrders
from tieout.brokers.ccxt.markets import Markets
from tieout.brokers.ccxt.reader import CcxtReader, Json, too_old
from tieout.brokers.ccxt.shared import Shared
from tieout.brokers.ccxt.strangers import introduced
from tieout.brokers.ccxt.tokens import token
from tieout.brokers.ccxt.venues import venue as known_venue
from tieout.clock import Clock, SystemClock
from tieout.errors import SourceIncomplete, SourceMalformed
from tieout.model.snapshot import Activity, Balance, Fill, Order, Position, Section

if TYPE_CHECKING:
    from tieout.brokers.wire.wire import Wire

T = TypeVar("T")


class CcxtBroker:
    """One account at the venue that ccxt calls *venue*.

    A venue or a section that is not in `venues` is never read: `SourceIncomplete`, not an empty account.

    Args:
        venue: ccxt's id, such as "binanceusdm".
        account: The account's name, for reports.
        credentials: Under ccxt's names: apiKey, secret, password, walletAddress, …
        assets: The assets the account trades, by ccxt's symbols; needed where a venue is asked asset by asset.
        markets: ccxt market entries, or where to have them from, instead of loading all of the venue's, which may take
            hundreds of megabytes.
        accept_gaps: Sections of which the operator says that nothing is held where the adapter does not look.
        leave: Sections that are not to be read, such as a ledger that takes a dozen requests.
        client: A ccxt client to use instead of a new one; it is armed here and closed here.
        clock: Where the present comes from.
        wire: How the venue is asked, shared with the other accounts of the key; None asks once, at ccxt's own pace.
        shared: Whose session is used; without one the client makes its own.

    Attributes:
        get_instruments: What the venue says of instruments, out of the markets that are kept; see `brokers.base.Lists`.
        token: What the venue gives to open a stream with, by ccxt's name of the question and the field of the answer.
    """

    def __init__(
        self,
        venue: str,
        *,
        account: str,
        credentials: Mapping[str, str] | None = None,
        assets: Sequence[str] = (),
        markets: Markets | Sequence[Mapping[str, Any]] | None = None,
        accept_gaps: Collection[Section] = (),
        leave: Collection[Section] = (),
        client: Any = None,
        clock: Clock | None = None,
        wire: Wire | None = None,
        shared: Shared | None = None,
    ) -> None:
        known = known_venue(venue)
        gaps = {section: gap for section, gap in known.gaps.items() if section not in accept_gaps}
        self.name = f"{venue}:{account}"
        self._id, self._account = venue, account
        left: dict[str, Any] = dict.fromkeys(leave, ())
        self._venue = replace(known, gaps=gaps, **left)
        self._clock, self._wired = clock or SystemClock(), wire is not None

        self._markets = markets if isinstance(markets, Markets) else None
        if self._markets is not None:
            self._markets.want(assets)

        def make() -> Any:
            made = connect(venue, credentials or {}, known.options) if client is None else client
            made.options.update(known.options)
            if markets is not None and not isinstance(markets, Markets):
                set_markets(made, markets)
            if shared is not None:
                shared.lend(made)
            return made

        self._asking = CcxtAsking(self.name, make, known.at_once, wire, self._markets)
        self.token = partial(token, self._asking)
        self._reader = CcxtReader(self.name, self._venue, self._asking, tuple(assets), self._clock)
        self._account_there = CcxtAccount(self.name, known.known, self._asking)
        self._orders = CcxtOrders(self.name, self._venue, self._asking, self._reader, tuple(assets))
        self.get_instruments = CcxtInstruments(self.name, venue, self._asking, self._clock).get
        self._acting = CcxtActing(self._venue, self._asking, self._orders, self._account_there, self._markets)

    async def get_positions(self) -> tuple[Position, ...]:
        """Every open position in the scopes of this venue, signed, netted over margin modes."""
        return await self._section("positions", self._position, parse.net)

    async def get_balances(self) -> tuple[Balance, ...]:
        """Every currency, read from the venue's own fields for cash."""
        self._has("balances")
        await self._account_there.confirm("balances")
        return await self._reader.balances()

    async def get_open_orders(self) -> tuple[Order, ...]:
        """Every live order in the scopes of this venue."""
        return await self._section("orders", self._order, _latest)

    async def get_fills(self, since: datetime) -> tuple[Fill, ...]:
        """Every fill with ``at >= since``."""
        if too_old(self._venue, since, self._clock.now()):
            days = self._venue.fills_days
            raise SourceIncomplete(self.name, "fills", f"one request reaches over {days} days, and more are asked for")
        return await self._section("fills", self._fill, _once_each, since=since)

    async def get_activities(self, since: datetime) -> tuple[Activity, ...]:
        """Everything but trades with ``at >= since``, by the venue's own ledger; kinds that are not known are named."""
        return await self._section("activities", _unread, _once_each, since=since)

    async def get_order(
        self, *, broker_order_id: str | None = None, client_order_id: str | None = None
    ) -> Order | None:
        """One order; None only where the venue said *no such order* in every market that was asked."""
        found = await self._acting.placed(broker_order_id, client_order_id)
        return None if found is None else found[0]

    async def get_account_info(self) -> AccountInfo:
        """Which account this is, as it was configured."""
        return AccountInfo(account=self._account, venue=self._id)

    async def submit_order(self, request: OrderRequest) -> Order:
        """Send an order once, with the digits and terms that were asked for or not at all."""
        return await self._acting.submit(request)

    async def cancel_order(self, *, broker_order_id: str | None = None, client_order_id: str | None = None) -> Order:
        """Ask for an order's end, and read it back."""
        return await self._acting.cancel(broker_order_id, client_order_id)

    async def server_time(self) -> datetime:
        """The venue's clock."""
        return await self._asking.server_time()

    def capabilities(self) -> Capabilities:
        """What is read and done here."""
        return Capabilities(
            sections=self._venue.sections,
            hedge_mode=self._venue.hedge_mode,
            acts=bool(self._venue.sends),
            reduce_only=any(way.reduce_only for way in self._venue.sends),
            order_lookup=self._venue.lookup != "none" or bool(self._venue.finds),
            tries_again=self._wired,
        )

    def examined(self) -> CcxtExamined:
        """What there is to examine."""
        return CcxtExamined(self._id, self._asking, self._venue.gaps)

    async def close(self) -> None:
        """Close the client's connections."""
        await self._asking.close()

    async def _section(
        self, section: Section, make: Callable[[Json, Json], Any], tidy: Callable[[Any], Any] = tuple, **how: Any
    ) -> tuple[Any, ...]:
        """The records of *section*, tidied as a whole; also those that come with an incomplete reading."""
        self._has(section)
        await self._account_there.confirm(section)
        try:
            found = await introduced(self._markets, lambda: self._reader.rows(section, make, **how))
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
        mended = self._venue.position(row)
        return None if mended is None else parse.position(row | mended, market)

    def _order(self, row: Json, _market: Json) -> Order:
        return self._orders.made(row)

    def _fill(self, row: Json, market: Json) -> Fill | None:
        mended = self._venue.fill(row)
        if mended is None:
            return None
        fill = parse.fill(row | mended, market)
        return replace(fill, client_order_id=self._orders.heard(fill.client_order_id))


def _unread(_row: Json, _market: Json) -> None:
    """Activities are read by the venue's own readers, never through ccxt's parsers."""


def _latest(orders: Sequence[Order]) -> tuple[Order, ...]:
    """Each order as it was read last: one that changes while lists are read may be in two of them."""
    return tuple({(order.asset, order.broker_order_id or order.client_order_id): order for order in orders}.values())


def _once_each(fills: Sequence[T]) -> tuple[T, ...]:
    """Each record once: scopes may overlap. Equal ids with unequal values are left for the snapshot's rules to refuse."""
    return tuple(dict.fromkeys(fills))
