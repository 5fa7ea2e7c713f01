"""Where a fill lands: legs, spot pairs, and what it moves in cash."""

from __future__ import annotations

from typing import Any

import pytest

from tests.explain.building import act, bal, broker, fill, local, pos, read
from tieout.model.changes import BookFill


def usd(total: Any) -> Any:
    return bal("USD", total, usd_price="1")


def x(amount: Any, average: Any = "100", **fields: Any) -> Any:
    return pos("X", amount, average_price=average, **fields)


@pytest.mark.parametrize("asset", ["BTC/USDT", "BTC-USDT"])
@pytest.mark.parametrize(("coin", "base", "quote"), [("USDT", 2, 898), ("BTC", "1.999", 900)])
def test_a_spot_pair_moves_both_balances_and_the_fee(asset: str, coin: str, base: Any, quote: Any) -> None:
    """A pair without position rows moves base and quote, and its fee wherever it was taken."""
    fee: dict[str, Any] = {"fee": 2 if coin == "USDT" else "0.001", "fee_currency": coin}
    theirs = broker(bal("BTC", base), bal("USDT", quote), fill("f", asset, 1, 100, **fee))
    seen = read(local(bal("BTC", 1), bal("USDT", 1000)), theirs).seen()
    assert {row: found[2:] for row, found in seen.items()} == dict.fromkeys(
        ("balance BTC", "balance USDT"), ("MISSED_FILL", "0")
    )


def test_a_zero_row_is_no_row() -> None:
    """A venue that lists an empty position row of a pair still traded spot."""
    row = pos("BTC/USDT", 0, currency="USDT")
    theirs = broker(row, bal("BTC", 2), bal("USDT", 900), fill("f", "BTC/USDT", 1, 100))
    seen = read(local(row, bal("BTC", 1), bal("USDT", 1000)), theirs)
    assert seen.cause("balance BTC") == seen.cause("balance USDT") == "MISSED_FILL"


def test_a_pair_that_had_a_position_row_is_no_spot_pair() -> None:
    """A contract that was held earlier moves no base currency when its position is gone."""
    held = pos("BTC/USDT", 1, currency="USDT", average_price=100)
    cash = bal("BTC", 1), bal("USDT", 1000)
    first = read(local(held, *cash), broker(held, *cash))
    second = read(local(*cash, as_of=60), broker(*cash, as_of=60), memory=first.memory)
    rows = fill("f", "BTC/USDT", 1, 100, 70), fill("g", "BTC/USDT", -1, 130, 80)
    theirs = broker(bal("BTC", 1), bal("USDT", 1030), *rows, as_of=120)
    seen = read(local(*cash, as_of=120), theirs, memory=second.memory)
    assert seen.seen() == {"balance USDT": ("BALANCE_MISMATCH", "30", "MISSED_FILL", "0")}


def test_an_asset_without_a_quote_currency_moves_no_cash() -> None:
    """Where neither row nor name says what a trade is paid in, no cash effect is claimed."""
    theirs = broker(pos("A-B-C", 1, currency=None), usd(900), fill("f", "A-B-C", 1, 100))
    seen = read(local(usd(1000)), theirs)
    assert (seen.cause("position A-B-C"), seen.cause("balance USD")) == ("MISSED_FILL", "UNKNOWN")


@pytest.mark.parametrize(
    ("after", "average", "cash", "traded"),
    [
        (4, 100, 1060, -6),
        (-5, 110, 1100, -15),
        (16, 103, 1000, 6),
    ],
)
def test_margin_realises_the_profit_of_what_it_closes(after: Any, average: Any, cash: Any, traded: Any) -> None:
    """A margin trade moves cash by the profit on the average cost before it, and nothing for what it opens."""
    trade = fill("m", "X", traded, 110, fee=2)
    seen = read(local(x(10), usd(1000)), broker(x(after, str(average)), usd(cash - 2), trade)).seen()
    assert {row: found[2:] for row, found in seen.items()} == dict.fromkeys(
        ("position X", "balance USD"), ("MISSED_FILL", "0")
    )


@pytest.mark.parametrize(
    ("mine", "booked", "theirs"),
    [
        (x(-5, "110"), fill("p", "X", -15, 110), x(10)),
        (x(6), fill("p", "X", -4, 110), x(10)),
        (None, fill("p", "X", -10, 110), x(10)),
    ],
)
def test_taking_a_margin_trade_back_takes_its_profit_back(mine: Any, booked: Any, theirs: Any) -> None:
    """A phantom that closed, or turned round, what the broker still holds is reversed with its profit."""
    profit = min(10, int(booked.quantity)) * 10
    rows = [row for row in (mine, usd(1000 + profit), booked) if row is not None]
    seen = read(local(*rows), broker(theirs, usd(1000), fills_since=-9000))
    assert {row[2:] for row in seen.seen().values()} == {("PHANTOM_FILL", "0")}
    assert seen.case("balance USD").closes


@pytest.mark.parametrize(
    ("ours", "theirs", "row", "booked"),
    [
        ((x(10), usd(1000)), (x(6), usd(1040)), fill("m", "X", -4, 110), (None, "margin")),  # as it was found out
        ((x(10), usd(1000)), (x(6), usd(1440)), fill("m", "X", -4, 110), (None, "cash")),
        ((x(10), usd(1000)), (x(6), usd(1440)), fill("m", "X", -4, 110, settlement="cash"), (None, "cash")),
        ((x(10, settlement="margin"),), (x(6),), fill("m", "X", -4, 110), (None, "margin")),
        ((x(10),), (x(6),), fill("m", "X", -4, 110, position_side="net"), ("net", "margin")),
        (
            (bal("BTC", 1), bal("USDT", 1000)),
            (bal("BTC", 2), bal("USDT", 900)),
            fill("m", "BTC/USDT", 1, 100),
            (None, None),
        ),
        (
            (pos("X", 5, side="long"), pos("X", -4, side="short")),
            (pos("X", 5, side="long"), pos("X", -7, side="short")),
            fill("m", "X", -3, 100),
            ("short", "margin"),
        ),
    ],
)
def test_a_fill_is_booked_with_the_leg_and_the_settlement_that_were_found_out(
    ours: Any, theirs: Any, row: Any, booked: tuple[Any, Any]
) -> None:
    """What the record leaves open and the evidence tells is written down with it; what it says itself stands."""
    seen = read(local(*ours), broker(*theirs, row))
    (change,) = {change for case in seen.explanation.cases for change in case.changes}
    assert isinstance(change, BookFill)
    assert (change.fill.position_side, change.fill.settlement) == booked


def test_contract_size_counts_in_cash() -> None:
    """A realised profit is that of all that is in the contracts."""
    theirs = broker(x(4, multiplier=5), usd(1300), fill("m", "X", -6, 110))
    assert read(local(x(10, multiplier=5), usd(1000)), theirs).seen()["balance USD"][2:] == ("MISSED_FILL", "0")


def test_mixtures_of_settlements_are_told_apart() -> None:
    """One asset settles in full and one on margin; the mixture that leaves nothing counts."""
    rows = fill("m", "X", -6, 110), fill("n", "AAPL", 2, 100)
    theirs = broker(x(4), pos("AAPL", 7), usd(860), *rows)
    seen = read(local(x(10), pos("AAPL", 5), usd(1000)), theirs).seen()
    assert {row[2:] for row in seen.values()} == {("MISSED_FILL", "0")}


def test_inverse_contracts_pay_in_the_coin() -> None:
    """An inverse contract realises its profit in the coin, by the inverse of its prices."""
    told = {"settlement": "inverse", "currency": "BTC", "multiplier": 1, "average_price": 50000}
    asset = "BTC/USD:BTC"
    theirs = broker(pos(asset, 60, **told), bal("BTC", "0.9998"), fill("m", asset, -40, 40000))
    seen = read(local(pos(asset, 100, **told), bal("BTC", 1)), theirs).seen()
    assert {row[2:] for row in seen.values()} == {("MISSED_FILL", "0")}


def legs(long: Any, short: Any) -> Any:
    return [pos("X", long, side="long"), pos("X", short, side="short")]


@pytest.mark.parametrize("told", [{"position_side": "short"}, {}])
def test_a_fill_lands_on_its_leg_or_on_the_only_one_that_differs(told: Any) -> None:
    """In hedge mode a fill names its leg, or is given to the only leg that differs."""
    theirs = broker(*legs(10, -7), usd(1300), fill("h", "X", -3, 100, **told))
    seen = read(local(*legs(10, -4), usd(1000)), theirs)
    assert seen.seen()["position X short"] == ("QUANTITY_MISMATCH", "-3", "MISSED_FILL", "0")
    assert seen.case("balance USD").closes


def test_fills_without_a_leg_are_not_guessed_where_both_differ() -> None:
    """Where both legs differ nothing says on which a fill belongs, and nothing is fit to be booked."""
    rows = fill("h", "X", -3, 100), fill("i", "X", 2, 100)
    seen = read(local(*legs(10, -4), usd(1000)), broker(*legs(12, -7), usd(1100), *rows))
    assert seen.cause("position X long") == seen.cause("position X short") == "UNKNOWN"
    assert not seen.case("balance USD").closes


def test_only_a_subset_that_alone_closes_everything_counts() -> None:
    """Of old fills that local no longer lists and a missed one, the missed one is found by shares and cash."""
    old = fill("a", "X", 50, 100, -4000), fill("b", "X", 7, 100, -3900)
    seen = read(local(x(10), usd(1000)), broker(x(6), usd(1440), *old, fill("c", "X", -4, 110)))
    assert seen.evidence("position X") == seen.evidence("balance USD") == ("fill c",)


def test_a_subset_is_found_on_margin_too() -> None:
    """Nothing says how the trades settle: the way in which a part of the records closes everything counts."""
    old = fill("a", "X", 5, 100, -4000), fill("b", "X", 5, 100, -3900)
    seen = read(local(x(10), usd(1000)), broker(x(6), usd(1040), *old, fill("c", "X", -4, 110)))
    assert seen.evidence("position X") == seen.evidence("balance USD") == ("fill c",)


@pytest.mark.parametrize("balances", [True, False])
def test_coincidence_is_never_presented_as_fact(balances: bool) -> None:
    """Two fills that would do equally well, or cash that was not compared, leave the residual of all of them."""
    rows = [fill(name, "X", 3, 100, at) for name, at in (("a", -400), ("b", -300))]
    rows.append(fill("c", "X", 10, 100, -200))
    told = {} if balances else {"without": ("balances",)}
    cash = ([usd(1000)], [usd(700)]) if balances else ([], [])
    seen = read(local(x(10), *cash[0], **told), broker(x(13), *cash[1], *rows, **told))
    assert seen.seen()["position X"][3] != "0"


def test_a_fee_in_an_unlisted_coin_does_not_make_a_subset_ambiguous() -> None:
    """Records that move only what neither side lists neither close a row nor keep one from closing."""
    told: dict[str, Any] = {"fee": "0.01", "fee_currency": "BNB"}
    rows = fill("a", "AAPL", 10, 100, **told), fill("z", "AAPL", 5, 100, -9000, **told)
    fee = act("q", "fee", currency="BNB", amount="-0.5")
    seen = read(local(pos("AAPL", 100), usd(10000)), broker(pos("AAPL", 110), usd(9000), *rows, fee))
    assert seen.evidence("position AAPL") == ("fill a",)
