"""Tokens and users in the store, on both databases: what was granted is there after a restart, and the log tells it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.record.conftest import START
from tieout.clock import VirtualClock
from tieout.errors import WordRefused
from tieout.record.grants import Grants, TokenRow
from tieout.record.opening import open_record
from tieout.record.settings import RecordSettings
from tieout.record.users import TRIES, UserRow, Users

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
    await Users(record).begin("ann", b"s" * 32, "csrf", clock.now())
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
    await users.begin("ann", b"s" * 32, "csrf", START)
    assert await users.user("ann") == USER
    await record.close()
