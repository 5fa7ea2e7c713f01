"""One flipped bit in a write-ahead log: SQLite says nothing, and Tieout does."""

from __future__ import annotations

import sys

import pytest

from tests.proving import PROVE
from tests.record.crash.flips import flips, sentence

FLIPS = 300 if PROVE else 25


@pytest.mark.prove
async def test_a_flipped_bit_in_the_write_ahead_log_is_noticed() -> None:
    """A bit that makes the record shorter or another is noticed at the start; the others change no row at all."""
    counts = await flips(FLIPS, seed=2)
    sys.stdout.write(sentence(counts))  # shown by `make prove`
    assert counts.total() == FLIPS
    assert counts["opening: LogBehind"] > FLIPS // 4
