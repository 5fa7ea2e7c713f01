"""Local, broker, local: one observation of an account, fetched side by side with what each read may claim."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Protocol, runtime_checkable

from msgspec import Struct

from tieout.books.base import LocalBooks
from tieout.brokers.base import BrokerAdapter
from tieout.clock import Clock
from tieout.errors import SourceError, SourceIncomplete, SourceMalformed
from tieout.model.codec import sound
from tieout.model.snapshot import Coverage, Lookup, Observation, Order, Section, SideError, SideFailure, Snapshot
from tieout.observe.patience import Patience
from tieout.spans import span

# Fills and orders are read before what they lead to: what a list shows, the holdings that are read after it hold already.
# What stands together leads to nothing of its own row, and is read at once: it costs the time of its slowest.
ReadOrder = tuple[tuple[Section, ...], ...]
READ_ORDER: ReadOrder = (("fills", "activities"), ("orders",), ("positions", "balances"))
# One step less, where both sides agree in the end and nothing happened meanwhile: the lists would then have been the same
# before the orders. Holdings still come after orders, for an order may end by what it does to them.
READ_AT_ONCE: ReadOrder = (("orders", "fills", "activities"), ("positions", "balances"))
# What books say anew each time; their lists grow without end, and each record was checked when it was booked.
WRITTEN_ANEW: tuple[Section, ...] = ("positions", "balances", "orders")
MAX_LOOKUPS = 10
CLOCKS_APART = timedelta(seconds=60)  # beyond that our clock does not tell from when on lists are asked for

_Answer = tuple[tuple[Any, ...] | None, Coverage, SourceError | None]
_Answers = dict[Section, _Answer]


_log = logging.getLogger("tieout.observe")  # why a side could not be read, without amounts; the report names the kind


class Reach(Struct, frozen=True):
    """How far back lists are fetched, and how patiently. Times in seconds.

    Attributes:
        history_seconds: How far back fills and activities are fetched.
        timeout_seconds: How long a side, tries included, or the answer about one order, may take.
        retry_count: How often a read is tried again that had no answer, or was asked to wait.
    """

    history_seconds: int = 7 * 86400
    timeout_seconds: int = 30
    retry_count: int = 0


@runtime_checkable
class Statement(Protocol):
    """A broker's side that is stated whole, such as a file: what it claims itself is kept as it is."""

    async def get_statement(self) -> Snapshot:
        """Everything that is stated. Raises `SourceError` where it could not be read."""


async def read_account(
    account: str,
    local: LocalBooks,
    broker: BrokerAdapter,
    clock: Clock,
    reach: Reach | None = None,
    *,
    turn: int = 0,
    order: ReadOrder = READ_ORDER,
) -> Observation:
    """Both sides of one account. A side that fails is an error in the observation, never an empty side.

    *turn* counts readings: where more orders are to be looked up than one reading may ask for, the next one goes on.
    *order* is that of the sections; what is read in another than `READ_ORDER` proves no difference.
    """
    reach = reach or Reach()
    before = await _read_local(account, local, clock, reach)
    stated = await read_broker(account, broker, reach, clock, order=order)
    held = await _read_local(account, local, clock, reach)
    lookups: tuple[Lookup, ...] = ()
    if isinstance(held, Snapshot) and isinstance(stated, Snapshot):
        lookups = await _look_up(held, _Asking(stated, broker, reach, turn))
    return Observation(
        at=clock.now(),
        account=account,
        local=held,
        broker=stated,
        local_before=before if isinstance(before, Snapshot) else None,
        lookups=lookups or None,
    )


async def _read_local(account: str, local: LocalBooks, clock: Clock, reach: Reach) -> Snapshot | SideError:
    async def read() -> Snapshot:
        held = await _patience(clock, reach).ask(local.read)
        for section in WRITTEN_ANEW:
            _require_sound("local", section, getattr(held, section))
        return held

    with span("fetch local"):
        return await _side(account, reach, read)


async def read_broker(
    account: str, broker: BrokerAdapter, reach: Reach, clock: Clock | None = None, *, order: ReadOrder = READ_ORDER
) -> Snapshot | SideError:
    """The broker's statement; sections that failed are absent and say so. An error where nothing could be read.

    Without a *clock* to wait on, nothing is tried again.
    """
    patience = _patience(clock, reach, tried_already=broker.capabilities().tries_again)
    with patience.shared(), span("fetch broker"):
        if isinstance(broker, Statement):
            return await _side(account, reach, lambda: patience.ask(broker.get_statement))
        return await _side(account, reach, lambda: _sections(account, _Reading(broker, reach, patience, clock, order)))


def _patience(clock: Clock | None, reach: Reach, *, tried_already: bool = False) -> Patience:
    return Patience(clock, tries_again=0 if tried_already else reach.retry_count, seconds=reach.timeout_seconds)


async def _side(account: str, reach: Reach, read: Callable[[], Awaitable[Snapshot]]) -> Snapshot | SideError:
    try:
        async with asyncio.timeout(reach.timeout_seconds):
            return await read()
    except TimeoutError:
        _log.info("%s: no answer within %d seconds", account, reach.timeout_seconds)
        return SideError(SideFailure.TIMEOUT)
    except SourceError as error:
        _log.info("%s: %s", account, error.told)
        return SideError(SideFailure(error.code))


class _Reading(NamedTuple):
    """Whom a broker's side is read from, and how."""

    broker: BrokerAdapter
    reach: Reach
    patience: Patience
    clock: Clock | None
    order: ReadOrder


async def _sections(account: str, reading: _Reading) -> Snapshot:
    as_of, since, answers = await _began(reading)
    for row in reading.order[1:]:
        answers |= await _row(reading, row, since)
    fetched, coverage, failure = dict[str, tuple[Any, ...] | None](), dict[Section, Coverage](), None
    for section, (rows, covers, failed) in answers.items():
        fetched[section], coverage[section], failure = rows, covers, failure or failed
        if failed is not None:
            _log.info("%s: %s", account, failed.told)
    if failure is not None and set(coverage.values()) == {"failed"}:
        raise failure
    return Snapshot(
        schema="tieout.snapshot/1",
        account=account,
        source="broker",
        as_of=as_of,
        coverage=coverage if failure is not None else None,
        fills_since=since if coverage.get("fills") == "complete" else None,
        activities_since=since if coverage.get("activities") == "complete" else None,
        **fetched,
    )


async def _began(reading: _Reading) -> tuple[datetime, datetime, _Answers]:
    """A moment of the venue's before anything was read, from when on lists were asked for, and the first of them.

    The venue is asked for its time together with them, by our clock as to how far back; once more if that is wrong.
    """
    broker, patience, clock, first = reading.broker, reading.patience, reading.clock, reading.order[0]
    history = timedelta(seconds=reading.reach.history_seconds)
    if clock is not None:
        ours = clock.now()
        as_of, answers = await asyncio.gather(_moment(broker, patience, clock), _row(reading, first, ours - history))
        if isinstance(as_of, SourceError):
            raise as_of
        if abs(as_of - ours) <= CLOCKS_APART:
            return as_of, ours - history, answers
    as_of = await patience.ask(broker.server_time)
    return as_of, as_of - history, await _row(reading, first, as_of - history)


async def _moment(broker: BrokerAdapter, patience: Patience, clock: Clock) -> datetime | SourceError:
    """The venue's time when it was asked, or before: all that the answer took is taken off what it said."""
    began = clock.monotonic_ns()
    try:
        told = await patience.ask(broker.server_time)
    except SourceError as error:
        return error
    return told - timedelta(microseconds=-((began - clock.monotonic_ns()) // 1000))


async def _row(reading: _Reading, row: Iterable[Section], since: datetime) -> _Answers:
    """The sections that stand together, as far as there are such."""
    broker = reading.broker
    sections = [section for section in row if section in broker.capabilities().sections]
    asked = (_fetch(section, _reader(broker, section, since), reading.patience) for section in sections)
    return dict(zip(sections, await asyncio.gather(*asked), strict=True))


def _reader(broker: BrokerAdapter, section: Section, since: datetime) -> Callable[[], Awaitable[tuple[Any, ...]]]:
    if section == "fills":
        return lambda: broker.get_fills(since)
    if section == "activities":
        return lambda: broker.get_activities(since)
    plain: dict[Section, Callable[[], Awaitable[tuple[Any, ...]]]] = {
        "orders": broker.get_open_orders,
        "positions": broker.get_positions,
        "balances": broker.get_balances,
    }
    return plain[section]


def _require_sound(source: str, section: Section, rows: tuple[Any, ...] | None) -> None:
    """Refuse what an adapter of somebody else may return: two rows of one currency, a number that is none."""
    if rows and not sound(rows):
        raise SourceMalformed(source, section, "rows that break the contract, section 1")


async def _fetch(section: Section, read: Callable[[], Awaitable[tuple[Any, ...]]], patience: Patience) -> _Answer:
    try:
        rows = await patience.ask(read)
        _require_sound("broker", section, rows)
        return rows, "complete", None
    except SourceIncomplete as error:
        return error.rows or None, "partial" if error.rows else "failed", error
    except SourceError as error:
        return None, "failed", error


class _Asking(Struct, frozen=True):
    """Whom to ask about single orders, and whose turn it is."""

    stated: Snapshot
    adapter: BrokerAdapter
    reach: Reach
    turn: int


async def _look_up(local: Snapshot, asking: _Asking) -> tuple[Lookup, ...]:
    """What became of local's live orders that the broker's list of open ones does not show; oldest first, a few at a time."""
    listed, adapter = asking.stated.orders, asking.adapter
    if listed is None or not adapter.capabilities().order_lookup:
        return ()
    known = {name for order in listed for name in (order.broker_order_id, order.client_order_id) if name}
    absent = [o for o in local.orders or () if o.live and not {o.broker_order_id, o.client_order_id} & known]
    return tuple([await _ask(order, adapter, asking.reach) for order in _next(absent, asking.turn)])


def _next(orders: Iterable[Order], turn: int) -> list[Order]:
    """The orders whose turn it is, so that some that nobody answers about do not keep the others from being asked for."""
    rows = sorted(orders, key=lambda o: (o.touched_at is not None, o.touched_at, o.name))
    start = turn * MAX_LOOKUPS % len(rows) if len(rows) > MAX_LOOKUPS else 0
    return [*rows[start:], *rows[:start]][:MAX_LOOKUPS]


async def _ask(order: Order, adapter: BrokerAdapter, reach: Reach) -> Lookup:
    broker_id, client_id = order.broker_order_id, order.client_order_id
    try:
        async with asyncio.timeout(reach.timeout_seconds):
            found = await adapter.get_order(broker_order_id=broker_id, client_order_id=client_id)
    except TimeoutError:
        return Lookup(broker_id, client_id, error=SideFailure.TIMEOUT)
    except SourceError as error:
        return Lookup(broker_id, client_id, error=SideFailure(error.code))
    return Lookup(broker_id, client_id, order=found)
