"""Who may what. Tokens and sessions are stored by their digests: whoever reads these tables has none."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Integer, LargeBinary, String, Table, Text

from .outside import metadata
from .types import UtcTime


def _grant() -> tuple[Column[object], ...]:
    return (
        Column("roles", Text, nullable=False),
        Column("accounts", Text),
        Column("amounts", Boolean, nullable=False),
        Column("created_at", UtcTime, nullable=False),
        Column("created_by", String(255), nullable=False),
    )


tokens = Table(
    "tokens",
    metadata,
    Column("id", String(12), primary_key=True),
    Column("digest", LargeBinary(32), nullable=False),
    Column("name", String(255), nullable=False),
    *_grant(),
    Column("expires_at", UtcTime, nullable=False),
    Column("revoked_at", UtcTime),
)
users = Table(
    "users",
    metadata,
    Column("name", String(255), primary_key=True),
    Column("password", String(255), nullable=False),
    *_grant(),
    Column("disabled_at", UtcTime),
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("locked_until", UtcTime),
    Column("issuer", Text),
    Column("display", String(255)),
)
sessions = Table(
    "sessions",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("user", ForeignKey("users.name"), nullable=False),
    Column("csrf", String(64), nullable=False),
    Column("began_at", UtcTime, nullable=False),
    Column("seen_at", UtcTime, nullable=False),
    Column("ended_at", UtcTime),
)
