"""The attacks on a record, each with what `tieout audit verify` says of it. `python -m tests.record.attacks` prints them all.

Whoever attacks may write every row of the database. Some attackers also write the files beside it, or hold the log's key.
"""

# ruff: noqa: ASYNC240 - the files of a test are small

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from msgspec import Struct
from sqlalchemy import Connection

from tests.record.audit import house
from tests.record.audit.house import change, cut, entries_in, put_entries, rehash, rows, run
from tieout.clock import VirtualClock
from tieout.record import keys
from tieout.record.audit.finding import Finding, Kind, Verdict
from tieout.record.audit.trust import Trust
from tieout.record.entry import Draft, EntryKind, event_key
from tieout.record.log import Author, append, read_head
from tieout.record.opening import open_record
from tieout.record.settings import RecordSettings
from tieout.record.tlog import note
from tieout.record.tlog.note import ED25519, Verifier
from tieout.record.tlog.policy import Group, TrustPolicy

LATER = datetime(2027, 1, 5, tzinfo=UTC)
VICTIM = 5  # the entry that most of them change


class Scene(Struct, frozen=True):
    """A record under attack, a folder for what else is needed, and the log's key as it was before."""

    settings: RecordSettings
    folder: Path
    signer: note.Signer

    @property
    def memory(self) -> Path:
        """What the verifier remembers."""
        return self.folder / "memory"


class Attack(Struct, frozen=True):
    """An attack: its name, how it is made, and what has to come out: the kind of the first finding, and words of it.

    `rows` where nothing but rows of the database is changed, so that it is the same on either database.
    """

    name: str
    make: Callable[[Scene], Awaitable[Verdict]]
    kind: Kind | None
    words: str
    rows: bool = True


ATTACKS: list[Attack] = []


def attack(
    name: str, kind: Kind | None, words: str, *, rows: bool = True
) -> Callable[[Callable[[Scene], Awaitable[Verdict]]], Callable[[Scene], Awaitable[Verdict]]]:
    """Put a function into the table."""

    def keep(make: Callable[[Scene], Awaitable[Verdict]]) -> Callable[[Scene], Awaitable[Verdict]]:
        ATTACKS.append(Attack(name, make, kind, words, rows))
        return make

    return keep


async def after(scene: Scene, work: Callable[[Connection], object], *, trust: Trust | None = None) -> Verdict:
    """The verdict after rows were changed."""
    await change(scene.settings, work)
    return await house.verdict(scene.settings, trust=trust, memory=scene.memory)


def falsify(body: bytes) -> bytes:
    """Another account in an entry."""
    changed = body.replace(b'"main"', b'"mine"')
    assert changed != body
    return changed


def edit(connection: Connection) -> None:
    body = entries_in(connection)[VICTIM][2]
    run(connection, "UPDATE log_entries SET body = ? WHERE entry = ?", (falsify(body), VICTIM))


def stolen(scene: Scene) -> note.Signer:
    """The log's key, in the wrong hands."""
    return keys.load(scene.settings.key_folder).signer


def steal_and_write(scene: Scene, connection: Connection, *drafts: Draft, clock: VirtualClock | None = None) -> None:
    """Append as the service would, with the stolen key."""
    house.append_as_thief(connection, stolen(scene), clock or VirtualClock(LATER), *drafts)


def at_end(connection: Connection) -> bytes:
    """The newest checkpoint."""
    return bytes(rows(connection, "SELECT note FROM checkpoints ORDER BY size DESC LIMIT 1")[0][0])


def write_side(scene: Scene, signed: bytes) -> None:
    """Put another head besides the store."""
    scene.settings.head_file.write_bytes(signed)


@attack("edit a row", Kind.CHANGED, "was changed after it was signed")
async def edit_a_row(scene: Scene) -> Verdict:
    return await after(scene, edit)


@attack("delete a row", Kind.DELETED, f"entry {VICTIM} was deleted")
async def delete_a_row(scene: Scene) -> Verdict:
    return await after(scene, lambda c: run(c, "DELETE FROM log_entries WHERE entry = ?", (VICTIM,)))


@attack("insert a row, and move those after it on", Kind.CHANGED, "was changed after it was signed")
async def insert_a_row(scene: Scene) -> Verdict:
    def work(connection: Connection) -> None:
        found = entries_in(connection)
        fresh = (VICTIM, event_key("forged"), found[VICTIM][2].replace(b"reading:", b"reading!"))
        moved = [(place + 1, event, body) for place, event, body in found[VICTIM:]]
        put_entries(connection, [*found[:VICTIM], fresh, *moved])

    return await after(scene, work)


@attack("insert a row at the end", Kind.ADDED, "nobody signed it")
async def insert_at_the_end(scene: Scene) -> Verdict:
    def work(connection: Connection) -> None:
        last = entries_in(connection)[-1]
        fresh = (last[0] + 1, event_key("forged"), last[2].replace(b"heartbeat:", b"heartbeat!"))
        run(connection, "INSERT INTO log_entries (entry, event, body) VALUES (?, ?, ?)", fresh)

    return await after(scene, work)


@attack("swap two rows", Kind.CHANGED, "was changed after it was signed")
async def swap_two_rows(scene: Scene) -> Verdict:
    def work(connection: Connection) -> None:
        found = entries_in(connection)
        one, two = found[VICTIM], found[VICTIM + 5]
        found[VICTIM], found[VICTIM + 5] = (one[0], *two[1:]), (two[0], *one[1:])
        put_entries(connection, found)

    return await after(scene, work)


@attack("edit, then re-hash the whole tree", Kind.CHANGED, "was changed after it was signed")
async def edit_and_rehash(scene: Scene) -> Verdict:
    def work(connection: Connection) -> None:
        edit(connection)
        rehash(connection)

    return await after(scene, work)


@attack(
    "a whole new log, signed by a new key", Kind.KEY, "no checkpoint of this log was signed by the key that was pinned"
)
async def whole_new_log(scene: Scene) -> Verdict:
    thief = note.Signer(note.generate_key(scene.signer.name, bytes(range(32))))

    def work(connection: Connection) -> None:
        edit(connection)
        rehash(connection, thief)
        write_side(scene, at_end(connection))

    return await after(scene, work)


@attack(
    "a new key stored in the database, by an entry that hands over to it",
    Kind.KEY,
    "not signed by the key",
)
async def new_key_in_the_database(scene: Scene) -> Verdict:
    thief = note.Signer(note.generate_key(scene.signer.name, bytes(range(32))))

    def work(connection: Connection) -> None:
        refs = {"old_key": scene.signer.vkey, "new_key": thief.vkey}
        handover = Draft(event="key:forged", kind=EntryKind.CONFIGURE, refs=refs)
        author = Author(scene.signer.name, thief, VirtualClock(LATER), "feedface")
        append(connection, read_head(connection), [handover], author)
        append(connection, read_head(connection), [Draft(event="x", kind=EntryKind.HEARTBEAT)], author)

    return await after(scene, work)


@attack("cut the tail: rows only", Kind.CUT, "were cut off")
async def cut_rows(scene: Scene) -> Verdict:
    size = await house.last_good_size(scene.settings)
    return await after(scene, lambda c: cut(c, size, checkpoints=False))


@attack("cut the tail with its checkpoints", Kind.CUT, "the head kept besides")
async def cut_with_checkpoints(scene: Scene) -> Verdict:
    size = await house.last_good_size(scene.settings)
    return await after(scene, lambda c: cut(c, size, checkpoints=True))


@attack("cut the tail, and the head kept besides too", Kind.CUT, "the head remembered from the last verification")
async def cut_with_side(scene: Scene) -> Verdict:
    size = await house.last_good_size(scene.settings)

    def work(connection: Connection) -> None:
        cut(connection, size, checkpoints=True)
        write_side(scene, at_end(connection))

    await house.remembered(scene.settings, scene.memory)
    return await after(scene, work)


@attack("delete the head kept besides", Kind.CUT, "is gone")
async def delete_side(scene: Scene) -> Verdict:
    scene.settings.head_file.unlink()
    return await house.verdict(scene.settings, memory=scene.memory)


@attack("restore an older backup", Kind.CUT, "an older copy was put in place", rows=False)
async def older_backup(scene: Scene) -> Verdict:
    backup = Path(scene.settings.store).read_bytes()
    record = await open_record(scene.settings, VirtualClock(LATER))
    for _ in range(3):
        await record.heartbeat()
    await record.close()
    Path(scene.settings.store).write_bytes(backup)
    return await house.verdict(scene.settings, memory=scene.memory)


@attack("a fork: two readers are shown different logs", Kind.FORK, "two of its readers are shown different ones")
async def fork(scene: Scene) -> Verdict:
    size = await house.last_good_size(scene.settings)

    def other(connection: Connection) -> None:
        cut(connection, size, checkpoints=True)
        for number in range(8):
            steal_and_write(scene, connection, Draft(event=f"other-{number}", kind=EntryKind.HEARTBEAT))
        write_side(scene, at_end(connection))

    await house.remembered(scene.settings, scene.memory)  # the first reader, to whom the second one's log is shown then
    return await after(scene, other)


def witnessed(scene: Scene) -> tuple[Trust, note.Signer]:
    """A policy that asks for one witness, and that."""
    cosigner = note.Signer(note.generate_key("witness.example/w", bytes(31) + b"w"), kind=note.COSIGNATURE)
    witness = Verifier(cosigner.vkey)
    log = Verifier(scene.signer.vkey)
    assert log.kind == ED25519
    policy = TrustPolicy((log,), {"w": witness}, {"all": Group(1, ("w",))}, "all")
    return Trust(policy, "--policy"), cosigner


def cosign_end(connection: Connection, cosigner: note.Signer) -> None:
    """Have the newest checkpoint cosigned."""
    size, signed = rows(connection, "SELECT size, note FROM checkpoints ORDER BY size DESC LIMIT 1")[0]
    line = note.cosign(bytes(signed), cosigner, 1_800_000_000)
    row = (size, "cosignature", cosigner.name, 0, line)
    run(connection, "INSERT INTO attestations (size, kind, name, at, body) VALUES (?, ?, ?, ?, ?)", row)


def resign(scene: Scene, connection: Connection) -> None:
    """With the stolen key: edit, and sign everything again, the head kept besides too."""
    edit(connection)
    rehash(connection, stolen(scene))
    write_side(scene, at_end(connection))


@attack("a stolen key: edit and sign again, against a witness", Kind.WITNESS, "cosigned a log of")
async def stolen_against_witness(scene: Scene) -> Verdict:
    trust, cosigner = witnessed(scene)
    await change(scene.settings, lambda c: cosign_end(c, cosigner))
    assert (await house.verdict(scene.settings, trust=trust, memory=scene.memory)).sound
    return await after(scene, lambda c: resign(scene, c), trust=trust)


@attack(
    "a stolen key, the cosignatures deleted as well", Kind.WITNESS, "nobody but the holder of its key vouches for it"
)
async def stolen_without_witness(scene: Scene) -> Verdict:
    trust, cosigner = witnessed(scene)
    await change(scene.settings, lambda c: cosign_end(c, cosigner))

    def work(connection: Connection) -> None:
        resign(scene, connection)
        run(connection, "DELETE FROM attestations")

    return await after(scene, work, trust=trust)


@attack("a stolen key: edit and sign again, against the verifier's memory", Kind.FORK, "the head remembered from")
async def stolen_against_memory(scene: Scene) -> Verdict:
    await house.remembered(scene.settings, scene.memory)
    return await after(scene, lambda c: resign(scene, c))


@attack("a stolen key after it was rotated out", Kind.KEY, "not signed by the key in force")
async def rotated_out(scene: Scene) -> Verdict:
    old = stolen(scene)
    keys.rotate(scene.settings.key_folder)
    clock = VirtualClock(LATER)
    record = await open_record(scene.settings, clock)
    await record.heartbeat()
    await record.close()
    assert (await house.verdict(scene.settings, memory=scene.memory)).sound
    return await after(
        scene, lambda c: house.append_as_thief(c, old, clock, Draft(event="forged", kind=EntryKind.HEARTBEAT))
    )


@attack("an entry replayed with the stolen key", Kind.REPLAYED, "what happened once was written in twice", rows=False)
async def replayed(scene: Scene) -> Verdict:
    def work(connection: Connection) -> None:
        # Without the constraint that keeps the service itself from it.
        run(
            connection,
            "CREATE TABLE forged (entry INTEGER NOT NULL PRIMARY KEY, event BLOB NOT NULL, body BLOB NOT NULL)",
        )
        run(connection, "INSERT INTO forged SELECT entry, event, body FROM log_entries")
        run(connection, "DROP TABLE log_entries")
        run(connection, "ALTER TABLE forged RENAME TO log_entries")
        (event,) = (row[2] for row in entries_in(connection)[VICTIM : VICTIM + 1])
        name = event.partition(b'"event":"')[2].partition(b'"')[0].decode()
        steal_and_write(scene, connection, Draft(event=name, kind=EntryKind.HEARTBEAT))

    return await after(scene, work)


@attack("an entry replayed under another event's row", Kind.REPLAYED, "filed under the event of another one")
async def replayed_row(scene: Scene) -> Verdict:
    def work(connection: Connection) -> None:
        steal_and_write(scene, connection, Draft(event="twice", kind=EntryKind.HEARTBEAT))
        run(connection, "UPDATE log_entries SET event = ? WHERE event = ?", (event_key("once"), event_key("twice")))

    return await after(scene, work)


@attack("an entry that is dated back, with the stolen key", Kind.BACKDATED, "is dated before the one before it")
async def backdated(scene: Scene) -> Verdict:
    def work(connection: Connection) -> None:
        run(connection, "UPDATE log_head SET at = 0")
        clock = VirtualClock(datetime(2026, 11, 20, 15, tzinfo=UTC))
        steal_and_write(scene, connection, Draft(event="earlier", kind=EntryKind.HEARTBEAT), clock=clock)

    return await after(scene, work)


@attack("the machine's clock set back while the service runs", None, "the clock was set back by 10 d")
async def clock_set_back(scene: Scene) -> Verdict:
    clock = SetBack(LATER)
    record = await open_record(scene.settings, clock)
    await record.heartbeat()
    clock.advance(1)
    clock.set_back(timedelta(days=10))
    await record.heartbeat()
    await record.close()
    return await house.verdict(scene.settings, memory=scene.memory)


class SetBack(VirtualClock):
    """A clock whose wall time can be set."""

    def set_back(self, span: timedelta) -> None:
        """Wall time alone; monotonic time goes on."""
        self._now -= span
        self._start -= span


@attack("an outcome without an intent, with the stolen key", Kind.ORDER, "has no intent before it")
async def outcome_alone(scene: Scene) -> Verdict:
    refs = {"action": "never-intended", "ended": "done", "report": "R"}
    draft = Draft(event="outcome:done:never-intended", kind=EntryKind.OUTCOME, account="main", refs=refs)
    return await after(scene, lambda c: steal_and_write(scene, c, draft))


@attack("a hash of the stored tree changed", Kind.TREE, "proofs made from it would not hold")
async def tree_changed(scene: Scene) -> Verdict:
    return await after(scene, lambda c: run(c, "UPDATE tree_nodes SET hashes = ? WHERE leaf = 5", (bytes(32),)))


@attack("a checkpoint's signature changed", Kind.SIGNATURE, "is not signed by the log's key any more")
async def signature_changed(scene: Scene) -> Verdict:
    def work(connection: Connection) -> None:
        size, signed = rows(connection, "SELECT size, note FROM checkpoints ORDER BY size LIMIT 1")[0]
        text, blank, _ = bytes(signed).partition(b"\n\n")
        forged = text + blank + note.Signature(scene.signer.name, scene.signer.id, bytes(64)).line()
        run(connection, "UPDATE checkpoints SET note = ? WHERE size = ?", (forged, size))

    return await after(scene, work)


def payload_pair(connection: Connection) -> list[tuple]:  # type: ignore[type-arg]
    """Two payloads that are not erased."""
    query = "SELECT id, wrapped_key, sealed FROM payloads WHERE sealed IS NOT NULL AND digest IS NOT NULL ORDER BY id LIMIT 2"
    return rows(connection, query)


@attack("two payloads swapped", Kind.PAYLOAD, "is not what the log commits to")
async def payloads_swapped(scene: Scene) -> Verdict:
    def work(connection: Connection) -> None:
        one, two = payload_pair(connection)
        for row, other in ((one, two), (two, one)):
            values = (other[1], other[2], row[0])
            run(connection, "UPDATE payloads SET wrapped_key = ?, sealed = ? WHERE id = ?", values)

    return await after(scene, work)


@attack("a payload erased, and nobody said so", Kind.ERASURE, "no entry of the log says so")
async def erased_silently(scene: Scene) -> Verdict:
    def work(connection: Connection) -> None:
        values = (1_800_000_000_000_000, payload_pair(connection)[0][0])
        sql = "UPDATE payloads SET wrapped_key = NULL, sealed = NULL, digest = NULL, erased_at = ? WHERE id = ?"
        run(connection, sql, values)

    return await after(scene, work)


@attack("one payload more erased than the log says", Kind.ERASURE, "not the same ones")
async def erased_with_others(scene: Scene) -> Verdict:
    def work(connection: Connection) -> None:
        at = rows(connection, "SELECT max(erased_at) FROM payloads")[0][0]
        sql = "UPDATE payloads SET wrapped_key = NULL, sealed = NULL, digest = NULL, erased_at = ? WHERE id = ?"
        run(connection, sql, (at, payload_pair(connection)[0][0]))

    return await after(scene, work)


@attack("a reading changed", Kind.READING, "is not what the entry commits to")
async def reading_changed(scene: Scene) -> Verdict:
    def work(connection: Connection) -> None:
        entry, record = rows(connection, "SELECT entry, record FROM observations ORDER BY entry LIMIT 1")[0]
        changed = bytes(record)[:-1] + bytes([bytes(record)[-1] ^ 1])
        run(connection, "UPDATE observations SET record = ? WHERE entry = ?", (changed, entry))

    return await after(scene, work)


@attack("the outcome of an action changed in the table that is searched", Kind.ROW, "says something else than the log")
async def action_changed(scene: Scene) -> Verdict:
    return await after(scene, lambda c: run(c, "UPDATE actions SET status = 'failed'"))


@attack("a report's time changed in the table that is searched", Kind.ROW, "says something else than the log")
async def report_changed(scene: Scene) -> Verdict:
    return await after(scene, lambda c: run(c, "UPDATE reports SET started_at = started_at - 60000000 WHERE entry > 5"))


@attack("somebody else's name under an approval", Kind.ROW, "what a person said")
async def approver_changed(scene: Scene) -> Verdict:
    return await after(scene, lambda c: run(c, "UPDATE approvals SET actor = 'eve'"))


@attack("NOT DETECTABLE: a stolen key, and nobody outside remembers a head", None, "")
async def undetectable(scene: Scene) -> Verdict:
    def work(connection: Connection) -> None:
        (beat, *_) = (row for row in entries_in(connection) if b'"heartbeat"' in row[2])
        changed = beat[2].replace(b'"actor":"tieout"', b'"actor":"nobody"')
        run(connection, "UPDATE log_entries SET body = ? WHERE entry = ?", (changed, beat[0]))
        rehash(connection, stolen(scene))
        write_side(scene, at_end(connection))

    return await after(scene, work)


def told(attack: Attack, verdict: Verdict) -> str:
    """The sentence that a person reads first."""
    first = verdict.findings[0] if verdict.findings else None
    if first is None:
        return next(iter(verdict.remarks), "nothing")
    return first.sentence


def holds(attack: Attack, verdict: Verdict) -> bool:
    """Whether the attack came out as it has to."""
    kind = verdict.findings[0].kind if verdict.findings else None
    return kind == attack.kind and (attack.words in told(attack, verdict) or not attack.words)


__all__ = ["ATTACKS", "Attack", "Finding", "Scene", "holds", "told"]


async def _print() -> int:
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="tieout-attacks-") as name:
        folder = Path(name)
        (folder / "kept").mkdir()
        keys.create(folder / "kept" / "keys", "tieout-test")
        settings = RecordSettings(store=str(folder / "kept" / "tieout.db"), keys=str(folder / "kept" / "keys"))
        await house.close(await house.fill(settings))
        for number, each in enumerate(ATTACKS):
            here = folder / str(number)
            copied = house.copy_of(settings, here)
            found = await each.make(Scene(copied, here, keys.load(copied.key_folder).signer))
            wrong += not holds(each, found)
            verdict = "SOUND" if found.sound else f"NOT SOUND ({found.findings[0].kind})"
            mark = "" if holds(each, found) else "  <-- NOT AS IT HAS TO BE"
            sys.stdout.write(f"{each.name}\n  {verdict}{mark}\n  {told(each, found)}\n\n".replace(f"{here}/", ""))
    sys.stdout.write(f"{len(ATTACKS)} attacks, {wrong} not as they have to be\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(_print()))
