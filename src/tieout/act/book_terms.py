"""Books whose assets go by the names that their user gave them; what is booked goes in under the books' own."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from tieout.books.base import BooksElsewhere, CanApply, Handed, LocalBooks
from tieout.errors import BookError, SourceError
from tieout.model.changes import (
    AdoptOrder,
    BookActivity,
    BookFill,
    Change,
    ReverseActivity,
    ReverseFill,
    SetBalance,
    SetPosition,
    UpdateOrder,
)
from tieout.model.identified import identified, identified_row, renamed
from tieout.model.identity import Identity, Sayer
from tieout.model.snapshot import SECTIONS, Activity, Fill, Order, Snapshot


class IdentifiedBooks:
    """One account's books (`books.base.LocalBooks`) under one name an asset.

    Args:
        inner: The books.
        identity: What their names mean.
    """

    def __init__(self, inner: LocalBooks, identity: Identity) -> None:
        self.inner, self._identity = inner, identity
        self.can_apply = inner.can_apply

    async def read(self) -> Snapshot:
        """The books as they stand.

        Raises:
            SourceError: They could not be read, or rows of one asset do not add up.
        """
        return identified(await self.inner.read(), self._identity)

    async def apply(self, changes: Sequence[Change], *, reason: str) -> None:
        """Book *changes*, all of them or none, under the names that the books use.

        Raises:
            BookError: One of them does not fit, or the books have two names for what it sets.
        """
        await self.inner.apply(await self._own(changes), reason=reason)

    async def hand_over(self, correction: str, changes: Sequence[Change], *, reason: str) -> None:
        """Ask that *changes* be booked, under the names that the books use.

        Raises:
            BookError: It cannot be kept what is handed over, or the books have two names for what it sets.
        """
        await self._elsewhere.hand_over(correction, await self._own(changes), reason=reason)

    async def handed(self, correction: str) -> Handed | None:
        """What became of a correction."""
        return await self._elsewhere.handed(correction)

    async def withdraw(self, but: Collection[str]) -> None:
        """Take back what nobody wants any more."""
        await self._elsewhere.withdraw(but)

    async def adopt(self, statement: Snapshot) -> None:
        """Take a broker's statement as the opening entries of empty books, under the books' names.

        Raises:
            BookError: The books hold something already, or a row does not fit.
        """
        names = OwnNames(replace(statement, **dict.fromkeys(SECTIONS)), self._identity)
        sections = {name: getattr(statement, name) for name in SECTIONS}
        own = {name: tuple(renamed(row, names.own) for row in rows) for name, rows in sections.items() if rows}
        await self.inner.adopt(replace(statement, **own))

    @property
    def _elsewhere(self) -> BooksElsewhere:
        assert self.can_apply is CanApply.ELSEWHERE
        assert isinstance(self.inner, BooksElsewhere)
        return self.inner

    async def _own(self, changes: Sequence[Change]) -> list[Change]:
        try:
            held = await self.inner.read()
        except SourceError as error:
            raise BookError(error.source, error.why) from error
        names = OwnNames(held, self._identity)
        return [names.change(change) for change in changes]


class OwnNames:
    """What books call things, by what they hold now.

    Args:
        held: The books, as they say it themselves.
        identity: What their names mean.
    """

    def __init__(self, held: Snapshot, identity: Identity) -> None:
        self._held, self._identity = held, identity
        self._sayer = Sayer(identity, held.source, held.as_of)
        self._used: dict[str, set[str]] = {}
        for name in _names(held):
            if name not in identity.twins:
                self._used.setdefault(self._meant(name), set()).add(name)

    def own(self, asset: str) -> str:
        """The books' name of *asset*: the one told, else the one that they use, else *asset* itself."""
        told = self._identity.in_books.get(asset)
        used = self._used.get(asset, set())
        if told is not None or asset in used or len(used) != 1:
            return told or asset
        return next(iter(used))

    def change(self, change: Change) -> Change:
        """*change* as the books have to be told it.

        Raises:
            BookError: It sets what the books hold under two names.
        """
        match change:
            case BookFill(fill=fill):
                return BookFill(renamed(fill, self.own))
            case ReverseFill(fill=fill):
                return ReverseFill(self._own_fill(fill))
            case BookActivity(activity=activity):
                return BookActivity(renamed(activity, self.own))
            case ReverseActivity(activity=activity):
                return ReverseActivity(self._own_activity(activity))
            case UpdateOrder(order=order):
                return UpdateOrder(self._own_order(order))
            case AdoptOrder(order=order):
                return AdoptOrder(self._own_order(order))
            case SetPosition():
                rows = [row.asset for row in self._held.positions or () if row.leg == change.leg]
                return replace(change, asset=self._set(change.asset, rows))
            case SetBalance():
                return replace(
                    change, currency=self._set(change.currency, [r.currency for r in self._held.balances or ()])
                )

    def _meant(self, name: str) -> str:
        return self._identity.name(name, self._sayer.day)

    def _own_fill(self, fill: Fill) -> Fill:
        """The books' own record of a fill, where they list it just so."""
        rows = self._held.fills or ()
        same = (
            row for row in rows if row.fill_id == fill.fill_id and identified_row("fills", row, self._sayer) == fill
        )
        return next(same, None) or renamed(fill, self.own)

    def _own_activity(self, activity: Activity) -> Activity:
        rows = [row for row in self._held.activities or () if row.activity_id == activity.activity_id]
        same = (row for row in rows if identified_row("activities", row, self._sayer) == activity)
        return next(same, None) or renamed(activity, self.own)

    def _own_order(self, order: Order) -> Order:
        """An order under the name that the books gave it, where they know it."""
        ids = {order.broker_order_id, order.client_order_id} - {None}
        known = (row for row in self._held.orders or () if ids & {row.broker_order_id, row.client_order_id})
        mine = next((row for row in known if self._meant(row.asset) == order.asset), None)
        return replace(order, asset=mine.asset) if mine is not None else renamed(order, self.own)

    def _set(self, asset: str, rows: Sequence[str]) -> str:
        """The one name under which *asset* is set."""
        used = sorted({name for name in rows if self._meant(name) == asset})
        if len(used) > 1:
            raise BookError(asset, f"the books hold it under {' and '.join(used)}: which one to set, nobody said")
        return used[0] if used else self.own(asset)


def _names(held: Snapshot) -> Iterator[str]:
    """Every name of an asset or currency that the books use."""
    for section in SECTIONS:
        for row in getattr(held, section) or ():
            assert isinstance(row, Struct)
            for field in ("asset", "currency", "base", "quote", "fee_currency"):
                name = getattr(row, field, None)
                if name is not None:
                    yield name
