"""Walks through brokers with marked secrets: whatever a venue answers, no log, failure or output tells one, nor an amount."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable, Mapping
from decimal import Decimal

from tests.canary.ear import outputs
from tests.canary.walk_record import Ground
from tests.conform.loopback import credentials
from tieout.brokers.base import BrokerAdapter, OrderRequest
from tieout.brokers.ccxt.adapter import CcxtBroker
from tieout.brokers.ccxt.guard import connect
from tieout.brokers.ccxt.venues import venue as known_venue
from tieout.brokers.loopback.alpaca import LoopbackAlpaca
from tieout.brokers.loopback.base import Login, LoopbackVenue
from tieout.brokers.loopback.binance import LoopbackBinance
from tieout.brokers.loopback.bybit import LoopbackBybit
from tieout.brokers.loopback.coinbase import LoopbackCoinbase
from tieout.brokers.loopback.faults import HttpFault, HttpRule
from tieout.brokers.loopback.kraken import LoopbackKraken
from tieout.brokers.loopback.okx import LoopbackOkx
from tieout.brokers.simulated import Instrument, World
from tieout.brokers.wire.limits import Limits
from tieout.brokers.wire.tries import ReadPatience
from tieout.brokers.wire.wire import Wire
from tieout.clock import SystemClock
from tieout.serve.cli import run
from tieout.serve.doctor.examine import Case, examine

CASH = Decimal("81726354.91827")
PAIR = "NIL/USDT"
SERVERS: Mapping[str, Callable[..., LoopbackVenue]] = {
    "binance": LoopbackBinance, "bybit": LoopbackBybit, "okx": LoopbackOkx, "kraken": LoopbackKraken,
    "coinbase": LoopbackCoinbase,
}  # fmt: skip
FAULTS = (
    None, HttpRule(fault=HttpFault.RESET, times=None), HttpRule(fault=HttpFault.SHORT, times=None),
    HttpRule(fault=HttpFault.TRUNCATED, times=None), HttpRule(fault=HttpFault.FLOATS, times=None),
    HttpRule(fault=HttpFault.NEW_KIND, times=None), HttpRule(fault=HttpFault.EXTRA, times=None),
    *(HttpRule(fault=HttpFault.TEXT, status=status, text=text, times=None)
      for status, text in ((200, "<html>"), (200, "[]"), (401, "{}"), (403, "<html>"), (429, "{}"), (503, "{}"))),
)  # fmt: skip


def _world() -> World:
    world = World(SystemClock(), seed=7)
    world.add_account("main", currency="USDT")
    world.add_instrument(Instrument(asset=PAIR, kind="spot", currency="USDT", base="NIL"))
    world.office.pay("main", "deposit", "USDT", CASH)
    return world


def _wire(name: str) -> Wire:
    patience = ReadPatience(tries_again=0, seconds=9, each_seconds=9)
    return Wire(name, clock=SystemClock(), limits=Limits(((10**6, 1000),)), random=random.Random(7), patience=patience)


async def _through(ground: Ground, name: str, broker: BrokerAdapter, server: LoopbackVenue) -> None:
    """Everything that can be asked and done, under each fault."""
    ground.ear.hear("repr of brokers", f"{broker!r} {vars(broker)!r} {server.url}")
    order = OrderRequest(client_order_id="c1", asset=PAIR, side="buy", quantity=Decimal(1), limit_price=CASH)
    for fault in FAULTS[:: max(1, ground.every // 2)]:
        server.faults.clear()
        if fault is not None:
            server.faults.inject(fault)
        seen = await examine(Case("main", name, broker, True, 300, 3600, 9), SystemClock())
        ground.ear.hear("examinations", repr(seen))
        await ground.caught(broker.submit_order(order))
        await ground.caught(broker.cancel_order(client_order_id="c1"))


async def asking_venues(ground: Ground) -> None:
    """Real clients with marked keys, at venues that answer well, badly and not at all."""
    ground.ear.marks.amount(CASH)
    for name, kind in SERVERS.items():
        secrets = {"apiKey": f"canary-key-of-{name}", "password": f"canary-words-of-{name}"}
        secrets = {**credentials(name), **secrets}
        if name == "coinbase":
            secrets["apiKey"] = "organizations/canary/apiKeys/coinbase"
        else:
            ground.ear.marks.secret(secrets["password"])
        ground.ear.marks.secret(
            secrets["apiKey"], secrets["secret"], secrets["privateKey"] if name != "coinbase" else "x" * 9
        )
        login = Login(
            account="main", key=secrets["apiKey"], secret=secrets["secret"], password=secrets["password"],
            may=frozenset(("read",)),
        )  # fmt: skip
        async with kind(_world(), login) as server:
            client = connect(name, secrets, known_venue(name).options, origin=server.url)
            client.timeout_on_exit = 0
            broker = CcxtBroker(name, account="main", client=client, wire=_wire(name), assets=(PAIR,))
            try:
                await _through(ground, name, broker, server)
            finally:
                await broker.close()


async def asking_doctors(ground: Ground) -> None:
    """`tieout doctor` and `tieout check` with keys that are right, wrong, missing and in the wrong place."""
    key, secret = "canary-key-of-alpaca", "canary-secret-of-alpaca"
    ground.ear.marks.secret(key, secret)
    ground.ear.marks.amount(CASH)
    folder = ground.folder
    (folder / "secret").write_text(secret)
    (folder / "open").mkdir(mode=0o755)
    (folder / "open" / "secret").write_text(secret)
    async with LoopbackAlpaca(_world(), Login(account="main", key=key, secret=secret)) as server:
        head = '[accounts.main.local]\nkind = "file"\npath = "l.json"\n[accounts.main.broker]\nkind = "alpaca"\n'
        head += f'url = "{server.url}"\n'
        for number, how in enumerate((
            f'api_key_env = "CANARY"\nsecret_file = "{folder / "secret"}"\n', f'api_key_env = "{key}"\n',
            f'api_key_env = "NOBODY"\nsecret_file = "{folder / "nowhere"}"\n', f'api_key = "{key}"\nsecret = "{secret}"\n',
            f'api_key_file = "{key}"\nsecret_env = "CANARY"\n', f'[secrets]\ndirectory = "{secret}"\n',
            f'api_key_env = "CANARY"\nsecret_file = "{folder / "open" / "secret"}"\n',
        )):  # fmt: skip
            path = folder / f"{number}.toml"
            path.write_text(head + how)
            os.environ["CANARY"] = key
            for words in (("doctor",), ("doctor", "--json"), ("check",)):
                with outputs(ground.ear) as out:
                    await asyncio.to_thread(run, [*words, "--config", str(path)])
                if "doctor" in words:
                    ground.ear.hear("stdout of doctor", out.getvalue())
    del os.environ["CANARY"]


WALKS = (asking_venues, asking_doctors)
