"""Where a log's entries stop being those that were signed: what a scan found, held against who signed which checkpoint."""

from __future__ import annotations

from msgspec import Struct

from tieout.record.audit.fetching import LAST_CHECKPOINTS, Fetch
from tieout.record.audit.finding import Finding, Kind
from tieout.record.audit.scanned import Fault, Flaw, Scanned
from tieout.record.audit.signing import Succession
from tieout.record.audit.wording import first_ones, last_ones, named
from tieout.record.tlog.note import Verifier

SIGNATURES = 5_000  # the last ones that are checked one by one; the newest covers all the others
RESTORE = "restore the store from a backup that is past the head kept besides, and verify that"


class Ends(Struct, frozen=True):
    """Where the log ends: by its head, by its entries, by its checkpoints."""

    head: int
    entries: int
    checkpoints: int

    @property
    def last(self) -> int:
        """The largest of them."""
        return max(self.head, self.entries, self.checkpoints)


class Signed(Struct):
    """What the signatures say.

    Attributes:
        checked: How many were looked at, and `all` whether those are all.
        proved: The newest checkpoint that fits and that a key which vouches for the log signed; 0 if there is none.
        note: It.
        key: That key.
        last_good: Whether it is the newest there is.
        findings: What is wrong with the signatures.
    """

    checked: int = 0
    all: bool = True
    proved: int = 0
    note: bytes | None = None
    key: Verifier | None = None
    last_good: bool = False
    findings: list[Finding] = []


def check_signatures(fetch: Fetch, scanned: Scanned, keys: Succession, ends: Ends, *, every: bool) -> Signed:
    """Look at the signatures of the checkpoints, the newest first, *every* one of them or as many as take no time."""
    found = Signed()
    bad: list[int] = []
    unfit = {size for _, size in scanned.unfit}
    for size, note in fetch(LAST_CHECKPOINTS, (ends.checkpoints, ends.checkpoints if every else SIGNATURES)):
        found.checked += 1
        signer = keys.signer(size, note)
        if signer is None:
            bad.append(size)
        elif not found.proved and size <= scanned.stop and size not in unfit and keys.vouches(size, signer):
            found.proved, found.note, found.key = size, note, signer
            found.last_good = size == ends.checkpoints
    found.all = found.checked >= scanned.checkpoints
    if bad or (found.checked and not found.proved and not scanned.unfit and scanned.stop == ends.last):
        found.findings.append(_unsigned(bad, found, keys))
    return found


def _unsigned(bad: list[int], found: Signed, keys: Succession) -> Finding:
    pinned = keys.known[0]
    key = f"{pinned.name}+{pinned.id.hex()}"
    if not found.proved:
        return Finding(
            Kind.KEY,
            f"no checkpoint of this log was signed by the key that was pinned, {key}: "
            "it is another log, or one that somebody else wrote anew; nothing in it can be trusted",
            0,
        )
    if found.proved >= max(bad):
        size = min(bad)
        return Finding(
            Kind.SIGNATURE,
            f"the checkpoint over {first_ones(size)} is not signed by the log's key any more: it was changed; "
            f"the entries themselves are proved by a later one",
            size - 1,
        )
    first = min(size for size in bad if size > found.proved)
    return Finding(
        Kind.KEY,
        f"the checkpoint over {first_ones(first)} is not signed by the key in force, {key}; the last one that is covers "
        f"{found.proved}: nothing from entry {found.proved} on can be trusted",
        found.proved,
    )


def check_entries(fetch: Fetch, scanned: Scanned, signed: Signed, keys: Succession, ends: Ends) -> list[Finding]:
    """Name the first entry that is not what was signed, and what else is wrong with the tree."""
    gone = scanned.fault(Flaw.MISSING)
    found = [_missing(fetch, gone, ends)] if gone is not None else []
    spoilt = _spoilt(fetch, scanned, keys)
    if spoilt is not None:
        found.append(_changed(fetch, scanned, spoilt))
    elif scanned.unfit and not signed.last_good:
        lower, size = scanned.unfit[0]
        what = f"the checkpoint over {first_ones(size)} was changed; entries from {lower} to {size - 1} are not proved by it"
        found.append(Finding(Kind.SIGNATURE, what, lower))
    elif scanned.unfit:
        size = scanned.unfit[0][1]
        what = f"the checkpoint over {first_ones(size)} was changed; the entries themselves are proved by a later one"
        found.append(Finding(Kind.SIGNATURE, what, size - 1))
    if gone is None and ends.entries > ends.checkpoints and ends.entries > 0:
        found.append(_added(fetch, ends))
    if spoilt is None and gone is None:
        found += _auxiliary(fetch, scanned, proved=signed.proved)
    return found


def _spoilt(fetch: Fetch, scanned: Scanned, keys: Succession) -> Fault | None:
    """The entries under the first checkpoint that was truly signed and does not fit them."""
    for lower, size in scanned.unfit:
        rows = fetch(LAST_CHECKPOINTS, (size, 1))
        if rows and rows[0][0] == size and keys.signer(size, rows[0][1]) is not None:
            return Fault(Flaw.CHECKPOINT, lower, size)
    return None


def _changed(fetch: Fetch, scanned: Scanned, spoilt: Fault) -> Finding:
    first, end = spoilt.first, spoilt.end
    for flaw in (Flaw.UNREADABLE, Flaw.EVENT, Flaw.SUBTREE):
        # The closest that anything stored comes to the one that was changed.
        hint = scanned.fault(flaw)
        if hint is not None and first < hint.end and hint.first < end:
            first, end = max(first, hint.first), min(end, hint.end)
            break
    rest = f"nothing from entry {first} on can be trusted until it is as it was: {RESTORE}"
    if end - first == 1:
        return Finding(Kind.CHANGED, f"{named(fetch, first)} was changed after it was signed; {rest}", first)
    if end - first == 2:
        what = f"{named(fetch, first)} or {named(fetch, first + 1)} was changed after it was signed; {rest}"
        return Finding(Kind.CHANGED, what, first)
    what = f"one of the entries from {first} to {end - 1} was changed after they were signed; {rest}"
    return Finding(Kind.CHANGED, what, first)


def _missing(fetch: Fetch, gone: Fault, ends: Ends) -> Finding:
    first = gone.first
    if first >= ends.entries:
        what = f"the log was signed over {ends.last} entries, and ends after {first}"
        return Finding(Kind.CUT, f"{what}: {last_ones(ends.last - first)} cut off; {RESTORE}", first)
    what = f"entry {first} was deleted, which stood between {_bare(fetch, first - 1)} and {_next(fetch, first)}"
    return Finding(Kind.DELETED, f"{what}; nothing from entry {first} on can be trusted: {RESTORE}", first)


def _bare(fetch: Fetch, index: int) -> str:
    return named(fetch, index).removesuffix(",") if index >= 0 else "the log's begin"


def _next(fetch: Fetch, index: int) -> str:
    rows = fetch("SELECT entry FROM log_entries WHERE entry > ? ORDER BY entry LIMIT 1", (index,))
    return _bare(fetch, rows[0][0]) if rows else "its end"


def _added(fetch: Fetch, ends: Ends) -> Finding:
    first = ends.checkpoints
    what = f"{named(fetch, first)} stands behind the last checkpoint, which covers {first} entries"
    return Finding(Kind.ADDED, f"{what}: nobody signed it, so it was added by hand", first)


def _auxiliary(fetch: Fetch, scanned: Scanned, *, proved: int) -> list[Finding]:
    """What is wrong beside entries that stand as they were signed."""
    found = []
    tree = scanned.fault(Flaw.SUBTREE) or scanned.fault(Flaw.NODE)
    if tree is not None:
        what = f"a hash of the tree that is stored with entry {tree.end - 1} was changed"
        rest = f"the first {proved} entries themselves are as they were signed, but proofs made from it would not hold"
        found.append(Finding(Kind.TREE, f"{what}; {rest}", tree.end - 1))
    event = scanned.fault(Flaw.EVENT)
    if event is not None:
        what = f"{named(fetch, event.first)} is filed under the event of another one: its row was changed"
        found.append(Finding(Kind.REPLAYED, what, event.first))
    unreadable = scanned.fault(Flaw.UNREADABLE)
    if unreadable is not None:
        what = f"entry {unreadable.first} cannot be read by this version, though it is as it was signed"
        found.append(Finding(Kind.DAMAGED, what, unreadable.first))
    return found
