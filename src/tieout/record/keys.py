"""The folder of keys: the log's private key, its public half, and the master key of the payloads.

It is all that must never be lost and never be in the database: keep a copy of it elsewhere. `log.key` signs; who pins
`log.vkey` can check the log; `master.key` opens payloads. Keys that were rotated out stay as `log-<id>.key` and `.vkey`: the
private one may be destroyed, the public one checks what it signed.
"""

from __future__ import annotations

import base64
import fcntl
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from msgspec import Struct

from tieout.errors import KeyUnusable, ProofRefused, RecordError, RecordUnavailable
from tieout.record.files import sync_folder, unavailable, write_atomically
from tieout.record.keyfile import OTHERS, RESTORE, as_line, read_line, write_first
from tieout.record.tlog.note import Signer, Verifier, generate_key
from tieout.record.vault import KEY_BYTES, Vault

LOG_KEY, LOG_VKEY, MASTER_KEY = "log.key", "log.vkey", "master.key"
MAX_NAME = 255


class Keys(Struct, frozen=True):
    """A folder of keys, opened. Its `repr` names the log's key and shows none.

    Attributes:
        signer: The log's private key in force.
        vkey: Its public half, as others pin it.
        vault: Opens and seals payloads.
        retired: The public halves of the keys before it, in no order.
    """

    signer: Signer
    vkey: str
    vault: Vault
    retired: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name that the log signs under, which is its origin."""
        return self.signer.name

    @property
    def verifiers(self) -> tuple[Verifier, ...]:
        """Who may have signed this log: the key in force, then those before it."""
        return tuple(Verifier(vkey) for vkey in (self.vkey, *self.retired))

    def __repr__(self) -> str:
        return f"Keys({self.vkey})"


def new_name(given: str | None = None) -> str:
    """The name for a log's key: *given* where a person chose one, else `tieout-` and eight random hex digits.

    Raises:
        KeyUnusable: The given name could not stand in a signed note.
    """
    if given is None:
        return f"tieout-{secrets.token_hex(4)}"
    # isprintable refuses every space but the plain one, line ends, and what has no UTF-8.
    if not 0 < len(given) <= MAX_NAME or not given.isprintable() or " " in given or "+" in given:
        # It is not repeated here: who mixes up the fields gives a key as its name.
        raise KeyUnusable(
            "that cannot be the name of a key; "
            f"give 1 to {MAX_NAME} printable characters without spaces or a plus, such as example.com/tieout"
        )
    return given


def create(folder: Path, name: str | None = None) -> Keys:
    """Make all keys of a new log in *folder* (0700, made where it is missing), each file 0600 and on the disk.

    A failure takes back what was written. A crash can leave a part: nothing was signed or sealed with it yet, `load` names
    what is missing or damaged, and another `create` names what is there. `log.key` comes last, so where that is whole all is.

    Raises:
        KeyUnusable: The name cannot be one, a key is there already, or the folder is open to others.
        RecordUnavailable: The files cannot be written.
    """
    key = generate_key(new_name(name), secrets.token_bytes(KEY_BYTES))
    master = base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()
    _make_folder(folder)
    written: list[Path] = []
    try:
        for file, line in ((MASTER_KEY, master), (LOG_VKEY, Signer(key).vkey), (LOG_KEY, key)):
            write_first(folder / file, line)
            written.append(folder / file)
        with unavailable(folder, "written"):
            sync_folder(folder)
    except RecordError:
        for path in written:
            with suppress(OSError):  # the failure that brought us here is the one to be told
                path.unlink()
        raise
    return load(folder)


def load(folder: Path) -> Keys:
    """The keys in *folder*; a rotation that was cut short is brought to its end. Links are followed.

    Raises:
        KeyUnusable: A key is missing, damaged, open to others than its owner, or does not belong to the others.
        RecordUnavailable: The rotation could not be brought to its end.
    """
    signer = _signer(folder / LOG_KEY)
    vault = _vault(folder / MASTER_KEY)
    stated = read_line(folder / LOG_VKEY, mode_matters=False)
    past = _retired(folder)
    if stated != signer.vkey:
        if stated not in past:
            raise KeyUnusable(
                f"{folder / LOG_VKEY} is not the public half of {LOG_KEY} beside it; restore both from your copy of the keys"
            )
        _publish(folder, signer)
    return Keys(signer, signer.vkey, vault, tuple(vkey for vkey in past if vkey != signer.vkey))


def published(folder: Path) -> tuple[Verifier, ...]:
    """The public keys in *folder*, the one in force first; empty where it has none. Needs no private key, writes nothing.

    Raises:
        KeyUnusable: One of them is damaged.
    """
    if not (folder / LOG_VKEY).exists():
        return ()
    stated = read_line(folder / LOG_VKEY, mode_matters=False)
    try:
        return tuple(map(Verifier, dict.fromkeys((stated, *_retired(folder)))))
    except ProofRefused:
        raise KeyUnusable(f"{folder / LOG_VKEY} is damaged: it holds no public key of a log; {RESTORE}") from None


def retired_signer(folder: Path, vkey: str) -> Signer | None:
    """The private half of a key that was rotated out, where it was kept.

    Raises:
        KeyUnusable: It is there, and damaged or open to others.
    """
    path = folder / f"log-{Verifier(vkey).id.hex()}.key"
    return _signer(path) if path.exists() else None


def vault(folder: Path) -> Vault:
    """What opens payloads: the master key in *folder*, alone.

    Raises:
        KeyUnusable: It is missing, damaged, or open to others than its owner.
    """
    return _vault(folder / MASTER_KEY)


def rotate(folder: Path, name: str | None = None) -> tuple[Keys, Keys]:
    """Put a new log key in force and keep the old one beside it; the master key stays.

    Args:
        folder: The folder of keys.
        name: Of the new key; that of the old one where none is given, which keeps the log's origin.

    Returns:
        The keys before and after. The old signer should sign the entry that names the new one.

    Raises:
        KeyUnusable: The keys cannot be used as they are, or the name cannot be one; nothing was changed.
        RecordUnavailable: A file could not be written, or another rotation is under way.
    """
    with _alone(folder):
        old = load(folder)
        key = generate_key(new_name(old.name if name is None else name), secrets.token_bytes(KEY_BYTES))
        kept = folder / f"log-{old.signer.id.hex()}"
        _keep(kept.with_suffix(".key"), read_line(folder / LOG_KEY))
        _keep(kept.with_suffix(".vkey"), old.vkey)
        # A crash up to here: the old key is in force, and stands in one or two more files. The next rotation finds them.
        _replace(folder / LOG_KEY, key)
        # A crash from here on: the new key is in force; log.vkey is still that of the old one, which `load` knows from
        # log-<id>.vkey, and mends as the next line does. Inside the line above it is either, for a rename is one step.
        _publish(folder, Signer(key))
        return old, load(folder)


def _publish(folder: Path, signer: Signer) -> None:
    """Let log.vkey be that of the key in force."""
    _replace(folder / LOG_VKEY, signer.vkey)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep other rotations out: of two at once, the new key of the first would be lost. Ends with the process, too."""
    with unavailable(folder, "rotated"):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError:
            raise RecordUnavailable(f"another rotation of {folder} is under way; try again when it ended") from None
        finally:
            os.close(descriptor)


def _make_folder(folder: Path) -> None:
    with unavailable(folder, "made"):
        missing = [each for each in (folder, *folder.parents) if not each.exists()]
        if missing:
            folder.mkdir(mode=0o700, parents=True)
            folder.chmod(0o700)  # what the umask took from the owner
        for each in missing:
            sync_folder(each.parent)
        open_to_others = stat.S_IMODE(folder.stat().st_mode) & OTHERS
    if open_to_others:
        raise KeyUnusable(f"{folder} is open to others than its owner; give keys a folder of their own, with mode 0700")


def _replace(path: Path, line: str) -> None:
    write_atomically(path, as_line(line))


def _keep(path: Path, line: str) -> None:
    """Have *line* in *path*, which an earlier rotation may have left there."""
    if not os.path.lexists(path):
        _replace(path, line)
    elif read_line(path, mode_matters=path.suffix == ".key") != line:
        raise KeyUnusable(
            f"{path} holds another key under the same id, and a key is never overwritten; move it elsewhere"
        )


def _signer(path: Path) -> Signer:
    text = read_line(path)
    try:
        signer = Signer(text)
        Verifier(signer.vkey)  # whether name and id belong to the key
    except (RecordError, ValueError):
        raise KeyUnusable(f"{path} is damaged: it holds no private key of a log; {RESTORE}") from None
    return signer


def _vault(path: Path) -> Vault:
    text = read_line(path)
    try:
        return Vault(base64.b64decode(text, validate=True))
    except (RecordError, ValueError):
        raise KeyUnusable(f"{path} is damaged: it is not {KEY_BYTES} bytes in base64; {RESTORE}") from None


def _retired(folder: Path) -> tuple[str, ...]:
    found = []
    for path in sorted(folder.glob("log-*.vkey")):
        text = read_line(path, mode_matters=False)
        try:
            Verifier(text)
        except (RecordError, ValueError):
            raise KeyUnusable(f"{path} is damaged: it holds no public key of a log; {RESTORE}") from None
        found.append(text)
    return tuple(found)
