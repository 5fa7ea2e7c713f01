"""Whatever goes wrong on the way from TWS: the failure that fits, never a flat account, and the next read answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest
from tests.brokers.ib.conftest import Office

from tieout.brokers.ib.adapter import IbBroker
from tieout.brokers.loopback.tws import LoopbackTws
from tieout.brokers.loopback.tws_faults import TwsFault
from tieout.brokers.loopback.tws_wire import ALL_ORDERS, CASH, EXECUTIONS, POSITIONS, START
from tieout.errors import SourceError, SourceMalformed, SourceRefused, SourceTimeout, SourceUnreachable

TODAY = datetime(2026, 11, 20, 5, tzinfo=UTC)
READS: dict[int, Callable[[IbBroker], Awaitable[tuple[object, ...]]]] = {
    POSITIONS: lambda broker: broker.get_positions(),
    CASH: lambda broker: broker.get_balances(),
    ALL_ORDERS: lambda broker: broker.get_open_orders(),
    EXECUTIONS: lambda broker: broker.get_fills(TODAY),
}
AT_ONCE: dict[TwsFault, type[SourceError]] = {
    TwsFault.CUT: SourceUnreachable,
    TwsFault.CLOSED: SourceUnreachable,
    TwsFault.SHORT_ROW: SourceMalformed,
    TwsFault.BAD_NUMBER: SourceMalformed,
    TwsFault.CUT_OFF: SourceUnreachable,
}
IN_THE_END: dict[TwsFault, type[SourceError]] = {
    TwsFault.SILENT: SourceTimeout,
    TwsFault.NO_END: SourceTimeout,
    TwsFault.HTML: SourceTimeout,
    TwsFault.REFUSED: SourceRefused,
}


@pytest.mark.parametrize("kind", READS)
@pytest.mark.parametrize("fault", AT_ONCE)
async def test_a_broken_answer_is_a_failure(office: Office, kind: int, fault: TwsFault) -> None:
    """Cut in a message, closed, rows cut short, numbers that are none, TWS cut off: at once, and whole again after it."""
    broker = office.connect(linger=0)
    whole = await READS[kind](broker)
    office.tws.faults[kind] = fault
    with pytest.raises(AT_ONCE[fault]) as failure:
        await READS[kind](broker)
    assert "1,5O" not in str(failure.value)
    office.tws.faults.clear()
    if fault is TwsFault.CUT_OFF:
        with pytest.raises(SourceUnreachable):
            await READS[kind](broker)
        office.tws.more[kind] = ["4|2|-1|1102|Connectivity between IBKR and TWS has been restored.||"]
    assert await READS[kind](broker) == whole
    assert len(whole) > 1


@pytest.mark.parametrize("fault", IN_THE_END)
async def test_an_answer_without_an_end_is_none(office: Office, fault: TwsFault) -> None:
    """Each read waits for its end, and what did come until then is not believed."""
    broker = office.connect(seconds=0.4, linger=0)
    whole = await broker.get_positions()
    office.tws.faults[POSITIONS] = fault
    with pytest.raises(IN_THE_END[fault]):
        await broker.get_positions()
    office.tws.faults.clear()
    assert await broker.get_positions() == whole


async def test_a_tws_that_was_cut_off_before_is_not_believed(office: Office) -> None:
    """It says so while the connection is made, and answers from what it remembers."""
    office.tws.faults[START] = TwsFault.CUT_OFF
    with pytest.raises(SourceUnreachable, match="TWS itself"):
        await office.connect().get_positions()


async def test_a_tws_that_says_nothing_is_a_timeout(office: Office) -> None:
    """It takes the connection and waits for a person to click a dialog away."""
    office.tws.faults[0] = TwsFault.SILENT
    with pytest.raises(SourceTimeout, match="said nothing"):
        await office.connect(seconds=0.4).get_positions()


async def test_the_first_list_of_a_connection_counts_too(office: Office) -> None:
    """ib_async asks for positions while it connects, and by itself goes on with an empty list where that has no end."""
    office.tws.faults[POSITIONS] = TwsFault.NO_END
    with pytest.raises(SourceTimeout):
        await office.connect(seconds=0.4).get_balances()


async def test_nobody_there_is_unreachable(office: Office) -> None:
    """The words say what a person can look at; so does a client id that another program has."""
    broker = office.connect()
    office.tws.faults[START] = TwsFault.CLOSED
    with pytest.raises(SourceUnreachable, match="second factor"):
        await broker.get_positions()
    async with LoopbackTws(office.world, "DU1") as gone:
        port = gone.port
    nobody = IbBroker("DU1", port=port, timeout_seconds=2)
    with pytest.raises(SourceUnreachable, match="daily restart"):
        await nobody.get_positions()
    await nobody.close()


async def test_the_daily_restart_is_survived(office: Office) -> None:
    """The connection is made anew by the next read."""
    broker = office.connect()
    whole = await broker.get_positions()
    office.tws.drop()
    with pytest.raises(SourceUnreachable):
        office.tws.faults[START] = TwsFault.CLOSED
        await broker.get_positions()
    office.tws.faults.clear()
    assert await broker.get_positions() == whole
