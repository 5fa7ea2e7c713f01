"""ccxt over the wire, on a real socket: each request waits for its turn, reads are tried again, and what acts never is."""

from __future__ import annotations

import contextlib
import json
import random
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal

import pytest
from tests.brokers.ccxt.venue import SINCE, always, at, venue
from tests.conform.loopback import Answer, Asked, Cut

from tieout.brokers.base import OrderRequest
from tieout.brokers.ccxt.venues import VENUES
from tieout.brokers.wire.limits import Limits
from tieout.brokers.wire.tries import ReadPatience
from tieout.brokers.wire.venues import LIMITS, UNKNOWN, limits_of
from tieout.brokers.wire.wire import Wire
from tieout.clock import SystemClock, VirtualClock
from tieout.errors import (
    ActionRefused,
    OutcomeUnknown,
    SourceError,
    SourceIncomplete,
    SourceRefused,
    SourceThrottled,
    SourceTimeout,
    SourceUnreachable,
)

HTML = "<html><body>busy</body></html>"
NOTHING = {"bybit": '{"retCode":0,"result":{"list":[],"nextPageCursor":""}}', "okx": '{"code":"0","data":[]}'}


def wire(limits: Limits = LIMITS["binance"], *, tries_again: int = 0) -> Wire:
    """A wire in virtual time."""
    patience = ReadPatience(tries_again=tries_again, seconds=600, each_seconds=600)
    return Wire("v", clock=VirtualClock(SINCE), limits=limits, patience=patience, random=random.Random(7))


ROWS: list[tuple[str, int, str, type[SourceError]]] = [
    ("binance", 503, '{"code":-1008,"msg":"busy"}', SourceThrottled),
    ("binance", 400, '{"code":-1008,"msg":"busy"}', SourceThrottled),
    ("binanceusdm", 400, '{"code":-1007,"msg":"late"}', SourceTimeout),
    ("bybit", 200, '{"retCode":10016,"retMsg":"server"}', SourceUnreachable),
    ("bybit", 200, '{"retCode":10000,"retMsg":"late"}', SourceTimeout),
    ("bybit", 200, '{"retCode":10018,"retMsg":"slow down"}', SourceThrottled),
    ("okx", 200, '{"code":"50011","msg":"slow down"}', SourceThrottled),
    ("okx", 200, '{"code":"50026","msg":"down"}', SourceUnreachable),
    *((name, 429, "{}", SourceThrottled) for name in ("bybit", "okx", "kraken", "coinbase")),
    *((name, 418, "{}", SourceThrottled) for name in ("bybit", "okx")),
    *((name, 503, "{}", SourceUnreachable) for name in ("bybit", "okx")),
    *((name, 401, "{}", SourceRefused) for name in ("bybit", "okx")),
    ("coinbase", 429, '{"error":"rate","message":"m"}', SourceThrottled),
    ("coinbase", 500, '{"error":"internal","message":"m"}', SourceUnreachable),
    *((name, 404, HTML, SourceError) for name in ("kraken", "coinbase", "bybit")),
    *((name, 403, HTML, SourceRefused) for name in ("kraken", "coinbase", "okx")),
    *((name, 451, HTML, SourceRefused) for name in ("kraken", "bybit")),
    *((name, 200, Cut("[]"), SourceUnreachable) for name in ("binance", "bybit", "kraken", "okx", "coinbase")),
]


@pytest.mark.parametrize(("name", "status", "body", "kind"), ROWS)
async def test_what_ccxt_calls_otherwise_is_the_right_failure(
    name: str, status: int, body: str, kind: type[SourceError]
) -> None:
    """By status and by the venue's own code, where ccxt's class is another one."""
    async with venue(name, always(status, body), wire=wire(limits_of(name))) as (broker, _):
        with pytest.raises(SourceError) as failed:
            await broker.get_open_orders()
        assert type(failed.value) is kind


async def test_a_read_is_tried_again_and_counted() -> None:
    """Two failures and an answer are three requests, and a whole reading."""
    answers = [(503, HTML), (502, HTML), (200, "[]")]
    way = wire(tries_again=2)
    async with venue("binance", lambda _asked: answers.pop(0), wire=way) as (broker, asked):
        assert await broker.get_open_orders() == ()
        assert broker.capabilities().tries_again
    told = way.measured["read"]
    assert (len(asked), told.requests, told.retries, told.failures) == (3, 3, 2, {"unavailable": 2})


async def test_a_refused_key_is_asked_with_once() -> None:
    """Asking on would lock it."""
    async with venue("binance", always(401, '{"code":-2015,"msg":"key"}'), wire=wire(tries_again=5)) as (broker, asked):
        with pytest.raises(SourceRefused):
            await broker.get_open_orders()
    assert len(asked) == 1


REQUEST = OrderRequest(
    client_order_id="c1", asset="QQQ/EUR", side="buy", quantity=Decimal("1"), limit_price=Decimal("2")
)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (503, HTML, OutcomeUnknown),
        (200, HTML, OutcomeUnknown),
        (429, "{}", ActionRefused),
        (200, Cut("{}"), OutcomeUnknown),
    ],
)
async def test_an_order_is_sent_once(status: int, body: str, kind: type[Exception]) -> None:
    """However patient the wire is, and whatever comes back."""
    way = wire(tries_again=5)
    async with venue("binance", always(status, body), wire=way) as (broker, asked):
        with pytest.raises(kind):
            await broker.submit_order(REQUEST)
    assert [one.path for one in asked] == ["/api/v3/order"]
    assert way.measured["trade"].requests == 1


async def test_requests_weigh_what_the_venue_says() -> None:
    """Binance: open orders of all assets weigh 80, an account 20; when the minute is used up, nothing more goes out."""
    way = wire(Limits(((110, 60_000),), per_cost=5))
    account = '{"balances":[]}'
    async with venue("binance", at({"openOrders": "[]", "account": account}), wire=way) as (broker, asked):
        await broker.get_open_orders()
        await broker.get_balances()
        assert way.measured["read"].waited_ms == 0
        await broker.get_open_orders()
        assert way.measured["read"].waited_ms > 60_000
        impatient = way.patient(ReadPatience(tries_again=0, seconds=5))
        async with venue("binance", at({"account": account}), wire=impatient) as (second, asked_too):
            with pytest.raises(SourceThrottled):
                await second.get_open_orders()
            await second.get_balances()
        assert (len(asked), len(asked_too)) == (3, 1)


async def test_a_venue_s_word_to_wait_holds_for_every_account_of_the_key() -> None:
    """Nothing at all is sent meanwhile, neither to read nor to act."""
    way = wire()

    def answer(asked: Asked) -> tuple[int, str]:
        return (429, "{}")

    async with venue("binance", answer, wire=way) as (broker, asked):
        with pytest.raises(SourceThrottled):
            await broker.get_open_orders()
        way.limiter.pause(30)
        other = way.patient(ReadPatience(tries_again=0, seconds=10))
        async with venue("binance", answer, wire=other) as (second, asked_too):
            with pytest.raises(SourceThrottled):
                await second.get_open_orders()
            with pytest.raises(ActionRefused, match="nothing was sent"):
                await second.submit_order(REQUEST)
        assert (len(asked), len(asked_too)) == (1, 0)


async def test_what_needs_no_request_says_nothing_about_the_venue() -> None:
    """Markets that are known and arguments that are checked here neither count as requests nor close a breaker."""
    way = wire()
    async with venue("binance", always(200, "{}"), wire=way) as (broker, asked):
        with pytest.raises(ActionRefused, match="InvalidOrder"):
            await broker.submit_order(OrderRequest(client_order_id="c", asset="QQQ/EUR", side="buy",
                                                   quantity=Decimal("0.00001"), limit_price=Decimal("2")))  # fmt: skip
    assert asked == []
    assert {name: told.requests for name, told in way.measured.items()} == {"public": 0, "trade": 0}


async def test_the_clock_s_offset_is_known_after_a_reading() -> None:
    """By the venue's own time, asked for over the wire."""
    way = Wire("v", clock=SystemClock(), limits=LIMITS["binance"], random=random.Random(7))
    body = json.dumps({"serverTime": int(SystemClock().now().timestamp() * 1000) + 60_000})
    async with venue("binance", always(200, body), wire=way) as (broker, _):
        await broker.server_time()
    ahead = way.offset.ahead
    assert ahead is not None
    assert 55 < ahead.total_seconds() < 61


# The venues' own documents allow these more than ccxt's pace.
FASTER = {"binanceusdm", "binancecoinm", "kucoin", "kucoinfutures", "krakenfutures"}


@pytest.mark.parametrize("name", VENUES)
def test_every_venue_of_ccxt_has_limits(name: str) -> None:
    """Declared, and over its longest window no faster than ccxt's own pace, but where the venue says more."""
    import ccxt

    client = getattr(ccxt, name)()
    assert limits_of(name) is not UNKNOWN
    weight, window = max(limits_of(name).rates, key=lambda rate: rate[1])
    pace = window / client.rateLimit * limits_of(name).per_cost
    assert weight <= pace * (2 if name in FASTER else 1.2)
    known = {path for api in client.api.values() for path in _paths(api)}
    assert set(limits_of(name).own) <= known, "as ccxt names the endpoints, or the limit is never met"


def _paths(api: object) -> Iterator[str]:
    for name, inner in api.items() if isinstance(api, dict) else ():
        yield name
        yield from _paths(inner)


@pytest.mark.parametrize("name", ["okx", "bybit"])
async def test_each_request_counts_where_the_venue_counts_it(name: str) -> None:
    """The unmodified client's requests, as the server got them, are what the limiter counted, endpoint by endpoint."""
    answers = {"okx": '{"code":"0","data":[]}', "bybit": '{"retCode":0,"result":{"list":[],"nextPageCursor":""}}'}
    way = wire(limits_of(name))
    async with venue(name, always(200, answers[name]), wire=way) as (broker, asked):
        for read in (broker.get_open_orders, broker.get_positions, lambda: broker.get_fills(SINCE)):
            with contextlib.suppress(SourceIncomplete):
                await read()
        counted = Counter(
            each.path.partition("?")[0].partition("/api/v5/" if name == "okx" else "/")[2] for each in asked
        )
        assert len(counted) >= 3
        assert {path: taken for path, taken in way.limiter.taken.items() if taken} == counted


def in_turn(answers: list[tuple[int, str] | None]) -> Answer:
    """Answer each request by the next of *answers*."""
    return lambda _asked: answers.pop(0)


async def test_a_cancel_is_not_sent_twice_where_a_kept_connection_breaks() -> None:
    """aiohttp would send a DELETE once more by itself; and a read is one request for each try that is counted."""
    order = {"symbol": "QQQEUR", "orderId": 1, "clientOrderId": "c1", "price": "2", "origQty": "1", "executedQty": "0",
             "status": "NEW", "type": "LIMIT", "side": "BUY", "time": 1772330645123}  # fmt: skip
    for wired in (None, wire()):
        answers: list[tuple[int, str] | None] = [(200, json.dumps(order)), None, None]
        async with venue("binance", in_turn(answers), wire=wired, assets=("QQQ/EUR",)) as (broker, asked):
            with pytest.raises(OutcomeUnknown):
                await broker.cancel_order(client_order_id="c1")
            assert len(asked) == 2
            with pytest.raises(SourceUnreachable):
                await broker.get_open_orders()
            assert len(asked) == 3
