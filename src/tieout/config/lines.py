"""On which line of a configuration a problem stands: TOML's own reader does not tell."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from tieout.errors import Problem

MOST = 2**24
_HEADER = re.compile(r"\s*(\[\[?)\s*(.+?)\s*\]\]?\s*(#.*)?$")
_KEY = re.compile(r"""\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=""")
_PART = re.compile(r"""[\w-]+|"[^"]*"|'[^']*'""")
_LONG = re.compile(r'"""|' + "'''")


def located(problem: Problem) -> str:
    """The problem in a sentence, with the line that it stands on where its file is one that can be read."""
    path = Path(problem.file)
    try:
        text = path.read_bytes()[:MOST].decode() if problem.place and path.is_file() else ""
    except (OSError, UnicodeDecodeError):
        text = ""
    line = line_of(text, problem.place)
    told = str(problem)
    return told if line is None else f"{problem.file}:{line}{told.removeprefix(problem.file)}"


def line_of(text: str, place: str) -> int | None:
    """The line, from 1 on, of *place*, such as "accounts.main.broker.kind"; what is missing stands where its table begins."""
    best, found = 0, None
    for number, path in _paths(text):
        if len(path) > best and place.startswith(path) and not _goes_on(place[len(path) :]):
            best, found = len(path), number
    return found


def _goes_on(rest: str) -> bool:
    return bool(re.match(r"[\w-]", rest))


def _paths(text: str) -> Iterator[tuple[int, str]]:
    """Each table and each key by its whole path, with its line."""
    table, counts, until = "", dict[str, int](), None
    for number, line in enumerate(text.splitlines(), 1):
        if until is not None:  # within a text of several lines
            until = None if until in line else until
            continue
        header, key = _HEADER.match(line), _KEY.match(line)
        if header is not None and key is None:
            table = _joined(header[2])
            if header[1] == "[[":
                counts[table] = counts.get(table, -1) + 1
                table = f"{table}[{counts[table]}]"
            yield number, table
        elif key is not None:
            yield number, f"{table}.{_joined(key[1])}".removeprefix(".")
            opened = _LONG.search(line, key.end())
            if opened is not None and line.count(opened[0], key.end()) == 1:
                until = opened[0]


def _joined(path: str) -> str:
    return ".".join(part.strip("\"'") for part in _PART.findall(path))
