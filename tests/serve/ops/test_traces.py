"""Spans at a real collector: what takes time and where, nothing of what is held, and no reading that waits for it."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import ClientSession, web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.loopback import on_loopback
from tests.proving import PROVE
from tests.serve.api.stage import ACCOUNT, CLOCK, Stage, staged, write_trade
from tieout.config import Config, load
from tieout.config.lines import located
from tieout.errors import BadInput
from tieout.serve import exporting
from tieout.serve.access.roles import Role
from tieout.serve.api.app import build_app
from tieout.serve.listening import listening
from tieout.serve.tracing import VARIABLE, TracedRequests, traced
from tieout.spans import TRACER, span

AMOUNT, FILLED = "2.01182818", "0.01182818"
HEALS = (
    ACCOUNT
    + """
[[accounts.{name}.policy.rules]]
cause = ["EXTERNAL_TRADE"]
strategy = "SYNC_TO_BROKER"
"""
)
HANGS_S = 60  # what the sender waits for a collector that hangs
STAGES = {"fetch local", "fetch broker", "compare", "explain", "decide", "record", "act"}
FACTS = {
    "tieout.account", "tieout.venue", "tieout.trigger", "tieout.outcome", "tieout.findings", "error.type",
    "http.request.method", "http.route", "http.response.status_code",
}  # fmt: skip


class Collector:
    """What a collector was sent."""

    def __init__(self) -> None:
        self.raw = list[bytes]()
        self.paths = set[str]()
        self.asked = 0
        self.answers = asyncio.Event()

    @property
    def requests(self) -> list[ExportTraceServiceRequest]:
        """The same, decoded."""
        return [ExportTraceServiceRequest.FromString(each) for each in self.raw]

    @property
    def spans(self) -> list[Span]:
        """All of them."""
        scopes = [scope for each in self.requests for part in each.resource_spans for scope in part.scope_spans]
        assert {scope.scope.name for scope in scopes} <= {"tieout"}, "somebody else tells it, too"
        return [one for scope in scopes for one in scope.spans]


def facts(one: Span) -> dict[str, object]:
    """The attributes of a span."""
    return {each.key: getattr(each.value, str(each.value.WhichOneof("value"))) for each in one.attributes}


async def _gone() -> None:
    """Wait for the threads that send: their tries ask for chance, which Hypothesis takes for a fault of the next test."""
    sending = [
        each for each in threading.enumerate() if each.name in ("OtelBatchSpanRecordProcessor", "tieout traces end")
    ]
    for each in sending:
        await asyncio.to_thread(each.join, 60)
        assert not each.is_alive()


@asynccontextmanager
async def collecting(*, hangs: bool = False) -> AsyncIterator[tuple[str, Collector]]:
    """A collector on loopback; one that *hangs* takes what it is sent and never answers."""
    collector = Collector()

    async def take(request: web.Request) -> web.Response:
        collector.asked += 1
        collector.paths.add(request.path)
        collector.raw.append(await request.read())
        if hangs:
            await collector.answers.wait()
        return web.Response()

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", take)
    async with on_loopback(app) as url:
        try:
            yield url, collector
        finally:
            collector.answers.set()
            await _gone()


def told(tmp_path: Path, endpoint: str) -> Config:
    """A configuration that names a collector."""
    path = tmp_path / "traces.toml"
    path.write_text(f'[service]\ntraces = "{endpoint}"\n', "utf-8")
    return load(path, None, {})


async def _traded(stage: Stage) -> None:
    """A fill that the books lack, until it is booked."""
    write_trade(stage.folder, "main", AMOUNT, "BTC/USD")
    await stage.reconciled()
    held = json.loads((stage.folder / "main-local.json").read_text("utf-8"))
    assert AMOUNT in str(held["positions"]), "it was acted on"


async def _asked(stage: Stage, token: str) -> None:
    """Requests of every kind, over a socket."""
    app, config = TracedRequests(build_app(stage.desk)), load(stage.folder / "tieout.toml", None, {})
    async with listening(app, config.service, "x") as url, ClientSession() as session:
        for method, path, shown in (
            ("GET", "/v1/accounts/main?q=4711", token),
            ("POST", "/v1/accounts/main/reconcile", token),
            ("GET", "/v1/breaks/4711", token),
            ("GET", "/v1/nowhere/4711", token),
            ("GET", "/healthz", token),
            ("GET", "/v1/accounts", "4711"),
        ):
            await session.request(method, url + path, headers={"Authorization": f"Bearer {shown}"})


async def test_what_takes_time_is_told_and_nothing_that_is_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One span a reading with its parts, one a request by its route; no amount, no asset, no secret."""
    async with collecting() as (endpoint, collector):
        monkeypatch.setenv("FASTAPI_OTEL_AUTO_CONFIGURE", "true")  # it would tell of everything
        monkeypatch.setenv(VARIABLE, endpoint)
        async with traced(told(tmp_path, endpoint), {}), staged(tmp_path, ("main",), configured=HEALS) as stage:
            await _traded(stage)
            await _asked(stage, token := await stage.token(Role.VIEWER, Role.OPERATOR))
    spans = collector.spans
    _require_readings(spans)
    _require_requests(spans)
    whole = b"".join(collector.raw)
    for word in (AMOUNT, FILLED, "BTC", "50000", "10000", "4711", token, token.split("_", 2)[2]):
        assert word.encode() not in whole
    assert {name for one in spans for name in facts(one)} <= FACTS
    assert not any(one.events or one.links or one.status.message for one in spans)
    assert collector.paths == {"/v1/traces"}, "no library tells the collector anything by itself"


def _require_readings(spans: list[Span]) -> None:
    """Each is a whole of its own, and all that took its time is within it."""
    readings = {one.span_id: one for one in spans if one.name == "reading"}
    assert all(not one.parent_span_id for one in readings.values())
    seen = [facts(one) for one in readings.values()]
    assert {each["tieout.outcome"] for each in seen} == {"matched", "discrepancies"}
    assert all((each["tieout.findings"] == 0) == (each["tieout.outcome"] == "matched") for each in seen)
    assert {(each["tieout.account"], each["tieout.venue"]) for each in seen} == {("main", "file")}
    assert {each["tieout.trigger"] for each in seen} >= {"startup", "manual"}
    parts = [one for one in spans if one.parent_span_id]
    assert {one.name for one in parts} == STAGES
    for one in parts:
        within = readings[one.parent_span_id]
        assert one.trace_id == within.trace_id
        assert within.start_time_unix_nano <= one.start_time_unix_nano <= one.end_time_unix_nano
        assert one.end_time_unix_nano <= within.end_time_unix_nano
    assert sum(one.name == "act" for one in parts) == 1


def _require_requests(spans: list[Span]) -> None:
    """Each by its route, whoever asks, and no reading within one."""
    asked = [one for one in spans if one.kind == Span.SPAN_KIND_SERVER]
    assert sorted((one.name, facts(one)["http.response.status_code"]) for one in asked) == [
        ("GET", 404),
        ("GET /v1/accounts", 401),
        ("GET /v1/accounts/{account}", 200),
        ("GET /v1/breaks/{break_id}", 404),
        ("POST /v1/accounts/{account}/reconcile", 200),
    ]
    assert not any(one.parent_span_id for one in asked)
    assert {one.trace_id for one in asked}.isdisjoint(one.trace_id for one in spans if one.name == "reading")


async def test_a_fault_is_told_by_its_class_alone(tmp_path: Path) -> None:
    """What broke a span off is in it, without its text."""
    async with collecting() as (endpoint, collector):
        async with traced(told(tmp_path, endpoint), {}):
            with pytest.raises(ValueError, match="4711"), span("reading", whole=True):
                raise ValueError("4711 BTC")
        (one,) = collector.spans
        assert (one.status.code, facts(one)) == (Status.STATUS_CODE_ERROR, {"error.type": "ValueError"})
        assert b"4711" not in collector.raw[0]


@pytest.mark.parametrize("how", ["hangs", "refuses"])
async def test_a_collector_that_fails_delays_nothing(
    tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Readings come to their end meanwhile, thousands of spans are dropped and not kept, and the end is not held up."""
    monkeypatch.setattr(exporting, "STOP_S", exporting.STOP_S if PROVE else 0.3)
    monkeypatch.setattr(exporting, "EVERY_MS", 50)
    monkeypatch.setattr(exporting, "QUEUE", exporting.QUEUE if PROVE else 100)
    monkeypatch.setattr(exporting, "BATCH", 20)
    monkeypatch.setattr(exporting, "PATIENCE_S", HANGS_S if how == "hangs" else 0.1)
    caplog.set_level(logging.INFO, "tieout.traces")
    async with collecting(hangs=True) as (endpoint, collector):
        if how == "refuses":
            endpoint = "http://127.0.0.1:1"
        async with traced(told(tmp_path, endpoint), {}), staged(tmp_path, ("main",)) as stage:
            await stage.reconciled(times=1)
            for _ in range(2000):  # a thread of the library sends
                if collector.asked if how == "hangs" else "do not get through" in caplog.text:
                    break
                await asyncio.sleep(0.01)
            before = CLOCK.monotonic_ns()
            for _ in range(10 * exporting.QUEUE):
                with span("reading", whole=True):
                    pass
            assert len(caplog.records) < 10, "nor does the log fill"
            await stage.reconciled(times=2)
            assert stage.desk.measured.last["main"].status == "matched"
            tracer = TRACER.get()
            assert isinstance(tracer, exporting.Exporting)
            await tracer.close()
            took = (CLOCK.monotonic_ns() - before) / 10**9
        assert took < HANGS_S / 2, "nobody waited for an answer, which never came"
    assert caplog.text.count("do not get through") == (how == "refuses"), "once, however often"
    assert TRACER.get() is None


def test_without_a_collector_nothing_is_loaded(tmp_path: Path) -> None:
    """No library of OpenTelemetry is asked for, and a span costs next to nothing."""
    code = """
import asyncio, sys, timeit
from tieout.config import load
from tieout.serve.tracing import traced
from tieout.spans import span
async def run():
    for environment in ({}, {"OTEL_SDK_DISABLED": "true", NAME: "http://x"}, {"OTEL_TRACES_EXPORTER": "none", NAME: "http://x"}):
        async with traced(load(None, None, {}), environment) as tracing:
            assert not tracing
            with span("reading", {"a": 1}, whole=True) as told:
                told.tell({"b": 2}, name="c")
asyncio.run(run())
assert not any(name.startswith("opentelemetry") for name in sys.modules), "it was loaded"
def one():
    with span("reading"):
        pass
print(min(timeit.repeat(one, number=1000, repeat=20)))
""".replace("NAME", repr(VARIABLE))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 0.01, "ten millionths of a second each"


async def test_libraries_that_are_not_here_are_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that was told to trace, and cannot, does not start: it says where that was told, and what to install."""
    monkeypatch.delitem(sys.modules, "tieout.serve.exporting")
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http", None)
    config = told(tmp_path, "http://127.0.0.1:4318")
    for environment, where in (({}, f"{tmp_path}/traces.toml:2: "), ({VARIABLE: "http://x:1"}, "environment: ")):
        with pytest.raises(BadInput) as failed:
            async with traced(config, environment):
                pass
        (problem,) = failed.value.problems
        assert located(problem).startswith(where)
        assert "install tieout[traces]" in located(problem)


@pytest.mark.parametrize("said", ["collector:4317", "http://me:hush@x:4318", "ftp://x", "http://"])
async def test_an_address_that_is_none_is_refused(tmp_path: Path, said: str) -> None:
    """In the file and in the environment, without saying it again."""
    with pytest.raises(BadInput) as failed:
        told(tmp_path, said)
    assert "service.traces: no address of the web" in str(failed.value) and "hush" not in str(failed.value)
    with pytest.raises(BadInput) as failed:
        async with traced(Config(), {VARIABLE: said}):
            pass
    assert VARIABLE in str(failed.value) and "hush" not in str(failed.value)


async def test_the_environment_counts_over_the_file(tmp_path: Path) -> None:
    """And names the service, where it says how."""
    async with collecting() as (endpoint, collector):
        async with traced(
            told(tmp_path, "http://127.0.0.1:1"), {VARIABLE: endpoint + "/", "OTEL_SERVICE_NAME": "desk"}
        ):
            with span("reading"):
                pass
        named = {
            each.key: each.value.string_value for each in collector.requests[0].resource_spans[0].resource.attributes
        }
        assert named["service.name"] == "desk"
        assert collector.paths == {"/v1/traces"}
