"""Why orders differ, and what they hold back."""

from __future__ import annotations

from typing import Any

import pytest

from tests.explain.building import bal, broker, fill, local, market, order, pos, read
from tieout.explain.orders import locks_of
from tieout.model.changes import AdoptOrder, UpdateOrder
from tieout.model.settings import Settings
from tieout.model.snapshot import Lookup, SideFailure

HELD = pos("AAPL", 100)


def limit(name: Any, amount: Any, status: Any = "open", **fields: Any) -> Any:
    return order(name, amount, status, **{"limit_price": 100, **fields})


def usd(total: Any, **fields: Any) -> Any:
    return bal("USD", total, usd_price="1", **fields)


def cause(ours: Any, theirs: Any, **told: Any) -> Any:
    """The cause of the only order that differs."""
    seen = read(local(HELD, *ours), broker(HELD, *theirs), **told)
    (row,) = (row for row in seen.seen() if row.startswith("order"))
    return seen.cause(row)


@pytest.mark.parametrize("given_up", ["rejected", "cancelled", "expired"])
def test_a_live_order_that_local_gave_up_on_is_a_lost_submission(given_up: str) -> None:
    """The broker has live what local thinks has ended: it is adopted again."""
    seen = read(local(HELD, limit("c-1", 10, given_up)), broker(HELD, limit("c-1", 10)))
    assert seen.seen() == {"order AAPL c-1": ("ORPHANED_BROKER", "10", "LOST_SUBMISSION", "0")}
    (change,) = seen.explanation.updates.values()
    assert isinstance(change, AdoptOrder)


def test_an_order_that_local_never_sent_is_external_unless_it_bears_its_prefix() -> None:
    """Ownership is by ids that local listed, or by a prefix of its client ids."""
    assert cause([], [limit("b-7", 10)]) == "EXTERNAL_ORDER"
    assert cause([], [limit("c-7", 10)]) == "EXTERNAL_ORDER"
    assert cause([], [limit("c-7", 10)], settings=Settings(own_client_ids=("c-",))) == "LOST_SUBMISSION"


def test_an_order_with_an_own_id_of_the_broker_is_own() -> None:
    """One of the two ids is enough to know an order by."""
    stranger = limit("b-7", 10, client_order_id="zz")
    mine = fill("f", "AAPL", 1, 100, client_order_id=None, broker_order_id="b-7")
    seen = read(local(HELD, mine), broker(HELD, mine, stranger))
    assert seen.cause("order AAPL zz") == "LOST_SUBMISSION"


@pytest.mark.parametrize(
    "theirs",
    [
        limit("c-1", 10, "cancelled"),
        limit("c-1", 10, "filled", filled=10),
        limit("c-1", 10, "partially_filled", filled=3),
        limit("c-1", 12),
        limit("c-1", 10, limit_price=101),
        limit("c-1", 10, stop_price=99),
    ],
)
def test_what_the_broker_ended_filled_or_changed_is_a_missed_update(theirs: Any) -> None:
    """The broker's record of an order that both know counts."""
    mine = limit("c-1", 10, stop_price=98)
    seen = read(local(HELD, mine), broker(HELD, theirs))
    assert seen.cause("order AAPL c-1") == "MISSED_UPDATE"
    assert list(seen.explanation.updates.values()) == [UpdateOrder(theirs)]


def test_another_side_is_explained_by_nothing() -> None:
    """Buy and sell are not an update of each other."""
    assert cause([limit("c-1", 10)], [limit("c-1", -10)]) == "UNKNOWN"


def test_a_young_order_gets_no_verdict() -> None:
    """What changed within the settle window is in flight."""
    assert cause([limit("c-1", 10, at=-1)], []) == "IN_FLIGHT"
    assert cause([], [limit("b-7", 10, at=-1)]) == "IN_FLIGHT"
    assert cause([limit("c-1", 10, at=None)], [limit("c-1", 10, "cancelled", at=-1)]) == "IN_FLIGHT"
    assert cause([limit("c-1", 10, at=None)], [limit("c-1", 10, "cancelled", at=None)]) == "MISSED_UPDATE"
    assert cause([limit("c-1", 10)], [limit("c-1", 10, "cancelled", at=-1)]) == "IN_FLIGHT"


def test_an_order_dated_ahead_ages_from_when_it_was_first_shown() -> None:
    """A time ahead of the broker's own clock does not keep its order young for ever."""
    theirs = limit("b-7", 10, at=100)
    first = read(local(HELD), broker(HELD, theirs))
    later = read(local(HELD, as_of=30), broker(HELD, theirs, as_of=30), memory=first.memory)
    assert (first.cause("order AAPL b-7"), later.cause("order AAPL b-7")) == ("IN_FLIGHT", "EXTERNAL_ORDER")
    assert later.case("order AAPL b-7").youngest == 30


def test_the_fill_behind_an_update_is_cited_with_it() -> None:
    """An order that was cancelled after a part was filled is explained by that fill too, and brought by it."""
    mine = fill("f", "AAPL", 4, 100, client_order_id="c-1")
    theirs = broker(pos("AAPL", 104), limit("c-1", 10, "cancelled", filled=4), mine)
    seen = read(local(HELD, limit("c-1", 10)), theirs)
    assert seen.evidence("order AAPL c-1") == ("order c-1", "fill f")
    assert [list(fills) for fills in seen.explanation.brought.values()] == [["fill f"]]


@pytest.mark.parametrize(("side", "code"), [("local", "STALE_BROKER"), ("broker", "STALE_BROKER"), ("", "UNKNOWN")])
def test_an_order_that_local_saw_filled_is_never_adopted(side: Any, code: str) -> None:
    """While its fills stand in either list a filled order that the broker calls live is stale."""
    done = fill("f", "AAPL", 10, 100, client_order_id="c-1")
    ours = [limit("c-1", 10, "filled", filled=10), *([done] if side == "local" else [])]
    assert cause(ours, [limit("c-1", 10), *([done] if side == "broker" else [])]) == code


@pytest.mark.parametrize(
    ("ids", "both", "broker_s"),
    [
        ({"client_order_id": "c-1"}, "STALE_BROKER", "UNKNOWN"),
        ({"client_order_id": None, "broker_order_id": "b-1"}, "STALE_BROKER", "STALE_BROKER"),
        ({"client_order_id": "c-2", "broker_order_id": "b-1"}, "STALE_BROKER", "STALE_BROKER"),
        ({"client_order_id": "c-2", "broker_order_id": "b-2"}, "UNKNOWN", "UNKNOWN"),
        ({"client_order_id": None}, "UNKNOWN", "UNKNOWN"),
    ],
)
def test_a_fill_belongs_to_an_order_by_either_id(ids: Any, both: str, broker_s: str) -> None:
    """One id that both name is enough, and none that neither names is."""
    mine = fill("f", "AAPL", 10, 100, **ids)
    for named, code in (("c-1", both), (None, broker_s)):
        told = {"broker_order_id": "b-1", "client_order_id": named}
        ours, theirs = (order("b-1", 10, status, filled=n, **told) for status, n in (("filled", 10), ("open", 0)))
        assert cause([ours, mine], [theirs, mine]) == code


def test_local_ahead_of_the_broker_is_explained_by_its_own_records_only() -> None:
    """A filled quantity that only local has comes from a duplicate, a phantom or a stale broker, else from nowhere."""
    parts = [fill(name, "AAPL", 2, 100, -300, client_order_id="c-1") for name in ("f", "g")]
    ours, theirs = (limit("c-1", 10, "partially_filled", filled=n) for n in (4, 2))
    since = {"fills_since": -9000}

    def code(mine: Any, stated: Any, **told: Any) -> Any:
        seen = read(local(pos("AAPL", 104), ours, *mine), broker(pos("AAPL", 102), theirs, *stated, **told))
        return " ".join((seen.cause("order AAPL c-1"), *seen.evidence("order AAPL c-1")[1:]))

    young = fill("g", "AAPL", 2, 100, -30, client_order_id="c-1")
    small = fill("h", "AAPL", 1, 100, -300, client_order_id="c-1")
    assert code([parts[0], parts[0]], parts[:1]) == "DUPLICATE_FILL fill f"
    assert code(parts, parts[:1], **since) == "PHANTOM_FILL fill g"
    assert code([parts[0], young], parts[:1], **since) == "STALE_BROKER fill g"
    assert code(parts, parts) == "STALE_BROKER"
    assert code([], []) == "UNKNOWN"
    assert code([small, small], [small]) == code([small], [], **since) == "UNKNOWN"  # of another quantity


def test_a_lookup_is_the_broker_s_record_of_an_order() -> None:
    """An order that the list lacks and a lookup found is compared as the broker's; an error proves nothing."""
    found = Lookup(client_order_id="c-1", order=limit("c-1", 10, "cancelled"))
    failed = Lookup(client_order_id="c-1", error=SideFailure.TIMEOUT)
    assert cause([limit("c-1", 10)], [], lookups=[found]) == "MISSED_UPDATE"
    assert cause([limit("c-1", 10)], [], lookups=[failed]) == "UNKNOWN"


def test_a_replaced_order_is_the_one_with_its_client_id() -> None:
    """A venue that gives a replaced order a new id still speaks of the client's order."""
    mine = limit("c-1", 10, broker_order_id="b-1")
    theirs = limit("c-1", 10, broker_order_id="b-2", limit_price=101)
    seen = read(local(HELD, mine), broker(HELD, theirs))
    assert seen.seen() == {"order AAPL c-1": ("TERMS_MISMATCH", "1", "MISSED_UPDATE", "0")}


def locked(ours: Any, theirs: Any, *, mine: Any = 0, stated: Any = 0) -> Any:
    """The locked funds of one reading: its cause and evidence."""
    seen = read(local(HELD, usd(9000, locked=mine), *ours), broker(HELD, usd(9000, locked=stated), *theirs))
    return seen.seen()["balance USD"], seen.evidence("balance USD")


def test_locked_funds_are_explained_by_the_orders_that_lock_them() -> None:
    """Locked funds that differ have the cause of the orders that differ, each behind its code where there are several."""
    lost, other = limit("c-1", 10), limit("b-9", 5)
    gone = limit("c-1", 10, "rejected")
    assert locked([gone], [lost], stated=1000) == (
        ("LOCKED_MISMATCH", "1000", "LOST_SUBMISSION", "0"),
        ("order c-1",),
    )
    assert locked([gone], [lost, other], stated=1500) == (
        ("LOCKED_MISMATCH", "1500", "MULTIPLE", "0"),
        ("EXTERNAL_ORDER order b-9", "LOST_SUBMISSION order c-1"),
    )
    assert locked([], [lost], stated=1200)[0] == ("LOCKED_MISMATCH", "1200", "EXTERNAL_ORDER", "200")
    assert locked([], [], stated=1200)[0] == ("LOCKED_MISMATCH", "1200", "UNKNOWN", "1200")


def test_orders_that_lock_the_other_way_explain_no_locked_funds() -> None:
    """What would leave as much or more unexplained is no explanation."""
    lost, gone = limit("c-1", 10), limit("c-1", 10, "rejected")
    assert locked([gone], [lost], mine=500) == (("LOCKED_MISMATCH", "-500", "UNKNOWN", "-500"), ())
    cancelled = limit("c-2", 10), limit("c-2", 10, "cancelled")
    both = locked([gone, cancelled[0]], [lost, cancelled[1]], stated=300)
    assert both == (("LOCKED_MISMATCH", "300", "UNKNOWN", "300"), ())


def test_an_orphan_that_locks_other_than_what_differs_is_not_cited() -> None:
    """An order of unknown cause is cited only for exactly what it locks."""
    assert locked([limit("c-1", 10)], [], mine=1200) == (("LOCKED_MISMATCH", "-1200", "UNKNOWN", "-1200"), ())


def test_several_orders_may_explain_a_part_of_what_is_locked() -> None:
    """What orders of several causes leave unexplained stays as the residual."""
    lost, gone, other = limit("c-1", 10), limit("c-1", 10, "rejected"), limit("b-9", 5)
    assert locked([gone], [lost, other], stated=1600)[0] == ("LOCKED_MISMATCH", "1600", "MULTIPLE", "100")


def test_an_orphan_that_locks_funds_is_cited_and_explains_nothing() -> None:
    """An order whose own cause is unknown does not become a cause by locking the funds that differ."""
    row, cited = locked([limit("c-1", 10)], [], mine=1000)
    assert row == ("LOCKED_MISMATCH", "-1000", "UNKNOWN", "-1000")
    assert cited == ("order c-1",)


@pytest.mark.parametrize(("theirs", "held"), [(1000, True), (0, False)])
def test_funds_still_locked_speak_against_a_lost_order(theirs: Any, held: bool) -> None:
    """Where the broker locks as much as an order of local's needs, and no order of its own explains it, that is noted."""
    ours = local(HELD, usd(9000, locked=1000), limit("c-1", 10))
    seen = read(ours, broker(HELD, usd(9000, locked=theirs)))
    assert bool(seen.explanation.still_locked) is held


def test_what_other_orders_lock_does_not_speak_against_a_lost_one() -> None:
    """Funds that the broker's own orders lock are not those of the order that it does not know."""
    gone, theirs = limit("c-1", 10), limit("b-9", 10)
    for stated, held in ((1000, False), (1999, False), (2000, True)):
        ours = local(HELD, bal("EUR", 5, locked=0), usd(9000, locked=1000), gone, theirs)
        seen = read(ours, broker(HELD, bal("EUR", 5, locked=0), usd(9000, locked=stated), theirs))
        assert bool(seen.explanation.still_locked) is held


@pytest.mark.parametrize(
    ("one", "currency", "amount"),
    [
        (limit("c-1", 2, asset="BTC/USDT"), "USDT", 200),
        (limit("c-1", 2, asset="BTC/USDT"), "BTC", 0),
        (limit("c-1", -2, asset="BTC/USDT"), "BTC", 2),
        (limit("c-1", -2, asset="BTC/USDT"), "USDT", 0),
        (limit("c-1", 5, "partially_filled", filled=2), "USD", 300),
        (limit("c-1", 5, "cancelled"), "USD", 0),
        (limit("c-1", 5, limit_price=None, stop_price=90), "USD", 450),
        (limit("c-1", 5, limit_price=None), "USD", 0),
        (limit("c-1", 5, asset="X"), "USD", 5000),  # ten in a contract
    ],
)
def test_a_live_order_locks_what_it_would_give(one: Any, currency: str, amount: Any) -> None:
    """A buy holds back its worth in the quote currency, a sale the coins themselves, and an ended order nothing."""
    assert locks_of(one, currency, market(HELD, pos("X", 1, multiplier=10), usd(1))) == amount


def test_a_fill_that_its_order_cites_is_no_break_of_its_own() -> None:
    """Where holdings agree, a fill that explains an order's update is told of once."""
    theirs = limit("c-1", 10, "partially_filled", filled=4), fill("f", "AAPL", 4, 100, client_order_id="c-1")
    seen = read(local(HELD, limit("c-1", 10), fills_since=-9000), broker(HELD, *theirs))
    assert seen.seen() == {"order AAPL c-1": ("STATUS_MISMATCH", "4", "MISSED_UPDATE", "0")}
    assert seen.case("order AAPL c-1").refs == ("fill f",)


def test_a_sale_locks_the_coins() -> None:
    """A live sale holds back what it sells."""
    sale = limit("b-9", -2, asset="BTC/USDT", limit_price=100)
    coins = [bal("BTC", 5, locked=n) for n in (0, 2)]
    seen = read(local(coins[0]), broker(coins[1], sale))
    assert seen.seen()["balance BTC"] == ("LOCKED_MISMATCH", "2", "EXTERNAL_ORDER", "0")
