"""Times as people give them to a command: a moment, a day, or how long ago."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta

from tieout.errors import BadInput, Problem

_AGO = re.compile(r"(\d{1,6})(s|min|m|h|d|w)", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "min": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def moment_of(text: str | None, option: str, now: datetime, *, ahead: bool = False) -> datetime | None:
    """The moment that *text* means; None where nothing was given.

    Args:
        text: RFC 3339 with an offset, a day such as ``2026-11-20`` (its begin, UTC), or a time ago: ``2h``, ``7d``.
        option: What it was given for, as the person typed it.
        now: What it is counted back from.
        ahead: Whether ``2h`` means in two hours instead.

    Raises:
        BadInput: It is none of these.
    """
    if text is None:
        return None
    ago = _AGO.fullmatch(text)
    try:
        if ago is not None:
            span = timedelta(**{_UNITS[ago[2]]: int(ago[1])})
            return now + span if ahead else now - span
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
            return datetime.combine(date.fromisoformat(text), time(), UTC)
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise _unread(text, option, "not a time", ahead=ahead) from None
    if moment.tzinfo is None:
        raise _unread(text, option, "a time without an offset", ahead=ahead)
    return moment.astimezone(UTC)


def _unread(text: str, option: str, what: str, *, ahead: bool) -> BadInput:
    span = "how long from now" if ahead else "how long ago"
    mend = f'write "2026-11-20T10:00:00Z", a day such as "2026-11-20", or {span}, such as "2h" or "7d"'
    return BadInput([Problem(option, text, what, mend)])
