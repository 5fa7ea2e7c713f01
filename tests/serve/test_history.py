"""`tieout reports`, `tieout breaks` and `tieout replay --from-store`, as a person meets them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.live.recorded import RecordedDesk
from tests.record.test_recording import missed_fill
from tieout.model.report import ReconciliationReport
from tieout.record import keys
from tieout.record.base import Verdict, Word
from tieout.record.settings import RecordSettings
from tieout.serve.cli import run

DAY = "2026-11-20"
COMMENT = "the London desk sold it by hand"
POLICY = """[[policy.rules]]
cause = ["EXTERNAL_TRADE"]
strategy = "WARN_ONLY"
"""


class Stored:
    """A store in which a missed fill was healed, and a sale by hand halts and was commented on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = RecordSettings(store=str(folder / "t.db"), keys=str(folder / "keys"))
        self.reports: list[ReconciliationReport] = []

    @property
    def place(self) -> list[str]:
        """Where it is, as options."""
        return ["--store", self.settings.store, "--keys", self.settings.keys]

    @property
    def open_break(self) -> str:
        """The position's break that is still open."""
        return next(row.discrepancy_id for row in self.reports[-1].discrepancies if row.domain == "position")

    @property
    def healed(self) -> ReconciliationReport:
        """The report whose action was done."""
        return next(report for report in self.reports if any(action.status == "done" for action in report.actions))

    async def fill(self) -> RecordedDesk:
        """Live through it."""
        keys.create(self.folder / "keys", "tieout-test")
        desk = RecordedDesk(self.settings)
        record = await desk.start()
        self.reports += [await desk.read() for _ in range(5)]
        missed_fill(desk)
        self.reports += [await desk.read() for _ in range(2)]
        desk.world.trade("main", "AAPL", "sell", Decimal(22), Decimal(190))
        self.reports += [await desk.read() for _ in range(3)]
        for verdict, until in ((Verdict.COMMENT, None), (Verdict.KNOWN, desk.clock.now() + timedelta(days=1))):
            await record.say(
                Word(
                    id=verdict, account="main", subject=self.open_break, verdict=verdict, actor="ada", text=COMMENT,
                    until=until,
                )
            )  # fmt: skip
        self.reports += [await desk.read() for _ in range(2)]
        return desk


@pytest.fixture
async def stored(tmp_path: Path) -> Stored:
    """The store, at rest."""
    made = Stored(tmp_path)
    desk = await made.fill()
    assert desk.record is not None
    await desk.record.close()
    return made


@pytest.fixture
def told(stored: Stored, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a command on the store and gives what it printed; its exit status is to be 0."""

    def tell(*arguments: str, status: int = 0) -> str:
        assert run([*arguments, *stored.place]) == status
        return capsys.readouterr().out

    return tell


Tell = Callable[..., str]


def rows(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_reports_lists_every_report_the_newest_last(stored: Stored, told: Tell) -> None:
    """One JSON object a report in the order of time, with its outcome and its log entry."""
    listed = rows(told("reports", "--format", "json"))
    assert [row["report_id"] for row in listed] == [report.report_id for report in stored.reports]
    assert [row["status"] for row in listed] == [report.status for report in stored.reports]
    assert [row["breaks"] for row in listed] == [len(report.discrepancies) for report in stored.reports]
    entries = [row["entry"] for row in listed]
    assert entries == sorted(set(entries))


@pytest.mark.parametrize(
    ("filters", "fits"),
    [
        (("--severity", "CRITICAL"), lambda report: report.severity == "CRITICAL"),
        (("--status", "matched"), lambda report: report.status == "matched"),
        (("--cause", "MISSED_FILL"), lambda report: any(r.cause.code == "MISSED_FILL" for r in report.discrepancies)),
        (("--asset", "AAPL"), lambda report: any(row.asset == "AAPL" for row in report.discrepancies)),
        (("--account", "main", "--until", DAY), lambda _: False),
        (("--account", "other"), lambda _: False),
        (("--since", DAY), lambda _: True),
    ],
)
def test_reports_filters(stored: Stored, told: Tell, filters: tuple[str, ...], fits: Any) -> None:
    """Account, asset, cause, severity, outcome and time each keep exactly the reports that fit."""
    listed = rows(told("reports", *filters, "--format", "json"))
    assert [row["report_id"] for row in listed] == [report.report_id for report in stored.reports if fits(report)]


def test_reports_says_when_it_leaves_some_out(stored: Stored, told: Tell, capsys: pytest.CaptureFixture[str]) -> None:
    """A limit keeps the newest and says how many there are; the table draws readings that say the same together."""
    assert run(["reports", "--limit", "2", "--format", "json", *stored.place]) == 0
    captured = capsys.readouterr()
    assert [row["report_id"] for row in rows(captured.out)] == [report.report_id for report in stored.reports[-2:]]
    assert captured.err == f"2 of {len(stored.reports)} reports; --limit 0 gives all\n"
    table = told("reports")
    assert "MATCHED, the same in all 5 until" in table
    assert "CRITICAL, 2 differences" in table


def test_a_report_is_shown_as_it_was_made_with_what_became_of_it(stored: Stored, told: Tell) -> None:
    """Its statuses are those that the engine was given, and its actions name the entries of intent and outcome."""
    live = stored.healed
    shown = json.loads(told("reports", "show", live.report_id.lower()[:22], "--format", "json"))
    assert [row["status"] for row in shown["actions"]] == [action.status for action in live.actions]
    done = [row for row in shown["actions"] if row["status"] == "done"]
    assert done
    assert all(int(row["detail"]["intent_entry"]) < int(row["detail"]["outcome_entry"]) for row in done)
    assert [row["difference"] for row in shown["discrepancies"]] == [f"{r.difference:f}" for r in live.discrepancies]
    page = told("reports", "show", live.report_id, "--format", "html")
    assert page.startswith("<!doctype html>")
    assert live.report_id in page


def test_breaks_lists_open_ones_and_all_when_asked(stored: Stored, told: Tell) -> None:
    """Open breaks, the worst first; --all adds those that closed; a filter keeps what fits."""
    opened = rows(told("breaks", "--format", "json"))
    assert {row["discrepancy_id"] for row in opened} == {r.discrepancy_id for r in stored.reports[-1].discrepancies}
    every = rows(told("breaks", "--all", "--format", "json"))
    seen = {row.discrepancy_id for report in stored.reports for row in report.discrepancies}
    assert {row["discrepancy_id"] for row in every} == seen
    assert [row["closed_at"] is None for row in every] == sorted(
        (row["closed_at"] is None for row in every), reverse=True
    )
    causes = {row["cause"] for row in rows(told("breaks", "--all", "--cause", "MISSED_FILL", "--format", "json"))}
    assert causes == {"MISSED_FILL"}


def test_a_breaks_life_has_every_step_with_its_entry(stored: Stored, told: Tell) -> None:
    """Readings, decisions, alerts, the halt and the words of people, in the order of the log."""
    life = json.loads(told("breaks", "show", stored.open_break, "--format", "json"))
    kinds = [step["kind"] for step in life["steps"]]
    assert {"reading", "decision", "alert", "halt", "word"} <= set(kinds)
    mine = [row for report in stored.reports for row in report.discrepancies if row.discrepancy_id == stored.open_break]
    readings = [step["discrepancy"] for step in life["steps"] if step["kind"] == "reading"]
    assert [row["difference"] for row in readings] == [f"{row.difference:f}" for row in mine]
    assert [step["text"] for step in life["steps"] if step["kind"] == "word"] == [COMMENT, COMMENT]
    entries = [step["entry"] for step in life["steps"]]
    assert entries == sorted(entries)


def test_a_healed_breaks_life_goes_from_seen_to_closed(stored: Stored, told: Tell) -> None:
    """A cure's intent comes before its outcome, and that before the reading that shows the break gone."""
    ours = next(row for row in stored.healed.discrepancies if row.domain == "position").discrepancy_id
    kinds = [step["kind"] for step in json.loads(told("breaks", "show", ours, "--format", "json"))["steps"]]
    assert kinds == ["reading", "decision", "intent", "outcome", "closed"]
    table = told("breaks", "show", ours[:8])
    assert "CLOSED" in table
    assert "it was done" in table


def test_a_life_on_a_terminal_and_as_a_page_says_the_same(stored: Stored, told: Tell) -> None:
    """Both bear the figures, the cause, the comment and the entries; the page has no script and fetches nothing."""
    page = told("breaks", "show", stored.open_break, "--format", "html")
    table = " ".join(told("breaks", "show", stored.open_break).split())
    for words in ("difference -22", "EXTERNAL_TRADE", COMMENT, "by ada", "AWAITS YOUR APPROVAL"):
        assert words in table
        assert words in page
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")


def test_lists_need_no_key_and_amounts_do(stored: Stored, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Without the master key lists stand, a life lacks its amounts and says why, and a report is one sentence: exit 3."""
    elsewhere = ["--store", stored.settings.store, "--keys", str(tmp_path / "none")]
    assert run(["reports", *elsewhere]) == 0
    assert run(["breaks", *elsewhere]) == 0
    capsys.readouterr()
    assert run(["breaks", "show", stored.open_break, *elsewhere]) == 0
    table = " ".join(capsys.readouterr().out.split())
    assert "Amounts are not shown: " in table
    assert "EXTERNAL_TRADE" in table
    assert "difference -22" not in table
    assert "broker 78" not in table
    assert COMMENT not in table
    assert run(["breaks", "show", stored.open_break, "--format", "json", *elsewhere]) == 0
    captured = capsys.readouterr()
    assert captured.err.startswith("Amounts are not in it: ")
    assert "discrepancy" not in json.loads(captured.out)["steps"][0]
    assert run(["reports", "show", stored.healed.report_id, *elsewhere]) == 3
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("breaks", "show", "zz"), "too short for an id"),
        (("breaks", "show", "zzzzzz"), "there is none with this id"),
        (("reports", "show", "01M7WM"), "several ids begin so"),
        (("reports", "--since", "yesterday"), "how long ago"),
        (("reports", "--since", "2026-11-20T10:00:00"), "without an offset"),
        (("reports", "--limit=-1"), "below 0"),
        (("replay", "--from-store"), "say from when on"),
        (("replay", "file.jsonl", "--from-store", "--since", "2h"), "two histories"),
        (("replay", "--from-store", "--since", DAY, "--account", "nobody"), "known are main"),
    ],
)
def test_bad_input_is_one_sentence_and_exits_2(
    stored: Stored, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], words: str
) -> None:
    """What was typed wrongly is named with its mend, and nothing reaches standard output."""
    if arguments[-1] == "01M7WM":
        arguments = (*arguments[:-1], stored.reports[0].report_id[:6])
    assert run([*arguments, *stored.place]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.splitlines()) == 1
    assert words in captured.err


@pytest.mark.parametrize("command", [["reports"], ["breaks"], ["replay", "--from-store", "--since", "2h"]])
def test_a_store_that_is_not_there_is_not_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    """Looking creates nothing: one sentence, exit 3, and no file."""
    assert run([*command, "--store", str(tmp_path / "none.db")]) == 3
    captured = capsys.readouterr()
    assert (captured.out, len(captured.err.splitlines())) == ("", 1)
    assert list(tmp_path.iterdir()) == []


def test_a_stored_history_repeats_by_what_it_was_judged_by(stored: Stored, told: Tell) -> None:
    """Nothing else given, every stored verdict repeats: exit 0, and it says so."""
    assert f"the stored verdicts repeat: {len(stored.reports)} readings" in " ".join(
        told("replay", "--from-store", "--since", DAY).split()
    )
    assert told("replay", "--from-store", "--since", DAY, "--format", "json") == ""


def test_another_policy_shows_what_would_have_been_done(stored: Stored, told: Tell, tmp_path: Path) -> None:
    """Each reading that differs stands with both reports: exit 1; a table and a page say it in words."""
    policy = tmp_path / "new.toml"
    policy.write_text(POLICY)
    asked = ("replay", "--from-store", "--since", DAY, "--policy", str(policy))
    differing = rows(told(*asked, "--format", "json", status=1))
    halting = [report for report in stored.reports if any(action.action == "halt" for action in report.actions)]
    assert [row["report_id"] for row in differing] == [report.report_id for report in halting]
    for row in differing:
        assert {each["strategy"] for each in row["recorded"]["discrepancies"]} == {"HALT_AND_ALERT"}
        assert {each["strategy"] for each in row["replayed"]["discrepancies"]} == {"WARN_ONLY"}
    words = f"HALT_AND_ALERT would have been WARN_ONLY: 2 breaks, in {len(halting)} readings"
    assert words in " ".join(told(*asked, status=1).split())
    assert words in told(*asked, "--format", "html", status=1)
    assert told(*asked, "--until", DAY, status=3) == ""


async def test_looking_beside_a_running_service_disturbs_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """While the service holds the store open lists are read, and the service goes on writing."""
    import asyncio

    stored = Stored(tmp_path)
    desk = await stored.fill()
    assert await asyncio.to_thread(run, ["reports", "--format", "json", *stored.place]) == 0
    assert len(rows(capsys.readouterr().out)) == len(stored.reports)
    await desk.read()
    assert await asyncio.to_thread(run, ["reports", "--format", "json", *stored.place]) == 0
    assert len(rows(capsys.readouterr().out)) == len(stored.reports) + 1
    assert desk.said == []
    assert desk.record is not None
    await desk.record.close()
