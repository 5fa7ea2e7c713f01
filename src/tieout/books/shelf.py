"""What a folder of state holds: its generations and journals, and the way back from the newest to the first good one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from msgspec import Struct

from tieout.books.disk import Disk
from tieout.books.journal import FOLLOWED, FORMAT, Damaged, Head, Journal, read_generation, read_journal
from tieout.errors import StateError, StateLost

Kind = Literal["generation", "journal"]
KINDS: tuple[Kind, ...] = ("journal", "generation")
_NAMED = re.compile(r"(generation|journal)-(\d{8,18})")
_CURE = "restore the folder from a copy, or move it away and adopt what the broker says"


class Found(Struct, frozen=True):
    """The newest journal, and the state and events that can be had; `skipped` says why newer states cannot."""

    newest: Journal
    generation: int
    state: bytes
    events: tuple[bytes, ...]
    skipped: tuple[str, ...]
    whole: bool


class Shelf:
    """Reads the folder of one account. Every method raises OSError where the disk refuses."""

    def __init__(self, folder: Path, account: str, layout: str, disk: Disk) -> None:
        self._folder, self._account, self._layout, self._disk = folder, account, layout, disk

    def path(self, kind: Kind, number: int) -> Path:
        """Where a file of that generation stands."""
        return self._folder / f"{kind}-{number:08}"

    def fresh(self, kind: Kind) -> Path:
        """Where a file stands before it counts."""
        return self._folder / f".{kind}.new"

    def numbers(self) -> list[int]:
        """Every generation of which something is there, oldest first."""
        named = (_NAMED.fullmatch(name) for name in self._disk.names(self._folder))
        return sorted({int(each[2]) for each in named if each})

    def walk(self) -> Found | None:
        """Go back from the newest generation to the first good one, and gather the events that lead on; None from nothing.

        Raises:
            StateLost: No way leads to the newest events.
            StateError: A file is not of this account, layout or format.
        """
        numbers = self.numbers()
        if not numbers:
            return None
        number, skipped = numbers[-1], list[str]()
        newest = journal = self._journal(number)
        if newest.events[-1:] == (FOLLOWED,):
            raise StateLost(f"{self._folder} had a newer generation than {number}, which is gone; {_CURE}")
        chain, events, whole = newest.chains[-1], list[bytes](), True
        while True:
            led = journal.until(chain)
            if led is None:
                raise StateLost(f"{self.path('journal', number)} lacks lines that it had; {_CURE}")
            events[:0] = led
            state = self._state(journal.head, skipped)
            if state is not None:
                return Found(newest, number, state, tuple(events), tuple(skipped), whole)
            if not journal.head.follows:
                whole = False
                events.clear()
            chain, number = journal.head.chain, self._before(journal.head, numbers, skipped)
            journal = self._journal(number)

    def _before(self, head: Head, numbers: list[int], skipped: list[str]) -> int:
        if head.previous is None or head.previous not in numbers:
            raise StateLost(f"{self._folder}: {'; '.join(skipped)}; no older generation is left; {_CURE}")
        return head.previous

    def _journal(self, number: int) -> Journal:
        path = self.path("journal", number)
        raw = self._disk.read(path)
        if raw is None:
            raise StateLost(f"{path} is missing, and with it what was acknowledged after its generation; {_CURE}")
        try:
            journal = read_journal(raw)
        except Damaged as damage:
            raise StateLost(f"{path} is damaged: {damage}; {_CURE}") from None
        self._check(path, journal.head)
        if journal.head.generation != number:
            raise StateLost(f"{path} is that of generation {journal.head.generation}; {_CURE}")
        return journal

    def _state(self, head: Head, skipped: list[str]) -> bytes | None:
        """The state of a generation; where it is not to be had, None, and why goes to *skipped*."""
        path, fresh = self.path("generation", head.generation), self.fresh("generation")
        raw = self._disk.read(path)
        try:
            if raw is None:
                return self._unfinished(fresh, head)
            found, state = read_generation(raw)
            self._check(path, found)
            if found != head:
                raise Damaged("it is not the one that its journal follows")
        except Damaged as damage:
            skipped.append(f"generation {head.generation} is damaged: {damage}")
            return None
        return state

    def _unfinished(self, fresh: Path, head: Head) -> bytes:
        """The state of a generation that a crash kept from its name: it was written whole before its journal had its own.

        Raises:
            Damaged: There is none.
        """
        raw = self._disk.read(fresh)
        found, state = (None, b"") if raw is None else read_generation(raw)
        if found != head:
            raise Damaged("it is missing")
        return state

    def _check(self, path: Path, head: Head) -> None:
        """Refuse what is not this account's, or not in the form that is read here."""
        if head.format != FORMAT:
            raise StateError(
                f"{path} has format {head.format}, and this version reads {FORMAT}; run the version that wrote it"
            )
        if head.account != self._account:
            raise StateError(
                f"{path} is the state of account {head.account}, not of {self._account}; give each its own folder"
            )
        if head.layout != self._layout:
            raise StateError(f"{path} holds {head.layout}, not {self._layout}; run the version that wrote it")
