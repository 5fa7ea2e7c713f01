"""State in a folder: what was acknowledged is there after every crash and damage, or its loss is said."""

from __future__ import annotations

import errno
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from tests.books.disks import FailingDisk, HastyDisk, Killed, PowerlessDisk, refusal

from tieout.books.disk import Disk
from tieout.books.state import Restored, StateManager
from tieout.errors import StateError, StateLost


@contextmanager
def opened(
    folder: Path, disk: Disk | None = None, *, account: str = "main", layout: str = "words/1"
) -> Iterator[StateManager]:
    """State of the account main; for tests it is a list of words, and an event is one more word."""
    manager = StateManager(folder, account=account, layout=layout, keep=3, disk=disk)
    try:
        yield manager
    finally:
        manager.close()


def found(folder: Path) -> Restored | None:
    """What a new process finds."""
    with opened(folder, HastyDisk()) as manager:
        return manager.restore()


def words(restored: Restored | None) -> list[bytes]:
    """The whole list, from a generation and the events after it."""
    assert restored is not None
    return [*restored.state.split(), *restored.events]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three generations: words 0 to 2, 0 to 5 and 0 to 8 with the ninth and tenth in the last journal."""
    path = tmp_path / "state"
    with opened(path) as manager:
        manager.restore()
        manager.compact(b"w0 w1 w2")
        for number in range(3, 11):
            manager.append(b"w%d" % number)
            if number in (5, 8):
                manager.compact(b" ".join(b"w%d" % each for each in range(number + 1)))
    return path


ALL = [b"w%d" % number for number in range(11)]


def test_a_folder_that_never_held_any_is_none(tmp_path: Path) -> None:
    """Nothing kept is None, and not an error; the folder is made for its owner only, and so are the files."""
    path = tmp_path / "deep" / "state"
    with opened(path) as manager:
        assert manager.restore() is None
        assert manager.save(b"all") == 1
        manager.append(b"more")
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert {stat.S_IMODE(each.stat().st_mode) for each in path.iterdir()} == {0o600}
    assert found(path) == Restored(1, b"all", (b"more",))


def test_the_newest_state_is_restored_and_goes_on(folder: Path) -> None:
    """The newest generation and its journal are found whole, take more, and only some generations are kept."""
    assert found(folder) == Restored(3, b" ".join(ALL[:9]), (b"w9", b"w10"))
    with opened(folder) as manager:
        manager.restore()
        manager.append(b"w11")
        assert manager.compact(b"w0 w11") == 4
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["generation-00000002", "generation-00000003", "generation-00000004",
                     "journal-00000002", "journal-00000003", "journal-00000004", "lock"]  # fmt: skip


def test_a_damaged_generation_costs_nothing(folder: Path) -> None:
    """Without the newest generations the older one and every journal since lead to the same state, and it is said."""
    (folder / "generation-00000003").write_bytes(b"x")
    (folder / "generation-00000002").unlink()
    seen = found(folder)
    assert words(seen) == ALL
    assert seen is not None
    assert seen.whole
    assert seen.said == (
        "generation 3 is damaged: its checksum does not hold; generation 2 is damaged: it is missing; "
        "generation 1 was taken instead, and nothing that was acknowledged is lost"
    )


def test_no_good_generation_is_an_error_and_never_an_empty_state(folder: Path) -> None:
    """Where state was kept and none of it is good, that is said, and nothing is written over it."""
    for path in folder.glob("generation-*"):
        path.write_bytes(b"")
    with opened(folder) as manager:
        with pytest.raises(StateLost, match="no older generation is left"):
            manager.restore()
        with pytest.raises(StateError, match="not written over"):
            manager.save(b"empty")
    with pytest.raises(StateLost):
        found(folder)


def test_a_state_that_stood_for_itself_is_said_to_be_lost(tmp_path: Path) -> None:
    """Saved states fall back to the last good one, and what was saved after it is said to be lost."""
    with opened(tmp_path / "state") as manager:
        manager.restore()
        for each in (b"one", b"two"):
            manager.save(each)
        manager.append(b"three")
    (tmp_path / "state" / "generation-00000002").write_bytes(b"torn")
    seen = found(tmp_path / "state")
    assert seen is not None
    assert (seen.state, seen.events, seen.whole) == (b"one", (), False)
    assert seen.said is not None
    assert seen.said.endswith("generation 1 was taken instead, and what was saved after it is lost")


def test_the_journal_cut_at_every_byte(folder: Path) -> None:
    """A journal that a crash cut short has the events that were whole, and says so unless it ends with a line."""
    path = folder / "journal-00000003"
    whole = path.read_bytes()
    ends = [at + 1 for at, byte in enumerate(whole) if byte == ord("\n")]
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        if size < ends[0] - 1:
            with pytest.raises(StateLost, match="first line is cut short"):
                found(folder)
            continue
        seen = found(folder)
        assert seen is not None
        # A line that lacks nothing but its newline is whole by its hash.
        assert words(seen) == ALL[: 9 + sum(size >= end - 1 for end in ends[1:])]
        assert (seen.dropped is None) == (size in ends or size + 1 in ends)


def test_after_a_cut_line_a_new_generation_comes_first(folder: Path) -> None:
    """Nothing is appended behind half a line; a new generation begins a new journal, from which one can fall back, too."""
    path = folder / "journal-00000003"
    path.write_bytes(path.read_bytes()[:-3])
    with opened(folder) as manager:
        assert words(manager.restore()) == ALL[:10]
        with pytest.raises(StateError, match="new generation first"):
            manager.append(b"x")
        manager.compact(b" ".join(ALL[:10]))
        manager.append(b"w10")
    (folder / "generation-00000004").unlink()
    assert words(found(folder)) == ALL


def test_room_that_was_never_written_is_a_cut_line(folder: Path) -> None:
    """Zeros at the end, as some file systems leave them after a power cut, are no line, and are said."""
    with (folder / "journal-00000003").open("ab") as file:
        file.write(b"\0" * 100)
    seen = found(folder)
    assert words(seen) == ALL
    assert seen is not None
    assert seen.dropped


@pytest.mark.parametrize(
    "name", [f"{kind}-0000000{number}" for kind in ("generation", "journal") for number in (1, 2, 3)]
)
def test_every_byte_of_every_file_flipped(folder: Path, name: str) -> None:
    """A changed byte anywhere is refused or fallen back from, and said; never is another state taken for the true one."""
    for damaged in ("", "generation-00000003"):
        # With and without the newest generation, so that older files are needed, too.
        if damaged:
            (folder / damaged).unlink()
        if name == damaged:
            continue
        path = folder / name
        whole = path.read_bytes()
        for at in range(len(whole)):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x11]) + whole[at + 1 :])
            with suppress(StateError):
                seen = found(folder)
                assert words(seen) == ALL
                assert seen is not None
                assert seen.whole
                assert seen.said or (not damaged and not name.endswith("3")) or name == "generation-00000002"
        path.write_bytes(whole)


@pytest.mark.parametrize(
    "name", [f"{kind}-0000000{number}" for kind in ("generation", "journal") for number in (1, 2, 3)]
)
def test_every_file_missing_or_cut(folder: Path, name: str) -> None:
    """A file that is gone or short is refused or fallen back from; the newest journal can end early, and that is said."""
    path = folder / name
    whole = path.read_bytes()
    for size in [None, *range(0, len(whole), 7)]:
        path.unlink() if size is None else path.write_bytes(whole[:size])
        with suppress(StateError):
            seen = found(folder)
            assert words(seen) == (ALL if name != "journal-00000003" else words(seen))
            assert seen is not None
            assert seen.said or not name.endswith("3") or whole[:size].endswith(b"\n")
    path.unlink(missing_ok=True)
    with suppress(StateLost):
        assert words(found(folder)) == ALL


def test_a_newer_generation_that_is_gone_is_missed(folder: Path) -> None:
    """When the newest generation vanishes with its journal, the one before is not taken for the newest."""
    for kind in ("generation", "journal"):
        (folder / f"{kind}-00000003").unlink()
    with pytest.raises(StateLost, match="had a newer generation than 2"):
        found(folder)


def test_lines_taken_doubled_or_moved_are_seen(folder: Path) -> None:
    """Each line is chained to the one before it: what is whole and in the wrong place is damage."""
    path = folder / "journal-00000003"
    head, first, second = path.read_bytes().splitlines(keepends=True)
    for wrong in ([head, second], [head, second, first], [head, first, first, second], [first, second]):
        path.write_bytes(b"".join(wrong))
        with pytest.raises(StateLost, match="damaged"):
            found(folder)


def test_what_is_not_ours_is_refused(folder: Path, tmp_path: Path) -> None:
    """Another account's state, another layout, a newer format and files of two folders mixed are not read."""
    with (
        opened(folder, account="other") as manager,
        pytest.raises(StateError, match="state of account main, not of other"),
    ):
        manager.restore()
    with opened(folder, layout="words/2") as manager, pytest.raises(StateError, match="words/1, not words/2"):
        manager.restore()
    with opened(tmp_path / "other") as manager:
        manager.restore()
        manager.save(b"theirs")
    shutil.copy(tmp_path / "other" / "generation-00000001", folder / "generation-00000003")
    seen = found(folder)
    assert words(seen) == ALL
    assert seen is not None
    assert seen.said
    shutil.copy(folder / "journal-00000002", folder / "journal-00000004")
    with pytest.raises(StateLost, match="that of generation 2"):
        found(folder)


def test_a_newer_format_is_left_to_the_version_that_wrote_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A format that is not known is no damage to fall back from."""
    with opened(folder) as manager:
        manager.restore()
        monkeypatch.setattr("tieout.books.state.FORMAT", 2)
        manager.compact(b"new")
    with pytest.raises(StateError, match="format 2, and this version reads 1"):
        found(folder)


def test_one_process_has_the_folder(folder: Path) -> None:
    """A second one is refused, in this process and in another, until the first has let go or ended."""
    script = (
        "import sys; from pathlib import Path; from tieout.books.state import StateManager\n"
        "m = StateManager(Path(sys.argv[1]), account='main', layout='words/1'); m.restore(); print('has it')"
    )
    command = [sys.executable, "-c", script, str(folder)]
    with opened(folder):
        with pytest.raises(StateError, match="in use by another engine"), opened(folder):
            raise AssertionError
        refused = subprocess.run(command, capture_output=True, text=True, check=False)
        assert "in use by another engine" in refused.stderr
        assert refused.returncode == 1
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "has it\n"
    with opened(folder) as manager:
        assert words(manager.restore()) == ALL


def test_a_folder_that_others_can_read_is_refused(folder: Path, tmp_path: Path) -> None:
    """State is its owner's only; an empty folder is made so, one that holds something is left as it is."""
    folder.chmod(0o750)
    with pytest.raises(StateError, match="mode 0700"), opened(folder):
        raise AssertionError
    (tmp_path / "empty").mkdir(mode=0o755)
    with opened(tmp_path / "empty"):
        assert stat.S_IMODE((tmp_path / "empty").stat().st_mode) == 0o700


def test_a_folder_that_cannot_be_had_is_one_sentence(tmp_path: Path, folder: Path) -> None:
    """What the disk refuses is said with the path and the mend."""
    (tmp_path / "file").write_bytes(b"")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(StateError, match="cannot be opened"), opened(path):
            raise AssertionError
    disk = FailingDisk()
    with opened(folder, disk) as manager:
        manager.restore()
        disk.at, disk.on, disk.failure = disk.steps + 1, True, refusal(errno.EACCES)
        with pytest.raises(StateError, match=r"Permission denied.*give its folder to the user that runs"):
            manager.append(b"x")


def keep_words(manager: StateManager, acknowledged: list[bytes], *, stop_at_failure: bool) -> None:
    """Eight words, a generation after every third; what raised was not acknowledged, and is tried no more."""
    for number in range(8):
        word = b"w%d" % number
        try:
            if not manager.sound or manager.events == 3:
                manager.compact(b" ".join(acknowledged))
            manager.append(word)
        except StateError:
            if stop_at_failure:
                return
            continue
        acknowledged.append(word)


def empty(folder: Path) -> Path:
    """The folder, made."""
    folder.mkdir(mode=0o700)
    return folder


def steps_of(folder: Path) -> int:
    """How many steps of the disk those words take."""
    disk = FailingDisk()
    with opened(empty(folder), disk) as manager:
        manager.restore()
        keep_words(manager, [], stop_at_failure=True)
    return disk.steps


def test_the_process_ends_at_every_step(tmp_path: Path) -> None:
    """Killed at any step: what was acknowledged is there, at most the word under way besides, and nothing to alert about but
    a line that was cut short."""
    for at in range(1, steps_of(tmp_path / "all") + 1):
        path, acknowledged = empty(tmp_path / f"{at}"), list[bytes]()
        with opened(path, FailingDisk(at, Killed())) as manager, suppress(Killed):
            assert manager.restore() is None
            keep_words(manager, acknowledged, stop_at_failure=True)
        seen = found(path)
        after = [] if seen is None else words(seen)
        assert after in (acknowledged, [*acknowledged, b"w%d" % len(acknowledged)]), f"killed at step {at}"
        assert seen is None or not seen.skipped


def test_the_power_fails_at_every_step(tmp_path: Path) -> None:
    """What was acknowledged had been made durable: names, bytes and all, in that order."""
    for at in range(1, steps_of(tmp_path / "all") + 1):
        path, acknowledged = empty(tmp_path / f"{at}"), list[bytes]()
        disk = PowerlessDisk(path, at, Killed())
        with opened(path, disk) as manager, suppress(Killed):
            manager.restore()
            keep_words(manager, acknowledged, stop_at_failure=True)
        seen = found(disk.after_power_cut(tmp_path / f"{at}-after"))
        after = [] if seen is None else words(seen)
        assert after in (acknowledged, [*acknowledged, b"w%d" % len(acknowledged)]), f"no power at step {at}"
        assert seen is None or seen.said is None


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("on", [False, True], ids=["once", "from-then-on"])
def test_the_disk_fails_at_every_step(tmp_path: Path, number: int, *, on: bool) -> None:
    """After a failure the engine goes on: what was acknowledged stays, and what was refused does not come back, unless it was
    the last thing that was tried."""
    for at in range(1, steps_of(tmp_path / "all") + 1):
        path, acknowledged = empty(tmp_path / f"{at}"), list[bytes]()
        with opened(path, FailingDisk(at, refusal(number), on=on)) as manager:
            assert manager.restore() is None
            keep_words(manager, acknowledged, stop_at_failure=False)
        assert on or len(acknowledged) >= 7
        seen = found(path)
        after = [] if seen is None else words(seen)
        assert after[: len(acknowledged)] == acknowledged, f"failed at step {at}"
        assert len(after) <= len(acknowledged) + on


def test_a_failure_is_mended_by_a_new_generation(folder: Path) -> None:
    """When the disk has room again, a new generation and its journal hold everything, and nothing of what was refused."""
    disk = FailingDisk()
    with opened(folder, disk) as manager:
        manager.restore()
        disk.at, disk.on = disk.steps + 1, True
        with pytest.raises(StateError, match="No space left"):
            manager.append(b"refused")
        with pytest.raises(StateError, match="No space left"):
            manager.compact(b" ".join(ALL))
        with pytest.raises(StateError, match="new generation first"):
            manager.append(b"refused")
        disk.at = 0
        manager.compact(b" ".join(ALL))
        manager.append(b"w11")
    assert words(found(folder)) == [*ALL, b"w11"]


def test_closed_state_takes_nothing(folder: Path) -> None:
    """After the folder was let go of, another process may have it."""
    with opened(folder) as manager:
        manager.restore()
    for write in (manager.append, manager.save, manager.compact):
        with pytest.raises(StateError):
            write(b"late")
