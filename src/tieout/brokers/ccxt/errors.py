"""ccxt's exceptions -> the family of `SourceError`, by class and by HTTP status, for neither alone tells the truth.

Classes are known by name along the MRO, so nothing of ccxt is imported to read an error. Texts of ccxt's exceptions hold
signed URLs and whole bodies: none of it is passed on.
"""

from __future__ import annotations

from tieout.brokers.ccxt.guard import Answers
from tieout.brokers.wire import verdict
from tieout.errors import (
    ActionError,
    ActionRefused,
    OutcomeUnknown,
    SourceError,
    SourceIncomplete,
    SourceMalformed,
    SourceRefused,
    SourceThrottled,
    SourceTimeout,
    SourceUnreachable,
)

THROTTLED = frozenset(("RateLimitExceeded", "DDoSProtection"))
REFUSED = frozenset(("AuthenticationError", "RestrictedLocation"))
UNREACHABLE = frozenset(("NetworkError", "OnMaintenance", "CancelPending", "ExchangeClosedByUser", "ClientError"))
TIMED_OUT = frozenset(("RequestTimeout", "TimeoutError"))
INCOMPLETE = frozenset(("NotSupported", "ArgumentsRequired"))

# The venue's definite no. A duplicate id is none of them: it says that an earlier attempt may well have arrived.
DEFINITE = frozenset(
    (
        "AuthenticationError", "ArgumentsRequired", "BadRequest", "InsufficientFunds", "InvalidOrder", "MarketClosed",
        "NotSupported", "RateLimitExceeded", "RestrictedLocation",
    )
)  # fmt: skip
AMBIGUOUS = frozenset(("DuplicateOrderId", "OrderNotCached", "ExchangeNotAvailable", "RequestTimeout", "BadResponse"))

# In this order: a class says so, or a status.
_BOTH: dict[verdict.Kind, frozenset[str]] = {
    SourceThrottled: THROTTLED,
    SourceRefused: REFUSED,
    SourceTimeout: TIMED_OUT,
    SourceUnreachable: UNREACHABLE,
}


def failures() -> tuple[type[Exception], ...]:
    """All that a call into ccxt may raise: its own tree, its transport's, and what its parsers trip over."""
    from aiohttp import ClientError
    from ccxt.base.errors import BaseError

    tripped = (
        ArithmeticError,
        AssertionError,
        AttributeError,
        LookupError,
        OSError,
        RuntimeError,
        TypeError,
        ValueError,
    )
    return (BaseError, ClientError, *tripped)


def names(error: BaseException) -> frozenset[str]:
    """The names of the error's class and of all above it."""
    return frozenset(kind.__name__ for kind in type(error).__mro__)


def source_error(error: Exception, source: str, scope: str, answers: Answers) -> SourceError:
    """The failure that *error* is for a reading of *scope*; only its class and the HTTP status are told."""
    status = answers.status
    why = type(error).__name__ if status is None else f"{type(error).__name__}, HTTP {status}"
    kind = answers.kind or _kind(error, status)
    return verdict.failure(kind, source, scope, why, answers.retry_after_s)


def _kind(error: Exception, status: int | None) -> verdict.Kind:
    """What *error* means, by its class and by what its HTTP status means by itself."""
    kinds, told = names(error), None if status is None else verdict.kind_of(status)
    if status == 404 and "ExchangeNotAvailable" in kinds:
        return SourceError  # ccxt's class for every 404; asking again finds nothing there either
    for kind, classes in _BOTH.items():
        if told is kind or kinds & classes:
            return kind
    if _cut_off(error):
        return SourceUnreachable
    if "BadResponse" in kinds or "BaseError" not in kinds:
        return SourceMalformed
    return SourceIncomplete if kinds & INCOMPLETE else SourceError


def _cut_off(error: Exception) -> bool:
    """Whether the connection broke within the body: ccxt calls that a plain ExchangeError."""
    return error.__cause__ is not None and "ClientError" in names(error.__cause__)


def _repeated(error: Exception) -> bool:
    """Whether the venue complains of an id it has seen; ccxt calls that a plain InvalidOrder at Binance, Bybit and KuCoin."""
    text = str(error).lower()
    return "duplicate" in text or ("already" in text and ("exist" in text or "used" in text))


def action_error(error: Exception, action: str, answers: Answers) -> ActionError:
    """`ActionRefused` only where the venue surely said no; all else may have happened, so `OutcomeUnknown`."""
    kinds, status = names(error), answers.status or 0
    why = f"{type(error).__name__}, HTTP {status}" if status else type(error).__name__
    denied = answers.kind is SourceRefused
    if denied or "AuthenticationError" in kinds or status in (401, 403):
        why = f"the venue does not let this key trade, or does not know it ({why})"
    if status in (408, 409) or status >= 500 or kinds & AMBIGUOUS or _repeated(error):
        return OutcomeUnknown(action, why)
    if denied or kinds & DEFINITE or status in (401, 403, 429, 451):
        return ActionRefused(action, why)
    return OutcomeUnknown(action, why)
