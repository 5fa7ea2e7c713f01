"""Reports as files, for an engine that keeps a folder of them: each whole or not there at all."""

from __future__ import annotations

import asyncio
import logging
import os
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

from tieout.live.alarm import Alarm
from tieout.model.codec import encode
from tieout.model.report import ReconciliationReport

FileFormat = Literal["json", "html"]
Render = Callable[[ReconciliationReport], str]
_log = logging.getLogger("tieout.report_files")


class ReportFiles:
    """Writes each report that it is given to a folder, as `<account>-<report_id>.json` or `.html`.

    Give `keep` to `PositionReconciler` as `reported`. A file that cannot be written is logged, and told to a person once for
    as long as that lasts; it stops nothing. Files hold amounts: they are for their owner alone, and nothing erases them.

    Args:
        folder: Where to; made where it is missing.
        formats: Which files each report gets.
        alarm: The way to a person; None only logs.
    """

    def __init__(self, folder: Path, formats: Sequence[FileFormat] = ("json",), *, alarm: Alarm | None = None) -> None:
        self._folder, self._formats, self._alarm = folder, tuple(dict.fromkeys(formats)), alarm
        self._failing = False

    async def keep(self, report: ReconciliationReport) -> None:
        """Write *report*; never raises for what the disk refuses."""
        try:
            await asyncio.to_thread(self._write, report)
        except OSError as error:
            await self._tell(report.account, (error.strerror or type(error).__name__).lower())
        else:
            self._failing = False

    async def _tell(self, account: str, why: str) -> None:
        sentence = f"reports are not written to {self._folder}: {why}"
        _log.error("%s: %s", account, sentence)
        if self._alarm is not None and not self._failing:
            await self._alarm.raise_alarm(account, sentence)
        self._failing = True

    def _write(self, report: ReconciliationReport) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for each in self._formats:
            write_whole(self._folder / f"{_file_name(report)}.{each}", _RENDERERS[each](report))


def write_whole(path: Path, text: str) -> None:
    """Put *text* into *path* at once: whoever opens it finds all of it, or what was there before.

    Raises:
        OSError: It cannot be written; nothing is left behind.
    """
    number, name = tempfile.mkstemp(prefix=".", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(number, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    finally:
        with suppress(OSError):
            Path(name).unlink()  # gone already where it took its place


def _file_name(report: ReconciliationReport) -> str:
    """The account, as far as it may stand in a file's name, and the report's id."""
    account = "".join(each if each.isascii() and (each.isalnum() or each in "-_") else "_" for each in report.account)
    return f"{account[:64]}-{report.report_id}"


def _json(report: ReconciliationReport) -> str:
    return encode(report).decode() + "\n"


def _html(report: ReconciliationReport) -> str:
    from tieout.serve.render.page import render_page

    return render_page([report], f"Report {report.report_id}, account {report.account}")


_RENDERERS: dict[FileFormat, Render] = {"json": _json, "html": _html}
