"""Over a real socket: whatever goes wrong is one of the family, an answer is exact, and what acts is sent once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest
from aiohttp import web
from tests.brokers.wire.wires import Answering, Server, serving, wire

from tieout.brokers.wire import http as http_module
from tieout.brokers.wire.http import Asked, Http
from tieout.brokers.wire.tries import ReadPatience
from tieout.errors import (
    ActionRefused,
    OutcomeUnknown,
    SourceError,
    SourceMalformed,
    SourceRefused,
    SourceThrottled,
    SourceTimeout,
    SourceUnreachable,
)

HTML = "<!DOCTYPE html><html><body>checking your browser</body></html>"
CALM = ReadPatience(tries_again=0)  # however slow the machine is
QUICK = ReadPatience(tries_again=0, seconds=0.3, each_seconds=0.3)


def answering(status: int, text: str, **headers: str) -> Answering:
    """Every request gets this answer."""

    async def answer(_request: web.Request) -> web.StreamResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(status=status, text=text, headers=named)

    return answer


async def reset(request: web.Request) -> web.StreamResponse:
    """The connection breaks before there is an answer."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def short(request: web.Request) -> web.StreamResponse:
    """The body ends before what was announced; what came is JSON by itself."""
    response = web.StreamResponse(headers={"Content-Length": "99"})
    await response.prepare(request)
    await response.write(b"[]")
    assert request.transport is not None
    request.transport.close()
    return web.Response()


async def endless(request: web.Request) -> web.StreamResponse:
    """The body comes in chunks, of which the last one is missing; what came is JSON by itself."""
    response = web.StreamResponse()
    response.enable_chunked_encoding()
    await response.prepare(request)
    await response.write(b"[]")
    assert request.transport is not None
    request.transport.close()
    return web.Response()


async def stall(_request: web.Request) -> web.StreamResponse:
    """Nothing comes."""
    await asyncio.sleep(30)
    return web.Response()


async def drip(request: web.Request) -> web.StreamResponse:
    """A byte every now and then, for ever."""
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b" ")
        await asyncio.sleep(0.02)


@asynccontextmanager
async def asking(answer: Answering, patience: ReadPatience = CALM) -> AsyncIterator[tuple[Server, Http]]:
    """A server that answers so, and a way to it."""
    async with serving(answer) as server:
        http = Http("v:main", server.url, wire(patience=patience))
        try:
            yield server, http
        finally:
            await http.close()


FAULTS: dict[str, tuple[Answering, type[SourceError]]] = {
    "connection reset": (reset, SourceUnreachable),
    "short body": (short, SourceUnreachable),
    "chunks without an end": (endless, SourceUnreachable),
    "a name twice": (answering(200, '{"positions":[{"a":1}],"positions":[]}'), SourceMalformed),
    **{f"{s} with rows": (answering(s, "[]"), SourceMalformed) for s in (201, 202, 203, 206, 207)},
    "truncated JSON": (answering(200, '{"rows":[{"a'), SourceMalformed),
    "HTML": (answering(200, HTML), SourceMalformed),
    "empty": (answering(200, ""), SourceMalformed),
    "no content": (answering(204, ""), SourceMalformed),
    "null": (answering(200, "null"), SourceMalformed),
    "text": (answering(200, '"ok"'), SourceMalformed),
    "a number": (answering(200, "0"), SourceMalformed),
    "NaN": (answering(200, '{"a":NaN}'), SourceMalformed),
    "one name twice": (answering(200, '{"a":1,"a":2}'), SourceMalformed),
    "nested without end": (answering(200, "[" * 100_000), SourceMalformed),
    "a number without end": (answering(200, '{"a":' + "9" * 5000 + "}"), SourceMalformed),
    "redirect": (answering(302, "{}", Location="https://elsewhere.invalid/"), SourceMalformed),
    "other status": (answering(400, "{}"), SourceError),
    "404": (answering(404, "{}"), SourceError),
    **{str(s): (answering(s, "{}"), SourceRefused) for s in (401, 403, 407, 451)},
    **{str(s): (answering(s, HTML), SourceThrottled) for s in (418, 429)},
    **{str(s): (answering(s, HTML), SourceUnreachable) for s in (500, 501, 502, 503, 520, 521, 599)},
    **{str(s): (answering(s, "{}"), SourceTimeout) for s in (408, 504, 522, 524)},
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_is_the_right_failure(fault: str) -> None:
    """Each fault of the table is its member of the family, exactly, and never an answer."""
    answer, kind = FAULTS[fault]
    async with asking(answer) as (server, http):
        with pytest.raises(SourceError) as failed:
            await http.get("positions", "/v2/positions")
        assert (type(failed.value), failed.value.source, failed.value.scope) == (kind, "v:main", "positions")
        assert len(server.asked) == 1


@pytest.mark.parametrize("answer", [stall, drip])
async def test_who_does_not_finish_in_time_did_not_answer(answer: Answering) -> None:
    """Silence and a body that drips for ever end with the deadline."""
    async with serving(answer) as server:
        way = wire(patience=ReadPatience(tries_again=0, seconds=30, each_seconds=30))
        http = Http("v:main", server.url, way.patient(QUICK))
        with pytest.raises(SourceTimeout):
            await http.get("positions", "/p")
        await http.close()
    assert way.measured["read"].failures == {"timeout": 1}


async def test_nobody_there_is_unreachable() -> None:
    """A port that nobody listens on, and a name that nobody has."""
    async with serving(answering(200, "[]")) as server:
        gone = server.url
    for url in (gone, "http://nobody.invalid"):
        http = Http("v", url, wire())
        with pytest.raises(SourceUnreachable):
            await http.get("positions", "/p")
        with pytest.raises(ActionRefused, match="nothing was sent"):
            await http.send("submit 1", "POST", "/orders", {})
        await http.close()


async def test_numbers_are_exact() -> None:
    """Every digit that was sent, quoted or not, large or small."""
    text = '{"a":118692.04840909090909090909,"b":12345678901234567890123,"c":"0.10","d":1e-18,"e":-0.0}'
    async with asking(answering(200, text)) as (_, http):
        answer = await http.get("positions", "/p")
        found = answer.fields()
    assert str(found["a"]) == "118692.04840909090909090909"
    assert found["b"] == 12345678901234567890123
    assert [found[name] for name in "cde"] == ["0.10", Decimal("1E-18"), Decimal("-0.0")]
    assert not [value for value in found.values() if isinstance(value, float)]


async def test_an_answer_may_be_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """What never ends, or unpacks to far more than it was, is not read to its end."""
    monkeypatch.setattr(http_module, "MAX_BYTES", 100_000)

    async def bomb(_request: web.Request) -> web.StreamResponse:
        response = web.Response(text='["' + "0" * 10**6 + '"]')
        response.enable_compression(web.ContentCoding.gzip)
        return response

    async with asking(bomb) as (_, http):
        with pytest.raises(SourceMalformed, match="size"):
            await http.get("positions", "/p")


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7), ("1.2", 2), ("0", 0), ("-5", None), ("soon", None), ("", None), ("9" * 30, None)],
)
async def test_how_long_a_venue_asks_to_wait(header: str, seconds: int | None) -> None:
    """Whole seconds, rounded up; what cannot be understood is not there."""
    async with asking(answering(429, "{}", Retry_After=header)) as (_, http):
        with pytest.raises(SourceThrottled) as failed:
            await http.get("positions", "/p")
        assert failed.value.retry_after_s == seconds


async def test_a_status_may_be_the_answer() -> None:
    """A 404 with JSON is the venue's word where the adapter says so; a page in its place is not."""
    async with asking(answering(404, '{"code":40410000}')) as (server, http):
        assert (await http.get("orders", "/orders/1", answers=(404,))).status == 404
        server.answer = answering(404, HTML)
        with pytest.raises(SourceMalformed):
            await http.get("orders", "/orders/1", answers=(404,))
        server.answer = answering(500, '{"code":1}')
        with pytest.raises(SourceUnreachable):
            await http.get("orders", "/orders/1", answers=(404,))


async def test_shapes_are_checked_where_they_are_read() -> None:
    """An object or a list in the other's place, or nothing, is malformed and not empty."""
    for body, path, good in (
        ("{}", (), False),
        ("[]", (), True),
        ('{"a":[1]}', ("a",), True),
        ('{"a":{}}', ("a",), False),
    ):
        async with asking(answering(200, body)) as (_, http):
            answer = await http.get("orders", "/o")
            if good:
                answer.rows(*path)
                continue
            with pytest.raises(SourceMalformed):
                answer.rows(*path)
            with pytest.raises(SourceMalformed):
                (answer if body == "{}" else answer._replace(body=[])).fields()


async def test_what_is_signed_is_what_is_sent() -> None:
    """The target, query and body that the signature saw are those of the request, to the byte."""
    signed = list[Asked]()

    def sign(asked: Asked) -> dict[str, str]:
        signed.append(asked)
        return {"X-Signed": str(len(signed))}

    async with serving(answering(200, "{}")) as server:
        http = Http("v", server.url + "/base", wire(), sign=sign)
        await http.get("fills", "/v2/fills", {"after": "2026-11-20T10:00:00+00:00", "symbols": "BTC/USD,a b"})
        await http.send("submit", "POST", "/v2/orders", {"qty": "0.10"})
        await http.close()
    assert [(asked.method, asked.target, asked.body) for asked in signed] == server.asked
    assert server.asked[0][1].startswith("/base/v2/fills?after=2026-11-20T10:00:00%2B00:00")
    assert json.loads(server.asked[1][2]) == {"qty": "0.10"}


SENT: dict[str, tuple[Answering, type[Exception]]] = {
    "reset": (reset, OutcomeUnknown),
    "short body": (short, OutcomeUnknown),
    "truncated": (answering(200, '{"id"'), OutcomeUnknown),
    "empty": (answering(200, ""), OutcomeUnknown),
    "HTML": (answering(200, HTML), OutcomeUnknown),
    "null": (answering(200, "null"), OutcomeUnknown),
    "redirect": (answering(307, "{}", Location="/elsewhere"), OutcomeUnknown),
    "a page for a 404": (answering(404, HTML), OutcomeUnknown),
    **{str(s): (answering(s, "{}"), OutcomeUnknown) for s in (408, 409, 500, 502, 503, 504, 520)},
    **{str(s): (answering(s, '{"code":40010001}'), ActionRefused) for s in (400, 401, 403, 404, 418, 422, 429, 451)},
}


@pytest.mark.parametrize("fault", SENT)
@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_what_acts_is_sent_once(fault: str, method: str) -> None:
    """Whatever comes back: one request, and *refused* only where the venue surely said no."""
    answer, kind = SENT[fault]
    async with asking(answering(200, "{}"), ReadPatience(tries_again=5)) as (server, http):
        await http.get("time", "/t")  # a kept connection, which aiohttp would ask again over for a DELETE
        server.asked.clear()
        server.answer = answer
        with pytest.raises((ActionRefused, OutcomeUnknown)) as failed:
            await http.send("submit 1", method, "/orders", {"qty": "1"})
        assert (type(failed.value), len(server.asked)) == (kind, 1)


async def test_what_acts_and_gets_no_answer_is_unknown() -> None:
    """Silence until its time is up, after one request."""
    async with asking(stall, ReadPatience(tries_again=5, seconds=0.3)) as (server, http):
        with pytest.raises(OutcomeUnknown):
            await http.send("submit 1", "POST", "/orders", {})
        assert len(server.asked) <= 1


async def test_a_venue_that_does_not_know_itself_refuses_nothing() -> None:
    """Where its own code says that the outcome is unknown, or that it is down, a status of 400 changes nothing about it."""
    codes = {"-1007": SourceTimeout, "10016": SourceUnreachable, "-2015": SourceRefused}
    for code, kind in (
        ("-1007", OutcomeUnknown),
        ("10016", OutcomeUnknown),
        ("-2015", ActionRefused),
        ("1", ActionRefused),
    ):
        async with serving(answering(400, f'{{"code":{code}}}')) as server:
            http = Http("v", server.url, wire(), codes=codes)
            with pytest.raises(kind):
                await http.send("submit 1", "POST", "/orders", {})
            await http.close()


async def test_no_content_is_a_good_end_for_a_deed() -> None:
    """A cancel that is answered with 204 was taken."""
    async with asking(answering(204, "")) as (_, http):
        assert (await http.send("cancel 1", "DELETE", "/orders/1")).body is None


async def test_a_read_is_tried_again_as_the_wire_says_and_not_more() -> None:
    """One try is one request on the socket, kept connections included."""
    async with asking(answering(200, "[]"), ReadPatience(tries_again=1)) as (server, http):
        await http.get("positions", "/p")
        server.asked.clear()
        server.answer = reset
        with pytest.raises(SourceUnreachable):
            await http.get("positions", "/p")
        assert len(server.asked) == 2


async def test_a_closed_way_is_unreachable() -> None:
    """Also for what acts, of which nothing was sent; closing again is fine."""
    async with asking(answering(200, "[]")) as (server, http):
        await http.get("positions", "/p")
        await http.close()
        await http.close()
        with pytest.raises(SourceUnreachable, match="closed"):
            await http.get("positions", "/p")
        with pytest.raises(ActionRefused, match="nothing was sent"):
            await http.send("submit 1", "POST", "/orders", {})
        assert len(server.asked) == 1


async def test_no_failure_tells_what_the_venue_wrote() -> None:
    """Neither amounts nor tokens of a body, a header or a query get into a failure's text."""
    for text in ('{"code":"you hold 1234567 of it and that is too much","message":"9876543"}', "[9876543]", "1234567"):
        for status in (200, 400, 429, 500):
            async with asking(answering(status, text)) as (_, http):
                try:
                    answer = await http.get("positions", "/p", {"key": "7654321"})
                    answer.rows()
                except SourceError as failed:
                    assert not {"1234567", "9876543", "7654321"} & set(str(failed).replace(",", " ").split())
