"""Leases of shards: which worker writes the accounts of each, until when by the server's clock, and under which epoch.

Functions of a connection to PostgreSQL. A shard's epoch only ever grows, over divisions too, and each time that somebody else
has it; whoever was paused meanwhile finds another epoch, or another holder, in the transaction that it writes in, and writes
nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from sqlalchemy import Connection, text

from tieout.errors import AccountTaken, RecordUnavailable

_LOCK = 7_419_350_212  # any number that nobody else uses: one worker divides at a time
_NOW = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
_LONG_GONE = 3_600_000_000
_OTHERWISE = "SELECT total FROM shard_leases WHERE total <> :total LIMIT 1"
_ALIKE = "give all the same [service] shards"


class Turn(Struct, frozen=True):
    """What a worker holds after one turn.

    Attributes:
        epochs: Its shards, each with its epoch.
        live: How many workers live.
        surplus: Which of its shards others are to have.
    """

    epochs: dict[int, int]
    live: int
    surplus: tuple[int, ...]


def divide(connection: Connection, total: int) -> None:
    """Make the rows of *total* shards; an old division goes, once nobody works by it any more.

    Raises:
        RecordUnavailable: Workers that live divide accounts into another number of shards.
    """
    run = connection.execute
    run(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    others = run(text(_OTHERWISE), {"total": total}).scalar()
    if others and run(text(f"SELECT 1 FROM shard_leases WHERE until > {_NOW} LIMIT 1")).scalar():
        raise RecordUnavailable(
            f"workers that run now divide their accounts into {others} shards, and this one is to divide them into "
            f"{total}: {_ALIKE}"
        )
    gone = run(text("DELETE FROM shard_leases WHERE total <> :total RETURNING epoch"), {"total": total}).scalars()
    values = {"total": total, "epoch": max(gone, default=0)}
    made = "INSERT INTO shard_leases (shard, total, epoch, holder, until) SELECT n, :total, :epoch, '', 0 "
    run(text(f"{made} FROM generate_series(0, :total - 1) AS n ON CONFLICT DO NOTHING"), values)


def take_turn(connection: Connection, name: str, total: int, lasting_us: int, *, leaving: bool = False) -> Turn:
    """Keep what is held, and take a fair share of what nobody holds; or take nothing, and be counted no more.

    Raises:
        AccountTaken: Others have divided the accounts anew since: nothing is held of that division, nor can be.
    """
    run, me = connection.execute, {"name": name, "lasting": lasting_us}
    alive = (
        f"INSERT INTO workers (name, until) VALUES (:name, {_NOW} + :lasting) ON CONFLICT (name) DO UPDATE SET until"
    )
    run(text("DELETE FROM workers WHERE name = :name" if leaving else f"{alive} = excluded.until"), me)
    run(text(f"DELETE FROM workers WHERE until < {_NOW} - {_LONG_GONE}"))
    # One that ran out and that nobody took is still ours: its row has not changed.
    renewed = f"UPDATE shard_leases SET until = {_NOW} + :lasting WHERE holder = :name RETURNING shard, epoch"
    epochs = {row.shard: row.epoch for row in run(text(renewed), me)}
    live = list(run(text(f"SELECT name FROM workers WHERE until > {_NOW} ORDER BY name")).scalars())
    share = 0 if leaving else fair_share(total, live, name)
    if len(epochs) < share:
        free = f"SELECT shard FROM shard_leases WHERE until <= {_NOW} ORDER BY shard LIMIT :most FOR UPDATE SKIP LOCKED"
        taken = f"UPDATE shard_leases SET holder = :name, epoch = epoch + 1, until = {_NOW} + :lasting"
        taken += f" WHERE shard IN ({free}) RETURNING shard, epoch"
        rows = run(text(taken), {**me, "most": share - len(epochs)})
        epochs |= {row.shard: row.epoch for row in rows}
    # Behind the taking: what was taken of another division is seen here, and given back with this transaction.
    if other := run(text(_OTHERWISE), {"total": total}).scalar():
        raise AccountTaken(
            f"other workers divided the accounts into {other} shards, and this one divides them into {total}: {_ALIKE}"
        )
    return Turn(epochs, len(live), tuple(sorted(epochs)[share:]))


def fair_share(total: int, live: Sequence[str], name: str) -> int:
    """How many of *total* shards the worker *name* is to have: as many as every other, the first ones one more."""
    each, left = divmod(total, max(1, len(live)))
    return each + (name in live and live.index(name) < left)


def release(connection: Connection, name: str, shards: Sequence[int]) -> None:
    """Let others have *shards* at once, those of them that *name* holds."""
    _end(connection, "holder = :name AND shard = ANY(:shards)", {"name": name, "shards": list(shards)})


def leave(connection: Connection, name: str) -> None:
    """Let others have everything that *name* holds, and do not count it any more."""
    _end(connection, "holder = :name", {"name": name})
    connection.execute(text("DELETE FROM workers WHERE name = :name"), {"name": name})


def end_expired(connection: Connection) -> bool:
    """End what ran out, so that a holder who wakes up has nothing; False where any lease lives."""
    # Ended first: one who wakes up in between renews, and is seen to live, or finds that it holds nothing.
    _end(connection, f"holder <> '' AND until <= {_NOW}", {})
    return connection.execute(text(f"SELECT 1 FROM shard_leases WHERE until > {_NOW} LIMIT 1")).scalar() is None


def stands(connection: Connection, name: str, shard: int, epoch: int, *, hold: bool) -> bool:
    """Whether *name* has *shard* under *epoch*; where it is to *hold*, nobody takes it before this transaction ends."""
    mine = "SELECT 1 FROM shard_leases WHERE shard = :shard AND holder = :name AND epoch = :epoch"
    # Against those who take (FOR UPDATE), and not against our own renewing: that would wait for us, and we for it.
    found = connection.execute(
        text(mine + " FOR KEY SHARE" * hold), {"shard": shard, "name": name, "epoch": epoch}
    ).scalar()
    return found is not None


def _end(connection: Connection, which: str, values: dict[str, object]) -> None:
    locked = f"SELECT shard FROM shard_leases WHERE {which} ORDER BY shard FOR UPDATE"
    connection.execute(text(f"UPDATE shard_leases SET holder = '', until = 0 WHERE shard IN ({locked})"), values)
