"""A ccxt venue as the doctor examines it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tieout.brokers.ccxt.asking import CcxtAsking
from tieout.brokers.ccxt.rights import get_rights
from tieout.brokers.examined import KeyRights
from tieout.model.snapshot import Section

if TYPE_CHECKING:
    from tieout.brokers.wire.wire import Wire

# Where the account itself is asked, among the many addresses of a venue in ccxt's table.
_OF = {"binanceusdm": "fapiPrivate", "binancecoinm": "dapiPrivate", "binance": "private"}


class CcxtExamined:
    """What there is to examine of an account at one of ccxt's venues."""

    def __init__(self, venue: str, asking: CcxtAsking, gaps: Mapping[Section, str]) -> None:
        self._venue, self._asking, self.gaps = venue, asking, gaps

    @property
    def origin(self) -> str:
        """Where the account is asked. Makes the client, which is not free."""
        client = self._asking.client()
        urls = client.urls["api"]
        named = [urls.get(_OF.get(self._venue, "private"))] if isinstance(urls, dict) else [urls]
        found = next((url for url in (*named, *_texts(urls)) if isinstance(url, str)), "")
        parts = urlsplit(client.implode_hostname(found))
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def wire(self) -> Wire | None:
        """How it is asked."""
        return self._asking.wire

    @property
    def markets_at(self) -> datetime | None:
        """When the markets that are in use were fetched."""
        return None if self._asking.markets is None else self._asking.markets.at

    async def get_rights(self) -> KeyRights:
        """What the key may do."""
        return await get_rights(self._asking, self._venue)


def _texts(urls: Any) -> list[str]:
    if isinstance(urls, str):
        return [urls]
    return [text for each in urls.values() for text in _texts(each)] if isinstance(urls, dict) else []
