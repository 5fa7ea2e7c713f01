"""Tokens and users in the store, on both databases: what was granted is there after a restart, and the log tells it."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from msgspec.structs import replace
from sqlalchemy import select

from tests.record.conftest import START
from tieout.clock import VirtualClock
from tieout.errors import WordRefused
from tieout.record.grants import Grants, TokenRow
from tieout.record.opening import open_record
from tieout.record.settings import RecordSettings
from tieout.record.store.schema import sessions
from tieout.record.users import IDLE, LASTS, TRIES, UserRow, Users

TOKEN = TokenRow(
    id="0123456789ab",
    digest=b"d" * 32,
    name="bot",
    roles=("books", "viewer"),
    accounts=("main", "höher"),
    amounts=True,
    created_at=START,
    created_by="ann",
    expires_at=START + timedelta(days=1),
)
USER = UserRow(name="ann", roles=("approver",), created_at=START, created_by="root", password="$argon2id$x")


async def test_what_was_granted_is_there_after_a_restart(settings: RecordSettings, clock: VirtualClock) -> None:
    """A token and a user come back field by field; a session, too, with its user."""
    record = await open_record(settings, clock)
    await Grants(record).add_token(TOKEN)
    await Users(record).add(USER)
    await Users(record).begin("ann", b"s" * 32, "csrf", clock.now(), password=USER.password)
    await record.close()
    record = await open_record(settings, clock)
    assert await Grants(record).token(TOKEN.id) == TOKEN
    assert await Users(record).user("ann") == USER
    session = await Users(record).session(b"s" * 32)
    assert session is not None
    assert (session.user, session.csrf, session.ended_at) == (USER, "csrf", None)
    await record.close()


async def test_a_name_is_given_once(settings: RecordSettings, clock: VirtualClock) -> None:
    """Not even after its user may log in no more: the log would mix two people up."""
    record = await open_record(settings, clock)
    users = Users(record)
    await users.add(USER)
    await users.disable("ann", actor="root", at=clock.now())
    with pytest.raises(WordRefused, match="names are not given twice"):
        await users.add(USER)
    with pytest.raises(WordRefused):
        await users.disable("ann", actor="root", at=clock.now())
    for unknown in (users.disable("x", actor="r", at=START), users.set_password("x", "h", actor="r", at=START)):
        with pytest.raises(WordRefused, match="no user of that name"):
            await unknown
    with pytest.raises(WordRefused, match="no token of that id"):
        await Grants(record).revoke_token("0" * 12, actor="root", at=START)
    await record.close()


async def test_wrong_passwords_are_counted_until_a_right_one(settings: RecordSettings, clock: VirtualClock) -> None:
    """The fifth locks; whoever logs in starts anew; a name that is nobody's is not counted."""
    record = await open_record(settings, clock)
    users = Users(record)
    await users.add(USER)
    told = [await users.failed("ann", START) for _ in range(TRIES)]
    assert told == [None] * (TRIES - 1) + [START + timedelta(minutes=1)]
    assert await users.failed("nobody", START) is None
    await users.begin("ann", b"s" * 32, "csrf", START, password=USER.password)
    assert await users.user("ann") == USER
    await record.close()


async def test_sessions_that_count_no_more_are_forgotten_at_the_next_login(
    settings: RecordSettings, clock: VirtualClock
) -> None:
    """One that ended, one not used for an hour and one of yesterday are gone; those that count, and other people's, stay."""
    record = await open_record(settings, clock)
    users, old = Users(record), START - LASTS
    for name in ("ann", "bob"):
        await users.add(replace(USER, name=name))
    await users.begin("bob", b"b" * 32, "csrf", START - timedelta(days=3), password=USER.password)
    for digest, began, seen in (
        (b"1" * 32, old, START),
        (b"2" * 32, START - IDLE, START - IDLE),
        (b"3" * 32, START, START),
    ):
        await users.begin("ann", digest, "csrf", began, password=USER.password)
        await users.seen(digest, seen)
    await users.begin("ann", b"4" * 32, "csrf", START, password=USER.password)
    await users.end(b"4" * 32, START)
    await users.begin("ann", b"5" * 32, "csrf", START, password=USER.password)
    rows = await record.database.read(lambda connection: connection.execute(select(sessions.c.digest)).scalars().all())
    await record.close()
    assert sorted(rows) == [b"3" * 32, b"5" * 32, b"b" * 32]


async def test_of_two_who_add_one_name_at_once_one_is_refused(settings: RecordSettings, clock: VirtualClock) -> None:
    """Nobody is told that somebody may log in by a password that was not kept."""
    record = await open_record(settings, clock)
    rows = [replace(USER, password=f"$argon2id${number}") for number in range(2)]
    ends = await asyncio.gather(*(Users(record).add(row) for row in rows), return_exceptions=True)
    kept = await Users(record).user("ann")
    await record.close()
    assert [row for row, end in zip(rows, ends, strict=True) if end is None] == [kept]
    assert sum(isinstance(end, WordRefused) for end in ends) == 1
