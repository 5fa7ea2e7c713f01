"""Rule 0: breaks that share a record are one case, with one strategy, booked whole or not at all."""

from __future__ import annotations

from decimal import Decimal

from tests.decide.building import actions, booked, cash, every, fill, moved, pos, row, side, told, verdict


def test_the_strictest_member_decides_for_its_case() -> None:
    """A stranger's trade that is critical for the position halts its cash leg too, and its record awaits approval."""
    trade = fill("f", "buy", "10")
    local = side(pos("X", "100"), cash("60000"))
    broker = side(pos("X", "110"), cash("59000"), trade)
    report = told(every(30, 2, local, broker))[-1]
    assert verdict(report, "position") == ("EXTERNAL_TRADE", "CRITICAL", "HALT_AND_ALERT")
    assert verdict(report, "balance") == ("EXTERNAL_TRADE", "MODERATE", "HALT_AND_ALERT")
    assert actions(report) == ["alert planned", "book_fill awaiting_approval", "halt planned"]


def test_a_member_within_tolerance_has_no_vote() -> None:
    """A cash leg worth less than 10 USD does not hold up a missed fill, though it is not confirmed itself."""
    known = fill("g", "buy", "1", price="1", client_order_id="c-1")
    missed = fill("f", "buy", "3", price="1", client_order_id="c-1")
    local = side(pos("X", "100", price="1"), cash("5"), known)
    broker = side(pos("X", "103", price="1"), cash("1"), known, missed)
    report = told(every(30, 1, local, broker))[-1]
    cash_leg = row(report, "balance")
    assert (cash_leg.within_tolerance, cash_leg.confirmed, cash_leg.cause.residual) == (True, False, Decimal(-1))
    assert verdict(report, "position") == ("MISSED_FILL", "MODERATE", "SYNC_TO_BROKER")
    assert booked(report) == ["book_fill"]


def test_a_residual_within_tolerance_counts_as_nothing_left() -> None:
    """A dividend that leaves 5 USD open is booked after two readings: the rest is within tolerance."""
    local, broker = side(cash("10000")), side(cash("10205"), moved("d", "dividend", "200"))
    first, second = told(every(30, 2, local, broker))
    assert (row(second, "balance").cause.residual, row(first, "balance").confirmed) == (Decimal(5), False)
    assert actions(first) == ["wait planned"]
    assert verdict(second, "balance") == ("DIVIDEND", "MODERATE", "SYNC_TO_BROKER")
    assert booked(second) == ["book_activity"]


def test_a_partly_explained_break_goes_by_its_residual() -> None:
    """A critical break of which 3 % stay open is moderate: it is set only after a person said so, and nothing is booked."""
    local, broker = side(cash("10000")), side(cash("11000"), moved("d", "dividend", "700"))
    report = told(every(30, 2, local, broker))[-1]
    assert verdict(report, "balance") == ("DIVIDEND", "CRITICAL", "SYNC_TO_BROKER")
    assert actions(report) == ["set_balance awaiting_approval"]


def test_a_case_of_explained_and_open_members_lists_a_cure_for_each() -> None:
    """Where the fill explains the position and not all of the cash, the fill and the rest of the cash await approval."""
    known = fill("g", "buy", "1", client_order_id="c-1")
    local = side(pos("X", "100"), cash("10000"), known)
    broker = side(pos("X", "110"), cash("8700"), known, fill("f", "buy", "10", client_order_id="c-1"))
    report = told(every(30, 2, local, broker))[-1]
    assert verdict(report, "position") == ("MISSED_FILL", "CRITICAL", "SYNC_TO_BROKER")
    assert row(report, "balance").cause.residual == Decimal(-300)
    assert actions(report) == ["book_fill awaiting_approval", "set_balance awaiting_approval"]


def test_an_unconfirmed_member_holds_its_case_back() -> None:
    """Nothing of a case is booked before each member that votes is confirmed."""
    known = fill("g", "buy", "1", client_order_id="c-1")
    local = side(pos("X", "100"), cash("10000"), known)
    broker = side(pos("X", "110"), cash("8930"), known, fill("f", "buy", "10", client_order_id="c-1"))
    first, second = told(every(30, 2, local, broker))
    assert (row(first, "position").confirmed, row(first, "balance").confirmed) == (True, False)
    assert actions(first) == ["wait planned"]
    assert verdict(second, "balance")[2] == "WARN_ONLY"  # 0.7 % of the cash stay open
    assert booked(second) == []


def test_locked_funds_have_no_vote() -> None:
    """Locked funds that differ are reported, and nothing is done for them."""
    local, broker = side(cash("1000", locked="0")), side(cash("1000", locked="500"))
    report = told(every(30, 2, local, broker))[-1]
    assert verdict(report, "balance") == ("UNKNOWN", "MINOR", "WARN_ONLY")
    assert report.actions == ()


def test_a_plan_that_does_not_close_awaits_approval() -> None:
    """A fill that would move a position which already agrees is not booked by itself."""
    known = fill("g", "buy", "1", own=True, client_order_id="c-1")
    local = side(pos("X", "100"), cash("10000"), known)
    broker = side(pos("X", "100"), cash("9700"), known, fill("f", "buy", "3", client_order_id="c-1"))
    report = told(every(30, 2, local, broker))[-1]
    assert verdict(report, "balance") == ("MISSED_FILL", "MODERATE", "SYNC_TO_BROKER")
    assert actions(report) == ["book_fill awaiting_approval"]


def test_a_fee_in_a_currency_that_nobody_lists_does_not_hold_a_booking_up() -> None:
    """The fee went out of a coin that neither side lists: the fill is booked all the same."""
    known = fill("g", "buy", "1", client_order_id="c-1")
    missed = fill("f", "buy", "10", client_order_id="c-1", fee=Decimal("0.01"), fee_currency="BNB")
    local = side(pos("X", "100"), cash("60000"), known)
    broker = side(pos("X", "110"), cash("59000"), known, missed)
    report = told(every(30, 1, local, broker))[-1]
    assert booked(report) == ["book_fill"]


def test_a_halted_case_lets_others_be_booked() -> None:
    """A stranger's trade halts, and a dividend in another currency is booked in the same reading."""
    local = side(pos("X", "100"), cash("60000"), cash("1000", "EUR", usd="1.1"))
    broker = side(
        pos("X", "110"), cash("59000"), cash("1020", "EUR", usd="1.1"),
        fill("f", "buy", "10"), moved("d", "dividend", "20", currency="EUR"),
    )  # fmt: skip
    report = told(every(30, 1, local, broker))[-1]
    assert actions(report) == [
        "alert planned", "book_activity planned", "book_fill awaiting_approval", "halt planned",
    ]  # fmt: skip
