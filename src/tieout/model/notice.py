"""A notice: what a person is told of a break or a halt: when it opens, when it grows or still stands, when it ends."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from tieout.model.discrepancy import Severity


class NoticeKind(StrEnum):
    """Why it is said now."""

    OPENED = "opened"
    GROWN = "grown"  # by a tenth, or to a worse severity
    STANDING = "standing"  # again, an hour after it was last said
    CLOSED = "closed"  # what was told of is over: said quietly
    LIFTED = "lifted"  # a halt is over, and trading goes on


ENDS = frozenset((NoticeKind.CLOSED, NoticeKind.LIFTED))


class Notice(Struct, frozen=True, kw_only=True):
    """One thing to tell. It bears no amounts: it goes out by mail and chat.

    Attributes:
        kind: Why it is said now.
        subject: What it is about, the same from its opening to its end.
        severity: How bad; MINOR is told as information, MODERATE as a warning, CRITICAL as an error.
        text: A sentence: assets, causes, what is done.
        break_ids: The breaks that it speaks of; empty where it is about the account.
    """

    kind: NoticeKind
    subject: str
    severity: Severity
    text: str
    break_ids: tuple[str, ...] = ()
