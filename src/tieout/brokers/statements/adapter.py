"""A broker that is a statement of the day's end, in CSV or Parquet by a mapping. It is read, and takes no orders."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any, Literal

from tieout.brokers.base import Capabilities
from tieout.brokers.stated import Stated, StatedBroker
from tieout.brokers.statements import files
from tieout.brokers.statements.cells import BadCell, Reading
from tieout.brokers.statements.mapping import Mapping
from tieout.brokers.statements.rows import Found, sections_of
from tieout.brokers.statements.tables import Table, Torn, read_csv, read_parquet
from tieout.clock import Clock
from tieout.errors import SourceMalformed, SourceUnreachable
from tieout.model.rules import snapshot_findings
from tieout.model.snapshot import Coverage, Section, Snapshot

_log = logging.getLogger(__name__)
Format = Literal["csv", "parquet"]
APART = timedelta(hours=1)  # files of one statement are written at about one time
AHEAD = timedelta(hours=36)  # the end of a day may be ahead of whoever reads about it, a year is not
VOUCHING: frozenset[Section] = frozenset(("fills", "activities"))


class StatementBroker(StatedBroker):
    """One account, as its statements of the day's end have it.

    Args:
        path: A file, or the folder that statements are put into: the newest counts.
        account: Which account it is.
        clock: What its age is measured by.
        mapping: Which column is which field.
        format: How the files are written.
        called: What the statement calls the account; None is by the account's own name.
        max_age_seconds: A statement of a moment longer ago is no answer. None takes any.
    """

    def __init__(
        self,
        path: Path,
        account: str,
        clock: Clock,
        *,
        mapping: Mapping,
        format: Format = "csv",  # noqa: A002
        called: str | None = None,
        max_age_seconds: int | None = None,
    ) -> None:
        super().__init__(f"statement:{account}", account, "statement")
        self._path, self._clock, self._mapping, self._format = path, clock, mapping, format
        self._called = called or account
        self._max_age = None if max_age_seconds is None else timedelta(seconds=max_age_seconds)

    async def state(self) -> Stated:
        """The newest statement; a section that is not known to be whole says so, and why.

        Raises:
            SourceUnreachable: There is none, it is still being written, or it is older than it may be.
            SourceMalformed: A table is torn, a cell is not what the mapping says, or the account is another.
        """
        found: dict[Section, Found] = {}
        read: list[tuple[files.Read, datetime]] = []
        for pattern, sections in files.groups(self._mapping, self._format):
            file = files.read(self.name, files.newest(self.name, self._path, pattern, self._mapping.as_of))
            try:
                table = self._table(file)
                read.append((file, moment_of(file, table, self._mapping)))
                found |= sections_of(table, self._mapping, sections, self._called)
            except Torn as error:
                raise SourceMalformed(self.name, file.path.name, str(error)) from error.__cause__
        stated = self._stated(found, self._together(read))
        for section, why in stated.gaps.items():
            _log.warning("%s: %s is not whole: %s", self.name, section, why)
        return stated

    def capabilities(self) -> Capabilities:
        """The sections that the mapping covers; single orders cannot be asked for."""
        return Capabilities(sections=frozenset(self._mapping.sections), acts=False, order_lookup=False)

    def _table(self, file: files.Read) -> Table:
        writing = self._mapping.writing
        if self._format == "parquet":
            return read_parquet(file.raw)
        settled = timedelta(seconds=writing.settled_seconds)
        if writing.end is None and self._clock.now() - file.modified < settled:
            seconds = writing.settled_seconds
            why = f"it was written to less than {seconds} seconds ago, and nothing in it says that it is whole"
            raise SourceUnreachable(self.name, file.path.name, why)
        return read_csv(file.raw, writing)

    def _together(self, read: list[tuple[files.Read, datetime]]) -> datetime:
        """The moment that all files speak of: a statement does not know what came after it was written."""
        moments = [moment for _, moment in read]
        apart = APART if self._mapping.as_of.name is None and self._mapping.as_of.column is None else timedelta()
        if max(moments) - min(moments) > apart:
            names = ", ".join(file.path.name for file, _ in read)
            raise SourceUnreachable(self.name, str(self._path), f"the newest files are not of one moment: {names}")
        age = self._clock.now() - min(moments)
        if age < -AHEAD:
            raise SourceMalformed(self.name, str(self._path), "it speaks of a day to come: see as_of.format")
        if self._max_age is not None and age > self._max_age:
            why = f"it is {int(age.total_seconds())} seconds old: did the next one not come?"
            raise SourceUnreachable(self.name, str(self._path), why)
        return min(moments)

    def _stated(self, found: dict[Section, Found], moment: datetime) -> Stated:
        gaps = {section: each.gap for section, each in found.items() if each.gap is not None}
        coverage: dict[Section, Coverage] = {section: "partial" if section in gaps else "complete" for section in found}
        rows: dict[str, Any] = {section: tuple(each.rows) for section, each in found.items()}
        rows |= {f"{section}_since": self._since(section, moment) for section in found if section in VOUCHING}
        snapshot = Snapshot(
            schema="tieout.snapshot/1",
            account=self._account,
            source="broker",
            as_of=min(moment, self._clock.now()),
            coverage=coverage if gaps else None,
            **rows,
        )
        for _, what, _ in snapshot_findings(snapshot):
            raise SourceMalformed(self.name, str(self._path), what)
        return Stated(snapshot, gaps)

    def _since(self, section: Section, moment: datetime) -> datetime | None:
        days = self._mapping.sections[section].days
        if days is None:
            return None
        zone = self._mapping.tzinfo
        first = moment.astimezone(zone).date() - timedelta(days=days - 1)
        return datetime.combine(first, time(), zone).astimezone(UTC)


def moment_of(file: files.Read, table: Table, mapping: Mapping) -> datetime:
    """The moment that one file speaks of.

    Raises:
        Torn: No row says it, or rows say different ones, or it is no time.
    """
    as_of = mapping.as_of
    if as_of.column is None:
        try:
            day = files.day_in_name(file.path, as_of)
        except ValueError:
            raise Torn("has no day in its name: see as_of.name of the mapping") from None
        return file.modified if day is None else files.moment(day.replace(tzinfo=None), mapping)
    if as_of.column not in table.columns:
        raise Torn(f"has no column {as_of.column}")
    texts = {cells[as_of.column] for _, cells in table.rows}
    if len(texts) != 1:
        raise Torn(f"column {as_of.column}: its rows are not of one moment")
    try:
        found = Reading(mapping.writing, mapping.tzinfo, table.typed).moment(texts.pop(), as_of.format, as_of.column)
    except BadCell as error:
        raise Torn(str(error)) from None
    local = found.astimezone(mapping.tzinfo).replace(tzinfo=None)
    return files.moment(local, mapping) if local.time() == time() else found
