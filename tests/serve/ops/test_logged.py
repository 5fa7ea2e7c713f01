"""The service's own log: a line each, and neither a secret nor an amount in any of them."""

from __future__ import annotations

import io
import json
import logging
import sys
from pathlib import Path

import pytest

from tests.serve.ops.process import served, write_configuration
from tieout.errors import SourceMalformed
from tieout.model.secret import Secret
from tieout.serve.logged import formatter, redacted

AMOUNT = "7318281.82845"
HOOK = "hook-of-nobody-Zq9"


def line_of(form: str, name: str, said: str, *more: object, error: BaseException | None = None, **extra: object) -> str:
    """One record, as the log has it."""
    record = logging.LogRecord(
        name, logging.ERROR, "file", 1, said, more, None if error is None else (type(error), error, error.__traceback__)
    )
    record.__dict__.update(extra)
    return formatter("json" if form == "json" else "plain").format(record)


@pytest.mark.parametrize(
    "said",
    [
        "Authorization: Bearer abc.def-123",
        "tieout_abcdefgh_ijklmnopqrstuvwx",
        "GET https://user:pass@venue.example/v1/hook-of-nobody?key=abc.def-123",
        "tgram://abc.def-123/chat",
        "postgresql://me:hook-of-nobody@db/tieout",
        "api_key=hook-of-nobody, secret: 'hook-of-nobody'",
        "eyJhbGciOi.hook-of-nobody.abc",
    ],
)
def test_what_looks_like_a_secret_is_gone(said: str) -> None:
    """By its form, wherever it stands."""
    shown = redacted(said)
    assert "***" in shown or "://" in shown
    for each in ("abc.def-123", "hook-of-nobody", "user", "pass@", "ijklmnop"):
        assert each not in shown


def test_a_secret_is_known_by_its_value() -> None:
    """Whoever writes a secret that was read into the log, plain or within something else, writes three stars."""
    Secret("plainwordofnobody")
    for form in ("plain", "json"):
        shown = line_of(form, "tieout.x", "said %s", "xplainwordofnobodyx", more=["plainwordofnobody"])
        assert "plainwordofnobody" not in shown and "x***x" in shown


def test_a_key_hides_its_value() -> None:
    """What is called a secret is not shown, whatever it holds."""
    shown = json.loads(line_of("json", "tieout.x", "said", api_key="q", detail={"password": "q", "count": 3}))
    assert (shown["api_key"], shown["detail"]) == ("***", {"password": "***", "count": 3})


def raised(error: BaseException) -> BaseException:
    """The error, as it was raised by somebody who holds amounts and secrets."""
    holding = f"local {AMOUNT} {HOOK}"
    try:
        raise error
    except type(error) as caught:
        assert holding
        return caught


@pytest.mark.parametrize("form", ["plain", "json"])
def test_a_fault_is_told_without_its_text_and_locals(form: str) -> None:
    """Others' failures are a class and a place; ours are a sentence, in the words that a log may hold."""
    shown = line_of(form, "uvicorn.error", "Exception", error=raised(ValueError(f"{AMOUNT} {HOOK}")))
    assert "ValueError at test_logged:" in shown
    ours = line_of(form, "tieout.x", "failed", error=raised(SourceMalformed("venue", "positions", f"row {AMOUNT}")))
    assert "venue positions: row …" in ours
    for each in (shown, ours):
        assert AMOUNT not in each and HOOK not in each and "\n" not in each
        assert "Traceback" not in each


def test_a_library_loses_its_figures() -> None:
    """What a library says may hold an amount or an id: whatever has a digit is left out."""
    shown = json.loads(line_of("json", "ccxt.base", "balance %s of order 12ab-7", AMOUNT, extra_amount=AMOUNT))
    assert shown["event"] == "balance … of order …"
    assert AMOUNT not in str(shown)


def test_a_line_stays_a_line() -> None:
    """Line ends and what acts on a screen are written out: nobody forges a line of the log."""
    for form in ("plain", "json"):
        shown = line_of(form, "tieout.x", "first\n2026-11-21 INFO tieout: all is well\x1b[2J")
        assert "\n" not in shown and "\x1b" not in shown


async def test_a_service_logs_no_secret_and_no_amount(tmp_path: Path) -> None:
    """A whole service with trouble of every kind, told as JSON and with every request: its log holds none of either."""
    more = f'[alerts]\nurls = ["json://127.0.0.1:9/{HOOK}"]\n'
    path = write_configuration(tmp_path, "main", "torn", more=more)
    path.write_text(path.read_text().replace("[service]", '[service]\nheartbeat_url_env = "SWITCH"'))
    environment = {
        "SWITCH": f"http://127.0.0.1:9/{HOOK}",
        "TIEOUT_ESCALATE_URLS": f"jsons://u:{HOOK}@127.0.0.1:9/{HOOK}",
    }
    async with served(path, "--log", "json", "--verbose", environment=environment) as running:
        text = (tmp_path / "main-broker.json").read_text().replace('"2"', f'"{AMOUNT}"')
        (tmp_path / "main-broker.json").write_text(text)
        (tmp_path / "torn-broker.json").write_text(text.replace("main", "torn")[:-40])
        for account in ("main", "torn", "main"):
            await running.ask(f"/v1/accounts/{account}/reconcile?key={HOOK}", "POST")
        assert AMOUNT in json.dumps(await running.ask("/v1/accounts/main/reconcile", "POST"))
        await running.ask(f"/v1/accounts/{HOOK}")
        running.token, good = f"{running.token}{HOOK}", running.token
        await running.ask("/v1/accounts")
        await running.until(
            lambda: any("alert" in str(line["logger"]) or "alarm" in str(line["logger"]) for line in running.lines)
        )
    lines = running.lines
    assert any("switch is not called: it is not reached" in line["event"] for line in lines)
    levels = {line["level"] for line in lines}
    assert "debug" in levels and levels & {"warning", "error"}, "it told of requests, and of trouble"
    assert any(line["event"].startswith("POST /v1/accounts/{account}/reconcile: 200") for line in lines)
    told = running.log + (tmp_path / "out").read_text()
    for each in (AMOUNT, AMOUNT.partition(".")[0], HOOK, good, good.split("_", 2)[2]):
        assert each not in told


def test_warnings_and_what_escapes_are_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever else Python would print goes through the same door."""
    from tieout.serve.logged import log_to_stderr

    said, root = io.StringIO(), logging.getLogger()
    kept = root.handlers[:], root.level, logging.raiseExceptions, logging.getLogger("tieout").level
    monkeypatch.setattr(sys, "stderr", said)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    try:
        log_to_stderr("json")
        logging.getLogger("nicegui").setLevel(logging.DEBUG)
        logging.getLogger("nicegui").info("nothing of note")
        logging.getLogger("py.warnings").warning("a warning about %s", AMOUNT)
        sys.excepthook(ValueError, raised(ValueError(AMOUNT)), None)
        logging.getLogger("tieout.requests").debug("not asked for")
    finally:
        root.handlers[:], root.level, logging.raiseExceptions = kept[:3]
        logging.getLogger("tieout").setLevel(kept[3])
        logging.getLogger("nicegui").setLevel(logging.NOTSET)
        logging.captureWarnings(False)
    lines = [json.loads(line) for line in said.getvalue().splitlines()]
    assert [line["level"] for line in lines] == ["warning", "critical"]
    assert AMOUNT not in said.getvalue()
