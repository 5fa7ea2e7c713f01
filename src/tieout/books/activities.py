"""What an activity (anything but a trade) makes of holdings, and how one that they already contain is taken out."""

from __future__ import annotations

from msgspec.structs import replace

from tieout.books.holdings import LEGS, Holdings, rename_row, split_asset
from tieout.model.amounts import ZERO, fraction
from tieout.model.snapshot import CASH_KINDS, Activity


def book_activity(held: Holdings, activity: Activity) -> None:
    """Book an activity that keeps the rules of its kind.

    Raises:
        BookError: A leg would change its sign.
    """
    _apply(held, activity, 1)


def unbook_activity(held: Holdings, activity: Activity) -> None:
    """Take out an activity that the opening amounts contain: the same the other way round.

    Raises:
        BookError: A leg would change its sign.
    """
    _apply(held, activity, -1)


def _apply(held: Holdings, activity: Activity, direction: int) -> None:
    if activity.kind in CASH_KINDS:
        _move_cash(held, activity, direction)
    elif activity.kind == "split":
        assert activity.asset is not None and activity.ratio is not None, "a split keeps the rules of its kind"
        above, below = fraction(activity.ratio)
        split_asset(held, activity.asset, *((above, below) if direction > 0 else (below, above)))
    elif activity.kind == "symbol_change":
        assert activity.asset is not None and activity.new_asset is not None, "a rename keeps the rules of its kind"
        names = (activity.asset, activity.new_asset)
        _rename(held, *(names if direction > 0 else reversed(names)))
    else:
        _exchange(held, activity, direction)


def _move_cash(held: Holdings, activity: Activity, direction: int) -> None:
    amount = (activity.amount or ZERO) * direction
    if activity.currency is not None:
        held.spend(activity.currency, amount)
    elif activity.asset is not None:
        held.shift(activity.asset, amount)


def _rename(held: Holdings, old: str, new: str) -> None:
    if old == new:
        return
    for leg in LEGS:
        if (old, leg) in held.positions:
            rename_row(held, (old, leg), (new, leg))
    if old in held.cash:
        held.pay(new, held.cash[old])
        held.cash[old] = ZERO
    known = held.instruments.get(old)
    if known is not None and new not in held.instruments:
        held.instruments[new] = replace(known, asset=new)


def _exchange(held: Holdings, activity: Activity, direction: int) -> None:
    """Units of one asset, and of the new one where there is one, wherever the old one is held."""
    assert activity.asset is not None, "a corporate action keeps the rules of its kind"
    place = held.shift(activity.asset, (activity.amount or ZERO) * direction)
    if activity.new_asset is not None:
        held.shift(activity.new_asset, (activity.new_amount or ZERO) * direction, new=place)
