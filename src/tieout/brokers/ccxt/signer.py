"""For whom a key signs, where the account is an address: an order that is signed for another one lands in its account."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from tieout.brokers.ccxt.parse import RowError

Signer = Callable[[Any], Awaitable[str | None]]


async def hyperliquid(client: Any) -> str | None:
    """Why the client's key does not sign for its account; None where it does, as its own or as its agent's.

    The key of a main account signs for that one alone: an order for a sub-account of it would rest in the main account.
    """
    if not client.privateKey:
        return "there is no private key to sign with"
    owner = str(client.walletAddress).lower()
    signer = client.eth_get_address_from_private_key(client.privateKey).lower()
    if signer == owner or await linked(client, signer, "agent", "user") == owner:
        return None
    return "the private key signs for another account than this one"


async def linked(client: Any, address: str, role: str, owner: str) -> str | None:
    """Whom *address* belongs to, if Hyperliquid says that it is of that *role*.

    Raises:
        RowError: The answer makes no sense.
    """
    told = await client.publicPostInfo({"type": "userRole", "user": address})
    if not isinstance(told, dict):
        raise RowError("no object where one is due")
    data = told.get("data")
    return str(data.get(owner)).lower() if told.get("role") == role and isinstance(data, dict) else None
