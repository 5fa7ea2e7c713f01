"""JSON as it was written: every fraction from its own text, and nothing that JSON does not have."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any


def decode(data: bytes) -> Any:
    """The document, with ints and Decimals for its numbers.

    Raises:
        ValueError: It is not JSON in UTF-8, holds NaN or an infinity, says something twice, or is nested beyond reason.
    """
    try:
        return _DECODER.decode(data.decode("utf-8"))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def encode(body: object) -> bytes:
    """The document as compact JSON; numbers with digits to keep are to be given as texts."""
    return json.dumps(body, separators=(",", ":"), allow_nan=False).encode()


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


def once(pairs: list[tuple[str, Any]]) -> Any:
    """An object of *pairs*, for a decoder's `object_pairs_hook`.

    Raises:
        ValueError: A name stands there twice.
    """
    told = dict(pairs)
    if len(told) != len(pairs):
        raise ValueError("one name stands twice")  # which of the two the venue meant nobody knows
    return told


_DECODER = json.JSONDecoder(parse_float=Decimal, parse_constant=_refuse, object_pairs_hook=once)
