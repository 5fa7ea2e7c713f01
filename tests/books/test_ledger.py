"""What single records make of the ledger, computed by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from tieout.books.instruments import Instrument, name_parts
from tieout.books.ledger import DecimalLedger
from tieout.books.positions import FLAT, Holding, traded
from tieout.errors import BookError
from tieout.model.amounts import dec
from tieout.model.snapshot import Activity, Balance, Fill, Position

AT = datetime(2026, 11, 20, 9, tzinfo=UTC)
SWAP = Instrument(asset="BTCUSDT", settlement="margin", quote="USDT", multiplier=dec("0.01"))
COIN = Instrument(asset="BTCUSD", settlement="inverse", base="BTC", multiplier=dec("100"))
STOCK = Instrument(asset="AAPL", currency="USD")


def trade(signed: str, price: str, *, asset: str = "AAPL", fee: str | None = None, fee_currency: str = "USD") -> Fill:
    """A fill of a signed amount, with an id of its own for each different trade."""
    return Fill(
        fill_id=f"{asset} {signed}@{price}",
        asset=asset,
        side="sell" if signed.startswith("-") else "buy",
        quantity=abs(dec(signed)),
        price=dec(price),
        at=AT,
        fee=None if fee is None else dec(fee),
        fee_currency=None if fee is None else fee_currency,
    )


def activity(kind: str, **fields: str) -> Activity:
    """An activity; numbers are given as text."""
    values = {name: dec(text) if name in ("amount", "new_amount") else text for name, text in fields.items()}
    return Activity(activity_id=f"{kind} {fields}", kind=kind, at=AT, **values)  # type: ignore[arg-type]


def position(asset: str, amount: str, average: str | None = None) -> Position:
    """A net row."""
    return Position(asset=asset, amount=dec(amount), average_price=None if average is None else dec(average))


def ledger_with(*rows: Position | Balance, instruments: tuple[Instrument, ...] = (STOCK, SWAP, COIN)) -> DecimalLedger:
    """Books that open with these rows."""
    ledger = DecimalLedger({instrument.asset: instrument for instrument in instruments})
    for row in rows:
        ledger.open(row)
    return ledger


def row(ledger: DecimalLedger, asset: str) -> Holding:
    """The net row of an asset."""
    return ledger.held.positions[asset, "net"]


@pytest.mark.parametrize(
    ("before", "signed", "price", "after"),
    [
        (("0", None), "100", "1.25", ("100", "1.25")),
        (("0", None), "-100", "1.25", ("-100", "1.25")),
        (("100", "1.20"), "100", "1.24", ("200", "1.22")),
        (("-100", "1.30"), "-100", "1.26", ("-200", "1.28")),
        (("200", "1.20"), "-100", "1.99", ("100", "1.20")),
        (("100", "1.20"), "-200", "1.25", ("-100", "1.25")),
        (("150", "1.23456"), "100", "1.262335", ("250", "1.24567")),
        (("0.02", "4000"), "0.02", "4200", ("0.04", "4100")),
        (("-0.03", "4086.67"), "-0.02", "4120", ("-0.05", "4100.002")),
        (("0.05", "4000"), "-0.05", "4050", ("0", None)),
        (("0.03", "4000"), "-0.05", "4100", ("-0.02", "4100")),
        (("100", None), "100", "1.24", ("200", None)),
        (("100", None), "-40", "1.24", ("60", None)),
        (("100", None), "-140", "1.24", ("-40", "1.24")),
    ],
)
def test_average_cost_table(
    before: tuple[str, str | None], signed: str, price: str, after: tuple[str, str | None]
) -> None:
    """The average is weighted on an increase, stays on a reduction, and is the fill's price on opening and on a flip."""
    ledger = ledger_with(position("AAPL", *before))
    ledger.book_fill(trade(signed, price))
    amount, average = after
    assert row(ledger, "AAPL") == Holding(dec(amount), None if average is None else dec(average))


def test_cash_settlement_moves_the_quote_currency_and_the_fee() -> None:
    """A stock costs quantity × price, and the fee on top."""
    ledger = ledger_with(Balance(currency="USD", total=dec("10000")))
    ledger.book_fill(trade("10", "187.23", fee="0.10"))
    ledger.book_fill(trade("-4", "190", fee="-0.05"))
    assert ledger.held.cash == {"USD": dec("10000") - dec("1872.30") - dec("0.10") + dec("760") + dec("0.05")}


def test_multiplier_counts_in_cash_and_in_profit() -> None:
    """A contract of 100 costs a hundred times its price; a swap of 0.01 earns a hundredth of the difference."""
    option = Instrument(asset="OPT", currency="USD", multiplier=dec("100"))
    ledger = ledger_with(instruments=(option, SWAP))
    ledger.book_fill(trade("2", "1.5", asset="OPT"))
    ledger.book_fill(trade("30", "50000", asset="BTCUSDT"))
    ledger.book_fill(trade("-10", "51000", asset="BTCUSDT"))
    assert ledger.held.cash == {"USD": dec("-300"), "USDT": dec("100")}


def test_margin_profit_on_a_short_that_flips() -> None:
    """Only the closed part earns: short 3 at 100 and bought 5 at 90 earns 3 × 10, and leaves 2 at 90."""
    swap = Instrument(asset="X", settlement="margin", quote="USDT")
    ledger = ledger_with(instruments=(swap,))
    ledger.book_fill(trade("-3", "100", asset="X", fee="0.3", fee_currency="USDT"))
    ledger.book_fill(trade("5", "90", asset="X"))
    assert ledger.held.cash == {"USDT": dec("29.7")}
    assert row(ledger, "X") == Holding(dec("2"), dec("90"))


def test_inverse_profit_is_in_the_coin() -> None:
    """10 contracts of 100 USD from 20000 to 25000 earn 1000 × (1/20000 - 1/25000) = 0.01 BTC."""
    ledger = ledger_with()
    ledger.book_fill(trade("10", "20000", asset="BTCUSD", fee="0.00005", fee_currency="BTC"))
    ledger.book_fill(trade("-10", "25000", asset="BTCUSD"))
    assert ledger.held.cash == {"BTC": dec("0.00995")}
    assert row(ledger, "BTCUSD") == FLAT


def test_inverse_average_is_weighted_by_coins() -> None:
    """Opened at 10000 and 20000 in equal contracts, an inverse contract breaks even at 13333.3…, not at 15000."""
    held = traded(Holding(dec("1"), dec("10000")), dec("1"), dec("20000"), inverse=True)
    assert held.amount == 2
    assert held.average is not None
    assert abs(held.average - dec("40000") / 3) < dec("0.0000000001")


def test_inverse_price_of_zero_is_refused() -> None:
    """An inverse contract cannot be valued at 0."""
    ledger = ledger_with()
    with pytest.raises(BookError, match="price of 0"):
        ledger.book_fill(trade("1", "0", asset="BTCUSD"))
    assert ledger.entries == ()


def test_unknown_cost_claims_no_profit() -> None:
    """A position without an average cost earns nothing that anybody could name."""
    ledger = ledger_with(position("BTCUSDT", "10"), Balance(currency="USDT", total=dec("5")))
    ledger.book_fill(trade("-10", "51000", asset="BTCUSDT", fee="1", fee_currency="USDT"))
    assert ledger.held.cash == {"USDT": dec("4")}


@pytest.mark.parametrize("asset", ["BTC/USDT", "BTC-USDT"])
def test_spot_pair_moves_two_balances(asset: str) -> None:
    """A pair without position rows moves base and quote, with the fee in the base coin, and gets no row."""
    ledger = ledger_with(Balance(currency="USDT", total=dec("100000")))
    ledger.book_fill(trade("1.5", "40000", asset=asset, fee="0.0015", fee_currency="BTC"))
    assert ledger.held.cash == {"USDT": dec("40000"), "BTC": dec("1.4985")}
    assert ledger.held.positions == {}


def test_spot_pair_registered_under_any_name() -> None:
    """What the registry says is held in balances is, whatever its name looks like."""
    pair = Instrument(asset="BTCUSDT", base="BTC", quote="USDT", held_in="balances")
    ledger = ledger_with(instruments=(pair,))
    ledger.book_fill(trade("-2", "10", asset="BTCUSDT"))
    assert ledger.held.cash == {"BTC": dec("-2"), "USDT": dec("20")}


def test_pair_with_a_row_stays_a_position() -> None:
    """A pair that has a position row moves that row, and the quote currency by its name."""
    ledger = ledger_with(position("BTC/USDT", "1", "30000"))
    ledger.book_fill(trade("1", "40000", asset="BTC/USDT"))
    assert row(ledger, "BTC/USDT") == Holding(dec("2"), dec("35000"))
    assert ledger.held.cash == {"USDT": dec("-40000")}


def test_class_b_share_is_no_spot_pair() -> None:
    """A dash does not make balances of a share whose fills name another quote currency."""
    ledger = ledger_with(Balance(currency="USD", total=dec("1000")), Balance(currency="B", total=dec("0")))
    ledger.book_fill(Fill("f", "BRK-B", "buy", dec("1"), dec("400"), AT, quote="USD"))
    assert row(ledger, "BRK-B").amount == 1
    assert ledger.held.cash == {"USD": dec("600"), "B": dec("0")}


@pytest.mark.parametrize(
    ("asset", "parts"),
    [
        ("BTC/USDT", ("BTC", "USDT")),
        ("BTC/USDT:USDT", ("BTC", "USDT")),
        ("BTC-USD", ("BTC", "USD")),
        ("BTC-USD-SWAP", (None, None)),
        ("AAPL", (None, None)),
        ("-USD", (None, None)),
    ],
)
def test_names_split_as_the_contract_says(asset: str, parts: tuple[str | None, str | None]) -> None:
    """A name splits at "/" up to ":", or at "-" where that gives exactly two parts."""
    assert name_parts(asset) == parts


def test_fee_in_a_third_currency_held_as_balance_or_as_position() -> None:
    """A fee shrinks the balance of its currency, or the position row where that is how it is held."""
    ledger = ledger_with(Balance(currency="BNB", total=dec("2")), position("GOLD", "7", "3"))
    ledger.book_fill(trade("1", "10", fee="0.01", fee_currency="BNB"))
    ledger.book_fill(trade("2", "10", fee="0.5", fee_currency="GOLD"))
    assert ledger.held.cash["BNB"] == dec("1.99")
    assert row(ledger, "GOLD") == Holding(dec("6.5"), dec("3"))


def test_fee_in_an_unlisted_currency_claims_no_balance() -> None:
    """What the books were never told of gets no total from a fee; once it is listed, the fee is in it."""
    ledger = ledger_with()
    ledger.book_fill(trade("1", "10", fee="0.01", fee_currency="BNB"))
    assert "BNB" not in ledger.held.cash
    ledger.book_activity(activity("deposit", currency="BNB", amount="2"))
    assert ledger.held.cash["BNB"] == dec("1.99")


def test_cash_activities_add_up() -> None:
    """Signed amounts go to the currency, or to the asset where an asset moves."""
    ledger = ledger_with(position("AAPL", "10", "100"))
    ledger.book_activity(activity("deposit", currency="USD", amount="500"))
    ledger.book_activity(activity("fee", currency="USD", amount="-1.25"))
    ledger.book_activity(activity("transfer", asset="AAPL", amount="-4"))
    assert ledger.held.cash == {"USD": dec("498.75")}
    assert row(ledger, "AAPL") == Holding(dec("6"), dec("100"))


@pytest.mark.parametrize(
    ("amount", "ratio", "after", "average"),
    [
        ("10", "4", "40", "30"),
        ("7", "1/6", "1.16666666", "720"),
        ("-7", "1/6", "-1.16666666", "720"),
        ("1", "1/3", "0.33333333", "360"),
        ("6", "1/3", "2", "360"),
        ("0.00000001", "1/2", "0", None),
    ],
)
def test_split_cuts_toward_zero(amount: str, ratio: str, after: str, average: str | None) -> None:
    """A split multiplies the amount, cut toward zero to 1e-8, and divides the average cost."""
    ledger = ledger_with(position("AAPL", amount, "120"))
    ledger.book_activity(activity("split", asset="AAPL", ratio=ratio))
    assert row(ledger, "AAPL") == Holding(dec(after), None if average is None else dec(average))


def test_symbol_change_renames_and_merges() -> None:
    """The row goes to the new name with what is known of it; a row there already becomes one with it."""
    ledger = ledger_with(position("FB", "10", "100"), position("META", "30", "200"))
    ledger.book_activity(activity("symbol_change", asset="FB", new_asset="META"))
    assert row(ledger, "META") == Holding(dec("40"), dec("175"))
    assert row(ledger, "FB") == FLAT


def test_symbol_change_takes_the_instrument_along() -> None:
    """A renamed share still settles in its currency."""
    ledger = ledger_with(position("AAPL", "10", "100"))
    ledger.book_activity(activity("symbol_change", asset="AAPL", new_asset="PEAR"))
    ledger.book_fill(trade("-10", "5", asset="PEAR"))
    assert ledger.held.cash == {"USD": dec("50")}


def test_corporate_actions_move_both_assets() -> None:
    """A merger takes the old asset and gives the new one, in rows or in balances, as the old one was held."""
    ledger = ledger_with(position("OLD", "10", "1"), Balance(currency="SHIB", total=dec("1000")))
    ledger.book_activity(activity("merger", asset="OLD", amount="-10", new_asset="NEW", new_amount="2.5"))
    ledger.book_activity(activity("conversion", asset="SHIB", amount="-1000", new_asset="BNB", new_amount="0.02"))
    ledger.book_activity(activity("expiry", asset="CALL", amount="-1"))
    assert (row(ledger, "OLD"), row(ledger, "NEW").amount) == (FLAT, dec("2.5"))
    assert ledger.held.cash == {"SHIB": dec("0"), "BNB": dec("0.02")}
    assert row(ledger, "CALL").amount == -1


def test_hedge_legs_are_kept_apart() -> None:
    """Each fill moves the leg it names; one that names none, or turns a leg around, is refused."""
    ledger = DecimalLedger()
    sides = (("a", "buy", "long", "5"), ("b", "sell", "short", "3"), ("c", "buy", "short", "1"))
    for fill_id, side, leg, quantity in sides:
        ledger.book_fill(Fill(fill_id, "X", side, dec(quantity), dec("1"), AT, position_side=leg))  # type: ignore[arg-type]
    held = ledger.held
    assert held.positions["X", "long"].amount == 5
    assert held.positions["X", "short"].amount == -2
    with pytest.raises(BookError, match="position_side"):
        ledger.book_fill(Fill("d", "X", "buy", dec("1"), dec("1"), AT))
    with pytest.raises(BookError, match="change its sign"):
        ledger.book_fill(Fill("e", "X", "sell", dec("6"), dec("1"), AT, position_side="long"))
    assert ledger.held == held


def test_identity_of_a_fill() -> None:
    """Asset, id, side, and the broker's order id where both have it: another side or order is another fill."""
    ledger = DecimalLedger()
    known = Fill("f-1", "X", "buy", dec("1"), dec("1"), AT, broker_order_id="b-1")
    ledger.book_fill(known)
    ledger.book_fill(Fill("f-1", "X", "sell", dec("1"), dec("1"), AT, broker_order_id="b-1"))
    ledger.book_fill(Fill("f-1", "X", "buy", dec("1"), dec("1"), AT, broker_order_id="b-2"))
    with pytest.raises(BookError, match="booked already"):
        ledger.book_fill(Fill("f-1", "X", "buy", dec("9"), dec("9"), AT))
    assert len(ledger.standing.fills) == 3
    ledger.book_fill(Fill("f-2", "X", "buy", dec("1"), dec("1"), AT))
    with pytest.raises(BookError, match="booked already"):
        ledger.book_fill(Fill("f-2", "X", "buy", dec("1"), dec("1"), AT, broker_order_id="b-1"))


def test_reversed_fill_can_be_booked_again() -> None:
    """A wrong fill is reversed and booked again; history keeps all three entries."""
    ledger = ledger_with()
    ledger.book_fill(trade("10", "100"))
    right = Fill("AAPL 10@100", "AAPL", "buy", dec("10"), dec("101"), AT)
    ledger.reverse_fill(right)
    ledger.book_fill(right)
    assert row(ledger, "AAPL") == Holding(dec("10"), dec("101"))
    assert ledger.held.cash == {"USD": dec("-1010")}
    assert [entry.number for entry in ledger.entries] == [1, 2, 3]


def test_reversal_of_what_never_stood_is_refused() -> None:
    """There is nothing to take back twice."""
    ledger = ledger_with()
    ledger.book_fill(trade("10", "100"))
    ledger.reverse_fill(trade("10", "100"))
    with pytest.raises(BookError, match="nothing to reverse"):
        ledger.reverse_fill(trade("10", "100"))
    with pytest.raises(BookError, match="nothing to reverse"):
        ledger.reverse_activity(activity("deposit", currency="USD", amount="1"))
    assert len(ledger.entries) == 2


def test_adjustments_state_their_reason_and_outlive_a_reversal() -> None:
    """An adjustment is the difference it made: a fill reversed later still goes out in full."""
    ledger = ledger_with()
    ledger.book_fill(trade("10", "100"))
    ledger.set_position("AAPL", "net", dec("12"), reason="counted")
    ledger.set_balance("USD", dec("-900"), reason="counted")
    assert (row(ledger, "AAPL"), ledger.held.cash) == (Holding(dec("12"), dec("100")), {"USD": dec("-900")})
    assert [entry.reason for entry in ledger.entries] == ["", "counted", "counted"]
    ledger.reverse_fill(trade("10", "100"))
    assert (row(ledger, "AAPL").amount, ledger.held.cash) == (dec("2"), {"USD": dec("100")})
    with pytest.raises(BookError, match="reason"):
        ledger.set_position("AAPL", "net", dec("1"), reason=" ")
    with pytest.raises(BookError, match="short leg"):
        ledger.set_position("AAPL", "short", dec("1"), reason="no")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1E+65", "1" * 65])
def test_numbers_the_contract_cannot_carry_are_refused(number: str) -> None:
    """No fill with such a number reaches the books, and the refusal does not repeat it."""
    ledger = DecimalLedger()
    with pytest.raises(BookError) as refused:
        ledger.book_fill(Fill("f", "X", "buy", dec("1"), Decimal(number), AT))
    assert number not in str(refused.value)
    assert ledger.entries == ()


def test_naive_time_is_refused() -> None:
    """A time without an offset belongs to no clock."""
    with pytest.raises(BookError, match="offset"):
        DecimalLedger().book_fill(Fill("f", "X", "buy", dec("1"), dec("1"), datetime(2026, 1, 1)))  # noqa: DTZ001


def test_opening_entries_come_first_and_once() -> None:
    """Nobody opens a row twice, or after the first booking."""
    ledger = ledger_with(position("AAPL", "1"), Balance(currency="USD", total=dec("1")))
    with pytest.raises(BookError, match="opened already"):
        ledger.open(position("AAPL", "2"))
    with pytest.raises(BookError, match="opened already"):
        ledger.open(Balance(currency="USD", total=dec("2")))
    ledger.book_fill(trade("1", "1"))
    with pytest.raises(BookError, match="come first"):
        ledger.open(position("MSFT", "2"))


@pytest.mark.parametrize(
    ("instrument", "before", "signed", "price"),
    [
        (STOCK, ("10", "100"), "5", "130"),
        (STOCK, ("10", "100"), "-4", "130"),
        (STOCK, ("-10", "100"), "-5", "130"),
        (SWAP, ("10", "100"), "5", "130"),
        (SWAP, ("-10", "100"), "4", "130"),
        (COIN, ("10", "20000"), "-4", "25000"),
        (STOCK, ("0", None), "5", "130"),
    ],
)
def test_reversal_of_an_opening_fill_computes_its_effect(
    instrument: Instrument, before: tuple[str, str | None], signed: str, price: str
) -> None:
    """Books that were opened after a fill know what was there before it: amount, cash and average cost."""
    fill = trade(signed, price, asset=instrument.asset, fee="0.5", fee_currency="FEE")
    first = ledger_with(
        position(instrument.asset, *before), Balance(currency="FEE", total=dec("9")), instruments=(instrument,)
    )
    first.book_fill(fill)
    then = first.held
    later = ledger_with(
        position(instrument.asset, str(row(first, instrument.asset).amount), str(row(first, instrument.asset).average)),
        *(Balance(currency=currency, total=total) for currency, total in then.cash.items()),
        instruments=(instrument,),
    )
    later.open(fill)
    later.reverse_fill(fill)
    assert row(later, instrument.asset) == row(ledger_with(position(instrument.asset, *before)), instrument.asset)
    assert {currency: total for currency, total in later.held.cash.items() if total} == {"FEE": dec("9")}
    assert later.standing.fills == ()


def test_reversal_of_an_opening_fill_that_closed_knows_no_cost() -> None:
    """Where the position is gone, its cost is too: the amount comes back, the cost is not made up."""
    ledger = ledger_with(instruments=(SWAP,))
    ledger.open(trade("-10", "130", asset="BTCUSDT"))
    ledger.reverse_fill(trade("-10", "130", asset="BTCUSDT"))
    assert row(ledger, "BTCUSDT") == Holding(dec("10"), None)
    assert not any(ledger.held.cash.values())


@pytest.mark.parametrize(
    "opened",
    [
        activity("deposit", currency="USD", amount="5"),
        activity("split", asset="AAPL", ratio="4"),
        activity("split", asset="AAPL", ratio="1/2"),
        activity("merger", asset="AAPL", amount="-3", new_asset="NEW", new_amount="2"),
        activity("symbol_change", asset="AAPL", new_asset="NEW"),
    ],
)
def test_reversal_of_an_opening_activity_goes_the_other_way(opened: Activity) -> None:
    """Booking the activity again after its reversal brings the opening holdings back."""
    ledger = DecimalLedger()
    holding = position("NEW" if opened.kind == "symbol_change" else "AAPL", "8", "100")
    ledger.open(holding)
    ledger.open(Balance(currency="USD", total=dec("7")))
    ledger.open(opened)
    ledger.reverse_activity(opened)
    between = ledger.held
    ledger.book_activity(opened)
    assert between != ledger.held
    assert row(ledger, holding.asset) == Holding(dec("8"), dec("100"))
    assert ledger.held.cash == {"USD": dec("7")}
    assert sum(1 for leg in ledger.held.positions.values() if leg.amount) == 1


def test_reversal_of_an_opening_fill_that_cannot_have_made_this_cost() -> None:
    """Where taking the fill out would leave a cost of the other sign, other trades came between: it is unknown."""
    ledger = ledger_with(position("AAPL", "12", "100"))
    ledger.open(trade("10", "150"))
    ledger.reverse_fill(trade("10", "150"))
    assert row(ledger, "AAPL") == Holding(dec("2"), None)


def test_assets_that_move_find_their_leg() -> None:
    """The only leg held takes what comes or goes; of two, the one that such an amount closes."""
    ledger = DecimalLedger()
    ledger.open(Position(asset="X", amount=dec("5"), side="long"))
    ledger.book_activity(activity("transfer", asset="X", amount="2"))
    assert ledger.held.positions["X", "long"].amount == dec("7")
    ledger.set_position("X", "short", dec("-3"), reason="counted")
    ledger.book_activity(activity("expiry", asset="X", amount="1"))
    ledger.book_activity(activity("assignment", asset="X", amount="-4"))
    held = ledger.held.positions
    assert (held["X", "short"].amount, held["X", "long"].amount) == (dec("-2"), dec("3"))
