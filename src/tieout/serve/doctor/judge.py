"""What is to be mended of what an examination saw, worst first, each in a sentence with what to do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from msgspec.structs import replace

from tieout.brokers.examined import KeyRights
from tieout.serve.doctor.facts import Examination, Finding, SectionSeen

APART_MS = (
    500  # venues refuse what is signed from a second ahead of them on, and their times then lie between our records
)
VAGUE_MS = 750  # a clock that tells whole seconds is known to half of one
SOON = timedelta(days=14)
STALE_S = 12 * 3600


def judged(seen: Examination, now: datetime) -> Examination:
    """*seen* with what is to be mended first, then what is only to be known."""
    found = [*_reach(seen), *_rights(seen, now), *_clock(seen), *_sections(seen), *_pace(seen), *_listed_there(seen)]
    return replace(seen, findings=tuple(sorted(found, key=lambda each: each.level != "mend")))


def _reach(seen: Examination) -> Iterator[Finding]:
    reached = seen.reached
    if reached is None or reached.failed is None:
        return
    mends = {
        "name": "check the address in the configuration, and this machine's name service",
        "connection": "check the network, its firewall and proxy, and whether the venue is down",
        "TLS": "check this machine's clock and certificates; do not go on with somebody who is not the venue",
        "HTTP": "look whether the venue is down, or something stands between",
    }
    what = f"{reached.host} cannot be reached: {reached.why} ({reached.failed}); nothing is known of the account"
    yield Finding("mend", what, mends[reached.failed])


def _rights(seen: Examination, now: datetime) -> Iterator[Finding]:
    rights = seen.rights
    if seen.reached is None or seen.reached.failed is not None:
        return
    if rights is None:
        what = f"what the key may do could not be asked: {seen.rights_why}"
        yield Finding("mend", what, "check that the key is the one of this account, is not revoked, and may read")
        return
    if rights.withdraw:
        what = "THE KEY MAY WITHDRAW: whoever has it can send the account's money away"
        yield Finding("mend", what, "take that right away at the venue today; Tieout never needs it")
    if rights.read is False:
        yield Finding("mend", "the key may not read all of the account", "give it the right to read at the venue")
    yield from _trading(seen, rights)
    if rights.expires is not None and rights.expires - now < SOON:
        what = f"the key ends on {rights.expires:%Y-%m-%d}"
        yield Finding("mend", what, "make a new one in time: nothing is read from then on")
    if rights.move:
        yield Finding("note", "the key may move money between accounts of the same owner; Tieout never needs that")
    if rights.bound is False and (rights.trade or rights.withdraw or rights.move):
        yield Finding("note", "the key is not bound to addresses: bind it to this machine's at the venue")
    for words in rights.remarks:
        yield Finding("note", words)
    yield from _untold(seen, rights)


def _trading(seen: Examination, rights: KeyRights) -> Iterator[Finding]:
    if rights.trade and not seen.acts:
        what = "THE KEY MAY TRADE, and what is configured only reads"
        yield Finding("mend", what, "give it a key that may only read: that suffices for everything but acting")
    if not seen.acts:
        return
    if rights.trade is False or rights.trade_here is False:
        where = "" if rights.trade is False else " in this market"
        what = f"the configuration lets Tieout act, and the key may not trade{where}: orders will be refused"
        yield Finding("mend", what, 'give the key that right, or write mode = "shadow"; for all else reading suffices')


def _untold(seen: Examination, rights: KeyRights) -> Iterator[Finding]:
    named = [word for word, may in (("trade", rights.trade), ("withdraw", rights.withdraw)) if may is None]
    if not named:
        return
    why = f" ({seen.rights_why})" if seen.rights_why else ""
    if rights.strange:
        why = f": it has rights that are not known here ({', '.join(rights.strange)})"
    more = "" if rights.lesser else "; this venue makes no keys that only read"
    what = f"the venue does not say whether the key may {' or '.join(named)}{why}: look it up there{more}"
    yield Finding("note", what)


def _clock(seen: Examination) -> Iterator[Finding]:
    clock = seen.clock
    if clock is None:
        return
    if clock.ahead_ms is None or clock.within_ms is None:
        yield Finding(
            "mend", f"the venue's clock could not be asked: {clock.why}", "try again; see what else is said here"
        )
        return
    apart = abs(clock.ahead_ms)
    if apart - clock.within_ms > APART_MS:
        whose = "behind" if clock.ahead_ms > 0 else "ahead of"
        what = (
            f"this machine's clock is {apart} ms {whose} the venue's: signed requests may be refused, and ages be wrong"
        )
        yield Finding("mend", what, "have a time service set it (chrony, systemd-timesyncd); compare with other venues")
    elif clock.within_ms > VAGUE_MS:
        what = f"the clocks could be compared to {clock.within_ms} ms only, which does not show that they agree"
        yield Finding("note", what)


def _sections(seen: Examination) -> Iterator[Finding]:
    lacking = [each for each in seen.sections if each.seen in ("partial", "failed")]
    for why in dict.fromkeys(each.why for each in lacking):
        same = [each for each in lacking if each.why == why]
        names = "nothing" if len(same) == len(seen.sections) else _listed([each.section for each in same])
        how = "only partly read" if all(each.seen == "partial" for each in same) else "could not be read"
        how = "could be read" if names == "nothing" else how
        yield Finding("mend", f"{names} {how}: {why or 'the file says so'}", _how(seen, same))


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _how(seen: Examination, same: list[SectionSeen]) -> str:
    gaps = [each.section for each in same if each.gap and each.why == each.gap]
    if gaps:
        quoted = ", ".join(f'"{name}"' for name in gaps)
        return f"where nothing is held there, say so in [accounts.{seen.account}.broker]: accept_gaps = [{quoted}]"
    if "no assets are named" in same[0].why:
        return f"name them in [accounts.{seen.account}.broker]: assets = [...]"
    if seen.reached is None:
        return "see whether what writes it still runs, and that the configuration names the right place"
    mends = {
        "authentication": "check the key, its right to read, and the addresses that it is bound to",
        "rate_limited": "wait; something else may be using up the limits of this key or address",
        "timeout": "try again; see whether the venue is slow, or down",
        "unavailable": "try again; see whether the venue is down",
        "malformed": "try again; something between here and the venue may answer in its place",
    }
    return mends.get(same[0].code, "nothing is concluded from what was not read, and nothing there is healed")


def _pace(seen: Examination) -> Iterator[Finding]:
    pace = seen.pace
    if pace is not None and pace.every_s > pace.configured_s:
        what = f"a reading every {pace.configured_s} s is configured, and the venue's limits bear one every {pace.every_s} s"
        yield Finding(
            "mend", what, f"write interval_seconds = {pace.every_s} in [accounts.NAME.reconciliation], or more"
        )
    if seen.markets_age_s is not None and seen.markets_age_s > STALE_S:
        what = (
            f"what is known of the venue's markets is {seen.markets_age_s // 3600} hours old, and is being fetched anew"
        )
        yield Finding("note", what)


def _listed_there(seen: Examination) -> Iterator[Finding]:
    for what in seen.against_table:
        yield Finding("mend", what.rstrip("."), "look up what one contract is of at the venue, and mend the table")
    for what in seen.listed:
        yield Finding("note", what.rstrip("."))
    if seen.listed_why:
        yield Finding("note", f"what the venue lists of its instruments could not be asked: {seen.listed_why}")
