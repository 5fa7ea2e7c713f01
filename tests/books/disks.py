"""Disks that fail: at a step of one's choice, with an error or with the end of the process; and one that loses its power."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from tieout.books.disk import Disk


class Killed(BaseException):
    """The process ends here: nobody catches this."""


def refusal(number: int = errno.ENOSPC) -> OSError:
    """What a full disk says."""
    return OSError(number, os.strerror(number))


class HastyDisk(Disk):
    """Waits for nothing to be durable: enough to look at what is there, many times."""

    def sync(self, descriptor: int) -> None:
        """Believe that it is."""


class FailingDisk(Disk):
    """Fails at its step number `at` (from 1) and, where it says so, at every one after it; a write leaves the half."""

    def __init__(self, at: int = 0, failure: BaseException | None = None, *, on: bool = False) -> None:
        self.at, self.failure, self.on = at, failure or refusal(), on
        self.steps = 0

    def _step(self) -> bool:
        self.steps += 1
        return self.steps == self.at or (self.on and self.steps > self.at > 0)

    def _must(self) -> None:
        if self._step():
            raise self.failure

    def rename(self, path: Path, target: Path) -> None:
        self._must()
        super().rename(path, target)

    def remove(self, path: Path) -> None:
        self._must()
        super().remove(path)

    def append(self, descriptor: int, data: bytes) -> None:
        if self._step():
            super().append(descriptor, data[: len(data) // 2])
            raise self.failure
        super().append(descriptor, data)

    def sync(self, descriptor: int) -> None:
        self._must()
        super().sync(descriptor)

    def cut(self, descriptor: int, size: int) -> None:
        self._must()
        super().cut(descriptor, size)


class PowerlessDisk(FailingDisk):
    """Remembers what was made durable, and nothing more, as a disk without power does."""

    def __init__(self, folder: Path, at: int = 0, failure: BaseException | None = None) -> None:
        super().__init__(at, failure)
        self.folder = folder
        self.bytes: dict[int, bytes] = {}
        self.inodes: dict[str, int] = {}

    def sync(self, descriptor: int) -> None:
        super().sync(descriptor)
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        if path == self.folder:
            self.inodes = {each.name: each.stat().st_ino for each in self.folder.iterdir()}
        elif path.is_file():
            self.bytes[path.stat().st_ino] = path.read_bytes()

    def after_power_cut(self, folder: Path) -> Path:
        """What stands on the disk after a power cut: the names of the last sync of the folder, the bytes of each file's."""
        folder.mkdir(mode=0o700)
        for name, inode in self.inodes.items():
            (folder / name).write_bytes(self.bytes.get(inode, b""))
        return folder
