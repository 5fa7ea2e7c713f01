"""What the entries say together: each event once, times that never go back, outcomes after their intents."""

from __future__ import annotations

from datetime import timedelta

from tieout.record.audit.clocks import EPOCH, Jump
from tieout.record.audit.fetching import Fetch
from tieout.record.audit.finding import Finding, Kind
from tieout.record.audit.heads import Attested
from tieout.record.audit.scanned import Flaw, Scanned
from tieout.record.audit.signing import Succession
from tieout.record.audit.standing import Ends, Signed
from tieout.record.audit.wording import named

SHOWN = 5
_TWICE = "SELECT event, min(entry), max(entry) FROM log_entries WHERE entry < ? GROUP BY event HAVING count(*) > 1"


def check_story(fetch: Fetch, scanned: Scanned, about: tuple[Ends, int, int | None]) -> list[Finding]:
    """What contradicts itself; *about* has the ends, the time in the head (microseconds), and where a handover is broken."""
    ends, head_at, broken = about
    found = _replayed(fetch, scanned) + _outcomes(fetch, scanned)
    if scanned.clocks.back is not None:
        what = f"{named(fetch, scanned.clocks.back)} is dated before the one before it"
        why = "the log never writes that, whatever the clock says: it was added by hand"
        found.append(Finding(Kind.BACKDATED, f"{what}; {why}", scanned.clocks.back))
    if broken is not None:
        what = f"{named(fetch, broken)} was not signed by the key that was in force, or names none: it does not count"
        found.append(Finding(Kind.KEY, what, broken))
    if ends.head != ends.last or ends.checkpoints != ends.last:
        found += _uneven(ends)
    last = scanned.clocks.last_at
    if ends.head == scanned.stop and last is not None and (last - EPOCH) // timedelta(microseconds=1) != head_at:
        what = "the head of the log bears another time than its last entry: its row was changed"
        found.append(Finding(Kind.ROW, what, scanned.stop - 1))
    return found


def _uneven(ends: Ends) -> list[Finding]:
    if ends.head == ends.last or ends.entries > ends.checkpoints:
        return []  # then entries or checkpoints are missing, which is told as such
    what = f"the head of the log says {ends.head} entries, and there are {ends.last}: its row was changed"
    return [Finding(Kind.ROW, what, ends.head)]


def _replayed(fetch: Fetch, scanned: Scanned) -> list[Finding]:
    halves = memoryview(scanned.events).cast("Q")[::2]
    if len(set(halves)) == len(halves) or scanned.fault(Flaw.EVENT) is not None:
        return []
    return [
        Finding(
            Kind.REPLAYED,
            f"{named(fetch, last)} repeats the event of entry {first}: what happened once was written in twice",
            last,
        )
        for _, first, last in fetch(_TWICE, (scanned.stop,))
    ]


def _outcomes(fetch: Fetch, scanned: Scanned) -> list[Finding]:
    intended: set[str] = set()
    found = []
    for step in scanned.steps:
        if step.ended is None:
            intended.add(step.action)
        elif step.action not in intended:
            what = (
                f"{named(fetch, step.entry)} has no intent before it: nothing may be done that was not intended first"
            )
            found.append(Finding(Kind.ORDER, what, step.entry))
    return found


def remarks_of(fetch: Fetch, scanned: Scanned, keys: Succession, attested: Attested, signed: Signed) -> tuple[str, ...]:
    """What is in order, and somebody should know."""
    found = [_jumped(fetch, jump) for jump in scanned.clocks.jumps[:SHOWN]]
    if len(scanned.clocks.jumps) > SHOWN:
        found.append(f"the clock jumped {len(scanned.clocks.jumps) - SHOWN} times more")
    open_ones = _open(scanned)
    if open_ones:
        found.append(f"{len(open_ones)} intents have no outcome yet, the oldest is {named(fetch, open_ones[0])[:-1]}")
    for handover in scanned.handovers[: len(keys.reigns) - 1 if keys.reigns else 0]:
        found.append(f"at entry {handover.entry} the key was handed over, signed by the one before it")
    if scanned.handovers and not keys.reigns:
        found.append(f"entry {scanned.handovers[0].entry} hands over to another key, but none of them is pinned")
    if attested.size is not None and attested.size < signed.proved:
        found.append(
            f"witnesses cosigned up to entry {attested.size - 1}; for the {signed.proved - attested.size} after it "
            "there is only the word of the log's own key"
        )
    return tuple(found)


def _jumped(fetch: Fetch, jump: Jump) -> str:
    by = timedelta(microseconds=abs(jump.by_us))
    way = "back" if jump.by_us < 0 else "forward"
    return f"the clock was set {way} by {_span(by)} before {named(fetch, jump.entry).removesuffix(',')}"


def _span(span: timedelta) -> str:
    seconds = span // timedelta(seconds=1)
    for unit, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= unit:
            return f"{seconds // unit} {name}"
    return f"{seconds} s"


def _open(scanned: Scanned) -> list[int]:
    places: dict[str, int] = {}
    for step in scanned.steps:
        if step.ended is None:
            places[step.action] = step.entry
        elif step.ended != "unknown":
            places.pop(step.action, None)
    return list(places.values())
