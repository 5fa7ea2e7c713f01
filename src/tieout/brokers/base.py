"""The broker side as a port. Its docstrings are contracts; `tests/contracts/test_brokers.py` holds every adapter to them.

Every read MUST be complete or raise: a broker that did not answer, or answered a part, is never an empty account.
Every number MUST reach the model from its text, exactly, never through a float.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from decimal import Decimal
from typing import Protocol, runtime_checkable

from msgspec import Struct

from tieout.model.instrument import Instrument
from tieout.model.snapshot import Activity, Balance, Fill, Leg, Order, OrderSide, Position, Section


class Capabilities(Struct, frozen=True, kw_only=True):
    """What a venue can tell and do. A section that is not in `sections` is not fetched, and never read as empty.

    Without `acts` every submit and every cancel is refused, and nothing is sent. `tries_again` says that reads are tried
    again within the adapter, so that nobody else has to.
    """

    sections: frozenset[Section]
    acts: bool = True
    hedge_mode: bool = False
    client_order_ids: bool = True
    reduce_only: bool = False
    order_lookup: bool = True
    tries_again: bool = False


class AccountInfo(Struct, frozen=True, kw_only=True):
    """The account as the broker names it. No secrets, no amounts."""

    account: str
    venue: str
    currency: str | None = None
    trading_enabled: bool | None = None


class OrderRequest(Struct, frozen=True, kw_only=True):
    """An order to send. `quantity` is unsigned in units of the asset, prices are in quote currency a unit."""

    client_order_id: str
    asset: str
    side: OrderSide
    quantity: Decimal
    type: str = "limit"
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    reduce_only: bool = False
    position_side: Leg | None = None


class BrokerAdapter(Protocol):
    """One account at one venue.

    All reads MUST be safe to repeat and MUST raise a `SourceError` when the answer is not known to be whole:
    `SourceIncomplete` with the rows that did come, else the member of the family that fits. Nothing else may escape.
    """

    name: str

    async def get_positions(self) -> tuple[Position, ...]:
        """Every open position of the account, in all categories and settle currencies; zero rows may be left out.

        Raises:
            SourceError: Not known to be complete. An empty tuple is the venue's word that the account is flat.
        """

    async def get_balances(self) -> tuple[Balance, ...]:
        """Every currency with a total other than 0; totals are cash without unrealised profit.

        Raises:
            SourceError: Not known to be complete.
        """

    async def get_open_orders(self) -> tuple[Order, ...]:
        """Every live order, conditional ones included, to the last page.

        Raises:
            SourceError: Not known to be complete.
        """

    async def get_order(
        self, *, broker_order_id: str | None = None, client_order_id: str | None = None
    ) -> Order | None:
        """One order, live or ended; None only where the venue itself says that it knows no such order.

        Raises:
            SourceError: The venue did not answer that question.
        """

    async def get_fills(self, since: datetime) -> tuple[Fill, ...]:
        """Every fill with ``at >= since`` (venue time), to the last page, each once.

        Raises:
            SourceError: Not known to be complete from *since* on.
        """

    async def get_activities(self, since: datetime) -> tuple[Activity, ...]:
        """Everything but trades that changed holdings with ``at >= since``, to the last page, each once.

        Raises:
            SourceError: Not known to be complete from *since* on.
        """

    async def get_account_info(self) -> AccountInfo:
        """Which account this is.

        Raises:
            SourceError: It could not be asked.
        """

    async def submit_order(self, request: OrderRequest) -> Order:
        """Send an order once. MUST NOT be retried by anybody who does not know what became of it.

        Returns:
            The order as the venue acknowledged it.

        Raises:
            ActionRefused: The venue said no; nothing rests there. Its reason is in our words; the venue's may hold amounts.
            OutcomeUnknown: It may or may not have arrived: look it up by client id before anything else.
        """

    async def cancel_order(self, *, broker_order_id: str | None = None, client_order_id: str | None = None) -> Order:
        """Ask for an order's end. Safe to repeat.

        Returns:
            The order as it now stands, fills that were faster included.

        Raises:
            ActionRefused: The venue knows no such live order.
            OutcomeUnknown: Read the order back.
        """

    async def server_time(self) -> datetime:
        """The venue's clock, aware.

        Raises:
            SourceError: It could not be asked.
        """

    def capabilities(self) -> Capabilities:
        """What this venue can tell and do. Needs no network."""

    async def close(self) -> None:
        """Let go of connections. Safe to repeat."""


@runtime_checkable
class Lists(Protocol):
    """An adapter whose venue says what its instruments are: contract sizes, steps, and whether they are still traded."""

    async def get_instruments(self, assets: Collection[str]) -> tuple[Instrument, ...]:
        """What the venue says of *assets*, by whichever of their names; nothing of one that it does not list.

        Each is named as the venue's rows name it, once. MUST NOT fetch again what is known already, nor keep what was not
        asked for.

        Raises:
            SourceError: It could not be asked. An instrument that is left out is the venue's word, never a failure.
        """
