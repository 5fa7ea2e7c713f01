"""Room on the disk: some is kept back for the last entry, and nothing is written after that until there is room again."""

from __future__ import annotations

import shutil
from pathlib import Path

from tieout.errors import RecordUnavailable, StorageExhausted
from tieout.record.files import Ballast


class Room:
    """The room that a store's disk has left, by whether a ballast fits beside it.

    Args:
        store: The store's file.
    """

    def __init__(self, store: Path) -> None:
        self._ballast = Ballast(store.with_name(f"{store.name}-ballast"))
        self._why = f"the disk of {store.name} is full; make room on it"
        self.exhausted = False

    def take(self) -> None:
        """Keep room back for the last entry, unless that was done already.

        Raises:
            StorageExhausted: There is none.
            RecordUnavailable: The folder cannot be written.
        """
        # Twice as much as is kept back, so that a disk on which just that fits does not fill up again at once.
        if self.exhausted and self._free() < 2 * self._ballast.size:
            raise self.refusal()
        self.exhausted = True
        try:
            self._ballast.ensure()
        except StorageExhausted:
            raise self.refusal() from None
        self.exhausted = False

    def give(self) -> bool:
        """Give back what was kept, and tell whether there was any; from now on the disk counts as full."""
        self.exhausted = True
        try:
            return self._ballast.free()
        except RecordUnavailable:
            return False

    def is_full(self) -> bool:
        """Whether the disk has less left than is to be kept back."""
        return self._free() < self._ballast.size

    def _free(self) -> int:
        return shutil.disk_usage(self._ballast.path.parent).free

    def refusal(self) -> StorageExhausted:
        """What whoever wants to write is told, always in the same words."""
        return StorageExhausted(self._why)
