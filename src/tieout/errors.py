"""Everything that can go wrong, as one tree.

Findings (a difference, a doubt) are values and never raised; bugs are asserts. What is left are failures::

    TieoutError
    ├─ BadInput(problems)            a file or setting is not what the contract says; every problem at once, exit 2
    ├─ SourceError(source, scope)    that scope is not established now; NEVER read as flat, empty or unmatched
    │  ├─ SourceUnreachable          no answer: connection, timeout, maintenance
    │  ├─ SourceThrottled            the source asked us to wait
    │  ├─ SourceRefused              credentials or permission: a person has to mend it
    │  ├─ SourceMalformed            it answered, and the answer cannot be trusted
    │  └─ SourceIncomplete           it answered a part, and the rest is not to be had
    ├─ BookError(record)             the books refuse a record: nothing was booked
    ├─ ActionError
    │  ├─ ActionRefused(reason)      the broker or the books said no: nothing happened
    │  │  └─ OrderRefused            an engine's order, or its cancel, was not sent, or not taken
    │  └─ OutcomeUnknown(action)     nobody knows: stop acting on that scope and read back first
    ├─ WordRefused(why)              what a person says cannot count; nothing of it was kept, exit 2
    ├─ ReconciliationError(account)  one did not come to its end, and there is no report of it
    ├─ ServiceError(why)             a service of Tieout did not do what `tieout.client` asked, or does not listen
    │  ├─ ServiceUnreachable         it did not answer; what was to be pushed is kept, and pushed later
    │  └─ ServiceRefused(status)     it said no, and why
    ├─ AlertUndelivered(channel)     a person was not told: it is kept, and tried again
    ├─ StateError(why)               what an engine has to remember cannot be kept, or had, now
    │  └─ StateLost                  it was kept, and cannot be had whole any more: NEVER read as an empty one
    └─ RecordError(why)              no audit, no action: checking goes on, acting stops
       ├─ RecordUnavailable          it cannot be written or read now: database away, read-only
       │  └─ StorageExhausted        its disk is full
       ├─ AccountTaken               another process reconciles this account
       ├─ KeyUnusable                a key file is missing, damaged, or open to others
       ├─ LogBehind                  the log is shorter than, or differs from, a head that it once signed
       ├─ LogBroken(entry)           what is stored is not what was signed
       └─ ProofRefused               a note, checkpoint or proof does not hold
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_DIGITS = re.compile(r"(?<!\S)(?!(?<=\brow )[0-9]{1,7}[,:]?(?!\S))\S*\d\S*")


class TieoutError(Exception):
    """Root of every failure that Tieout raises on purpose."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with an input: what, where, and how to mend it. Carries no amounts."""

    file: str
    place: str
    what: str
    mend: str

    def __str__(self) -> str:
        where = f"{self.file}: {self.place}" if self.place else self.file
        return f"{where}: {self.what}; {self.mend}"


class BadInput(TieoutError):
    """An input breaks the contract. All its problems are listed, in the order of the file."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        assert problems, "BadInput without a problem"
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def in_words(why: str) -> str:
    """A venue's own text as a log or a column may hold it: what has a digit may be an amount or a token, and is left out.

    The number of a row stays: it is where somebody has to look.
    """
    return _DIGITS.sub("…", why)


class SourceError(TieoutError):
    """A side could not be read for *scope*; what it holds there is not known."""

    code = "other"

    def __init__(self, source: str, scope: str, why: str) -> None:
        self.source, self.scope, self.why = source, scope, why
        super().__init__(f"{source} {scope}: {why}")

    @property
    def told(self) -> str:
        """The failure as a log may hold it."""
        return f"{self.source} {self.scope}: {in_words(self.why)}"


class SourceUnreachable(SourceError):
    """No usable answer in time."""

    code = "unavailable"


class SourceTimeout(SourceUnreachable):
    """The answer did not come within the deadline."""

    code = "timeout"


class SourceThrottled(SourceError):
    """The source asked us to slow down; *retry_after_s* in seconds where it said how long."""

    code = "rate_limited"

    def __init__(self, source: str, scope: str, why: str, retry_after_s: int | None = None) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(source, scope, why)


class SourceRefused(SourceError):
    """Credentials or permission are missing: retrying does not help."""

    code = "authentication"


class SourceMalformed(SourceError):
    """The answer breaks the source's own format, so nothing in it is believed."""

    code = "malformed"


class SourceIncomplete(SourceError):
    """The source answered only a part of *scope*; `rows` are what did come, and nothing follows from what did not."""

    def __init__(self, source: str, scope: str, why: str, rows: Sequence[object] = ()) -> None:
        self.rows = tuple(rows)
        super().__init__(source, scope, why)


class BookError(TieoutError):
    """The books refuse *record*; they are as they were before."""

    def __init__(self, record: str, why: str) -> None:
        self.record, self.why = record, why
        super().__init__(f"{record}: {why}")


class ActionError(TieoutError):
    """Root of failed actions."""


class ActionRefused(ActionError):
    """The other side said no; nothing happened. *reason* is in words of ours: a venue's own text may hold amounts."""

    def __init__(self, action: str, reason: str) -> None:
        self.action, self.reason = action, reason
        super().__init__(f"{action} refused: {reason}")


class OrderRefused(ActionRefused):
    """An engine's order, or the cancel of one, did not happen: the gate is shut to it, or the broker said no."""

    def __init__(self, reason: str) -> None:
        super().__init__("order", reason)


class OutcomeUnknown(ActionError):
    """The action may or may not have happened; read back before doing anything else there."""

    def __init__(self, action: str, why: str) -> None:
        self.action, self.why = action, why
        super().__init__(f"outcome of {action} unknown: {why}")


class WordRefused(TieoutError):
    """What a person says cannot count, and nothing of it was kept; *why* is a sentence for that person, without amounts."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(why)


class ReconciliationError(TieoutError):
    """A reconciliation of *account* that was asked for did not come to its end; *why* bears no amounts."""

    def __init__(self, account: str, why: str) -> None:
        self.account, self.why = account, why
        super().__init__(f"{account} was not reconciled: {why}")


class ServiceError(TieoutError):
    """A service of Tieout did not do what it was asked, or does not listen; *why* is a sentence of its own, or ours."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(why)


class ServiceUnreachable(ServiceError):
    """It did not answer in time, or said that it cannot now."""


class ServiceRefused(ServiceError):
    """It said no: *status* is HTTP's word for it."""

    def __init__(self, status: int, why: str) -> None:
        self.status = status
        super().__init__(why)


class AlertUndelivered(TieoutError):
    """A message did not go out. *channel* is the scheme of its address, *why* a word: the address itself holds secrets."""

    def __init__(self, channel: str, why: str) -> None:
        self.channel, self.why = channel, why
        super().__init__(f"{channel}: {why}")


class StateError(TieoutError):
    """An engine's state cannot be kept or had now; *why* is one sentence for a person, without amounts."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(why)


class StateLost(StateError):
    """State was kept here, and what is left of it is not all of it. It must never be taken for an empty one."""


class RecordError(TieoutError):
    """Root of what can go wrong with the record; *why* is one sentence for a person, without amounts."""

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(why)


class RecordUnavailable(RecordError):
    """The record cannot be written or read now; nothing of this attempt was acknowledged."""


class StorageExhausted(RecordUnavailable):
    """The disk is full: nothing more is kept until there is room again."""


class AccountTaken(RecordError):
    """Another process reconciles this account: it has one writer at a time."""


class KeyUnusable(RecordError):
    """A key is missing, damaged, or readable by others than its owner."""


class LogBehind(RecordError):
    """The log is behind, or beside, a head that it once signed: an older copy, or a rewritten one."""


class LogBroken(RecordError):
    """What is stored at *entry* (its index from 0, None for the log as a whole) is not what was signed."""

    def __init__(self, why: str, entry: int | None = None) -> None:
        self.entry = entry
        super().__init__(why)


class ProofRefused(RecordError):
    """A note, a checkpoint or a proof does not hold."""
