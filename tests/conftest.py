"""Long proofs can be interrupted: what was proved of this very source is not proved again. Only under `make prove`."""

from __future__ import annotations

import hashlib
import signal
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.proving import PROVE

ROOT = Path(__file__).parents[1]
# How long an example takes says something of the machine's other work, and nothing of a promise.
settings.register_profile(
    "tieout", deadline=None, max_examples=100 if PROVE else 50, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("tieout")
# A shell that runs tests in the background has them ignore it, and all that they start, so that none hears Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)


def _record() -> Path | None:
    """Where the proofs of the present source are noted; None outside `make prove`."""
    if not PROVE:
        return None
    digest = hashlib.sha256()
    for path in sorted((ROOT / "src").rglob("*.py")):
        digest.update(path.read_bytes())
    return ROOT / ".prove" / f"{digest.hexdigest()[:16]}.txt"


RECORD = _record()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what was proved already."""
    if RECORD is None or not RECORD.exists():
        return
    proved = {line.split(" ", 1)[1] for line in RECORD.read_text().splitlines()}
    for item in items:
        if item.nodeid in proved:
            item.add_marker(pytest.mark.skip(reason=f"proved already, see {RECORD.name}"))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note a proof, with its date, once it is whole."""
    if RECORD is not None and report.when == "call" and report.passed:
        RECORD.parent.mkdir(exist_ok=True)
        with RECORD.open("a") as file:
            file.write(f"{datetime.now(UTC):%Y-%m-%d} {report.nodeid}\n")
