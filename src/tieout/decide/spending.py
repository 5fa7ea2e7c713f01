"""Orders that were sent, over time: whether one has already been sent for a break, and what was sent within the day."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

from tieout.decide.lifecycle import History, Sending
from tieout.decide.limits import DID_NOT_CONVERGE
from tieout.decide.reading import Reading
from tieout.model.amounts import ZERO, seconds
from tieout.model.discrepancy import DOUBTS, Key

DAY = timedelta(hours=24)


SETTLING = "order_settling"


def unsettled(votes: Sequence[Key], reading: Reading, history: History) -> str | None:
    """Why nothing is sent for breaks of which one had its order already, and did not come to what that was to leave.

    None where there is no such break. A partial fill counts as much as none. Until the order must have ended, and the
    venue must show it, that may be nothing but a lag, or an order of which nobody knows yet whether it arrived; from then
    on it did not converge. A doubt is waited out.
    """
    if any(reading.causes[key].code in DOUBTS for key in votes):
        return None
    patience = 2 * reading.policy.send_wait_seconds + reading.settings.lag_seconds
    for key in votes:
        name = history.breaks[key].id
        last = next((each for each in reversed(history.sends) if name in each.breaks and was_sent(each, history)), None)
        if last is not None and key == last.key and reading.differences[key].difference != last.leaves:
            return SETTLING if seconds(last.at, reading.now) < patience else DID_NOT_CONVERGE
    return None


def was_sent(sending: Sending, history: History) -> bool:
    """Whether an order that was decided was sent, or may have been."""
    return sending.plan in history.attempted


def spent(history: History, reading: Reading) -> Decimal:
    """The worth of what was sent within the last 24 hours, in USD.

    What a person let go ahead once more counts each time: leave for a second attempt makes the first no smaller.
    """
    counted = (
        each.usd for each in history.sends
        if reading.now - each.at < DAY and (was_sent(each, history) or _let_again(each, history))
    )  # fmt: skip
    return sum(counted, ZERO)


def _let_again(sending: Sending, history: History) -> bool:
    approval = history.words.approved.get(sending.plan)
    return approval is not None and sending.attempt < approval.times - 1


def still_counts(sending: Sending, standing: frozenset[str], reading: Reading) -> bool:
    """Whether it is to be remembered: for the cap of a day, or for a break that stands."""
    return reading.now - sending.at < DAY or not standing.isdisjoint(sending.breaks)
