"""What a venue lists of the instruments that an account holds, against the user's table of assets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from tieout.brokers.base import BrokerAdapter
from tieout.clock import Clock
from tieout.live.listing import Listing
from tieout.model.identified import meant
from tieout.model.identity import identity_of
from tieout.model.listed import contradictions, counted_in_contracts, no_longer_traded
from tieout.model.settings import Settings
from tieout.model.snapshot import Observation, Section, SideError, SideFailure, Snapshot
from tieout.serve.doctor.facts import Examination


async def with_listed(
    bare: Examination, broker: BrokerAdapter, settings: Settings, rows: Mapping[Section, tuple[Any, ...]], clock: Clock
) -> Examination:
    """The examination with what the venue's list says; as it was where the venue lists nothing.

    Args:
        bare: Whose, with what else was seen.
        broker: The venue.
        settings: What is told of the account's assets.
        rows: What the venue holds, as far as it was read.
        clock: Which day it is.
    """
    now = clock.now()
    stated = Snapshot(
        "tieout.snapshot/1", bare.account, "broker", now,
        positions=rows.get("positions"), orders=rows.get("orders"), fills=rows.get("fills"),
    )  # fmt: skip
    seen = Observation(now, bare.account, SideError(SideFailure.OTHER), stated)
    listing = Listing(broker, settings, clock)
    told = await listing.learn(seen)
    named = meant(seen, identity_of(settings.assets)).observation
    return replace(
        bare,
        against_table=tuple(contradictions(told)),
        listed=(*no_longer_traded(named, told), *counted_in_contracts(told)),
        listed_why=listing.failed or "",
    )
