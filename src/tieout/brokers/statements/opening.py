"""A configured statement -> the broker that reads it, whatever the format of its files."""

from __future__ import annotations

from pathlib import Path

from tieout.brokers.stated import StatedBroker
from tieout.brokers.statements.adapter import Format, StatementBroker
from tieout.brokers.statements.mapping import read_mapping
from tieout.clock import Clock
from tieout.errors import BadInput, Problem


def open_statement(
    name: str,
    clock: Clock,
    *,
    path: str,
    format: Format,  # noqa: A002
    mapping: str | None,
    account: str | None,
    max_age_seconds: int | None,
) -> StatedBroker:
    """The broker of the account *name*, by the settings of `kind = "statement"`.

    Raises:
        BadInput: There is no mapping, or it makes no sense.
    """
    if mapping is None:
        mend = "name the TOML file that says which column is which field: see docs/statements.md"
        raise BadInput([Problem("configuration", f"accounts.{name}.broker.mapping", "missing", mend)])
    return StatementBroker(
        Path(path),
        name,
        clock,
        mapping=read_mapping(Path(mapping)),
        format=format,
        called=account,
        max_age_seconds=max_age_seconds,
    )
