"""A broker that is Interactive Brokers' Flex statements, in XML. It is read, and takes no orders."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any, TypeVar
from xml.etree.ElementTree import Element
from zoneinfo import ZoneInfo

from tieout.brokers.base import Capabilities
from tieout.brokers.stated import Stated, StatedBroker
from tieout.brokers.statements import files, flex_activities, flex_rows
from tieout.brokers.statements.flex_file import FlexStatement, Unread, attributes, read_flex
from tieout.brokers.statements.mapping import AsOf
from tieout.brokers.statements.tables import Torn
from tieout.clock import Clock
from tieout.errors import SourceMalformed, SourceUnreachable
from tieout.model.rules import distinct, finding, snapshot_findings
from tieout.model.snapshot import Activity, Fill, Row, Section, Snapshot

_log = logging.getLogger(__name__)
T = TypeVar("T")
NEEDED: dict[Section, tuple[str, ...]] = {
    "positions": ("OpenPositions",),
    "balances": ("CashReport",),
    "fills": ("Trades",),
    "activities": ("CashTransactions", "CorporateActions", "Transfers", "Trades"),
}
CANCELS = ("TRADECANCEL", "FRACSHARECANCEL")
# Levels of detail that say again what another level says.
AGAIN = frozenset(("SUMMARY", "LOT", "ORDER", "SYMBOL_SUMMARY", "ASSET_SUMMARY", "CLOSED_LOT", "WASH_SALE"))


class FlexBroker(StatedBroker):
    """One account, as Flex statements of the day's end have it.

    Args:
        path: A file, or the folder that they are put into: the newest counts.
        account: Which account it is.
        clock: What its age is measured by.
        called: What Interactive Brokers calls the account; None is by the account's own name.
        zone: The time zone of the query's times.
        max_age_seconds: A statement of a moment longer ago is no answer. None takes any.
    """

    def __init__(
        self,
        path: Path,
        account: str,
        clock: Clock,
        *,
        called: str | None = None,
        zone: ZoneInfo,
        max_age_seconds: int | None = None,
    ) -> None:
        super().__init__(f"flex:{account}", account, "ib")
        self._path, self._clock, self._called, self._zone = path, clock, called or account, zone
        self._max_age = None if max_age_seconds is None else timedelta(seconds=max_age_seconds)

    async def state(self) -> Stated:
        """The newest statement; a section that the query leaves out, or an element that nobody knows, is a gap.

        Raises:
            SourceUnreachable: There is none, or it is older than it may be.
            SourceMalformed: It is no whole Flex file, or not of this account.
        """
        file = files.read(self.name, files.newest(self.name, self._path, "*.xml", AsOf()))
        try:
            stated = self._stated(read_flex(file.raw, self._called))
        except (Torn, Unread) as error:
            raise SourceMalformed(self.name, file.path.name, str(error)) from error.__cause__
        age = self._clock.now() - stated.snapshot.as_of
        if self._max_age is not None and age > self._max_age:
            why = f"it is {int(age.total_seconds())} seconds old: did the next one not come?"
            raise SourceUnreachable(self.name, file.path.name, why)
        for section, why in stated.gaps.items():
            _log.warning("%s: %s is not whole: %s", self.name, section, why)
        return stated

    def capabilities(self) -> Capabilities:
        """Everything but orders, of which a statement has none that live."""
        return Capabilities(sections=frozenset(NEEDED), acts=False, order_lookup=False)

    def _stated(self, said: FlexStatement) -> Stated:
        head = attributes(said.head, "accountId", "fromDate", "toDate", "period", "whenGenerated")
        since, as_of = self._start(head.fromDate), self._start(head.toDate + timedelta(days=1))
        made = head.whenGenerated.replace(tzinfo=self._zone).astimezone(UTC)
        rows, gaps = FlexReading(said, flex_rows.Zoned(self._zone)).rows()
        sections: dict[str, Any] = {section: tuple(found) for section, found in rows.items()}
        snapshot = Snapshot(
            schema="tieout.snapshot/1",
            account=self._account,
            source="broker",
            as_of=min(as_of, made, self._clock.now()),
            coverage={section: "partial" if section in gaps else "complete" for section in rows} if gaps else None,
            fills_since=since if "fills" in rows else None,
            activities_since=since if "activities" in rows else None,
            **sections,
        )
        for _, what, _ in snapshot_findings(snapshot):
            raise Torn(what)
        return Stated(snapshot, gaps)

    def _start(self, day: Any) -> datetime:
        return datetime.combine(day, time(), self._zone).astimezone(UTC)


class FlexReading:
    """The rows of one statement, and the gaps in them."""

    def __init__(self, said: FlexStatement, zoned: flex_rows.Zoned) -> None:
        self._said, self._moment = said, zoned.moment
        self._gaps: dict[Section, str] = {}
        self._account = said.head.get("accountId")

    def rows(self) -> tuple[dict[Section, list[Row]], dict[Section, str]]:
        """The rows of each section that the statement has any part of, and why a section may not be whole.

        Raises:
            Torn: It names a position or a currency twice.
        """
        found: dict[Section, list[Row]] = {}
        trades, booked = self._trades()
        read: dict[Section, Callable[[], Iterable[Row]]] = {
            "positions": self._positions,
            "balances": self._balances,
            "fills": lambda: trades,
            "activities": lambda: [*booked, *self._activities()],
        }
        for section, needs in NEEDED.items():
            missing = [name for name in needs if name not in self._said.sections]
            if len(missing) < len(needs):
                found[section] = [row for row in read[section]() if self._keeps(section, row)]
            if missing and section in found:
                self._gap(section, f"the Flex query has no {', '.join(missing)}")
            if found.get(section) and not distinct(found[section]):
                raise Torn(f"names one of its {section} twice: are two instruments called alike?")
        return found, self._gaps

    def _keeps(self, section: Section, row: Row) -> bool:
        wrong = finding(row)
        if wrong is not None:
            self._gap(section, f"{wrong[0]}: {wrong[1]}")
        return wrong is None

    def _gap(self, section: Section, why: str) -> None:
        self._gaps.setdefault(section, why)

    def _level(self, section: Section, elements: Iterable[Element], *levels: str) -> tuple[Element, ...]:
        """The elements of the first level of detail that there is; each thing is told once, and none is left out."""
        by_level: dict[str, list[Element]] = {}
        for element in elements:
            by_level.setdefault(element.get("levelOfDetail", "").upper(), []).append(element)
        chosen = next((level for level in (*levels, "") if level in by_level), None)
        if by_level.keys() - AGAIN - {chosen} or (by_level and chosen is None):
            self._gap(section, f"{section} have not the level of detail {levels[0]}: tick it in the Flex query")
        return tuple(by_level.get(chosen or "", ()))

    def _each(self, section: Section, elements: Iterable[Element], read: Callable[[Element], T]) -> Iterator[T]:
        """What is understood of the elements; one that is not is a gap, and not a failure of the others."""
        for element in elements:
            try:
                if element.get("accountId", self._account) != self._account:
                    raise Unread(f"{element.tag}.accountId is another account's")
                yield read(element)
            except Unread as unread:
                self._gap(section, str(unread))

    def _positions(self) -> Iterator[Row]:
        summed = self._level("positions", self._said.sections["OpenPositions"], "SUMMARY")
        return self._each("positions", summed, flex_rows.position)

    def _balances(self) -> Iterator[Row]:
        elements = self._said.sections["CashReport"]
        single = tuple(each for each in elements if each.get("currency") != "BASE_SUMMARY")
        if elements and not single:
            self._gap("balances", "CashReport holds the base summary alone: tick Currency Breakout in the Flex query")
        return self._each("balances", single, flex_rows.balance)

    def _activities(self) -> Iterator[Activity]:
        for name, read in (
            ("CashTransactions", flex_activities.cash),
            ("CorporateActions", flex_activities.corporate),
            ("Transfers", flex_activities.transfer),
        ):
            elements = self._level("activities", self._said.sections.get(name, ()), "DETAIL", "TRANSFER")
            for rows in self._each("activities", elements, lambda one, read=read: tuple(read(one, self._moment))):  # type: ignore[misc]
                yield from rows

    def _trades(self) -> tuple[list[Fill], list[Activity]]:
        """Executions, without those that were cancelled, and what became of options."""
        every = self._said.sections.get("Trades", ())
        elements = self._level("fills", (one for one in every if one.tag == "Trade"), "EXECUTION")
        if every and not elements:
            self._gap("fills", "Trades holds no executions: tick Execution in the Flex query")
        read = list(self._each("fills", elements, lambda one: (one, flex_rows.trade(one))))
        gone = {trade.origTradeID for _, trade in read if _kind(trade) in CANCELS}
        for name in gone - {trade.tradeID for _, trade in read if _kind(trade) not in CANCELS}:
            self._gap(
                "fills", f"a trade that the statement does not hold was cancelled{'' if name else ', and not named'}"
            )
        standing = [(one, trade) for one, trade in read if _kind(trade) not in CANCELS and trade.tradeID not in gone]
        out = [pair for pair in standing if _booked_out(*pair)]
        traded = [pair for pair in standing if not _booked_out(*pair)]
        fills = self._each("fills", (one for one, _ in traded), lambda one: self._fill(one))
        booked = self._each("activities", (one for one, _ in out), lambda one: self._booked(one))
        told = list(fills), list(booked)
        if "fills" in self._gaps:  # what is not known of a trade may be that it was none
            self._gap("activities", self._gaps["fills"])
        return told

    def _fill(self, element: Element) -> Fill:
        return flex_rows.fill(element, flex_rows.trade(element), self._moment)

    def _booked(self, element: Element) -> Activity:
        return flex_activities.booked(element, flex_rows.trade(element), self._moment)


def _kind(trade: Any) -> str:
    return trade.transactionType.name if trade.transactionType is not None else ""


def _booked_out(element: Element, trade: Any) -> bool:
    return _kind(trade) == "BOOKTRADE" and element.get("assetCategory") in flex_rows.OPTIONS
