"""The questions that are asked of the indexer, and when its answers are too old to be believed.

Source: the indexer's own routes, which its OpenAPI document tells differently in three places: fills of a parent are at
``/fills/parentSubaccountNumber``, an account's document comes wrapped in ``subaccount``, and funding payments cannot be asked
for from a moment on. An address that nobody ever used answers 404 to some questions and an empty list to the others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar

from tieout.brokers.dydx import parse
from tieout.brokers.dydx.holdings import EMPTY, Holdings, holdings
from tieout.brokers.dydx.owner import Owner
from tieout.brokers.dydx.pages import SIZE, Page
from tieout.brokers.dydx.parse import Entry
from tieout.brokers.dydx.rows import Json, RowError, RowLeft, listed, moment, table, whole
from tieout.brokers.wire.http import Answer, Http
from tieout.brokers.wire.wire import Wire
from tieout.errors import SourceIncomplete, SourceMalformed, SourceRefused

T = TypeVar("T")
LAG = timedelta(seconds=30)  # blocks come about every second, and the indexer is a second or two behind them
LAG_BLOCKS = 30  # its answers come from replicas, and not all are equally far
STILL = timedelta(seconds=10)  # its own cache holds an answer for a second
_UNCERTAIN = timedelta(seconds=5)
_CACHED_NS = 10**9


class Indexer:
    """One account's questions. Everything is asked through *http*, whose wire's `offset` tells the venue's time."""

    def __init__(self, name: str, owner: Owner, http: Http, wire: Wire) -> None:
        self._name, self._owner, self._http, self._wire = name, owner, http, wire
        self._whose = {"address": owner.address, "parentSubaccountNumber": str(owner.parent), "limit": str(SIZE)}
        self._used = False
        self._asking = asyncio.Lock()
        self._behind: tuple[datetime, int] | None = None  # a time that had long passed, and when it was told
        self._newest: tuple[int, int] | None = None  # when it was asked for, and what it was

    async def time(self, scope: str) -> datetime:
        """The venue's clock.

        Raises:
            SourceError: It did not answer, or with a time that has long passed: old answers are handed out.
        """
        due = self._wire.offset.now()

        async def told() -> datetime:
            now = self._read(scope, await self._get(scope, "/v4/time"), lambda body: moment(table(body, "time"), "iso"))
            if due is None or due - now <= STILL:
                self._behind = None
            elif not self._goes_on(now):
                raise SourceMalformed(self._name, scope, "its clock does not go on: old answers are handed out")
            return now

        return await self._wire.offset.measure(told)

    def _goes_on(self, now: datetime) -> bool:
        """Whether a clock that is behind what it should be has moved since it was first behind: then it was set back."""
        at = self._wire.clock.monotonic_ns()
        first, began = self._behind or (now, at)
        passed = timedelta(microseconds=(at - began) // 1000)
        self._behind = None if passed > STILL and now - first > passed - STILL else (first, began)
        return self._behind is None

    async def height(self, scope: str) -> int:
        """The newest block that the indexer has taken in, as it was a second ago at most.

        Raises:
            SourceIncomplete: It is old: the indexer stands still, and nothing it says is known to hold now.
            SourceError: It did not answer.
        """
        async with self._asking:
            now = self._wire.clock.monotonic_ns()
            if self._newest is None or now - self._newest[0] > _CACHED_NS:
                self._newest = now, await self._new_height(scope)
            return self._newest[1]

    async def _new_height(self, scope: str) -> int:
        sure = self._wire.offset.uncertainty
        if sure is None or sure > _UNCERTAIN:
            await self.time(scope)
        now = self._wire.offset.now()
        assert now is not None, "it was measured"
        answer = await self._get(scope, "/v4/height")
        height, at = self._read(scope, answer, lambda body: _block(table(body, "height")))
        if now - at > LAG:
            raise SourceIncomplete(self._name, scope, "the indexer stands still: its newest block is old")
        return height

    async def holdings(self, scope: str) -> Holdings:
        """What the account holds; nothing, where the venue knows the address and not this sub-account of it.

        Raises:
            SourceRefused: The venue knows no such address.
            SourceError: It did not answer, or nothing that can be believed.
        """
        path = f"/v4/addresses/{self._owner.address}/parentSubaccountNumber/{self._owner.parent}"
        answer = await self._get(scope, path, answers=(404,))
        if answer.status == 404:
            self._require_said(scope, answer, "No subaccount")
            await self._require_other_subaccounts(scope)
            return EMPTY
        self._used = True
        return self._read(scope, answer, lambda body: holdings(body, self._owner))

    async def require_known(self, scope: str) -> None:
        """Make sure that the account is there: to the questions for lists, a misspelt address is an empty account.

        Raises:
            SourceRefused: The venue knows no such address.
            SourceError: It did not answer.
        """
        if not self._used:
            await self.holdings(scope)

    async def orders(self, scope: str, **narrowed: str) -> list[Json]:
        """Orders of the account, `SIZE` of them at most, those that are good for longest first."""
        answer = await self._get(scope, "/v4/orders/parentSubaccountNumber", self._whose | narrowed)
        return self._read(scope, answer, lambda body: listed(body, "orders"))

    def narrowed(self, height: int) -> tuple[dict[str, str], ...]:
        """Questions that together miss no order that is live, or may still fill after block *height*."""
        now = self._wire.offset.now()
        assert now is not None, "it was measured for the height"
        ended = {"status": parse.CANCELLED_BY_BEST_EFFORT}
        return (
            {"status": ",".join(status for status in parse.LIVE if status != parse.CANCELLED_BY_BEST_EFFORT)},
            ended | {"goodTilBlockAfter": str(height - 1)},
            ended | {"goodTilBlockTimeAfter": (now - LAG).isoformat(timespec="milliseconds").replace("+00:00", "Z")},
        )

    async def order(self, scope: str, id_: str) -> Json | None:
        """One order of anybody; None where the venue says that it knows none, or that this is no id of an order."""
        answer = await self._get(scope, f"/v4/orders/{id_}", answers=(400, 404))
        if answer.status == 200:
            return self._read(scope, answer, lambda body: table(body, "the order"))
        if answer.status == 404:
            self._require_said(scope, answer, "Unable to find order")
        elif not any(error.get("param") == "orderId" for error in self._errors(scope, answer)):
            raise SourceMalformed(self._name, scope, "HTTP 400, and not for the order's id")
        return None

    async def fills(self, scope: str, number: int) -> Page:
        """A page of fills."""
        return await self._page(scope, "/v4/fills/parentSubaccountNumber", number, "fills", parse.fill)

    async def funding(self, scope: str, number: int) -> Page:
        """A page of funding payments."""
        return await self._page(scope, "/v4/fundingPayments/parentSubaccount", number, "fundingPayments", parse.funding)

    async def transfers(self, scope: str, number: int) -> Page:
        """A page of transfers."""
        return await self._page(
            scope, "/v4/transfers/parentSubaccountNumber", number, "transfers", parse.transfer, unused=404
        )

    async def _page(
        self, scope: str, path: str, number: int, name: str, make: Callable[[Json, Owner], Entry], unused: int = 0
    ) -> Page:
        answer = await self._get(scope, path, self._whose | {"page": str(number)}, answers=(unused,))
        if answer.status == unused:
            self._require_said(scope, answer, "No subaccount")
            return Page((), 0)

        def read(body: object) -> Page:
            told = table(body, "the answer")
            total = None if told.get("totalResults") is None else whole(told, "totalResults")
            return Page(tuple(make(row, self._owner) for row in listed(told.get(name), name)), total)

        return self._read(scope, answer, read)

    async def _require_other_subaccounts(self, scope: str) -> None:
        """The venue says that there is no such sub-account: that is so only where it knows the address."""
        answer = await self._get(scope, f"/v4/addresses/{self._owner.address}", answers=(404,))
        if answer.status == 404:
            self._require_said(scope, answer, "No subaccount")
            raise SourceRefused(self._name, scope, "the venue knows no such address: it is misspelt, or was never used")
        others = self._read(scope, answer, _subaccounts)
        if not others or any(self._owner.holds(number) for number in others):
            raise SourceMalformed(self._name, scope, "its answers contradict each other")
        self._used = True

    def _require_said(self, scope: str, answer: Answer, opening: str) -> None:
        """Make sure that a *no* is the venue's own word: anything on the way can answer 404."""
        if not any(str(error.get("msg")).startswith(opening) for error in self._errors(scope, answer)):
            raise SourceMalformed(self._name, scope, f"HTTP {answer.status}, and not in the venue's words")

    def _errors(self, scope: str, answer: Answer) -> list[Json]:
        return self._read(scope, answer, lambda body: listed(table(body, "it").get("errors"), "errors"))

    async def _get(
        self, scope: str, path: str, params: dict[str, str] | None = None, answers: tuple[int, ...] = ()
    ) -> Answer:
        return await self._http.get(scope, path, params, answers=answers)

    def _read(self, scope: str, answer: Answer, read: Callable[[object], T]) -> T:
        try:
            return read(answer.body)
        except RowLeft as error:
            raise SourceIncomplete(self._name, scope, str(error)) from None
        except RowError as error:
            raise SourceMalformed(self._name, scope, str(error)) from None


def _subaccounts(body: object) -> list[int]:
    return [whole(row, "subaccountNumber") for row in listed(table(body, "it").get("subaccounts"), "subaccounts")]


def _block(row: Json) -> tuple[int, datetime]:
    return whole(row, "height"), moment(row, "time")
