"""Every fault of the table at every endpoint of every reading: never flat, always of the right family, and exact."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from tests.brokers.dydx.scene import BTC, ETH, READS, Scene, adapter, staged
from tests.proving import PROVE

from tieout.brokers.loopback.faults import HttpFault, HttpRule
from tieout.clock import DEADLINE, Deadline
from tieout.errors import (
    SourceError,
    SourceIncomplete,
    SourceMalformed,
    SourceRefused,
    SourceThrottled,
    SourceUnreachable,
)
from tieout.model.amounts import dec

Kind = type[SourceError]
ENDPOINTS = {
    "get_positions": ("/v4/height", "/v4/addresses/*"),
    "get_balances": ("/v4/height", "/v4/addresses/*"),
    "get_open_orders": ("/v4/height", "/v4/addresses/*", "/v4/orders/*"),
    "get_fills": ("/v4/height", "/v4/addresses/*", "/v4/fills/*"),
    "get_activities": ("/v4/height", "/v4/addresses/*", "/v4/transfers/*", "/v4/fundingPayments/*"),
    "get_account_info": ("/v4/addresses/*",),
}
PAGE = "<!DOCTYPE html><html><body>checking your browser</body></html>"
OTHER = (SourceError,)


def text(body: str, status: int = 200, **headers: str) -> HttpRule:
    """That answer instead of the venue's."""
    return HttpRule(fault=HttpFault.TEXT, text=body, status=status, headers=headers)


FAULTS: dict[str, tuple[HttpRule, tuple[Kind, ...]]] = {
    "reset": (HttpRule(fault=HttpFault.RESET), (SourceUnreachable,)),
    "stall": (HttpRule(fault=HttpFault.STALL), (SourceUnreachable,)),
    "short": (HttpRule(fault=HttpFault.SHORT), (SourceUnreachable,)),
    "truncated": (HttpRule(fault=HttpFault.TRUNCATED), (SourceMalformed,)),
    "html": (text(PAGE), (SourceMalformed,)),
    "empty": (text(""), (SourceMalformed,)),
    "null": (text("null"), (SourceMalformed,)),
    "{}": (text("{}"), (SourceMalformed,)),
    "[]": (text("[]"), (SourceMalformed,)),
    "text": (text('"ok"'), (SourceMalformed,)),
    **{f"{status}": (text("{}", status), (SourceRefused,)) for status in (401, 403, 451)},
    "404": (text("{}", 404), OTHER),
    "404 html": (text(PAGE, 404), OTHER),
    "418": (text("{}", 418), (SourceThrottled,)),
    "429": (text("{}", 429), (SourceThrottled,)),
    "429 with a time": (text("{}", 429, **{"Retry-After": "3"}), (SourceThrottled,)),
    **{f"{status}": (text(PAGE, status), (SourceUnreachable,)) for status in (500, 501, 502, 503, 504, 520)},
    "vanished": (HttpRule(fault=HttpFault.VANISHED), (SourceMalformed, SourceIncomplete)),
    "new kind": (HttpRule(fault=HttpFault.NEW_KIND), (SourceMalformed, SourceIncomplete)),
}
HARMLESS = {
    "extra": HttpRule(fault=HttpFault.EXTRA),
    "floats": HttpRule(fault=HttpFault.FLOATS),
    "drip": HttpRule(fault=HttpFault.DRIP, seconds=0.02),
    "duplicate": HttpRule(fault=HttpFault.DUPLICATE),
}
# Where a fault changes nothing that is read there: an order list may be empty, and a document without kinds has no new one.
UNTOUCHED = {
    ("[]", "/v4/orders/*"), ("vanished", "/v4/height"), ("vanished", "/v4/orders/*"), ("new kind", "/v4/height"),
    ("new kind", "/v4/fundingPayments/*"),
}  # fmt: skip


def _tried(read: str) -> list[tuple[str, str]]:
    """Every fault at every endpoint of *read*; a fifth of them, spread evenly, outside `make prove`."""
    table = [(endpoint, name) for endpoint in ENDPOINTS[read] for name in FAULTS if (name, endpoint) not in UNTOUCHED]
    return table if PROVE else table[:: len(FAULTS) // 5]


def _busy(scene: Scene) -> None:
    """Rows in every section."""
    scene.trade(BTC, "1.000000000000000001", "60000.5")
    scene.trade(ETH, "-3", "2000")
    scene.rest("1")
    scene.world.office.pay("main", "funding", "USDC", dec("0.5"))


class Soon(Deadline):
    """Always a tenth of a second off: a virtual clock stands still while a socket is waited for."""

    def left_ns(self) -> int:
        """Never less."""
        return 10**8


@pytest.mark.prove
@pytest.mark.parametrize("read", READS)
async def test_no_fault_is_read_as_an_account(read: str) -> None:
    """Each raises its kind; the next reading gives the truth."""
    async with staged() as scene:
        _busy(scene)
        truth = await READS[read](scene.broker)
        for endpoint, name in _tried(read):
            rule, kinds = FAULTS[name]
            broker = adapter(scene.venue, scene.clock)
            await broker.server_time()
            DEADLINE.set(Soon(scene.clock, 1) if name == "stall" else None)
            scene.venue.faults.inject(_at(rule, endpoint, 2 if name == "vanished" else 1))
            with pytest.raises(SourceError) as failure:
                await READS[read](broker)
            DEADLINE.set(None)
            assert isinstance(failure.value, kinds), f"{name} at {endpoint}: {failure.value!r}"
            rows = failure.value.rows if isinstance(failure.value, SourceIncomplete) else ()
            assert not rows or (isinstance(truth, tuple) and set(rows) < set(truth))
            scene.venue.faults.clear()
            assert await READS[read](broker) == truth, f"after {name} at {endpoint}"
            await broker.close()


@pytest.mark.parametrize("read", READS)
async def test_what_does_no_harm_changes_no_digit(read: str) -> None:
    """Fields more, numbers of JSON instead of text, a slow answer, one answer twice: the truth, exactly."""
    async with staged() as scene:
        _busy(scene)
        truth = await READS[read](scene.broker)
        for endpoint in ENDPOINTS[read]:
            for name, rule in HARMLESS.items():
                if (name, endpoint) == ("extra", "/v4/addresses/*"):
                    continue  # positions are an object by market: a further field in it is a market that makes no sense
                broker = adapter(scene.venue, scene.clock)
                scene.venue.faults.inject(_at(rule, endpoint))
                assert await READS[read](broker) == truth, f"{name} at {endpoint}"
                scene.venue.faults.clear()
                await broker.close()


def _at(rule: HttpRule, endpoint: str, times: int = 1) -> HttpRule:
    """The rule there; a list in pages that is not proven is read once more, and what vanished once is then there."""
    return replace(rule, endpoint=f"GET {endpoint}", times=times)
