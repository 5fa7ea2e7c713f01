"""Alpaca as the doctor examines it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType

from tieout.brokers.examined import KeyRights
from tieout.brokers.wire.http import Http
from tieout.brokers.wire.wire import Wire
from tieout.errors import SourceMalformed
from tieout.model.snapshot import Section

_ACCOUNT = "/v2/account"
_BARS = ("trading_blocked", "account_blocked", "trade_suspended_by_user")


class AlpacaExamined:
    """What there is to examine of an account at Alpaca."""

    markets_at: datetime | None = None
    gaps: Mapping[Section, str] = MappingProxyType({})

    def __init__(self, origin: str, wire: Wire, http: Http) -> None:
        self.origin, self.wire, self._http = origin, wire, http

    async def get_rights(self) -> KeyRights:
        """What the account lets the key do; Alpaca does not say what the key itself may, and makes none that only read.

        Raises:
            SourceError: It could not be asked.
        """
        answer = await self._http.get("rights", _ACCOUNT)
        account = answer.fields()
        told = [account.get(bar) for bar in _BARS]
        status = account.get("status")
        if not isinstance(status, str) or not all(isinstance(bar, bool) for bar in told):
            raise SourceMalformed(answer.source, "rights", "no word on whether the account may trade")
        barred = [bar for bar, set_ in zip(_BARS, told, strict=True) if set_]
        closed = status != "ACTIVE"
        remarks = [f"the account says {', '.join(barred)}"] if barred else []
        remarks += ["the account is not active"] if closed else []
        return KeyRights(read=True, trade=False if barred or closed else None, lesser=False, remarks=tuple(remarks))
