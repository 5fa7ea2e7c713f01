"""What one name an asset does to a side: nothing without a table, nothing twice, no amount lost, nothing merged unsaid."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.model.strategies import ASSETS, CURRENCIES, amounts, decimals, snapshots
from tieout.errors import SourceMalformed
from tieout.model.amounts import EXACT
from tieout.model.codec import decode_snapshot, encode
from tieout.model.identified import identified, meant
from tieout.model.identity import Identity, clashes, identity_of
from tieout.model.settings import AssetSettings
from tieout.model.snapshot import Activity, Balance, Fill, Observation, Order, Position, Snapshot

NAMES = (*ASSETS, *CURRENCIES, "XBT", "XXBT", "WBTC", "FB", "META")
NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)


few = settings(max_examples=25)  # whole sides are slow to draw


def holding(*positions: Position, source: Any = "broker", **more: Any) -> Snapshot:
    """A side that holds these positions."""
    return Snapshot("tieout.snapshot/1", "main", source, NOW, positions=positions, **more)


def table(**assets: AssetSettings) -> Identity:
    """The identity of a table without a clash."""
    assert clashes(assets) == []
    return identity_of(assets)


def asset_settings() -> st.SearchStrategy[AssetSettings]:
    """What somebody may write of one asset, right or wrong."""
    some = st.lists(st.sampled_from(NAMES), max_size=2, unique=True).map(tuple)
    days = st.dictionaries(st.sampled_from(NAMES), st.dates(), max_size=1)
    one = st.one_of(st.none(), st.sampled_from(NAMES))
    return st.builds(AssetSettings, aliases=some, same_as=some, renamed=days, broker_name=one, local_name=one)


tables = st.dictionaries(st.sampled_from(NAMES), asset_settings(), max_size=3)


@few
@given(snapshots())
def test_an_empty_table_changes_nothing(side: Snapshot) -> None:
    """Without a table a side is itself, the very same object."""
    assert identified(side, Identity()) is side
    assert identified(side, identity_of({"BTC": AssetSettings(step=Decimal("0.1"))})) is side


@given(tables)
def test_a_name_means_one_asset_or_is_refused(assets: dict[str, AssetSettings]) -> None:
    """Whatever is written: where two assets would share a name, or a name is an asset of its own, there is a sentence."""
    owners: dict[str, set[str]] = defaultdict(set)
    for asset, told in assets.items():
        said = {*told.aliases, *told.same_as, *(told.renamed or {}), told.broker_name, told.local_name} - {None, asset}
        for name in said:
            assert name is not None
            owners[name] |= {asset} | ({name} if name in assets else set())
    if any(len(whose) > 1 for whose in owners.values()):
        assert clashes(assets)


def totals(side: Snapshot, identity: Identity) -> dict[tuple[str, str], Decimal]:
    """What a side holds of each asset and currency, under one name."""
    held: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    day = side.as_of.astimezone(UTC).date()
    for row in side.positions or ():
        held["asset", identity.name(row.asset, day)] = EXACT.add(
            held["asset", identity.name(row.asset, day)], row.amount
        )
    for cash in side.balances or ():
        name = identity.name(cash.currency, day)
        held["cash", name] = EXACT.add(held["cash", name], cash.total)
    return {key: value for key, value in held.items() if value}


@few
@given(snapshots(), tables)
def test_no_amount_is_lost_or_made(side: Snapshot, assets: dict[str, AssetSettings]) -> None:
    """Holdings are the exact sums of what was said, every record is still there, and what comes out can be written down.

    What goes by its one name already stays as it is: twice is once.
    """
    assume(not clashes(assets))
    identity = identity_of(assets)
    try:
        after = identified(side, identity)
    except SourceMalformed:
        return
    assert totals(after, identity) == totals(side, identity)
    for section in ("orders", "fills", "activities"):
        before, now = getattr(side, section), getattr(after, section)
        assert (before is None) == (now is None)
        assert len(before or ()) == len(now or ())
    assert [row.signed for row in after.fills or ()] == [row.signed for row in side.fills or ()]
    assert identified(after, identity) == after
    assert decode_snapshot(encode(after), "after", after.source) == after


@given(st.lists(st.tuples(decimals(), amounts), min_size=1, max_size=3), decimals(signed=False, least=1))
def test_contracts_become_units_exactly(held: list[tuple[Decimal, Decimal]], size: Decimal) -> None:
    """Each amount times the size, to the last digit, on the broker's side alone; or a failure, never a rounded number."""
    identity = identity_of({f"A{n}": AssetSettings(contract_size=size) for n in range(len(held))})
    rows = tuple(Position(f"A{n}", each) for n, (_, each) in enumerate(held))
    local = holding(*rows, source="local")
    assert identified(local, identity) == local
    try:
        after = identified(holding(*rows), identity)
    except SourceMalformed:
        return
    assert [row.amount for row in after.positions or ()] == [EXACT.multiply(row.amount, size) for row in rows]


# --- what does not add up


def test_two_rows_under_two_aliases_are_no_names_of_one_thing() -> None:
    """A venue that holds XBT and BTC at once holds two assets: refused, and never added up."""
    identity = table(BTC=AssetSettings(aliases=("XBT",)))
    with pytest.raises(SourceMalformed, match="BTC and XBT are names of BTC"):
        identified(holding(Position("BTC", Decimal(1)), Position("XBT", Decimal(2))), identity)
    one = identified(holding(Position("BTC", Decimal(0)), Position("XBT", Decimal(2))), identity)
    assert one.positions == (Position("BTC", Decimal(2)),)


@pytest.mark.parametrize("field", ["multiplier", "settlement", "currency"])
def test_twins_that_are_counted_otherwise_do_not_add_up(field: str) -> None:
    """Equal only in name: another multiplier, settlement or currency is a failure."""
    values = {"multiplier": (Decimal(1), Decimal(10)), "settlement": ("cash", "margin"), "currency": ("USD", "EUR")}
    first, second = values[field]
    rows = (
        replace(Position("ETH", Decimal(1)), **{field: first}),
        replace(Position("stETH", Decimal(1)), **{field: second}),
    )
    with pytest.raises(SourceMalformed, match=field):
        identified(holding(*rows), table(ETH=AssetSettings(same_as=("stETH",))))


def test_average_prices_together_are_exact_or_not_told() -> None:
    """Two lots have the exact average of both; where that has no end, or they point two ways, there is none."""
    identity = table(ETH=AssetSettings(same_as=("stETH",)))

    def together(*lots: tuple[str, str]) -> Iterable[tuple[Decimal, Decimal | None]]:
        rows = [
            Position(name, Decimal(amount), average_price=Decimal(price))
            for name, (amount, price) in zip(("ETH", "stETH"), lots, strict=True)
        ]
        return [(row.amount, row.average_price) for row in identified(holding(*rows), identity).positions or ()]

    assert together(("1", "2000"), ("3", "3000")) == [(Decimal(4), Decimal(2750))]
    assert together(("1", "2000"), ("2", "3001")) == [(Decimal(3), None)]
    assert together(("1", "2000"), ("-3", "3000")) == [(Decimal(-2), None)]


def test_balances_of_twins_add_up() -> None:
    """Totals and parts are summed; a part that one of them does not tell is not told of the sum."""
    cash = Balance("SOL", Decimal(1), Decimal("0.4"), Decimal("0.6")), Balance("SOL.F", Decimal(2), Decimal(2), None)
    identity = table(SOL=AssetSettings(same_as=("SOL.F",)))
    after = identified(holding(balances=cash), identity)
    assert after.balances == (Balance("SOL", Decimal(3), Decimal("2.4"), None),)


def test_records_that_one_name_brings_together_do_not_contradict_each_other() -> None:
    """A record without its order's id that now stands beside another trade's is refused; beside its own it stays."""
    named = Fill("7", "XBT/USD", "buy", Decimal(1), Decimal(100), NOW, "o-1")
    identity = identity_of({"BTC/USD": AssetSettings(aliases=("XBT/USD",))})
    bare = replace(named, asset="BTC/USD", broker_order_id=None)
    assert len(identified(holding(fills=(named, bare)), identity).fills or ()) == 2
    with pytest.raises(SourceMalformed, match="records of one fill with different values"):
        identified(holding(fills=(named, replace(bare, price=Decimal(101)))), identity)


def test_two_trades_of_twins_are_never_one() -> None:
    """Venues that number by symbol give one id to two trades: they are refused, not counted once, nor as booked twice."""
    rows = tuple(Fill("7", name, "buy", Decimal(1), Decimal(100), NOW) for name in ("BTC/USD", "WBTC/USD"))
    identity = identity_of({"BTC/USD": AssetSettings(same_as=("WBTC/USD",))})
    for source in ("local", "broker"):
        with pytest.raises(SourceMalformed, match="different fills of one id"):
            identified(holding(source=source, fills=rows), identity)


def test_one_section_that_does_not_add_up_leaves_the_others() -> None:
    """Positions that clash are positions that were not read: never flat, and balances are still compared."""
    side = holding(Position("BTC", Decimal(1)), Position("XBT", Decimal(2)), balances=(Balance("USD", Decimal(5)),))
    seen, refusals = meant(
        Observation(NOW, "main", replace(side, source="local"), side), table(BTC=AssetSettings(aliases=("XBT",)))
    )
    assert isinstance(seen.broker, Snapshot)
    assert (seen.broker.positions, seen.broker.covers("positions")) == (None, "failed")
    assert seen.broker.covers("balances") == "complete"
    assert len(refusals) == 2


# --- names and days


def test_a_former_name_means_nothing_before_its_day() -> None:
    """FB is META from its day on; the day before, META was another company's."""
    identity = table(META=AssetSettings(renamed={"FB": date(2022, 6, 9)}))
    rows = Position("FB", Decimal(1)), Position("META", Decimal(0))
    before = replace(holding(*rows), as_of=datetime(2022, 6, 8, 23, 59, tzinfo=UTC))
    after = replace(before, as_of=datetime(2022, 6, 9, tzinfo=UTC))
    assert [row.asset for row in identified(before, identity).positions or ()] == ["FB", "META"]
    assert identified(after, identity).positions == (Position("META", Decimal(1)),)


def test_a_pair_says_which_coins_it_moves() -> None:
    """XBT/EUR is no name of BTC, but what it buys is: the trade says so, for its name no longer does."""
    trade = Fill("1", "XBT/EUR", "buy", Decimal(1), Decimal(100), NOW, fee=Decimal(1), fee_currency="XXBT")
    identity = table(BTC=AssetSettings(aliases=("XBT", "XXBT")))
    (after,) = identified(holding(fills=(trade,)), identity).fills or ()
    assert (after.asset, after.base, after.quote, after.fee_currency) == ("XBT/EUR", "BTC", None, "BTC")


def test_what_moves_between_twins_leaves_only_the_rest() -> None:
    """Wrapping 1 BTC into 0.999 WBTC costs 0.001; a rename within one name moves nothing, a twin's split is its own."""
    identity = table(BTC=AssetSettings(same_as=("WBTC",), aliases=("XBT",)))
    wrapped = Activity(
        "1", "conversion", NOW, asset="BTC", amount=Decimal(-1), new_asset="WBTC", new_amount=Decimal("0.999")
    )
    rename = Activity("2", "symbol_change", NOW, asset="XBT", new_asset="BTC")
    split = Activity("3", "split", NOW, asset="WBTC", ratio="2")
    after = identified(holding(activities=(wrapped, rename, split)), identity).activities or ()
    assert after[0] == Activity("1", "conversion", NOW, asset="BTC", amount=Decimal("-0.001"))
    assert after[1:] == (rename, split)


def test_an_order_is_converted_with_what_is_filled_of_it() -> None:
    """100 contracts of which 40 traded are 1 coin of which 0.4 traded, at the same price."""
    order = Order("P", "buy", Decimal(100), "partially_filled", "b-1", filled=Decimal(40), limit_price=Decimal(50))
    identity = identity_of({"P": AssetSettings(contract_size=Decimal("0.01"))})
    (after,) = identified(holding(orders=(order,)), identity).orders or ()
    assert after == replace(order, quantity=Decimal(1), filled=Decimal("0.4"))
    assert after.remaining == Decimal("0.6")
