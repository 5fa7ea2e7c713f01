"""What holds for every ledger, whatever is booked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext

from hypothesis import assume, given
from hypothesis import strategies as st

from tieout.books.entries import Entry
from tieout.books.instruments import Instrument
from tieout.books.ledger import DecimalLedger, ledger_from
from tieout.errors import BookError
from tieout.model.amounts import EXACT, ZERO
from tieout.model.snapshot import Activity, Balance, Fill, Position

START = datetime(2026, 11, 20, tzinfo=UTC)
REGISTRY = {
    instrument.asset: instrument
    for instrument in (
        Instrument(asset="CASH", settlement="cash", currency="USD"),
        Instrument(asset="SWAP", settlement="margin", quote="USD", multiplier=Decimal("0.01")),
        Instrument(asset="COIN", settlement="inverse", base="BTC", multiplier=Decimal(100)),
        Instrument(asset="BTC/USD", held_in="balances"),
    )
}
ASSETS = tuple(REGISTRY)

numbers = st.decimals(Decimal("0.00000001"), Decimal("1000000"), places=8)
signed_numbers = st.decimals(Decimal("-1000000"), Decimal("1000000"), places=8)


@st.composite
def fills(draw: st.DrawFn, assets: tuple[str, ...] = ASSETS) -> Fill:
    """Any fill of one of the assets; ids repeat now and then."""
    return Fill(
        fill_id=f"f-{draw(st.integers(0, 40))}",
        asset=draw(st.sampled_from(assets)),
        side=draw(st.sampled_from(("buy", "sell"))),
        quantity=draw(numbers),
        price=draw(numbers),
        at=START + timedelta(seconds=draw(st.integers(0, 9))),
        fee=draw(st.none() | signed_numbers),
        fee_currency=draw(st.sampled_from(("USD", "BTC", "BNB", "CASH"))),
    )


@st.composite
def activities(draw: st.DrawFn) -> Activity:
    """Any activity that keeps the rules of its kind."""
    activity_id = f"a-{draw(st.integers(0, 20))}"
    kind = draw(st.sampled_from(("deposit", "split", "symbol_change", "merger")))
    if kind == "deposit":
        return Activity(activity_id, "deposit", START, currency="USD", amount=draw(signed_numbers))
    asset = draw(st.sampled_from(("CASH", "SWAP")))
    if kind == "split":
        return Activity(activity_id, "split", START, asset=asset, ratio=draw(st.sampled_from(("2", "1/3", "0.7"))))
    if kind == "symbol_change":
        return Activity(activity_id, "symbol_change", START, asset=asset, new_asset="RENAMED")
    amount = draw(signed_numbers)
    return Activity(activity_id, "merger", START, asset=asset, amount=amount, new_asset="NEW", new_amount=-amount)


records = fills() | activities()


def write(ledger: DecimalLedger, record: Fill | Activity, *, reverse: bool = False) -> bool:
    """Book or reverse a record; False where the books refuse it."""
    try:
        if isinstance(record, Fill):
            (ledger.reverse_fill if reverse else ledger.book_fill)(record)
        else:
            (ledger.reverse_activity if reverse else ledger.book_activity)(record)
    except BookError:
        return False
    return True


@st.composite
def ledgers(draw: st.DrawFn) -> DecimalLedger:
    """A ledger with opening rows, bookings, reversals and adjustments."""
    ledger = DecimalLedger(REGISTRY)
    ledger.open(Balance(currency="USD", total=draw(signed_numbers)))
    ledger.open(Position(asset="CASH", amount=draw(signed_numbers), average_price=draw(st.none() | numbers)))
    for fill in draw(st.lists(fills(), max_size=3)):
        ledger.open(fill)
    for record in draw(st.lists(records, max_size=12)):
        write(ledger, record)
        if draw(st.integers(0, 4)) == 0:
            ledger.set_position("SWAP", "net", draw(signed_numbers), reason="law")
        standing: list[Fill | Activity] = [*ledger.standing.fills, *ledger.standing.activities]
        if standing and draw(st.integers(0, 2)) == 0:
            write(ledger, draw(st.sampled_from(standing)), reverse=True)
    return ledger


@given(ledgers(), records)
def test_booking_then_reversing_is_as_before(ledger: DecimalLedger, record: Fill | Activity) -> None:
    """After a reversal every amount, every cost and all cash are exactly what they were; history keeps both entries."""
    held, count, standing = ledger.held, len(ledger.entries), ledger.standing.fills
    assume(write(ledger, record))
    assert write(ledger, record, reverse=True)
    assert ledger.held == held
    assert len(ledger.entries) == count + 2
    assert ledger.standing.fills == standing


@given(
    ledgers(), st.lists(fills(), min_size=2, max_size=6, unique_by=lambda fill: (fill.asset, fill.fill_id, fill.side))
)
def test_reversing_from_the_middle_is_as_if_never_booked(ledger: DecimalLedger, later: list[Fill]) -> None:
    """A reversed booking leaves nothing behind in what was booked after it."""
    without = ledger_from(ledger.entries, REGISTRY)
    booked = [fill for fill in later if write(ledger, fill)]
    assume(len(booked) > 1)
    for fill in booked[1:]:
        assert write(without, fill)
    ledger.reverse_fill(booked[0])
    assert ledger.held == without.held


@given(ledgers())
def test_any_entry_can_be_asked_for(ledger: DecimalLedger) -> None:
    """What was held at entry n is what a ledger of the first n entries holds, and the numbers have no gap."""
    assert [entry.number for entry in ledger.entries] == list(range(1, len(ledger.entries) + 1))
    for number in range(len(ledger.entries) + 1):
        rebuilt = ledger_from(ledger.entries[:number], REGISTRY)
        assert ledger.held_at(number) == rebuilt.held
    assert ledger.held_at(len(ledger.entries)) == ledger.held


@given(ledgers(), records)
def test_a_refused_booking_changes_nothing(ledger: DecimalLedger, record: Fill | Activity) -> None:
    """Booking again what stands is refused, and entries and holdings are untouched."""
    write(ledger, record)
    before: tuple[tuple[Entry, ...], object] = (ledger.entries, ledger.held)
    assert not write(ledger, record)
    assert (ledger.entries, ledger.held) == before


@given(ledgers(), st.integers(0, 30))
def test_cutting_back_is_the_same_ledger_earlier(ledger: DecimalLedger, number: int) -> None:
    """Dropping the last entries leaves holdings and standing bookings as they were then."""
    assume(number <= len(ledger.entries))
    then = ledger_from(ledger.entries[:number], REGISTRY)
    ledger.cut_back(number)
    assert (ledger.entries, ledger.held) == (then.entries, then.held)
    assert ledger.standing.fills == then.standing.fills
    assert ledger.standing.activities == then.standing.activities


@given(st.lists(fills(), max_size=10, unique_by=lambda fill: (fill.asset, fill.fill_id, fill.side)), st.randoms())
def test_order_of_independent_assets_does_not_matter(booked: list[Fill], random: object) -> None:
    """As long as each asset's own fills keep their order, any interleaving adds up to the same holdings."""
    booked = [fill for fill in booked if fill.fee_currency != "CASH"]
    one, other = DecimalLedger(REGISTRY), DecimalLedger(REGISTRY)
    for fill in booked:
        one.book_fill(fill)
    for asset in reversed(ASSETS):
        for fill in booked:
            if fill.asset == asset:
                other.book_fill(fill)
    assert one.held.positions == other.held.positions
    assert total_by_currency(one) == total_by_currency(other)


def total_by_currency(ledger: DecimalLedger) -> dict[str, Decimal]:
    """Cash with the fees that stand apart from it."""
    held = ledger.held
    with localcontext(EXACT):
        currencies = held.cash.keys() | held.fees_apart.keys()
        return {name: held.cash.get(name, ZERO) + held.fees_apart.get(name, ZERO) for name in currencies}


@given(st.lists(fills(("CASH", "BTC/USD")), max_size=10, unique_by=lambda fill: (fill.asset, fill.fill_id, fill.side)))
def test_cash_is_the_sum_of_its_effects(booked: list[Fill]) -> None:
    """Cash-settled fills move the quote currency by -signed × price, a pair its base, and each its fee: to the digit."""
    ledger = DecimalLedger(REGISTRY)
    ledger.open(Balance(currency="BTC", total=ZERO))
    expected = {"USD": ZERO, "BTC": ZERO, "BNB": ZERO}
    booked = [fill for fill in booked if fill.fee_currency != "CASH"]
    with localcontext(EXACT):
        for fill in booked:
            ledger.book_fill(fill)
            expected["USD"] -= fill.signed * fill.price
            expected["BTC"] += fill.signed if fill.asset == "BTC/USD" else ZERO
            expected[fill.fee_currency or ""] -= fill.fee or ZERO
        amount = sum((fill.signed for fill in booked if fill.asset == "CASH"), ZERO)
    totals = total_by_currency(ledger)
    assert {name: totals.get(name, ZERO) for name in expected} == expected
    held = ledger.held.positions.get(("CASH", "net"))
    assert (held.amount if held else ZERO) == amount


@given(st.lists(fills(("SWAP",)), min_size=1, max_size=8, unique_by=lambda fill: (fill.fill_id, fill.side)), numbers)
def test_margin_cash_and_cost_keep_the_value(booked: list[Fill], price: Decimal) -> None:
    """Profit taken plus profit still open is what the trades were worth, however they were cut up."""
    ledger = DecimalLedger(REGISTRY)
    with localcontext(EXACT):
        worth = ZERO
        for fill in booked:
            fill = Fill(fill.fill_id, "SWAP", fill.side, fill.quantity, fill.price, fill.at)
            ledger.book_fill(fill)
            worth += fill.signed * (price - fill.price) * Decimal("0.01")
        held = ledger.held.positions["SWAP", "net"]
        open_profit = held.amount * (price - (held.average or ZERO)) * Decimal("0.01")
        # An average cost has 64 digits, which is all that can be lost.
        assert abs(ledger.held.cash["USD"] + open_profit - worth) < Decimal("1e-40")


@given(st.lists(fills(("COIN",)), min_size=1, max_size=8, unique_by=lambda fill: (fill.fill_id, fill.side)), numbers)
def test_inverse_cash_and_cost_keep_the_value(booked: list[Fill], price: Decimal) -> None:
    """The same for an inverse contract, in its coin."""
    ledger = DecimalLedger(REGISTRY)
    with localcontext() as context:
        context.prec = 200
        worth = ZERO
        for fill in booked:
            fill = Fill(fill.fill_id, "COIN", fill.side, fill.quantity, fill.price, fill.at)
            ledger.book_fill(fill)
            worth += fill.signed * 100 * (1 / fill.price - 1 / price)
        held = ledger.held.positions["COIN", "net"]
        open_profit = held.amount * 100 * (1 / held.average - 1 / price) if held.average else ZERO
        assert abs(ledger.held.cash["BTC"] + open_profit - worth) < Decimal("1e-25")
