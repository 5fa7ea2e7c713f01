"""The runbook of docs/architecture/live-trading.md, followed: each command prints what stands under it."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from tieout.brokers.simulated import Instrument, World
from tieout.clock import SystemClock, VirtualClock
from tieout.model.codec import decode_snapshot, encode
from tieout.record import keys
from tieout.serve.cli import run

DOCUMENT = Path(__file__).parents[1] / "docs" / "architecture" / "live-trading.md"
START = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)
CONFIG = """
[accounts.main.local]
kind = "file"
path = "local.json"
writable = true

[accounts.main.broker]
kind = "file"
path = "broker.json"

[record]
"""


class Step(NamedTuple):
    """A command of the runbook, and the lines of its output that stand there."""

    command: str
    printed: list[str]


def steps() -> Iterator[Step]:
    """The commands, in their order."""
    section = DOCUMENT.read_text("utf-8").partition("## Runbook")[2].partition("\n## ")[0]
    for block in re.findall(r"^```\n(.*?)^```", section, re.MULTILINE | re.DOTALL):
        for part in block.split("$ tieout ")[1:]:
            command, *printed = part.splitlines()
            yield Step(command, printed)


class Account:
    """A simulated account whose two sides stand in files, with a bot that writes its own each time before it is read."""

    def __init__(self, folder: Path, clock: VirtualClock) -> None:
        self.folder, self.clock = folder, clock
        self.world = World(clock, seed=1)
        self.world.add_account("main")
        self.world.add_instrument(Instrument(asset="AAPL", kind="cash", currency="USD", fee_rate=Decimal("0.0001")))
        self.world.office.pay("main", "deposit", "USD", Decimal(50_000))
        self.world.set_price("AAPL", Decimal(190))
        self.world.trade("main", "AAPL", "buy", Decimal(100), Decimal(190))
        clock.advance(60)
        keys.create(folder / "tieout-keys", "example.com/desk")
        (folder / "tieout.toml").write_text(CONFIG)
        self.write_files()
        assert run(["adopt", "main", "--local", "local.json", "--broker", "broker.json", "--yes"]) == 0

    def write_files(self) -> None:
        """Both sides, as they are now."""
        self.clock.advance(5)
        (self.folder / "broker.json").write_bytes(encode(self.world.snapshot("main")))
        local = self.folder / "local.json"
        if local.exists():
            held = decode_snapshot(local.read_bytes(), "local.json", "local")
            local.write_bytes(encode(msgspec.structs.replace(held, as_of=self.clock.now())))

    def is_halted_by_a_stranger(self) -> None:
        """Somebody buys 40 shares at the broker's own screen, and it is seen."""
        self.check(0)
        self.world.trade("main", "AAPL", "buy", Decimal(40), Decimal(190))
        self.check(1)

    def check(self, expected: int) -> None:
        """A reconciliation."""
        self.write_files()
        assert run(["check"]) == expected


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Account:
    """The account at night, on a clock of its own."""
    clock = VirtualClock(START)
    monkeypatch.setattr(SystemClock, "now", lambda _: clock.now())
    monkeypatch.setattr(SystemClock, "monotonic_ns", lambda _: clock.monotonic_ns())
    monkeypatch.setattr(SystemClock, "sleep", lambda _, seconds: clock.sleep(seconds))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)
    return Account(tmp_path, clock)


class Person:
    """Whoever answers yes; the terminal shows it."""

    def __init__(self, terminal: io.StringIO) -> None:
        self._terminal = terminal

    def readline(self) -> str:
        """The answer."""
        self._terminal.write("y\n")
        return "y\n"


def followed(account: Account, step: Step, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """What a command prints, on either stream; a question is answered with yes."""
    if step.command == "check":
        account.write_files()
    account.clock.advance(7)
    said = io.StringIO()
    monkeypatch.setattr("sys.stdin", Person(said))
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        run(shlex.split(step.command))
    return (line.rstrip() for line in said.getvalue().splitlines())


def test_the_runbook_prints_what_it_says(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """Followed to the letter it ends in an account that trades again; what it shows of each command is what that printed."""
    account.is_halted_by_a_stranger()
    for step in steps():
        left = followed(account, step, monkeypatch)
        # Lines may be left out, none may be made up.
        invented = [line for line in step.printed if line.rstrip() not in left]
        assert (step.command, invented) == (step.command, [])
