"""One change of the world at a time: its facts move the state, and are in the journal before anybody hears of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import wraps
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from tieout.clock import Clock
from tieout.model.amounts import exact

from .facts import Entry, Fact, Journal, Opened, WorldBroken
from .state import State, folded

P = ParamSpec("P")
R = TypeVar("R")


class Recorder:
    """The state of the world together with the facts that led to it.

    Attributes:
        listeners: Are told the facts of each change once it is durable. MUST NOT raise, nor change the world.
    """

    def __init__(self, clock: Clock, seed: int, journal: Journal) -> None:
        self.clock = clock
        self._journal = journal
        self._entries = journal.read()
        self._pending: list[Entry] = []
        self._broken = False
        self.listeners: list[Callable[[Sequence[Entry]], None]] = []
        self.state = folded(self._entries)
        self.moment = self._begun_at()
        if not self._entries:
            self.record(Opened(seed))
            self.commit()

    def begin(self) -> None:
        """Begin a change: all its facts bear this one moment.

        Raises:
            WorldBroken: Memory and journal may differ.
        """
        self.require_whole()
        self.moment = self._begun_at()

    def _begun_at(self) -> datetime:
        # A machine's clock may be set back; the order of the facts, which the past is folded by, may not.
        now = self.clock.now()
        return max(now, self._entries[-1].at) if self._entries else now

    @property
    def whole(self) -> bool:
        """Whether memory and journal surely agree."""
        return not self._broken

    def record(self, fact: Fact) -> None:
        """Let *fact* happen, as a part of the change under way."""
        self._pending.append(Entry(self.moment, fact))
        self.state.fold(fact)

    def next_id(self, kind: str) -> str:
        """The id of the next order, fill or activity: the same seed and history give the same id."""
        return f"{kind}-{self.state.seed}-{self.state.count + 1:06d}"

    def past(self, moment: datetime) -> State:
        """The venue as it was at *moment*, folded anew."""
        return folded(self._entries, moment)

    def require_whole(self) -> None:
        """Raise `WorldBroken` once memory and journal may differ."""
        if self._broken:
            raise WorldBroken("the simulator's file could not be written; start it again to see what stands")

    def commit(self) -> None:
        """Make the change under way durable, all of it or nothing.

        Raises:
            WorldBroken: The journal did not take it; memory is then ahead of the file.
        """
        if self._pending:
            # Until the journal has it, nobody hears of the change: a crash here loses it as a whole.
            self._journal.append(self._pending)
            self._entries.extend(self._pending)
            happened, self._pending = self._pending, []
            for listener in self.listeners:
                listener(happened)

    def spoil(self) -> None:
        """Note that a change that is not durable has moved the state: nothing may be answered from it any more."""
        self._broken = self._broken or bool(self._pending)


class Recorded(Protocol):
    """Whatever changes the world through a recorder."""

    @property
    def recorder(self) -> Recorder:
        """Where its facts go."""


S = TypeVar("S", bound=Recorded)


def change(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """Run *method* as one change: exact arithmetic, and one transaction when it returns.

    A refusal comes before the first fact, so that it leaves nothing behind.
    """
    run_exactly = exact(method)

    @wraps(method)
    def run(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        self.recorder.begin()
        try:
            result = run_exactly(self, *args, **kwargs)
            self.recorder.commit()
        finally:
            self.recorder.spoil()
        return result

    return run
