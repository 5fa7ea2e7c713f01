"""Who may what, as a table. What does not stand in it nobody may."""

from __future__ import annotations

import unicodedata
from enum import StrEnum

from msgspec import Struct

from tieout.errors import BadInput, Problem

LONGEST_NAME = 255
_LOOK_ALIKE = frozenset({"LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC", "LISU"})


class Role(StrEnum):
    """What somebody is to the desk; one may be several."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    APPROVER = "approver"
    BOOKS = "books"
    ADMIN = "admin"


class Permission(StrEnum):
    """What a route, a button or a command needs."""

    SEE = "see"
    COMMENT = "comment"
    RECONCILE = "reconcile"
    HALT = "halt"
    RESUME = "resume"
    APPROVE = "approve"  # reject, accept until, and resolve likewise: what decides about a break
    PUSH_BOOKS = "push_books"
    ADMINISTER = "administer"


_ALLOWED: dict[Role, frozenset[Permission]] = {
    Role.VIEWER: frozenset({Permission.SEE}),
    Role.OPERATOR: frozenset({Permission.SEE, Permission.COMMENT, Permission.RECONCILE, Permission.HALT}),
    Role.APPROVER: frozenset(
        {Permission.SEE, Permission.COMMENT, Permission.HALT, Permission.RESUME, Permission.APPROVE}
    ),
    Role.BOOKS: frozenset({Permission.PUSH_BOOKS}),
    Role.ADMIN: frozenset({Permission.SEE, Permission.ADMINISTER}),
}
_SEES_AMOUNTS = frozenset({Role.OPERATOR, Role.APPROVER})


class Caller(Struct, frozen=True, kw_only=True):
    """Whoever asks, once it is known who that is.

    Attributes:
        name: As the log names it.
        roles: What it is.
        accounts: Which accounts it is for; None is all.
        amounts: Whether it is granted the sight of amounts, whatever its roles.
        display: How an issuer calls it; nothing rests on that, for others may be called the same.
    """

    name: str
    roles: frozenset[Role]
    accounts: frozenset[str] | None = None
    amounts: bool = False
    display: str | None = None

    @property
    def called(self) -> str:
        """Its name, and how an issuer calls it."""
        return self.name if self.display is None else f"{self.display} ({self.name})"

    def may(self, permission: Permission, account: str | None = None) -> bool:
        """Whether it may, on *account* where one is named."""
        if permission is Permission.ADMINISTER and self.accounts is not None:
            return False  # whoever makes tokens makes them for any account
        return any(permission in _ALLOWED[role] for role in self.roles) and (account is None or self.is_for(account))

    def is_for(self, account: str) -> bool:
        """Whether the account is one of its own."""
        return self.accounts is None or account in self.accounts

    def hears_of(self, account: str | None) -> bool:
        """Whether entries of *account* are shown to it; those of no account only to whoever is for all."""
        return self.accounts is None or (account is not None and self.is_for(account))

    @property
    def sees_amounts(self) -> bool:
        """Whether amounts are shown to it."""
        return self.amounts or not self.roles.isdisjoint(_SEES_AMOUNTS)


def require_name(name: str) -> None:
    """Refuse what the log cannot name somebody by, so that whoever reads it takes nobody for another.

    Raises:
        BadInput: It is empty, too long, not printable, or written with what looks like something else.
    """
    if not name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
        raise BadInput([Problem("name", "", "not a name", f"give 1 to {LONGEST_NAME} printable characters")])
    scripts = {unicodedata.name(each, "").partition(" ")[0] for each in name} & _LOOK_ALIKE
    if name != unicodedata.normalize("NFKC", " ".join(name.split())) or len(scripts) > 1:
        mend = "write it with the letters of one script, in their plain form, and with single spaces between words"
        raise BadInput([Problem("name", "", "it may be taken for another name", mend)])
