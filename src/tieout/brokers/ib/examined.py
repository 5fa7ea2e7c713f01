"""TWS as the doctor examines it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType

from tieout.brokers.examined import KeyRights
from tieout.brokers.ib.codes import READ_ONLY
from tieout.brokers.ib.session import Session
from tieout.errors import SourceRefused
from tieout.model.snapshot import Section

TICKED = (
    '"Read-Only API" is ticked in TWS (Global Configuration, API, Settings): it shows no orders then, and takes none;'
    ' untick it, and write mode = "shadow" where nothing is to be sent'
)
LOGIN = "whoever reaches TWS's port acts with the whole login: let it listen to this machine alone"


class IbExamined:
    """What there is to examine of an account at Interactive Brokers."""

    wire = None
    markets_at: datetime | None = None
    gaps: Mapping[Section, str] = MappingProxyType({})

    def __init__(self, origin: str, session: Session) -> None:
        self.origin, self._session = origin, session

    async def get_rights(self) -> KeyRights:
        """What the interface lets be done: TWS has no keys, only a tick that shuts orders out, those that are read too.

        Raises:
            SourceError: It could not be asked.
        """
        try:
            await self._session.ask("rights", lambda ib: ib.reqAllOpenOrdersAsync())
        except SourceRefused as error:
            if READ_ONLY not in error.why:
                raise
            return KeyRights(read=False, trade=False, withdraw=False, lesser=False, remarks=(TICKED, LOGIN))
        return KeyRights(read=True, trade=None, withdraw=False, lesser=False, remarks=(LOGIN,))
