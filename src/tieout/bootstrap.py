"""The composition root: the only place that builds record and reconciler for a configuration."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from dataclasses import replace as made_with
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from tieout.books.base import CanApply
from tieout.clock import Clock, SystemClock
from tieout.config import Config
from tieout.config.nouns import ReconciliationSettings
from tieout.config.secrets import Secrets
from tieout.errors import BadInput, Problem
from tieout.halting_sides import halting_side
from tieout.live.alarm import Alarm
from tieout.live.reconciler import Account, PositionReconciler, Reported
from tieout.live.schedule import Cadence
from tieout.local_sides import local_side
from tieout.observe.reading import MAX_LOOKUPS, Reach
from tieout.sides import Making, Wiring, broker_side, shared_of

if TYPE_CHECKING:
    from tieout.brokers.base import BrokerAdapter
    from tieout.brokers.streams.base import Stream
    from tieout.brokers.wire.measured import EndpointMeasured
    from tieout.brokers.wire.shared import Wires
    from tieout.halts.base import Halts
    from tieout.record.recorder import StoreRecord


class Built(NamedTuple):
    """An account with its sides, what ends them, and where its orders come from."""

    account: Account
    listening: Callable[[], tuple[Stream, ...]] | None
    closing: AsyncExitStack
    halts: Halts | None


class Sides:
    """Builds the accounts of a configuration, and lets go of each account's sides alone; a venue's limits are shared by all.

    Args:
        making: What adapters are made with.
        environment: Where secrets may be.
    """

    def __init__(self, making: Making, environment: Mapping[str, str]) -> None:
        self._making, self._environment = making, environment
        self._open: dict[str, AsyncExitStack] = {}

    @property
    def wires(self) -> Wires | None:
        """How venues are asked, where one is asked over wires."""
        return self._making.wires.made

    async def build(self, config: Config, names: Collection[str]) -> dict[str, Built]:
        """The accounts *names* of *config*. Nothing is kept of them until `keep`.

        Raises:
            BadInput: What they lack; nothing of them is left open.
        """
        problems, found = list[Problem](), dict[str, Built]()
        secrets = Secrets(config.secrets, self._environment, config.file, problems)
        async with AsyncExitStack() as undo:
            for name in names:
                closing = await undo.enter_async_context(AsyncExitStack())
                streams: dict[str, Callable[[], tuple[Stream, ...]]] = {}
                making = made_with(
                    self._making, secrets=secrets, problems=problems, closing=closing, file=config.file, streams=streams
                )
                account, halts = _account(name, config, making), halting_side(name, config.account(name), making)
                closing.push_async_callback(account.broker.close)
                found[name] = Built(account, streams.get(name), closing, halts)
            if problems:
                raise BadInput(problems)
            undo.pop_all()
        return found

    async def keep(self, name: str, built: Built) -> None:
        """*built* is in use from now on; what was before is closed."""
        before, self._open[name] = self._open.get(name), built.closing
        if before is not None:
            await before.aclose()

    async def drop(self, name: str) -> None:
        """The sides of *name* are in use no more."""
        if name in self._open:
            await self._open.pop(name).aclose()

    async def close(self) -> None:
        """Let go of all of them, also where one cannot be closed in order."""
        async with AsyncExitStack() as closing:
            for each in self._open.values():
                closing.push_async_callback(each.aclose)
            self._open = {}


@dataclass(frozen=True, slots=True)
class Running:
    """What was built: open until the context that gave it ends.

    Attributes:
        accounts: The accounts by name, with their sides.
        reconciler: Reconciles them.
        cadences: When each is reconciled.
        record: Where it keeps everything; None where the configuration has no [record].
        clock: Where time comes from.
        sides: What built the accounts' sides, and builds others.
        listening: What makes the streams of each account that can be listened to.
        halts: Where the orders of an account come from, of those that say so.
    """

    accounts: dict[str, Account]
    cadences: dict[str, Cadence]
    reconciler: PositionReconciler
    record: StoreRecord | None
    clock: Clock
    sides: Sides
    listening: Mapping[str, Callable[[], tuple[Stream, ...]]]
    halts: Mapping[str, Halts]

    def streams(self, names: Collection[str] | None = None) -> dict[str, tuple[Stream, ...]]:
        """What tells of changes by itself, of those accounts *names* (all by default) that have such.

        New ones, for a `Schedule`, which closes them.
        """
        wanted = self.listening if names is None else [name for name in names if name in self.listening]
        return {name: self.listening[name]() for name in wanted}

    @property
    def measured(self) -> Mapping[str, Mapping[str, EndpointMeasured]]:
        """What was asked of each venue so far, by class of endpoint."""
        return {} if self.sides.wires is None else self.sides.wires.measured


@asynccontextmanager
async def opened(
    config: Config,
    names: Collection[str] = (),
    *,
    clock: Clock | None = None,
    environment: Mapping[str, str] | None = None,
    alarm: Alarm | None = None,
    reported: Reported | None = None,
) -> AsyncIterator[Running]:
    """Everything that *config* describes for the accounts *names* (all that have two sides, by default).

    Without a [record] the accounts are in shadow mode: what nobody can show later, and no restart remembers, is not acted on.

    Raises:
        BadInput: A name is none of the configuration, or a secret is not where it should be: all such problems.
        RecordError: The record cannot be opened.
    """
    clock, problems = clock or SystemClock(), list[Problem]()
    environment = os.environ if environment is None else environment
    async with AsyncExitStack() as closing:
        shared = shared_of(clock, environment, closing)
        secrets = Secrets(config.secrets, environment, config.file, problems)
        making = Making(clock, secrets, problems, closing, config.file, Wiring(clock), shared)
        sides = Sides(making, environment)
        closing.push_async_callback(sides.close)
        built = await sides.build(config, chosen(config, names))
        for name, each in built.items():
            await sides.keep(name, each)
        accounts = {name: each.account for name, each in built.items()}
        record = None
        if config.recorded:
            from tieout.record.drawer import Drawer  # loads a database
            from tieout.record.opening import open_record

            record = await open_record(config.record, clock)
            making.shelf.kept = Drawer(record)
            closing.push_async_callback(record.close)
        reconciler = PositionReconciler(accounts, clock, record=record, alarm=alarm, reported=reported)
        cadences = {name: cadence(config.account(name).reconciliation) for name in accounts}
        listening = {name: each.listening for name, each in built.items() if each.listening is not None}
        halts = {name: each.halts for name, each in built.items() if each.halts is not None}
        yield Running(accounts, cadences, reconciler, record, clock, sides, listening, halts)


@asynccontextmanager
async def brokers_opened(
    config: Config,
    names: Collection[str] = (),
    *,
    clock: Clock | None = None,
    environment: Mapping[str, str] | None = None,
) -> AsyncIterator[Mapping[str, BrokerAdapter]]:
    """The brokers' sides alone: for looking at them without record, books or anybody who acts.

    Raises:
        BadInput: As `opened`.
    """
    clock, problems = clock or SystemClock(), list[Problem]()
    environment = os.environ if environment is None else environment
    async with AsyncExitStack() as closing:
        shared = shared_of(clock, environment, closing)
        secrets = Secrets(config.secrets, environment, config.file, problems)
        brokers, making = {}, Making(clock, secrets, problems, closing, config.file, Wiring(clock), shared)
        for name in chosen(config, names):
            brokers[name] = broker_side(name, config.account(name), making)
            closing.push_async_callback(brokers[name].close)
        if problems:
            raise BadInput(problems)
        yield brokers


def chosen(config: Config, names: Collection[str]) -> tuple[str, ...]:
    """The accounts that are asked for: those named, else all that have two sides.

    Raises:
        BadInput: A name is not an account with two sides, or there is none at all.
    """
    sides = tuple(name for name, each in config.accounts.items() if each.local is not None and each.broker is not None)
    if not sides:
        mend = "write [accounts.NAME.local] and [accounts.NAME.broker]; `tieout init` shows how"
        raise BadInput([Problem(config.file, "accounts", "no account says where its two sides come from", mend)])
    problems = [
        Problem(config.file, f"accounts.{name}", "no account with two sides", f"known are {', '.join(sides)}")
        for name in names
        if name not in sides
    ]
    if problems:
        raise BadInput(problems)
    return tuple(dict.fromkeys(names)) or sides


def cadence(told: ReconciliationSettings) -> Cadence:
    """When an account is reconciled, as it is configured."""
    return Cadence(
        reconciliation_interval=told.interval_seconds,
        # Local, broker, local, and the single orders that are asked for.
        timeout_seconds=(3 + MAX_LOOKUPS) * told.timeout_seconds,
        large_fill_usd=told.large_fill_usd,
        large_fill_percent=told.large_fill_percent,
    )


def _account(name: str, config: Config, making: Making) -> Account:
    told = config.account(name)
    reading, local = told.reconciliation, local_side(name, told, making, recorded=config.recorded)
    policy = told.policy if config.recorded else replace(told.policy, mode="shadow")
    if local.can_apply is CanApply.NOT:
        policy = replace(policy, books_read_only=True)
    return Account(
        name=name,
        local=local,
        broker=broker_side(name, told, making),
        settings=told.settings,
        policy=policy,
        reach=Reach(
            history_seconds=reading.history_seconds,
            timeout_seconds=reading.timeout_seconds,
            retry_count=reading.retry_count,
        ),
    )
