"""What every loopback venue can do, whatever its protocol: shown on a toy venue, over a real socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest

from tieout.brokers.base import OrderRequest
from tieout.brokers.loopback.base import Asked, Login, LoopbackVenue, Refused, Route
from tieout.brokers.loopback.bodies import UNKNOWN_KIND, Reply, text
from tieout.brokers.loopback.faults import HttpFault, HttpRule
from tieout.brokers.simulated import Instrument, World
from tieout.clock import VirtualClock
from tieout.errors import ActionRefused
from tieout.model.amounts import dec

NOW = datetime(2026, 3, 1, tzinfo=UTC)
WHOLE = {
    "balances": [
        {"currency": "EUR", "total": "0.10", "type": "CASH"},
        {"currency": "USD", "total": "7", "type": "CASH"},
    ]
}


class Toy(LoopbackVenue):
    """Two reads and an order that is always cancelled."""

    kinds = frozenset(("type",))

    def routes(self) -> Iterable[Route]:
        return (
            Route("GET", "/time", lambda _asked: {"at": self.present().isoformat()}, signed=False),
            Route("GET", "/balances", self.balances),
            Route("DELETE", "/orders/{id}", self.cancel),
        )

    def authenticate(self, asked: Asked) -> str:
        login = self.logins.get(asked.headers.get("x-key", ""))
        if login is None:
            raise Refused(Reply({"msg": "who are you"}, 401))
        return login.account

    def no(self, asked: Asked, error: ActionRefused) -> Reply:
        return Reply({"msg": error.reason}, 400)

    def balances(self, asked: Asked) -> object:
        rows = self.desk.balances(asked.account)
        return {"balances": [{"currency": row.currency, "total": text(row.total), "type": "CASH"} for row in rows]}

    def cancel(self, asked: Asked) -> object:
        return {"status": self.desk.cancel(asked.account, broker_order_id=asked.names["id"]).status}


@pytest.fixture
async def toy() -> AsyncIterator[Toy]:
    """An account with two currencies, and its server."""
    world = World(VirtualClock(NOW))
    world.add_account("a")
    for currency, amount in (("EUR", "0.10"), ("USD", "7")):
        world.office.pay("a", "deposit", currency, dec(amount))
    async with Toy(world, Login(account="a", key="k")) as venue:
        assert isinstance(venue, Toy)
        yield venue


async def ask(venue: Toy, path: str, *, method: str = "GET", key: str = "k", patience_s: float = 5) -> tuple[int, str]:
    """One request on a connection of its own: status and text."""
    timeout = aiohttp.ClientTimeout(total=patience_s)
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.request(method, venue.url + path, headers={"X-Key": key}) as answer,
    ):
        return answer.status, await answer.text()


async def told(venue: Toy, path: str = "/balances") -> Any:
    """The document at *path*."""
    return json.loads((await ask(venue, path))[1])


async def test_a_request_is_checked_answered_and_kept(toy: Toy) -> None:
    """Who has a key is answered from the world, who has none is not, and both are in the list of what was asked."""
    assert await told(toy) == WHOLE
    assert (await ask(toy, "/balances?a=1", key="stranger"))[0] == 401
    assert (await ask(toy, "/nowhere"))[0] == 404
    assert [asked.target for asked in toy.asked] == ["/balances", "/balances?a=1", "/nowhere"]
    assert (toy.asked[1].path, toy.asked[1].fields) == ("/balances", {"a": "1"})
    assert await ask(toy, "/orders/o-1", method="DELETE") == (400, '{"msg":"no such live order"}')


@pytest.mark.parametrize(
    ("fault", "raised"),
    [
        (HttpFault.RESET, aiohttp.ClientConnectionError),
        (HttpFault.SHORT, aiohttp.ClientPayloadError),
        (HttpFault.STALL, TimeoutError),
    ],
)
async def test_a_broken_transport_is_the_client_s_to_notice(
    toy: Toy, fault: HttpFault, raised: type[Exception]
) -> None:
    """No answer, half an answer and an answer that never comes break the client's read; the one after them is whole."""
    toy.faults.inject(HttpRule(fault=fault, times=None))
    with pytest.raises(raised):
        await ask(toy, "/balances", patience_s=0.1 if fault is HttpFault.STALL else 5)
    toy.faults.clear()
    assert await told(toy) == WHOLE


async def test_a_text_comes_instead_of_the_answer(toy: Toy) -> None:
    """Any status, headers and text, to requests that fit the pattern, so often and after so many; others are not touched."""
    toy.faults.inject(HttpRule(fault=HttpFault.TEXT, endpoint="GET /bal*", skip=1, times=2, status=429, text="<html>"))
    answers = [await ask(toy, "/balances") for _ in range(4)]
    assert [status for status, _ in answers] == [200, 429, 429, 200]
    assert answers[1] == (429, "<html>")
    assert "at" in await told(toy, "/time")


async def test_bodies_come_bent(toy: Toy) -> None:
    """Half a document, numbers unquoted with every digit, further fields, kinds that nobody knows, lists gone."""
    kinds = (HttpFault.TRUNCATED, HttpFault.FLOATS, HttpFault.EXTRA, HttpFault.NEW_KIND, HttpFault.VANISHED)
    toy.faults.inject(*(HttpRule(fault=fault) for fault in kinds))
    texts = [(await ask(toy, "/balances"))[1] for _ in kinds]
    whole = (await ask(toy, "/balances"))[1]
    assert texts[0] == whole[: len(whole) // 2]
    assert texts[1] == whole.replace('"0.10"', "0.10")
    assert json.loads(texts[2])["balances"][0] == {
        **WHOLE["balances"][0],
        "futureField": {"nested": ["new", "1.5", None]},
    }
    assert {row["type"] for row in json.loads(texts[3])["balances"]} == {UNKNOWN_KIND}
    assert json.loads(texts[4]) == {"balances": []}


async def test_lies_are_told_once_and_the_world_does_not_change(toy: Toy) -> None:
    """Rows hidden, dropped or of a former time; then the truth again."""
    clock = toy.world.clock
    assert isinstance(clock, VirtualClock)
    clock.advance(60)
    toy.world.office.pay("a", "deposit", "EUR", dec("1"))
    whole = (await told(toy))["balances"]
    toy.faults.inject(
        HttpRule(fault=HttpFault.HIDDEN), HttpRule(fault=HttpFault.DROPPED), HttpRule(fault=HttpFault.STALE, seconds=30)
    )
    seen = [(await told(toy))["balances"] for _ in range(4)]
    assert seen == [[], whole[1:], WHOLE["balances"], whole]


async def test_a_page_that_comes_twice_is_the_one_before_it(toy: Toy) -> None:
    """The answer to the request before stands in for the one that was due."""
    toy.faults.inject(HttpRule(fault=HttpFault.DUPLICATE, endpoint="*page=2"))
    first = await told(toy, "/balances?page=1")
    toy.world.office.pay("a", "deposit", "USD", dec(1))
    assert await told(toy, "/balances?page=2") == first
    assert await told(toy, "/balances?page=2") != first


async def test_what_is_lost_on_the_way_back_has_happened(toy: Toy) -> None:
    """A reset before the venue took a request leaves no trace; one after it does."""
    world = toy.world
    world.add_instrument(Instrument(asset="X", kind="margin", currency="USD"))
    for taken, status in ((False, "open"), (True, "cancelled")):
        request = OrderRequest(client_order_id=f"c-{taken}", asset="X", side="buy", quantity=dec(1), limit_price=dec(1))
        order = world.submit("a", request)
        toy.faults.inject(HttpRule(fault=HttpFault.RESET, endpoint="DELETE *", taken=taken))
        with pytest.raises(aiohttp.ClientConnectionError):
            await ask(toy, f"/orders/{order.broker_order_id}", method="DELETE")
        assert world.state.account("a").orders[order.broker_order_id or ""].order.status == status


async def test_a_drip_is_whole_for_those_who_wait(toy: Toy) -> None:
    """The pieces add up to the answer; who does not wait that long has none."""
    toy.faults.inject(HttpRule(fault=HttpFault.DRIP, seconds=0.02), HttpRule(fault=HttpFault.DRIP, seconds=60))
    assert await told(toy) == WHOLE
    with pytest.raises(TimeoutError):
        await ask(toy, "/balances", patience_s=0.1)


async def test_the_end_of_a_server_ends_its_stalls(toy: Toy) -> None:
    """Who waits for an answer that never comes is let go when the server stops, without one."""
    toy.faults.inject(HttpRule(fault=HttpFault.STALL))
    waiting = asyncio.create_task(ask(toy, "/balances"))
    while not toy.asked:  # noqa: ASYNC110
        await asyncio.sleep(0)
    await toy.stop()
    with pytest.raises((aiohttp.ClientError, OSError)):
        await waiting
        raise OSError("answered at the very end")
