"""`tieout alerts`, as a person meets it."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from pathlib import Path

import pytest

from tests.record.outboxes import put
from tieout.clock import SystemClock
from tieout.model.discrepancy import Severity
from tieout.model.notice import NoticeKind
from tieout.record import keys
from tieout.record.opening import open_record
from tieout.record.outbox import Outbox
from tieout.record.settings import RecordSettings
from tieout.serve.cli import run

HOUR = timedelta(hours=1)
LONG = "BTC/USDT:USDT EXTERNAL_TRADE: HALT_AND_ALERT (the position is 22 % above what the books hold)"


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A store with alerts that wait, that failed, that went out lately and long ago; as options."""
    monkeypatch.setenv("COLUMNS", "80")
    settings = RecordSettings(store=str(tmp_path / "t.db"), keys=str(tmp_path / "keys"))
    keys.create(tmp_path / "keys", "tieout-test")
    asyncio.run(_fill(settings))
    return ["--store", settings.store]


async def _fill(settings: RecordSettings) -> None:
    clock = SystemClock()
    record, now = await open_record(settings, clock), clock.now()
    outbox = Outbox(record)
    old = await put(record, "old", now - 50 * HOUR, text="main: AAPL FEE")
    await outbox.delivered([old], now - 50 * HOUR)
    sent = await put(record, "sent", now - 3 * HOUR, severity=Severity.MODERATE, text="main: MSFT UNKNOWN")
    await outbox.failed([sent], now, "json: not reachable")
    await outbox.delivered([sent], now - HOUR)
    over = await put(
        record, "sent", now - HOUR, severity=Severity.MODERATE, kind=NoticeKind.CLOSED, text="main: MSFT UNKNOWN"
    )
    await outbox.delivered([over], now - HOUR)
    await put(record, "new", now, severity=Severity.MINOR, text="main: EUR ROUNDING\x1b[31m")
    worst = await put(record, "worst", now - 2 * HOUR, text=f"other: {LONG}", account="other")
    for _ in range(3):
        await outbox.failed(
            [worst], now + timedelta(minutes=10, seconds=30), "tgram: not accepted (401); mailto: not reachable"
        )
    await outbox.escalated([worst], now - HOUR)
    await record.close()


def test_what_waits_is_shown_with_why(store: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """The worst first, how often it was tried, how it failed and when it is tried next; then what went out lately."""
    assert run(["alerts", *store]) == 0
    shown = capsys.readouterr().out
    words = " ".join(shown.split())
    assert "2 alerts waiting to be told (1 CRITICAL, 1 MINOR), the oldest for 2 h:" in words
    assert words.index("CRITICAL") < words.index("EUR ROUNDING")
    assert "failed 3 times, next in 10 min: tgram: not" in words
    assert "not tried yet" in words
    assert "2 alerts went out in the last 24 hours" in words
    assert "2 h late, after 1 failure" in words
    assert "AAPL" not in words
    assert "\x1b" not in shown
    assert max(len(line) for line in shown.splitlines()) <= 80


def test_all_shows_what_went_out_long_ago(store: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """--all holds nothing back, and --account shows one account."""
    assert run(["alerts", "--all", "--account", "main", *store]) == 0
    shown = capsys.readouterr().out
    assert "AAPL FEE" in shown
    assert "BTC" not in shown


def test_json_is_an_alert_a_line(store: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Every field, for other programs."""
    assert run(["alerts", "--format", "json", *store]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row["account"], row["attempts"], row["delivered_at"] is None) for row in rows] == [
        ("other", 3, True), ("main", 0, True), ("main", 0, False), ("main", 1, False),
    ]  # fmt: skip
    assert rows[0]["failure"] == "tgram: not accepted (401); mailto: not reachable"


def test_an_empty_outbox_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing waits, nothing went out: two sentences. A store that is not there is one, and not a traceback."""
    settings = RecordSettings(store=str(tmp_path / "t.db"), keys=str(tmp_path / "keys"))
    keys.create(tmp_path / "keys", "tieout-test")

    async def make() -> None:
        await (await open_record(settings, SystemClock())).close()

    asyncio.run(make())
    assert run(["alerts", "--store", settings.store]) == 0
    assert capsys.readouterr().out.split("\n")[0] == "No alert is waiting to be told."
    assert run(["alerts", "--store", str(tmp_path / "gone.db")]) == 3
    assert "there is no store" in capsys.readouterr().err
