"""A client's id in a venue's own form names the same order before and after a crash, and no other."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieout.brokers.ccxt.ids import ALPHANUMERIC, HYPERLIQUID, KRAKEN, Ids, told_id
from tieout.brokers.ccxt.venues import VENUES
from tieout.errors import ActionRefused

CORRECTIONS = st.from_regex(r"tieout-[0-9a-f]{25}", fullmatch=True)
ENGINES = st.from_regex(r"[a-z]{1,5}-?[0-9A-HJKMNP-TV-Z]{9}-[0-9]{1,4}", fullmatch=True)
STRANGERS = st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1, max_size=36) | st.uuids().map(str)
CLOIDS = st.from_regex(r"0x[0-9a-f]{32}", fullmatch=True)
FORMS = [Ids(), ALPHANUMERIC, KRAKEN, HYPERLIQUID]


@pytest.mark.parametrize("name", [name for name, venue in VENUES.items() if venue.sends])
@given(own=CORRECTIONS)
def test_corrections_can_be_named_wherever_something_is_sent(name: str, own: str) -> None:
    """What brings the broker to local is told in the venue's form, and heard back as it was."""
    ids = VENUES[name].ids
    said = told_id(ids, own, "submit")
    assert re.fullmatch(ids.form, said)
    assert ids.heard(said) == own


@pytest.mark.parametrize("ids", FORMS)
@given(own=CORRECTIONS | ENGINES | STRANGERS)
def test_an_id_is_heard_as_it_was_told_or_not_told_at_all(ids: Ids, own: str) -> None:
    """Never cut, never changed into one that would not be found again."""
    try:
        said = told_id(ids, own, "submit")
    except ActionRefused:
        return
    assert ids.heard(said) == own
    assert ids.said(ids.heard(said)) == said


@pytest.mark.parametrize("ids", FORMS)
@given(first=CORRECTIONS | ENGINES | STRANGERS, second=CORRECTIONS | ENGINES | STRANGERS)
def test_two_ids_are_two_at_the_venue(ids: Ids, first: str, second: str) -> None:
    """What is told of one is never what is told of another."""
    said = []
    for own in (first, second):
        try:
            said.append(told_id(ids, own, "submit"))
        except ActionRefused:
            return
    assert (said[0] == said[1]) == (first == second)


@pytest.mark.parametrize("ids", FORMS)
@given(other=STRANGERS)
def test_a_strangers_id_is_told_as_it_is(ids: Ids, other: str) -> None:
    """Ids that are not of our making come through the reading unchanged."""
    assert ids.heard(other) == other


def test_kraken_may_write_dashes_into_an_id() -> None:
    """A short UUID and a long one are the same."""
    own = "tieout-0123456789abcdef012345678"
    assert KRAKEN.heard("71e00750-1234-5678-9abc-def012345678") == KRAKEN.heard(KRAKEN.said(own)) == own


@given(own=CLOIDS)
def test_a_strangers_128_bits_are_told_as_they_are(own: str) -> None:
    """Hyperliquid's own form goes through unchanged, unless it is one of ours."""
    heard = HYPERLIQUID.heard(own)
    assert HYPERLIQUID.said(heard) == own
    assert heard == own or heard.startswith("tieout-") or own.startswith("0x71e0a5c1")


def test_a_short_id_stands_in_128_bits_letter_by_letter() -> None:
    """Up to twelve characters; a longer one is refused and never cut."""
    assert HYPERLIQUID.said("c-1") == "0x71e0a5c1632d31000000000000000000"
    assert HYPERLIQUID.heard("0x71E0A5C1632D31000000000000000000") == "c-1"
    with pytest.raises(ActionRefused):
        told_id(HYPERLIQUID, "thirteen-long", "submit")
