"""Exact decimals: the doors in and out, and the few operations that round."""

from __future__ import annotations

from decimal import Context, Decimal, Inexact, localcontext
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.model.strategies import decimals, positives, wide_decimals
from tieout.model.amounts import EXACT, dec, exact, fits, fraction, percent, plain, ratio, truncate

any_decimal = st.one_of(wide_decimals(), st.decimals(allow_nan=True, allow_infinity=True))


@given(wide_decimals())
def test_what_goes_in_comes_out(value: Decimal) -> None:
    """A decimal written plainly reads back as the same number, and writing it again changes nothing."""
    text = plain(value)
    assert "e" not in text.lower()
    assert Decimal(text) == value
    assert plain(Decimal(text)) == text


@given(wide_decimals(), st.integers(0, 8))
def test_spelling_does_not_show(value: Decimal, zeros: int) -> None:
    """Equal numbers are written as equal text, whatever zeros they carried."""
    padded = Decimal(format(value, "f") + ("" if "." in format(value, "f") else ".") + "0" * zeros)
    assert plain(padded) == plain(value)


@pytest.mark.parametrize("text", ["0", "-0", "0.00", "0E+5", "-0.0"])
def test_there_is_one_zero(text: str) -> None:
    """Zero has no sign, no places and no exponent when it is written."""
    assert plain(Decimal(text)) == "0"


@given(any_decimal)
def test_bounds_are_those_of_the_contract(value: Decimal) -> None:
    """A number fits exactly when it is finite, of at most 64 digits and an exponent within ±64."""
    _, digits, exponent = value.as_tuple()
    assert fits(value) == (isinstance(exponent, int) and len(digits) <= 64 and -64 <= exponent <= 64)


@given(st.integers(0, 10**66), st.integers(-70, 70))
def test_bounds_hold_at_the_edges(digits: int, exponent: int) -> None:
    """Near 64 digits and near an exponent of 64 the bounds are still exact."""
    expected = len(str(digits)) <= 64 and -64 <= exponent <= 64
    assert fits(Decimal(f"{digits}E{exponent}")) == expected


@given(st.lists(any_decimal, max_size=5))
def test_many_fit_when_each_fits(values: list[Decimal]) -> None:
    """Asking for many at once is asking for each."""
    assert fits(*values) == all(fits(value) for value in values)


ODD = ["NaN", "sNaN", "Infinity", "-inf", "1e400", "1e65", "1e-65", "1_000", " 1", "1 ", "\n1", "٣", "１", "", "-", ".",
       "1,5", "0x10", "1e", "e5", "+-1", "1" * 65, "true", "1e99999999999999999999"]  # fmt: skip


@pytest.mark.parametrize("text", ODD)
def test_odd_spellings_are_refused(text: str) -> None:
    """Only a plain decimal of ASCII digits, finite and not too long, comes through the door."""
    with pytest.raises(ValueError, match="decimal"):
        dec(text)


def test_a_boolean_is_no_number() -> None:
    """True is not 1."""
    with pytest.raises(ValueError, match="decimal"):
        dec(True)


@pytest.mark.parametrize("text", ["1", "-1.50", "+.5", "5.", "1e-64", "1E+64", "9" * 64, "0." + "0" * 63 + "1"])
def test_plain_spellings_are_read(text: str) -> None:
    """What the contract admits is read to the last digit."""
    assert dec(text) == Decimal(text)


@given(decimals(size=20), decimals(size=20), decimals(size=20))
def test_percent_is_rounded_once_half_even(part: Decimal, one: Decimal, other: Decimal) -> None:
    """The percentage is the exact quotient to 4 decimals, half even, whatever the context around."""
    base = max(abs(one), abs(other))
    expected = 0 if not base else round(Fraction(abs(part)) * 100 / Fraction(base) * 10**4)
    with localcontext(Context(prec=3)):
        assert Fraction(percent(part, one, other)) == Fraction(expected, 10**4)


@pytest.mark.parametrize(
    ("part", "base", "expected"),
    [
        ("3", "103", "2.9126"),
        ("-3", "-103", "2.9126"),
        ("0.00005", "100", "0"),
        ("0.00015", "100", "0.0002"),
        ("0.00025", "100", "0.0002"),
        ("0.00025" + "0" * 50 + "1", "100", "0.0003"),
        ("0.000249" + "9" * 60, "100", "0.0002"),
        ("200", "100", "200"),
        ("1" + "0" * 60, "1E-60", "1" + "0" * 122),
    ],
)
def test_percent_at_its_edges(part: str, base: str, expected: str) -> None:
    """Ties go to the even digit, and what only looks like a tie does not."""
    assert plain(percent(Decimal(part), Decimal(base))) == expected


def test_percent_of_nothing_is_nothing() -> None:
    """Where both sides are 0 there is no percentage to speak of."""
    assert percent(Decimal(0), Decimal(0), Decimal(0)) == 0


@given(wide_decimals(), positives)
def test_truncation_goes_toward_zero(value: Decimal, unit: Decimal) -> None:
    """The result is a whole number of units, no larger than the value, and less than a unit away from it."""
    cut = Fraction(truncate(value, unit))
    assert (cut / Fraction(unit)).denominator == 1
    assert abs(cut) <= abs(Fraction(value)) < abs(cut) + Fraction(unit)
    assert cut * Fraction(value) >= 0


@given(wide_decimals(), positives)
def test_a_ratio_is_good_to_64_digits(numerator: Decimal, denominator: Decimal) -> None:
    """The quotient is off by at most half a unit of its 64th digit."""
    result = ratio(numerator, denominator)
    error = abs(Fraction(result) - Fraction(numerator) / Fraction(denominator))
    assert error <= abs(Fraction(result)) * Fraction(1, 10**63)


@given(positives, positives)
def test_a_fraction_is_read_in_both_parts(above: Decimal, below: Decimal) -> None:
    """A split ratio is a decimal or two of them around a slash."""
    assert fraction(f"{plain(above)}/{plain(below)}") == (above, below)
    assert fraction(plain(above)) == (above, Decimal(1))


@pytest.mark.parametrize(
    "text", ["0", "-1", "1/0", "0/1", "1/-2", "1/", "/2", "1/2/3", " 1/2", "1 / 2", "1_0", "٤", "x"]
)
def test_a_ratio_that_is_none_is_refused(text: str) -> None:
    """A ratio is above 0 in both parts, and spelt plainly."""
    with pytest.raises(ValueError, match=r"decimal|ratio"):
        fraction(text)


def test_exact_arithmetic_refuses_to_round() -> None:
    """Under `exact` a sum keeps every digit, and a quotient without an end is a bug that shows."""

    @exact
    def add(one: Decimal, other: Decimal) -> Decimal:
        return one + other

    @exact
    def third(value: Decimal) -> Decimal:
        return value / 3

    assert add(Decimal("1E+64"), Decimal("1E-64")) == Decimal("1" + "0" * 64 + "." + "0" * 63 + "1")
    with pytest.raises(Inexact):
        third(Decimal(1))
    assert EXACT.prec >= 2 * 64 * 4
