"""Every fault of the table, at every venue, for every reading: none may yield an empty account, each has to raise."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

from tests.conform.cases import ASSETS, empty, markets
from tests.conform.loopback import Asked, Cut, Loopback, client
from tests.conform.output import say
from tieout.brokers.ccxt.adapter import CcxtBroker
from tieout.brokers.ccxt.venues import VENUES, Call
from tieout.errors import SourceError, SourceIncomplete
from tieout.model.snapshot import Section

HTML = "<!DOCTYPE html><html><head><title>Just a moment</title></head><body>checking your browser</body></html>"
FAULTS: dict[str, tuple[int, str] | None] = {
    "truncated JSON": (200, '{"result":{"list":[{"symbol":"BTC'),
    "cut connection": (200, Cut('{"result":{"list":[')),
    "HTML page": (200, HTML),
    "empty body": (200, ""),
    "null": (200, "null"),
    "{}": (200, "{}"),
    "[]": (200, "[]"),
    "other object": (200, '{"status":"fine"}'),
    "text": (200, '"ok"'),
    "connection reset": None,
    "500": (500, "Internal Server Error"),
    "503 HTML": (503, HTML),
    "429": (429, "{}"),
    "401": (401, "{}"),
}
READINGS: dict[Section, str] = {"positions": "get_positions", "balances": "get_balances", "orders": "get_open_orders"}
LISTS_OF_WALLETS = ("gate", "bitfinex", "gemini")  # where an empty list is the venue's word for an empty account


class Trial(NamedTuple):
    """One fault, at one endpoint of one reading; all other endpoints of the venue answer that there is nothing."""

    venue: str
    section: Section
    endpoint: str
    fault: str


def trials() -> list[Trial]:
    """All of them; an empty list is no fault where a list is due."""
    return [
        Trial(name, section, endpoint, fault)
        for name, venue in VENUES.items()
        for section in READINGS
        if section in venue.sections
        for endpoint, listed in _endpoints(name, section)
        for fault in FAULTS
        if not (fault == "[]" and listed)
    ]


def _endpoints(venue: str, section: Section) -> list[tuple[str, bool]]:
    calls: tuple[Call, ...] = getattr(VENUES[venue], section)
    if section == "balances":
        return list(dict.fromkeys((call.endpoint, venue in LISTS_OF_WALLETS) for call in calls))
    return list(dict.fromkeys((call.endpoint, not call.rows) for call in calls))


async def run() -> tuple[int, int]:
    """Try all; how many readings raised as they must, and how many did not."""
    server = Loopback()
    await server.start()
    table: dict[str, Counter[str]] = {fault: Counter() for fault in FAULTS}
    wrong: list[str] = []
    try:
        for trial in trials():
            outcome, bad = await _try(server, trial)
            table[trial.fault][outcome] += 1
            wrong += [f"{' '.join(trial)}: {outcome}"] if bad else []
    finally:
        await server.stop()
    _print(table, wrong)
    return sum(counts.total() for counts in table.values()) - len(wrong), len(wrong)


async def _try(server: Loopback, trial: Trial) -> tuple[str, bool]:
    """What the reading came to, and whether that is wrong. All gaps are accepted: only the fault counts."""

    def answer(asked: Asked) -> tuple[int, str] | None:
        return FAULTS[trial.fault] if asked.path.endswith(trial.endpoint) else (200, empty(trial.venue, asked.said))

    server.answer = answer
    broker = CcxtBroker(
        trial.venue,
        account="faulty",
        assets=ASSETS.get(trial.venue, ()),
        accept_gaps=tuple(READINGS),
        markets=markets(trial.venue, ""),
        client=client(trial.venue, server.port),
    )
    try:
        rows: tuple[Any, ...] = await getattr(broker, READINGS[trial.section])()
    except SourceIncomplete:
        return "SourceIncomplete", True  # a part of a fault is not to be believed either
    except SourceError as error:
        return type(error).__name__, False
    finally:
        await broker.close()
    return f"answered {len(rows)} rows", True


def _print(table: dict[str, Counter[str]], wrong: list[str]) -> None:
    say(f"faults: {len(VENUES)} venues, {sum(counts.total() for counts in table.values())} readings")
    for fault, counts in table.items():
        say(f"{fault:<18}" + ", ".join(f"{kind} {count}" for kind, count in counts.most_common()))
    for text in wrong:
        say(f"NOT RAISED {text}")
