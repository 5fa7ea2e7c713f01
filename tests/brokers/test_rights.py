"""What a key may do, as each venue says it, and that a key that may only read does everything but act: over real sockets."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.conform.loopback import credentials
from tests.contracts.ccxt_venues import ENTRIES, Entry

from tieout.brokers.alpaca.adapter import AlpacaBroker
from tieout.brokers.base import BrokerAdapter, OrderRequest
from tieout.brokers.ccxt.adapter import CcxtBroker
from tieout.brokers.ccxt.guard import connect
from tieout.brokers.ccxt.venues import venue as known_venue
from tieout.brokers.examined import Examinable, KeyRights
from tieout.brokers.loopback.alpaca import LoopbackAlpaca
from tieout.brokers.loopback.base import Login, LoopbackVenue
from tieout.brokers.loopback.faults import HttpFault, HttpRule
from tieout.brokers.loopback.hyperliquid import LoopbackHyperliquid
from tieout.brokers.simulated import World
from tieout.brokers.wire.limits import Limits
from tieout.brokers.wire.tries import ReadPatience
from tieout.brokers.wire.wire import Wire
from tieout.clock import SystemClock
from tieout.errors import ActionRefused, SourceError
from tieout.model.amounts import ONE, dec
from tieout.model.snapshot import SECTIONS
from tieout.observe.reading import Reach, read_broker
from tieout.serve.doctor.examine import Case, examine

READ = frozenset(("read",))
KEYED = [entry for entry in ENTRIES if entry.name != "hyperliquid"]
PATIENCE = ReadPatience(tries_again=0, seconds=20, each_seconds=20)
WIDE = Limits(((10**6, 1000),))  # so that no test waits
KEY = "0x" + "2" * 64


def world_of(entry: Entry) -> World:
    """A world in the present, with an account that holds some cash."""
    world = World(SystemClock(), seed=7)
    world.add_account("main", currency="USDT")
    world.add_instrument(entry.traits.instrument(entry.traits.asset("NIL")))
    world.office.pay("main", "deposit", entry.traits.quote, dec("94815162.37"))
    return world


@asynccontextmanager
async def broker_at(
    entry: Entry, may: Iterable[str] = READ, **more: Any
) -> AsyncIterator[tuple[CcxtBroker, LoopbackVenue]]:
    """The adapter, with a key of these rights."""
    secrets = {**credentials(entry.name), **more}
    key = secrets["walletAddress" if entry.name == "hyperliquid" else "apiKey"]
    login = Login(
        account="main", key=key, secret=secrets["secret"], password=secrets.get("password", ""), may=frozenset(may)
    )
    async with entry.server(world_of(entry), login) as server:
        client = connect(entry.name, secrets, known_venue(entry.name).options, origin=server.url)
        client.timeout_on_exit = 0
        wire = Wire(entry.name, clock=SystemClock(), limits=WIDE, random=random.Random(7), patience=PATIENCE)
        leave = frozenset(SECTIONS) - entry.traits.sections
        broker = CcxtBroker(
            entry.name, account="main", client=client, wire=wire, leave=leave, accept_gaps=SECTIONS,
            assets=(entry.traits.asset("NIL"),),
        )  # fmt: skip
        try:
            yield broker, server
        finally:
            await broker.close()


async def rights(broker: BrokerAdapter) -> KeyRights:
    """What the venue says of the key."""
    assert isinstance(broker, Examinable)
    return await broker.examined().get_rights()


def order(entry: Entry) -> OrderRequest:
    """Some order."""
    return OrderRequest(
        client_order_id="c1", asset=entry.traits.asset("NIL"), side="buy", quantity=ONE, limit_price=dec("10")
    )


@pytest.mark.parametrize("entry", KEYED, ids=lambda entry: entry.name)
async def test_each_right_is_told_as_the_venue_says_it(entry: Entry) -> None:
    """Alone and together: what a key may is told, and what it may not is a plain no."""
    for may in (("read",), ("read", "trade"), ("read", "withdraw"), ("read", "trade", "withdraw", "bound")):
        async with broker_at(entry, may) as (broker, server):
            told = await rights(broker)
            assert (told.read, told.trade, told.withdraw) == (True, "trade" in may, "withdraw" in may)
            assert told.bound in (None, "bound" in may)
            assert told.strange == ()
            assert not any("order" in asked.path.lower() for asked in server.asked)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
async def test_a_key_that_may_only_read_does_a_whole_reading(entry: Entry) -> None:
    """Every section is complete; and an order is refused in a plain sentence, with nothing sent that rests there."""
    async with broker_at(entry) as (broker, server):
        seen = await read_broker("main", broker, Reach())
        assert {section: seen.covers(section) for section in entry.traits.sections} == dict.fromkeys(  # type: ignore[union-attr]
            entry.traits.sections, "complete"
        )
        if entry.name == "hyperliquid":
            return
        with pytest.raises(ActionRefused, match="the venue does not let this key trade, or does not know it"):
            await broker.submit_order(order(entry))
        assert not server.world.state.account("main").orders


async def test_alpaca_s_account_that_may_not_trade_is_read_whole() -> None:
    """And refuses orders in a plain sentence."""
    world = World(SystemClock(), seed=7)
    world.add_account("main", currency="USD")
    wire = Wire("alpaca", clock=SystemClock(), limits=WIDE, random=random.Random(7), patience=PATIENCE)
    async with LoopbackAlpaca(world, Login(account="main", key="k", secret="s", may=READ)) as server:
        broker = AlpacaBroker("main", key="k", secret="s", wire=wire, url=server.url)
        seen = await read_broker("main", broker, Reach())
        assert {section: seen.covers(section) for section in SECTIONS} == dict.fromkeys(SECTIONS, "complete")  # type: ignore[union-attr]
        assert (await rights(broker)).trade is False
        with pytest.raises(ActionRefused, match="does not let this key or account do it"):
            await broker.submit_order(
                OrderRequest(client_order_id="c", asset="AAPL", side="buy", quantity=ONE, limit_price=ONE)
            )
        await broker.close()


STRANGE = {
    "binance": ("apiRestrictions", '{"enableReading": true, "enableSpotAndMarginTrading": false, "enableTeleport": true,'
                                   ' "enableWithdrawals": false}'),
    "okx": ("account/config", '{"code": "0", "data": [{"perm": "read_only,teleport", "ip": ""}]}'),
    "kraken": ("GetApiKeyInfo", '{"error": [], "result": {"permissions": ["query-funds", "teleport"]}}'),
    "bybit": ("query-api", '{"retCode": 0, "result": {"readOnly": 0, "permissions": {"Wallet": ["Teleport"]}, "uta": 1}}'),
}  # fmt: skip
SILENT = {
    "binance": '{"enableReading": true}',
    "okx": '{"code": "0", "data": [{"acctLv": "2"}]}',
    "kraken": '{"error": [], "result": {"apiKeyName": "n"}}',
    "bybit": '{"retCode": 0, "result": {"uta": 1}}',
    "coinbase": '{"portfolio_uuid": "x"}',
}


@pytest.mark.parametrize("entry", [each for each in KEYED if each.name in STRANGE], ids=lambda entry: entry.name)
async def test_a_right_that_nobody_knows_yet_is_never_a_no(entry: Entry) -> None:
    """It may mean anything, so that neither trading nor withdrawing is ruled out; its name is told."""
    path, text = STRANGE[entry.name]
    async with broker_at(entry) as (broker, server):
        server.faults.inject(HttpRule(fault=HttpFault.TEXT, endpoint=f"*{path}*", text=text, times=None))
        told = await rights(broker)
        assert (told.trade, told.withdraw) == (None, None)
        assert [word.lower().removeprefix("enable") for word in told.strange] == ["teleport"]


@pytest.mark.parametrize("entry", [each for each in KEYED if each.name in SILENT], ids=lambda entry: entry.name)
async def test_silence_is_never_a_no(entry: Entry) -> None:
    """An answer without the fields says nothing about the key: not told, or a failure."""
    path = STRANGE.get(entry.name, ("key_permissions", ""))[0]
    async with broker_at(entry) as (broker, server):
        server.faults.inject(HttpRule(fault=HttpFault.TEXT, endpoint=f"*{path}*", text=SILENT[entry.name], times=None))
        try:
            told = await rights(broker)
        except SourceError:
            return
        assert (told.trade, told.withdraw) == (None, None)


@pytest.mark.parametrize("text", ["", "null", "{}", "[]", "<html>", '{"enable'])
@pytest.mark.parametrize("entry", KEYED, ids=lambda entry: entry.name)
async def test_an_answer_that_is_none_is_a_failure(entry: Entry, text: str) -> None:
    """Whatever stands there in its place never makes a key harmless."""
    async with broker_at(entry) as (broker, server):
        server.faults.inject(
            HttpRule(
                fault=HttpFault.TEXT,
                text=text,
                times=None,
                endpoint="*apiRest*|*query-api*|*config*|*KeyInfo*|*key_perm*",
            )
        )
        try:
            told = await rights(broker)
        except SourceError:
            return
        assert (told.read, told.trade, told.withdraw) == (None, None, None)


HYPERLIQUID = next(entry for entry in ENTRIES if entry.name == "hyperliquid")


async def test_hyperliquid_s_keys_are_told_apart() -> None:
    """None at all, the account's own, an agent's and a stranger's."""
    async with broker_at(HYPERLIQUID, privateKey="") as (broker, _):
        told = await rights(broker)
        assert (told.keyless, told.trade, told.withdraw) == (True, False, False)
    async with broker_at(HYPERLIQUID, privateKey=KEY) as (broker, server):
        told = await rights(broker)
        assert (told.trade, told.withdraw) == (False, None)
        signer = broker._asking.client().eth_get_address_from_private_key(KEY)
        assert isinstance(server, LoopbackHyperliquid)
        server.agents[signer.lower()] = credentials("hyperliquid")["walletAddress"]
        told = await rights(broker)
        assert (told.trade, told.withdraw) == (True, False)
    async with broker_at(HYPERLIQUID, privateKey=KEY, walletAddress=signer) as (broker, _):
        told = await rights(broker)
        assert (told.trade, told.withdraw) == (True, True)


def case(entry: Entry, broker: BrokerAdapter, *, acts: bool) -> Case:
    """What an examination is given."""
    return Case("main", entry.name, broker, acts, 300, 3600, 20)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
async def test_every_venue_is_examined_whole(entry: Entry) -> None:
    """Reach, clock, rights, sections and pace, by questions that read; nothing is to be mended of a key that only reads."""
    more = {"privateKey": ""} if entry.name == "hyperliquid" else {}
    async with broker_at(entry, ("read", "bound"), **more) as (broker, server):
        seen = await examine(case(entry, broker, acts=False), SystemClock())
        assert [each for each in seen.findings if each.level == "mend"] == []
        assert seen.reached is not None and seen.reached.failed is None
        assert seen.clock is not None and seen.clock.ahead_ms is not None and seen.clock.within_ms is not None
        assert abs(seen.clock.ahead_ms) <= seen.clock.within_ms + 5
        assert {each.section for each in seen.sections if each.seen == "complete"} == entry.traits.sections
        assert seen.pace is not None and seen.pace.requests > 0
        sent = [asked for asked in server.asked if asked.method not in ("GET", "HEAD")]
        assert all("private" in asked.path or asked.path == "/info" for asked in sent)
        assert "94815162" not in repr(seen)


@pytest.mark.parametrize("entry", KEYED, ids=lambda entry: entry.name)
async def test_rights_that_are_not_needed_are_said_loudly(entry: Entry) -> None:
    """A key that may withdraw, one that may trade where nothing acts, and one that may not where something does."""
    async with broker_at(entry, ("read", "trade", "withdraw")) as (broker, _):
        seen = await examine(case(entry, broker, acts=False), SystemClock())
        loud = [each.what for each in seen.findings if each.level == "mend"]
        assert ["WITHDRAW" in loud[0], "TRADE" in loud[1]] == [True, True]
        acting = await examine(case(entry, broker, acts=True), SystemClock())
        assert len([each for each in acting.findings if each.level == "mend"]) == 1
    async with broker_at(entry) as (broker, _):
        seen = await examine(case(entry, broker, acts=True), SystemClock())
        (what,) = [each.what for each in seen.findings if each.level == "mend"]
        assert "may not trade" in what
