"""Users whom an issuer vouches for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add the columns."""
    op.add_column("users", sa.Column("issuer", sa.Text()))
    op.add_column("users", sa.Column("display", sa.String(length=255)))
