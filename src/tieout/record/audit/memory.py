"""The verifier's own memory: the last head of each log that it found sound. A log that was cut or rewritten since shows."""

from __future__ import annotations

import os
import re
from pathlib import Path

from tieout.record.files import unavailable, write_atomically
from tieout.record.tlog.note import Verifier


def memory_file(key: Verifier) -> Path:
    """Where the last sound head of the log with this *key* is remembered: in the user's own state folder."""
    state = os.environ.get("XDG_STATE_HOME") or ""
    folder = Path(state) if Path(state).is_absolute() else Path.home() / ".local" / "state"
    name = re.sub(r"[^A-Za-z0-9._-]", "_", key.name)[:80]
    return folder / "tieout" / "heads" / f"{name}-{key.id.hex()}"


def recall(path: Path) -> bytes | None:
    """The signed head that was found sound last; None where there is none.

    Raises:
        RecordUnavailable: It is there and cannot be read.
    """
    with unavailable(path, "read"):
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None


def remember(path: Path, note: bytes) -> None:
    """Keep *note* as the head that was found sound last.

    Raises:
        RecordUnavailable: It cannot be written.
    """
    with unavailable(path, "written"):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_atomically(path, note)
