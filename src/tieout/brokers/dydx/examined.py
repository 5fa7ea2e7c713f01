"""dYdX as the doctor examines it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType

from tieout.brokers.examined import KeyRights
from tieout.brokers.wire.wire import Wire
from tieout.model.snapshot import Section


class DydxExamined:
    """What there is to examine of an account at dYdX. There is no key: all that is read there is public."""

    markets_at: datetime | None = None
    gaps: Mapping[Section, str] = MappingProxyType({})

    def __init__(self, origin: str, wire: Wire) -> None:
        self.origin, self.wire = origin, wire

    async def get_rights(self) -> KeyRights:
        """Reading alone. Nothing is asked."""
        return KeyRights(read=True, trade=False, withdraw=False, move=False, keyless=True)
