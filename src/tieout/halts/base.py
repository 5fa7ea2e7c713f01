"""A trading program that can be had to stop, as a port."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec
from msgspec import Struct

from tieout.model.halt import Halt
from tieout.model.snapshot import Moment


class HaltTold(Struct, frozen=True):
    """A halt, as programs are told it; `asset` None is the whole account."""

    id: str
    asset: str | None
    reason: str
    since: Moment


class HaltsTold(Struct, frozen=True):
    """All halts of an account that stand; none lets trading go on."""

    account: str
    halts: tuple[HaltTold, ...]


class Halts(Protocol):
    """Where an account's orders come from."""

    async def follow(self, halts: Sequence[Halt], *, lifts: bool) -> str | None:
        """Have just *halts* stand there, and look whether they do. It is asked again at each reading; MUST NOT raise.

        Args:
            halts: Those that stand. Without *lifts* they halt no less than those of the time before.
            lifts: Whether what stands there besides is lifted; without it nothing is.

        Returns:
            Why it is not shown that they took effect, in a sentence without secrets; None where it was seen.
        """

    def forget(self) -> None:
        """Another process may have halted there, or lifted, since: nothing that is remembered of it counts."""


def told(account: str, halts: Sequence[Halt]) -> bytes:
    """Halts as JSON, the same for the same halts."""
    rows = sorted((HaltTold(each.id, each.asset, each.reason, each.since) for each in halts), key=lambda row: row.id)
    return msgspec.json.encode(HaltsTold(account, tuple(rows)))


def unproven(answer: bytes, halts: Sequence[Halt]) -> str | None:
    """Why what a program answered does not show that it obeys just these halts: it has to repeat their ids."""
    try:
        obeyed = msgspec.json.decode(answer, type=Obeyed).halts
    except (msgspec.DecodeError, UnicodeDecodeError):
        return 'it did not answer with {"halts": [the ids that it obeys]}'
    missing = {each.id for each in halts} - set(obeyed)
    if missing:
        return f"it obeys {len(obeyed)} halts, and {len(missing)} of those that stand are not among them"
    return None


class Obeyed(Struct, frozen=True):
    """What a program answers: the ids of the halts that it obeys now."""

    halts: tuple[str, ...]
