"""The composition root: the only place that builds adapters, record and reconciler for a configuration."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from msgspec.structs import asdict, replace

from tieout.books.base import LocalBooks
from tieout.brokers.base import BrokerAdapter
from tieout.clock import Clock, SystemClock
from tieout.config import AccountConfig, Config
from tieout.config.fields import nearest
from tieout.config.nouns import (
    BrokerCcxt,
    BrokerDydx,
    BrokerFile,
    BrokerSimulated,
    BrokerStatement,
    LocalEngine,
    LocalFile,
    ReconciliationSettings,
)
from tieout.errors import BadInput, Problem
from tieout.live.alarm import Alarm
from tieout.live.reconciler import Account, PositionReconciler, Reported
from tieout.live.schedule import Cadence
from tieout.observe.reading import MAX_LOOKUPS, Reach

if TYPE_CHECKING:
    from tieout.brokers.ccxt.shared import Shared
    from tieout.brokers.wire.shared import Wires
    from tieout.brokers.wire.tries import ReadPatience
    from tieout.record.recorder import StoreRecord

CREDENTIALS = {
    "apiKey": "api_key",
    "secret": "secret",
    "password": "password",
    "privateKey": "private_key",
}  # ccxt's name: ours
OWN_ADAPTERS = {"dydx": 'write kind = "dydx" and the address'}


@dataclass(frozen=True, slots=True)
class Running:
    """What was built: open until the context that gave it ends.

    Attributes:
        accounts: The accounts by name, with their sides.
        reconciler: Reconciles them.
        cadences: When each is reconciled.
        record: Where it keeps everything; None where the configuration has no [record].
        clock: Where time comes from.
    """

    accounts: Mapping[str, Account]
    cadences: Mapping[str, Cadence]
    reconciler: PositionReconciler
    record: StoreRecord | None
    clock: Clock


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
        shared = _shared(clock, environment, closing)
        accounts, making = {}, _Making(clock, environment, problems, closing, config.file, _wires(clock), shared)
        for name in chosen(config, names):
            built = _account(name, config, making)
            closing.push_async_callback(built.broker.close)
            accounts[name] = built
        if problems:
            raise BadInput(problems)
        record = None
        if config.recorded:
            from tieout.record.opening import open_record  # loads a database

            record = await open_record(config.record, clock)
            closing.push_async_callback(record.close)
        reconciler = PositionReconciler(accounts, clock, record=record, alarm=alarm, reported=reported)
        cadences = {name: cadence(config.account(name).reconciliation) for name in accounts}
        yield Running(accounts, cadences, reconciler, record, clock)


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


@dataclass(frozen=True, slots=True)
class _Making:
    """What every adapter is made with, and where it says what it lacks. `wires` and `shared` are made when used."""

    clock: Clock
    environment: Mapping[str, str]
    problems: list[Problem]
    closing: AsyncExitStack
    file: str
    wires: Callable[[], Wires]
    shared: Callable[[], Shared]


def _wires(clock: Clock) -> Callable[[], Wires]:
    @cache
    def made() -> Wires:
        from tieout.brokers.wire.shared import Wires

        return Wires(clock, Random(clock.monotonic_ns()))

    return made


def _shared(clock: Clock, environment: Mapping[str, str], closing: AsyncExitStack) -> Callable[[], Shared]:
    @cache
    def made() -> Shared:
        from tieout.brokers.ccxt.shared import Shared

        # Where this user's programs keep what they can fetch again.
        told, home = environment.get("XDG_CACHE_HOME"), environment.get("HOME")
        folder = Path(told) if told else Path(home) / ".cache" if home else None
        one = Shared(clock, folder and folder / "tieout" / "markets")
        closing.push_async_callback(one.close)
        return one

    return made


def _account(name: str, config: Config, making: _Making) -> Account:
    told = config.account(name)
    reading = told.reconciliation
    return Account(
        name=name,
        local=_local(name, told, making, recorded=config.recorded),
        broker=_broker(name, told, making),
        settings=told.settings,
        policy=told.policy if config.recorded else replace(told.policy, mode="shadow"),
        reach=Reach(
            history_seconds=reading.history_seconds,
            timeout_seconds=reading.timeout_seconds,
            retry_count=reading.retry_count,
        ),
    )


def _local(name: str, told: AccountConfig, making: _Making, *, recorded: bool) -> LocalBooks:
    match told.local:
        case LocalFile(path=path, writable=writable, max_age_seconds=age):
            from tieout.books.snapshot_file import SnapshotFile

            may_write = writable and recorded
            return SnapshotFile(Path(path), name, making.clock, writable=may_write, max_age_seconds=age)
        case LocalEngine(folder=folder):
            from tieout.books.durable import DurableBooks

            # Opening would make new, empty books there: a misspelt folder must never look like an empty account.
            if not Path(folder).is_dir() or not any(Path(folder).iterdir()):
                place, mend = f"accounts.{name}.local.folder", "mend the path, or start the engine once"
                raise BadInput([Problem(making.file, place, "no engine ever kept its books there", mend)])
            books = DurableBooks.open(name, Path(folder), making.clock)
            making.closing.callback(books.close)
            return books
        case None:
            raise AssertionError("chosen for having two sides")


def _broker(name: str, told: AccountConfig, making: _Making) -> BrokerAdapter:
    match told.broker:
        case BrokerFile(path=path, max_age_seconds=age):
            from tieout.brokers.snapshot_file import SnapshotFileBroker

            return SnapshotFileBroker(Path(path), name, making.clock, max_age_seconds=age)
        case BrokerSimulated(url=url, account=account):
            from tieout.brokers.simulated.remote import RemoteSimulatedBroker

            return RemoteSimulatedBroker(url, account or name)
        case BrokerStatement():
            from tieout.brokers.statements.opening import open_statement

            return open_statement(name, making.clock, **asdict(told.broker))
        case BrokerCcxt():
            return _ccxt(name, told.broker, told.reconciliation, making)
        case BrokerDydx(address=address, subaccount=subaccount, url=url):
            from tieout.brokers.dydx.adapter import DydxBroker

            wire = making.wires().wire("dydx", "", _patience(told.reconciliation), place=url)
            return DydxBroker(address, account=name, wire=wire, subaccount=subaccount, url=url)
        case None:
            raise AssertionError("chosen for having two sides")


def _patience(told: ReconciliationSettings, each_seconds: int = 10) -> ReadPatience:
    """How patiently reads are done, each single try for *each_seconds* at most."""
    from tieout.brokers.wire.tries import ReadPatience

    return ReadPatience(tries_again=told.retry_count, seconds=told.timeout_seconds, each_seconds=each_seconds)


def _ccxt(name: str, source: BrokerCcxt, reading: ReconciliationSettings, making: _Making) -> BrokerAdapter:
    from tieout.brokers.ccxt.adapter import CcxtBroker
    from tieout.brokers.ccxt.guard import connect
    from tieout.brokers.ccxt.venues import VENUES, venue

    place = f"accounts.{name}.broker"
    given = {theirs: _secret(ours, source, place, making) for theirs, ours in CREDENTIALS.items()}
    credentials = {theirs: secret for theirs, secret in given.items() if secret}
    if source.wallet_address:
        credentials["walletAddress"] = source.wallet_address
    client = None
    if source.exchange in OWN_ADAPTERS:
        what, mend = "a venue that is not read through ccxt", OWN_ADAPTERS[source.exchange]
        making.problems.append(Problem(making.file, f"{place}.exchange", what, mend))
    elif source.exchange not in VENUES:
        known = nearest(source.exchange, tuple(sorted(VENUES)))
        making.problems.append(Problem(making.file, f"{place}.exchange", "no venue that Tieout can read", known))
    elif source.sandbox:
        client = connect(source.exchange, credentials, venue(source.exchange).options)
        if client.urls.get("test") is None:
            what, mend = "a venue without a test network", "take it away, and use a key that may only read"
            making.problems.append(Problem(making.file, f"{place}.sandbox", what, mend))
        else:
            client.set_sandbox_mode(True)
    shared = making.shared()
    return CcxtBroker(
        source.exchange,
        account=name,
        credentials=credentials,
        assets=source.assets,
        markets=shared.markets(source.exchange, sandbox=source.sandbox),
        shared=shared,
        accept_gaps=source.accept_gaps,
        client=client,
        clock=making.clock,
        wire=making.wires().wire(
            source.exchange,
            credentials.get("apiKey") or credentials.get("walletAddress") or f"account {name}",
            _patience(reading, each_seconds=reading.timeout_seconds),  # a question may be several requests
            place="sandbox" if source.sandbox else "",
        ),
    )


def _secret(ours: str, source: BrokerCcxt, place: str, making: _Making) -> str | None:
    """A secret from where the configuration says that it is. No problem repeats what was written there."""
    variable: str | None = getattr(source, f"{ours}_env")
    file: str | None = getattr(source, f"{ours}_file")
    setting, secret, what = f"{ours}_env", None, "the environment has no variable of the name that stands there"
    if variable is not None:
        secret = making.environment.get(variable, "").strip()
    elif file is not None:
        setting, what = f"{ours}_file", "the file that is named there cannot be read, or is empty"
        try:
            secret = Path(file).read_text("utf-8").strip()
        except (OSError, ValueError):
            secret = ""
    if secret == "":
        mend = "set it, or give the right name; the secret itself never stands in the configuration"
        making.problems.append(Problem(making.file, f"{place}.{setting}", what, mend))
    return secret or None
