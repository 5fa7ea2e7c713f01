"""What the demo of the service stands on: two venues on loopback, three accounts there, a bot at each, and a folder.

Two accounts are at the simulated venue, one at a server that speaks Alpaca's protocol; all three are read by the clients
that ask real ones. The books are an engine's, on the disk, opened with what each venue says; a bot trades on them.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from tieout.books.durable import DurableBooks
from tieout.bootstrap import brokers_opened
from tieout.brokers.base import BrokerAdapter
from tieout.brokers.loopback.alpaca import LoopbackAlpaca
from tieout.brokers.loopback.base import Login
from tieout.brokers.simulated import Instrument, World
from tieout.brokers.simulated.server import listening
from tieout.brokers.simulated.venue_api import Venue
from tieout.clock import Clock
from tieout.config import Config, load
from tieout.errors import SourceUnreachable
from tieout.live.account import Account
from tieout.model.snapshot import Fill, Order, OrderSide, Snapshot
from tieout.observe.reading import Reach, read_broker
from tieout.record import keys
from tieout.serve.demo import TradingLoop

ACCOUNTS = {
    "alpha": "coins, at a simulated venue",
    "beta": "perpetuals, at the same venue",
    "gamma": "shares, behind a server that speaks Alpaca's protocol",
}
REACH = Reach(timeout_seconds=20)
CONFIGURATION = """\
profile = "balanced"

[settings]
threshold_usd = "1"
settle_seconds = "1"
venue_lag_seconds = "2"

[reconciliation]
interval_seconds = 5
retry_count = 1
timeout_seconds = 10

[accounts.alpha.local]
kind = "engine"
folder = {folder[alpha]}
[accounts.alpha.broker]
kind = "simulated"
url = {simulated}
poll_seconds = 1

[accounts.beta.local]
kind = "engine"
folder = {folder[beta]}
[accounts.beta.broker]
kind = "simulated"
url = {simulated}
poll_seconds = 1

[accounts.gamma.local]
kind = "engine"
folder = {folder[gamma]}
[accounts.gamma.broker]
kind = "alpaca"
url = {alpaca}
api_key_file = {key}
secret_file = {secret}

[record]
store = {store}
keys = {keys}

[service]
listen = {listen}
"""


class Bot:
    """Trades one account: it sends limit orders, and books the fills that it hears of.

    Attributes:
        account: Whose.
        loop: Sends, and books what it is told.
        books: Where it books; the same that Tieout reads and mends.
        broker: The account's adapter.
    """

    def __init__(self, account: str, clock: Clock, broker: BrokerAdapter, books: DurableBooks) -> None:
        self.account, self.broker, self.books, self._clock = account, broker, books, clock
        self.loop = TradingLoop(clock, broker, books)

    async def send(self, asset: str, side: OrderSide, quantity: str, price: str) -> Order | None:
        """Send an order; None where no answer came."""
        return await self.loop.send(asset, side, quantity, price)

    async def fills_of(self, order: Order | None) -> tuple[Fill, ...]:
        """What the venue filled of it."""
        since = self._clock.now() - timedelta(minutes=1)
        fills = await self.broker.get_fills(since)
        return tuple(fill for fill in fills if order is not None and fill.broker_order_id == order.broker_order_id)


@dataclass(frozen=True, slots=True)
class Stage:
    """The venues and the configuration, while the servers listen.

    Attributes:
        coins: The world of alpha and beta.
        venue: Its server's, where faults are put.
        shares: The world of gamma.
        alpaca: The server before it.
        config: As `tieout serve` would read it from the folder.
    """

    coins: World
    venue: Venue
    shares: World
    alpaca: LoopbackAlpaca
    config: Config

    def world(self, account: str) -> World:
        """Where an account is."""
        return self.shares if account == "gamma" else self.coins


def coins(clock: Clock, seed: int) -> World:
    """Alpha with coins, whose fees are taken in a third one; beta with perpetuals."""
    world = World(clock, seed=seed)
    world.add_account("alpha", currency="USDT")
    world.add_account("beta", currency="USDT")
    for currency, price in {"USDT": "1", "BTC": "68000", "ETH": "2500", "BNB": "600"}.items():
        world.office.set_usd_price(currency, Decimal(price))
    for base, price in {"BTC": "68000", "ETH": "2500"}.items():
        # 2 millionths of a BNB for each USDT: a tenth of a percent.
        world.add_instrument(
            Instrument(asset=f"{base}/USDT", kind="spot", currency="USDT", base=base, fee_rate=Decimal("0.000002"),
                       fee_currency="BNB")
        )  # fmt: skip
        world.set_price(f"{base}/USDT", Decimal(price))
    for asset, price in {"SOL-PERP": "171", "ETH-PERP": "2500"}.items():
        world.add_instrument(Instrument(asset=asset, kind="margin", currency="USDT", fee_rate=Decimal("0.0005")))
        world.set_price(asset, Decimal(price))
    world.office.pay("alpha", "deposit", "USDT", Decimal(100000))
    world.office.pay("alpha", "deposit", "BNB", Decimal(5))
    world.office.pay("beta", "deposit", "USDT", Decimal(25000))
    world.trade("alpha", "BTC/USDT", "buy", Decimal("0.5"), Decimal(68000))
    world.trade("alpha", "ETH/USDT", "buy", Decimal(10), Decimal(2500))
    world.trade("beta", "SOL-PERP", "buy", Decimal(150), Decimal(171))
    world.trade("beta", "ETH-PERP", "sell", Decimal(4), Decimal(2500))
    return world


def shares(clock: Clock, seed: int) -> World:
    """Gamma with shares; Alpaca takes no commission."""
    world = World(clock, seed=seed)
    world.add_account("gamma", currency="USD")
    world.office.pay("gamma", "deposit", "USD", Decimal(60000))
    for asset, amount, price in (("AAPL", "100", "190"), ("MSFT", "40", "400.25")):
        world.add_instrument(Instrument(asset=asset, kind="cash", currency="USD"))
        world.set_price(asset, Decimal(price))
        world.trade("gamma", asset, "buy", Decimal(amount), Decimal(price))
    return world


@asynccontextmanager
async def staged(folder: Path, clock: Clock, seed: int, listen: str) -> AsyncIterator[Stage]:
    """The venues, listening, and a configuration in *folder* with keys, secrets and books that agree with them.

    Raises:
        SourceUnreachable: A venue did not answer.
    """
    coin_world, share_world = coins(clock, seed), shares(clock, seed)
    login = Login(account="gamma", key="PKDEMO", secret="a secret of nobody, for a demo")
    venue, alpaca = Venue(coin_world), LoopbackAlpaca(share_world, login)
    async with listening(venue) as port, alpaca:
        file = _configure(folder, f"http://127.0.0.1:{port}", alpaca.url, login, listen)
        keys.create(folder / "keys", "demo")
        config = load(file, None, {})
        await _open_books(folder, config, clock)
        yield Stage(coin_world, venue, share_world, alpaca, config)


def _configure(folder: Path, simulated: str, alpaca: str, login: Login, listen: str) -> Path:
    secrets = {"key": login.key, "secret": login.secret}
    (folder / "secrets").mkdir(mode=0o700)
    for name, text in secrets.items():
        path = folder / "secrets" / name
        path.touch(mode=0o600)
        path.write_text(text, "utf-8")
    paths = {
        "store": folder / "tieout.db",
        "keys": folder / "keys",
        "key": folder / "secrets/key",
        "secret": folder / "secrets/secret",
    }
    file = folder / "tieout.toml"
    file.write_text(
        CONFIGURATION.format(
            folder={name: _text(folder / "books" / name) for name in ACCOUNTS},
            simulated=_text(simulated),
            alpaca=_text(alpaca),
            listen=_text(listen),
            **{name: _text(path) for name, path in paths.items()},
        ),
        "utf-8",
    )
    return file


def _text(value: object) -> str:
    """As TOML writes a text: as JSON does, but for one character."""
    return json.dumps(str(value)).replace("\x7f", "\\u007F")


async def _open_books(folder: Path, config: Config, clock: Clock) -> None:
    async with brokers_opened(config, clock=clock) as brokers:
        for name, broker in brokers.items():
            stated = await read_broker(name, broker, REACH, clock)
            if not isinstance(stated, Snapshot) or stated.coverage:
                raise SourceUnreachable(broker.name, name, "its loopback server was not read whole")
            (folder / "books" / name).mkdir(parents=True)
            DurableBooks.open(name, folder / "books" / name, clock, opened_from=stated).close()


def bots(running: Mapping[str, Account], clock: Clock) -> dict[str, Bot]:
    """A bot for each account that runs, on the very books that Tieout reads."""
    found = {}
    for name, account in running.items():
        assert isinstance(account.local, DurableBooks), "as it is configured above"
        found[name] = Bot(name, clock, account.broker, account.local)
    return found
