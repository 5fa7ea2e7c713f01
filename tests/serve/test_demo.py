"""The demo is the real thing: every break it shows is seen, explained and closed, and its record replays alike."""

from __future__ import annotations

from pathlib import Path

import pytest

from tieout.model.discrepancy import ActionKind, CauseCode
from tieout.serve.cli import run
from tieout.serve.demo import SCENES, Day, Scene, play, replays_alike

EXPECTED = (
    CauseCode.MISSED_FILL, CauseCode.EXTERNAL_TRADE, CauseCode.LOST_SUBMISSION, CauseCode.DEPOSIT, CauseCode.SPLIT,
    CauseCode.PARTIAL_RESPONSE,
)  # fmt: skip


@pytest.mark.parametrize("seed", [7, 1, 99])
async def test_every_scene_ends_matched_with_its_cause_named(seed: int) -> None:
    """Each scene is seen with its cause and ends in a reading that matches; nothing halts."""
    day = Day(seed)
    named: list[set[CauseCode]] = []

    def shown(_title: str, scene: Scene | None, readings: list) -> None:  # type: ignore[type-arg]
        assert readings[-1].status == "matched"
        if scene is not None:
            named.append({row.cause.code for report in readings for row in report.discrepancies})

    await play(day, shown)
    assert len(named) == len(SCENES)
    assert all(code in found for code, found in zip(EXPECTED, named, strict=False))
    assert not any(action.action is ActionKind.HALT for report in day.reports for action in report.actions)
    assert replays_alike(day)


async def test_the_books_end_as_the_broker_stands() -> None:
    """After the day local holds what the broker holds, position by position and to the last digit of cash."""
    day = Day(7)
    await play(day, lambda *_: None)
    held, stated = await day.books.read(), day.world.snapshot("main")
    assert {row.asset: row.amount for row in held.positions or ()} == {
        row.asset: row.amount for row in stated.positions or ()
    }
    assert {row.currency: row.total for row in held.balances or ()} == {
        row.currency: row.total for row in stated.balances or ()
    }


def test_the_command_leaves_a_report_and_a_history_that_replays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`tieout demo --day` exits 0 and leaves both files; the history can be replayed by the command."""
    folder = tmp_path / "out"
    assert run(["demo", "--day", "--output", str(folder)]) == 0
    assert "to the same verdicts" in capsys.readouterr().out
    assert "<html" in (folder / "report.html").read_text()
    assert run(["replay", str(folder / "observations.jsonl"), "--format", "json"]) == 1
