"""The loopback venues check who asks: a wrong secret opens none of them, so what adapters sign is what venues want."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from tests.conform.loopback import credentials
from tests.contracts.ccxt_venues import CCXT

from tieout.errors import SourceRefused

SIGNED = [name for name in CCXT if name != "ccxt_hyperliquid"]  # where nothing that is read is signed
ANOTHER_SECRET = "YW5vdGhlciBzZWNyZXQgb2Ygbm9ib2R5"


@pytest.mark.parametrize("name", SIGNED)
async def test_a_wrong_secret_opens_nothing(name: str) -> None:
    """The balances of an account are refused to who signs with another secret, and told to who has the right one."""
    async with CCXT[name]("locked", "", False) as venue:
        assert await venue.broker.get_balances() == ()
        ((key, login),) = venue.server.logins.items()
        if login.secret.startswith("-----BEGIN"):
            changed = replace(login, secret=credentials("coinbase")["secret"])
        else:
            changed = replace(login, secret=ANOTHER_SECRET)
        venue.server.logins = {key: changed}
        with pytest.raises(SourceRefused):
            await venue.broker.get_balances()
        venue.server.logins = {key: login}
        assert await venue.broker.get_balances() == ()
