"""Spans -> an OpenTelemetry collector, over OTLP/HTTP. A collector that is away, or slow, costs spans and never a reading."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Sequence
from types import TracebackType

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.trace import Tracer as OpenTelemetryTracer

from tieout import __version__
from tieout.spans import Facts, Span

PATH = "/v1/traces"
QUEUE, BATCH = 4096, 512  # spans that wait, and that are sent at once; more are dropped, the oldest first
EVERY_MS = 1000
PATIENCE_S = 5  # with one batch, tries included
STOP_S = 2
LONGEST = 200  # characters of one attribute
_log = logging.getLogger("tieout.traces")


class Exporting:
    """A `spans.Tracer` whose spans go to a collector. Of an exception it tells the class, never the text.

    Args:
        endpoint: The collector's address, without OTLP's own path.
        called: What it is to call this service.
    """

    def __init__(self, endpoint: str, *, called: str) -> None:
        # What a library logs may hold what it sent; what has to be known of it we say ourselves.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
        self._provider = TracerProvider(
            resource=Resource.create({"service.name": called, "service.version": __version__}),
            shutdown_on_exit=False,
            span_limits=SpanLimits(max_span_attribute_length=LONGEST),
        )
        sender = OTLPSpanExporter(endpoint.rstrip("/") + PATH, timeout=PATIENCE_S, compression=Compression.Gzip)
        batches = BatchSpanProcessor(
            _Telling(sender), max_queue_size=QUEUE, max_export_batch_size=BATCH, schedule_delay_millis=EVERY_MS
        )
        self._provider.add_span_processor(batches)
        self._tracer = self._provider.get_tracer("tieout", __version__)

    def span(self, name: str, facts: Facts, *, whole: bool) -> _Open:
        """A span for as long as it stands."""
        return _Open(self._tracer, name, facts, whole=whole)

    async def close(self) -> None:
        """Send what waits, within two seconds; what is left then is lost."""
        # A thread of its own, which nobody waits for longer: a collector that hangs must not keep the process.
        ending = threading.Thread(target=self._provider.shutdown, name="tieout traces end", daemon=True)
        ending.start()
        await asyncio.to_thread(ending.join, STOP_S)


class _Open:
    """One span, which stands as a block does."""

    def __init__(self, tracer: OpenTelemetryTracer, name: str, facts: Facts, *, whole: bool) -> None:
        self._scope = tracer.start_as_current_span(
            name,
            context=Context() if whole else None,
            kind=SpanKind.SERVER if "http.request.method" in facts else SpanKind.INTERNAL,
            attributes=dict(facts),
            record_exception=False,
            set_status_on_exception=False,
        )

    def __enter__(self) -> Span:
        self._span = self._scope.__enter__()
        return self

    def tell(self, facts: Facts, *, name: str | None = None) -> None:
        """What is known of it by now."""
        self._span.set_attributes(dict(facts))
        if name is not None:
            self._span.update_name(name)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._span.set_status(StatusCode.ERROR)
            self._span.set_attribute("error.type", kind.__name__)
        self._scope.__exit__(kind, error, trace)


class _Telling(SpanExporter):
    """Sends spans, and says when they do not get through, once, and when they do again."""

    def __init__(self, sender: SpanExporter) -> None:
        self._sender, self._through = sender, True

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send them; what fails is lost."""
        result = self._sender.export(spans)
        through = result is SpanExportResult.SUCCESS
        if through != self._through:
            self._through = through
            if through:
                _log.info("traces get through to the collector again")
            else:
                _log.warning("traces do not get through to the collector, and are lost; nothing else waits for them")
        return result

    def shutdown(self) -> None:
        """End."""
        self._sender.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Nothing waits here."""
        return True
