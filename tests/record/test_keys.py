"""The folder of keys: made once, whole, for its owner only; rotated without a moment in which no key is in force."""

from __future__ import annotations

import base64
import errno
import fcntl
import hashlib
import os
import secrets
import shutil
import traceback
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from tests.record.faults import UMASKS, Crash, Steps, every_failure, mode, umask
from tieout.errors import KeyUnusable, RecordError, RecordUnavailable
from tieout.record import keys
from tieout.record.keys import Keys

FILES = ("log.key", "log.vkey", "master.key")
PRIVATE = ("log.key", "master.key")
NAME = "example.com/tieout"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the keys of a new log."""
    keys.create(tmp_path / "keys", NAME)
    return tmp_path / "keys"


def names(folder: Path) -> set[str]:
    """What is in *folder*, with what a crash may leave besides left out."""
    return {path.name for path in folder.iterdir() if not path.name.endswith(".new")}


def same(one: Keys, other: Keys) -> bool:
    """Whether two hold the same log key and master key."""
    return one.vkey == other.vkey and other.vault.open(one.vault.seal(b"x")).payload == b"x"


def secrets_in(folder: Path) -> set[str]:
    """Every piece of the private files that must not be seen anywhere."""
    # A private key's last part is base64, which may hold a plus itself; the master key is nothing but base64.
    return {
        text if path.name == "master.key" else text.split("+", 4)[-1]
        for path in folder.glob("*.key")
        for text in [path.read_text().strip()]
    }


@pytest.mark.parametrize("mask", UMASKS)
def test_keys_are_their_owners_only_under_any_umask(tmp_path: Path, mask: int) -> None:
    """The folder is 0700 and each file 0600, created and after a rotation, whatever the umask."""
    folder = tmp_path / "keys"
    with umask(mask):
        keys.create(folder, NAME)
        keys.rotate(folder)
    assert mode(folder) == 0o700
    assert len(names(folder)) == 5
    assert {mode(path) for path in folder.iterdir()} == {0o600}


def test_the_files_are_what_other_tools_read(folder: Path) -> None:
    """log.key and log.vkey are one line each in the note format, of one another's key; master.key is base64 of 32 bytes."""
    lines = {name: (folder / name).read_text() for name in FILES}
    assert all(line.endswith("\n") and line.count("\n") == 1 for line in lines.values())
    private, key, name, hint, secret = lines["log.key"].strip().split("+", 4)
    assert (private, key, name) == ("PRIVATE", "KEY", NAME)
    kind, seed = base64.b64decode(secret)[:1], base64.b64decode(secret)[1:]
    public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    assert kind == b"\1"
    assert hint == hashlib.sha256(NAME.encode() + b"\n\1" + public).hexdigest()[:8]
    assert lines["log.vkey"].strip() == f"{NAME}+{hint}+{base64.b64encode(kind + public).decode()}"
    assert len(base64.b64decode(lines["master.key"].strip(), validate=True)) == 32


def test_what_is_loaded_is_what_was_made(tmp_path: Path) -> None:
    """The keys that create returns are those that load finds: what one signs the other verifies, what one seals it opens."""
    made = keys.create(tmp_path / "keys", NAME)
    found = keys.load(tmp_path / "keys")
    assert same(made, found)
    assert found.name == NAME
    assert found.retired == ()
    (verifier,) = found.verifiers
    assert verifier.verify(b"text", made.signer.sign(b"text"))
    assert not verifier.verify(b"texts", made.signer.sign(b"text"))


def test_no_two_logs_share_a_key(tmp_path: Path) -> None:
    """Neither key is the same in another folder, also under the same name."""
    for name in ("a", "b"):
        keys.create(tmp_path / name, NAME)
    assert not secrets_in(tmp_path / "a") & secrets_in(tmp_path / "b")


def test_keys_are_on_the_disk_before_create_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of the three files is synced, and then the folder that names them; the folder's own name, too."""
    steps = Steps(monkeypatch, 10**6, Crash())
    keys.create(tmp_path / "keys", NAME)
    assert steps.done.count("fsync") == 5
    assert "fsync" in steps.done[max(at for at, step in enumerate(steps.done) if step == "write") + 2 :]


@pytest.mark.parametrize("there", FILES)
def test_create_never_overwrites(folder: Path, there: str) -> None:
    """Where any of the three stands already nothing is written, nothing is deleted, and the sentence names it."""
    for name in FILES:
        if name != there:
            (folder / name).unlink()
    before = (folder / there).read_bytes()
    with pytest.raises(KeyUnusable, match=f"{there} is there already, and a key is never overwritten"):
        keys.create(folder, NAME)
    assert names(folder) == {there}
    assert (folder / there).read_bytes() == before


def test_create_does_not_write_through_a_link(tmp_path: Path) -> None:
    """A dangling link in the place of a key is not followed."""
    (tmp_path / "keys").mkdir(mode=0o700)
    (tmp_path / "keys" / "log.key").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(KeyUnusable, match="is there already"):
        keys.create(tmp_path / "keys", NAME)
    assert not (tmp_path / "elsewhere").exists()


def test_create_wants_a_folder_of_its_own(tmp_path: Path) -> None:
    """A folder that others may enter is refused, one for the owner is taken, a file is told as a failure."""
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o750)
    with pytest.raises(KeyUnusable, match="open is open to others than its owner"):
        keys.create(tmp_path / "open", NAME)
    assert names(tmp_path / "open") == set()
    (tmp_path / "mine").mkdir(mode=0o700)
    keys.create(tmp_path / "mine", NAME)
    keys.create(tmp_path / "deep" / "er" / "keys", NAME)
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordError, match="file"):
        keys.create(tmp_path / "file", NAME)


def test_a_refused_create_leaves_nothing(tmp_path: Path) -> None:
    """Whichever system call fails, the failure is told, and no key stands that somebody could take for whole."""
    folder = tmp_path / "keys"
    folder.mkdir(mode=0o700)

    def check(outcome: BaseException) -> None:
        assert "No space left on device" in str(outcome) or "cannot be read" in str(outcome)
        if isinstance(outcome, RecordUnavailable):
            assert list(folder.iterdir()) == []
        shutil.rmtree(folder)
        folder.mkdir(mode=0o700)

    every_failure(lambda: keys.create(folder, NAME), OSError(errno.ENOSPC, "no"), check, lambda: _emptied(folder))


def _emptied(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


def test_a_killed_create_is_seen(tmp_path: Path) -> None:
    """Killed at any system call, what stands is whole, or named as missing or damaged, and is never overwritten."""
    folder = tmp_path / "keys"
    whole = 0

    def check(_: BaseException) -> None:
        nonlocal whole
        there = names(folder) if folder.exists() else set()
        try:
            keys.load(folder)
            whole += 1
            assert there == set(FILES)
        except KeyUnusable as failure:
            assert "is missing" in str(failure) or "is damaged" in str(failure)
        if there:
            with pytest.raises(KeyUnusable, match="is there already"):
                keys.create(folder, NAME)
            assert names(folder) == there

    count = every_failure(
        lambda: keys.create(folder, NAME), Crash(), check, lambda: shutil.rmtree(folder, ignore_errors=True)
    )
    assert 0 < whole < count


@pytest.mark.parametrize("name", FILES)
def test_a_missing_key_is_named(folder: Path, name: str) -> None:
    """Without any one of the files nothing is loaded, and the sentence says which and what to do."""
    (folder / name).unlink()
    with pytest.raises(KeyUnusable, match=f"{name} is missing; restore it from your copy of the keys, or make keys"):
        keys.load(folder)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    """Keys that were never made are told so by load and by rotate."""
    with pytest.raises(KeyUnusable, match=r"keys/log.key is missing.*make keys if the log is new"):
        keys.load(tmp_path / "keys")
    with pytest.raises(RecordError, match="keys cannot be rotated"):
        keys.rotate(tmp_path / "keys")


@pytest.mark.parametrize("name", PRIVATE)
@pytest.mark.parametrize("rights", [0o640, 0o604, 0o660, 0o602, 0o610, 0o644])
def test_a_key_that_others_may_touch_is_refused(folder: Path, name: str, rights: int) -> None:
    """Any right of group or others on a private file is too much, and the sentence names the mode to set."""
    (folder / name).chmod(rights)
    with pytest.raises(KeyUnusable, match=f"{name} is open to others than its owner; set its mode to 0600"):
        keys.load(folder)
    (folder / name).chmod(0o400)
    assert keys.load(folder).name == NAME


def test_the_public_half_may_be_public(folder: Path) -> None:
    """log.vkey is there to be handed out: its mode does not matter."""
    (folder / "log.vkey").chmod(0o644)
    assert keys.load(folder).name == NAME


def test_links_are_followed(folder: Path, tmp_path: Path) -> None:
    """Keys that are mounted elsewhere and linked to are loaded; what counts is the mode of the file itself."""
    for name in FILES:
        (folder / name).rename(tmp_path / name)
        (folder / name).symlink_to(tmp_path / name)
    assert keys.load(folder).name == NAME
    (tmp_path / "master.key").chmod(0o644)
    with pytest.raises(KeyUnusable, match=r"master.key is open to others"):
        keys.load(folder)


def test_what_is_no_file_is_refused(folder: Path) -> None:
    """A folder, a named pipe or an endless device in the place of a key is refused at once."""
    (folder / "master.key").unlink()
    (folder / "master.key").mkdir()
    with pytest.raises(KeyUnusable, match=r"master.key is no file"):
        keys.load(folder)
    (folder / "master.key").rmdir()
    os.mkfifo(folder / "master.key", 0o600)
    with pytest.raises(KeyUnusable, match=r"master.key is no file"):
        keys.load(folder)
    (folder / "master.key").unlink()
    (folder / "master.key").symlink_to("/dev/zero")
    with pytest.raises(KeyUnusable, match=r"master.key is no file"):
        keys.load(folder)
    (folder / "master.key").unlink()
    (folder / "master.key").symlink_to("master.key")
    with pytest.raises(KeyUnusable, match=r"master.key cannot be read"):
        keys.load(folder)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    "raw", [b"", b"\n", b"\xff\xfe\n", b"x\n", b"a\nb\n", b"+" * 5000, bytes(44), b"PRIVATE+KEY+a+b+c\n"]
)
def test_a_damaged_key_is_refused(folder: Path, name: str, raw: bytes) -> None:
    """What is empty, no text, more than one line or no key is refused by the file's name, with the mend."""
    (folder / name).write_bytes(raw)
    with pytest.raises(KeyUnusable, match=rf"{name} is .*restore (it|both) from your copy of the keys"):
        keys.load(folder)


@pytest.mark.parametrize("size", [0, 16, 31, 33, 64])
def test_a_master_key_of_another_length_is_refused(folder: Path, size: int) -> None:
    """A master key is 32 bytes, neither cut nor lengthened."""
    (folder / "master.key").write_bytes(base64.b64encode(secrets.token_bytes(size)) + b"\n")
    with pytest.raises(KeyUnusable, match=r"master.key is damaged"):
        keys.load(folder)


@pytest.mark.parametrize("cut", [1, 2, 3, 4, 10, 43, 44, 45, 60])
@pytest.mark.parametrize("name", FILES)
def test_a_torn_key_is_refused(folder: Path, name: str, cut: int) -> None:
    """A file that lost its end, however little of the key itself, is refused."""
    text = (folder / name).read_text().rstrip("\n")
    (folder / name).write_text(text[: max(0, len(text) - cut)])
    with pytest.raises(KeyUnusable, match=name):
        keys.load(folder)


def test_a_key_without_its_line_end_is_whole(folder: Path) -> None:
    """An editor or a secret store that drops the line end does no harm."""
    for name in FILES:
        (folder / name).write_text((folder / name).read_text().rstrip("\n"))
    assert keys.load(folder).name == NAME


def test_the_public_half_of_another_key_is_refused(folder: Path, tmp_path: Path) -> None:
    """A log.vkey that is not that of log.key is told, for one who pinned it would call the log forged."""
    keys.create(tmp_path / "other", NAME)
    shutil.copy(tmp_path / "other" / "log.vkey", folder / "log.vkey")
    with pytest.raises(KeyUnusable, match=r"log.vkey is not the public half of log.key beside it"):
        keys.load(folder)


def test_a_name_that_was_changed_in_the_file_is_refused(folder: Path) -> None:
    """Name, id and key of log.key belong together: none can be changed alone."""
    text = (folder / "log.key").read_text()
    (folder / "log.key").write_text(text.replace(NAME, "example.com/other"))
    with pytest.raises(KeyUnusable, match=r"log.key is damaged"):
        keys.load(folder)


def test_rotation_puts_a_new_key_in_force_and_keeps_the_old_one(folder: Path) -> None:
    """The old pair stands whole under its id, the master key is the same, and both keys' signatures are still known."""
    before = {name: (folder / name).read_bytes() for name in FILES}
    old, new = keys.rotate(folder)
    hint = old.signer.id.hex()
    assert names(folder) == {*FILES, f"log-{hint}.key", f"log-{hint}.vkey"}
    assert (folder / f"log-{hint}.key").read_bytes() == before["log.key"]
    assert (folder / f"log-{hint}.vkey").read_bytes() == before["log.vkey"]
    assert (folder / "master.key").read_bytes() == before["master.key"]
    assert old.vkey == before["log.vkey"].decode().strip() != new.vkey
    assert new.name == old.name == NAME
    assert same(keys.load(folder), new)
    assert new.retired == (old.vkey,)
    signatures = [each.signer.sign(b"text") for each in (new, old)]
    assert [each.verify(b"text", signature) for each, signature in zip(new.verifiers, signatures, strict=True)] == [
        True
    ] * 2


def test_rotation_can_be_repeated_and_renamed(folder: Path) -> None:
    """Every key that ever was in force stays known, and the name is the old one unless another is given."""
    first = keys.load(folder)
    _, second = keys.rotate(folder)
    old, third = keys.rotate(folder, "example.com/renamed")
    assert old.vkey == second.vkey
    assert third.name == "example.com/renamed"
    assert set(third.retired) == {first.vkey, second.vkey}
    assert len(names(folder)) == 7


def test_old_private_keys_may_be_destroyed(folder: Path) -> None:
    """Without the private half of a retired key all loads as before: only its public half is used."""
    old, _ = keys.rotate(folder)
    (folder / f"log-{old.signer.id.hex()}.key").unlink()
    assert keys.load(folder).retired == (old.vkey,)


def test_a_damaged_retired_key_is_named(folder: Path) -> None:
    """A public half that cannot be read any more is told, for what it signed could not be checked."""
    old, _ = keys.rotate(folder)
    (folder / f"log-{old.signer.id.hex()}.vkey").write_text("damaged\n")
    with pytest.raises(KeyUnusable, match=f"log-{old.signer.id.hex()}.vkey is damaged"):
        keys.load(folder)


def _restored(folder: Path, files: dict[str, bytes]) -> None:
    """Put the folder back to what it was, as a backup would."""
    for path in folder.iterdir():
        path.unlink()
    for name, raw in files.items():
        (folder / name).write_bytes(raw)
        (folder / name).chmod(0o600)


@pytest.mark.parametrize(
    "how", [Crash(), OSError(errno.ENOSPC, "no"), OSError(errno.EIO, "no")], ids=["kill", "full", "broken"]
)
def test_a_rotation_that_fails_leaves_a_whole_key_in_force(folder: Path, how: BaseException) -> None:
    """Whichever system call fails, the old key or the new one is in force, whole, and the next rotation goes through."""
    files = {name: (folder / name).read_bytes() for name in FILES}
    before = keys.load(folder)
    in_force: list[bool] = []

    def check(_: BaseException) -> None:
        after = keys.load(folder)
        in_force.append(after.vkey != before.vkey)
        assert after.vkey == after.signer.vkey == (folder / "log.vkey").read_text().strip()
        assert after.vault.open(before.vault.seal(b"x")).payload == b"x"
        assert before.vkey in (after.vkey, *after.retired)
        assert after.vkey not in after.retired
        assert after.verifiers[0].verify(b"text", after.signer.sign(b"text"))
        assert not [path for path in folder.iterdir() if mode(path) != 0o600]
        old, new = keys.rotate(folder)
        assert old.vkey == after.vkey
        assert {before.vkey, after.vkey} <= {new.vkey, *new.retired}
        assert same(keys.load(folder), new)

    count = every_failure(lambda: keys.rotate(folder), how, check, lambda: _restored(folder, files))
    assert count > 30
    assert in_force == sorted(in_force), "once the new key is in force, no later failure brings the old one back"
    assert {*in_force} == {False, True}


def test_load_ends_a_rotation_that_was_cut_short(folder: Path) -> None:
    """Between the new log.key and the new log.vkey, load knows the old public half, and puts the new one in its place."""
    stale = (folder / "log.vkey").read_bytes()
    _, new = keys.rotate(folder)
    (folder / "log.vkey").write_bytes(stale)
    assert same(keys.load(folder), new)
    assert (folder / "log.vkey").read_text() == f"{new.vkey}\n"


def test_one_rotation_at_a_time(folder: Path) -> None:
    """While another rotation holds the folder, this one changes nothing and says so."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with pytest.raises(RecordUnavailable, match=r"another rotation of .* is under way"):
            keys.rotate(folder)
    finally:
        os.close(descriptor)
    assert names(folder) == set(FILES)
    keys.rotate(folder)


def test_rotation_never_overwrites_another_key(folder: Path) -> None:
    """A file under the old key's id that holds another key is left alone, and the old key stays in force."""
    before = keys.load(folder)
    kept = folder / f"log-{before.signer.id.hex()}.key"
    kept.write_text("another\n")
    kept.chmod(0o600)
    with pytest.raises(KeyUnusable, match="holds another key under the same id"):
        keys.rotate(folder)
    assert kept.read_text() == "another\n"
    assert same(keys.load(folder), before)


@given(st.text(max_size=40))
def test_names_follow_the_rules_of_signed_notes(name: str) -> None:
    """A name is taken as it is given, unless it is empty, has a space, a plus or a line end, or is no UTF-8."""
    allowed = name != "" and not any(letter.isspace() or letter == "+" for letter in name)
    try:
        assert keys.new_name(name) == name
        assert allowed
        name.encode()
    except KeyUnusable:
        assert not (allowed and name.isascii() and name.isprintable())


@pytest.mark.parametrize(
    "name", ["", " ", "a b", "a+b", "a\n", "a\u2003b", "a\u0085", "\ud800", "a\u2028b", "\xa0", "n" * 256]
)
def test_a_name_that_cannot_be_one_is_refused(tmp_path: Path, name: str) -> None:
    """Neither create nor rotate takes it, and neither leaves anything behind."""
    with pytest.raises(KeyUnusable, match="that cannot be the name of a key; give 1 to 255 printable characters"):
        keys.create(tmp_path / "keys", name)
    assert not (tmp_path / "keys").exists()


def test_the_longest_and_the_strangest_names_work(tmp_path: Path) -> None:
    """What is taken as a name can be loaded again, however many bytes it is."""
    for number, name in enumerate(("n" * 255, "\U0001f511" * 255, "wörter/π—x", "a")):
        keys.create(tmp_path / str(number), name)
        assert keys.load(tmp_path / str(number)).name == name


def test_a_name_is_made_up_where_none_is_given(tmp_path: Path) -> None:
    """Made-up names are `tieout-` and eight hex digits, and no two are alike."""
    made = {keys.new_name() for _ in range(100)}
    assert len(made) == 100
    assert all(name.startswith("tieout-") and len(name) == 15 and int(name[7:], 16) >= 0 for name in made)
    assert keys.create(tmp_path / "keys").name.startswith("tieout-")


def test_repr_shows_no_key(folder: Path) -> None:
    """What a log or a traceback may print of keys gives the public name only, at any depth."""
    keys.rotate(folder)
    hidden = secrets_in(folder)
    assert len(hidden) == 3
    found = keys.load(folder)
    shown = "".join(repr(each) + str(each) for each in (found, [found], found.signer, found.vault, found.verifiers))
    assert repr(found) == f"Keys({found.vkey})"
    assert not [part for part in hidden if part in shown]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("cut", [1, 2, 30])
def test_failures_show_no_key(folder: Path, name: str, cut: int) -> None:
    """Neither the sentence nor the chain behind it holds a piece of a key, whichever file is damaged however."""
    keys.rotate(folder)
    hidden = {part[:20] for part in secrets_in(folder)} | {part[-30:-10] for part in secrets_in(folder)}
    text = (folder / name).read_text().strip()
    for damaged in (text[:-cut], text + "A" * cut, f"{text}\n{text}", text.replace(text[-5], "-"), f"{text} "):
        (folder / name).write_text(damaged)
        with pytest.raises(KeyUnusable) as failure:
            keys.load(folder)
        told = "".join(traceback.format_exception(failure.value)) + repr(failure.value)
        assert not [part for part in hidden if part in told]


def test_a_key_given_as_a_name_is_not_repeated(folder: Path, tmp_path: Path) -> None:
    """Who mixes up the fields and names a key by the key itself does not find it in the sentence."""
    text = (folder / "log.key").read_text().strip()
    with pytest.raises(KeyUnusable) as failure:
        keys.create(tmp_path / "other", text)
    assert text[-20:] not in str(failure.value)
