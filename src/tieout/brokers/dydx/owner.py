"""Whose answers are wanted: one address, and one parent sub-account with the isolated ones that hang on it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

PARENTS = 128  # sub-account n belongs to parent n % 128
_NAMESPACE = uuid.UUID("0f9da948-a6fb-4c45-9edc-4685c3f3317d")  # the indexer's, for every id that it makes


@dataclass(frozen=True, slots=True)
class Owner:
    """One account at dYdX as this adapter reads it.

    Attributes:
        address: On the chain, "dydx1…".
        parent: 0 to 127; isolated positions live in sub-accounts parent + 128, parent + 256, …
    """

    address: str
    parent: int

    def holds(self, number: int) -> bool:
        """Whether sub-account *number* of the address is a part of this account."""
        return number >= 0 and number % PARENTS == self.parent

    def subaccount_id(self, number: int) -> str:
        """The id that the indexer gives to sub-account *number* of the address."""
        return str(uuid.uuid5(_NAMESPACE, f"{self.address}-{number}"))
