"""The table of metrics in docs/operations.md, made from the code. `python -m tests.metrics_doc` writes it anew."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from prometheus_client.metrics import MetricWrapperBase

from tieout.clock import SystemClock
from tieout.serve.measuring import Measured

DOCUMENT = Path(__file__).parents[1] / "docs" / "operations.md"
MARK = re.compile(r"(<!-- table: metrics -->\n).*?(<!-- end -->)", re.DOTALL)
SAMPLES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}


def families() -> list[tuple[str, str, tuple[str, ...], str]]:
    """Name, kind, labels and meaning of each metric."""
    measured = Measured(SystemClock())
    running: Any = SimpleNamespace(accounts={}, cadences={}, measured={}, record=None)
    measured.watch(running, cast("Any", None))
    labels = {}
    for collector in measured.registry._collector_to_names:
        if isinstance(collector, MetricWrapperBase):
            labels[collector._name] = tuple(collector._labelnames)
    return [
        (each.name, each.type, labels.get(each.name, tuple(getattr(each, "_labelnames", ()))), each.documentation)
        for each in measured.registry.collect()
    ]


def names() -> set[str]:
    """Every name that Prometheus sees."""
    return {name + end for name, kind, _, _ in families() for end in SAMPLES[kind]}


def with_table(text: str) -> str:
    """The document with the table as the code has it."""
    rows = [("metric", "kind", "labels", "meaning"), ("---",) * 4]
    for name, kind, labels, meaning in sorted(families()):
        shown = name + ("_total" if kind == "counter" else "")
        rows.append((f"`{shown}`", kind, ", ".join(f"`{each}`" for each in labels) or "none", meaning))
    table = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    return MARK.sub(lambda mark: f"{mark[1]}{table}{mark[2]}", text)


if __name__ == "__main__":
    DOCUMENT.write_text(with_table(DOCUMENT.read_text("utf-8")), "utf-8")
