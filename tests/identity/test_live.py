"""Books in coins against a venue in contracts, under other names: what is healed, what goes out, what a person is told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from msgspec.structs import replace

from tests.act.sending_desk import SENDS, WatchedBroker
from tests.decide.building import pos, side
from tieout.books import EngineBooks
from tieout.brokers.simulated import Instrument, World
from tieout.clock import VirtualClock
from tieout.decide import Policy
from tieout.live.reconciler import Account, PositionReconciler
from tieout.live.restarting import renamed
from tieout.live.road import State, reconcile_observation
from tieout.model.discrepancy import CauseCode
from tieout.model.report import ReconciliationReport
from tieout.model.settings import AssetSettings, Settings
from tieout.model.snapshot import Observation, Position, Snapshot
from tieout.record import keys
from tieout.record.opening import open_record
from tieout.record.recorder import StoreRecord
from tieout.record.settings import RecordSettings

START = datetime(2026, 11, 20, 14, tzinfo=UTC)
PERP, SWAP = "BTC-PERP", "BTC-USDT-SWAP"
COINS = AssetSettings(aliases=(SWAP,), contract_size=Decimal("0.01"))


class Heard:
    """The way to a person: what was said."""

    def __init__(self) -> None:
        self.sentences: list[str] = []

    async def raise_alarm(self, account: str, sentence: str) -> None:
        """Keep it."""
        self.sentences.append(sentence)


class Desk:
    """The venue holds 100 contracts of 0.01 BTC, bought at 50,000; the books hold *held* of what they call BTC-PERP."""

    def __init__(self, held: str = "1", *, told: AssetSettings | None = COINS, policy: Policy | None = None) -> None:
        self.clock, self.heard = VirtualClock(START), Heard()
        self.world = World(self.clock, seed=5)
        self.world.add_account("main")
        terms = Instrument(asset=SWAP, kind="margin", currency="USD", multiplier=Decimal("0.01"))
        self.world.add_instrument(terms)
        self.world.set_price(SWAP, Decimal(50_000))
        self.world.office.pay("main", "deposit", "USD", Decimal(100_000))
        self.world.trade("main", SWAP, "buy", Decimal(100), Decimal(50_000))
        self.clock.advance(120)
        self.broker = WatchedBroker(self.world, "main")
        row = Position(PERP, Decimal(held), average_price=Decimal(50_000), currency="USD", settlement="margin")
        said = replace(self.world.snapshot("main"), source="local", positions=(row,), fills=(), orders=())
        self.books = EngineBooks.opened_from(said, self.clock)
        settings = Settings(assets={PERP: told} if told else {}, own_client_ids=("mine-",))
        self.account = Account(
            name="main", local=self.books, broker=self.broker, settings=settings, policy=policy or Policy()
        )
        self.reconciler = PositionReconciler({"main": self.account}, self.clock, alarm=self.heard)

    async def recorded(self, folder: Path, told: AssetSettings | None = None) -> StoreRecord:
        """Begin anew on a record in *folder*, with *told* from now on."""
        if not (folder / "keys").exists():
            keys.create(folder / "keys", "tieout-test")
        record = await open_record(RecordSettings(store=str(folder / "t.db"), keys=str(folder / "keys")), self.clock)
        settings = replace(self.account.settings, assets={PERP: told}) if told else self.account.settings
        self.account = replace(self.account, settings=settings)
        self.reconciler = PositionReconciler({"main": self.account}, self.clock, record=record, alarm=self.heard)
        return record

    async def read(self, seconds: int = 30) -> ReconciliationReport:
        """One reconciliation after a while."""
        self.clock.advance(seconds)
        return await self.reconciler.reconcile("main")

    async def held(self) -> dict[str, Decimal]:
        """What the books hold, under their own names."""
        return {row.asset: row.amount for row in (await self.books.read()).positions or ()}


async def test_coins_match_contracts() -> None:
    """1 BTC-PERP in the books is 100 contracts at the venue, to the digit, whatever each calls it."""
    report = await Desk().read()
    assert (report.status, report.discrepancies, report.summary.warnings) == ("matched", (), ())


async def test_a_missed_fill_is_booked_in_the_books_own_terms() -> None:
    """50 contracts that the books missed go in as 0.5 under the books' name, and cash agrees."""
    desk = Desk()
    desk.world.trade("main", SWAP, "buy", Decimal(50), Decimal(51_000), client_order_id="mine-1")
    report = await desk.read()
    (found,) = report.discrepancies
    assert (found.asset, found.difference, found.cause.code) == (PERP, Decimal("0.5"), CauseCode.MISSED_FILL)
    assert any("contracts of 0.01" in warning for warning in report.summary.warnings)
    assert await desk.held() == {PERP: Decimal("1.5")}
    booked = (await desk.books.read()).fills or ()
    assert [(row.asset, row.quantity, row.price) for row in booked] == [(PERP, Decimal("0.5"), Decimal(51_000))]
    assert (await desk.read()).status == "matched"


async def test_an_order_goes_out_in_the_venues_terms() -> None:
    """Local's 0.75 against 1.0 sends a sell of 25 contracts under the venue's own name; then both agree."""
    desk = Desk("0.75", policy=Policy(rules=(SENDS,), send_max_usd=Decimal(50_000), send_usd_per_day=Decimal(50_000)))
    for _ in range(4):
        await desk.read()
    assert [(sent.asset, sent.side, sent.quantity) for sent in desk.broker.asked] == [(SWAP, "sell", Decimal(25))]
    assert {row.asset: row.amount for row in desk.world.snapshot("main").positions or ()} == {SWAP: Decimal(75)}
    assert await desk.held() == {PERP: Decimal("0.75")}


async def test_a_unit_error_is_named_and_healed_by_nobody() -> None:
    """Without contract_size a person is told once which setting is missing; the books stay as they are."""
    desk = Desk(told=AssetSettings(aliases=(SWAP,)))
    reports = [await desk.read() for _ in range(3)]
    for report in reports:
        assert any('write contract_size = "0.01"' in warning for warning in report.summary.warnings)
    assert len(desk.heard.sentences) == 1
    assert "100000" not in desk.heard.sentences[0]
    assert await desk.held() == {PERP: Decimal(1)}
    assert desk.broker.asked == []


async def test_an_empty_account_is_adopted_in_the_books_own_terms() -> None:
    """Adopted are 1 BTC-PERP, not 100 contracts, and the next reading matches."""
    desk = Desk()
    desk.books = EngineBooks("main", desk.clock)
    settings = Settings(assets={PERP: replace(COINS, local_name="BTC")})
    account = Account(name="main", local=desk.books, broker=desk.broker, settings=settings)
    desk.reconciler = PositionReconciler({"main": account}, desk.clock)
    await desk.reconciler.adopt("main")
    assert await desk.held() == {"BTC": Decimal(1)}
    assert (await desk.read()).status == "matched"


async def test_a_contract_size_that_the_venue_contradicts_is_said() -> None:
    """The user's word counts, and a person hears that the venue says another: here it would hide a factor of ten."""
    desk = Desk("10", told=replace(COINS, contract_size=Decimal("0.1")))
    report = await desk.read()
    assert report.status == "matched"
    assert any(
        'says contract_size = "0.1", and the venue lists contracts of 0.01' in each for each in report.summary.warnings
    )
    assert len(desk.heard.sentences) == 1


async def test_the_record_keeps_what_each_side_said(tmp_path: Path) -> None:
    """100 of the venue's contracts under the venue's name: what was compared can always be worked out again."""
    desk = Desk()
    record = await desk.recorded(tmp_path)
    await desk.read()
    (past,) = (await record.restore("main")).readings
    stated, held = past.observation.broker, past.observation.local
    assert isinstance(stated, Snapshot) and isinstance(held, Snapshot)
    assert [(row.asset, row.amount, row.multiplier) for row in stated.positions or ()] == [
        (SWAP, Decimal(100), Decimal("0.01"))
    ]
    assert [(row.asset, row.amount) for row in held.positions or ()] == [(PERP, Decimal(1))]
    await record.close()


def test_a_new_table_is_no_movement_at_the_broker() -> None:
    """After a start with other names a difference is unexplained; by the old baseline the broker contradicted itself."""
    old, new = Settings(), Settings(assets={PERP: COINS})
    held = pos("X", "1")
    seen = [side(held, pos(SWAP, "100"), fills=()).said("broker", START + timedelta(hours=n), "main") for n in (0, 1)]
    stated = [replace(each, fills_since=START - timedelta(days=7)) for each in seen]
    readings = [
        Observation(each.as_of, "main", replace(each, source="local", positions=(held,)), each) for each in stated
    ]

    def causes(state: State) -> set[CauseCode]:
        outcome = reconcile_observation(readings[1], state, new, Policy(), trigger="manual")
        return {found.cause.code for found in outcome.report.discrepancies if found.asset == PERP}

    before = reconcile_observation(readings[0], State(), old, Policy(), trigger="manual").state
    assert causes(before) == {CauseCode.STALE_BROKER}
    assert causes(renamed(before, [old], new)) == {CauseCode.UNKNOWN}
    assert renamed(before, [old], old) is before
