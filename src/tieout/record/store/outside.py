"""What all tables belong to, the table of what others keep and tell us, and those of the workers that share a store."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, LargeBinary, MetaData, String, Table

from .types import BigId

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

# Who writes the accounts of which shard, under which epoch and until when (microseconds by the server's clock); who lives.
shard_leases = Table(
    "shard_leases",
    metadata,
    Column("shard", Integer, primary_key=True, autoincrement=False),
    Column("total", Integer, nullable=False),
    Column("epoch", BigId, nullable=False),
    Column("holder", String(64), nullable=False),
    Column("until", BigInteger, nullable=False),
)
workers = Table(
    "workers",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("until", BigInteger, nullable=False),
)
