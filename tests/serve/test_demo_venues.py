"""The demo of venues is the real thing: what goes wrong is seen over sockets, named, and closed, and nothing reads flat."""

from __future__ import annotations

import asyncio
import io
import re
import sys
from collections.abc import Mapping

import pytest
from rich.console import Console

from tieout.brokers.loopback.street import PLOTS, Stand
from tieout.config import Config
from tieout.model.discrepancy import ActionKind, ActionStatus, CauseCode
from tieout.serve.demo_venues import MISHAPS, Round, play
from tieout.serve.files import replay_history
from tieout.serve.render.street import StreetPrinter

CAUSES = {
    "shares": {CauseCode.MISSED_FILL, CauseCode.MISSED_UPDATE},
    "futures": {CauseCode.PARTIAL_RESPONSE},
    "swaps": {CauseCode.EXTERNAL_TRADE},
    "wallets": {CauseCode.MISSED_UPDATE},
    "perps": {CauseCode.FUNDING},
}
Played = tuple[Round, Mapping[str, Stand], list[str]]
_listening: list[bool] = []
_heard: list[object] = []


def _hear(event: str, arguments: tuple[object, ...]) -> None:
    if _listening and event in ("socket.connect", "socket.getaddrinfo"):
        _heard.append(arguments[1] if event == "socket.connect" else arguments[0])


sys.addaudithook(_hear)  # there is no way to take one away again: it is deaf but for the one run


@pytest.fixture(scope="module")
def played() -> Played:
    """One run of it: it lasts some seconds, for it waits until records are old enough to be believed."""
    told: list[str] = []
    _listening.append(True)
    try:
        return *asyncio.run(play(7, told.append)), told
    finally:
        _listening.clear()


def test_nothing_leaves_the_machine(played: Played) -> None:
    """Whatever was connected to, or asked a name server about, is 127.0.0.1: what the first printed line says is true."""
    _street, _stands, told = played
    hosts = {each[0] if isinstance(each, tuple) else each for each in _heard}
    assert hosts == {"127.0.0.1"} and "Nothing leaves this machine." in told[0]


def test_each_mishap_is_seen_for_what_it_is_and_closed(played: Played) -> None:
    """All agree at first; the reading after a mishap names its cause and no other; all agree in the end; nothing halts."""
    street, stands, _told = played
    assert {mishap.account for mishap in MISHAPS} < {plot.account for plot in PLOTS} == set(street.readings)
    for name, (first, struck, *_later, last) in street.readings.items():
        rows = [row for row in struck.report.discrepancies if not row.within_tolerance]
        assert (first.report.status, last.report.status) == ("matched", "matched"), name
        assert {row.cause.code for row in rows} == CAUSES.get(name, set()), name
        assert first.requests > 0 and not any(a.action is ActionKind.HALT for a in struck.report.actions), name
    assert street.agreed and all(stand.server.asked for stand in stands.values())


def test_a_page_of_html_concludes_nothing_and_an_empty_list_books_nothing(played: Played) -> None:
    """The savings' balances are not read rather than gone, and positions that were left out are never booked away."""
    street, _stands, _told = played
    savings, futures = street.readings["savings"][1], street.readings["futures"][1]
    assert (savings.report.status, savings.report.coverage["balances"]) == ("incomplete", "failed")
    assert set(savings.failures) == {"malformed"} and not savings.report.discrepancies
    done = [action for action in futures.report.actions if action.status is ActionStatus.DONE]
    assert [action.action for action in done if action.action is not ActionKind.ALERT] == []


def test_what_is_asked_again_is_counted(played: Played) -> None:
    """Where the venue throttles or the connection breaks, the question is put again, and the account still matches."""
    street, _stands, _told = played
    throttled, broken = street.readings["unified"][1], street.readings["chain"][1]
    assert throttled.failures == {"rate_limited": 1} and throttled.milliseconds >= 1000
    assert set(broken.failures) == {"unavailable"} and broken.again >= 1
    assert (throttled.report.status, broken.report.status) == ("matched", "matched")


def test_its_history_replays_to_the_same_verdicts(played: Played) -> None:
    """What it leaves behind is judged again as it was judged then."""
    street, _stands, _told = played
    again = list(replay_history(street.observations, Config()))
    assert [(r.account, r.status, r.discrepancies) for r in again] == [
        (r.account, r.status, r.discrepancies) for r in street.reports
    ]


@pytest.mark.parametrize("width", [80, 130])
def test_the_table_holds_every_account_within_the_screen(played: Played, width: int) -> None:
    """Account, venue, requests, milliseconds, status and what went wrong stand there; no line is longer than the screen."""
    street, stands, _told = played
    out = io.StringIO()
    printer = StreetPrinter(Console(file=out, width=width, highlight=False))
    titles = {mishap.account: mishap.title for mishap in MISHAPS}
    printer.table({name: stand.plot.venue for name, stand in stands.items()}, titles, street.readings)
    text = out.getvalue()
    assert max(map(len, text.splitlines())) <= width
    for name, stand in stands.items():
        struck = street.readings[name][1]
        figures = rf"\b{name}\b.*\s{struck.requests}\s+{struck.milliseconds}\s+{struck.report.status}\b"
        assert re.search(figures, text) and stand.plot.venue in text
    assert "nothing goes wrong here" in text and "…" not in text
