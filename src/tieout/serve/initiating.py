"""`tieout init`: writes the commented configuration, with an account in it where somebody tells of one."""

from __future__ import annotations

import shlex
import sys
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

from cyclopts import Parameter

from tieout.config import load
from tieout.errors import BadInput, Problem
from tieout.serve.asking import Terminal, Unanswered
from tieout.serve.interview import Told, account_lines, interview
from tieout.serve.reported import INCOMPLETE, MATCHED
from tieout.serve.template import render_template

DEFAULT_FILE = Path("tieout.toml")


def init(
    path: Path = DEFAULT_FILE,
    /,
    *,
    ask: Annotated[bool, Parameter(help="Ask for a first account, and write it in.", negative=())] = False,
) -> int:
    """Write a commented configuration with every setting at its default.

    Parameters
    ----------
    path
        Where to; an existing file is left alone.
    """
    _require_free(path)
    if not ask:
        _write(path, render_template())
        _say(f"{path} is written: every line is a comment until you change it.")
        return MATCHED
    if not sys.stdin.isatty():
        mend = "ask on a terminal; or leave --ask out, and write the account into the file"
        raise BadInput([Problem("--ask", "", "standard input is no terminal, so that nobody can answer", mend)])
    try:
        told = interview(terminal := Terminal())
        lines = account_lines(told)
        terminal.say("\n" + "\n".join(lines) + "\n")
        choices = {"yes": f"write {path} with this account in it", "no": "write nothing"}
        agreed = terminal.choose("Is that right?", choices, default="yes")
        text = render_template(lines, told.profile)
        _require_sound(text, path)
    except (KeyboardInterrupt, Unanswered):
        agreed = "no"
        _say("")
    if agreed == "no":
        _say("Nothing was written.")
        return INCOMPLETE
    _write(path, text)
    _say("\n".join([f"{path} is written. What comes next:", *_next(told, path)]))
    return MATCHED


def _require_free(path: Path) -> None:
    if path.exists() or path.is_symlink():
        raise BadInput([Problem(str(path), "", "there is a file already", "name another, or move it away")])
    if not path.parent.is_dir():
        raise BadInput([Problem(str(path), "", "there is no such folder", "make it, or name another")])


def _require_sound(text: str, path: Path) -> None:
    """Refuse what would not be read again."""
    with TemporaryDirectory() as folder:
        trial = Path(folder) / "tieout.toml"
        trial.write_text(text, "utf-8")
        try:
            load(trial, None, {})
        except BadInput as error:
            raise BadInput([replace(each, file=str(path)) for each in error.problems]) from None


def _write(path: Path, text: str) -> None:
    """Whole or not at all, and never over another file."""
    try:
        path.touch(mode=0o600, exist_ok=False)  # a password may be written into it
    except OSError as error:
        what = "there is a file already" if isinstance(error, FileExistsError) else (error.strerror or "no").lower()
        raise BadInput([Problem(str(path), "", what, "name another place")]) from None
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        path.unlink(missing_ok=True)
        raise BadInput([Problem(str(path), "", (error.strerror or "not written").lower(), "make room")]) from None


def _next(told: Told, path: Path) -> list[str]:
    """The commands that lead to a first reconciliation."""
    config = "" if path == DEFAULT_FILE else f" --config {shlex.quote(str(path))}"
    lines = [f"export {' '.join(f'{name}=…' for name in told.variables)}"] if told.variables else []
    lines += [f"tieout doctor{config}", "tieout audit key new"]
    lines += [f"tieout adopt {told.name}{config}"] if told.local.get("own") else []
    lines += [] if told.local["kind"] == "pushed" else [f"tieout check{config}"]
    lines += [f"tieout access user NAME --role approver --role operator{config}", f"tieout serve{config}"]
    return [f"  {line}" for line in lines]


def _say(text: str) -> None:
    print(text, file=sys.stderr)
