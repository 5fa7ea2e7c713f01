"""The promises of `tieout.brokers.base.Lists`, held against every adapter in `conftest.VENUES` that has it."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import replace
from tests.contracts.conftest import VENUES
from tests.contracts.fault_table import TABLE
from tests.contracts.venues import OverHttp, Venue

from tieout.brokers.base import Lists
from tieout.brokers.simulated import Fault, FaultRule
from tieout.brokers.simulated.commands import AddInstrument
from tieout.errors import SourceError
from tieout.model.instrument import SIZES, wrong_in

STEPS: dict[str, dict[str, str | None]] = {  # what the loopback servers list, by the documents of their venues
    "alpaca": {"quantity_step": None, "price_tick": None, "contract_size": None},
    "dydx": {"quantity_step": "0.000001", "price_tick": "0.01", "contract_size": "1", "smallest_unit": "1E-10"},
    "binance": {"quantity_step": "1E-18", "price_tick": "1E-18", "contract_size": None},
    "binanceusdm": {"quantity_step": "1E-18", "price_tick": "1E-18", "contract_size": "1"},
    "binancecoinm": {"quantity_step": "1E-18", "price_tick": "1E-18", "contract_size": "10"},
    "okx": {"quantity_step": "1E-18", "price_tick": "1E-18", "contract_size": "1"},
    "bybit": {"quantity_step": "1E-18", "price_tick": "1E-18", "contract_size": "1"},
    "kraken": {"contract_size": None},
    "coinbase": {"contract_size": None},
    "hyperliquid": {"price_tick": None, "contract_size": "1"},
    "simulated": {"contract_size": None, "smallest_unit": "1E-8"},
}


STRANGE = "unknown kind"  # a status that is not known here is not told, and all else is


async def listed(venue: Venue, *names: str) -> Lists:
    """The adapter, once the venue lists *names*."""
    for name in names:
        await venue.let(AddInstrument(instrument=venue.traits.instrument(name)))
    broker = venue.broker
    if not isinstance(broker, Lists):
        pytest.skip("this venue's adapter does not say what it lists")
    return broker


async def test_what_is_asked_for_is_told_and_nothing_else(venue: Venue, ticker: str) -> None:
    """Two of three are asked for with a name that nobody knows: two come, each once, under the names of its rows."""
    names = [ticker, ticker.replace("T", "U", 1), ticker.replace("T", "V", 1)]
    broker = await listed(venue, *names)
    found = await broker.get_instruments((names[0], names[1], "NOSUCHTHING", names[0]))
    assert sorted(row.asset for row in found) == sorted(names[:2])
    assert await broker.get_instruments(()) == ()
    for row in found:
        assert wrong_in(row) is None
        assert row.status == "active"
        assert (row.expiry, row.asset in row.names) == (None, False)


async def test_numbers_are_the_venues_own_to_the_digit(venue: Venue, ticker: str) -> None:
    """Steps, ticks and contract sizes are what the venue wrote; what it does not say is not made up."""
    (found,) = await (await listed(venue, ticker)).get_instruments((ticker,))
    told = {name: str(getattr(found, name).normalize()) if getattr(found, name) else None for name in SIZES}
    due = STEPS[venue.traits.name]
    assert {name: told[name] for name in due} == {
        name: None if text is None else str(Decimal(text).normalize()) for name, text in due.items()
    }


async def test_a_contract_is_of_what_the_venue_says(venue: Venue, ticker: str) -> None:
    """A contract of 0.01 is listed as one of 0.01, also where its rows say so too; venues without such say 1."""
    if venue.traits.name not in ("okx", "simulated"):
        pytest.skip("every contract is of one coin there, or there are none")
    terms = replace(venue.traits.contract(ticker), multiplier=Decimal("0.01"))
    await venue.let(AddInstrument(instrument=terms))
    broker = venue.broker
    assert isinstance(broker, Lists)
    (found,) = await broker.get_instruments((ticker,))
    assert (found.contract_size, found.settlement, found.settle) == (Decimal("0.01"), "margin", venue.traits.quote)


async def test_a_failed_question_is_no_empty_list(venue: Venue, ticker: str) -> None:
    """Where the venue is down, throttles, refuses or answers nonsense, the family of failures is raised; then it answers."""
    broker = await listed(venue, ticker)
    if not await asks(venue, broker, ticker):
        pytest.skip("its markets are known already: nothing is asked")
    for fault in (Fault.UNAVAILABLE, Fault.THROTTLED, Fault.REFUSED, Fault.MALFORMED):
        await venue.go_wrong(FaultRule(fault=fault, calls=frozenset({"get_instruments"}), seconds=3))
        with pytest.raises(SourceError) as failure:
            await broker.get_instruments((ticker,))
        assert failure.value.source == venue.broker.name
        assert [row.asset for row in await broker.get_instruments((ticker,))] == [ticker]


async def asks(venue: Venue, broker: Lists, ticker: str) -> bool:
    """Whether the venue is asked a second time for what it told already."""
    await broker.get_instruments((ticker,))
    if not isinstance(venue, OverHttp):
        return True
    before = len(venue.server.asked)
    await broker.get_instruments((ticker,))
    return len(venue.server.asked) > before


def test_no_instrument_is_below_nothing() -> None:
    """A size of 0 or below, or one that is no number, is wrong; a name among its own others too."""
    from tieout.model.instrument import Instrument as Told

    for size in ("0", "-1", "NaN", "1E+400"):
        assert wrong_in(Told(asset="A", contract_size=Decimal(size))) == "contract_size is not above 0"
    assert wrong_in(Told(asset="A", names=("A",))) is not None
    assert wrong_in(Told(asset="A", names=("B",), price_tick=Decimal("0.5"))) is None


@pytest.mark.parametrize("name", ["alpaca", "dydx"])
async def test_no_fault_is_read_as_a_venue_that_lists_nothing(name: str) -> None:
    """Whatever goes wrong on the way is of the family of failures, or the whole answer comes; the next one is whole again."""
    wrong: list[str] = []
    async with VENUES[name]("faulty", "", False) as venue:
        assert isinstance(venue, OverHttp)
        ticker = venue.traits.asset("T1")
        broker = await listed(venue, ticker)
        whole = await broker.get_instruments((ticker,))
        rows = [(fault, row) for fault, row in TABLE.items() if row.rule is not None and not row.hurries]
        for fault, row in rows:
            assert row.rule is not None
            venue.server.faults.inject(replace(row.rule, endpoint=venue.calls["get_instruments"]))
            try:
                told = await broker.get_instruments((ticker,))
                due = tuple(replace(each, status=None) for each in whole) if fault == STRANGE else whole
                if told not in (due, whole) or not (row.answers or fault == STRANGE):
                    wrong.append(f"{fault}: answered")
            except SourceError as error:
                wrong += [] if isinstance(error, row.raises or SourceError) else [f"{fault}: {type(error).__name__}"]
            venue.server.faults.clear()
            assert await broker.get_instruments((ticker,)) == whole
    assert len(rows) > 20
    assert not wrong
