"""What people said is found by its place in the log: each reading looks for it, whatever was said before."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the indexes."""
    op.create_index("approvals_by_account", "approvals", ["account", "entry"])
    op.create_index("approvals_by_entry", "approvals", ["entry"])
