"""`BooksClient`: pushes one account's books from a program with threads, and fetches what is said of them."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence
from datetime import datetime
from typing import Self
from urllib.parse import urlencode

import msgspec
from msgspec import Struct

from tieout.books.corrections import Correction
from tieout.books.pushed import BooksState
from tieout.client.asking import Asking, part
from tieout.client.outbox import Outbox
from tieout.clock import Clock, SystemClock
from tieout.errors import ServiceError, ServiceRefused
from tieout.model.codec import encode
from tieout.model.snapshot import Activity, Fill, Order, Snapshot

NO_SNAPSHOT = 409


class _Taken(Struct):
    books: BooksState


class _Corrections(Struct):
    corrections: tuple[Correction, ...]


class BreakSeen(Struct, frozen=True, kw_only=True):
    """A break as it was last seen, without amounts; `awaits` where something waits for a person's approval."""

    discrepancy_id: str
    account: str
    domain: str
    asset: str
    severity: str
    cause: str
    strategy: str
    confirmed: bool
    first_seen: datetime
    last_seen: datetime
    closed_at: datetime | None = None
    awaits: bool = False


class _Breaks(Struct):
    breaks: tuple[BreakSeen, ...]


class BooksClient:
    """One account's books, pushed to a service. As a context manager it pushes by itself; else call `flush` now and then.

    `snapshot_wanted` says when a whole snapshot has to be pushed: at the start, and when events were lost. The program that
    keeps the books does that itself, where nothing is booked meanwhile, so that the snapshot holds just the events added.

    Args:
        url: Where the service listens.
        token: A token of the role `books`, for the account.
        account: Whose books they are.
        every: Seconds from one push to the next; it also says that nothing happened.
        most: How many events are kept while the service cannot be reached; then a snapshot takes their place.
        stream: What the sequence of events is called; leave it out unless numbers are remembered over a restart.
        ca_file: The certificates that are trusted, instead of the system's.
        clock: What moments are taken from.
        tries: How often a request is tried in all.
    """

    def __init__(
        self,
        url: str,
        token: str,
        account: str,
        *,
        every: int = 5,
        most: int = 2000,
        stream: str | None = None,
        ca_file: str | None = None,
        clock: Clock | None = None,
        tries: int = 4,
    ) -> None:
        self._ending = threading.Event()
        self._asking = Asking(url, token, ca_file=ca_file, tries=tries, wait=self._ending.wait)
        self._account, self._at, self._every = account, f"/v1/books/{part(account)}", every
        self._outbox, self.clock = Outbox(most, stream), clock or SystemClock()
        self._pushing = threading.Lock()
        self._wanted = True
        self._thread: threading.Thread | None = None
        self.state: BooksState | None = None
        self.trouble: str | None = None

    @property
    def snapshot_wanted(self) -> bool:
        """Whether the service needs a whole snapshot before it can go on."""
        return self._wanted or self._outbox.overflown

    def add_fill(self, fill: Fill, *, event_id: str | None = None) -> None:
        """A fill was booked. It is pushed with the next flush.

        Raises:
            BookError: A text in it is none that can be written; it is not kept.
        """
        self._outbox.add(fill, event_id)

    def add_activity(self, activity: Activity, *, event_id: str | None = None) -> None:
        """An activity was booked."""
        self._outbox.add(activity, event_id)

    def add_order(self, order: Order, *, event_id: str | None = None) -> None:
        """An order is now as it says."""
        self._outbox.add(order, event_id)

    def push_snapshot(self, snapshot: Snapshot) -> BooksState:
        """Push the books whole; *snapshot* contains every event that was added until now.

        Raises:
            ServiceError: It did not come through, or was refused.
        """
        return self.push_snapshot_of(snapshot, self.last)

    @property
    def last(self) -> int:
        """The number of the last event that was added."""
        return self._outbox.last

    def push_snapshot_of(self, snapshot: Snapshot, sequence: int) -> BooksState:
        """Push the books whole, as they were when the event *sequence* was the last.

        Raises:
            ServiceError: It did not come through, or was refused.
        """
        query = urlencode({"stream": self._outbox.stream, "sequence": sequence})
        with self._pushing:
            self.state = self._asking.ask("PUT", f"{self._at}/snapshot?{query}", BooksState, encode(snapshot))
            self._outbox.contained(sequence)
            self._wanted = self.state.snapshot_wanted
        return self.state

    def flush(self) -> BooksState | None:
        """Push what waits, or that nothing happened; None where a snapshot has to be pushed first.

        Raises:
            ServiceError: It did not come through, and is kept; or it was refused.
        """
        with self._pushing:
            more = True
            while more:
                if self.snapshot_wanted:
                    return None
                batch = self._outbox.batch(self.clock.now())
                try:
                    body = msgspec.json.encode(batch)
                    self.state = self._asking.ask("POST", f"{self._at}/events", _Taken, body).books
                except ServiceRefused as error:
                    self._wanted = self._wanted or error.status == NO_SNAPSHOT
                    raise
                more = bool(batch.events) and self._outbox.taken(batch.events[-1].sequence)
                # What it misses because it was told of more than one request holds is pushed next.
                whole = not batch.events or batch.events[-1].sequence == batch.through
                self._wanted = self._wanted or (whole and self.state.snapshot_wanted)
            return self.state

    def corrections(self) -> tuple[Correction, ...]:
        """What is to be booked, oldest first, also what was acknowledged and does not show yet.

        Raises:
            ServiceError: It could not be fetched.
        """
        return self._asking.ask("GET", f"{self._at}/corrections", _Corrections).corrections

    def acknowledge(self, correction: str, *, refused: str | None = None) -> Correction:
        """Take a correction before it is booked, or say why it is refused.

        Raises:
            ServiceRefused: It is not to be booked any more, with 409.
            ServiceError: It did not come through.
        """
        body = msgspec.json.encode({"refused": refused})
        return self._asking.ask("POST", f"{self._at}/corrections/{part(correction)}/ack", Correction, body)

    def breaks(self, *, closed: bool = False) -> Sequence[BreakSeen]:
        """The account's breaks, the worst first, without amounts; the token needs a role that may see them.

        Raises:
            ServiceError: They could not be fetched.
        """
        query = urlencode({"account": self._account, "closed": str(closed).lower(), "limit": 500})
        return self._asking.ask("GET", f"/v1/breaks?{query}", _Breaks).breaks

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run, name=f"tieout pushes {self._account}", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Push what waits, once, and stop."""
        self._ending.set()
        assert self._thread is not None
        self._thread.join()
        with contextlib.suppress(ServiceError):  # `trouble` says so
            self._flushed()

    def _run(self) -> None:
        while not self._ending.wait(self._every):
            with contextlib.suppress(ServiceError):
                self._flushed()

    def _flushed(self) -> None:
        """Flush, and remember why it did not go."""
        why: str | None = "the last push ended by a fault of this client"
        try:
            self.flush()
            why = "a whole snapshot is wanted" if self.snapshot_wanted else None
        except ServiceError as error:
            why = error.why
            raise
        finally:
            self.trouble = why
