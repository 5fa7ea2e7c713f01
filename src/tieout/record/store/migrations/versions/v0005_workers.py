"""Several workers on one store: who lives, and who has which shard of the accounts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the tables."""
    big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "shard_leases",
        sa.Column("shard", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("epoch", big, nullable=False),
        sa.Column("holder", sa.String(length=64), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "workers",
        sa.Column("name", sa.String(length=64), primary_key=True),
        sa.Column("until", sa.BigInteger(), nullable=False),
    )
