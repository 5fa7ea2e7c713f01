"""`StateManager`: the state of an engine in a folder; a crash at any point loses nothing that was acknowledged."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from msgspec import Struct

from tieout.books.disk import Disk, refusals
from tieout.books.journal import FOLLOWED, FORMAT, Head, Journal, generation, head_line, line
from tieout.books.shelf import KINDS, Found, Shelf
from tieout.errors import StateError

KEPT = 5
CUT_SHORT = "the last line of the journal was cut short by a crash; it was never acknowledged, and is left out"


class Restored(Struct, frozen=True):
    """What was found: the state of a generation, and the events after it, oldest first.

    `skipped` says of each newer generation why it is not the one, and `dropped` that a line which a crash cut short (and
    which was therefore never acknowledged) was left out. Not `whole`: states that had been saved are not to be had any more.
    """

    generation: int
    state: bytes
    events: tuple[bytes, ...]
    skipped: tuple[str, ...] = ()
    dropped: str | None = None
    whole: bool = True

    @property
    def said(self) -> str | None:
        """What a person has to be told, in words; None where there is nothing."""
        told = list(self.skipped)
        if self.skipped:
            end = "nothing that was acknowledged is lost" if self.whole else "what was saved after it is lost"
            told.append(f"generation {self.generation} was taken instead, and {end}")
        return "; ".join(told + ([self.dropped] if self.dropped else [])) or None


class StateManager:
    """State in a folder of its own, several generations of it, and beside each a journal of what happened since.

    One process at a time has the folder, from the making of this object until `close`. What raises leaves the last
    acknowledged state as it was on the disk.

    Args:
        folder: Where state is kept; it holds nothing else, and is made if it is not there.
        account: Whose state it is.
        layout: What state and events are, and in which version: other layouts are refused.
        keep: How many generations are kept.
        disk: The file system.

    Raises:
        StateError: Another process has the folder, others than its owner can read it, or it cannot be written.
    """

    def __init__(self, folder: Path, *, account: str, layout: str, keep: int = KEPT, disk: Disk | None = None) -> None:
        assert keep >= 1, "a generation has to be kept"
        self.folder, self._account, self._layout, self._keep = folder, account, layout, keep
        self._disk = disk or Disk()
        self._shelf = Shelf(folder, account, layout, self._disk)
        self._head: Head | None = None
        self._chain, self._highest, self._known = "", 0, False
        self._journal: int | None = None
        self._size = 0
        self.sound = False
        self.events = 0
        """How many events the journal of the present generation has."""
        self._lock = self._locked()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def restore(self) -> Restored | None:
        """The newest state that can be had, with every event that was acknowledged since; None where none was ever kept.

        Raises:
            StateLost: State was kept, and cannot be had whole.
            StateError: It is another account's, another layout's or a newer format's, or cannot be read.
        """
        assert self._lock is not None and not self._known, "state is restored once, while it is open"
        with refusals(self.folder, "read"):
            self._highest = max(self._shelf.numbers(), default=0)
            found = self._shelf.walk()
            if found is not None:
                self._finish(found)
                self._resume(found.newest)
        self._known = True
        if found is None:
            return None
        dropped = CUT_SHORT if found.newest.torn else None
        return Restored(found.generation, found.state, found.events, found.skipped, dropped, found.whole)

    def save(self, state: bytes) -> int:
        """Keep a state that stands for itself, as a new generation; its number. Earlier events do not lead to it.

        Raises:
            StateError: It was not kept.
        """
        return self._begin(state, follows=False)

    def compact(self, state: bytes) -> int:
        """Keep what all events so far have led to, as a new generation with an empty journal; its number.

        Raises:
            StateError: It was not kept.
        """
        return self._begin(state, follows=True)

    def append(self, event: bytes, *, durable: bool = True) -> None:
        """Keep one event (a text without line breaks) after the present generation.

        Args:
            event: What happened.
            durable: Whether it survives a power cut when this returns; if not, it survives the end of the process only.

        Raises:
            StateError: It may not have been kept. From then on the journal is not `sound`, and takes no more until there is a
                new generation.
        """
        if self._journal is None or not self.sound:
            raise StateError(f"the journal in {self.folder} takes no more; keep a new generation first")
        assert event != FOLLOWED, "an event is none of the journal's own lines"
        chain, written = line(self._chain, event)
        self.sound = False
        with refusals(self.folder, "written"):
            try:
                self._disk.append(self._journal, written)
                if durable:
                    self._disk.sync(self._journal)
            except OSError:
                self._take_back(self._journal)
                raise
        self.sound = True
        self._chain, self._size, self.events = chain, self._size + len(written), self.events + 1

    @property
    def journal_size(self) -> int:
        """The bytes of the present journal."""
        return self._size

    def close(self) -> None:
        """Let go of the folder."""
        descriptors, self._journal, self._lock, self.sound = (self._journal, self._lock), None, None, False
        for descriptor in descriptors:
            if descriptor is not None:
                os.close(descriptor)

    def _locked(self) -> int | None:
        with refusals(self.folder, "opened"):
            self._disk.make_folder(self.folder)
            if self._disk.open_to_others(self.folder):
                raise StateError(
                    f"{self.folder} is open to others than its owner; give state a folder of its own, with mode 0700"
                )
            lock = self._disk.lock(self.folder / "lock")
        if lock is None:
            raise StateError(
                f"{self.folder} is in use by another engine; stop that one first, or give each its own folder"
            )
        return lock

    def _begin(self, state: bytes, *, follows: bool) -> int:
        if self._lock is None:
            raise StateError(f"{self.folder} was let go of; open it again before anything is kept")
        if not self._known:
            raise StateError(f"what {self.folder} holds was not restored, and is not written over")
        before = self._head.generation if self._head else None
        number = self._highest = self._highest + 1
        head = Head(FORMAT, self._layout, self._account, number, before, follows=follows, chain=self._chain)
        chain, first = head_line(head)
        with refusals(self.folder, "written"):
            journal = self._published(head, first, generation(head, state))
        if self._journal is not None:
            self._leave(self._journal)
        self._head, self._chain, self._journal, self.events, self._size = head, chain, journal, 0, len(first)
        self.sound = True
        with suppress(OSError):  # the generation stands; what is too old goes with the next one
            self._prune()
        return number

    def _published(self, head: Head, first: bytes, body: bytes) -> int:
        """Put the journal there, then the generation, which counts from its rename on; the journal's descriptor."""
        journal = None
        try:
            for kind, data in zip(KINDS, (first, body), strict=True):
                self._disk.write(self._shelf.fresh(kind), data)
            journal = self._disk.open_end(self._shelf.fresh("journal"))
            for kind in KINDS:
                # One after the other on the disk, too: a generation never stands there without its journal.
                self._disk.rename(self._shelf.fresh(kind), self._shelf.path(kind, head.generation))
                self._disk.sync_folder(self.folder)
        except OSError:
            self._withdraw(head.generation, journal)
            raise
        assert journal is not None, "the journal was written"
        return journal

    def _withdraw(self, number: int, journal: int | None) -> None:
        """Undo a generation that failed. Where that fails too, it may come to count: then nothing may follow the last one."""
        if journal is not None:
            os.close(journal)
        sound, self.sound = self.sound, False
        with suppress(OSError):  # the failure that brought us here is the one to be told
            for kind in reversed(KINDS):
                self._disk.remove(self._shelf.path(kind, number))
            for kind in KINDS:
                self._disk.remove(self._shelf.fresh(kind))
            self._disk.sync_folder(self.folder)
            self.sound = sound

    def _leave(self, journal: int) -> None:
        """End the journal of an older generation."""
        if self.sound:  # nothing is written behind half a line
            with suppress(OSError):  # without it, a newer generation that vanishes with its journal is not missed
                self._disk.append(journal, line(self._chain, FOLLOWED)[1])
        os.close(journal)

    def _take_back(self, journal: int) -> None:
        with suppress(
            OSError
        ):  # what stays there was never acknowledged, and a new generation comes before the next event
            self._disk.cut(journal, self._size)
            self._disk.sync(journal)

    def _prune(self) -> None:
        for number in self._shelf.numbers()[: -self._keep]:
            for kind in reversed(KINDS):
                self._disk.remove(self._shelf.path(kind, number))

    def _finish(self, found: Found) -> None:
        """Give a generation the name that a crash kept from it, before the next one is written over it."""
        path = self._shelf.path("generation", found.generation)
        if not path.exists():
            self._disk.rename(self._shelf.fresh("generation"), path)
            self._disk.sync_folder(self.folder)

    def _resume(self, newest: Journal) -> None:
        """Take new events after the last ones, unless a crash or a failure left their end in doubt."""
        self._head, self._chain, self.events = newest.head, newest.chains[-1], len(newest.events)
        path = self._shelf.path("journal", newest.head.generation)
        self._size = path.stat().st_size
        self._journal = self._disk.open_end(path)
        # What the last process did not sync must not be less durable than what is to follow it.
        self._disk.sync(self._journal)
        self.sound = not newest.torn and not newest.unended
