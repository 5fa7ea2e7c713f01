"""Every dialect against frames that no venue would send: told, or counted as nonsense, and never anything else."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieout.brokers.alpaca.stream import AlpacaUpdates
from tieout.brokers.dydx.stream import DydxChannel
from tieout.brokers.streams.base import StreamEvent
from tieout.brokers.streams.kept import NONSENSE, Dialect
from tieout.brokers.streams.venues import URLS, Listens, dialect
from tieout.clock import SystemClock
from tieout.errors import SourceError


async def no_token(_method: str, _field: str) -> str:
    """Nobody connects here."""
    raise AssertionError


WHO = Listens("v:main", {}, lambda: datetime(2026, 11, 21, tzinfo=UTC), SystemClock(), random.Random(1), no_token)


def made(venue: str) -> Dialect:
    """A dialect that was never connected."""
    if venue == "alpaca":
        return AlpacaUpdates("v:main", key="k", secret="s", url="http://127.0.0.1")
    if venue == "dydx":
        return DydxChannel("v:main", "dydx1x", subaccount=0, url="http://127.0.0.1")
    found = dialect(venue, WHO)
    assert found is not None
    return found


WORDS = (
    "stream trade_updates data order event fill id symbol type channel v4_parent_subaccounts channel_data contents orders "
    "fills message_id topic execution wallet op auth arg account e executionReport ORDER_TRADE_UPDATE o c i executions "
    "balances sequence order_id orderUpdates user userNonFundingLedgerUpdates isSnapshot oid sequence_num events positions"
).split()
LEAF = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.decimals(allow_nan=False)
    | st.sampled_from(WORDS)
    | st.text(max_size=3)
)
FRAMES = st.recursive(
    LEAF,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=5),
    max_leaves=12,
)


@pytest.mark.parametrize("venue", ["alpaca", "dydx", *URLS])
@given(frame=FRAMES)
def test_any_frame_is_told_or_is_nonsense(venue: str, frame: object) -> None:
    """No frame ends a stream by an error that nobody thought of."""
    try:
        events = list(made(venue).told(frame))
    except (SourceError, *NONSENSE):
        return
    assert all(isinstance(event, StreamEvent) for event in events)
