"""What an engine is given to trade with: a strategy, its settings, and whoever decides when to reconcile besides."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from tieout.books.durable import DurableBooks
from tieout.books.engine_books import EngineBooks
from tieout.model.snapshot import Fill

TradingBooks = EngineBooks | DurableBooks
"""Books that an engine trades on; only durable ones survive the end of its process."""

if TYPE_CHECKING:
    from tieout.live.engine import LiveTradingEngine


class Strategy(Protocol):
    """Decides what to trade. Its callbacks run one at a time; one that raises leaves the account reducing only."""

    async def on_start(self, engine: LiveTradingEngine) -> None:
        """Trading may begin: the books were reconciled, and what became of earlier orders is known."""

    async def on_fill(self, engine: LiveTradingEngine, fill: Fill) -> None:
        """A fill was booked, by the engine or by a reconciliation: told once.

        What an earlier process booked shows in the position that `on_start` finds, even if that process died before it told.
        """

    async def on_timer(self, engine: LiveTradingEngine, now: datetime) -> None:
        """`timer_seconds` have passed."""


class Scheduling(Protocol):
    """Reconciles at its own times, and after what the engine tells it. Events return at once."""

    async def start(self) -> object:
        """Begin; the account was reconciled just before."""

    async def stop(self) -> None:
        """End, and wait for what is under way."""

    def on_fill(self, account: str, fill: Fill) -> None:
        """A fill was booked."""

    def on_reconnect(self, account: str) -> None:
        """The broker answers again."""

    def whenever(self, account: str, call: Callable[[], None]) -> None:
        """Have *call* called whenever the venue tells by itself that something of the account changed, or may have."""

    def on_strategy_change(self, account: str) -> None:
        """Another strategy trades from now on."""


class EngineSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How an engine goes about it. Times in whole seconds.

    Attributes:
        timer_seconds: From one `on_timer` to the next.
        poll_seconds: From one look at the broker's fills and open orders to the next.
        overlap_seconds: How far each look reaches back before the newest fill: venues list some late.
        blind_seconds: Fills that could not be fetched for so long leave the account reducing only until they are again.
        retry_seconds: How long a start waits before it reads again, while it cannot trade yet.
        pending_seconds: How long a start waits to learn what became of orders that an earlier process may have sent.
        answer_seconds: How long the broker has for one answer. What became of an order that took longer is not known.
        stop_seconds: How long stopping waits for a callback.
        client_id_prefix: What the client ids of this account's orders begin with; no two engines of an account share one, nor
            does what reconciliations send (`tieout-`): a correction that counted as the engine's own would be booked as such.
    """

    timer_seconds: int = 10
    poll_seconds: int = 1
    overlap_seconds: int = 300
    blind_seconds: int = 30
    retry_seconds: int = 10
    pending_seconds: int = 180
    answer_seconds: int = 30
    stop_seconds: int = 30
    client_id_prefix: str = "te-"
