"""What a page says where something cannot be done: nothing is lost in silence, and nothing is said too briefly to be read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.serve.api.stage import Stage, write_trade
from tests.serve.dashboard.bare import cookie_of, opened
from tieout.errors import ReconciliationError, RecordUnavailable
from tieout.record.users import SessionRow, Users
from tieout.serve.access.roles import Role
from tieout.serve.dashboard import account, accounts, charts, reckoning
from tieout.serve.desk import Desk

pytestmark = pytest.mark.asyncio(loop_scope="session")
OLD = "The record cannot be read: the disk is away. What you see may be old."
LOST = "Not done: the disk is away."


@contextmanager
def record_away() -> Iterator[None]:
    """The pages cannot read the record."""

    async def away(*_: object, **__: object) -> None:
        raise RecordUnavailable("the disk is away")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Users, "session", away)
        patch.setattr(Desk, "look", away)
        yield


async def test_a_record_that_cannot_be_read_is_told(stage: Stage) -> None:
    """By the page, by what was pressed, and by a question, which stays; the page goes on when the record is back."""
    cookie = await cookie_of(stage, "nia", Role.OPERATOR)
    with opened(stage, cookie) as page:
        await accounts.show()
        await page.press("Halt trading of quiet")
        with record_away():
            await page.send(reason="strange fills")
            assert page.told("problem") == [LOST]
            await page.look()
            assert page.told("alarm") == [OLD]
            await page.press("Halt trading of other")
            assert page.told("alarm") == [OLD, LOST]
            assert "Halt trading of other?" not in page.told()
        await page.look()
        assert page.told("alarm") == [LOST]
        await page.send(reason="strange fills")
        assert page.told("alarm") == []
        assert "nia halts trading of quiet" in page.told("news")[0]


async def test_what_is_refused_is_logged_though_its_button_is_gone(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that lost its powers may be shown anew while it is looked up who pressed."""
    found = Users.session

    async def gone_meanwhile(users: Users, digest: bytes) -> SessionRow | None:
        page.clear()
        return await found(users, digest)

    with opened(stage, await cookie_of(stage, "nora", Role.OPERATOR)) as page:
        await accounts.show()
        await stage.lessen("nora", Role.VIEWER)
        monkeypatch.setattr(Users, "session", gone_meanwhile)
        await page.press("Halt trading of main")
    assert "nora page /" in await stage.denials()


async def test_what_could_not_be_done_stays_to_be_read(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """It outlives the page's next looks, until something else is done, and what was told before is gone."""

    async def late(account: str) -> None:
        raise ReconciliationError(account, "the broker is away")

    with opened(stage, await cookie_of(stage, "ned", Role.OPERATOR)) as page:
        await accounts.show()
        with monkeypatch.context() as patch:
            patch.setattr(stage.desk.schedule, "request", late)
            await page.press("Reconcile other now")
        await page.look()
        assert page.told("alarm") == ["other was not reconciled: the broker is away."]
        assert page.told("news") == []
        await page.press("Reconcile other now")
        assert page.told("alarm") == []
        assert "other was read" in page.told("news")[0]


async def test_an_account_that_goes_at_a_reload_is_told(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page that follows it says that it is gone, and looks no more."""
    with opened(stage, await cookie_of(stage, "nell", Role.OPERATOR), "/accounts/other") as page:
        await account.show("other")
        assert set(page.told("state")) == {"Matched"}
        monkeypatch.delitem(stage.desk.running.accounts, "other")
        await page.look()
        assert page.told("state") == []
        assert "There is no such account" in page.told()


async def test_breaks_that_are_not_counted_are_told(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there are more than history counts, it says so: else older days would seem calm."""
    for asset in ("A/USD", "B/USD"):
        write_trade(stage.folder, "other", "1", asset)
    await stage.reconciled("other", times=1)
    cookie = await cookie_of(stage, "nina", Role.VIEWER)
    for most, words in (
        (2, []),
        (1, ["Only the newest 1 breaks are counted, so older days show too few: choose one account."]),
    ):
        for module in (reckoning, charts):
            monkeypatch.setattr(module, "MOST_BREAKS", most)
        with opened(stage, cookie, "/history?account=other") as page:
            await charts.show()
            assert page.told("hint") == words
