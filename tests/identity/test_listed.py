"""What the venue itself lists: told before a break is called, counted where rows say nothing, never over the user's word."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest
from msgspec.structs import replace
from sqlalchemy import Connection

from tests.contracts.conftest import VENUES
from tests.contracts.venues import OverHttp
from tests.decide.building import START, Side, cash, every, fill, pos, side
from tests.decide.test_sending import one_order
from tests.identity.test_live import COINS, SWAP, Desk, Heard
from tieout.books import EngineBooks
from tieout.brokers.loopback.dydx import DydxVenue
from tieout.brokers.simulated import SimulatedBroker
from tieout.config import load
from tieout.decide import Policy
from tieout.errors import BadInput, SourceTimeout
from tieout.live.reconciler import Account, PositionReconciler
from tieout.live.replaying import judge_stored
from tieout.live.road import State, reconcile_observation
from tieout.model.amounts import truncate
from tieout.model.discrepancy import CauseCode
from tieout.model.instrument import Instrument
from tieout.model.listed import under_one_name
from tieout.model.notice import NoticeKind
from tieout.model.report import ReconciliationReport
from tieout.model.settings import AssetSettings, Settings
from tieout.model.snapshot import Position, Section
from tieout.record.outbox import list_alerts
from tieout.record.restoring import configuration_of
from tieout.record.stretches import read_stretch

LONG_AGO = timedelta(days=400)


async def venue_desk(
    venue: OverHttp, local: tuple[Position, ...], settings: Settings
) -> tuple[PositionReconciler, Heard]:
    """Books that hold *local* against an account over a loopback venue, whose cash they know."""
    said = replace(venue.world.snapshot(venue.account), source="local", positions=local, orders=(), fills=())
    books, heard = EngineBooks.opened_from(said, venue.world.clock), Heard()
    required: tuple[Section, ...] = ("positions",)
    account = Account(
        name=venue.account, local=books, broker=venue.broker, settings=replace(settings, required=required)
    )
    return PositionReconciler({venue.account: account}, venue.world.clock, alarm=heard), heard


def warned(report: ReconciliationReport, words: str) -> bool:
    """Whether the report's warnings hold *words*."""
    return any(words in warning for warning in report.summary.warnings)


@pytest.mark.parametrize(
    ("said", "listed"), [("10", "contracts of 0.01"), ("0.1", "contracts of 0.01"), ("0.01", None)]
)
async def test_a_table_that_the_venue_contradicts_is_told_before_anything_is_held(
    said: str, listed: str | None
) -> None:
    """Over a loopback OKX: a contract size of another than the venue lists is told in the first reading of a flat account."""
    async with VENUES["ccxt_okx"]("main", "", False) as venue:
        assert isinstance(venue, OverHttp)
        swap = venue.traits.asset("BTC")
        venue.world.add_instrument(replace(venue.traits.contract(swap), multiplier=Decimal("0.01")))
        told = Settings(assets={"BTC-PERP": AssetSettings(aliases=(swap,), contract_size=Decimal(said))})
        reconciler, heard = await venue_desk(venue, (), told)
        report = await reconciler.reconcile("main")
        assert report.status == "matched"
        assert warned(report, f'says contract_size = "{said}", and the venue lists') == (listed is not None)
        assert [listed in each for each in heard.sentences if listed] == ([True] if listed else [])


async def test_a_name_that_the_venue_itself_uses_is_no_guess_but_an_offer() -> None:
    """The books say OKX's own id, its rows ccxt's symbol: both stand in the report, and a sentence says what to write."""
    async with VENUES["ccxt_okx"]("main", "", False) as venue:
        assert isinstance(venue, OverHttp)
        swap = venue.traits.asset("BTC")
        venue.world.add_instrument(venue.traits.contract(swap))
        venue.world.office.pay("main", "deposit", "USDT", Decimal(100_000))
        venue.world.trade("main", swap, "buy", Decimal(1), Decimal(50_000))
        reconciler, _ = await venue_desk(venue, (Position("BTC-USDT-SWAP", Decimal(1)),), Settings())
        report = await reconciler.reconcile("main")
        assert warned(report, f'write aliases = ["BTC-USDT-SWAP"] in [assets."{swap}"]')
        assert {row.asset for row in report.discrepancies} >= {swap, "BTC-USDT-SWAP"}


async def test_what_is_traded_no_more_is_told_where_it_is_held() -> None:
    """dYdX settles a market for good: who holds it hears so; who does not, hears nothing."""
    async with VENUES["dydx"]("main", "", False) as venue:
        assert isinstance(venue, OverHttp) and isinstance(venue.server, DydxVenue)
        for name in ("ONE-USD", "TWO-USD"):
            venue.world.add_instrument(venue.traits.instrument(name))
            venue.server.listed[name] = {"status": "FINAL_SETTLEMENT"}
        venue.world.office.pay("main", "deposit", "USDT", Decimal(1_000))
        venue.world.trade("main", "ONE-USD", "buy", Decimal(1), Decimal(50))
        reconciler, heard = await venue_desk(
            venue, (Position("ONE-USD", Decimal(1), multiplier=Decimal(1)),), Settings()
        )
        reports = [await reconciler.reconcile("main") for _ in range(2)]
        assert all(warned(report, "ONE-USD: the venue says that it is listed there no more") for report in reports)
        assert not any(warned(report, "TWO-USD") for report in reports)
        assert len(heard.sentences) == 1


class Silent(SimulatedBroker):
    """A venue that does not answer what it lists, for as long as it is silent; it counts how often it was asked."""

    silent, questions = True, 0

    async def get_instruments(self, assets: Collection[str]) -> tuple[Instrument, ...]:
        """Nothing, or everything."""
        self.questions += 1
        if self.silent:
            raise SourceTimeout(self.name, "instruments", "no answer in time")
        return await super().get_instruments(assets)


async def test_a_venue_that_does_not_say_stops_nothing_and_is_asked_later() -> None:
    """What is not listed is not known: nothing is said of it, readings go on, and ten minutes later it is asked again."""
    desk = Desk(told=replace(COINS, contract_size=Decimal("0.1")), held="10")
    broker = Silent(desk.world, "main")
    desk.reconciler = PositionReconciler({"main": replace(desk.account, broker=broker)}, desk.clock, alarm=desk.heard)
    first = [await desk.read(seconds=30) for _ in range(3)]
    assert [report.status for report in first] == ["matched"] * 3
    assert not any(warned(report, "lists") for report in first)
    assert broker.questions == 1
    broker.silent = False
    later = await desk.read(seconds=600)
    assert warned(later, "the venue lists contracts of 0.01")
    await desk.read()
    assert broker.questions == 2  # what is known under one name is known under all of them


async def test_a_factor_goes_out_before_the_break_that_it_makes(tmp_path: Path) -> None:
    """In the outbox the sentence about units comes first, once; the break comes a reading later; no alarm says it too."""
    desk = Desk(told=AssetSettings(aliases=(SWAP,)))
    record = await desk.recorded(tmp_path)
    reports = [await desk.read() for _ in range(4)]
    first, *_ = await record.database.read(
        lambda connection: sorted(list_alerts(connection, sent_since=None), key=lambda alert: alert.id)
    )
    assert 'write contract_size = "0.01"' in first.text and "the venue lists contracts of 0.01" in first.text
    about_units = [notice for report in reports for notice in report.notices if "contract_size" in notice.text]
    assert [notice.kind for notice in about_units] == [NoticeKind.OPENED]
    assert reports[0].notices[0] == about_units[0]
    assert any(notice.break_ids for report in reports for notice in report.notices)
    assert desk.heard.sentences == []
    await record.close()


async def test_what_was_listed_then_is_what_is_judged_by_again(tmp_path: Path) -> None:
    """The record keeps what the venue listed: each report comes out again to the byte, and so it does after a restart."""
    desk = Desk(told=replace(COINS, contract_size=Decimal("0.1")))
    record = await desk.recorded(tmp_path)
    for _ in range(3):
        await desk.read()
    await record.close()
    record = await desk.recorded(tmp_path)
    assert warned(await desk.read(), "the venue lists contracts of 0.01")

    def again(connection: Connection) -> list[bool]:
        stretch = read_stretch(connection, record.payloads, "main", since=desk.clock.now() - LONG_AGO, until=None)
        assert stretch is not None
        stored = partial(configuration_of, connection, record.payloads, "main")
        return [one.same for one in judge_stored(stretch.readings, stretch.state, stored, first=stretch.first)]

    assert await record.database.read(again) == [True] * 4
    await record.close()


X100 = Settings(listed={"X": Instrument(asset="X", contract_size=Decimal(100), quantity_step=Decimal(1))})


def found(local: Side, broker: Side, settings: Settings) -> dict[str, CauseCode]:
    """The cause of each break of one reading."""
    (one,) = every(30, 1, local, broker)
    report = reconcile_observation(one, State(), settings, Policy(), trigger="manual").report
    return {row.asset: row.cause.code for row in report.discrepancies}


def test_the_fills_of_a_contract_that_is_closed_move_what_the_venue_says() -> None:
    """Bought and sold again unseen, one contract of 100 earned 200: no row is left to say so, and the venue's list does."""
    missed = (
        fill("1", "buy", "1", price="100", settlement="cash"),
        fill("2", "sell", "1", price="102", settlement="cash"),
    )
    quoted = [replace(each, quote="USD") for each in missed]
    local, broker = side(balances=(cash("1000", usd="1"),)), side(balances=(cash("1200", usd="1"),), fills=quoted)
    (one,) = every(30, 1, local, broker)
    for settings, unexplained in ((Settings(), 198), (X100, 0)):
        report = reconcile_observation(one, State(), settings, Policy(), trigger="manual").report
        assert [row.cause.residual for row in report.discrepancies] == [Decimal(unexplained)]


def test_a_venues_step_makes_no_rounding() -> None:
    """One share too few is a fill that was missed, also where the venue trades whole shares and it is worth little."""
    bought = side(pos("X", "3", price="5"), fills=(fill("1", "buy", "1", price="5"),))
    assert found(side(pos("X", "2", price="5")), bought, X100) == {"X": CauseCode.EXTERNAL_TRADE}
    told = replace(X100, assets={"X": AssetSettings(step=Decimal(1))})  # a person's word does
    prices = side(pos("X", "2", price="5"), balances=(cash("1", usd="1"),))
    valued = side(pos("X", "3", price="5"), balances=(cash("1", usd="1"),))
    assert found(prices, valued, told) == {"X": CauseCode.ROUNDING}
    assert found(prices, valued, X100) == {"X": CauseCode.UNKNOWN}


def test_a_list_alone_gives_no_amount_another_worth() -> None:
    """What local counts nobody knows: a coin that only local has is worth a coin, and not the hundredth of a contract."""
    held = side(pos("X", "1", price="50000"), balances=(cash("1", usd="1"),))
    (one,) = every(30, 1, held, side(balances=(cash("1", usd="1"),)))
    small = Settings(listed={"X": Instrument(asset="X", contract_size=Decimal("0.01"))})
    for settings in (Settings(), small):
        report = reconcile_observation(one, State(), settings, Policy(), trigger="manual").report
        assert [row.usd_value for row in report.discrepancies] == [Decimal(50_000)]


def test_an_order_keeps_to_the_venues_step_and_tick_unless_the_user_tells_others() -> None:
    """In local's unit: the step of 2 contracts of 0.1 is 0.2; the user's own step, tick and least quantity count over it."""
    row = Instrument(
        asset="X",
        contract_size=Decimal("0.1"),
        quantity_step=Decimal(2),
        min_quantity=Decimal(4),
        price_tick=Decimal(5),
    )
    listed = Settings(assets={"X": AssetSettings(contract_size=Decimal("0.1"))}, listed={"X": row})
    assert (listed.order_step("X"), listed.min_quantity("X"), listed.price_tick("X")) == (
        Decimal("0.2"),
        Decimal("0.4"),
        Decimal(5),
    )
    own = AssetSettings(step=Decimal("0.7"), min_quantity=Decimal(1), price_tick=Decimal(2))
    told = replace(listed, assets={"X": own})
    assert (told.order_step("X"), told.min_quantity("X"), told.price_tick("X")) == (
        Decimal("0.7"),
        Decimal(1),
        Decimal(2),
    )
    assert listed.order_step("Y") == Decimal("1e-8")
    local, broker = side(pos("X", "10", price="102")), side(pos("X", "2.7", price="102"))
    fine = Settings(required=("positions",))
    ways = replace(fine, listed={"X": replace(row, contract_size=None, min_quantity=None)})
    ((one,), (other,)) = (one_order(local, broker, settings=each) for each in (ways, fine))
    assert (one.quantity, other.quantity) == (Decimal(6), Decimal("7.3"))
    assert other.limit_price is not None
    assert (one.limit_price, other.limit_price % 5 == 0) == (truncate(other.limit_price, Decimal(5)), False)


def test_two_instruments_under_one_name_tell_nothing() -> None:
    """Where aliases bring two of the venue's contracts under one name, neither size counts; a twin is never the asset."""
    rows = [Instrument(asset=name, contract_size=Decimal(size)) for name, size in (("A", 1), ("B", 10), ("C", 5))]
    settings = Settings(assets={"X": AssetSettings(aliases=("A", "B")), "Y": AssetSettings(same_as=("C",))})
    assert under_one_name(rows, settings, START.date()) == {}
    assert under_one_name(rows[:1], settings, START.date()) == {"X": rows[0]}


def test_a_venues_list_cannot_be_written_into_a_configuration(tmp_path: Path) -> None:
    """What a venue lists is its own to say: `listed` is no setting."""
    file = tmp_path / "tieout.toml"
    file.write_text('[settings.listed.X]\nasset = "X"\n')
    with pytest.raises(BadInput, match="what a venue lists is its own to say"):
        load(file, None, {})
