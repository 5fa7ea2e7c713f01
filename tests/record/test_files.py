"""Small files that survive a crash: every step of a write is made to fail, and what stands then is whole."""

from __future__ import annotations

import errno
import os
import resource
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.record.faults import UMASKS, Crash, Steps, every_failure, mode, umask
from tieout.errors import LogBroken, RecordUnavailable
from tieout.record.files import MAX_NOTE, Ballast, SideFile, write_atomically, write_new

OLD, NEW = b"old " * 100, b"new!" * 300


def note(size: int, text: str = "A") -> bytes:
    """A head of a log of *size* entries in the outer form of a signed note."""
    return f"tieout-01234567\n{size}\n{text * 44}\n\n— tieout-01234567 {text * 92}\n".encode()


@contextmanager
def room(size: int) -> Iterator[None]:
    """Let no file grow past *size*: the kernel then really refuses in the midst of a write."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("mask", UMASKS)
def test_a_file_has_exactly_its_rights_under_any_umask(tmp_path: Path, mask: int) -> None:
    """A new file and a replaced one are 0600 whatever the umask, also where the old one was open to all."""
    fresh, replaced, created = tmp_path / "fresh", tmp_path / "replaced", tmp_path / "created"
    replaced.write_bytes(OLD)
    replaced.chmod(0o666)
    with umask(mask):
        write_atomically(fresh, NEW)
        write_atomically(replaced, NEW, durable=False)
        write_new(created, NEW)
    assert [mode(path) for path in (fresh, replaced, created)] == [0o600] * 3
    assert fresh.read_bytes() == replaced.read_bytes() == created.read_bytes() == NEW


@pytest.mark.parametrize("mask", UMASKS)
def test_no_byte_is_ever_open_to_others(tmp_path: Path, mask: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the first byte, and at every system call before and after it, no file in the folder is open to others."""
    seen: list[int] = []
    real = os.write

    def watched(descriptor: int, data: bytes) -> int:
        seen.extend(mode(path) for path in tmp_path.iterdir())
        return real(descriptor, data)

    monkeypatch.setattr(os, "write", watched)
    monkeypatch.setattr(os, "fchmod", lambda descriptor, _: seen.append(stat.S_IMODE(os.fstat(descriptor).st_mode)))
    with umask(mask):
        write_atomically(tmp_path / "file", NEW)
    assert seen
    assert not any(rights & 0o077 for rights in seen)


def test_wider_rights_are_given_where_they_are_asked_for(tmp_path: Path) -> None:
    """A public file is as public as it was asked to be, under a strict umask, too."""
    with umask(0o077):
        write_atomically(tmp_path / "public", NEW, mode=0o644)
    assert mode(tmp_path / "public") == 0o644


@pytest.mark.parametrize("durable", [True, False])
@pytest.mark.parametrize("there", [True, False])
def test_a_crash_leaves_the_old_file_or_the_new_one(tmp_path: Path, there: bool, durable: bool) -> None:
    """Killed at any system call, a write leaves the file as it was or as it shall be, and the next write mends all."""
    path = tmp_path / "file"
    seen: set[bytes | None] = set()

    def prepare() -> None:
        path.unlink(missing_ok=True)
        if there:
            path.write_bytes(OLD)

    def write() -> None:
        write_atomically(path, NEW, durable=durable)

    def check(_: BaseException) -> None:
        seen.add(path.read_bytes() if path.exists() else None)

    every_failure(write, Crash(), check, prepare)
    # What need not be durable has the rename as its last step, so that there is no crash after it.
    assert seen == {OLD if there else None, *([NEW] if durable else [])}
    write()
    assert path.read_bytes() == NEW


def test_a_refusal_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    """Each system call that the disk refuses is told in one sentence with the file's name, and leaves nothing behind."""
    path = tmp_path / "file"

    def check(outcome: BaseException) -> None:
        assert str(outcome) == f"{path} cannot be written (No space left on device); make room on its disk"
        assert path.read_bytes() in (OLD, NEW)
        assert [entry.name for entry in tmp_path.iterdir()] == ["file"]

    count = every_failure(
        lambda: write_atomically(path, NEW), OSError(errno.ENOSPC, "no"), check, lambda: path.write_bytes(OLD)
    )
    assert count >= 8


def test_a_full_disk_in_the_midst_of_a_write(tmp_path: Path) -> None:
    """Where the kernel takes a part of the bytes and refuses the rest, the old file stands and the part is gone."""
    path = tmp_path / "file"
    path.write_bytes(OLD)
    with room(1000), pytest.raises(RecordUnavailable, match="file cannot be written"):
        write_atomically(path, NEW)
    assert path.read_bytes() == OLD
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_a_write_in_pieces_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system takes only a few bytes at a time, all of them arrive, in their order."""
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, bytes(data[:7])))
    write_atomically(tmp_path / "file", NEW)
    assert (tmp_path / "file").read_bytes() == NEW


def test_what_is_durable_is_synced_before_its_name_is_and_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The content is synced before the rename and the folder after it; what need not be durable costs no sync."""
    steps = Steps(monkeypatch, sys.maxsize, OSError())
    write_atomically(tmp_path / "file", NEW)
    order = [step for step in steps.done if step in ("write", "fsync", "rename", "replace")]
    assert order == ["write", "fsync", "replace", "fsync"]
    steps.done.clear()
    write_atomically(tmp_path / "file", NEW, durable=False)
    assert "fsync" not in steps.done


def test_a_link_is_followed_and_stays(tmp_path: Path) -> None:
    """A file that is kept elsewhere by a link is replaced there, and the link stays a link."""
    (tmp_path / "disk").mkdir()
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "disk" / "file")
    write_atomically(link, NEW)
    assert link.is_symlink()
    assert (tmp_path / "disk" / "file").read_bytes() == NEW


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    """A path into a folder that is not there, or that is a file, says so."""
    (tmp_path / "file").write_bytes(OLD)
    with pytest.raises(RecordUnavailable, match=r"none/file cannot be written .*; make its folder first"):
        write_atomically(tmp_path / "none" / "file", NEW)
    with pytest.raises(RecordUnavailable, match=r"file/x cannot be written .*; give a path whose parents are folders"):
        write_atomically(tmp_path / "file" / "x", NEW)
    (tmp_path / "folder").mkdir()
    with pytest.raises(
        RecordUnavailable, match=r"folder cannot be written .*; give the path of a file, not of a folder"
    ):
        write_atomically(tmp_path / "folder", NEW)


def test_a_new_file_never_takes_the_place_of_another(tmp_path: Path) -> None:
    """A file or a link that is there already is left as it is."""
    (tmp_path / "file").write_bytes(OLD)
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for name in ("file", "link"):
        with pytest.raises(FileExistsError):
            write_new(tmp_path / name, NEW)
    assert (tmp_path / "file").read_bytes() == OLD
    assert not (tmp_path / "elsewhere").exists()


def test_a_side_file_gives_the_last_head(tmp_path: Path) -> None:
    """Whatever was written last is read, durable or not, as long as the one before or not, here or by another reader."""
    side = SideFile(tmp_path / "head")
    assert side.read() is None
    for size, durable in ((8, False), (9, False), (10, False), (99, True), (100, False), (101, False), (7, False)):
        side.write(note(size), durable=durable)
        assert side.read() == SideFile(tmp_path / "head").read() == note(size)
    assert [entry.name for entry in tmp_path.iterdir()] == ["head"]


@pytest.mark.parametrize("mask", UMASKS)
def test_a_side_file_is_its_owners(tmp_path: Path, mask: int) -> None:
    """It is 0600 under any umask."""
    with umask(mask):
        SideFile(tmp_path / "head").write(note(1), durable=False)
    assert mode(tmp_path / "head") == 0o600


@pytest.mark.parametrize(
    "damage", [b"", bytes(180), note(3)[:-1], note(3)[:40], b"tieout-01234567\n3\n", b"\n" * (MAX_NOTE + 1)]
)
def test_a_damaged_side_file_is_not_an_absent_one(tmp_path: Path, damage: bytes) -> None:
    """An empty, torn or overwritten file is told as what it is, with the mend; only an absent one is None."""
    path = tmp_path / "head"
    path.write_bytes(damage)
    with pytest.raises(LogBroken, match=r"head is no signed checkpoint any more.*verify the log against its witness"):
        SideFile(path).read()


def test_a_side_file_that_cannot_be_read_is_not_an_absent_one(tmp_path: Path) -> None:
    """A folder in its place, or a file where its folder should be, is a failure."""
    (tmp_path / "file").write_bytes(OLD)
    for path in (tmp_path, tmp_path / "file" / "head"):
        with pytest.raises(RecordUnavailable, match="cannot be read"):
            SideFile(path).read()
    with pytest.raises(RecordUnavailable, match="none/head cannot be written"):
        SideFile(tmp_path / "none" / "head").write(note(1), durable=False)


@pytest.mark.parametrize("durable", [True, False])
@pytest.mark.parametrize("size", [8, 10])
def test_a_crash_leaves_the_last_head_or_the_next(tmp_path: Path, size: int, durable: bool) -> None:
    """Killed at any system call, the side file holds the head before or the new one, and the next write mends all."""
    side = SideFile(tmp_path / "head")
    seen: set[bytes | None] = set()

    def write() -> None:
        side.write(note(size), durable=durable)

    every_failure(write, Crash(), lambda _: seen.add(side.read()), lambda: side.write(note(7), durable=True))
    assert seen == {note(7), note(size)}
    write()
    assert side.read() == note(size)
    assert [entry.name for entry in tmp_path.iterdir()] == ["head"]


def test_a_refused_head_is_told(tmp_path: Path) -> None:
    """Each refused system call is told with the file's name, and the file holds a whole head."""
    side = SideFile(tmp_path / "head")
    side.write(note(7), durable=True)

    def write() -> None:
        side.write(note(8), durable=False)
        side.write(note(9), durable=True)

    def check(outcome: BaseException) -> None:
        assert str(outcome).startswith(f"{tmp_path / 'head'} cannot be written (No space left on device)")
        assert side.read() in (note(7), note(8), note(9))

    every_failure(write, OSError(errno.ENOSPC, "no"), check)


def test_the_next_head_costs_no_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A head as long as the last one is put down without a sync or a new file; a durable one is synced."""
    side = SideFile(tmp_path / "head")
    side.write(note(1), durable=True)
    steps = Steps(monkeypatch, sys.maxsize, OSError())
    side.write(note(2), durable=False)
    assert steps.done == ["open", "close"]
    side.write(note(3), durable=True)
    assert steps.done.count("fsync") == 2


def test_a_large_head_is_never_overwritten_in_place(tmp_path: Path) -> None:
    """What does not fit into one sector is replaced by a rename, so that a reader who has it open keeps a whole one."""
    side = SideFile(tmp_path / "head")
    large = [note(1) + f"— witness {letter * 600}\n".encode() for letter in "AB"]
    side.write(large[0], durable=True)
    with (tmp_path / "head").open("rb") as reader:
        side.write(large[1], durable=False)
        assert reader.read() == large[0]
    assert side.read() == large[1]


def test_a_reader_beside_the_writer_meets_whole_heads(tmp_path: Path) -> None:
    """While another thread writes 500 heads, every one that is read is one that was written."""
    side = SideFile(tmp_path / "head")
    heads = [note(1, "A"), note(10, "B")]
    side.write(heads[0], durable=False)

    def work() -> None:
        for turn in range(500):
            side.write(heads[turn % 2], durable=False)

    writer = threading.Thread(target=work)
    writer.start()
    reader, read = SideFile(tmp_path / "head"), set()
    while writer.is_alive():
        read.add(reader.read())
    writer.join()
    assert read <= set(heads)


WRITES = """
import sys
from pathlib import Path
from tieout.record.files import SideFile
side, size = SideFile(Path(sys.argv[1])), 0
while True:
    size += 1
    side.write(f"tieout\\n{size}\\n\\n\\u2014 tieout sig{size}\\n".encode(), durable=False)
    print(size, flush=True)
"""


def test_a_killed_writer_leaves_the_last_head_that_it_reported(tmp_path: Path) -> None:
    """After kill -9 the file holds a whole head, and none older than the last one that was reported as written."""
    for _ in range(5):
        command = [sys.executable, "-c", WRITES, str(tmp_path / "head")]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            for _, line in zip(range(200), process.stdout, strict=False):
                reported = int(line)
            process.kill()
            reported = max([reported, *(int(line) for line in process.stdout if line.endswith(b"\n"))])
        head = SideFile(tmp_path / "head").read()
        assert head is not None
        size = head.split(b"\n")[1].decode()
        assert head.decode() == f"tieout\n{size}\n\n— tieout sig{size}\n"
        assert int(size) >= reported


def test_a_side_file_kept_elsewhere_by_a_link_stays_there(tmp_path: Path) -> None:
    """A link to another disk is followed, also when the file there is replaced."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "head").symlink_to(tmp_path / "disk" / "head")
    side = SideFile(tmp_path / "head")
    side.write(note(1), durable=True)
    side.write(note(10), durable=False)
    assert (tmp_path / "head").is_symlink()
    assert (tmp_path / "disk" / "head").read_bytes() == note(10)


def test_ballast_takes_real_room_and_gives_it_back(tmp_path: Path) -> None:
    """Every block of it is there, it is its owner's only, and freeing it tells whether there was any."""
    ballast = Ballast(tmp_path / "ballast")
    assert not ballast.free()
    with umask(0o777):
        ballast.ensure()
    there = (tmp_path / "ballast").stat()
    assert there.st_size == 1024 * 1024
    assert there.st_blocks * 512 >= there.st_size
    assert mode(tmp_path / "ballast") == 0o600
    assert ballast.free()
    assert not (tmp_path / "ballast").exists()
    assert not ballast.free()


def test_ballast_is_written_once(tmp_path: Path) -> None:
    """Where the room is taken already, nothing is written again."""
    ballast = Ballast(tmp_path / "ballast", size=5000)
    ballast.ensure()
    before = (tmp_path / "ballast").read_bytes()
    ballast.ensure()
    assert (tmp_path / "ballast").read_bytes() == before


def test_ballast_that_is_hollow_or_short_is_filled(tmp_path: Path) -> None:
    """A sparse file, which holds no room, and one that a crash cut short are written anew."""
    ballast = Ballast(tmp_path / "ballast", size=65536)
    (tmp_path / "ballast").write_bytes(b"short")
    ballast.ensure()
    assert (tmp_path / "ballast").stat().st_size == 65536
    with (tmp_path / "ballast").open("wb") as file:
        file.truncate(65536)
    assert (tmp_path / "ballast").stat().st_blocks * 512 < 65536
    ballast.ensure()
    assert (tmp_path / "ballast").stat().st_blocks * 512 >= 65536


def test_ballast_that_finds_no_room_takes_none(tmp_path: Path) -> None:
    """Where the disk refuses, none of its last bytes is kept, and the sentence names the file."""
    ballast = Ballast(tmp_path / "ballast", size=65536)
    with room(10_000), pytest.raises(RecordUnavailable, match="ballast cannot be written"):
        ballast.ensure()
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "ballast").mkdir()
    with pytest.raises(RecordUnavailable, match="ballast cannot be deleted"):
        ballast.free()


def test_two_writers_of_one_head_do_not_take_each_others_files(tmp_path: Path) -> None:
    """A command beside the service writes the same head: each write succeeds, and the file is always one of the two."""
    notes = [note(1), note(10, "B")]  # of two lengths, so that each takes a file of its own
    sides = [SideFile(tmp_path / "head"), SideFile(tmp_path / "head")]

    def write(each: int) -> None:
        for _ in range(200):
            sides[each].write(notes[each], durable=True)

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(write, (0, 1)))
    assert sides[0].read() in notes
    assert [path.name for path in tmp_path.iterdir()] == ["head"]
