"""A witness of the tests' own, and logs to show it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.record.conftest import START
from tieout.clock import VirtualClock
from tieout.record.tlog import merkle
from tieout.record.tlog.checkpoint import Checkpoint, format_checkpoint
from tieout.record.tlog.note import Signer, Verifier, generate_key, sign
from tieout.record.witness.judging import Witness
from tieout.record.witness.key import create_witness
from tieout.record.witness.memory import Memory
from tieout.record.witness.protocol import Request, format_request


class Log:
    """A log in memory, made naively, that signs whatever it is told to."""

    def __init__(self, name: str = "log.test", seed: bytes = bytes(32)) -> None:
        self.signer = Signer(generate_key(name, seed))
        self.name, self.leaves = name, [merkle.leaf_hash(b"%d" % number) for number in range(64)]

    def root(self, size: int) -> bytes:
        """The root over the first *size* leaves, by definition."""
        return _root(self.leaves[:size])

    def signed(self, size: int) -> bytes:
        """The signed checkpoint."""
        return sign(format_checkpoint(Checkpoint(self.name, size, self.root(size))), self.signer)

    def proof(self, old: int, size: int) -> tuple[bytes, ...]:
        """The consistency proof, by definition."""
        return tuple(_proof(old, self.leaves[:size], whole=True)) if 0 < old < size else ()

    def request(self, old: int, size: int) -> bytes:
        """What is sent to a witness."""
        return format_request(Request(old, self.proof(old, size), self.signed(size)))


def _split(count: int) -> int:
    return 1 << (count - 1).bit_length() - 1


def _root(leaves: list[bytes]) -> bytes:
    if not leaves:
        return merkle.EMPTY_ROOT
    if len(leaves) == 1:
        return leaves[0]
    middle = _split(len(leaves))
    return merkle.node_hash(_root(leaves[:middle]), _root(leaves[middle:]))


def _proof(old: int, leaves: list[bytes], *, whole: bool) -> list[bytes]:
    if old == len(leaves):
        return [] if whole else [_root(leaves)]
    middle = _split(len(leaves))
    if old <= middle:
        return [*_proof(old, leaves[:middle], whole=whole), _root(leaves[middle:])]
    return [*_proof(old - middle, leaves[middle:], whole=False), _root(leaves[:middle])]


class Bench:
    """A witness, what it says, and its files."""

    def __init__(self, folder: Path, *logs: Verifier, name: str = "witness.test") -> None:
        self.folder, self.clock, self.said = folder, VirtualClock(START), list[str]()
        self.key = folder / "witness.key"
        self.signer = create_witness(self.key, name)
        self.trusted: dict[str, list[Verifier]] = {}
        for each in logs:
            self.trusted.setdefault(each.name, []).append(each)
        self.memory = Memory(folder / "witness.db")

    @property
    def witness(self) -> Witness:
        """It, as if it had just been started."""
        return Witness(
            self.signer, dict(self.trusted), Memory(self.folder / "witness.db"), self.clock, tell=self.said.append
        )


@pytest.fixture
def log() -> Log:
    """A log."""
    return Log()


@pytest.fixture
def bench(tmp_path: Path, log: Log) -> Bench:
    """A witness that knows it."""
    return Bench(tmp_path, Verifier(log.signer.vkey))
