"""Reads whole sections of a venue, list by list, and says what keeps one from being whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, TypeVar

from tieout.brokers.ccxt.asking import CcxtAsking
from tieout.brokers.ccxt.calls import Call, Venue
from tieout.brokers.ccxt.cash import Line, Reader, balances, coin_code, walk
from tieout.brokers.ccxt.gather import Gathering, Haul, gather, nested, rows_of
from tieout.brokers.ccxt.guard import answers_in_hand
from tieout.brokers.ccxt.ledger import read_rows, told
from tieout.brokers.ccxt.parse import RowError, RowLeft
from tieout.brokers.ccxt.strangers import note
from tieout.brokers.ccxt.together import together
from tieout.brokers.ccxt.unified import one_page, unified
from tieout.clock import Clock
from tieout.errors import SourceIncomplete, SourceMalformed
from tieout.model.snapshot import Balance, Section

T = TypeVar("T")
Json = dict[str, Any]
Make = Callable[[Json, Json], Any]


class CcxtReader:
    """The sections of one account. Lists that do not wait for each other are read together."""

    def __init__(self, name: str, venue: Venue, asking: CcxtAsking, assets: Sequence[str], clock: Clock) -> None:
        self._name, self._venue, self._asking = name, venue, asking
        self._assets, self._clock = tuple(assets), clock

    async def balances(self) -> tuple[Balance, ...]:
        """Every currency of the wallets in scope.

        Raises:
            SourceError: Not known to be whole.
        """
        missing, read = self._gap("balances"), await together(self._wallet(call) for call in self._venue.balances)
        lines = [line for wallet, _ in read for line in wallet]
        missing += [why for _, whys in read for why in whys]
        found = self._asking.made("balances", lambda: balances(lines, coin_code(self._asking.client())))
        return self._whole("balances", found, missing)

    async def _wallet(self, call: Call) -> tuple[list[Line], list[str]]:
        assert call.cash is not None, "a call for balances without a reader"
        read, lines, missing = call.cash, list[Line](), list[str]()
        for body in await self._wallet_bodies(call, missing):
            self._asking.made("balances", partial(_collect, read, body, lines, missing))
        return lines, missing

    async def _wallet_bodies(self, call: Call, missing: list[str]) -> list[Any]:
        if call.method is not None:
            haul = await self._haul(call, self._gathering("balances", missing))
            # A wallet that is on two pages is one wallet: only rows that came anew are cash.
            return haul.bodies if call.pages is None else [nested(call.rows, haul.rows)]

        async def question(client: Any) -> list[Any]:
            await client.fetch_balance(dict(call.params))
            return self._bodies(call)

        return await self._asking.ask("balances", question)

    async def rows(self, section: Section, make: Make, since: datetime | None = None) -> tuple[Any, ...]:
        """Every record of *section*, made by *make* from a unified row and its market.

        Raises:
            SourceError: Not known to be whole.
        """
        missing, records = self._gap(section), list[Any]()
        calls: tuple[Call, ...] = getattr(self._venue, section)
        for turn in sorted({call.turn for call in calls}):
            asked = [
                (call, asset)
                for call in calls
                if call.turn == turn
                for asset in (self._assets if call.per_asset else (None,))
            ]
            read = await together(self._read(section, call, make, asset=asset, since=since) for call, asset in asked)
            records += [record for found, _ in read for record in found if since is None or record.at >= since]
            missing += [why for _, whys in read for why in whys]
        if any(call.per_asset for call in calls) and not self._assets:
            missing.append("this venue is asked asset by asset, and no assets are named")
        return self._whole(section, tuple(records), missing)

    async def narrowed(self, section: Section, call: Call) -> list[Json]:
        """The unified rows of a list that is narrowed by its parameters.

        Raises:
            SourceError: It is not known to be whole.
        """
        missing = list[str]()
        raw = (await self._haul(call, self._gathering(section, missing))).rows
        self._whole(section, (), missing)
        return self._asking.made(section, lambda: list(unified(self._asking.client(), section, call, raw, None)))

    def _gathering(
        self, section: Section, missing: list[str], *, asset: str | None = None, since: datetime | None = None
    ) -> Gathering:
        return Gathering(self._asking.ask, section, missing, asset, since, self._present())

    def _present(self) -> datetime:
        """Now, by the venue's clock where ccxt had to compare it with ours: windows have to reach beyond it."""
        behind = self._asking.client().options.get("timeDifference") or 0
        return self._clock.now() - timedelta(milliseconds=int(behind))

    async def _read(
        self, section: Section, call: Call, make: Make, *, asset: str | None, since: datetime | None
    ) -> tuple[list[Any], list[str]]:
        if call.method is None:
            return await self._one_page(section, call, make, asset=asset, since=since)
        doing = self._gathering(section, list[str](), asset=asset, since=since)
        raw = (await self._haul(call, doing)).rows
        return self._asking.made(section, lambda: self._records(call, raw, make, doing)), doing.missing

    async def _haul(self, call: Call, doing: Gathering) -> Haul:
        try:
            return await gather(doing, call)
        except RowError as error:
            raise SourceMalformed(self._name, doing.scope, str(error)) from None

    def _records(self, call: Call, raw: list[Json], make: Make, doing: Gathering) -> list[Any]:
        client = self._asking.client()
        if call.read is not None:
            return read_rows(call.read, raw, told(client), doing.missing)
        found = list(unified(client, doing.scope, call, raw, doing.asset))
        if len(found) != len(raw):
            doing.missing.append("ccxt left rows out")
        return self._make(client, make, found, doing.missing)

    async def _one_page(
        self, section: Section, call: Call, make: Make, *, asset: str | None, since: datetime | None
    ) -> tuple[list[Any], list[str]]:
        async def question(client: Any) -> tuple[list[Any], list[str]]:
            missing = list[str]()
            found = await one_page(client, section, call, asset=asset, since=since)
            raw = rows_of(call, self._body(call))
            records = self._make(client, make, found, missing)
            if self._follows(call, raw):
                missing.append("more pages follow")
            if section != "fills" and len(found) != len(raw):
                missing.append("ccxt left rows out")
            return records, missing

        return await self._asking.ask(section, question)

    def _bodies(self, call: Call) -> list[Any]:
        bodies = answers_in_hand().bodies(call.endpoint)
        if not bodies:
            raise RowError(f"no answer from {call.endpoint}")
        return bodies

    def _body(self, call: Call) -> Any:
        return self._bodies(call)[-1]

    def _make(self, client: Any, make: Make, unified: list[Json], missing: list[str]) -> list[Any]:
        records = []
        for row in unified:
            market = client.markets.get(row.get("symbol"))
            if market is None:
                note(row)
                missing.append("a row in a market that is not known")
                continue
            try:
                record = make(row, market)
            except RowLeft as left:
                missing.append(f"left out: {left}")
                continue
            if record is not None:
                records.append(record)
        return records

    def _follows(self, call: Call, raw: list[Any]) -> bool:
        full = call.page is not None and len(raw) >= call.page
        if call.more is None:
            return full
        told = walk(self._body(call), call.more) not in (None, "", "0", False)
        return told if call.page is None else told and full

    def _gap(self, section: Section) -> list[str]:
        gap = self._venue.gaps.get(section)
        return [gap] if gap else []

    def _whole(self, section: str, records: tuple[T, ...], missing: list[str]) -> tuple[T, ...]:
        if missing:
            raise SourceIncomplete(self._name, section, "; ".join(dict.fromkeys(missing)), records)
        return records


def _collect(read: Reader, body: Any, lines: list[Line], missing: list[str]) -> None:
    """Take line by line, so that what came before a row that is left stays."""
    try:
        for line in read(body):
            lines.append(line)  # noqa: PERF402
    except RowLeft as left:
        missing.append(str(left))


def too_old(venue: Venue, since: datetime, now: datetime) -> bool:
    """Whether one request for fills does not reach from *since* to *now*."""
    return venue.fills_days is not None and now - since > timedelta(days=venue.fills_days)
