"""Every fault of TWS × every reading and every action: never flat, never another family, never an order twice."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress

import pytest
from tests.contracts.ib_venue import KINDS, PATIENCE_S, PATIENT_S, OverTws, ib
from tests.contracts.steps import ROWS, buy, list_share, populate, sorted_rows
from tests.proving import sample

from tieout.brokers.loopback.tws_faults import TwsFault, TwsRule
from tieout.brokers.loopback.tws_wire import POSITIONS, START, TIME
from tieout.brokers.simulated.faults import Call
from tieout.errors import (
    ActionError,
    ActionRefused,
    SourceError,
    SourceMalformed,
    SourceRefused,
    SourceThrottled,
    SourceTimeout,
    SourceUnreachable,
)

RAISES: dict[TwsFault, type[SourceError] | None] = {
    TwsFault.SILENT: SourceTimeout,
    TwsFault.NO_END: SourceTimeout,
    TwsFault.HTML: SourceTimeout,
    TwsFault.MID_LIST: SourceUnreachable,
    TwsFault.CUT: SourceUnreachable,
    TwsFault.CLOSED: SourceUnreachable,
    TwsFault.CUT_OFF: SourceUnreachable,
    TwsFault.BROKEN_OFF: SourceUnreachable,
    TwsFault.SHORT_ROW: SourceMalformed,
    TwsFault.SPOILT: SourceMalformed,
    TwsFault.BAD_NUMBER: SourceMalformed,
    TwsFault.NEW_VERSION: SourceMalformed,
    TwsFault.REFUSED: SourceRefused,
    TwsFault.INVALID: SourceRefused,
    TwsFault.PACED: SourceThrottled,
    TwsFault.HISTORY_PACED: SourceThrottled,
    TwsFault.REQUEST_PACED: SourceThrottled,
    TwsFault.LOST_DATA: None,  # all is asked for anew anyway
    TwsFault.RESTORED: None,
    TwsFault.WRONG_ACCOUNT: None,
    TwsFault.UNKNOWN_KIND: None,
    TwsFault.TWICE: None,
}
OF_ROWS = frozenset((TwsFault.SHORT_ROW, TwsFault.BAD_NUMBER, TwsFault.NEW_VERSION))  # a time has none
LONGER = frozenset(("get_open_orders", "get_order", "get_fills"))  # whose messages bear no version, and may grow
ENDLESS = frozenset((TwsFault.SILENT, TwsFault.NO_END, TwsFault.HTML))
Reading = Callable[[OverTws], Awaitable[object]]
READS: dict[Call, Reading] = {
    **{call: ROWS[call] for call in ("get_positions", "get_balances", "get_open_orders", "get_fills")},
    "get_order": lambda venue: venue.broker.get_order(client_order_id="c-rest"),
    "get_account_info": lambda venue: venue.broker.get_account_info(),
    "server_time": lambda venue: venue.broker.server_time(),
}
READINGS = [(fault, call) for fault in TwsFault for call in READS]
ACTIONS = [(fault, call, taken) for fault in TwsFault for call in ("submit", "cancel") for taken in (True, False)]


@pytest.fixture
async def venue() -> AsyncIterator[OverTws]:
    """A TWS with an account of its own."""
    async with ib("faulty", "", False) as made:
        yield made


def judged(fault: TwsFault, call: Call, same: bool, error: SourceError | None) -> str | None:
    """What is wrong with what a reading came to; None where nothing is."""
    due = RAISES[fault]
    if error is not None:
        return None if due and isinstance(error, due) else f"{fault} × {call}: raised {type(error).__name__}"
    may = (
        due is None or (fault in OF_ROWS and KINDS[call] == TIME) or (fault is TwsFault.NEW_VERSION and call in LONGER)
    )
    return None if same and may else f"{fault} × {call}: answered{'' if same else ' something else'}"


@pytest.mark.prove
async def test_no_fault_is_read_as_an_answer(venue: OverTws) -> None:
    """A reading under a fault raises the class that fits, or gives every row to the digit; the next one is whole again."""
    await populate(venue, "T1")
    whole = {call: await read(venue) for call, read in READS.items()}
    tried = sample(READINGS, 6, 1)
    wrong: list[str | None] = []
    for fault, call in tried:
        venue.server.plan.inject(TwsRule(kinds=frozenset((KINDS[call],)), fault=fault))
        venue.hurry(PATIENCE_S if fault in ENDLESS else PATIENT_S)
        try:
            found, error = await READS[call](venue), None
        except SourceError as raised:
            found, error = None, raised
        venue.hurry(PATIENT_S)
        wrong.append(judged(fault, call, alike(found, whole[call]), error))
        venue.server.plan.clear()
        venue.server.drop()  # whoever was cut off is told anew that it is not
        again = [await tried_until_connected(venue, READS[call])]
        assert alike(again[0], whole[call])
    print(f"ib: {len(tried)} readings, {len(list(filter(None, wrong)))} wrong")  # noqa: T201
    assert not any(wrong), "\n".join(filter(None, wrong))


async def tried_until_connected(venue: OverTws, read: Reading) -> object:
    """What it answers, once the broken connection was noticed."""
    try:
        return await read(venue)
    except SourceError:
        return await read(venue)


def alike(found: object, whole: object) -> bool:
    """Whether they are the same rows."""
    if isinstance(found, tuple) and isinstance(whole, tuple):
        return sorted_rows(found) == sorted_rows(whole)
    return found == whole


@pytest.mark.prove
async def test_no_fault_of_an_action_misleads(venue: OverTws) -> None:
    """What is refused is not there, what is acknowledged stands so, what is unknown is told later, none is there twice."""
    await list_share(venue, "T1")
    tried: Sequence[tuple[TwsFault, str, bool]] = sample(ACTIONS, 5)
    wrong: list[str] = []
    for number, (fault, call, taken) in enumerate(tried):
        name = f"c-{number}"
        if call == "cancel":
            await venue.broker.submit_order(buy(name, "T1"))
        kind = KINDS["submit_order" if call == "submit" else "cancel_order"]
        venue.server.plan.inject(TwsRule(kinds=frozenset((kind,)), fault=fault, taken=taken))
        venue.hurry(PATIENCE_S)
        found = await (submitted(venue, name) if call == "submit" else ended(venue, name))
        wrong += [f"{fault} × {call}, {'taken' if taken else 'not taken'}: {each}" for each in found]
        venue.server.plan.clear()
        venue.server.drop()
        try:
            await venue.broker.server_time()
        except SourceError:
            await venue.broker.server_time()
    print(f"ib: {len(tried)} actions, {len(wrong)} wrong")  # noqa: T201
    assert not wrong, "\n".join(wrong)


async def standing(venue: OverTws, name: str) -> list[str]:
    """The statuses of the orders that truly bear a reference."""
    return [row.status for row in (await venue.truth()).snapshot.orders or () if row.client_order_id == name]


async def submitted(venue: OverTws, name: str) -> list[str]:
    """What is wrong with a submit under a fault, with the look-up after it, and with a second submit."""
    wrong = []
    try:
        order = await venue.broker.submit_order(buy(name, "T1"))
        wrong += [] if await standing(venue, name) == [order.status] else ["acknowledged otherwise than it stands"]
    except ActionRefused:
        wrong += ["refused, and it rests"] if await standing(venue, name) else []
    except ActionError:
        venue.hurry(PATIENT_S)
        wrong += await looked_up(venue, name)
    venue.hurry(PATIENT_S)
    try:
        await venue.broker.submit_order(buy(name, "T1"))
    except ActionError:
        pass_on = await standing(venue, name)
        return wrong + (["there twice"] if len(pass_on) > 1 else [])
    return wrong + (["there twice"] if len(await standing(venue, name)) > 1 else [])


async def looked_up(venue: OverTws, name: str) -> list[str]:
    """What is wrong with the look-up of an order of unknown fate: it may still not know."""
    there = await standing(venue, name)
    try:
        found = await venue.broker.get_order(client_order_id=name)
    except SourceError as error:
        return [f"there, and not found: {error}"] if there else []
    return [] if bool(there) is (found is not None) else [f"found {found is not None}, and {len(there)} are there"]


async def ended(venue: OverTws, name: str) -> list[str]:
    """What is wrong with a cancel under a fault, and with the next one."""
    try:
        order = await venue.broker.cancel_order(client_order_id=name)
        wrong = [] if await standing(venue, name) == [order.status] else ["told otherwise than it stands"]
    except ActionRefused:
        wrong = ["refused, and it ended"] if await standing(venue, name) != ["open"] else []
    except ActionError:
        wrong = []
    venue.hurry(PATIENT_S)
    venue.server.plan.clear()
    venue.server.drop()
    for _ in range(2):
        try:
            await venue.broker.cancel_order(client_order_id=name)
        except ActionError:
            continue
    return wrong + ([] if await standing(venue, name) == ["cancelled"] else ["a second cancel does not end it"])


@pytest.mark.prove
async def test_no_fault_of_a_connection_is_read_as_an_answer(venue: OverTws) -> None:
    """What goes wrong while the connection is made, or in the list that ib_async asks for then, is never an empty account."""
    await populate(venue, "T1")
    whole = {call: await read(venue) for call, read in READS.items()}
    tried = sample([(fault, kind, call) for fault in TwsFault for kind in (START, POSITIONS) for call in READS], 24)
    wrong: list[str] = []
    for fault, kind, call in tried:
        venue.server.drop()
        venue.server.faults = {kind: fault}
        venue.hurry(PATIENCE_S)
        with suppress(SourceError):
            if not alike(await tried_until_connected(venue, READS[call]), whole[call]):
                wrong.append(f"{fault} while connecting ({kind}) × {call}: answered something else")
        venue.server.faults = {}
        venue.hurry(PATIENT_S)
        venue.server.drop()
        assert alike(await tried_until_connected(venue, READS[call]), whole[call])
    print(f"ib: {len(tried)} connections, {len(wrong)} wrong")  # noqa: T201
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("version", [100, 213])
async def test_another_protocol_is_not_spoken(venue: OverTws, version: int) -> None:
    """A server of before our time, and one that speaks what was not agreed on, are not believed a word."""
    venue.server.version = version
    venue.hurry()
    with pytest.raises((SourceUnreachable, SourceRefused, SourceTimeout)):
        await venue.broker.get_positions()
