"""How much of a long proof runs: all of it under `make prove`, a sample in `make test`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")
PROVE = os.environ.get("TIEOUT_PROVE") == "1"


def sample(whole: Sequence[T], every: int, start: int = 0) -> Sequence[T]:
    """Each of *whole* where it is to be proved, else one of *every*, from *start* on."""
    return whole if PROVE else whole[start % every :: every]
