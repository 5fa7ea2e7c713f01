"""Reports as files beside a running reconciler."""

from __future__ import annotations

import json
import stat
from decimal import Decimal
from pathlib import Path

from msgspec.structs import replace

from tests.live.test_reconciler import Desk
from tieout.live.reconciler import Account, PositionReconciler
from tieout.model.codec import encode
from tieout.serve.report_files import ReportFiles


class Told:
    """Who is told."""

    def __init__(self) -> None:
        self.said: list[str] = []

    async def raise_alarm(self, account: str, sentence: str) -> None:
        """Listen."""
        self.said.append(f"{account}: {sentence}")


def desk_with(files: ReportFiles) -> Desk:
    """A desk whose reports go to files."""
    desk = Desk()
    account = Account(name="main", local=desk.books, broker=desk.broker)
    desk.reconciler = PositionReconciler({"main": account}, desk.clock, reported=files.keep)
    return desk


async def test_each_report_is_a_file_as_it_was_returned(tmp_path: Path) -> None:
    """JSON to the byte and HTML that names it, looks too; for the owner alone, and nothing half written beside them."""
    folder = tmp_path / "reports"
    desk = desk_with(ReportFiles(folder, ("json", "html")))
    made = [await desk.read()]
    desk.world.trade("main", "AAPL", "sell", Decimal(2), Decimal(190))
    made += [await desk.read(), await desk.reconciler.reconcile_cash("main")]
    assert {path.name for path in folder.iterdir()} == {
        f"main-{report.report_id}.{kind}" for report in made for kind in ("json", "html")
    }
    for report in made:
        assert (folder / f"main-{report.report_id}.json").read_bytes() == encode(report) + b"\n"
        assert report.report_id in (folder / f"main-{report.report_id}.html").read_text("utf-8")
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


async def test_a_file_that_cannot_be_written_stops_nothing_and_is_told_once(tmp_path: Path) -> None:
    """Where the folder is a file reconciling goes on; a person is told once, and again when it fails anew."""
    folder, told = tmp_path / "reports", Told()
    desk = desk_with(ReportFiles(folder, alarm=told))
    folder.write_text("in the way")
    assert [(await desk.read()).status for _ in range(3)] == ["matched"] * 3
    assert told.said == [f"main: reports are not written to {folder}: file exists"]
    folder.unlink()
    report = await desk.read()
    assert json.loads((folder / f"main-{report.report_id}.json").read_bytes())["status"] == "matched"
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    folder.write_text("in the way")
    await desk.read()
    assert len(told.said) == 2


async def test_an_accounts_name_leads_nowhere_else(tmp_path: Path) -> None:
    """A name with slashes and dots stays one file in the folder."""
    folder = tmp_path / "reports"
    report = replace(await Desk().read(), account="../../else where")
    await ReportFiles(folder).keep(report)
    assert [path.name for path in folder.iterdir()] == [f"______else_where-{report.report_id}.json"]
