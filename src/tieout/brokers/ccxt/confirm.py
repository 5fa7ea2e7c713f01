"""Whether the venue knows the account at all: some answer for any address that it holds nothing."""

from __future__ import annotations

import asyncio
from typing import Any

from tieout.brokers.ccxt.asking import CcxtAsking
from tieout.brokers.ccxt.calls import Known
from tieout.brokers.ccxt.gather import own_address
from tieout.errors import SourceRefused


class CcxtAccount:
    """One account, confirmed once by the venue's own word."""

    def __init__(self, name: str, known: Known | None, asking: CcxtAsking) -> None:
        self._name, self._known, self._asking = name, known, asking
        self._confirmed, self._turn = known is None, asyncio.Lock()

    async def confirm(self, scope: str) -> None:
        """Return if the venue knows the account; it is asked until it once said so.

        Raises:
            SourceRefused: It does not, or it is another's: a person has to mend the address.
            SourceError: It did not answer.
        """
        async with self._turn:
            if not self._confirmed:
                why = await self._asking.ask(scope, self._question)
                if why is not None:
                    raise SourceRefused(self._name, scope, why)
                self._confirmed = True

    async def _question(self, client: Any) -> str | None:
        assert self._known is not None
        body = await getattr(client, self._known.method)({**self._known.params, "user": own_address(client)})
        return self._known.denied(body)
