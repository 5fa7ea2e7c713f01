"""Figures keep every digit, and text loses every power over the screen."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tieout.model.amounts import plain
from tieout.serve.render.text import aligned, amount, inert, lasting, moment, signed, usd

numbers = st.builds(
    lambda sign, digits, exponent: Decimal((sign, tuple(digits), exponent)),
    st.integers(0, 1),
    st.lists(st.integers(0, 9), min_size=1, max_size=64),
    st.integers(-64, 64),
)
texts = st.text(st.one_of(st.characters(), st.sampled_from("\x1b\x9b\u202e\u2066\u200b\u0301\ud800\u05d0[]\r\n\t\x00")))


@given(numbers)
def test_no_digit_is_lost(value: Decimal) -> None:
    """Without its separators a shown amount is the plain decimal, to the last digit."""
    assert amount(value).replace(",", "") == plain(value)
    assert signed(value).replace(",", "").lstrip("+") == plain(value)
    assert Decimal(usd(value).removesuffix(" USD").replace(",", "")) == value


@given(numbers)
def test_groups_are_of_three_and_only_before_the_point(value: Decimal) -> None:
    """Separators stand in the integer part alone, every three digits."""
    whole, _, part = amount(value).lstrip("-").partition(".")
    assert "," not in part
    first, *rest = whole.split(",")
    assert 1 <= len(first) <= 3 and all(len(group) == 3 for group in rest)


@given(st.lists(numbers, min_size=1, max_size=5))
def test_alignment_only_adds_blanks(values: list[Decimal]) -> None:
    """Aligned figures are the same figures, and where padded their points stand in one line."""
    figures = [amount(value) for value in values]
    padded = aligned(figures)
    assert [text.rstrip() for text in padded] == figures
    if padded != figures:
        assert len({len(text) - len(text.partition(".")[0].rstrip()) for text in padded}) == 1


@given(texts)
def test_inert_text_cannot_act(text: str) -> None:
    """Whatever comes in, no control, format or right-to-left character comes out, and it can be written."""
    safe = inert(text)
    assert not [char for char in safe if unicodedata.category(char)[0] == "C" and char != " "]
    assert not [char for char in safe if unicodedata.bidirectional(char) in ("R", "AL", "AN", "RLO", "LRO", "RLI")]
    assert safe.encode("utf-8").decode("utf-8") == safe
    assert cell_len(safe) >= 0 and len(safe.splitlines()) <= 1


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126)))
def test_plain_text_stays_as_it_is(text: str) -> None:
    """Ordinary names are shown as they are."""
    assert inert(text) == text


@pytest.mark.parametrize("text", ["Ærø", "比特币", "BTC/USDT:USDT-261225", "é", "e\u0301"])
def test_names_of_the_world_stay_legible(text: str) -> None:
    """Letters of other alphabets are no danger and are left alone."""
    assert inert(text) == text


def test_an_ascii_terminal_gets_ascii() -> None:
    """What an encoding lacks is escaped instead of ending the program."""
    assert inert("比", "ascii") == "\\u6bd4"


def test_times_are_utc_with_the_digits_that_say_something() -> None:
    """Times and spans keep their parts of a second and lose nothing."""
    at = datetime(2026, 11, 20, 10, 0, 0, 12000, tzinfo=UTC)
    assert moment(at) == "2026-11-20 10:00:00.012 UTC"
    assert moment(datetime(2026, 11, 20, tzinfo=UTC)) == "2026-11-20 00:00:00 UTC"
    spans = [timedelta(milliseconds=12), timedelta(), timedelta(seconds=90), timedelta(days=2, hours=3, minutes=4)]
    assert [lasting(span) for span in spans] == ["0.012 s", "0 s", "1 min 30 s", "2 d 3 h"]
