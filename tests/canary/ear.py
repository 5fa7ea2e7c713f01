"""Hears all that is said while a walk goes on: logs of every logger at every level, warnings, both outputs, failures."""

from __future__ import annotations

import io
import logging
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field

from tests.canary.marks import Marks

# Each is turned up as somebody would who looks for a fault.
LOGGERS = (
    "", "sqlalchemy", "sqlalchemy.engine", "sqlalchemy.engine.Engine", "sqlalchemy.pool", "sqlalchemy.dialects",
    "sqlalchemy.orm", "alembic", "alembic.runtime.migration", "asyncpg", "aiohttp", "aiohttp.client", "aiohttp.server",
    "aiohttp.access", "asyncio", "ccxt", "tieout", "tieout.alarm",
)  # fmt: skip


@dataclass(frozen=True)
class Leak:
    """Something that was told and must not be; `told` are the marks in it."""

    walk: str
    where: str
    told: tuple[str, ...]
    text: str


@dataclass
class Ear(logging.Handler):
    """Listens, and notes each leak; `heard` counts what was searched, by where it was said."""

    marks: Marks
    walk: str = "nowhere"
    leaks: list[Leak] = field(default_factory=list)
    heard: dict[str, int] = field(default_factory=dict)
    loggers: set[str] = field(default_factory=set)
    _log: list[tuple[str, str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(0)

    def __hash__(self) -> int:
        return id(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Note a record whole: its text, its arguments, what was attached to it."""
        self.loggers.add(record.name)
        formatted = logging.Formatter("%(name)s %(levelname)s %(message)s").format(record)
        # Searched when the walk ends: amounts that it came upon by then are marked.
        self._log.append((self.walk, f"log {record.name.split('.')[0]}", f"{formatted}\n{record.args!r}"))

    def hear(self, where: str, text: str, *, amounts: bool = False) -> None:
        """Search a text once the walk has ended; *amounts* where it may tell those."""
        self._log.append((self.walk, f"{where} (secrets)" if amounts else where, text))

    def warned(self, message: Warning | str, *_: object, **__: object) -> None:
        """Search a warning."""
        self.hear("warning", f"{message} {message!r}")

    def caught(self, error: BaseException) -> None:
        """Search a failure and whatever a traceback would show behind it, in every form in which it could be told."""
        rendered = "".join(traceback.format_exception(error, limit=0)) + f"\n{error!r}"
        for link in chain(error):
            rendered += f"\n{link}\n{link!r}\n{link.args!r}\n{getattr(link, '__notes__', '')}"
        self.hear("failure", rendered)

    def search(self) -> list[Leak]:
        """Every leak in what was heard so far."""
        for walk, where, text in self._log:
            self.heard[where] = self.heard.get(where, 0) + 1
            told = self.marks.secrets_in(text) if where.endswith("(secrets)") else self.marks.all_in(text)
            if told:
                self.leaks.append(Leak(walk, where, tuple(told), text))
        self._log.clear()
        return self.leaks


def chain(error: BaseException) -> Iterator[BaseException]:
    """A failure and those behind it that a traceback shows."""
    seen: set[int] = set()
    todo = [error]
    while todo:
        link = todo.pop()
        if id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        if isinstance(link, BaseExceptionGroup):
            todo += link.exceptions
        if link.__cause__ is not None:
            todo.append(link.__cause__)
        if link.__context__ is not None and not link.__suppress_context__:
            todo.append(link.__context__)


@contextmanager
def listening(marks: Marks) -> Iterator[Ear]:
    """An ear on everything; every logger speaks at DEBUG while it listens."""
    ear = Ear(marks)
    levels = {name: logging.getLogger(name).level for name in LOGGERS}
    hooks = sys.unraisablehook, threading.excepthook
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.DEBUG)
    logging.getLogger().addHandler(ear)
    sys.unraisablehook = lambda told: ear.hear("unraisable", f"{told.err_msg} {told.exc_value!r} {told.object!r}")
    threading.excepthook = lambda told: ear.hear("thread", repr(told.exc_value))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.showwarning = ear.warned
            yield ear
    finally:
        sys.unraisablehook, threading.excepthook = hooks
        logging.getLogger().removeHandler(ear)
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


@contextmanager
def outputs(ear: Ear) -> Iterator[io.StringIO]:
    """What a command prints: amounts may stand in standard output alone, secrets in neither."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        yield out
    ear.hear("stdout", out.getvalue(), amounts=True)
    ear.hear("stderr", err.getvalue())
