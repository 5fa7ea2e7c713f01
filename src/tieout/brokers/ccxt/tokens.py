"""What a venue gives a key to open a stream with."""

from __future__ import annotations

from typing import Any

from tieout.brokers.ccxt.asking import CcxtAsking
from tieout.brokers.ccxt.parse import RowError


async def token(asking: CcxtAsking, method: str, field: str) -> str:
    """*field* of the venue's answer to ccxt's *method*, asked as a reading is.

    Raises:
        SourceError: There is none to be had; `SourceRefused` where the key may not have one.
    """

    async def question(client: Any) -> str:
        answer = await getattr(client, method)()
        found = answer.get(field) or (answer.get("result") or {}).get(field)
        if not isinstance(found, str) or not found:
            raise RowError("no token in the answer")
        return found

    return await asking.ask("stream", question)
