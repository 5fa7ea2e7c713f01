"""An answer without content, or without its envelope, is a failure and never an empty account."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.brokers.ccxt.venue import always, venue

from tieout.brokers.ccxt.guard import arm, connect, exact_json
from tieout.errors import SourceError, SourceMalformed, SourceRefused, SourceThrottled, SourceUnreachable

NOTHING = {
    "cut off": '{"result":{"list":[{"symbol":"QQQ',
    "page": "<html><body>one moment</body></html>",
    "empty": "",
    "null": "null",
    "empty object": "{}",
    "text": '"fine"',
    "another object": '{"status":"fine"}',
}
VENUES = {
    "binanceusdm": ("get_positions", "get_balances", "get_open_orders"),
    "kraken": ("get_positions", "get_balances", "get_open_orders"),
    "coinbase": ("get_balances", "get_open_orders"),
}


@pytest.mark.parametrize("body", NOTHING.values(), ids=NOTHING)
@pytest.mark.parametrize("name", VENUES)
async def test_nothing_is_never_flat(name: str, body: str) -> None:
    """A 2xx answer that says nothing raises, and calls itself malformed."""
    async with venue(name, always(200, body)) as (broker, _):
        for reading in VENUES[name]:
            with pytest.raises(SourceMalformed):
                await getattr(broker, reading)()


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (500, SourceUnreachable),
        (503, SourceUnreachable),
        (429, SourceThrottled),
        (401, SourceRefused),
        (451, SourceRefused),
    ],
)
@pytest.mark.parametrize("name", VENUES)
async def test_a_status_speaks_where_the_body_does_not(name: str, status: int, kind: type[SourceError]) -> None:
    """An HTTP failure is told by its kind at every venue."""
    async with venue(name, always(status, "{}")) as (broker, _):
        for reading in VENUES[name]:
            with pytest.raises(kind):
                await getattr(broker, reading)()


@pytest.mark.parametrize("name", VENUES)
async def test_a_broken_connection_is_unreachable(name: str) -> None:
    """A reset connection is no answer, and not an empty one."""
    async with venue(name, lambda _asked: None) as (broker, _):
        with pytest.raises(SourceUnreachable):
            await broker.get_balances()


async def test_failures_tell_no_secret_and_no_url() -> None:
    """ccxt's messages hold signed URLs and bodies; none of that is in what we raise."""
    async with venue("binanceusdm", always(401, '{"code":-2015,"msg":"key nobody, balance 31337"}')) as (broker, _):
        with pytest.raises(SourceRefused) as caught:
            await broker.get_balances()
    text = f"{caught.value} {caught.value.__cause__}"
    assert not any(told in text for told in ("nobody", "31337", "signature", "127.0.0.1"))
    assert caught.value.__suppress_context__


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_fractions_stay_text(value: Decimal) -> None:
    """Any decimal written into JSON without quotes is read back with every digit it had."""
    text = f"{value:f}" if "." in f"{value:f}" else f"{value:f}.0"
    (read,) = exact_json(f"[{text}]")
    assert read == text


@pytest.mark.parametrize("text", ["[NaN]", "[Infinity]", "[-Infinity]", '{"a":1'])
def test_what_is_no_json_is_refused(text: str) -> None:
    """NaN, infinities and cut documents are errors, not values."""
    with pytest.raises(ValueError):
        exact_json(text)


def test_the_adapter_costs_nothing_until_it_is_used() -> None:
    """Importing the adapter imports neither ccxt nor aiohttp."""
    code = "import sys, tieout.brokers.ccxt.adapter; sys.exit(any(m in sys.modules for m in ('ccxt', 'aiohttp')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


async def test_a_client_is_made_for_the_venue_and_armed() -> None:
    """A new client bears the credentials, gives numbers as text, and refuses an answer without content."""
    made = connect("binance", {"apiKey": "k"}, {"defaultType": "spot"})
    try:
        arm(made)
        assert (made.id, made.apiKey, made.options["defaultType"]) == ("binance", "k", "spot")
        assert made.parse_number("0.10000000000000000001") == "0.10000000000000000001"
        with pytest.raises(Exception, match="without content"):
            made.handle_errors(200, "OK", "https://venue.invalid/x", "GET", {}, "", None, {}, "")
    finally:
        await made.close()


def test_a_venue_that_ccxt_does_not_know_is_told() -> None:
    """A misspelt venue is an error, not a client."""
    with pytest.raises(LookupError):
        connect("no such venue", {}, {})
