"""`tieout breaks approve` and its kin, `tieout halt` and `tieout resume`, as a person at three in the morning meets them."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from tests.record.test_people import Floor, position
from tieout.clock import SystemClock
from tieout.record import keys
from tieout.record.settings import RecordSettings
from tieout.serve.cli import run

WHY = ("--reason", "seen on the phone", "--actor", "ann")
Tell = Callable[..., str]


class Night:
    """A service that was stopped after a stranger's trade halted it, and can read again."""

    def __init__(self, folder: Path) -> None:
        keys.create(folder / "keys", "tieout-test")
        self.floor = Floor(RecordSettings(store=str(folder / "t.db"), keys=str(folder / "keys")))
        self.place = ["--store", self.floor.settings.store, "--keys", self.floor.settings.keys]
        self.name = ""

    async def fall(self) -> None:
        """Live until it halts."""
        floor = self.floor
        floor.clock.advance(int((SystemClock().now() - floor.clock.now()).total_seconds()) - 3600)
        await floor.start()
        await floor.read()
        self.name = position(await floor.strange())


@pytest.fixture
async def night(tmp_path: Path) -> Night:
    made = Night(tmp_path)
    await made.fall()
    assert made.floor.record is not None
    await made.floor.record.close()
    return made


@pytest.fixture
def told(night: Night, capsys: pytest.CaptureFixture[str]) -> Tell:
    """Runs a command on the record; gives what it printed, in one line."""

    def tell(*arguments: str, status: int = 0) -> str:
        assert run([*arguments, *night.place]) == status
        printed = capsys.readouterr()
        return " ".join((printed.out if status == 0 else printed.err).split())

    return tell


async def after(night: Night, check: Callable[[Floor], object]) -> object:
    """What *check* sees after the service started again and read once."""
    await night.floor.start()
    await night.floor.read()
    assert night.floor.record is not None
    await night.floor.record.close()
    return check(night.floor)


def speak(night: Night, *arguments: str) -> int:
    """A command on a thread of its own: the test's loop runs here."""
    return run([*arguments, *night.place])


def test_the_list_shows_what_is_halted_and_what_waits(
    night: Night, told: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At 80 and at 120 columns: the halt with the command that ends it, and what waits with the command that approves it."""
    for columns in ("80", "120"):
        monkeypatch.setenv("COLUMNS", columns)
        text = told("breaks")
        assert re.match(
            r"TRADING HALTED: main since \S+ \S+ UTC: somebody else, for 2 breaks; `tieout resume main", text
        )
        assert re.search(
            r"AWAITS YOUR APPROVAL until \S+ \S+ UTC: book the broker's fill \(AAPL f-\S+\); `tieout", text
        )
        assert f"`tieout breaks approve {night.name[:8]} --reason …`" in text
    rows = [json.loads(line) for line in _lines(told("breaks", "--format", "json"))]
    assert [row["awaits"] for row in rows] == [True, True]
    life = told("breaks", "show", night.name)
    assert "TRADING HALTED: main since" in life
    assert "AWAITS YOUR APPROVAL until" in life
    page = told("breaks", "show", night.name, "--format", "html")
    assert "TRADING HALTED: main since" in page


def _lines(text: str) -> list[str]:
    return [each if each.endswith("}") else each + "}" for each in re.split(r"(?<=}) ", text)]


def test_without_the_key_the_list_says_what_it_cannot_know(
    night: Night, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """No master key: the halt is shown, and that nobody can tell what waits."""
    assert run(["breaks", "--store", night.floor.settings.store, "--keys", str(tmp_path / "none")]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert text.startswith("TRADING HALTED: main since")
    assert "What awaits your approval is not shown: " in text
    assert "AWAITS" not in text


async def test_an_approval_from_the_command_line_is_booked(night: Night) -> None:
    """One line says what was approved and when it takes effect; after the next reading the books equal the broker."""
    import asyncio

    assert await asyncio.to_thread(speak, night, "breaks", "approve", night.name[:8], *WHY) == 0
    assert await after(night, lambda floor: floor.may_buy()) is False
    assert await night.floor.held() == night.floor.stated()


def test_each_word_is_one_clear_line(night: Night, told: Tell) -> None:
    """What was said, and that the service hears it within seconds; amounts only where they are asked for."""
    said = told("breaks", "reject", night.name[:8], *WHY)
    assert re.match(r"ann rejected: book the broker's fill \(AAPL f-\S+\) is not done, and not asked for again", said)
    said = told("breaks", "approve", night.name[:8], *WHY)
    assert "ann approved: book the broker's fill" in said
    assert "the running service hears it within seconds, otherwise the next `tieout check` does" in said
    assert "Trading stays halted until it is resumed: `tieout resume main --reason …`." in said
    assert "140" not in said
    said = told("breaks", "known", night.name[:8], "--until", "7d", *WHY, "--amounts")
    assert "local 100, broker 140, difference +40" in said
    said = told("breaks", "resolve", night.name[:8], "--strategy", "SYNC_TO_BROKER", *WHY)
    assert "resolved otherwise: bring the books to what the broker has (SYNC_TO_BROKER)" in said
    assert told("breaks", "comment", night.name[:8], *WHY) == "ann commented on position AAPL of main."
    listed = told("breaks")
    assert "APPROVED by ann at" in listed
    assert "known until" in listed
    assert ", by ann" in listed
    assert "by ann: seen on the phone" in told("breaks", "show", night.name)


def test_the_operating_systems_user_speaks_by_default(
    night: Night, told: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without --actor it is the user's name here; where there is none, it is asked for."""
    monkeypatch.setenv("LOGNAME", "eve")
    assert told("halt", "main", "--reason", "x").startswith("eve halts trading of main; ")

    def nobody() -> str:
        raise OSError

    monkeypatch.setattr("getpass.getuser", nobody)
    assert "give --actor" in told("halt", "main", "--reason", "x", status=2)


def test_a_resume_shows_what_stands_and_asks(
    night: Night, told: Tell, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Anything but yes says nothing; yes says it, and until it is heard the list says that trading is halted."""
    monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
    shown = told("resume", "main", *WHY, status=2)
    assert re.match(r"HALTED main since \S+ \S+ UTC: somebody else, for 2 breaks These breaks still stand", shown)
    assert f"{night.name[:8]} position AAPL: CRITICAL, EXTERNAL_TRADE, open since" in shown
    assert shown.endswith("Let trading of main go on? [y/N] Nothing was said.")
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert run(["resume", "main", *WHY, *night.place]) == 0
    assert capsys.readouterr().out.startswith("ann lets trading of main go on; the running service hears it")
    assert re.search(r"TRADING HALTED: main .*; resumed by ann at \S+ \S+ UTC, and not heard yet", told("breaks"))
    assert "nothing of main is halted" in told("resume", "main", *WHY, "--yes", status=2)
    told("halt", "main", *WHY)
    assert "TRADING TO BE HALTED, not heard yet: main since" in told("breaks")


async def test_a_resume_from_the_command_line_opens_the_gate(night: Night) -> None:
    """Resumed while the break stands: the gate is open after the next reading, and shut again once it changes."""
    import asyncio

    assert await asyncio.to_thread(speak, night, "resume", "main", "--yes", *WHY) == 0
    assert await after(night, lambda floor: floor.may_buy()) is True
    await night.floor.start()
    night.floor.world.trade("main", "AAPL", "buy", Decimal(1), Decimal(190))
    await night.floor.read()
    await night.floor.read()
    assert night.floor.record is not None
    await night.floor.record.close()
    assert not night.floor.may_buy()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("breaks", "approve", "zzzzzz", *WHY), "no break has an id that begins with"),
        (("breaks", "approve", "zz", *WHY), "too short"),
        (("breaks", "reject", "NAME", "--reason", " "), "a reason is missing"),
        (("breaks", "reject", "NAME"), "--reason"),
        (("breaks", "known", "NAME", *WHY), "--until"),
        (("breaks", "known", "NAME", "--until", "2020-01-01", *WHY), "has passed already"),
        (("breaks", "known", "NAME", "--until", "soon", *WHY), "how long from now"),
        (("breaks", "resolve", "NAME", "--strategy", "PRAY", *WHY), "--strategy"),
        (("halt", "mian", *WHY), "it knows main"),
        (("resume", "main", "--asset", "MSFT", "--yes", *WHY), "all of it is halted"),
    ],
)
def test_what_cannot_count_is_one_sentence_and_exits_2(
    night: Night, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], words: str
) -> None:
    """Refused or mistyped: nothing on standard output, nothing kept, exit 2."""
    typed = [night.name if each == "NAME" else each for each in arguments]
    assert run([*typed, *night.place]) == 2
    printed = capsys.readouterr()
    assert (printed.out, len(printed.err.splitlines())) == ("", 1)
    assert words in printed.err
    assert run(["breaks", "show", night.name, "--format", "json", *night.place]) == 0
    steps = json.loads(capsys.readouterr().out)["steps"]
    assert [step for step in steps if step["kind"] == "word"] == []


@pytest.mark.parametrize("command", [("halt", "main"), ("breaks", "comment", "aaaaaa"), ("resume", "main", "--yes")])
def test_a_record_that_is_not_there_is_not_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    """No store, or no keys: one sentence, exit 3, and no file."""
    (tmp_path / "empty").mkdir()
    place = ("--store", str(tmp_path / "empty" / "t.db"), "--keys", str(tmp_path / "keys"))
    assert run([*command, *WHY, *place]) == 3
    printed = capsys.readouterr()
    assert (printed.out, len(printed.err.splitlines())) == ("", 1)
    assert list((tmp_path / "empty").iterdir()) == []
