"""Feeds every recording to the adapter and lets the judge count; prints one line a venue, and what was left out."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from tests.conform.cases import ASSETS, FEEDS, LEFT, Feed, empty, markets
from tests.conform.judge import judge
from tests.conform.loopback import Answer, Asked, Loopback, client
from tests.conform.output import say
from tests.conform.payloads import Payloads
from tieout.brokers.ccxt.adapter import CcxtBroker
from tieout.clock import VirtualClock
from tieout.errors import SourceError, SourceIncomplete

SINCE = datetime(2010, 1, 1, tzinfo=UTC)


class Outcome(NamedTuple):
    """What came of one recorded text."""

    feed: Feed
    records: int
    checked: int
    mismatches: tuple[str, ...]
    note: str = ""


async def run(shared: Path) -> tuple[int, int]:
    """Feed all; how many texts passed and failed."""
    payloads, server = Payloads(shared), Loopback()
    await server.start()
    try:
        outcomes = [await feed_one(server, feed, text) for feed in FEEDS for text in _texts(feed, payloads)]
    finally:
        await server.stop()
    fed = {outcome.feed for outcome in outcomes}
    missing = [feed for feed in FEEDS if feed not in fed]
    _print(outcomes, missing)
    failed = sum(1 for outcome in outcomes if outcome.mismatches) + len(missing)
    return sum(1 for outcome in outcomes if outcome.checked and not outcome.mismatches), failed


def _texts(feed: Feed, payloads: Payloads) -> list[str]:
    """The recorded texts of *feed*; none where the recording is not there, which fails the run."""
    try:
        return feed.texts(payloads)
    except (FileNotFoundError, KeyError):
        return []


async def feed_one(server: Loopback, feed: Feed, text: str) -> Outcome:
    """One recorded text through HTTP, ccxt and the adapter, before the judge."""
    server.answer = _answers(feed, text)
    known = markets(feed.venue, text)
    broker = CcxtBroker(
        feed.venue,
        account="conform",
        assets=ASSETS.get(feed.venue, ()),
        markets=known,
        client=client(feed.venue, server.port),
        clock=VirtualClock(SINCE + timedelta(hours=1)),
    )
    try:
        records, note = await _read(broker, feed.section), ""
    except SourceIncomplete as part:
        records, note = part.rows, part.why
    except SourceError as error:
        return Outcome(feed, 0, 0, (f"{type(error).__name__}: {error.why}",))
    finally:
        await broker.close()
    verdict = judge(feed.venue, feed.section, text, records, known)
    return Outcome(feed, len(records), verdict.checked, verdict.mismatches, note)


def _answers(feed: Feed, text: str) -> Answer:
    def answer(asked: Asked) -> tuple[int, str]:
        told = asked.path.endswith(feed.path) and all(part in asked.said for part in feed.when.split("&"))
        return 200, text if told else empty(feed.venue, asked.said)

    return answer


async def _read(broker: CcxtBroker, section: str) -> tuple[Any, ...]:
    if section == "positions":
        return await broker.get_positions()
    if section == "balances":
        return await broker.get_balances()
    if section == "orders":
        return await broker.get_open_orders()
    return await broker.get_fills(SINCE)


def _print(outcomes: list[Outcome], missing: list[Feed]) -> None:
    by_venue: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        by_venue[outcome.feed.venue].append(outcome)
    say(f"{'venue':<15}{'texts':>6}{'records':>9}{'numbers':>9}{'mismatches':>12}")
    for venue, mine in by_venue.items():
        sums = (
            len(mine),
            sum(o.records for o in mine),
            sum(o.checked for o in mine),
            sum(len(o.mismatches) for o in mine),
        )
        say(f"{venue:<15}{sums[0]:>6}{sums[1]:>9}{sums[2]:>9}{sums[3]:>12}")
    total = (len(outcomes), sum(o.records for o in outcomes), sum(o.checked for o in outcomes))
    say(f"{'all':<15}{total[0]:>6}{total[1]:>9}{total[2]:>9}{sum(len(o.mismatches) for o in outcomes):>12}")
    for outcome in outcomes:
        for mismatch in outcome.mismatches[:8]:
            say(f"MISMATCH {outcome.feed.venue} {outcome.feed.section} ({outcome.feed.source}): {mismatch}")
    for feed in missing:
        say(f"NOT FOUND {feed.source}")
    for outcome in outcomes:
        if not outcome.checked and not outcome.mismatches:
            say(f"fed, not counted: {outcome.feed.venue} {outcome.feed.section} ({outcome.feed.source}): zeros only")
    for why in sorted({f"{o.feed.venue} {o.feed.section}: {o.note}" for o in outcomes if o.note}):
        say(f"incomplete, rows judged: {why}")
    for left in LEFT:
        say(f"left out: {left.source}: {left.why}")
