"""Nine accounts at nine venues, reconciled at once over 127.0.0.1 by the real adapters; then things go wrong at eight.

Nothing is staged but what goes wrong: the servers speak the venues' protocols and check signatures, the clients are those
that ask the venues themselves, time is the machine's, and what is printed is what the reconciler reported.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping
from decimal import Decimal
from itertools import chain
from pathlib import Path

from msgspec import Struct

from tieout.books.engine_books import EngineBooks
from tieout.brokers.base import OrderRequest
from tieout.brokers.loopback.faults import HttpFault, HttpRule
from tieout.brokers.loopback.street import Stand, opened
from tieout.clock import Clock, SystemClock
from tieout.errors import SourceUnreachable
from tieout.live.reconciler import Account, PositionReconciler
from tieout.model.codec import encode
from tieout.model.report import ReconciliationReport
from tieout.model.snapshot import Observation, Snapshot
from tieout.observe.reading import Reach, read_broker

SETTLED_S = (
    3.2  # the settle window and a little more: what is younger is on its way, and some clocks tell whole seconds
)
MAX_READINGS = 4
REACH = Reach(timeout_seconds=20)
PAGE = "<!DOCTYPE html><html><title>Just a moment...</title><body>Checking your browser</body></html>"


class Reading(Struct, frozen=True):
    """One reconciliation of one account, and what it took.

    Attributes:
        requests: That the venue's server saw.
        milliseconds: From the first question to the report.
        again: How often a question was asked once more.
        failures: Answers that were none, by kind.
    """

    report: ReconciliationReport
    requests: int
    milliseconds: int
    again: int = 0
    failures: Mapping[str, int] = {}


class Mishap(Struct, frozen=True):
    """What goes wrong at an account's venue: a sentence, and how it comes about."""

    account: str
    title: str
    happen: Callable[[Stand], object]


def _fault(fault: HttpFault, endpoint: str, **how: object) -> Callable[[Stand], object]:
    rule = HttpRule(fault=fault, endpoint=endpoint, **how)  # type: ignore[arg-type]
    return lambda stand: stand.server.faults.inject(rule)


def _expire(stand: Stand) -> object:
    (order,) = (row for row in stand.world.snapshot(stand.plot.account).orders or () if row.live)
    return stand.world.end(stand.plot.account, order.broker_order_id or "", "expired")


# A reading that is not whole, or does not agree, is read anew in the strict order: what has to be seen lasts for both.
MISHAPS = (
    Mishap(
        "shares",
        "an order fills, and the engine does not hear of it",
        lambda stand: stand.world.set_price(stand.asset, Decimal("189")),
    ),
    Mishap(
        "futures",
        "the list of positions comes back empty",
        _fault(HttpFault.HIDDEN, "GET /fapi/v3/positionRisk*", times=2),
    ),
    Mishap(
        "unified",
        "status 429: too many requests, wait 1 s",
        _fault(HttpFault.TEXT, "GET /v5/position/list*", status=429, text="{}", headers={"Retry-After": "1"}),
    ),
    Mishap(
        "swaps",
        "somebody sells 3 by hand",
        lambda stand: stand.world.trade(stand.plot.account, stand.asset, "sell", Decimal(3), Decimal("171.9")),
    ),
    Mishap(
        "savings",
        "status 200, and a page of HTML where the balances are due",
        _fault(HttpFault.TEXT, "POST /0/private/BalanceEx", times=4, text=PAGE),
    ),
    Mishap("wallets", "an order expires, and the engine does not hear of it", _expire),
    Mishap(
        "perps",
        "funding is paid",
        lambda stand: stand.world.office.pay(stand.plot.account, "funding", "USDC", Decimal("-41.370042")),
    ),
    Mishap("chain", "the connection breaks", _fault(HttpFault.RESET, "GET /v4/addresses/*")),
)
ORDERS = {"shares": ("5", "189"), "wallets": ("1", "2400")}  # limit orders that rest from the start


class Round:
    """The accounts, their books and the reconciler; each reading asks all venues at once."""

    def __init__(self, stands: Mapping[str, Stand], clock: Clock) -> None:
        self._stands, self._clock = stands, clock
        self._reconciler = PositionReconciler({}, clock)
        self.readings: dict[str, list[Reading]] = {name: [] for name in stands}
        self.observations: list[Observation] = []

    async def begin(self) -> None:
        """Send the first orders; then take what each venue says as the opening of the books.

        Raises:
            SourceUnreachable: One did not answer.
        """
        await asyncio.gather(*(self._order(self._stands[name], *terms) for name, terms in ORDERS.items()))
        books = await asyncio.gather(*map(self._adopted, self._stands.values()))
        accounts = {
            name: Account(name=name, local=local, broker=stand.broker, reach=REACH)
            for (name, stand), local in zip(self._stands.items(), books, strict=True)
        }
        self._reconciler = PositionReconciler(accounts, self._clock)

    async def read(self) -> int:
        """Reconcile every account at once; how many milliseconds that took together."""
        began = self._clock.monotonic_ns()
        for name, reading in zip(self._stands, await asyncio.gather(*map(self._one, self._stands)), strict=True):
            self.readings[name].append(reading)
            self.observations.append(self._reconciler.observed[name])
        return _since(began, self._clock)

    @property
    def agreed(self) -> bool:
        """Whether every account matched at its last reading."""
        return all(each[-1].report.status == "matched" for each in self.readings.values())

    @property
    def reports(self) -> list[ReconciliationReport]:
        """Every report so far, reading by reading."""
        return [reading.report for reading in chain(*zip(*self.readings.values(), strict=True))]

    async def _one(self, name: str) -> Reading:
        stand, began = self._stands[name], self._clock.monotonic_ns()
        asked, before = len(stand.server.asked), stand.measured
        report = await self._reconciler.reconcile(name, trigger="schedule")
        after = stand.measured
        failures = {kind: count - before.failures.get(kind, 0) for kind, count in after.failures.items()}
        return Reading(
            report,
            len(stand.server.asked) - asked,
            _since(began, self._clock),
            after.retries - before.retries,
            {kind: count for kind, count in failures.items() if count},
        )

    async def _order(self, stand: Stand, quantity: str, price: str) -> None:
        request = OrderRequest(
            client_order_id=f"bot-{stand.plot.account}", asset=stand.asset, side="buy", quantity=Decimal(quantity),
            limit_price=Decimal(price),
        )  # fmt: skip
        await stand.broker.submit_order(request)

    async def _adopted(self, stand: Stand) -> EngineBooks:
        name = stand.plot.account
        stated = await read_broker(name, stand.broker, REACH, self._clock)
        if not isinstance(stated, Snapshot) or stated.coverage:
            raise SourceUnreachable(stand.plot.venue, name, "its loopback server was not read whole")
        return EngineBooks.opened_from(stated, self._clock)


def _since(began: int, clock: Clock) -> int:
    return (clock.monotonic_ns() - began) // 10**6


Told = Callable[[str], None]


async def play(seed: int, told: Told) -> tuple[Round, Mapping[str, Stand]]:
    """Open the street, let things go wrong, and read until all agree again; *told* hears how it goes on."""
    clock = SystemClock()
    async with opened(clock, seed) as stands:
        told(f"{len(stands)} venues listen on 127.0.0.1, an account at each. Nothing leaves this machine.")
        street = Round(stands, clock)
        await street.begin()
        await _all(street, told, "All accounts are read at once")
        for mishap in MISHAPS:
            mishap.happen(stands[mishap.account])
        told(f"Now something goes wrong at {len(MISHAPS)} of them.")
        for number in range(MAX_READINGS - 1):
            if number != 1:  # what was found is booked by now, and what was doubted is read anew
                await clock.sleep(SETTLED_S)
            await _all(street, told, "Read again")
            if street.agreed:
                break
        return street, stands


async def _all(street: Round, told: Told, what: str) -> None:
    milliseconds = await street.read()
    last = [each[-1] for each in street.readings.values()]
    agree = sum(each.report.status == "matched" for each in last)
    requests = sum(each.requests for each in last)
    told(f"{what}: {requests} requests, {milliseconds} ms, {agree} of {len(last)} agree with their books.")


def run_venues(folder: Path, seed: int) -> int:
    """Play it, print it, and leave its report and its history in *folder*.

    Returns:
        0 where every account agrees with its books in the end, else 1.
    """
    from tieout.serve.render.page import render_page
    from tieout.serve.render.street import StreetPrinter

    printer = StreetPrinter()
    street, stands = asyncio.run(play(seed, printer.tell))
    titles = {mishap.account: mishap.title for mishap in MISHAPS}
    printer.table({name: stand.plot.venue for name, stand in stands.items()}, titles, street.readings)
    folder.mkdir(parents=True, exist_ok=True)
    page, history = folder / "venues.html", folder / "venues.jsonl"
    history.write_bytes(b"".join(encode(observation) + b"\n" for observation in street.observations))
    page.write_text(render_page(street.reports, "Nine accounts at nine venues"), encoding="utf-8")
    printer.end(page, history, command=sys.argv[0])
    return 0 if street.agreed else 1
