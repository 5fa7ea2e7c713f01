"""What an answer that is no good means: one table of HTTP statuses and of venues' own codes, for every adapter.

A status alone does not tell the truth, nor does a code alone: venues answer 200 with an error inside, and proxies in front of
them answer 503 with a page. Of a venue's text nothing is passed on, for it may hold amounts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime

from tieout.errors import (
    SourceError,
    SourceMalformed,
    SourceRefused,
    SourceThrottled,
    SourceTimeout,
    SourceUnreachable,
)

Kind = type[SourceError]

_STATUSES: dict[int, Kind] = {
    401: SourceRefused, 402: SourceRefused, 403: SourceRefused, 407: SourceRefused, 451: SourceRefused,
    408: SourceTimeout, 504: SourceTimeout, 522: SourceTimeout, 524: SourceTimeout,
    418: SourceThrottled, 429: SourceThrottled,
    425: SourceUnreachable,
}  # fmt: skip

# Codes that venues give whatever the status, measured where ccxt's own class is wrong (4.5.90) or read in their documents.
CODES: dict[str, dict[str, Kind]] = {
    "binance": {"-1008": SourceThrottled, "-1003": SourceThrottled, "-1007": SourceTimeout, "-2015": SourceRefused},
    "bybit": {
        "10000": SourceTimeout, "10016": SourceUnreachable, "10006": SourceThrottled, "10018": SourceThrottled,
        "10003": SourceRefused,
    },
    "okx": {
        "50011": SourceThrottled, "50013": SourceUnreachable, "50026": SourceUnreachable, "50001": SourceUnreachable,
        "50120": SourceRefused,
    },
    "kraken": {
        "EAPI:Invalid key": SourceRefused, "EAPI:Invalid signature": SourceRefused, "EAPI:Invalid nonce": SourceRefused,
        "EGeneral:Permission denied": SourceRefused,
    },
}  # fmt: skip
CODES |= {"binanceusdm": CODES["binance"], "binancecoinm": CODES["binance"]}
_NAMES = ("code", "retCode")
_WORDS = re.compile(r"E[A-Za-z]{1,20}:[A-Za-z ]{1,40}")
_CODE = re.compile(r"-?[0-9A-Za-z_]{1,24}")


def kind_of(status: int, code: str | None = None, codes: Mapping[str, Kind] | None = None) -> Kind | None:
    """What an answer of *status* means, None where it is a success; *codes* are the venue's own, and come first."""
    told = None if code is None or codes is None else codes.get(code)
    if told is not None:
        return told
    if 200 <= status < 300:
        return None
    if status in _STATUSES:
        return _STATUSES[status]
    if status >= 500:
        return SourceUnreachable
    return SourceError if status >= 400 else SourceMalformed  # a redirect leads to somebody else


def code_of(body: object) -> str | None:
    """The venue's own code in a parsed body, where there is one."""
    if not isinstance(body, dict):
        return None
    errors = body.get("error")
    if isinstance(errors, list):  # Kraken's form
        words = str(errors[0]) if errors else ""
        return words if _WORDS.fullmatch(words) else None
    found = next((str(body[name]) for name in _NAMES if isinstance(body.get(name), (str, int))), "")
    return found if _CODE.fullmatch(found) else None


def failure(kind: Kind, source: str, scope: str, why: str, retry_after_s: int | None = None) -> SourceError:
    """The failure of that *kind*."""
    if issubclass(kind, SourceThrottled):
        return kind(source, scope, why, retry_after_s)
    return kind(source, scope, why)


def seconds_told(header: str | None, now: datetime) -> int | None:
    """How long a Retry-After asks to wait, rounded up; None where it says nothing that can be understood."""
    text = (header or "").strip()
    whole, _, fraction = text.partition(".")
    if whole.isdecimal() and (fraction.isdecimal() or not fraction) and len(whole) < 10:
        return int(whole) + (1 if fraction.strip("0") else 0)
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return None
    if until.tzinfo is None:
        return None
    seconds = (until - now).total_seconds()
    return max(0, -int(-seconds // 1))
