"""`tieout reports` and `tieout breaks`: what the record holds, listed and shown. Reads only, beside a service that writes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from cyclopts import App, Parameter

from tieout.clock import SystemClock
from tieout.errors import BadInput, LogBroken, Problem
from tieout.model.discrepancy import CauseCode, Severity
from tieout.model.report import Status
from tieout.record.settings import RecordSettings
from tieout.serve.moments import moment_of
from tieout.serve.output import console, sink
from tieout.serve.recorded import KeysOption, RecordConfig, StoreOption, record_settings

DONE = 0
SHORTEST = 6  # characters of an id that may stand for it
T = TypeVar("T")
Format = Literal["table", "json", "html"]

FormatOption = Annotated[Format, Parameter(name=["--format", "-f"], help="How it is written.")]
ListFormat = Annotated[Literal["table", "json"], Parameter(name=["--format", "-f"], help="JSON is one object a line.")]
OutputOption = Annotated[Path | None, Parameter(name=["--output", "-o"], help="A file instead of standard output.")]
Repeat = Parameter(help="May be given several times.")
Accounts = Annotated[list[str] | None, Parameter(name="--account", help="Of these accounts only; may be repeated.")]
Assets = Annotated[list[str] | None, Parameter(name="--asset", help="About these assets or currencies; may be repeated.")]
Causes = Annotated[list[CauseCode] | None, Parameter(name="--cause", help="With this cause; may be repeated.")]
Severities = Annotated[list[Severity] | None, Parameter(name="--severity", help="This bad; may be repeated.")]
Statuses = Annotated[list[Status] | None, Parameter(name="--status", help="With this outcome; may be repeated.")]
Since = Annotated[str | None, Parameter(help='A moment, a day such as 2026-11-20, or how long ago: "2h", "7d".')]
Until = Annotated[str | None, Parameter(help="The same; what begins before it.")]
Limit = Annotated[int, Parameter(help="How many at most; 0 is no limit.")]

