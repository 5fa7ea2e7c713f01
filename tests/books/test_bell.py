"""The bell: a program hears that corrections wait, and nobody waits for a program that does not listen."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from aiohttp import web
from tests.books.test_pushed import Shelf
from tests.loopback import on_loopback

from tieout.books import bell as ringing
from tieout.books.bell import WebhookBell
from tieout.books.posting import SIGNATURE, signature
from tieout.books.pushed import PushedBooks
from tieout.clock import VirtualClock
from tieout.model.changes import SetPosition
from tieout.model.snapshot import Balance, Position, Snapshot

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


class Hook:
    """An address that answers once it may."""

    def __init__(self) -> None:
        self.heard: list[tuple[bytes, str]] = []
        self.may, self.asked = asyncio.Event(), asyncio.Event()
        self.url = ""

    @property
    def counts(self) -> list[int]:
        """How many corrections each message said that wait."""
        return [json.loads(body)["waiting"] for body, _ in self.heard]

    async def answer(self, request: web.Request) -> web.Response:
        """One message."""
        self.heard.append((await request.read(), request.headers.get(SIGNATURE, "")))
        self.asked.set()
        await self.may.wait()
        return web.Response()


@pytest.fixture
async def hook() -> AsyncIterator[Hook]:
    """An address of this machine."""
    made, application = Hook(), web.Application()
    application.router.add_post("/hook", made.answer)
    async with on_loopback(application, shutdown_timeout=0.1) as url:
        made.url = f"{url}/hook"
        yield made
        made.may.set()


async def pushing(bell: WebhookBell) -> PushedBooks:
    """Books that were pushed once, whose corrections are told with *bell*."""
    books = PushedBooks("main", Shelf(), VirtualClock(NOW), bell=bell)
    held = Snapshot(
        schema="tieout.snapshot/1", account="main", source="local", as_of=NOW, orders=(), fills=(), activities=(),
        positions=(Position("BTC/USD", Decimal(2)),), balances=(Balance("USD", Decimal(1)),),
    )  # fmt: skip
    await books.put(held)
    return books


async def hand_over(books: PushedBooks, *names: str) -> None:
    """Ask for corrections; an address that does not answer holds none of them up."""
    async with asyncio.timeout(2):
        for name in names:
            await books.hand_over(
                name, [SetPosition("BTC/USD", "net", Decimal(3), "unexplained")], reason="unexplained"
            )


async def test_nobody_waits_for_who_does_not_answer(hook: Hook) -> None:
    """One message at a time, each signed; those that were due meanwhile are one, which says how many wait by then."""
    bell = WebhookBell(hook.url, VirtualClock(NOW), secret="s3cret")
    books = await pushing(bell)
    await hand_over(books, "a")
    await hook.asked.wait()
    await hand_over(books, "b", "c")
    hook.may.set()
    await bell.close()
    assert hook.counts == [1, 3]
    assert [signed for _, signed in hook.heard] == [signature("s3cret", body) for body, _ in hook.heard]
    await hand_over(books, "d")
    await bell.close()
    assert hook.counts == [1, 3, 4]


async def test_at_the_end_it_is_waited_for_a_while(hook: Hook, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who hangs is left behind, so that a service can stop."""
    bell = WebhookBell(hook.url, VirtualClock(NOW))
    await hand_over(await pushing(bell), "a")
    await hook.asked.wait()
    monkeypatch.setattr(ringing, "SECONDS", 0)
    await bell.close()
    assert hook.counts == [1]
    await bell.close()


async def test_a_message_that_does_not_go_through_is_logged_without_the_address(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is tried a few times; the address may be a secret."""
    bell = WebhookBell("http://127.0.0.1:9/s3cret", VirtualClock(NOW))
    with caplog.at_level(logging.WARNING):
        await hand_over(await pushing(bell), "a")
        await bell.close()
    (said,) = caplog.messages
    assert said.startswith("main: that corrections wait could not be told")
    assert "s3cret" not in said and "127.0.0.1" not in said
