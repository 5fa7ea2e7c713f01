"""`tieout adopt` opens an account's own books with what its broker says, once, after asking; nobody else's."""

from __future__ import annotations

import io
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.serve.api.stage import ACCOUNT, CONFIGURATION, write_side, write_trade
from tieout.record import keys
from tieout.serve.cli import run


@pytest.fixture(name="desk")
def _desk(tmp_path: Path) -> Path:
    """A configuration of one account whose books are not there yet."""
    told = ACCOUNT.format(name="main", folder=tmp_path)
    (tmp_path / "tieout.toml").write_text(CONFIGURATION.format(folder=tmp_path, accounts=told), "utf-8")
    keys.create(tmp_path / "keys", "test")
    write_side(tmp_path, "main", "broker", "2")
    return tmp_path


def said(desk: Path, *more: str) -> int:
    """The exit status of adopting."""
    return run(["adopt", "main", "--config", str(desk / "tieout.toml"), *more])


def test_the_books_hold_what_the_broker_says_and_match_at_once(desk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """After a yes the file is there, the first check matches, and a second adoption is refused."""
    assert said(desk, "--yes") == 0
    assert "1 position, 1 balance and 0 orders" in capsys.readouterr().err
    assert json.loads((desk / "main-local.json").read_text("utf-8"))["source"] == "local"
    assert run(["check", "--config", str(desk / "tieout.toml")]) == 0
    assert said(desk, "--yes") == 2
    assert "the books are not empty" in capsys.readouterr().err


def test_without_a_yes_nothing_is_written(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A no, or nobody there to ask, leaves no file."""
    for answer in ("n\n", ""):
        monkeypatch.setattr("sys.stdin", io.StringIO(answer))
        assert said(desk) == 3
    assert not (desk / "main-local.json").exists()


@pytest.mark.parametrize("broken", ["writable", "broker", "name", "one file", "record", "folder"])
def test_what_cannot_be_opened_is_refused_in_a_sentence(
    desk: Path, broken: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Books that another program writes, a broker that is away, a name that is no account's: nothing is written."""
    file, more = desk / "tieout.toml", ["--yes"]
    if broken == "writable":
        file.write_text(file.read_text("utf-8").replace("writable = true", "writable = false"), "utf-8")
    if broken == "broker":
        (desk / "main-broker.json").unlink()
    if broken == "name":
        file.write_text(file.read_text("utf-8").replace("accounts.main", "accounts.other"), "utf-8")
    if broken == "one file":
        more += ["--local", str(desk / "main-local.json")]
    if broken == "record":
        file.write_text(re.sub(r"\[record\]\n.*\n.*\n", "", file.read_text("utf-8")), "utf-8")
    if broken == "folder":
        file.write_text(file.read_text("utf-8").replace("main-local", "nowhere/main-local"), "utf-8")
    assert said(desk, *more) == (3 if broken == "broker" else 2)
    told = capsys.readouterr().err
    assert told.count("tieout:") == 1
    assert "first start" not in told and (broken == "writable" or "another program" not in told)
    assert not (desk / "main-local.json").exists()


def test_what_was_agreed_to_is_what_is_adopted(desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A trade while the question stands is not adopted with it: it is a difference, as any other."""

    class Thinking(io.StringIO):
        def readline(self, *_: object) -> str:  # type: ignore[override]
            write_side(desk, "main", "broker", "5")
            return "y\n"

    monkeypatch.setattr("sys.stdin", Thinking())
    assert said(desk) == 0
    held = json.loads((desk / "main-local.json").read_text("utf-8"))
    assert [row["amount"] for row in held["positions"]] == ["2"]


def test_books_that_only_tieout_writes_count_as_of_now(desk: Path) -> None:
    """A trade after the opening is explained and booked, however long nobody wrote the file: it is not in flight for ever."""
    file = desk / "tieout.toml"
    file.write_text(file.read_text("utf-8").replace("writable = true", "own = true"), "utf-8")
    assert said(desk, "--yes") == 0
    path = desk / "main-local.json"
    opened = json.loads(path.read_text("utf-8"))
    old = (datetime.now(UTC) - timedelta(hours=5)).isoformat()
    path.write_text(json.dumps(opened | {"as_of": old, "fills_since": old, "activities_since": old}), "utf-8")
    write_trade(desk, "main", "2.05", "BTC/USD")
    assert run(["check", "--config", str(file)]) == 1
    assert run(["check", "--config", str(file)]) == 0
    held = json.loads(path.read_text("utf-8"))
    assert [row["amount"] for row in held["positions"]] == ["2.05"]
    assert [row["fill_id"] for row in held["fills"]] == ["x-main"]
