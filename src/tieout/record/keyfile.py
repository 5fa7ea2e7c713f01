"""One key in one file: a line of text, 0600, never overwritten by accident and never read while others can."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from tieout.errors import KeyUnusable
from tieout.record.files import unavailable, write_new

OTHERS = 0o077
MAX_FILE = 4096
RESTORE = "restore it from your copy of the keys"


def write_first(path: Path, text: str) -> None:
    """Write a key where there is none yet.

    Raises:
        KeyUnusable: There is one.
        RecordUnavailable: It cannot be written.
    """
    with unavailable(path, "written"):
        try:
            write_new(path, as_line(text))
        except FileExistsError:
            raise KeyUnusable(
                f"{path} is there already, and a key is never overwritten; "
                "give another folder, or delete this one if nothing was ever recorded with it"
            ) from None


def as_line(text: str) -> bytes:
    """A key as it stands in its file."""
    return f"{text}\n".encode()


def read_line(path: Path, *, mode_matters: bool = True) -> str:
    """The one line in *path*, which must be its owner's only if *mode_matters*.

    Raises:
        KeyUnusable: It is missing, damaged, or open to others.
    """
    try:
        # Without O_NONBLOCK a named pipe in its place would keep us waiting for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            found = os.fstat(descriptor).st_mode
            raw = os.read(descriptor, MAX_FILE + 1) if stat.S_ISREG(found) else None
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        raise KeyUnusable(f"{path} is missing; {RESTORE}, or make keys if the log is new") from None
    except OSError as refusal:
        why = os.strerror(refusal.errno or 0)
        raise KeyUnusable(f"{path} cannot be read ({why}); give it to the user that runs Tieout") from None
    if raw is None:
        raise KeyUnusable(f"{path} is no file; {RESTORE}")
    if mode_matters and stat.S_IMODE(found) & OTHERS:
        raise KeyUnusable(
            f"{path} is open to others than its owner; set its mode to 0600, and rotate if they are not trusted"
        )
    return _one_line(path, raw)


def _one_line(path: Path, raw: bytes) -> str:
    try:
        text = raw.decode().removesuffix("\n")
    except UnicodeDecodeError:
        text = ""
    if not text or len(raw) > MAX_FILE or len(text.splitlines()) > 1 or text != text.strip():
        raise KeyUnusable(f"{path} is damaged: it is not one line of text; {RESTORE}")
    return text
