"""The commands. Exit status and standard output live here.

0 matched, 1 discrepancies, 2 bad usage or bad input, 3 incomplete or failed.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import App, CycloptsError, Parameter

from tieout import __version__
from tieout.config import Config, load
from tieout.config.lines import located
from tieout.errors import BadInput, Problem, TieoutError, WordRefused
from tieout.model.report import ReconciliationReport
from tieout.model.snapshot import Observation
from tieout.serve.extras import extra_lacking
from tieout.serve.output import sink
from tieout.serve.recorded import FromStore
from tieout.serve.render.text import inert
from tieout.serve.reported import (
    BAD,
    INCOMPLETE,
    MATCHED,
    ConfigOption,
    Format,
    FormatOption,
    OutputOption,
    exit_status,
    worst,
    write_reports,
)

app = App(
    name="tieout",
    version=__version__,
    help="Check what a trading system believes it holds against what its broker says: exactly, and with the cause.",
    help_epilogue="""Examples:

  tieout compare local.json broker.json

  tieout replay observations.jsonl --format html --output week.html

  tieout init && tieout compare local.json broker.json --config tieout.toml

  tieout check --config tieout.toml

  tieout breaks --config tieout.toml

  tieout replay --from-store --since 2h --policy new.toml --config tieout.toml

Exit status: 0 matched, 1 discrepancies, 2 bad usage or input, 3 incomplete or failed.""",
    help_format="markdown",
    result_action="return_value",
)
app.register_install_completion_command()
app.command(
    "tieout.serve.checking:check",
    name="check",
    help="Reconcile configured accounts once, reading again until what differs is confirmed. "
    "Without a [record] in the configuration nothing is acted on.",
)
app.command(
    "tieout.serve.doctor.command:doctor",
    name="doctor",
    help="Look at each account's broker: reach, clock, what the key may do, what is read, how often. Changes nothing.",
)
app.command(
    "tieout.serve.initiating:init",
    name="init",
    help="Write a commented configuration; with --ask, with an account in it that it asks for.",
)
app.command("tieout.serve.profiles:profiles", name="profiles", help="Show the ready profiles beside each other.")
app.command("tieout.serve.history:reports", name="reports", help="List the reports that the record holds; show one.")
app.command("tieout.serve.history:breaks", name="breaks", help="List breaks, the worst first; show the life of one.")
app.command("tieout.serve.saying:halt", name="halt", help="Stop trading of an account, or of one asset of it.")
app.command("tieout.serve.saying:resume", name="resume", help="Let trading go on; shows first what stands, and asks.")
app.command("tieout.serve.alerts:alerts", name="alerts", help="List the alerts that wait, with why, and what went out.")
app.command("tieout.serve.serving:serve", name="serve", help="Watch all accounts until it is told to stop, and listen.")
app.command("tieout.serve.granting:app", name="access", help="Who may ask the service: tokens made, listed, revoked.")
app.command(
    "tieout.serve.demo_command:demo", name="demo", help="Show it all on this machine, in real time or in seconds."
)
app.command(
    "tieout.serve.adopting:adopt", name="adopt", help="Take the broker's holdings into empty books, once, after asking."
)
app.command("tieout.serve.audit:app", name="audit", help="Verify the log, prove, show and export it; witness.")

PolicyOption = Annotated[Path | None, Parameter(help="A policy alone (TOML); counts before the configuration's.")]


@app.command
def compare(
    local: Path,
    broker: Path,
    /,
    *,
    format: FormatOption = "table",  # noqa: A002 - the option's public name
    output: OutputOption = None,
    config: ConfigOption = None,
    policy: PolicyOption = None,
) -> int:
    """Compare two snapshot files once.

    Both are taken as settled: what differs is reported as confirmed, unless it is in flight.

    Parameters
    ----------
    local
        The trading system's snapshot (tieout.snapshot/1, source "local").
    broker
        The broker's snapshot (tieout.snapshot/1, source "broker").
    """
    from tieout.serve.files import compare_files

    report = compare_files(local, broker, load(config, policy))
    write_reports([report], format, output, title=f"{report.account}: {local.name} against {broker.name}")
    return exit_status([report])


@app.command
def replay(
    observations: Path | None = None,
    /,
    *,
    format: FormatOption = "table",  # noqa: A002 - the option's public name
    output: OutputOption = None,
    config: ConfigOption = None,
    policy: PolicyOption = None,
    stored: FromStore = FromStore(),
) -> int:
    """Run a recorded history through the whole pipeline, on its own clock, acting on nothing.

    JSON is one report a line, one a line of input, so that a week can be judged again under another policy.

    With --from-store the record's own readings are judged again, and what comes out otherwise than it was decided then is
    shown, each beside the other (exit status 1; 0 where nothing does). JSON is one such reading a line.

    Parameters
    ----------
    observations
        A history: one observation a line (JSON Lines). Not with --from-store.
    """
    if stored.from_store:
        return _replay_store(stored, observations, format, output, config=config, policy=policy)
    if observations is None:
        raise BadInput([Problem("replay", "", "no history is named", "name a file of observations, or --from-store")])
    if stored != FromStore():
        mend = "add --from-store, and name no file of observations"
        raise BadInput([Problem("replay", "", "--since, --until, --account, --store and --keys need the record", mend)])
    return _replay_file(observations, load(config, policy), format, output)


def _replay_store(
    stored: FromStore,
    file: Path | None,
    style: Format,
    output: Path | None,
    *,
    config: Path | None,
    policy: Path | None,
) -> int:
    from tieout.serve.stored_replay import replay_store

    if file is not None:
        raise BadInput([Problem("replay", str(file), "two histories", "name either a file or --from-store")])
    if stored.since is None:
        raise BadInput(
            [Problem("--since", "", "missing", "say from when on, such as --since 2h or --since 2026-11-20")]
        )
    return replay_store(
        stored.since, until=stored.until, account=stored.account, policy=policy, config=config, store=stored.store,
        keys=stored.keys, format=style, output=output,
    )  # fmt: skip


def _replay_file(observations: Path, settings: Config, style: Format, output: Path | None) -> int:
    from tieout.serve.files import open_history, replay_history

    total, history = open_history(observations, settings.limits.max_file_bytes)
    reports = replay_history(_progress(history, total), settings)
    if style == "json":
        return _stream(reports, output)
    shown = list(reports)
    write_reports(shown, style, output, title=f"Replay of {observations.name}")
    return exit_status(shown)


def _progress(items: Iterable[Observation], total: int) -> Iterable[Observation]:
    """The same items, with a bar on standard error where a person waits there for long."""
    if not sys.stderr.isatty() or total < 200:
        return items
    from rich.console import Console
    from rich.progress import track

    return track(items, total=total, description="replaying", console=Console(stderr=True), transient=True)


def _stream(reports: Iterator[ReconciliationReport], output: Path | None) -> int:
    from tieout.model.codec import encode

    statuses: list[int] = []
    with sink(output) as write:
        for report in reports:
            write(encode(report).decode() + "\n")
            statuses.append(exit_status([report]))
    return worst(statuses)


def _say(text: str) -> None:
    # An argument that is refused is repeated, and may be an address: its password is not.
    print(re.sub(r"(:/+[^\s:/@]*):[^\s@]*@", r"\1:***@", text), file=sys.stderr)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status; a failure is one clear sentence each, never a traceback."""
    try:
        result = app(arguments, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        _say(f"tieout: {error} (see `tieout --help`)")
        return BAD
    except BadInput as error:
        for problem in error.problems:
            _say(f"tieout: {located(problem)}")
        return BAD
    except WordRefused as error:
        _say(f"tieout: {inert(error.why)}")
        return BAD
    except TieoutError as error:
        _say(f"tieout: {error}")
        return INCOMPLETE
    except ImportError as error:
        extra = extra_lacking(error)
        if extra is None:
            raise
        _say(f"tieout: this command needs libraries that are not here: install tieout[{extra}]")
        return BAD
    except BrokenPipeError:
        sys.stderr.close()  # the reader has gone; there is nobody left to tell
        return INCOMPLETE
    return result if isinstance(result, int) else MATCHED


def main() -> None:
    """The `tieout` command."""
    sys.exit(run())
