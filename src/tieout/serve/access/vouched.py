"""Whoever an issuer vouches for -> who they are here, and what they may. What is not mapped nobody has."""

from __future__ import annotations

import re
from datetime import datetime

from tieout.config.oidc import OidcGroup, OidcSettings
from tieout.record.users import VOUCHED, UserRow
from tieout.serve.access.id_tokens import Claims, NotVouched

LONGEST_DISPLAY = 80
_SUBJECT = re.compile(r"[!-~]{1,200}")


def name_of(claims: Claims) -> str:
    """Their name here: by the subject, which the issuer never gives twice. A mail address or a nickname they may choose.

    Raises:
        NotVouched: It is none that the log can name somebody by.
    """
    subject = claims.get("sub")
    if not isinstance(subject, str) or not _SUBJECT.fullmatch(subject):
        raise NotVouched("the issuer names you by what the log cannot hold")
    return VOUCHED + subject


def row_of(claims: Claims, told: OidcSettings, now: datetime) -> UserRow:
    """What they are granted: all roles of their groups, on the accounts that each of those groups is for.

    Raises:
        NotVouched: They are in no group that may anything, or in groups that have no account in common.
    """
    name, groups = name_of(claims), _groups(claims, told)
    if not groups:
        raise NotVouched("you are in no group that may anything here", who=name)
    bound = [frozenset(each.accounts) for each in groups if each.accounts is not None]
    accounts = frozenset.intersection(*bound) if bound else None
    if accounts is not None and not accounts:
        raise NotVouched("your groups have no account in common", who=name)
    return UserRow(
        name=name,
        roles=tuple(sorted({role for each in groups for role in each.roles})),
        accounts=None if accounts is None else tuple(sorted(accounts)),
        amounts=any(each.amounts for each in groups),
        created_at=now,
        created_by="oidc",
        password="",
        issuer=told.issuer,
        display=_display(claims),
    )


def _groups(claims: Claims, told: OidcSettings) -> list[OidcGroup]:
    listed = claims.get(told.claim)
    named = [listed] if isinstance(listed, str) else listed if isinstance(listed, list) else []
    return [told.groups[each] for each in dict.fromkeys(filter(_is_text, named)) if each in told.groups]


def _is_text(each: object) -> bool:
    return isinstance(each, str)


def _display(claims: Claims) -> str | None:
    """How the issuer calls them, where a line can hold it."""
    for each in ("name", "preferred_username"):
        told = claims.get(each)
        if isinstance(told, str) and told.strip() and told.isprintable():
            return " ".join(told.split())[:LONGEST_DISPLAY]
    return None
