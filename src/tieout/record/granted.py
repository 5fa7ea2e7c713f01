"""What somebody is granted, as tokens and users bear it alike, and as the log and the tables hold it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct


class Granted(Struct, frozen=True, kw_only=True):
    """What somebody may.

    Attributes:
        name: Whose it is, as the log names it.
        roles: What they are to the desk.
        accounts: Which accounts it is for; None is all.
        amounts: Whether amounts are shown, whatever the roles.
        created_at: When it was granted.
        created_by: By whom.
    """

    name: str
    roles: tuple[str, ...]
    accounts: tuple[str, ...] | None = None
    amounts: bool = False
    created_at: datetime
    created_by: str

    @property
    def refs(self) -> dict[str, str]:
        """What the log says of it."""
        told = {"for": self.name, "roles": " ".join(self.roles)}
        if self.accounts is not None:
            told["accounts"] = " ".join(self.accounts)
        return told | ({"amounts": "yes"} if self.amounts else {})


def joined(names: Sequence[str] | None) -> str | None:
    """Accounts as a column holds them."""
    return None if names is None else "\n".join(names)


def parted(column: str | None) -> tuple[str, ...] | None:
    """The accounts of a column."""
    return None if column is None else tuple(column.split("\n")) if column else ()
