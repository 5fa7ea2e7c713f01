"""Accounts of one process share markets and connections, and none of them loses anything by it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.brokers.ccxt.test_markets import ONE, TWO, Lister
from tests.brokers.ccxt.venue import SINCE, at
from tests.conform.loopback import Loopback, client

from tieout.brokers.ccxt.adapter import CcxtBroker
from tieout.brokers.ccxt.markets import UNKNOWN_S, Markets
from tieout.brokers.ccxt.shared import Shared
from tieout.errors import SourceIncomplete, SourceUnreachable

HELD = ("QQQZEUR", "ZZZZEUR")
ROWS = [{"pair": pair, "type": "buy", "vol": "1", "vol_closed": "0", "posstatus": "open"} for pair in HELD]
POSITIONS = json.dumps({"error": [], "result": ROWS})


@pytest.fixture
async def server() -> AsyncIterator[Loopback]:
    """A venue at which two positions are open."""
    made = Loopback()
    made.answer = at({"/OpenPositions": POSITIONS})
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
def lister(tmp_path: Path) -> Lister:
    """A process that lists one of the two markets."""
    made = Lister(tmp_path)
    made.tells(ONE)
    return made


def broker(server: Loopback, markets: Markets, shared: Shared | None = None) -> CcxtBroker:
    """An account there."""
    made = client("kraken", server.port)
    return CcxtBroker("kraken", account="invented", client=made, markets=markets, assets=("QQQ/EUR",), shared=shared)


async def test_a_position_in_an_unlisted_market_is_looked_up_or_missed(server: Loopback, lister: Lister) -> None:
    """What is held names its market: it is listed and the account read again; if nobody knows it, the section is partial."""
    markets = lister.markets()
    one = broker(server, markets)
    lister.tells(ONE, names=("QQQ/EUR", "ZZZZEUR"))
    with pytest.raises(SourceIncomplete) as caught:
        await one.get_positions()
    assert [row.asset for row in caught.value.rows] == ["QQQ/EUR"]  # type: ignore[attr-defined]
    asked = len(server.asked)
    lister.tells(ONE, TWO, names=("QQQ/EUR", "ZZZZEUR"))
    with pytest.raises(SourceIncomplete):
        await one.get_positions()
    assert len(server.asked) == asked + 1
    lister.clock.advance(UNKNOWN_S)
    assert [row.asset for row in await one.get_positions()] == ["QQQ/EUR", "ZZZ/EUR"]
    await one.close()


async def test_a_look_up_that_fails_takes_nothing_away(server: Loopback, lister: Lister) -> None:
    """While the venue does not list its markets, those that are known serve on, and the rest is a part."""
    one = broker(server, lister.markets())
    for _ in range(2):
        with pytest.raises(SourceIncomplete) as caught:
            await one.get_positions()
        assert [row.asset for row in caught.value.rows] == ["QQQ/EUR"]  # type: ignore[attr-defined]
        lister.path.unlink(missing_ok=True)
        lister.clock.advance(UNKNOWN_S)
    await one.close()


async def test_without_markets_nothing_is_flat(server: Loopback, lister: Lister) -> None:
    """Where the markets cannot be had, a section is that failure, and the venue is not asked for rows nobody can read."""
    lister.gone()
    one = broker(server, lister.markets())
    for reading in (one.get_positions, one.get_balances, one.get_open_orders):
        with pytest.raises(SourceUnreachable):
            await reading()
    assert not server.asked
    await one.close()


async def test_one_session_serves_all_and_outlives_each(server: Loopback, lister: Lister) -> None:
    """Two accounts use the same connections and the same markets; the second goes on when the first is closed."""
    lister.tells(ONE, TWO)
    shared, markets = Shared(lister.clock), lister.markets()
    one, two = (broker(server, markets, shared) for _ in range(2))
    assert await one.get_positions() == await two.get_positions() != ()
    first, second = one._asking.client(), two._asking.client()
    assert first.markets is second.markets and first.session is second.session is not None
    await one.close()
    assert len(await two.get_positions()) == 2
    session = second.session
    await two.close()
    assert not session.closed
    await shared.close()
    assert session.closed


def test_a_venue_has_one_set_of_markets_and_its_test_network_another(lister: Lister) -> None:
    """Whoever asks for a venue's markets gets the same ones."""
    shared = Shared(lister.clock)
    assert shared.markets("kraken") is shared.markets("kraken")
    assert shared.markets("kraken", sandbox=True) is not shared.markets("kraken") is not shared.markets("okx")


async def test_time_is_told_without_markets(server: Loopback, lister: Lister) -> None:
    """The venue's clock needs no market."""
    server.answer = at({"/Time": '{"error":[],"result":{"unixtime":1772323200}}'})
    lister.gone()
    one = broker(server, lister.markets())
    assert await one.server_time() == SINCE
    await one.close()
