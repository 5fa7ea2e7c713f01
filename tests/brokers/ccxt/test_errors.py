"""ccxt's classes and HTTP statuses become the members of the family that say what to do."""

from __future__ import annotations

import pytest
from aiohttp import ClientPayloadError
from ccxt.base import errors as ccxt_errors

from tieout.brokers.ccxt.errors import action_error, source_error
from tieout.brokers.ccxt.guard import Answers
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


def answered(status: int | None, **headers: str) -> Answers:
    """The answers of one request that ended with *status*."""
    answers = Answers()
    if status is not None:
        answers.note_headers(status, headers)
    return answers


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        ("RateLimitExceeded", 200, SourceThrottled),
        ("DDoSProtection", 418, SourceThrottled),
        ("ExchangeError", 429, SourceThrottled),
        ("RateLimitExceeded", 403, SourceThrottled),
        ("AuthenticationError", 200, SourceRefused),
        ("PermissionDenied", 200, SourceRefused),
        ("AccountSuspended", 200, SourceRefused),
        ("ExchangeNotAvailable", 403, SourceRefused),
        ("ExchangeNotAvailable", 451, SourceRefused),
        ("ExchangeError", 401, SourceRefused),
        ("RequestTimeout", None, SourceTimeout),
        ("ExchangeError", 504, SourceTimeout),
        ("ExchangeError", 500, SourceUnreachable),
        ("ExchangeError", 503, SourceUnreachable),
        ("ExchangeNotAvailable", None, SourceUnreachable),
        ("OnMaintenance", 200, SourceUnreachable),
        ("InvalidNonce", 400, SourceUnreachable),
        ("BadResponse", 200, SourceMalformed),
        ("NullResponse", 200, SourceMalformed),
        ("NotSupported", None, SourceIncomplete),
        ("ArgumentsRequired", None, SourceIncomplete),
        ("ExchangeError", 200, SourceError),
        ("BadSymbol", 400, SourceError),
    ],
)
def test_readings_are_told_by_class_and_status(error: str, status: int | None, kind: type[SourceError]) -> None:
    """Each pair of ccxt class and HTTP status has the one meaning it was measured to have."""
    told = source_error(getattr(ccxt_errors, error)("https://secret?signature=1"), "b", "orders", answered(status))
    assert type(told) is kind
    assert "secret" not in str(told)


@pytest.mark.parametrize("error", [KeyError("x"), TypeError("x"), AttributeError("x"), ZeroDivisionError("x")])
def test_a_parser_that_trips_met_a_malformed_answer(error: Exception) -> None:
    """What is not ccxt's own error comes from its parsers: the answer is not to be trusted."""
    assert type(source_error(error, "b", "orders", answered(200))) is SourceMalformed


def test_a_body_cut_short_is_unreachable() -> None:
    """ccxt calls it a plain ExchangeError; its cause tells."""
    error = ccxt_errors.ExchangeError("cut")
    error.__cause__ = ClientPayloadError("cut")
    assert type(source_error(error, "b", "orders", answered(None))) is SourceUnreachable


def test_a_venue_that_says_how_long_to_wait_is_heard() -> None:
    """Retry-After in seconds reaches the failure, whatever the header's case."""
    told = source_error(ccxt_errors.RateLimitExceeded(), "b", "orders", answered(429, **{"retry-AFTER": "17"}))
    assert isinstance(told, SourceThrottled)
    assert told.retry_after_s == 17


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        ("InsufficientFunds", 400, ActionRefused),
        ("InvalidOrder", 200, ActionRefused),
        ("OrderNotFound", 400, ActionRefused),
        ("BadSymbol", 400, ActionRefused),
        ("PermissionDenied", 403, ActionRefused),
        ("RateLimitExceeded", 429, ActionRefused),
        ("MarketClosed", 200, ActionRefused),
        ("DuplicateOrderId", 400, OutcomeUnknown),
        ("InsufficientFunds", 500, OutcomeUnknown),
        ("RequestTimeout", None, OutcomeUnknown),
        ("ExchangeNotAvailable", None, OutcomeUnknown),
        ("NetworkError", None, OutcomeUnknown),
        ("BadResponse", 200, OutcomeUnknown),
        ("ExchangeError", 200, OutcomeUnknown),
        ("OperationFailed", 200, OutcomeUnknown),
    ],
)
def test_only_a_sure_no_is_a_refusal(error: str, status: int | None, kind: type[ActionError]) -> None:
    """An action is refused where nothing can rest at the venue; all else has an unknown outcome."""
    assert type(action_error(getattr(ccxt_errors, error)("x"), "submit c-1", answered(status))) is kind
