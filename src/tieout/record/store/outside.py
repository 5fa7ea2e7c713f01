"""What all tables belong to, and the table of what others keep and tell us."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, LargeBinary, MetaData, Table

metadata = MetaData()

# The books that are pushed to us, an account a row, sealed: they are of now, and no entry speaks of them.
pushed_books = Table(
    "pushed_books",
    metadata,
    Column("account", ForeignKey("accounts.id"), primary_key=True),
    Column("commitment", LargeBinary(32), nullable=False),
    Column("wrapped_key", LargeBinary, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
)
