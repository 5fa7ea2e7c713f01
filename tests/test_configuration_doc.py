"""docs/configuration.md cannot drift from the code."""

from __future__ import annotations

from tests.configuration_doc import DOCUMENT, KINDS, MARK, with_tables
from tieout.config.environment import NAMES


def test_its_tables_are_those_of_the_code() -> None:
    """Every setting, default, meaning, profile and name is the code's; `python -m tests.configuration_doc` mends it."""
    text = DOCUMENT.read_text("utf-8")
    assert with_tables(text) == text


def test_it_leaves_no_table_out() -> None:
    """Each kind of settings, the profiles and the environment have a table, and every promised name stands there."""
    text = DOCUMENT.read_text("utf-8")
    assert {mark[2] for mark in MARK.finditer(text)} == {*KINDS, "profiles", "environment"}
    assert all(name in text for name in NAMES)
