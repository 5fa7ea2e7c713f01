"""Every fault of the table × every adapter × every reading: never flat, never another family, the right class."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from datetime import timedelta

import pytest
from msgspec.structs import replace
from tests.contracts.conftest import VENUES
from tests.contracts.fault_table import TABLE, Wrong
from tests.contracts.steps import ROWS, least, populate, sorted_rows, told
from tests.contracts.venues import OverHttp

from tieout.brokers.simulated.faults import Call
from tieout.errors import SourceError, SourceThrottled
from tieout.model.snapshot import Row

OVER_HTTP = [name for name in VENUES if name not in ("in_process", "remote", "ib")]  # ib speaks no HTTP
PROVE = os.environ.get("TIEOUT_PROVE") == "1"
SAMPLE = 24

# Where a list at the top is the venue's own form, so that an empty one is its word that there is nothing.
BARE_LISTS: dict[str, frozenset[Call]] = {
    "alpaca": frozenset({"get_positions", "get_open_orders", "get_fills", "get_activities"}),
    "dydx": frozenset({"get_open_orders"}),
    "ccxt_binance": frozenset({"get_open_orders", "get_fills", "get_activities"}),
    "ccxt_binanceusdm": frozenset({"get_positions", "get_open_orders", "get_fills", "get_activities"}),
    "ccxt_binancecoinm": frozenset({"get_positions", "get_open_orders", "get_fills", "get_activities"}),
    "ccxt_hyperliquid": frozenset({"get_open_orders", "get_fills", "get_activities"}),
}


# What a row means at one venue only: Bybit's edge answers a page with 403 to an address that asks too often.
ALSO: dict[tuple[str, str], type[SourceError]] = {("ccxt_bybit", "403 HTML"): SourceThrottled}


async def outcome(venue: OverHttp, call: Call, wrong: Wrong) -> tuple[Sequence[Row], SourceError | None]:
    """What a reading comes to while that goes wrong."""
    venue.server.faults.clear()
    venue.server.skew = timedelta(seconds=wrong.skew_s)
    if wrong.rule is not None:
        venue.server.faults.inject(replace(wrong.rule, endpoint=venue.calls[call]))
    try:
        return await ROWS[call](venue), None
    except SourceError as error:
        return getattr(error, "rows", ()), error
    finally:
        venue.server.faults.clear()
        venue.server.skew = timedelta()


def finding(whole: Sequence[Row], rows: Sequence[Row], error: SourceError | None, wrong: Wrong) -> str | None:
    """What is wrong with that outcome; None where nothing is."""
    if error is None:
        if not wrong.answers:
            return f"answered {len(rows)} of {len(whole)} rows"
        return None if sorted_rows(rows) == sorted_rows(whole) else f"answered other rows: {len(rows)} of {len(whole)}"
    if not isinstance(error, wrong.raises):
        return f"raised {type(error).__name__}: {error.why}"
    if wrong.retry_after_s is not None and isinstance(error, SourceThrottled):
        return None if error.retry_after_s == wrong.retry_after_s else "did not say how long to wait"
    return None if set(map(repr, rows)) <= set(map(repr, whole)) else "raised with rows that are not there"


def combinations(name: str, venue: OverHttp) -> list[tuple[str, Call]]:
    """The faults and readings to try: all under TIEOUT_PROVE=1, a sample otherwise, those that need patience last."""
    calls = [call for call in ROWS if told(venue, call) and least(venue, call)]
    every = [
        (fault, call)
        for fault in TABLE
        for call in calls
        if not (fault == "[]" and call in BARE_LISTS.get(name, frozenset()))
    ]
    chosen = every if PROVE else random.Random(name).sample(every, SAMPLE)
    return sorted(chosen, key=lambda pair: TABLE[pair[0]].hurries)


@pytest.mark.parametrize("name", OVER_HTTP)
async def test_no_fault_is_read_as_an_answer(name: str) -> None:
    """A reading under a fault raises the class that fits or gives every row to the digit; the next one is whole again."""
    wrong: list[str] = []
    async with VENUES[name]("faulty", "", False) as venue:
        assert isinstance(venue, OverHttp)
        await populate(venue, venue.traits.asset("T1"))
        whole = {call: await read(venue) for call, read in ROWS.items() if told(venue, call)}
        tried = combinations(name, venue)
        hurried = False
        for fault, call in tried:
            if TABLE[fault].hurries and not hurried:
                venue.hurry()
                hurried = True
            rows, error = await outcome(venue, call, TABLE[fault])
            found = (
                None
                if isinstance(error, ALSO.get((name, fault), ()))
                else finding(whole[call], rows, error, TABLE[fault])
            )
            wrong += [f"{fault} × {call}: {found}"] if found else []
        for call, rows in whole.items():
            assert sorted_rows(await ROWS[call](venue)) == sorted_rows(rows)
    print(f"{name}: {len(tried)} combinations, {len(wrong)} wrong")  # noqa: T201
    assert not wrong, "\n".join(wrong)
