"""A configured account at Interactive Brokers -> the broker that reads it from TWS."""

from __future__ import annotations

from tieout.brokers.ib.adapter import IbBroker
from tieout.brokers.zones import zone_of


def open_ib(
    name: str,
    timeout_seconds: int,
    *,
    account: str | None,
    host: str,
    port: int,
    client_id: int,
    zone: str | None,
    currency: str | None,
) -> IbBroker:
    """The broker of the account *name*, by the settings of `kind = "ib"`.

    Raises:
        BadInput: The zone is none.
    """
    import ib_async  # noqa: F401  # where it is not installed, that is said now, and not as a failed read

    zoned = None if zone is None else zone_of(zone, f"accounts.{name}.broker.zone")
    return IbBroker(
        account or name,
        host=host,
        port=port,
        client_id=client_id,
        zone=zoned,
        timeout_seconds=timeout_seconds,
        currency=currency,
    )
