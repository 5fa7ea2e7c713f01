"""The witness as a process of its own: what it cosigned it knows after kill -9."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.record.witness.conftest import Log

TIEOUT = (sys.executable, "-m", "tieout", "audit", "witness")


@contextmanager
def running(folder: Path, log: Log) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process, and where it listens."""
    files = ("--state", str(folder / "witness.db"), "--key", str(folder / "witness.key"))
    command = (*TIEOUT, *files, "--log", log.signer.vkey, "--listen", "127.0.0.1:0")
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process, process.stdout.readline().split()[0]
    finally:
        process.kill()
        process.communicate()


def ask(url: str, body: bytes) -> int:
    """The status of the answer."""
    try:
        with urllib.request.urlopen(urllib.request.Request(f"{url}/add-checkpoint", body), timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return int(error.code)


def test_what_it_cosigned_it_knows_after_kill_9(tmp_path: Path, log: Log) -> None:
    """Killed right after each answer it never cosigns a shorter log, nor another one of the same size."""
    made = subprocess.run((*TIEOUT, "key", str(tmp_path / "witness.key"), "w.test"), capture_output=True, text=True)
    assert made.stdout.startswith("w.test+")
    other = Log()
    other.leaves[0] = other.leaves[1]
    old = 0
    for size in (3, 9, 20):
        with running(tmp_path, log) as (process, url):
            assert ask(url, other.request(old, old)) == (409 if old else 200)
            assert ask(url, log.request(old, size)) == 200
            os.kill(process.pid, signal.SIGKILL)
        old = size
    shown = subprocess.run((*TIEOUT, "show", "--state", str(tmp_path / "witness.db")), capture_output=True, text=True)
    rows = [json.loads(line) for line in shown.stdout.splitlines()]
    assert [row["entries"] for row in rows] == [20, 3, 9]
    assert shown.returncode == 1
    for path in tmp_path.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_it_ends_when_it_is_told_to(tmp_path: Path, log: Log) -> None:
    """SIGTERM ends it in order, with status 0 and nothing on standard error."""
    subprocess.run((*TIEOUT, "key", str(tmp_path / "witness.key")), capture_output=True, check=True)
    with running(tmp_path, log) as (process, url):
        assert ask(url, log.request(0, 3)) == 200
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=20)
    assert (process.returncode, said) == (0, "")


def test_the_key_of_a_witness_is_no_logs_key(tmp_path: Path) -> None:
    """Given where a log's key belongs, a witness' own is refused with a sentence, and nothing begins to listen."""
    made = subprocess.run((*TIEOUT, "key", str(tmp_path / "key"), "w.test"), capture_output=True, text=True)
    files = ("--state", str(tmp_path / "witness.db"), "--key", str(tmp_path / "key"))
    refused = subprocess.run(
        (*TIEOUT, *files, "--log", made.stdout.strip(), "--listen", "127.0.0.1:0"),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.count("\n") == 1
    assert "w.test is the key of a witness, not of a log" in refused.stderr
