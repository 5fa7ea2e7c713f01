"""What goes wrong on the way to a venue, row by row, and what a reading may come to then."""

from __future__ import annotations

from msgspec import Struct

from tieout.brokers.loopback.faults import HttpFault, HttpRule
from tieout.errors import (
    SourceError,
    SourceMalformed,
    SourceRefused,
    SourceThrottled,
    SourceTimeout,
    SourceUnreachable,
)

HTML = "<!DOCTYPE html><html><head><title>Just a moment</title></head><body>checking your browser</body></html>"
_FOR_EVER = {"times": None}


class Wrong(Struct, frozen=True, kw_only=True):
    """One row of the table.

    Attributes:
        rule: What goes wrong, at whichever endpoint it is put.
        raises: What the reading may raise; nothing else of the family, and nothing outside it.
        answers: Whether it may give the rows as well, all of them and to the digit.
        hurries: Whether the client has to be impatient for it to end.
        retry_after_s: What the failure has to pass on.
        skew_s: How far the venue's clock is off.
    """

    rule: HttpRule | None = None
    raises: tuple[type[SourceError], ...] = ()
    answers: bool = False
    hurries: bool = False
    retry_after_s: int | None = None
    skew_s: int = 0


def _status(status: int, *raises: type[SourceError], text: str = "{}", after: int | None = None) -> Wrong:
    headers = {} if after is None else {"Retry-After": str(after)}
    rule = HttpRule(fault=HttpFault.TEXT, status=status, text=text, headers=headers, times=None)
    return Wrong(rule=rule, raises=raises, retry_after_s=after)


def _bent(fault: HttpFault, *raises: type[SourceError], answers: bool, seconds: float = 0) -> Wrong:
    return Wrong(rule=HttpRule(fault=fault, times=None, seconds=seconds), raises=raises, answers=answers)


def _stalled(fault: HttpFault, seconds: float) -> Wrong:
    rule = HttpRule(fault=fault, times=None, seconds=seconds)
    return Wrong(rule=rule, raises=(SourceTimeout,), hurries=True)


_GARBAGE = (SourceMalformed, SourceUnreachable)
TABLE: dict[str, Wrong] = {
    "connection reset": _bent(HttpFault.RESET, SourceUnreachable, answers=False),
    "stall": _stalled(HttpFault.STALL, 0),
    "short body": _bent(HttpFault.SHORT, *_GARBAGE, answers=False),
    "truncated JSON": _bent(HttpFault.TRUNCATED, *_GARBAGE, answers=False),
    "HTML": _status(200, *_GARBAGE, text=HTML),
    "empty": _status(200, *_GARBAGE, text=""),
    "null": _status(200, *_GARBAGE, text="null"),
    "{}": _status(200, SourceError, text="{}"),
    "[]": _status(200, SourceError, text="[]"),
    "401": _status(401, SourceRefused),
    "403": _status(403, SourceRefused),
    "403 HTML": _status(403, SourceRefused, text=HTML),
    "404": _status(404, SourceError),
    "418": _status(418, SourceThrottled),
    "429": _status(429, SourceThrottled),
    "429 with Retry-After": _status(429, SourceThrottled, after=7),
    "451": _status(451, SourceRefused),
    **{str(status): _status(status, SourceUnreachable) for status in (500, 501, 502, 503, 504, 520)},
    "503 HTML": _status(503, SourceUnreachable, text=HTML),
    "drip": _bent(HttpFault.DRIP, answers=True, seconds=0.02),
    "drip without end": _stalled(HttpFault.DRIP, 60),
    "clock ahead": Wrong(skew_s=3600, raises=(SourceError,), answers=True),
    "clock behind": Wrong(skew_s=-3600, raises=(SourceError,), answers=True),
    "duplicate page": _bent(HttpFault.DUPLICATE, SourceError, answers=True),
    "number as float": _bent(HttpFault.FLOATS, SourceMalformed, answers=True),
    "unknown kind": _bent(HttpFault.NEW_KIND, SourceError, answers=True),
    "extra fields": _bent(HttpFault.EXTRA, SourceError, answers=True),
}
