"""What acting live adds: what a word decides, which halt a row is, and what became of an alert."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the columns."""
    op.add_column("approvals", sa.Column("strategy", sa.String(length=32)))
    op.add_column("approvals", sa.Column("plan", sa.String(length=64)))
    op.add_column("halts", sa.Column("name", sa.String(length=32)))
    op.add_column("alerts", sa.Column("kind", sa.String(length=16), nullable=False, server_default="opened"))
    op.add_column("alerts", sa.Column("escalated_at", sa.BigInteger()))
    op.add_column("alerts", sa.Column("failure", sa.Text()))
    op.create_index("alerts_by_key", "alerts", ["account", "key"])
