"""`PushedBooks`: books that another program keeps, and tells. They lie behind a port, so that a restart knows them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence, Set
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from tieout.books.base import CanApply, Handed
from tieout.books.corrections import (
    Correction,
    CorrectionState,
    acknowledged,
    handed,
    taken,
    with_correction,
    withdrawn,
)
from tieout.books.keeping import Shelf, said_of_books
from tieout.books.pushes import Batch, Pushed, Taken, stated, with_events, with_snapshot
from tieout.clock import Clock
from tieout.errors import BookError, RecordError, SourceUnreachable
from tieout.model.changes import Change
from tieout.model.snapshot import Snapshot

T = TypeVar("T")


class Bell(Protocol):
    """Whom corrections are told to, besides being there to be fetched."""

    def ring(self, account: str, waiting: int) -> None:
        """Have it said that so many corrections wait. Returns at once, for they can be fetched all the same."""


class BooksState(Struct, frozen=True, kw_only=True):
    """How pushed books stand, without amounts.

    Attributes:
        account: Whose they are.
        established: Whether they are whole, and no older than they may be.
        why: Why they are not, in a sentence.
        as_of: The moment that they speak of.
        stream: The stream that events go on.
        sequence: The last event of it that the books contain without a gap.
        snapshot_wanted: Whether it is time to push a whole snapshot.
        corrections: How many wait to be taken.
    """

    account: str
    established: bool
    why: str | None
    as_of: datetime | None
    stream: str
    sequence: int
    snapshot_wanted: bool
    corrections: int


class PushedBooks:
    """One account's books (`books.base.BooksElsewhere`).

    Args:
        account: Whose they are.
        shelf: Where they are kept.
        clock: What their age, and that of corrections, is measured by.
        max_age_seconds: Books that say they are older are not what local holds now; None takes any.
        correction_seconds: How long a correction is waited for, until it is taken, and then until the books show it.
        bell: Whom corrections are told to.
    """

    can_apply = CanApply.ELSEWHERE

    def __init__(
        self,
        account: str,
        shelf: Shelf,
        clock: Clock,
        *,
        max_age_seconds: int | None = 900,
        correction_seconds: int = 300,
        bell: Bell | None = None,
    ) -> None:
        self._account, self._shelf, self._clock, self._bell = account, shelf, clock, bell
        self._max_age = None if max_age_seconds is None else timedelta(seconds=max_age_seconds)
        self._patience = timedelta(seconds=correction_seconds)
        self._last: tuple[bytes | None, Pushed] = (None, Pushed())

    async def read(self) -> Snapshot:
        """The books as they were last told.

        Raises:
            SourceUnreachable: Nothing was pushed, an event is missing or contradicts another, or they are too old.
        """
        try:
            held = await self._pushed()
            books = stated(held)
        except BookError as error:
            raise SourceUnreachable("local", "pushed books", error.why) from error
        except RecordError as error:
            raise SourceUnreachable("local", "pushed books", error.why) from error
        old = self._too_old(held)
        if old is not None:
            raise SourceUnreachable("local", "pushed books", old)
        return books

    async def apply(self, changes: Sequence[Change], *, reason: str) -> None:
        """Refused: these books are corrected where they are kept.

        Raises:
            BookError: Always.
        """
        raise BookError(f"account {self._account}", "its books are kept elsewhere: corrections are handed over")

    async def adopt(self, statement: Snapshot) -> None:
        """Refused: whoever keeps these books opens them.

        Raises:
            BookError: Always.
        """
        raise BookError(f"account {self._account}", "its books are kept elsewhere: open them there, and push them")

    async def hand_over(self, correction: str, changes: Sequence[Change], *, reason: str) -> None:
        """Have *changes* wait to be fetched under the id *correction*, and say so to whoever listens."""

        def add(held: Pushed) -> tuple[Pushed, int]:
            found = with_correction(held.corrections, correction, changes, reason, stated(held), self._clock.now())
            return replace(held, corrections=found), _waiting(found)

        waiting = await self._keep(add)
        if self._bell is not None:
            self._bell.ring(self._account, waiting)

    async def handed(self, correction: str) -> Handed | None:
        """What became of a correction."""
        held = await self._held()
        found = next((each for each in held.corrections if each.id == correction), None)
        return handed(found, self._patience, held.as_of, self._clock.now())

    async def held_up(self) -> str | None:
        """That another one was taken, where the books may show it at any moment."""
        return taken((await self._held()).corrections, self._patience, self._clock.now())

    async def waiting(self) -> Set[str]:
        """What waits to be taken."""
        return frozenset(each.id for each in (await self._held()).corrections if each.state is CorrectionState.WAITS)

    async def withdraw(self, but: Collection[str]) -> None:
        """Take back what waits and is wanted no more."""
        wanted, now = frozenset(but), self._clock.now()
        await self._keep(lambda held: (replace(held, corrections=withdrawn(held.corrections, wanted, now)), None))

    async def put(self, snapshot: Snapshot, *, stream: str = "", sequence: int = 0) -> BooksState:
        """Take a whole snapshot, which contains its stream of events up to *sequence*.

        Raises:
            BookError: It is another account's, not local's, or of a moment before what is there.
            RecordError: It cannot be kept.
        """
        if snapshot.account != self._account or snapshot.source != "local":
            raise BookError("snapshot", f"it is not of the account {self._account} as local has it")

        def put(held: Pushed) -> tuple[Pushed, Pushed]:
            after = with_snapshot(held, snapshot, stream=stream, sequence=sequence, now=self._clock.now())
            return after, after

        return self._state(await self._change(put))

    async def add(self, batch: Batch) -> tuple[BooksState, Taken]:
        """Take events.

        Raises:
            BookError: There is no snapshot to go on from, a row breaks the contract, or they are too many.
            RecordError: They cannot be kept.
        """

        def add(held: Pushed) -> tuple[Pushed, tuple[Pushed, Taken]]:
            after, taken = with_events(held, batch, self._clock.now())
            return after, (after, taken)

        after, taken = await self._change(add)
        return self._state(after), taken

    async def state(self) -> BooksState:
        """How they stand.

        Raises:
            RecordError: They cannot be read.
        """
        return self._state(await self._pushed())

    async def corrections(self, *, ended: bool = False) -> tuple[Correction, ...]:
        """What is to be booked, oldest first; with *ended* also what became of earlier ones.

        Raises:
            RecordError: They cannot be read.
        """
        held = await self._pushed()
        return tuple(each for each in held.corrections if ended or each.open)

    async def acknowledge(self, correction: str, *, by: str, refused: str | None = None) -> Correction:
        """Somebody takes a correction, or says why it is refused. It counts as applied once the books show it.

        Raises:
            BookError: There is none of that id, or it is not to be booked any more.
            RecordError: It cannot be kept.
        """

        def take(held: Pushed) -> tuple[Pushed, Correction]:
            found = acknowledged(held.corrections, correction, by=by, refused=refused, now=self._clock.now())
            return replace(held, corrections=found), next(each for each in found if each.id == correction)

        return await self._change(take)

    async def _pushed(self) -> Pushed:
        raw = await self._shelf.content(self._account)
        if raw != self._last[0]:
            self._last = raw, _read(raw)
        return self._last[1]

    async def _change(self, change: Callable[[Pushed], tuple[Pushed, T]]) -> T:
        def kept(raw: bytes | None) -> tuple[bytes | None, T]:
            held = _read(raw)
            after, result = change(held)
            try:
                return None if after is held else _encoder.encode(after), result
            except UnicodeEncodeError:  # JSON lets half a character through, and nothing else takes it
                raise BookError("push", "a text in it is no text that can be written") from None

        return await self._shelf.change(self._account, kept)

    async def _held(self) -> Pushed:
        return await said_of_books(self._account, self._pushed())

    async def _keep(self, change: Callable[[Pushed], tuple[Pushed, T]]) -> T:
        return await said_of_books(self._account, self._change(change))

    def _state(self, held: Pushed) -> BooksState:
        why = held.gap
        if why is None:
            try:
                stated(held)
            except BookError as error:
                why = error.why
        why = why or self._too_old(held)
        numbers = {event.sequence for event in held.events}
        whole = next(n for n in range(held.sequence, held.sequence + len(numbers) + 1) if n + 1 not in numbers)
        return BooksState(
            account=self._account,
            established=why is None,
            why=why,
            as_of=held.as_of,
            stream=held.stream,
            sequence=whole,
            snapshot_wanted=why is not None or len(held.events) > SNAPSHOT_AFTER,
            corrections=_waiting(held.corrections),
        )

    def _too_old(self, held: Pushed) -> str | None:
        if self._max_age is None or held.as_of is None or self._clock.now() - held.as_of <= self._max_age:
            return None
        seconds = int((self._clock.now() - held.as_of).total_seconds())
        return f"they are {seconds} seconds old: does whoever pushes them run?"


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Pushed)


def _read(raw: bytes | None) -> Pushed:
    return Pushed() if raw is None else _decoder.decode(raw)


SNAPSHOT_AFTER = 1000  # events; then the client pushes a whole snapshot


def _waiting(held: Sequence[Correction]) -> int:
    return sum(each.state is CorrectionState.WAITS for each in held)
