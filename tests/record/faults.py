"""System calls that fail when they are told to: every crash point of a write, one by one."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tieout.errors import RecordError

STEPS = ("mkdir", "chmod", "open", "fchmod", "write", "fsync", "rename", "replace", "unlink", "close")
UMASKS = (0o000, 0o022, 0o077, 0o277, 0o777)


def mode(path: Path) -> int:
    """The rights on *path*."""
    return stat.S_IMODE(path.stat().st_mode)


@contextmanager
def umask(mask: int) -> Iterator[None]:
    """Run under another umask."""
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


class Crash(BaseException):
    """The process is gone: nothing after this runs, no clearing up either."""


class Steps:
    """Counts the system calls of a write, and makes the *fatal*-th raise *how* in place of being done."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, fatal: int, how: BaseException) -> None:
        self.done: list[str] = []
        self._fatal, self._how = fatal, how
        for name in STEPS:
            monkeypatch.setattr(os, name, self._counted(name, getattr(os, name)))

    def _counted(self, name: str, real: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **kwargs: object) -> object:
            fails = self._dead() or len(self.done) + 1 == self._fatal
            if not self._dead():
                self.done.append(name)
            # Linux closes what it is asked to close also where it reports a failure, and all that a dead process had open.
            result = real(*args, **kwargs) if name == "close" or not fails else None
            if fails:
                raise self._how
            return result

        return call

    def _dead(self) -> bool:
        return isinstance(self._how, Crash) and len(self.done) >= self._fatal


def steps_of(write: Callable[[], object]) -> int:
    """How many system calls *write* makes."""
    with pytest.MonkeyPatch.context() as patch:
        steps = Steps(patch, sys.maxsize, Crash())
        write()
        return len(steps.done)


def every_failure(
    write: Callable[[], object],
    how: BaseException,
    check: Callable[[BaseException], None],
    prepare: Callable[[], object] = lambda: None,
) -> int:
    """Let each system call of *write* fail in turn, after *prepare*; *check* sees each outcome. Returns their number."""
    prepare()
    count = steps_of(write)
    for fatal in range(1, count + 1):
        prepare()
        outcome: BaseException | None = None
        with pytest.MonkeyPatch.context() as patch:
            Steps(patch, fatal, how)
            try:
                write()
            except (Crash, RecordError) as failure:
                outcome = failure
        assert outcome is not None, f"step {fatal} of {count} failed, and nobody said so"
        check(outcome)
    return count
