"""The record as a port: what the road asks of it. Importing this loads no database.

Nothing that a `Record` has acknowledged is lost by a crash. Where it raises a `RecordError`, nothing may be acted upon.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from tieout.model.case import Approved, Refused
from tieout.model.intent import Ended, Intent
from tieout.model.report import ReconciliationReport
from tieout.model.snapshot import Observation
from tieout.model.word import Verdict, Word

__all__ = ["Past", "Reading", "Record", "Restored", "Verdict", "Waits", "Word"]


class Reading(Struct, frozen=True, kw_only=True):
    """One reconciliation, as it is recorded.

    Attributes:
        observation: What both sides said, with all that a replay needs.
        report: What was found, and what is planned.
        plans: What was decided: the cases that may be acted on, and those that may not.
        configuration: Name of the settings and policy it was judged by, as `configure` gave it.
        state_before: What it knew of the readings before it, opaque; only where that is to be kept whole now.
        gap: The readings before it that were kept do not lead to that state: one could not be kept.
        look: It was a look only: nothing was decided, and the next reading knows nothing of it.
        heard: Where the last word stands that it knew of; -1 where it knew of none.
    """

    observation: Observation
    report: ReconciliationReport
    plans: tuple[Approved | Refused, ...]
    configuration: str
    state_before: bytes | None = None
    gap: bool = False
    look: bool = False
    heard: int = -1


class Past(Struct, frozen=True, kw_only=True):
    """A reading read back: what is needed to judge it again.

    Attributes:
        entry: Where it stands in the log.
        attempted: Fingerprints of the cases that were acted on after it.
        undone: Fingerprints of those that were found, before the next reading, never to have happened.
        state_before: As in `Reading`, where the readings before it do not lead there.
        words: What people had said since the reading before, without the texts.
    """

    entry: int
    observation: Observation
    report: ReconciliationReport
    configuration: str
    attempted: frozenset[str]
    undone: frozenset[str] = frozenset()
    state_before: bytes | None = None
    words: tuple[Word, ...] = ()


class Restored(Struct, frozen=True):
    """What one account's next reading has to know: the last state that was kept whole, and the readings from there on."""

    state: bytes | None
    readings: tuple[Past, ...]


class Waits(Struct, frozen=True):
    """Whether an account has intents without an outcome, and words that were not heard."""

    intents: bool
    words: bool


class Record(Protocol):
    """Where everything is kept. Each call that writes returns when what it wrote is on the disk."""

    async def claim(self, account: str) -> int:
        """Be the one process that reconciles an account, until this is closed or the process dies. Asked for each time.

        Returns:
            A number, another one than before where somebody else may have written of it since: only the record tells what.

        Raises:
            AccountTaken: Another process is.
            RecordError: That cannot be found out.
        """

    async def configure(self, account: str, configuration: bytes) -> str:
        """Keep the settings and the policy that an account is judged by from now on; returns their name.

        Raises:
            RecordError: It cannot be kept.
        """

    async def restore(self, account: str) -> Restored:
        """What was kept of an account; empty where it is new.

        Raises:
            RecordError: It cannot be read.
        """

    async def configuration(self, account: str, name: str) -> bytes:
        """Settings and policy by the name that `configure` gave.

        Raises:
            RecordError: It cannot be read, or was erased.
        """

    async def reading(self, reading: Reading) -> None:
        """Keep one reconciliation, with its decisions, alerts and halts. Repeating it changes nothing.

        Raises:
            RecordError: It cannot be kept; nothing may be acted upon.
        """

    async def say(self, word: Word) -> None:
        """Keep a person's word. Repeating it changes nothing.

        Raises:
            RecordError: It cannot be kept; it does not count.
        """

    async def words(self, account: str, *, after: int) -> tuple[Word, ...]:
        """What people said of an account behind the entry *after*, in order and without the texts.

        Raises:
            RecordError: It cannot be read.
        """

    async def waits(self, account: str, *, after: int) -> Waits:
        """Whether there are intents of an account without an outcome, and words of people behind the entry *after*.

        Raises:
            RecordError: It cannot be read.
        """

    async def spoken(self) -> Mapping[str, int]:
        """Where the last word stands that people said of each account that they said anything of, as of a moment ago.

        Raises:
            RecordError: It cannot be read.
        """

    async def permit(self) -> None:
        """Return where acting is allowed: the log is at or past every head of it that was ever kept elsewhere.

        Raises:
            RecordError: It is not, and why.
        """

    async def confirm(self, account: str) -> None:
        """Return where this is still the one process, as far as can be told: asked just before something is sent.

        Raises:
            RecordError: It is not, or that cannot be found out.
        """

    async def intend(self, intent: Intent) -> None:
        """Keep an intent before it is acted on.

        Raises:
            RecordError: It cannot be kept; it must not be acted on.
        """

    async def conclude(self, intent: Intent, ended: Ended, why: str | None = None) -> None:
        """Keep what became of an intent. Repeating it changes nothing.

        Raises:
            RecordError: It cannot be kept; the next start will look the intent up.
        """

    async def attempts(self, account: str) -> Mapping[str, int]:
        """How often a case, by its fingerprint, was intended and found never to have happened.

        Raises:
            RecordError: It cannot be read.
        """

    async def unfinished(self, account: str) -> Sequence[Intent]:
        """Intents without an outcome, or with an unknown one, oldest first.

        Raises:
            RecordError: It cannot be read.
        """
