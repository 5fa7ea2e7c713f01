"""docs/brokers.md cannot drift from the code."""

from __future__ import annotations

import re

from tests.brokers_doc import DOCUMENT, MARK, OWN, with_parts
from tieout.brokers.ccxt.venues import VENUES
from tieout.brokers.loopback.street import PLOTS
from tieout.config.nouns import BROKER_KINDS


def test_its_tables_and_excerpts_are_those_of_the_code() -> None:
    """What is asked, to which end, how far back and what is left out; `python -m tests.brokers_doc` mends it."""
    text = DOCUMENT.read_text("utf-8")
    assert with_parts(text) == text


def test_it_leaves_no_venue_out() -> None:
    """Each venue that can be read has a table or shares one, and each kind of broker that reaches one is told."""
    text = DOCUMENT.read_text("utf-8")
    tables = {mark[3] for mark in MARK.finditer(text) if mark[2] == "table"}
    assert {*VENUES, *OWN} - tables == {"binancecoinm"}  # asked like binanceusdm
    assert {plot.venue for plot in PLOTS} <= tables
    assert set(re.findall(r'`kind = "(\w+)"`', text)) == set(BROKER_KINDS) - {"file", "simulated"}
