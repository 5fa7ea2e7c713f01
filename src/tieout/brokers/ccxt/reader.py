"""Asks one venue through ccxt, section by section, and holds each answer against its own envelope before it is believed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

from tieout.brokers.ccxt import parse
from tieout.brokers.ccxt.asking import CcxtAsking
from tieout.brokers.ccxt.cash import Line, balances, coin_code, rows_at, walk
from tieout.brokers.ccxt.errors import failures
from tieout.brokers.ccxt.guard import answers_in_hand
from tieout.brokers.ccxt.parse import RowError, RowLeft
from tieout.brokers.ccxt.strangers import note
from tieout.brokers.ccxt.together import together
from tieout.brokers.ccxt.venues import Call, Venue
from tieout.errors import SourceIncomplete
from tieout.model.snapshot import Balance, Section

T = TypeVar("T")
Json = dict[str, Any]
Make = Callable[[Json, Json], Any]


class CcxtReader:
    """Reads whole sections. Requests that do not wait for each other are under way together."""

    def __init__(self, name: str, venue: Venue, asking: CcxtAsking, assets: Sequence[str]) -> None:
        self._name, self._venue, self._asking, self._assets = name, venue, asking, tuple(assets)

    async def balances(self) -> tuple[Balance, ...]:
        """Every currency of the wallets in scope.

        Raises:
            SourceError: Not known to be whole.
        """
        missing, read = self._gap("balances"), await together(self._wallet(call) for call in self._venue.balances)
        lines = [line for wallet, _ in read for line in wallet]
        missing += [why for _, whys in read for why in whys]
        try:
            found = balances(lines, coin_code(self._asking.client()))
        except failures() as error:
            raise self._asking.failed(error, "balances") from None
        return self._whole("balances", found, missing)

    async def _wallet(self, call: Call) -> tuple[list[Line], list[str]]:
        lines, missing = list[Line](), list[str]()

        async def question(client: Any) -> None:
            lines.clear()
            missing.clear()
            await client.fetch_balance(dict(call.params))
            for body in self._bodies(call):
                assert call.cash is not None, "a call for balances without a reader"
                _collect(call.cash(body), lines, missing)
            if isinstance(body, dict) and body.get("has_next"):
                missing.append("more pages follow")

        await self._asking.ask("balances", question)
        return lines, missing

    async def rows(self, section: Section, make: Make, since: datetime | None = None) -> tuple[Any, ...]:
        """Every record of *section*, made by *make* from a unified row and its market.

        Raises:
            SourceError: Not known to be whole.
        """
        missing = self._gap(section)
        calls: tuple[Call, ...] = getattr(self._venue, section)
        asked = [(call, asset) for call in calls for asset in (self._assets if call.per_asset else (None,))]
        read = await together(self._read(section, call, make, asset=asset, since=since) for call, asset in asked)
        records = [record for found, _ in read for record in found]
        missing += [why for _, whys in read for why in whys]
        if any(call.per_asset for call in calls) and not self._assets:
            missing.append("this venue is asked asset by asset, and no assets are named")
        return self._whole(section, tuple(records), missing)

    async def _read(
        self, section: Section, call: Call, make: Make, *, asset: str | None, since: datetime | None
    ) -> tuple[list[Any], list[str]]:
        async def question(client: Any) -> tuple[list[Any], list[str]]:
            missing = list[str]()
            unified = await self._call(client, section, call, asset=asset, since=since)
            raw = _rows(call, self._body(call))
            records = self._make(client, make, unified, missing)
            if self._follows(call, raw) and not _reaches(call, records, since):
                missing.append("more pages follow")
            if section != "fills" and _counted(call, [row.get("info") for row in unified]) != _counted(call, raw):
                missing.append("ccxt left rows out")
            return [record for record in records if since is None or record.at >= since], missing

        return await self._asking.ask(section, question)

    async def _call(
        self, client: Any, section: Section, call: Call, *, asset: str | None, since: datetime | None
    ) -> list[Json]:
        params = dict(call.params)
        if call.method is not None and since is not None:
            params["startTime"] = parse.milliseconds(since)
        if call.method is not None:
            found = _unified(client, section, _rows(call, await getattr(client, call.method)(params)), params)
        elif section == "positions":
            found = await client.fetch_positions(None, params)
        elif section == "orders":
            found = await client.fetch_open_orders(asset, None, None, params)
        else:
            start = None if since is None or call.latest else parse.milliseconds(since)
            found = await client.fetch_my_trades(asset, start, None, params)
        return list(found)

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


def _collect(read: Iterator[Line], lines: list[Line], missing: list[str]) -> None:
    """Take line by line, so that what came before a row that is left stays."""
    try:
        for line in read:
            lines.append(line)  # noqa: PERF402
    except RowLeft as left:
        missing.append(str(left))


def _reaches(call: Call, records: list[Any], since: datetime | None) -> bool:
    """Whether a full page of the latest rows goes back beyond *since*, so that nothing of it is missing."""
    return call.latest and since is not None and any(record.at < since for record in records)


def _unified(client: Any, section: Section, rows: list[Any], params: Json) -> Any:
    """The venue's rows through ccxt's parsers, told the category they were asked for: ids repeat between categories.

    For orders ccxt goes by whether a row has a `tpslMode`, which rows of spot orders may have as well.
    """
    told = [{**row, "category": params["category"], "tpslMode": row.get("tpslMode")} for row in rows]
    if params["category"] == "spot":
        told = [{name: value for name, value in row.items() if name != "tpslMode"} for row in told]
    if section == "positions":
        return client.parse_positions(told)
    return client.parse_orders(told) if section == "orders" else client.parse_trades(told)


def _rows(call: Call, body: Any) -> list[Any]:
    if not call.keyed and not isinstance(walk(body, call.rows), list):
        raise RowError("no list where one is due")
    groups = rows_at(body, call.rows)
    return groups if call.inner is None else [row for group in groups for row in rows_at(group, (call.inner,))]


def _counted(call: Call, raw: list[Any]) -> int:
    """How many of the rows ccxt has to give, and gave if these are what it was given for its rows."""
    return len(raw) if call.zero is None else sum(1 for row in raw if parse.due(row, call.zero))


def too_old(venue: Venue, since: datetime, now: datetime) -> bool:
    """Whether one request for fills does not reach from *since* to *now*."""
    return venue.fills_days is not None and now - since > timedelta(days=venue.fills_days)
