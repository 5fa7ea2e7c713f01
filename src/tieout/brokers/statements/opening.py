"""A configured statement -> the broker that reads it, whatever the format of its files."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from tieout.brokers.stated import StatedBroker
from tieout.brokers.statements.adapter import StatementBroker
from tieout.brokers.statements.mapping import read_mapping
from tieout.brokers.zones import zone_of
from tieout.clock import Clock
from tieout.errors import BadInput, Problem


def open_statement(
    name: str,
    clock: Clock,
    *,
    path: str,
    format: Literal["csv", "parquet", "flex"],  # noqa: A002
    mapping: str | None,
    account: str | None,
    zone: str,
    max_age_seconds: int | None,
) -> StatedBroker:
    """The broker of the account *name*, by the settings of `kind = "statement"`.

    Raises:
        BadInput: There is no mapping, or it makes no sense, or the zone is none.
    """
    if format == "flex":
        return _flex(name, clock, Path(path), account=account, zone=zone, max_age_seconds=max_age_seconds)
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


def _flex(
    name: str, clock: Clock, path: Path, *, account: str | None, zone: str, max_age_seconds: int | None
) -> StatedBroker:
    import ibflex  # noqa: F401  # where it is not installed, that is said now, and not as a failed read

    from tieout.brokers.statements.flex import FlexBroker

    zoned = zone_of(zone, f"accounts.{name}.broker.zone")
    return FlexBroker(path, name, clock, called=account, zone=zoned, max_age_seconds=max_age_seconds)
