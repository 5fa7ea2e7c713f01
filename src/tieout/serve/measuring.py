"""What the service measures of itself, for Prometheus: names, labels and meanings, once; nothing bears an amount."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from tieout.bootstrap import Running
from tieout.clock import Clock
from tieout.model.discrepancy import Severity
from tieout.model.report import ReconciliationReport
from tieout.serve.workers.engine import Engine

SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
LAGS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)
LOOK_S = 0.5
BREAKER = {"closed": 0, "half_open": 1, "open": 2}


class Measured:
    """Counts as reports come, and looks at the rest when it is asked."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.registry = CollectorRegistry()
        self.last: dict[str, ReconciliationReport] = {}
        self._venues: _Venues | None = None
        self._readings = Counter(
            "tieout_readings", "Reconciliations that came to their end.", ["account", "status"], registry=self.registry
        )
        self._seconds = Histogram(
            "tieout_reading_seconds", "How long they took.", buckets=SECONDS, registry=self.registry
        )
        self._lag = Histogram(
            "tieout_event_loop_lag_seconds", "How late the event loop was.", buckets=LAGS, registry=self.registry
        )
        self._beat = Gauge(
            "tieout_alive_timestamp_seconds",
            "When the event loop last turned: a dead man's switch.",
            registry=self.registry,
        )
        self.refused = Gauge(
            "tieout_configuration_refused",
            "1 while the last configuration that was to be taken on is wrong, and the one before it in force.",
            registry=self.registry,
        )

    async def reported(self, report: ReconciliationReport) -> None:
        """A reconciliation came to its end."""
        self.last[report.account] = report
        self._readings.labels(report.account, report.status).inc()
        self._seconds.observe((report.finished_at - report.started_at).total_seconds())

    def forget(self, account: str) -> None:
        """An account is watched no more."""
        self.last.pop(account, None)

    def watch(self, running: Running, schedule: Engine) -> None:
        """Look at what runs whenever somebody asks."""
        self.registry.register(_Accounts(self, running, schedule))
        self._venues = _Venues(running)
        self.registry.register(self._venues)

    async def keep_time(self) -> None:
        """Measure how late the event loop is, for ever; run it as a task."""
        while True:
            before = self._clock.monotonic_ns()
            await self._clock.sleep(LOOK_S)
            late = (self._clock.monotonic_ns() - before) / 10**9 - LOOK_S
            self._lag.observe(max(0.0, late))
            self._beat.set(self._clock.now().timestamp())

    async def exposed(self) -> bytes:
        """Everything, as Prometheus reads it. On a thread, for thousands of accounts take their time."""
        if self._venues is not None:
            self._venues.look()
        return await asyncio.to_thread(generate_latest, self.registry)


class _Accounts(Collector):
    """How each account stands, as its last report in this process says."""

    def __init__(self, measured: Measured, running: Running, schedule: Engine) -> None:
        self._measured, self._running, self._schedule = measured, running, schedule

    def collect(self) -> Iterator[Metric]:
        """The families."""
        read = GaugeMetricFamily(
            "tieout_last_reading_timestamp_seconds",
            "When its last reading began that came to an end.",
            labels=["account"],
        )
        due = GaugeMetricFamily(
            "tieout_overdue_after_seconds", "From which age on that is overdue.", labels=["account"]
        )
        halted = GaugeMetricFamily("tieout_halts", "Halts that stand.", labels=["account"])
        breaks = GaugeMetricFamily("tieout_open_breaks", "Differences that stand.", labels=["account", "severity"])
        awaits = GaugeMetricFamily("tieout_awaiting_approval", "Actions that wait for a person.", labels=["account"])
        trouble = GaugeMetricFamily("tieout_trouble", "What is wrong with its readings.", labels=["account", "trouble"])
        for name, cadence in tuple(self._running.cadences.items()):  # on a thread: accounts may come and go meanwhile
            if name not in self._schedule.watch.accounts:
                continue  # another worker tells of it
            due.add_metric([name], cadence.overdue_seconds)
            for each in self._schedule.watch.troubles(name):
                trouble.add_metric([name, each], 1)
            report = self._measured.last.get(name)
            if report is None:
                continue
            read.add_metric([name], report.started_at.timestamp())
            halted.add_metric([name], len(report.halts))
            for severity in Severity:
                breaks.add_metric([name, severity], report.summary.discrepancies.get(severity, 0))
            awaits.add_metric([name], sum(action.status == "awaiting_approval" for action in report.actions))
        size = GaugeMetricFamily("tieout_log_entries", "Entries of the log; it grows with each reading and heartbeat.")
        if self._running.record is not None:
            size.add_metric([], self._running.record.writer.size)
        yield from (read, due, halted, breaks, awaits, trouble, size)


class _Venues(Collector):
    """What was asked of each venue."""

    def __init__(self, running: Running) -> None:
        self._running, self._told = running, running.measured

    def look(self) -> None:
        """See how the counts stand, on the loop that they grow on: a thread would walk what changes meanwhile."""
        self._told = self._running.measured

    def collect(self) -> Iterator[Metric]:
        """The families."""
        labels = ["venue", "endpoint"]
        asked = CounterMetricFamily("tieout_venue_requests", "Requests that were sent.", labels=labels)
        failed = CounterMetricFamily(
            "tieout_venue_failures", "Requests that failed, by kind.", labels=[*labels, "kind"]
        )
        waited = CounterMetricFamily("tieout_venue_limiter_wait_seconds", "Waits for the rate limit.", labels=labels)
        took = CounterMetricFamily("tieout_venue_answer_seconds", "Waits for answers.", labels=labels)
        state = GaugeMetricFamily("tieout_venue_breaker", "0 closed, 1 half open, 2 open.", labels=labels)
        for venue, endpoints in self._told.items():
            for endpoint, counts in endpoints.items():
                at = [venue, endpoint]
                asked.add_metric(at, counts.requests)
                waited.add_metric(at, counts.waited_ms / 1000)
                took.add_metric(at, counts.asked_ms / 1000)
                state.add_metric(at, BREAKER[counts.breaker])
                for kind, count in counts.failures.items():
                    failed.add_metric([*at, kind], count)
        yield from (asked, failed, waited, took, state)
