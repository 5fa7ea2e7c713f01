"""Who may have signed which checkpoint: the pinned key, and the keys that it handed over to, or had been handed over from.

A handover is an entry that names the next key. It counts where the key before it signed the checkpoint over that entry; from
the next checkpoint on only the new key counts, so that an old key that was stolen signs nothing any more.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from tieout.errors import ProofRefused
from tieout.record.audit.fetching import NEXT_CHECKPOINT, Fetch
from tieout.record.audit.scanned import Handover
from tieout.record.audit.trust import Trust
from tieout.record.tlog.note import Note, Verifier, open_note


class Reign(Struct, frozen=True):
    """The key of the checkpoints up to the size *stop*, that included; None is to the end."""

    key: Verifier
    stop: int | None


class Succession(Struct, frozen=True):
    """The keys of a log in their order.

    Attributes:
        reigns: One after the other; empty where no key was ever changed.
        anchor: The first of them that was pinned: it and those after it vouch for the log, those before only for their time.
        loose: Pinned keys that no entry names: of a log whose key was never changed, or is about to be.
        broken: The entry at which a key was handed over by another than the one in force, or to something that is none.
    """

    reigns: tuple[Reign, ...]
    anchor: int
    loose: tuple[Verifier, ...]
    broken: int | None = None

    @property
    def known(self) -> tuple[Verifier, ...]:
        """Every key that may have signed something of this log."""
        return tuple({each.vkey: each for each in (*self.loose, *(reign.key for reign in self.reigns))}.values())

    def signer(self, size: int, signed: bytes) -> Verifier | None:
        """Who of those in force signed the checkpoint over *size* entries; None if nobody did."""
        return _signer(signed, (*self._in_force(size), *self.loose))

    def vouches(self, size: int, signer: Verifier) -> bool:
        """Whether a signature at *size* proves the log, rather than only its own time."""
        if signer.vkey in {each.vkey for each in self.loose}:
            return True
        return any(reign.key.vkey == signer.vkey for reign in self.reigns[self.anchor :])

    def _in_force(self, size: int) -> tuple[Verifier, ...]:
        return tuple(reign.key for reign in self.reigns if reign.stop is None or size <= reign.stop)[:1]


def succession(fetch: Fetch, handovers: Sequence[Handover], trust: Trust) -> Succession:
    """The keys that *handovers* name, as far as they hang together with the pinned ones."""
    chain, broken = _chain(fetch, handovers)
    vkeys = [reign.key.vkey for reign in chain]
    pinned = {each.vkey for each in trust.keys}
    anchor = next((place for place, vkey in enumerate(vkeys) if vkey in pinned), None)
    if anchor is None:
        return Succession((), 0, trust.keys)  # nothing that the log says of other keys counts
    return Succession(tuple(chain), anchor, tuple(each for each in trust.keys if each.vkey not in vkeys), broken)


def _chain(fetch: Fetch, handovers: Sequence[Handover]) -> tuple[list[Reign], int | None]:
    chain: list[Reign] = []
    for handover in handovers:
        try:
            old, new = Verifier(handover.old_key), Verifier(handover.new_key)
        except ProofRefused:
            return chain, handover.entry
        over = fetch(NEXT_CHECKPOINT, (handover.entry,))
        if not over:
            break  # not signed yet: it does not count
        size, signed = over[0]
        if (chain and chain[-1].key.vkey != old.vkey) or _signer(signed, (old,)) is None:
            return chain, handover.entry
        if chain:
            chain.pop()
        chain += [Reign(old, size), Reign(new, None)]
    return chain, None


def opened(signed: bytes, keys: Sequence[Verifier]) -> Note | None:
    """The note, if one of *keys* signed it."""
    try:
        return open_note(signed, keys)
    except ProofRefused:
        return None


def _signer(signed: object, keys: Sequence[Verifier]) -> Verifier | None:
    if not isinstance(signed, bytes):
        return None
    return next((key for key in keys if opened(signed, (key,)) is not None), None)
