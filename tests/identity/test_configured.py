"""One identity as it is written: what is refused at load, what an account changes of it, and comparing files by it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.test_config import loaded, problems
from tieout.config import Config
from tieout.errors import BadInput
from tieout.model.codec import encode
from tieout.model.report import ReconciliationReport
from tieout.model.snapshot import Observation, Position, Snapshot
from tieout.serve.cli import run
from tieout.serve.files import compare_files, replay_history

NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)
SWAP = '[assets."BTC-PERP"]\naliases = ["BTC-USDT-SWAP"]\ncontract_size = "0.01"\n'


def compared(tmp_path: Path, config: Config, local: Position, *broker: Position) -> ReconciliationReport:
    """The report of two files."""
    side = Snapshot("tieout.snapshot/1", "main", "local", NOW, positions=(local,))
    paths = tmp_path / "local.json", tmp_path / "broker.json"
    paths[0].write_bytes(encode(side))
    paths[1].write_bytes(encode(replace(side, source="broker", positions=broker)))
    return compare_files(*paths, config)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            '[assets.BTC]\naliases = ["XBT"]\n[assets.BCH]\naliases = ["XBT"]\n',
            "tieout.toml: assets.BCH: XBT would mean both BTC and BCH; two assets are never merged: "
            "take it out of one of them",
        ),
        (
            '[assets.BTC]\nsame_as = ["WBTC"]\n[assets.WBTC]\nstep = "0.1"\n',
            "tieout.toml: assets.BTC: WBTC has a table of its own, and would also mean BTC; "
            "two assets are never merged: take one of the two away",
        ),
        (
            '[assets.BTC]\naliases = ["XBT"]\nsame_as = ["XBT"]\n',
            "tieout.toml: assets.BTC: XBT stands in two of aliases, same_as and renamed; leave it in one of them",
        ),
        (
            '[assets.BTC]\naliases = ["XBT"]\n[settings.unmanaged]\nXBT = "1"\n',
            "tieout.toml: settings.unmanaged: XBT is another name of BTC; write BTC there",
        ),
        (
            "[assets.P]\ncontract_size = 0\n",
            "tieout.toml: assets.P.contract_size: not above 0; write how much of local's unit one of the broker's is",
        ),
        (
            "[assets.P]\ncontract_size = 10\nmultiplier = 10\n",
            "tieout.toml: assets.P.contract_size: a contract size beside a multiplier; take multiplier away: "
            "what is counted in local's unit needs none",
        ),
        (
            '[assets.BTC]\nsame_as = ["WBTC"]\nbroker_name = "WBTC"\n',
            "tieout.toml: assets.BTC: WBTC is an asset of its own (same_as); orders and records of BTC need its name",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    """A name of two assets, or a unit of none: said once, with place and mend, before anything is read."""
    assert problems(tmp_path, text + "[accounts.main]\n") == [sentence]


def test_an_account_may_not_make_a_name_mean_two_things(tmp_path: Path) -> None:
    """What is clear in general can clash in an account's own tables: its place is named."""
    text = '[assets.BTC]\naliases = ["XBT"]\n[accounts.main.assets.BCH]\naliases = ["XBT"]\n'
    (sentence,) = problems(tmp_path, text)
    assert sentence.startswith("tieout.toml: accounts.main.assets.BCH: XBT would mean both BTC and BCH")


def test_an_accounts_own_word_counts_setting_by_setting(tmp_path: Path) -> None:
    """A step of its own leaves the general names, and "" takes a setting away."""
    text = '[assets.META]\nrenamed = {FB = 2022-06-09}\ncontract_size = "10"\n'
    own = '[accounts.main.assets.META]\nstep = "0.5"\ncontract_size = ""\n'
    told = loaded(tmp_path, text + own).account("main").settings.asset("META")
    assert (told.renamed, told.step, told.contract_size) == ({"FB": date(2022, 6, 9)}, Decimal("0.5"), None)


def test_files_are_compared_under_one_name_and_in_one_unit(tmp_path: Path) -> None:
    """1 coin against 100 contracts matches; 99 differ by 0.01 coins, and the report says what it counts."""
    config, coin = loaded(tmp_path, SWAP), Position("BTC-PERP", Decimal(1))
    assert compared(tmp_path, config, coin, Position("BTC-USDT-SWAP", Decimal(100))).status == "matched"
    report = compared(tmp_path, config, coin, Position("BTC-USDT-SWAP", Decimal(99)))
    (found,) = report.discrepancies
    assert (found.asset, found.broker_amount, found.difference) == ("BTC-PERP", Decimal("0.99"), Decimal("-0.01"))
    assert any("the broker counts contracts of 0.01" in warning for warning in report.summary.warnings)
    assert any("BTC-USDT-SWAP" in warning for warning in report.summary.warnings)


def test_the_wrong_factor_is_a_break_and_is_named(tmp_path: Path) -> None:
    """A contract size that is ten times too small matches nothing: the break stands, and the right size is suggested."""
    config = loaded(tmp_path, SWAP.replace("0.01", "0.001"))
    report = compared(tmp_path, config, Position("BTC-PERP", Decimal(1)), Position("BTC-USDT-SWAP", Decimal(100)))
    assert report.status == "discrepancies"
    assert any('write contract_size = "0.01"' in warning for warning in report.summary.warnings)


def test_a_file_with_two_names_of_one_thing_is_refused(tmp_path: Path) -> None:
    """The file and the section are named, and there is no report."""
    rows = Position("BTC-USDT-SWAP", Decimal(100)), Position("BTC-PERP", Decimal(5))
    with pytest.raises(BadInput, match=r"broker\.json: positions: BTC-PERP and BTC-USDT-SWAP are names of BTC-PERP"):
        compared(tmp_path, loaded(tmp_path, SWAP), Position("BTC-PERP", Decimal(1)), *rows)


SIDES = """
[settings]
settle_seconds = "0.05"
[accounts.main.local]
kind = "file"
path = "local.json"
max_age_seconds = ""
[accounts.main.broker]
kind = "file"
path = "broker.json"
max_age_seconds = ""
"""


def test_a_check_prints_what_the_units_may_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is told it names the setting; with that setting the very same files match."""
    monkeypatch.chdir(tmp_path)
    compared(tmp_path, Config(), Position("P", Decimal(1)), Position("P", Decimal(1000)))
    (tmp_path / "tieout.toml").write_text(SIDES)
    assert run(["check"]) == 1
    told = " ".join(capsys.readouterr().out.split())
    assert "P: local has exactly 0.001 times what the broker has" in told
    assert 'write contract_size = "0.001" in [assets."P"]' in told
    (tmp_path / "tieout.toml").write_text(SIDES + '[assets.P]\ncontract_size = "0.001"\n')
    assert run(["check"]) == 0


def test_a_history_is_judged_by_the_table_of_today(tmp_path: Path) -> None:
    """A recorded line bears what was said, so that a table written later makes the same line match."""
    side = Snapshot("tieout.snapshot/1", "main", "local", NOW, positions=(Position("BTC-PERP", Decimal(1)),))
    theirs = replace(side, source="broker", positions=(Position("BTC-USDT-SWAP", Decimal(100)),))
    line = Observation(NOW, "main", side, theirs)
    (before,) = replay_history([line], Config())
    (after,) = replay_history([line], loaded(tmp_path, SWAP))
    assert (before.status, after.status) == ("discrepancies", "matched")
