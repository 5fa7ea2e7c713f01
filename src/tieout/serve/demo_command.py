"""`tieout demo`: the whole service in real time; or a virtual day, or nine venues, in seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

REPORTS = Path("demo-output")


def demo(
    output: Annotated[
        Path | None, Parameter(name=["--output", "-o"], help="Folder to keep it in; --day and --venues: demo-output.")
    ] = None,
    *,
    seconds: Annotated[int | None, Parameter(help="End by itself after so long; else Ctrl-C ends it.")] = None,
    listen: Annotated[
        str | None, Parameter(help="Where the pages are; 127.0.0.1:8710, or any where it is taken.")
    ] = None,
    day: Annotated[
        bool, Parameter(help="A virtual day instead, in a second: seven things go wrong.", negative=())
    ] = False,
    venues: Annotated[
        bool, Parameter(help="Nine accounts at nine venues' protocols instead, over 127.0.0.1 alone.", negative=())
    ] = False,
    seed: Annotated[int, Parameter(help="Another seed tells another story.")] = 7,
) -> int:
    """Show it all on this machine: three accounts are watched, and one thing after another goes wrong at them.

    The address of the pages and a password made up for them are printed. Nothing is kept, unless --output names a folder.
    """
    if day:
        from tieout.serve.demo import run_demo

        return run_demo(output or REPORTS, seed)
    if venues:
        from tieout.serve.demo_venues import run_venues

        return run_venues(output or REPORTS, seed)
    print("Starting the service on this machine: a few seconds ...", flush=True)
    from tieout.serve.demo_service import Show, run_service

    return run_service(Show(seconds=seconds, folder=output, listen=listen, seed=seed))
