"""The disk as state is kept on it: each call is one step that can fail, so that a test can let every one of them fail."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tieout.errors import StateError

OWNER_ONLY, FOLDER_MODE, OTHERS = 0o600, 0o700, 0o077

_MENDS = {
    errno.ENOSPC: "make room on its disk",
    errno.EDQUOT: "raise the quota of its owner",
    errno.EROFS: "mount its disk writable",
    errno.EACCES: "give its folder to the user that runs Tieout",
    errno.EPERM: "give its folder to the user that runs Tieout",
    errno.ENOTDIR: "give a path whose parents are folders",
    errno.EEXIST: "give a path that is no file",
    errno.ELOOP: "put the file itself where the link is",
}


@contextmanager
def refusals(path: Path, what: str) -> Iterator[None]:
    """Turn an operating system's refusal into one sentence: *path*, what cannot be done with it, why, and the mend.

    Raises:
        StateError: In place of any OSError.
    """
    try:
        yield
    except OSError as refusal:
        mend = _MENDS.get(refusal.errno or 0, "look at its disk")
        why = os.strerror(refusal.errno) if refusal.errno else "no reason given"
        raise StateError(f"{path} cannot be {what} ({why}); {mend}") from None


class Disk:
    """The machine's own file system. Every method raises OSError where it is refused."""

    def make_folder(self, folder: Path) -> None:
        """Have a folder, its owner's only; one that is there already is made so only while it is empty."""
        missing = [each for each in (folder, *folder.parents) if not each.exists()]
        folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        if missing or not any(folder.iterdir()):
            folder.chmod(FOLDER_MODE)
        for each in missing:
            self.sync_folder(each.parent)

    def open_to_others(self, path: Path) -> bool:
        """Whether anybody but its owner can read or write *path*."""
        return bool(stat.S_IMODE(path.stat().st_mode) & OTHERS)

    def names(self, folder: Path) -> list[str]:
        """What is in the folder, by name."""
        return sorted(path.name for path in folder.iterdir())

    def read(self, path: Path) -> bytes | None:
        """The bytes of a file; None only where there is none."""
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError:
            return None
        with os.fdopen(descriptor, "rb") as file:
            return file.read()

    def write(self, path: Path, data: bytes) -> None:
        """Write a file that nobody reads yet, over what a crash left there, and make its bytes durable."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, OWNER_ONLY)
        try:
            os.fchmod(descriptor, OWNER_ONLY)  # one that a crash left may have another mode
            self.append(descriptor, data)
            self.sync(descriptor)
        finally:
            os.close(descriptor)

    def rename(self, path: Path, target: Path) -> None:
        """Give a file its name, over another of that name."""
        path.rename(target)

    def remove(self, path: Path) -> None:
        """Have no such file."""
        path.unlink(missing_ok=True)

    def sync_folder(self, folder: Path) -> None:
        """Make durable which names the folder has."""
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self.sync(descriptor)
        finally:
            os.close(descriptor)

    def open_end(self, path: Path) -> int:
        """A descriptor that writes at the end of a file which is there."""
        return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW)

    def append(self, descriptor: int, data: bytes) -> None:
        """Write all of *data*; a failure can leave a part of it."""
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]

    def sync(self, descriptor: int) -> None:
        """Make durable what was written."""
        os.fsync(descriptor)

    def cut(self, descriptor: int, size: int) -> None:
        """Take away what was written beyond *size* bytes."""
        os.ftruncate(descriptor, size)

    def lock(self, path: Path) -> int | None:
        """A descriptor that keeps everybody else out until it is closed, or its process ends; None where others have it."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, OWNER_ONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        except OSError:
            os.close(descriptor)
            raise
        return descriptor
