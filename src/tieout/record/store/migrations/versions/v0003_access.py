"""Who may what: tokens, users, and their sessions; and who looks after a break."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the tables, and the column."""
    op.add_column("approvals", sa.Column("assignee", sa.String(length=255)))
    op.create_table(
        "tokens",
        sa.Column("id", sa.String(length=12), primary_key=True),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        *_grant(),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger()),
    )
    op.create_table(
        "users",
        sa.Column("name", sa.String(length=255), primary_key=True),
        sa.Column("password", sa.String(length=255), nullable=False),
        *_grant(),
        sa.Column("disabled_at", sa.BigInteger()),
        sa.Column("failures", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("locked_until", sa.BigInteger()),
    )
    op.create_table(
        "sessions",
        sa.Column("digest", sa.LargeBinary(length=32), primary_key=True),
        sa.Column("user", sa.String(length=255), sa.ForeignKey("users.name"), nullable=False),
        sa.Column("csrf", sa.String(length=64), nullable=False),
        sa.Column("began_at", sa.BigInteger(), nullable=False),
        sa.Column("seen_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger()),
    )


def _grant() -> tuple[sa.Column[object], ...]:
    return (
        sa.Column("roles", sa.Text(), nullable=False),
        sa.Column("accounts", sa.Text()),
        sa.Column("amounts", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(length=255), nullable=False),
    )
