"""What a venue lists of the instruments that an account holds, against the user's table of assets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tieout.brokers.base import BrokerAdapter
from tieout.clock import Clock
from tieout.live.listing import Listing
from tieout.model.identified import meant
from tieout.model.identity import identity_of
from tieout.model.listed import contradictions, counted_in_contracts, no_longer_traded
from tieout.model.settings import Settings
from tieout.model.snapshot import Observation, Section, SideError, SideFailure, Snapshot


async def listed_of(
    account: str, broker: BrokerAdapter, settings: Settings, rows: Mapping[Section, tuple[Any, ...]], clock: Clock
) -> dict[str, Any]:
    """The facts of an `Examination` that its venue's list gives.

    Args:
        account: Whose.
        broker: The venue; one that lists nothing gives nothing.
        settings: What is told of the account's assets.
        rows: What the venue holds, as far as it was read.
        clock: Which day it is.
    """
    now = clock.now()
    stated = Snapshot(
        "tieout.snapshot/1", account, "broker", now,
        positions=rows.get("positions"), orders=rows.get("orders"), fills=rows.get("fills"),
    )  # fmt: skip
    seen = Observation(now, account, SideError(SideFailure.OTHER), stated)
    listing = Listing(broker, settings, clock)
    told = await listing.learn(seen)
    named = meant(seen, identity_of(settings.assets)).observation
    return {
        "against_table": tuple(contradictions(told)),
        "listed": (*no_longer_traded(named, told), *counted_in_contracts(told)),
        "listed_why": listing.failed or "",
    }
