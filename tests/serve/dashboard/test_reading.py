"""What pages read from the store, without a browser."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from tests.serve.api.stage import CLOCK, Stage, write_trade
from tests.serve.dashboard.bare import cookie_of, opened
from tieout.record.audit.exporting import last_index, read_entries
from tieout.record.entry import EntryKind
from tieout.record.grants import Denial
from tieout.record.looking import Looking
from tieout.record.settings import RecordSettings
from tieout.serve.access.roles import Caller, Role
from tieout.serve.dashboard import account, audit, listing
from tieout.serve.dashboard.listing import Filter, read_listing
from tieout.serve.dashboard.verifying import Verifier

session = pytest.mark.asyncio(loop_scope="session")
SOME = Caller(name="sam", roles=frozenset({Role.VIEWER}), accounts=frozenset({"main"}))


def mine(seen: Looking) -> list[int]:
    """Where the entries of the account stand, the newest first."""
    entries = read_entries(seen.connection, 0, last_index(seen.connection) + 1)
    return [each.index for each in entries if each.entry.account == "main"][::-1]


@session
async def test_the_log_is_read_in_bounded_steps_and_none_is_lost(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever may see a few entries alone finds them all by `Older entries`, and no step goes through the whole log."""
    desk, verifier = stage.desk, Verifier(RecordSettings(), CLOCK)
    monkeypatch.setattr(audit, "MOST", 2)
    monkeypatch.setattr(audit, "MOST_READ", 40)
    denial = Denial(who=None, origin="test", what="x", why="y")
    await asyncio.gather(*(desk.grants.denied(denial, CLOCK.now(), count=1, once=str(each)) for each in range(200)))
    found, before, steps = list[int](), None, 0
    while before != 0:
        log = await audit.read_log(desk, SOME, verifier, before)
        found += [each.index for each in log.shown]
        assert before is None or log.older < before
        before, steps = log.older, steps + 1
    assert steps > 200 // 40, "a step that finds nothing ends all the same"
    assert len(found) > 2
    assert found == await stage.desk.look(mine, amounts=False)


def test_every_kind_of_entry_has_its_words() -> None:
    """The page of the log shows whatever can stand in it."""
    assert set(audit.WHAT) == set(EntryKind)


@session
async def test_whoever_looks_after_a_break_is_named(stage: Stage) -> None:
    """On the page of its account, where somebody gave it to them."""
    cookie = await cookie_of(stage, "gus", Role.APPROVER)
    write_trade(stage.folder, "main", "2.1", "GIVEN/USD")
    await stage.reconciled("main", times=1)
    row = next(each for each in (await stage.desk.glances(["main"]))[0].breaks if each.asset == "GIVEN/USD")
    await stage.desk.people.assign(row.discrepancy_id, to="gus", actor="ann", why="you were there")
    with opened(stage, cookie, "/accounts/main") as page:
        await account.show("main")
        assert "ann gave position GIVEN/USD to gus: you were there. " in page.told()


@session
async def test_of_closed_breaks_no_more_are_read_than_shown(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """All are counted; open ones come first; of one's own accounts alone."""
    for number in range(3):
        write_trade(stage.folder, "gone", "1", f"GONE{number}/USD")
    await stage.reconciled("gone", times=1)
    stage.hold("broker", "2", account="gone")
    await stage.reconciled("gone", times=2)
    write_trade(stage.folder, "gone", "1", "HERE/USD")
    await stage.reconciled("gone", times=1)
    wanted, theirs = Filter(account="gone", state="all"), msgspec.structs.replace(SOME, accounts=frozenset({"gone"}))
    whole = await read_listing(stage.desk, theirs, wanted)
    assert [each.row.closed_at is None for each in whole.rows] == [True, False, False, False]
    monkeypatch.setattr(listing, "MOST", 2)
    some = await read_listing(stage.desk, theirs, wanted)
    assert (some.rows, some.total) == (whole.rows[:2], 4)
    assert (await read_listing(stage.desk, SOME, wanted)).total == 0
    assert (await read_listing(stage.desk, theirs, Filter(state="all"))).total == 4


@session
async def test_what_a_reading_lacks_is_told(stage: Stage) -> None:
    """On the page of its account, to whoever sees no amounts too: `Read in part` alone says nothing of what is not known."""
    cookie, broker = await cookie_of(stage, "uli", Role.VIEWER), stage.folder / "main-broker.json"
    broker.rename(broker.with_suffix(".away"))
    await stage.reconciled("main", times=1)
    with opened(stage, cookie, "/accounts/main") as page:
        await account.show("main")
        assert any("positions, balances, orders and fills could not be read" in told for told in page.told("alarm"))
    broker.with_suffix(".away").rename(broker)
    await stage.reconciled("main", times=1)
    with opened(stage, cookie, "/accounts/main") as page:
        await account.show("main")
        assert page.told("alarm") == []
