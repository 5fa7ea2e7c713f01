"""A service whose people may sign in through an issuer on loopback, for all tests of it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.serve.api.stage import CLOCK, staged
from tests.serve.oidc.house import House, configured
from tests.serve.oidc.loopback import browser, free_port, loopback
from tieout.config import load
from tieout.serve.access.elsewhere import elsewhere_of
from tieout.serve.access.pace import Pace
from tieout.serve.dashboard import signing_in, signing_in_elsewhere


@pytest_asyncio.fixture(scope="session", loop_scope="session", name="house_of_all")
async def _house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    folder, port = tmp_path_factory.mktemp("oidc"), free_port()
    own = f"http://127.0.0.1:{port}"
    async with loopback(f"{own}/login/oidc/answer") as issuer:
        more = configured(folder, issuer, own)
        forms = (signing_in.router, signing_in_elsewhere.router)
        async with (
            staged(folder, ("main",), more=more, forms=forms, listen=f"127.0.0.1:{port}") as stage,
            browser(own) as first,
        ):
            yield House(stage, issuer, first)


@pytest.fixture
def house(house_of_all: House) -> House:
    """The same house, with an honest issuer whose keys nobody looked for, an empty browser and nobody who asked too often."""
    house_of_all.issuer.forget()
    house_of_all.browser.clear()
    desk = house_of_all.stage.desk
    config = load(house_of_all.stage.folder / "tieout.toml", None, {})
    desk.elsewhere = elsewhere_of(config, desk.callers, desk.users, CLOCK)
    desk.logins = Pace(1000, CLOCK)
    return house_of_all
