"""Small files that survive a crash: whole or not at all, and open to nobody but their owner."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tieout.errors import LogBroken, RecordUnavailable, StorageExhausted

OWNER_ONLY = 0o600
MIB = 1024 * 1024
MAX_NOTE = MIB
SECTOR = 512

_NEW = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
_SIGNED = "\n\n\N{EM DASH} ".encode()  # between the text of a signed note and its signatures

_MENDS = {
    errno.ENOSPC: "make room on its disk",
    errno.EDQUOT: "raise the quota of its owner",
    errno.EROFS: "mount its disk writable",
    errno.EACCES: "give its folder to the user that runs Tieout",
    errno.EPERM: "give its folder to the user that runs Tieout",
    errno.ENOENT: "make its folder first",
    errno.ENOTDIR: "give a path whose parents are folders",
    errno.EISDIR: "give the path of a file, not of a folder",
}


@contextmanager
def unavailable(path: Path, what: str) -> Iterator[None]:
    """Turn an operating system's refusal into one sentence: *path*, what cannot be done with it, why, and the mend.

    Raises:
        RecordUnavailable: In place of any OSError; `StorageExhausted` where the disk is full.
    """
    try:
        yield
    except OSError as refusal:
        mend = _MENDS.get(refusal.errno or 0, "look at its disk")
        why = os.strerror(refusal.errno) if refusal.errno else "no reason given"
        failure = StorageExhausted if refusal.errno in (errno.ENOSPC, errno.EDQUOT) else RecordUnavailable
        raise failure(f"{path} cannot be {what} ({why}); {mend}") from None


def write_new(path: Path, data: bytes, *, mode: int = OWNER_ONLY) -> None:
    """Write a file that is not there yet, and make it durable; its folder is left to the caller's `sync_folder`.

    A crash can leave it short: give it a name that nobody reads yet, or check what is read.

    Raises:
        OSError: It is there already, or cannot be written; then what was written of it is gone.
    """
    _write(path, data, os.O_EXCL, mode=mode, durable=True)


def write_atomically(path: Path, data: bytes, *, mode: int = OWNER_ONLY, durable: bool = True) -> None:
    """Put *data* where *path* is (where it leads to, if it is a link): readers see the old file or the new one, both whole.

    A crash before the rename leaves the old file and perhaps one `.new` beside it; after it, the new file. *durable* makes
    the new one survive a power cut, too.

    Raises:
        RecordUnavailable: The file could not be replaced, or is not known to be durable.
    """
    with unavailable(path, "written"):
        target = Path(os.path.realpath(path))
        # Two writers at once must not share a temporary file: one would rename what the other has half written.
        fresh = target.with_name(f".{target.name}.{secrets.token_hex(4)}.new")
        _replace(fresh, target, data, os.O_EXCL, mode=mode, durable=durable)


def sync_folder(folder: Path) -> None:
    """Make durable which names *folder* has. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _replace(fresh: Path, target: Path, data: bytes, flag: int, *, mode: int, durable: bool) -> None:
    _write(fresh, data, flag, mode=mode, durable=durable)
    try:
        fresh.replace(target)
    except OSError:
        _forget(fresh)
        raise
    if durable:
        sync_folder(target.parent)


def _write(path: Path, data: bytes, flag: int, *, mode: int, durable: bool) -> None:
    descriptor = os.open(path, _NEW | flag, mode)
    try:
        _fill(descriptor, data, mode=mode, durable=durable)
    except OSError:
        _forget(path)
        raise


def _fill(descriptor: int, data: bytes, *, mode: int, durable: bool) -> None:
    try:
        os.fchmod(descriptor, mode)  # before the first byte: gives back what the umask took, and can add nothing to it
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        if durable:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)  # which may also be where a network's file system says that it has no room


def _forget(path: Path) -> None:
    with suppress(OSError):  # the failure that brought us here is the one to be told
        path.unlink()


class SideFile:
    """The last signed checkpoint, kept outside the database: what a database that was set back cannot take along.

    Each process writes heads in their order, after each commit of its own; where several do, any may be the last. Replacing
    a file costs as much as the commit itself, for ext4 then starts to write it out, so most heads overwrite the last one in
    place: it is as long, and fits into the first sector, which a disk writes wholly or not at all. After a power cut the
    file may hold an older head, then, which is still one that the log must be past. After the kill of a process it holds
    the last one.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._target = Path(os.path.realpath(path))
        # A name of its own: another process on the same log, such as a command beside the service, would rename what this
        # one is writing. A crash leaves one of a few hundred bytes, which nobody takes for anything.
        self._fresh = self._target.with_name(f".{self._target.name}.{secrets.token_hex(4)}.new")

    def read(self) -> bytes | None:
        """The note as it was written; None only where there is no file.

        Raises:
            LogBroken: The file is there, and is no signed note.
            RecordUnavailable: It cannot be read.
        """
        with unavailable(self.path, "read"):
            note = self._bytes()
            # While the writer is at work a reader may meet half of a head, but not twice the same half.
            while (again := self._bytes()) != note:
                note = again
        if note is None or _is_note(note):
            return note
        raise LogBroken(
            f"{self.path} is no signed checkpoint any more, so the log cannot be held against it; "
            "verify the log against its witness, then delete the file"
        )

    def write(self, note: bytes, *, durable: bool) -> None:
        """Put *note* in place of the last one; *durable* makes it survive a power cut.

        Raises:
            RecordUnavailable: It could not be written; the file holds the last one still, or the new one.
        """
        assert _is_note(note), "a signed note"
        with unavailable(self.path, "written"):
            if durable or not self._overwritten(note):
                # Durable in any case: else some file systems leave an empty file after a power cut.
                _replace(self._fresh, self._target, note, os.O_TRUNC, mode=OWNER_ONLY, durable=True)

    def _bytes(self) -> bytes | None:
        try:
            with self._target.open("rb", buffering=0) as file:
                return file.read(MAX_NOTE + 1)
        except FileNotFoundError:
            return None

    def _overwritten(self, note: bytes) -> bool:
        """Overwrite the last note in place, or tell that this one needs a file of its own."""
        if len(note) > SECTOR:
            return False
        try:
            descriptor = os.open(self._target, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            return False
        try:
            return os.fstat(descriptor).st_size == len(note) == os.pwrite(descriptor, note, 0)
        finally:
            os.close(descriptor)


def _is_note(note: bytes) -> bool:
    """Whether *note* has the outer form of a signed note; who signed it is for others to check."""
    return len(note) <= MAX_NOTE and _SIGNED in note and note.endswith(b"\n")


class Ballast:
    """Room that is taken while there is plenty, and given back when the disk is full, to write the last entry in."""

    def __init__(self, path: Path, *, size: int = MIB) -> None:
        self.path, self.size = path, size

    def ensure(self) -> None:
        """Take the room, unless it is taken already.

        Raises:
            RecordUnavailable: The disk has not so much room; none of it is taken then.
        """
        with unavailable(self.path, "written"):
            if not self._stands():
                # Random bytes, for a file system that compresses or leaves out zeros would keep no room for them. A crash
                # leaves a short file, which the next call sees.
                _write(self.path, os.urandom(self.size), os.O_TRUNC, mode=OWNER_ONLY, durable=True)
                sync_folder(self.path.parent)

    def free(self) -> bool:
        """Give the room back, and tell whether there was any.

        Raises:
            RecordUnavailable: The file cannot be deleted.
        """
        with unavailable(self.path, "deleted"):
            try:
                self.path.unlink()
            except FileNotFoundError:
                return False
            sync_folder(self.path.parent)  # until then the file system may keep the blocks
            return True

    def _stands(self) -> bool:
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return False
        # st_blocks counts blocks of 512 bytes that are really there: a sparse file has fewer.
        return found.st_size >= self.size and found.st_blocks * 512 >= self.size
