"""How callers become known, in virtual time: what expires, what is locked, how often somebody may ask."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.serve.api.stage import QUICK
from tieout.clock import VirtualClock
from tieout.errors import WordRefused
from tieout.record import keys
from tieout.record.grants import Grants, TokenRow
from tieout.record.opening import open_record
from tieout.record.settings import RecordSettings
from tieout.record.users import IDLE, LASTS, UserRow, Users
from tieout.serve.access.callers import Callers
from tieout.serve.access.pace import Pace
from tieout.serve.access.passwords import Passwords
from tieout.serve.access.tokens import make_token

START, PASSWORD = datetime(2026, 11, 20, 10, tzinfo=UTC), "four words make one"


class Door:
    """A store with one user, ann, and whoever looks them up, on a clock of ours."""

    def __init__(self, callers: Callers, grants: Grants, users: Users, clock: VirtualClock) -> None:
        self.callers, self.grants, self.users, self.clock = callers, grants, users, clock


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    """A door that knows ann."""
    keys.create(tmp_path / "keys", "test")
    clock = VirtualClock(START)
    record = await open_record(RecordSettings(store=str(tmp_path / "t.db"), keys=str(tmp_path / "keys")), clock)
    grants, users = Grants(record), Users(record)
    callers = Callers(grants, users, clock)
    callers.passwords = QUICK
    hashed = await QUICK.hash(PASSWORD)
    await users.add(UserRow(name="ann", roles=("viewer",), created_at=START, created_by="test", password=hashed))
    yield Door(callers, grants, users, clock)
    await record.close()


async def test_a_session_that_is_used_lasts_half_a_day_and_an_idle_one_an_hour(door: Door) -> None:
    """Both ends come, whatever else happens."""
    used, idle = (await door.callers.login("ann", PASSWORD)).cookie, (await door.callers.login("ann", PASSWORD)).cookie
    step = timedelta(minutes=30)
    for _ in range(LASTS // step - 1):
        await door.clock.sleep(step.total_seconds())
        assert await door.callers.by_session(used) is not None
    assert await door.callers.by_session(idle) is None
    await door.clock.sleep(step.total_seconds())
    assert await door.callers.by_session(used) is None
    assert step < IDLE


async def test_a_lock_opens_again_and_grows(door: Door) -> None:
    """Who guesses on is locked for longer; the right password after that starts anew."""
    locks = []
    for _ in range(3):
        login = await door.callers.login("ann", "w" * 12)
        while login.again_at is None:
            login = await door.callers.login("ann", "w" * 12)
        assert (await door.callers.login("ann", PASSWORD)).session is None
        locks.append(login.again_at - door.clock.now())
        await door.clock.sleep(locks[-1].total_seconds())
    assert locks == [timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=15)]
    assert (await door.callers.login("ann", PASSWORD)).session is not None
    assert (await door.callers.login("ann", "w" * 12)).again_at is None


async def test_a_password_that_changes_while_it_is_compared_opens_nothing(door: Door) -> None:
    """Whoever waits in line with the old one has no session after its owner was given another."""

    class Slow(Passwords):
        async def fits(self, password: str, stored: str | None) -> bool:
            right = await QUICK.fits(password, stored)
            await door.users.set_password("ann", await QUICK.hash("another one of mine"), actor="ann", at=START)
            return right

    door.callers.passwords = Slow()
    login = await door.callers.login("ann", PASSWORD)
    assert (login.session, login.why) == (None, "the name or the password is wrong")
    door.callers.passwords = QUICK
    assert (await door.callers.login("ann", "another one of mine")).session is not None


async def test_a_token_counts_until_its_moment_and_no_longer(door: Door) -> None:
    """The moment itself is too late."""
    made = make_token()
    await door.grants.add_token(
        TokenRow(
            id=made.id,
            digest=made.digest,
            name="bot",
            roles=("viewer",),
            created_at=START,
            created_by="test",
            expires_at=START + timedelta(days=1),
        )
    )
    await door.clock.sleep(86399)
    assert await door.callers.by_token(made.text) is not None
    await door.clock.sleep(1)
    assert await door.callers.by_token(made.text) is None


async def test_a_caller_asks_so_often_a_minute_and_nobody_else_waits_for_it() -> None:
    """Who asks too often is told how long to wait, and is let through then."""
    clock = VirtualClock(START)
    pace = Pace(3, clock)
    assert [pace.wait_seconds("a") for _ in range(4)] == [0, 0, 0, 61]
    assert pace.wait_seconds("b") == 0
    await clock.sleep(61)
    assert pace.wait_seconds("a") == 0


async def test_a_password_is_stored_under_argon2_and_found_again() -> None:
    """Only the same one fits, and where nothing is stored none does."""
    passwords = Passwords()
    stored = await passwords.hash(PASSWORD)
    assert stored.startswith("$argon2id$")
    assert [await passwords.fits(PASSWORD, each) for each in (stored, None)] == [True, False]
    assert not await passwords.fits(PASSWORD + "!", stored)


@pytest.mark.parametrize("password", ["short", "x" * 257])
async def test_a_password_that_can_be_guessed_is_refused(password: str) -> None:
    """Too short or endless ones are told so."""
    with pytest.raises(WordRefused, match="12 to 256 characters"):
        await Passwords().hash(password)
