"""What holds of every comparison and every explanation, whatever the account."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from itertools import combinations
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.explain.building import bal, broker, fill, local, moment, pos, read
from tests.laws.worlds import World, cured, held, worlds
from tests.model.strategies import snapshots
from tieout.compare import compare
from tieout.decide import Policy
from tieout.explain.market import Market
from tieout.explain.projection import Projection
from tieout.explain.records import Standing, plain_record
from tieout.explain.search import only_subset
from tieout.live.road import State, reconcile_observation
from tieout.model.amounts import exact
from tieout.model.codec import encode
from tieout.model.discrepancy import CauseCode
from tieout.model.pairing import activities_vouched_from, fills_vouched_from
from tieout.model.settings import Settings
from tieout.model.snapshot import SECTIONS, Observation, Settlement, Snapshot
from tieout.observe import coverage_of

WHOLE: Any = dict.fromkeys(("positions", "balances", "orders", "fills"), "compared")
FAST = settings(max_examples=60, deadline=None)
DOMAINS = {"positions": "position", "balances": "balance", "orders": "order", "fills": "fill"}


def turned(snapshot: Snapshot, source: Any) -> Snapshot:
    """The same statement of the other side."""
    return replace(snapshot, source=source)


@FAST
@given(snapshots("local"))
def test_a_side_agrees_with_itself(snapshot: Snapshot) -> None:
    """Comparing a statement with itself finds nothing."""
    assert compare(snapshot, turned(snapshot, "broker"), WHOLE, Settings()) == ()


@FAST
@given(worlds())
def test_a_world_agrees_with_itself(world: World) -> None:
    """An account compared with itself has neither differences nor causes."""
    seen = read(
        world.local, turned(replace(world.local, fills=tuple(dict.fromkeys(world.local.fills or ()))), "broker")
    )
    assert not [key for key in seen.differences if key.domain != "fill"]


@FAST
@given(worlds())
def test_swapping_the_sides_negates_every_difference(world: World) -> None:
    """What the broker has more, local has less: differences of holdings turn their sign when the sides are swapped."""
    one = compare(world.local, world.broker, WHOLE, Settings())
    other = compare(turned(world.broker, "local"), turned(world.local, "broker"), WHOLE, Settings())
    rows = [
        {row.key: (sign * row.difference, row.percent, row.severity, row.usd_value) for row in found if _held(row)}
        for found, sign in ((one, 1), (other, -1))
    ]
    assert rows[0] == rows[1]


def _held(row: Any) -> Any:
    return row.key.domain in ("position", "balance")


def _respelt(value: Any, zeros: int) -> Any:
    if isinstance(value, Decimal):
        sign, digits, exponent = value.as_tuple()
        assert isinstance(exponent, int)
        return Decimal((sign, (*digits, *(0,) * zeros), exponent - zeros))
    return value


def _rewritten(snapshot: Snapshot, draw: Any) -> Snapshot:
    """The same statement with its rows in another order and its numbers spelt otherwise."""
    sections = {}
    for section in SECTIONS:
        rows = getattr(snapshot, section)
        if rows is not None:
            mixed = draw(st.permutations(rows))
            zeros = draw(st.integers(0, 3))
            told = [{name: _respelt(getattr(row, name), zeros) for name in row.__struct_fields__} for row in mixed]
            sections[section] = tuple(type(row)(**fields) for row, fields in zip(mixed, told, strict=True))
    return replace(snapshot, **sections)


def _report(ours: Snapshot, theirs: Snapshot) -> bytes:
    observation = Observation(ours.as_of, ours.account, ours, theirs)
    outcome = reconcile_observation(observation, State(), Settings(), Policy(), trigger="replay")
    return encode(replace(outcome.report, report_id="same"))


@FAST
@given(worlds(), st.data())
def test_neither_the_order_of_rows_nor_the_spelling_of_numbers_matters(world: World, data: Any) -> None:
    """The same account gives the same report, byte for byte, however its file is written."""
    again = _rewritten(world.local, data.draw), _rewritten(world.broker, data.draw)
    assert _report(world.local, world.broker) == _report(*again)


@FAST
@given(worlds())
def test_explained_and_residual_make_the_difference(world: World) -> None:
    """Every cause accounts for the whole difference: what it explains and what it leaves."""
    seen = read(world.local, world.broker)
    for key, cause in seen.explanation.causes.items():
        assert cause.explained + cause.residual == seen.differences[key].difference
        assert cause.code is not CauseCode.UNKNOWN or not cause.explained


@FAST
@given(worlds(), st.integers(0, 2000), st.integers(0, 2000), st.integers(1, 9))
def test_a_wider_tolerance_never_finds_more(world: World, usd: int, more: int, unit: int) -> None:
    """Raising a threshold or a smallest unit never puts a difference beyond tolerance."""
    narrow = Settings(threshold_usd=Decimal(usd), position_threshold_usd=Decimal(usd))
    wide = replace(narrow, threshold_usd=Decimal(usd + more), position_threshold_usd=Decimal(usd + more))
    coarse = replace(wide, unvalued_percent=Decimal(unit))
    beyond = [
        {row.key for row in compare(world.local, world.broker, WHOLE, told) if not row.within_tolerance}
        for told in (narrow, wide, coarse)
    ]
    assert beyond[2] <= beyond[1] <= beyond[0]


RECORDED = frozenset(CauseCode) - {
    CauseCode.UNKNOWN, CauseCode.IN_FLIGHT, CauseCode.STALE_BROKER, CauseCode.PARTIAL_RESPONSE, CauseCode.ROUNDING,
    CauseCode.MULTIPLIER,
}  # fmt: skip


@FAST
@given(worlds())
def test_booking_what_explains_a_break_closes_it(world: World) -> None:
    """Where records leave nothing, booking them into local brings every row that they touch to the broker's amount."""
    seen, theirs, ours = read(world.local, world.broker), held(world.broker), held(world.local)
    for case in seen.explanation.cases:
        if not case.closes or case.keys[0].domain not in ("position", "balance"):
            continue
        assert all(seen.explanation.causes[key].code in RECORDED for key in case.keys)
        after = cured(world, case.changes)
        residuals = {key.asset: seen.explanation.causes[key].residual for key in case.keys}
        touched = {name for name in theirs if after[name] != ours[name]} | set(residuals)
        for name in touched:
            assert theirs[name] - after[name] == residuals.get(name, 0)


@FAST
@given(worlds(noise=False))
def test_records_old_enough_and_vouched_for_explain_everything(world: World) -> None:
    """Where nothing but records sets two sides apart, and all of them count, nothing stays unexplained."""
    vouched = replace(world.broker, fills_since=world.broker.as_of.replace(year=2000))
    old = _aged(World(world.local, vouched, world.noise))
    seen = read(old.local, old.broker)
    for key, cause in seen.explanation.causes.items():
        if key.domain in ("position", "balance") and str(seen.differences[key].type) != "LOCKED_MISMATCH":
            assert cause.residual == 0
            assert cause.code is not CauseCode.UNKNOWN


def _aged(world: World) -> World:
    """The same account with every order and record an hour older."""
    sides = []
    for snapshot in (world.local, world.broker):
        rows = {
            section: tuple(replace(row, at=row.at.replace(hour=row.at.hour - 1)) for row in getattr(snapshot, section))
            for section in ("fills", "activities")
        }
        orders = tuple(replace(row, updated_at=moment(-9000)) for row in snapshot.orders or ())
        sides.append(replace(snapshot, orders=orders, **rows))
    return World(sides[0], sides[1], world.noise)


vectors = st.lists(st.tuples(*[st.integers(-4, 4).map(Decimal)] * 2).filter(any), max_size=8)


@settings(max_examples=200, deadline=None)
@given(vectors, st.tuples(*[st.integers(-6, 6).map(Decimal)] * 2).filter(any))
def test_the_search_agrees_with_trying_everything(effects: Any, target: Any) -> None:
    """The search finds a set of records exactly if it is the only one that sums to the target."""
    ways = [
        chosen
        for size in range(len(effects) + 1)
        for chosen in combinations(range(len(effects)), size)
        if tuple(sum((effects[i][axis] for i in chosen), Decimal(0)) for axis in (0, 1)) == target
    ]
    assert only_subset(effects, target, 16384) == (ways[0] if len(ways) == 1 else None)


@given(vectors, st.integers(1, 6))
def test_a_search_that_reaches_its_bound_explains_nothing(effects: Any, bound: int) -> None:
    """A bound never changes an answer, it only withholds it."""
    target = effects[0] if effects else (Decimal(1), Decimal(0))
    assert only_subset(effects, target, bound) in (None, only_subset(effects, target, 16384))


@FAST
@given(
    st.integers(-20, 20),
    st.integers(-30, 30).filter(bool),
    st.sampled_from(["cash", "margin", "inverse"]),
    st.sampled_from(["X", "BTC/USD"]),
    st.booleans(),
)
def test_a_trade_and_its_reversal_are_nothing(
    before: Any, traded: Any, settlement: Settlement, asset: str, flat: bool
) -> None:
    """Booking a fill and taking it back leaves a book as it was, profit and fee included."""
    rows = [] if flat else [pos(asset, before, average_price=80, settlement=settlement)]
    ours, theirs = local(*rows, bal("USD", 0)), broker(*rows, bal("USD", 0))
    row = fill("f", asset, traded, 125, fee="0.3")
    market = Market(ours, theirs, (), frozenset((asset, "USD", "BTC")), Settings())

    @exact
    def changes() -> Any:
        copy = Projection(market, {asset: settlement}, market.held, lambda _key, _record: Decimal(0))
        copy.apply(plain_record(row, Standing.MISSING))
        moved = any(copy.changes.values())
        copy.apply(plain_record(row, Standing.SURPLUS))
        return moved, {key: amount for key, amount in copy.changes.items() if amount}

    assert changes() == (True, {})


@FAST
@given(worlds())
def test_nothing_is_a_phantom_without_a_list_that_vouches(world: World) -> None:
    """Whatever is called a phantom lies in the time for which the broker's list vouches."""
    seen = read(world.local, world.broker)
    starts = {"fill": fills_vouched_from(world.broker), "activity": activities_vouched_from(world.broker)}
    times = {f"fill {row.fill_id}": row.at for row in world.local.fills or ()}
    times |= {f"activity {row.activity_id}": row.at for row in world.local.activities or ()}
    for cause in seen.explanation.causes.values():
        named = [ref.removeprefix("PHANTOM_FILL ") for ref in cause.evidence if ref.startswith("PHANTOM_FILL ")]
        for ref in cause.evidence if cause.code is CauseCode.PHANTOM_FILL else named:
            if ref in times:
                start = starts[ref.partition(" ")[0]]
                assert start is not None
                assert times[ref] >= start


@FAST
@given(worlds(), st.sampled_from(sorted(DOMAINS)), st.sampled_from(["local", "broker"]), st.booleans())
def test_a_section_that_failed_yields_no_discrepancy(world: World, section: str, whose: str, stated: Any) -> None:
    """A section that one side did not answer is not established, and never read as empty."""
    sides = {"local": world.local, "broker": world.broker}
    told: Any = {"coverage": {section: "failed"}} if stated else {section: None}
    sides[whose] = replace(sides[whose], **told)
    seen = read(sides["local"], sides["broker"])
    assert DOMAINS[section] not in {key.domain for key in seen.differences}


@FAST
@given(worlds())
def test_every_difference_is_explained_or_cited(world: World) -> None:
    """Every difference has one cause, but for fills that stand as evidence for another."""
    seen = read(world.local, world.broker)
    left = {key for key in seen.differences if key not in seen.explanation.causes}
    assert all(key.domain == "fill" for key in left)
    keys = Counter(key for case in seen.explanation.cases for key in case.keys)
    assert keys == Counter(seen.explanation.causes.keys())


@FAST
@given(worlds(), worlds())
def test_a_second_reading_is_explained_as_exactly(first: World, second: World) -> None:
    """What was remembered of one reading never breaks the sums of the next."""
    memory = read(first.local, first.broker).memory
    later = [replace(one, as_of=one.as_of.replace(minute=5)) for one in (second.local, second.broker)]
    observation = Observation(later[0].as_of, "main", later[0], later[1])
    assert set(coverage_of(observation, Settings()).values()) <= {"compared", "not_required"}
    seen = read(later[0], later[1], memory=memory)
    for key, cause in seen.explanation.causes.items():
        assert cause.explained + cause.residual == seen.differences[key].difference
