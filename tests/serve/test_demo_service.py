"""`tieout demo` is the whole service: what goes wrong is named and cured, it tells what its record says, it ends cleanly."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from threading import Timer
from urllib.request import urlopen

import pytest

from tieout.clock import SystemClock
from tieout.record.breaks import list_breaks
from tieout.record.history import Wanted
from tieout.record.looking import look
from tieout.record.settings import RecordSettings

ROOT = Path(__file__).parents[2]
PLAYER = """
import sys
from pathlib import Path
from threading import Timer
from tieout.serve.demo_service import Show, run_service

seconds, every, folder = sys.argv[1:]
kept = Path(folder) if folder else None
sys.exit(run_service(Show(seconds=float(seconds) or None, every=float(every), folder=kept, listen="127.0.0.1:0")))
"""


@contextmanager
def playing(tmp: Path, *, seconds: float = 0, every: float = 1, folder: str = "") -> Iterator[subprocess.Popen[str]]:
    """The demo as a process of its own, its temporary folders in *tmp*."""
    command = [sys.executable, "-c", PLAYER, str(seconds), str(every), folder]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=tmp,
        env={**os.environ, "TMPDIR": str(tmp), "COLUMNS": "200"},
    )  # fmt: skip
    late = Timer(60, process.kill)
    late.start()
    try:
        yield process
    finally:
        late.cancel()
        if process.poll() is None:
            process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def pages_of(process: subprocess.Popen[str]) -> tuple[str, str]:
    """The address that it prints, and the password."""
    assert process.stdout is not None
    line = next(line for line in process.stdout if line.startswith("The pages:"))
    found = re.fullmatch(
        r"The pages: (http://127\.0\.0\.1:\d+) - sign in as demo / ([a-z]{6}-[a-z]{6}-[a-z]{6})\n", line
    )
    assert found is not None, line
    return found[1], found[2]


def test_what_goes_wrong_is_named_cured_and_told_as_the_record_has_it(tmp_path: Path) -> None:
    """Its record holds the causes, cures that closed and what waits, just as it was told; then Ctrl-C ends it in seconds."""
    kept = tmp_path / "kept"
    with playing(tmp_path, every=1.2, folder=str(kept)) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if _all_went_wrong("".join(lines)):
                break
        late = SystemClock().now() - timedelta(seconds=4)
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=30)  # a busy machine takes its time
    told = "".join(lines) + rest
    assert process.returncode == 0, told
    rows = look(
        RecordSettings(store=str(kept / "tieout.db"), keys=str(kept / "keys")),
        lambda seen: list_breaks(seen.connection, Wanted(), closed=True),
    )
    closed = {row.cause for row in rows if row.closed_at is not None}
    assert {"MISSED_FILL", "DEPOSIT", "LOST_SUBMISSION"} <= closed
    assert [row.cause for row in rows if row.closed_at is None and row.account == "beta"] == ["UNKNOWN"]
    # Something goes wrong all the time: what was seen in the last seconds need not have its name yet.
    early = [row for row in rows if row.first_seen < late]
    for row in early:
        if row.cause != "IN_FLIGHT":
            assert f"{row.account:5} names   {row.cause}" in told
    assert "beta  asks    set the position in the books to a figure (SOL-PERP)?" in told
    table = {line.split()[0]: line.split()[1:] for line in told.rpartition("breaks by cause")[2].splitlines()[2:]}
    assert table["UNKNOWN"] == ["1", ".", "1", "."]
    for cause in closed - {"IN_FLIGHT"}:
        seen = [sum(row.cause == cause for row in some) for some in (early, rows)]
        assert seen[0] <= int(table[cause][0]) <= seen[1]
    assert "\x1b" not in told
    assert "Traceback" not in told + (kept / "service.log").read_text("utf-8")


def _all_went_wrong(told: str) -> bool:
    _, _, after = told.partition("gamma names   DEPOSIT")  # a fill that was missed moves that balance, too
    due = ("closes  order SOL-PERP", "beta  asks", "does    take a booking")
    return "gamma closes  balance USD" in after and all(each in told for each in due)


def test_it_ends_by_itself_and_nothing_stays(tmp_path: Path) -> None:
    """After its seconds: status 0, a summary, no folder, nobody who listens; the password never was in a file."""
    with playing(tmp_path, seconds=2) as process:
        url, password = pages_of(process)
        with urlopen(f"{url}/healthz", timeout=5) as answer:
            assert answer.status == 200
        (folder,) = tmp_path.glob("tieout-demo-*")
        assert folder.stat().st_mode & 0o077 == 0
        assert all(password.encode() not in path.read_bytes() for path in folder.rglob("*") if path.is_file())
        told, _ = process.communicate(timeout=30)
    assert process.returncode == 0, told
    assert "breaks by cause" in told
    assert "Traceback" not in told
    assert list(tmp_path.glob("tieout-demo-*")) == []
    with pytest.raises(OSError, match="refused"):
        urlopen(f"{url}/healthz", timeout=1)


def test_what_make_demo_installs_holds_all_that_the_service_needs() -> None:
    """Each library of the extras service, brokers and live is pinned for `make demo`, and no host is named there."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *(each for name in ("service", "brokers", "live") for each in extras[name])]
    pinned = (ROOT / "requirements.txt").read_text("utf-8")
    names = {re.split(r"[\[<>=]", each)[0] for each in wanted}
    assert names <= set(re.findall(r"^([a-z0-9_-]+)==", pinned, re.MULTILINE))
    assert "://" not in pinned
