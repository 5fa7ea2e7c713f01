"""The process and its client: what only happens where there is a network between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import web
from tests.loopback import on_loopback

from tieout.brokers.base import OrderRequest
from tieout.brokers.simulated import Fault, FaultRule, Instrument, World
from tieout.brokers.simulated.commands import (
    AddAccount,
    AddInstrument,
    Advance,
    AmendOrder,
    Command,
    EndOrder,
    FillOrder,
    Inject,
    Move,
    Pay,
    Rename,
    SetPrice,
    SetUsdPrice,
    Split,
    Trade,
    perform,
)
from tieout.brokers.simulated.process import VenueProcess
from tieout.brokers.simulated.remote import RemoteSimulatedBroker
from tieout.brokers.simulated.remote_world import RemoteWorld
from tieout.clock import VirtualClock
from tieout.errors import (
    ActionRefused,
    OutcomeUnknown,
    SourceMalformed,
    SourceRefused,
    SourceTimeout,
    SourceUnreachable,
)
from tieout.model.amounts import dec

NOW = datetime(2026, 11, 20, tzinfo=UTC)
REQUEST = OrderRequest(client_order_id="c-1", asset="X", side="buy", quantity=dec(1), limit_price=dec(1))


async def test_the_process_ends_cleanly_with_a_request_in_hand(tmp_path: Path) -> None:
    """A call that is never answered times out at the client, and SIGTERM ends the process with status 0."""
    with VenueProcess(tmp_path / "world.sqlite") as process:
        world = RemoteWorld(process.url)
        await world.perform(AddAccount(account="main"))
        silence = FaultRule(fault=Fault.LATENCY, seconds=3600, times=None)
        await world.inject(Inject(account="main", rules=(silence,)))
        broker = RemoteSimulatedBroker(process.url, "main", timeout_s=0.2)
        with pytest.raises(SourceTimeout):
            await broker.get_positions()
        with pytest.raises(OutcomeUnknown):
            await broker.submit_order(REQUEST)
        await broker.close()
        await world.close()
        assert process.stop() == 0


async def test_a_restart_keeps_the_world_and_its_clock(tmp_path: Path) -> None:
    """The trading side may come and go, and the venue's process too: the world and its virtual time go on."""
    file = tmp_path / "world.sqlite"
    with VenueProcess(file, seed=7, virtual_from=NOW) as process:
        world = RemoteWorld(process.url)
        await world.perform(AddAccount(account="main"))
        await world.perform(Advance(seconds=90))
        await world.perform(Pay(account="main", kind="deposit", currency="USD", amount=dec("0.1")))
        before = await world.truth("main")
        await world.close()
    with VenueProcess(file, seed=7, virtual_from=NOW) as process:
        world = RemoteWorld(process.url)
        assert await world.truth("main") == before
        await world.close()


def test_a_second_process_on_one_file_does_not_come_up(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """It says why on standard error and ends."""
    with VenueProcess(tmp_path / "world.sqlite"):
        with pytest.raises(SourceUnreachable):
            VenueProcess(tmp_path / "world.sqlite")
        assert "locked" in capfd.readouterr().err


async def test_an_unknown_account_is_refused_not_empty(tmp_path: Path) -> None:
    """Asking for an account that the venue does not have is a matter of permission, never a flat account."""
    with VenueProcess(tmp_path / "world.sqlite") as process:
        broker = RemoteSimulatedBroker(process.url, "nobody")
        with pytest.raises(SourceRefused):
            await broker.get_positions()
        with pytest.raises(ActionRefused):
            await broker.submit_order(REQUEST)
        await broker.close()


async def test_nobody_there_is_unreachable() -> None:
    """A closed port is `SourceUnreachable` for a read and `OutcomeUnknown` for a submit."""
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    broker = RemoteSimulatedBroker(f"http://127.0.0.1:{port}", "main")
    with pytest.raises(SourceUnreachable):
        await broker.get_fills(NOW)
    with pytest.raises(OutcomeUnknown):
        await broker.submit_order(REQUEST)
    await broker.close()


@asynccontextmanager
async def answering(body: bytes, status: int = 200) -> AsyncIterator[RemoteSimulatedBroker]:
    """A broker whose venue answers everything with *body*."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=body, status=status)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with on_loopback(app) as url:
        broker = RemoteSimulatedBroker(url, "main")
        yield broker
        await broker.close()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b"<html>maintenance</html>",
        b'{"rows":[]}',
        b'{"rows":[],"complete":null}',
        b'{"rows":[{"asset":"X","amount":"NaN"}],"complete":true}',
        b'{"rows":[{"asset":"X","amount":"Infinity"}],"complete":true}',
        b'{"rows":[{"asset":"X","amount":"1","side":"short"}],"complete":true}',
        b'{"rows":[{"asset":"X"}],"complete":true}',
    ],
)
async def test_an_odd_answer_is_malformed_never_empty(body: bytes) -> None:
    """An answer that is not what the venue's format says is not believed."""
    async with answering(body) as broker:
        with pytest.raises(SourceMalformed):
            await broker.get_positions()
        with pytest.raises(SourceMalformed):
            await broker.get_order(client_order_id="c-1")
        with pytest.raises(OutcomeUnknown):
            await broker.submit_order(REQUEST)


Ask = Callable[[RemoteSimulatedBroker], Awaitable[object]]


@pytest.mark.parametrize(
    ("status", "error"),
    [(404, SourceMalformed), (401, SourceRefused), (500, SourceUnreachable), (502, SourceUnreachable)],
)
@pytest.mark.parametrize(
    "ask", [lambda broker: broker.get_positions(), lambda broker: broker.get_order(client_order_id="c-1")]
)
async def test_a_status_is_never_an_empty_account(status: int, error: type[Exception], ask: Ask) -> None:
    """A status that is no success raises, whatever its body says; for a submit it leaves the outcome open."""
    async with answering(b'{"rows":[],"complete":true,"known":false}', status) as broker:
        with pytest.raises(error):
            await ask(broker)
        with pytest.raises((OutcomeUnknown, ActionRefused)):
            await broker.submit_order(REQUEST)


EVERYTHING: tuple[Command, ...] = (
    AddAccount(account="main"),
    AddInstrument(instrument=Instrument(asset="ACME", kind="cash", currency="USD", fee_rate=dec("0.000013"))),
    Pay(account="main", kind="deposit", currency="USD", amount=dec("1000.000000000000000001")),
    SetUsdPrice(currency="EUR", price=dec("1.1")),
    SetPrice(asset="ACME", price=dec(20), available=dec(7)),
    Trade(account="main", asset="ACME", side="buy", quantity=dec(10), price=dec("19.5"), client_order_id="web-1"),
    Advance(seconds=5),
    Move(account="main", kind="transfer", asset="ACME", amount=dec(2)),
    Split(asset="ACME", new_for_old="3/2"),
    Rename(asset="ACME", new_asset="ACNE"),
    Trade(account="main", asset="ACNE", side="sell", quantity=dec(1), price=dec(14), liquidation=True),
)


async def test_commands_do_the_same_in_process_and_over_the_wire(tmp_path: Path) -> None:
    """The same commands from the same seed and time give the same account here and there, order by order."""
    here = World(VirtualClock(NOW), seed=7)
    with VenueProcess(tmp_path / "world.sqlite", seed=7, virtual_from=NOW) as process:
        there, broker = RemoteWorld(process.url), RemoteSimulatedBroker(process.url, "main")
        for command in EVERYTHING:
            assert await there.perform(command) == perform(here, command)
        for number in (1, 2):
            request = OrderRequest(
                client_order_id=f"c-{number}", asset="ACNE", side="buy", quantity=dec(4), limit_price=dec(number)
            )
            resting = await broker.submit_order(request)
            assert resting == here.submit("main", request)
            name = resting.broker_order_id or ""
            for command in (
                AmendOrder(account="main", broker_order_id=name, quantity=dec(3)),
                FillOrder(account="main", broker_order_id=name, quantity=dec(1), price=dec("0.5")),
                EndOrder(account="main", broker_order_id=name),
            ):
                assert await there.perform(command) == perform(here, command)
        assert (await there.truth("main")).snapshot == here.snapshot("main")
        await broker.close()
        await there.close()


async def test_bad_commands_are_refused(tmp_path: Path) -> None:
    """What the venue cannot do is refused with its reason, and the process goes on."""
    with VenueProcess(tmp_path / "world.sqlite") as process:
        world = RemoteWorld(process.url)
        with pytest.raises(ActionRefused, match="no such account"):
            await world.perform(Pay(account="main", kind="deposit", currency="USD", amount=dec(1)))
        with pytest.raises(ActionRefused, match="virtual clock"):
            await world.perform(Advance(seconds=1))
        await world.close()
