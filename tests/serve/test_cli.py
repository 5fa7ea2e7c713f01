"""The commands as a user meets them: exit status, standard output and one clear sentence for whatever is wrong."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from tieout.serve.cli import run

Json = dict[str, Any]


def snapshot(source: str, **sections: Any) -> Json:
    return {
        "schema": "tieout.snapshot/1", "account": "main", "source": source, "as_of": "2026-11-20T10:00:00Z", **sections,
    }  # fmt: skip


def position(asset: str, amount: str) -> Json:
    return {"asset": asset, "amount": amount, "market_price": "10", "currency": "USD"}


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    local, broker = tmp_path / "local.json", tmp_path / "broker.json"
    local.write_text(json.dumps(snapshot("local", positions=[position("AAPL", "100")])))
    broker.write_text(json.dumps(snapshot("broker", positions=[position("AAPL", "103")])))
    return local, broker


def line(local: Json, broker: Json, at: str = "2026-11-20T10:00:00Z") -> str:
    return json.dumps({"at": at, "account": "main", "local": local, "broker": broker}) + "\n"


def test_compare_of_equal_files_exits_0(files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    """Two sides that agree are a match: exit 0."""
    local, broker = files
    broker.write_text(json.dumps(snapshot("broker", positions=[position("AAPL", "100.00")])))
    assert run(["compare", str(local), str(broker), "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["status"] == "matched"


def test_compare_reports_a_difference_and_exits_1(files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    """A discrepancy is reported with its figures: exit 1, and JSON alone on standard output."""
    assert run(["compare", *map(str, files), "--format", "json"]) == 1
    captured = capsys.readouterr()
    row = json.loads(captured.out)["discrepancies"][0]
    assert (row["difference"], row["percent"], row["usd_value"]) == ("3", "2.9126", "30")
    assert (row["severity"], row["confirmed"], row["cause"]["code"]) == ("MODERATE", True, "UNKNOWN")
    assert captured.err == ""


def test_compare_without_what_is_required_exits_3(files: tuple[Path, Path]) -> None:
    """A section that local has and the broker did not give makes the comparison incomplete: exit 3."""
    local, broker = files
    broker.write_text(json.dumps(snapshot("broker", balances=[])))
    assert run(["compare", str(local), str(broker)]) == 3


def test_bad_input_is_one_sentence_each_and_exits_2(
    files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """Every problem of both files is named with file, place and mend, and nothing reaches standard output."""
    local, broker = files
    local.write_text(json.dumps(snapshot("local", positions=[{"asset": "AAPL", "amout": "1"}])))
    broker.write_text('{"schema": "tieout.snapshot/1", "account": "main", ')
    assert run(["compare", str(local), str(broker)]) == 2
    captured = capsys.readouterr()
    lines = captured.err.splitlines()
    assert captured.out == ""
    assert all(text.startswith("tieout: ") and ";" in text for text in lines)
    assert any("positions[0].amout" in text and "did you mean amount?" in text for text in lines)
    assert any("positions[0].amount" in text and "missing" in text for text in lines)
    assert any(str(broker) in text and "ends in the middle" in text for text in lines)


@pytest.mark.parametrize(
    "arguments",
    [["compare"], ["compare", "a"], ["compare", "a", "b", "--format", "xml"], ["nonsense"], ["replay", "no-such-file"]],
)
def test_bad_usage_exits_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever a command cannot use is said in a sentence: exit 2, never a traceback."""
    assert run(arguments) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("tieout: ")
    assert "Traceback" not in captured.err


def test_swapped_files_are_noticed(files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    """The broker's file in local's place is refused, not compared the wrong way round."""
    local, broker = files
    assert run(["compare", str(broker), str(local)]) == 2
    assert "source" in capsys.readouterr().err


def test_two_accounts_are_not_compared(files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    """Snapshots of different accounts are refused."""
    local, broker = files
    broker.write_text(json.dumps({**snapshot("broker", positions=[]), "account": "other"}))
    assert run(["compare", str(local), str(broker)]) == 2
    assert "another account" in capsys.readouterr().err


def test_a_file_above_the_limit_is_refused(
    files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The size limit is a setting, and a file above it is refused unread."""
    config = tmp_path / "tieout.toml"
    config.write_text("[limits]\nmax_file_bytes = 50\n")
    assert run(["compare", *map(str, files), "--config", str(config)]) == 2
    assert "more than 50 bytes" in capsys.readouterr().err


def test_replay_gives_one_report_a_line_and_the_same_bytes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A history of three lines gives three reports, twice the same to the byte."""
    held, stated = snapshot("local", positions=[position("A", "1")]), snapshot("broker", positions=[position("A", "2")])
    times = [f"2026-11-20T10:0{minute}:00Z" for minute in range(3)]
    history = tmp_path / "observations.jsonl"
    history.write_text("".join(line({**held, "as_of": at}, {**stated, "as_of": at}, at) for at in times))
    outputs = []
    for _ in range(2):
        assert run(["replay", str(history), "--format", "json"]) == 1
        outputs.append(capsys.readouterr().out)
    assert outputs[0] == outputs[1]
    reports = [json.loads(text) for text in outputs[0].splitlines()]
    assert [report["started_at"] for report in reports] == times
    assert len({report["discrepancies"][0]["discrepancy_id"] for report in reports}) == 1


def test_replay_names_every_bad_line_before_it_judges_any(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Problems of several lines are told at once, and no report is written."""
    good = line(snapshot("local", positions=[]), snapshot("broker", positions=[]))
    history = tmp_path / "observations.jsonl"
    history.write_text(good + "{}\n" + good + '{"at": 1}\n')
    assert run(["replay", str(history), "--format", "json"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "line 2" in captured.err and "line 4" in captured.err


def test_output_goes_to_the_file_that_was_asked_for(files: tuple[Path, Path], tmp_path: Path) -> None:
    """--output writes the report there, in each format."""
    for style, sign in (("table", "AAPL"), ("json", '"AAPL"'), ("html", "<!doctype html>")):
        target = tmp_path / f"report.{style}"
        assert run(["compare", *map(str, files), "--format", style, "--output", str(target)]) == 1
        assert sign.lower() in target.read_text().lower()


def test_init_writes_a_configuration_that_loads_and_keeps_what_is_there(
    tmp_path: Path, files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """`tieout init` writes a file that a comparison accepts; a second one does not overwrite it."""
    target = tmp_path / "tieout.toml"
    assert run(["init", str(target)]) == 0
    assert run(["compare", *map(str, files), "--config", str(target)]) == 1
    target.write_text("# mine\n")
    assert run(["init", str(target)]) == 2
    assert target.read_text() == "# mine\n"
    assert "already" in capsys.readouterr().err


def test_a_policy_file_changes_what_is_done(
    files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A rule of the user's comes before the default table."""
    policy = tmp_path / "policy.toml"
    policy.write_text('[[policy.rules]]\nasset = ["AAPL"]\nstrategy = "HALT_AND_ALERT"\n')
    assert run(["compare", *map(str, files), "--format", "json", "--policy", str(policy)]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["discrepancies"][0]["strategy"] == "HALT_AND_ALERT"
    assert "halt" in [action["action"] for action in report["actions"]]


def test_help_shows_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    """--help of the program shows how it is used, and the exit status."""
    assert run(["--help"]) == 0
    out = capsys.readouterr().out
    assert "tieout compare local.json broker.json" in out
    assert "Exit status" in out


def test_adopt_writes_the_opening_entries_once(
    files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Empty books adopt the broker's holdings and then match; books that hold something are left alone."""
    _, broker = files
    broker.write_text(json.dumps(snapshot("broker", positions=[position("AAPL", "103")], balances=[], orders=[])))
    local = tmp_path / "fresh.json"
    assert run(["adopt", "main", "--local", str(local), "--broker", str(broker), "--yes"]) == 0
    assert run(["compare", str(local), str(broker)]) == 0
    before = local.read_bytes()
    assert run(["adopt", "main", "--local", str(local), "--broker", str(broker), "--yes"]) == 2
    assert "not empty" in capsys.readouterr().err
    assert local.read_bytes() == before


def test_adopt_asks_first(files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a yes nothing is written."""
    _, broker = files
    broker.write_text(json.dumps(snapshot("broker", positions=[], balances=[], orders=[])))
    monkeypatch.setattr("sys.stdin", StringIO("no\n"))
    local = tmp_path / "fresh.json"
    assert run(["adopt", "main", "--local", str(local), "--broker", str(broker)]) == 3
    assert not local.exists()


def test_a_first_start_does_not_halt(files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]) -> None:
    """Empty books beside an account in use: everything awaits approval, and the report says how to go on."""
    local, broker = files
    local.write_text(json.dumps(snapshot("local", positions=[])))
    assert run(["compare", str(local), str(broker), "--format", "json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert {action["status"] for action in report["actions"]} == {"awaiting_approval"}
    assert "tieout adopt main" in report["summary"]["text"]
