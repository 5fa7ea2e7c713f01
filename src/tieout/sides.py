"""The two sides of an account, built from its configuration. What is lacking is told, not raised: all of it at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, partial
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, TypeVar

from msgspec.structs import asdict

from tieout.brokers.base import BrokerAdapter
from tieout.clock import Clock
from tieout.config import AccountConfig
from tieout.config.fields import nearest
from tieout.config.nouns import (
    BrokerAlpaca,
    BrokerCcxt,
    BrokerDydx,
    BrokerFile,
    BrokerIb,
    BrokerSimulated,
    BrokerStatement,
    ReconciliationSettings,
)
from tieout.config.secrets import Secrets
from tieout.errors import Problem

if TYPE_CHECKING:
    from tieout.books.keeping import Shelf
    from tieout.brokers.ccxt.shared import Shared
    from tieout.brokers.streams.base import Stream
    from tieout.brokers.streams.kept import Dialect
    from tieout.brokers.streams.venues import Token
    from tieout.brokers.streams.watched_file import FileWatch
    from tieout.brokers.wire.shared import Wires
    from tieout.brokers.wire.tries import ReadPatience
    from tieout.brokers.wire.wire import Wire

T = TypeVar("T")
CREDENTIALS = {
    "apiKey": "api_key",
    "secret": "secret",
    "password": "password",
    "privateKey": "private_key",
}  # ccxt's name: ours
OWN_ADAPTERS = {
    "dydx": 'write kind = "dydx" and the address',
    "alpaca": 'write kind = "alpaca" and where its key and secret are',
}


class Wiring:
    """The wires of all accounts, made when one is used; `made` is None until then."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.made: Wires | None = None

    def __call__(self) -> Wires:
        """The wires."""
        if self.made is None:
            from tieout.brokers.wire.shared import Wires

            self.made = Wires(self._clock, Random(self._clock.monotonic_ns()))
        return self.made


class LateShelf:
    """Where pushed books are kept: in the record, which is opened once everything else was found in order."""

    def __init__(self) -> None:
        self.kept: Shelf | None = None

    async def content(self, account: str) -> bytes | None:
        """What is kept of an account."""
        return await self._there.content(account)

    async def change(self, account: str, change: Callable[[bytes | None], tuple[bytes | None, T]]) -> T:
        """Keep what *change* makes of it."""
        return await self._there.change(account, change)

    @property
    def _there(self) -> Shelf:
        assert self.kept is not None, "opened before anything is read"
        return self.kept


@dataclass(frozen=True, slots=True)
class Making:
    """What every adapter is made with, and where it says what it lacks. `wires` and `shared` are made when used.

    `secrets` gives each adapter its own, and is never handed on.
    `watches` look at files, by how often.
    `shelf` is where pushed books are kept.
    `streams` is filled by those that can be listened to: what makes their streams, by account.
    """

    clock: Clock
    secrets: Secrets
    problems: list[Problem]
    closing: AsyncExitStack
    file: str
    wires: Wiring
    shared: Callable[[], Shared]
    streams: dict[str, Callable[[], tuple[Stream, ...]]] = field(default_factory=dict)
    shelf: LateShelf = field(default_factory=LateShelf)
    watches: dict[int, FileWatch] = field(default_factory=dict)

    def listen(
        self, name: str, broker: BrokerAdapter, poll_seconds: int, dialect: Callable[[], Dialect | None] | None = None
    ) -> None:
        """Note how the account *name* is listened to: in a venue's *dialect* where it has a stream that is wanted."""

        def opened() -> tuple[Stream, ...]:
            from tieout.brokers.streams.opening import streams

            chance = Random(self.clock.monotonic_ns())
            spoken = None if dialect is None else dialect()
            return streams(broker, spoken, clock=self.clock, random=chance, poll_seconds=poll_seconds)

        self._add(name, opened)

    def watch(self, name: str, path: Path, seconds: int) -> None:
        """Note that the account *name* is read again when the file of its books was written."""

        def opened() -> tuple[Stream, ...]:
            from tieout.brokers.streams.watched_file import FileWatch, WatchedFile

            return (WatchedFile(path, self.watches.setdefault(seconds, FileWatch(self.clock, seconds))),)

        self._add(name, opened)

    def _add(self, name: str, opened: Callable[[], tuple[Stream, ...]]) -> None:
        before = self.streams.get(name)
        self.streams[name] = opened if before is None else lambda: (*before(), *opened())


def shared_of(clock: Clock, environment: Mapping[str, str], closing: AsyncExitStack) -> Callable[[], Shared]:
    """What accounts at ccxt's venues share, made when one is used, let go of with *closing*."""

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


def broker_side(name: str, told: AccountConfig, making: Making) -> BrokerAdapter:
    """The adapter of the account *name*. Secrets that are not there are told in `problems`."""
    match told.broker:
        case BrokerFile(path=path, max_age_seconds=age):
            from tieout.brokers.snapshot_file import SnapshotFileBroker

            return SnapshotFileBroker(Path(path), name, making.clock, max_age_seconds=age)
        case BrokerSimulated(url=url, account=account):
            from tieout.brokers.simulated.remote import RemoteSimulatedBroker

            broker = RemoteSimulatedBroker(url, account or name)
            making.listen(name, broker, told.broker.poll_seconds)
            return broker
        case BrokerStatement():
            from tieout.brokers.statements.opening import open_statement

            return open_statement(name, making.clock, **asdict(told.broker))
        case BrokerIb():
            from tieout.brokers.ib.opening import open_ib

            return open_ib(name, min(10, told.reconciliation.timeout_seconds), **asdict(told.broker))
        case BrokerCcxt():
            return _ccxt(name, told.broker, told.reconciliation, making)
        case BrokerDydx():
            return _dydx(name, told.broker, told.reconciliation, making)
        case BrokerAlpaca():
            return _alpaca(name, told.broker, told.reconciliation, making)
        case None:
            raise AssertionError("chosen for having two sides")


def _patience(told: ReconciliationSettings, each_seconds: int = 10) -> ReadPatience:
    """How patiently reads are done, each single try for *each_seconds* at most."""
    from tieout.brokers.wire.tries import ReadPatience

    return ReadPatience(tries_again=told.retry_count, seconds=told.timeout_seconds, each_seconds=each_seconds)


def _dydx(name: str, source: BrokerDydx, reading: ReconciliationSettings, making: Making) -> BrokerAdapter:
    from tieout.brokers.dydx.adapter import DydxBroker

    def dialect() -> Dialect:
        from tieout.brokers.dydx.stream import DydxChannel

        return DydxChannel(broker.name, source.address, subaccount=source.subaccount, url=source.url)

    wire = making.wires().wire("dydx", "", _patience(reading), place=source.url)
    broker = DydxBroker(source.address, account=name, wire=wire, subaccount=source.subaccount, url=source.url)
    making.listen(name, broker, source.poll_seconds, dialect if source.stream else None)
    return broker


def _alpaca(name: str, source: BrokerAlpaca, reading: ReconciliationSettings, making: Making) -> BrokerAdapter:
    from tieout.brokers.alpaca.adapter import LIVE, PAPER, AlpacaBroker

    found = [making.secrets.get(name, source, ours, due=True) for ours in ("api_key", "secret")]
    key, secret = ("" if each is None else each.reveal() for each in found)
    url = source.url or (PAPER if source.paper else LIVE)
    wire = making.wires().wire("alpaca", key, _patience(reading), place="" if url == LIVE else url)
    broker = AlpacaBroker(name, key=key, secret=secret, wire=wire, url=url)

    def dialect() -> Dialect:
        from tieout.brokers.alpaca.stream import AlpacaUpdates

        return AlpacaUpdates(broker.name, key=key, secret=secret, url=url)

    making.listen(name, broker, source.poll_seconds, dialect if source.stream else None)
    return broker


def _ccxt(name: str, source: BrokerCcxt, reading: ReconciliationSettings, making: Making) -> BrokerAdapter:
    from tieout.brokers.ccxt.adapter import CcxtBroker
    from tieout.brokers.ccxt.guard import connect
    from tieout.brokers.ccxt.venues import VENUES, venue

    place = f"accounts.{name}.broker"
    given = {theirs: making.secrets.get(name, source, ours) for theirs, ours in CREDENTIALS.items()}
    credentials = {theirs: secret.reveal() for theirs, secret in given.items() if secret is not None}
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
    wire = making.wires().wire(
        source.exchange,
        credentials.get("apiKey") or credentials.get("walletAddress") or f"account {name}",
        _patience(reading, each_seconds=reading.timeout_seconds),  # a question may be several requests
        place="sandbox" if source.sandbox else "",
    )
    broker = CcxtBroker(
        source.exchange,
        account=name,
        credentials=credentials,
        assets=source.assets,
        markets=shared.markets(source.exchange, sandbox=source.sandbox),
        shared=shared,
        accept_gaps=source.accept_gaps,
        client=client,
        clock=making.clock,
        wire=wire,
    )
    dialect = partial(_spoken, source, broker.name, credentials, (wire, broker.token), making)
    making.listen(name, broker, source.poll_seconds, dialect if source.stream else None)
    return broker


def _spoken(
    source: BrokerCcxt, name: str, credentials: Mapping[str, str], asked: tuple[Wire, Token], making: Making
) -> Dialect | None:
    from tieout.brokers.streams.venues import Listens, dialect

    wire, token = asked

    def now() -> datetime:
        return wire.offset.now() or making.clock.now()

    who = Listens(name, credentials, now, making.clock, Random(making.clock.monotonic_ns()), token)
    return dialect(source.exchange, who, sandbox=source.sandbox)
