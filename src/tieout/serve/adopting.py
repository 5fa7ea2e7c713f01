"""`tieout adopt`: what the broker holds becomes the opening entries of empty books: of an account's, or of two files."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from tieout.bootstrap import opened
from tieout.config import Config, load
from tieout.config.nouns import LocalFile
from tieout.errors import BadInput, BookError, Problem
from tieout.live.opening import read_opening
from tieout.model.snapshot import Snapshot
from tieout.serve.checking import DEFAULT_FILE
from tieout.serve.render.words import counted, listed
from tieout.serve.reported import INCOMPLETE, MATCHED
from tieout.serve.saying import this_person

FileOption = Annotated[Path | None, Parameter(show_default=False)]


def adopt(
    account: str,
    /,
    *,
    config: Annotated[Path, Parameter(help="Where the account is configured (TOML).")] = DEFAULT_FILE,
    local: Annotated[FileOption, Parameter(help="Instead: local's snapshot file. It is written.")] = None,
    broker: Annotated[FileOption, Parameter(help="With --local: the broker's snapshot file.")] = None,
    yes: Annotated[bool, Parameter(help="Do not ask.", negative=())] = False,
) -> int:
    """Take the broker's holdings as the opening entries of empty books, once, after asking.

    The broker is asked, and the account's own file of books is written; it must be empty, or not there yet. Without a
    configured account, --local and --broker name two files.

    Parameters
    ----------
    account
        The account, as the configuration (or both files) names it.
    """
    if local is None and broker is None:
        return asyncio.run(_adopt(account, load(config, None), asked=not yes))
    if local is None or broker is None:
        raise BadInput([Problem("adopt", "", "one file alone", "name both --local and --broker, or neither")])
    return _adopt_files(account, local, broker, asked=not yes)


async def _adopt(account: str, config: Config, *, asked: bool) -> int:
    place, told = f"accounts.{account}.local", config.account(account).local
    if account in config.accounts and not (isinstance(told, LocalFile) and (told.writable or told.own)):
        mend = 'a file that Tieout keeps has kind = "file" and own = true; other books are opened where they are kept'
        raise BadInput([Problem(config.file, place, "no books that Tieout may open", mend)])
    if account in config.accounts and not config.recorded:
        what, mend = "what is adopted is kept in the record first, and there is none", "write [record]"
        raise BadInput([Problem(config.file, "record", what, mend)])
    async with opened(config, [account]) as running:
        stated = await read_opening(running.accounts[account])
        assert isinstance(told, LocalFile), "looked at above; an account that is not configured was refused"
        if asked and not _agreed(_rows(stated), told.path, account):
            return INCOMPLETE
        try:
            await running.reconciler.adopt(account, actor=this_person(), why="tieout adopt", stated=stated)
        except BookError as error:
            mend = "nothing was written; adopting writes books once, while they are empty"
            raise BadInput([Problem(config.file, place, error.why, mend)]) from error
    _say(f"{told.path} now holds {_rows(stated)}.")
    return MATCHED


def _adopt_files(account: str, local: Path, broker: Path, *, asked: bool) -> int:
    from tieout.serve.files import adopt_file, opening_of

    opening = opening_of(account, local, broker)
    if asked and not _agreed(_rows(opening), str(local), account):
        return INCOMPLETE
    adopt_file(opening, local)
    _say(f"{local} now holds {_rows(opening)}.")
    return MATCHED


def _rows(stated: Snapshot) -> str:
    return listed([counted(len(getattr(stated, f"{name}s") or ()), name) for name in ("position", "balance", "order")])


def _agreed(rows: str, path: str, account: str) -> bool:
    _say(f"Write {rows} of the broker into {path} as the opening entries of {account}? [y/N] ")
    if sys.stdin.readline().strip().lower() in ("y", "yes"):
        return True
    _say("Nothing was written.")
    return False


def _say(text: str) -> None:
    print(text, file=sys.stderr)
