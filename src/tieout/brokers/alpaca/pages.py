"""Alpaca's lists to their last page. A page that says less than it should, or the same again, is never taken for the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from tieout.brokers.alpaca.fields import Json, believed, due_word, moment
from tieout.brokers.wire.http import Http
from tieout.errors import SourceIncomplete, SourceMalformed

ORDERS, ACTIVITIES = "/v2/orders", "/v2/account/activities"
MOST_ORDERS, MOST_ACTIVITIES = 500, 100  # what a page holds at most
USUAL = 50  # and where nobody says how much, or what is said goes unheard: a shorter page is surely the last
_TICK = timedelta(microseconds=1)


class Pages:
    """One account's paged lists; rows are as they came, oldest first."""

    def __init__(self, name: str, http: Http) -> None:
        self._name, self._http = name, http

    async def orders(self, scope: str, params: Mapping[str, str]) -> list[Json]:
        """Every order that *params* select, by *until*, back to the first.

        The moment of a page's last order is asked for again, for others may bear it; whoever ignores *until* is found out.
        """
        found: dict[str, Json] = {}
        until: datetime | None = None
        longest = 0
        while True:
            more = {} if until is None else {"until": moment_text(until)}
            asked = {**params, "limit": str(MOST_ORDERS), "direction": "desc", **more}
            page = await self.page(scope, ORDERS, asked)
            times = believed(self._name, scope, _submitted, page)
            if until is not None and any(at is not None and at >= until for at in times):
                raise SourceIncomplete(self._name, scope, "a page holds what was not asked for", list(found.values()))
            mine = self._by_id(scope, page)
            fresh = {id_: row for id_, row in mine.items() if id_ not in found}
            found |= fresh
            longest = max(longest, len(page))
            if len(page) < USUAL or (not fresh and len(page) < longest):
                return list(found.values())[::-1]
            oldest = times[-1]
            if oldest is None or not fresh:
                why = "more orders of one moment than a page holds, or one without its time"
                raise SourceIncomplete(self._name, scope, why, list(found.values()))
            until = oldest + _TICK

    async def activities(self, scope: str, path: str, after: datetime, params: Mapping[str, str]) -> list[Json]:
        """Every activity that was submitted later than *after*, by *page_token*, to the last."""
        found: dict[str, Json] = {}
        asked = {**params, "after": moment_text(after), "direction": "asc", "page_size": str(MOST_ACTIVITIES)}
        while True:
            page = await self.page(scope, path, asked)
            mine = self._by_id(scope, page)
            if found.keys() & mine.keys():
                raise SourceIncomplete(self._name, scope, "a page came again", list(found.values()))
            found |= mine
            if len(page) < USUAL:
                return list(found.values())
            asked["page_token"] = list(mine)[-1]

    async def page(self, scope: str, path: str, params: Mapping[str, str]) -> list[Json]:
        """One page: a list of objects.

        Raises:
            SourceMalformed: It is something else.
        """
        rows = (await self._http.get(scope, path, params)).rows()
        if not all(isinstance(row, dict) for row in rows):
            raise SourceMalformed(self._name, scope, "a row that is no object")
        return rows

    def _by_id(self, scope: str, page: Sequence[Json]) -> dict[str, Json]:
        """The rows by their ids; the same row twice counts once, and one id with two meanings spoils the page."""
        found: dict[str, Json] = {}
        for row in page:
            id_ = believed(self._name, scope, due_word, row, "id")
            if found.setdefault(id_, row) != row:
                raise SourceMalformed(self._name, scope, "two rows of one id")
        return found


def _submitted(page: Sequence[Json]) -> list[datetime | None]:
    return [moment(row, "submitted_at") for row in page]


def moment_text(at: datetime) -> str:
    """*at* as Alpaca takes it."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
