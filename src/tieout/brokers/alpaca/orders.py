"""Every live order of an account, and single ones.

One list is not enough. Asked with `nested`, Alpaca leaves a bracket's exits out once its entry was filled; asked without, it
leaves out every leg that is held back until its twin ends. So both are read, and where an exit shows without its family, the
family is looked for among the orders of its asset.
"""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import timedelta

from tieout.brokers.alpaca.fields import Json, believed, due_word, moment, word
from tieout.brokers.alpaca.pages import MOST_ORDERS, ORDERS, Pages, moment_text
from tieout.brokers.alpaca.parse import family, order
from tieout.brokers.wire.http import Answer, Http
from tieout.errors import SourceError, SourceIncomplete, SourceMalformed
from tieout.model.snapshot import Order

SCOPE = "orders"
NO_SUCH_ORDER = 40410000
_FAMILIES = frozenset(("bracket", "oco", "oto"))
_MARGIN = timedelta(seconds=1)
_ID = re.compile("[A-Za-z0-9-]{1,64}")  # what may stand in a path


class AlpacaOrders:
    """The orders of one account."""

    def __init__(self, name: str, http: Http, pages: Pages) -> None:
        self._name, self._http, self._pages = name, http, pages

    async def open(self) -> tuple[Order, ...]:
        """Every live order, held legs included, oldest first.

        Raises:
            SourceError: Not known to be complete.
        """
        nested, flat = await asyncio.gather(
            self._pages.orders(SCOPE, {"status": "open", "nested": "true"}),
            self._pages.orders(SCOPE, {"status": "open", "nested": "false"}),
        )
        rows, strays = believed(self._name, SCOPE, _sorted, nested, flat)
        found, lost = await self._families(strays)
        return self._made([*rows, *found], lost)

    async def find(self, broker_order_id: str | None, client_order_id: str | None) -> Order | None:
        """The order that bears the ids given; None only where Alpaca itself says that there is no such order.

        Raises:
            SourceError: It did not answer that question.
        """
        if broker_order_id is not None:
            if _ID.fullmatch(broker_order_id) is None:
                raise SourceError(self._name, SCOPE, "an id that Alpaca cannot be asked for")
            answer = await self._http.get(SCOPE, f"{ORDERS}/{broker_order_id}", answers=(404,))
        else:
            params = {"client_order_id": client_order_id or ""}
            answer = await self._http.get(SCOPE, f"{ORDERS}:by_client_order_id", params, answers=(404,))
        if answer.status == 404:
            self._require_word(answer)
            return None
        found = believed(self._name, SCOPE, order, answer.fields())
        self._require_asked_for(found, broker_order_id, client_order_id)
        return found if client_order_id in (None, found.client_order_id) else None

    def _require_word(self, answer: Answer) -> None:
        """Raise unless a 404 is Alpaca's word on the order; some proxy's is not."""
        if not isinstance(answer.body, dict) or answer.body.get("code") != NO_SUCH_ORDER:
            raise SourceError(self._name, SCOPE, "HTTP 404 that does not speak of the order")

    def _require_asked_for(self, found: Order, broker_order_id: str | None, client_order_id: str | None) -> None:
        told, asked = (
            (found.broker_order_id, broker_order_id)
            if broker_order_id is not None
            else (found.client_order_id, client_order_id)
        )
        if told != asked:
            raise SourceMalformed(self._name, SCOPE, "another order than the one asked for")

    async def _families(self, strays: Iterable[Json]) -> tuple[list[Json], bool]:
        """The families of *strays*, and whether one was not to be found."""
        by_symbol: dict[str, list[Json]] = defaultdict(list)
        for row in strays:
            by_symbol[believed(self._name, SCOPE, due_word, row, "symbol")].append(row)
        found: list[Json] = []
        lost = False
        for symbol, mine in by_symbol.items():
            params = {"status": "all", "nested": "true", "symbols": symbol, "limit": str(MOST_ORDERS)}
            tops = await self._pages.page(SCOPE, ORDERS, params | self._until(mine))
            for stray in mine:
                home = believed(self._name, SCOPE, _home, stray, tops)
                found += home
                lost = lost or not home
        return found, lost

    def _until(self, rows: Sequence[Json]) -> dict[str, str]:
        """An entry is never younger than its exits."""
        times = [believed(self._name, SCOPE, moment, row, "created_at") for row in rows]
        known = [at for at in times if at is not None]
        if len(known) < len(times):
            return {}
        return {"until": moment_text(max(known) + _MARGIN)}

    def _made(self, rows: Iterable[Json], lost: bool) -> tuple[Order, ...]:
        orders: list[Order] = []
        why = "an exit of a bracket whose family is not to be found" if lost else ""
        for row in believed(self._name, SCOPE, _latest, rows):
            try:
                orders.append(believed(self._name, SCOPE, order, row))
            except SourceIncomplete as part:
                why = part.why
        standing = tuple(made for made in orders if made.live or made.status == "unknown")
        if why:
            raise SourceIncomplete(self._name, SCOPE, why, standing)
        return standing


def _sorted(nested: Iterable[Json], flat: Iterable[Json]) -> tuple[list[Json], list[Json]]:
    """All rows, and those that belong to a family and came without it."""
    families = [list(family(row)) for row in nested]
    at_home = {due_word(row, "id") for rows in families if len(rows) > 1 for row in rows}
    rows = [*(row for top in flat for row in family(top)), *(row for rows in families for row in rows)]
    strays = {due_word(row, "id"): row for row in rows if word(row, "order_class") in _FAMILIES}
    return rows, [row for id_, row in strays.items() if id_ not in at_home]


def _home(stray: Json, tops: Iterable[Json]) -> list[Json]:
    """The family among *tops* that *stray* is of, none where it is alone."""
    for top in tops:
        rows = list(family(top))
        if len(rows) > 1 and any(row.get("id") == stray.get("id") for row in rows):
            return rows
    return []


def _latest(rows: Iterable[Json]) -> list[Json]:
    """Each order once, as it was touched last: the lists are read one after the other."""
    kept: dict[str, Json] = {}
    for row in rows:
        before = kept.setdefault(due_word(row, "id"), row)
        then, now = moment(before, "updated_at"), moment(row, "updated_at")
        if then is not None and now is not None and now > then:
            kept[due_word(row, "id")] = row
    return list(kept.values())
