"""On an installation without extras every command works, or says in one sentence which of them it needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tieout.serve.extras import EXTRA_OF

LACKING = """
import sys

class Lacking:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {lacking!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Lacking())
from tieout.serve.cli import run
sys.exit(run({words!r}))
"""
CONFIGURED = """
[record]
store = "t.db"
keys = "keys"
[accounts.main.broker]
kind = "{kind}"
{more}
[accounts.main.local]
kind = "file"
path = "local.json"
"""
KINDS = {
    "alpaca": 'api_key_env = "PATH"\nsecret_env = "PATH"\npaper = true',
    "ccxt": 'exchange = "kraken"\napi_key_env = "PATH"\nsecret_env = "PATH"',
    "dydx": 'address = "dydx1aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"',
    "ib": 'account = "U1"',
}
COMMANDS = (
    "doctor",
    "check",
    "alerts",
    "reports",
    "breaks",
    "audit verify",
    "audit key new x",
    "halt main --reason x",
    "demo --venues",
    "demo",
    "serve",
    "access users",
)


def said(tmp_path: Path, words: list[str]) -> subprocess.CompletedProcess[str]:
    """What a command says where none of the extras are installed."""
    code = LACKING.format(lacking=sorted({*EXTRA_OF, "yarl", "pyarrow"}), words=words)
    return subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_without_its_libraries_is_one_sentence(tmp_path: Path, command: str) -> None:
    """Which extra to install, and no traceback."""
    (tmp_path / "tieout.toml").write_text(CONFIGURED.format(kind="alpaca", more=KINDS["alpaca"]), "utf-8")
    done = said(tmp_path, command.split())
    assert "Traceback" not in done.stderr
    assert "libraries that are not here: install tieout[" in done.stderr
    assert done.returncode == 2


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_an_account_without_its_libraries_is_one_sentence(tmp_path: Path, kind: str) -> None:
    """Of a broker's kind, too, without a record."""
    text = CONFIGURED.format(kind=kind, more=KINDS[kind]).partition("[accounts")[2]
    (tmp_path / "tieout.toml").write_text(f"[accounts{text}", "utf-8")
    done = said(tmp_path, ["check"])
    assert "Traceback" not in done.stderr
    assert "libraries that are not here: install tieout[" in done.stderr
    assert done.returncode == 2
