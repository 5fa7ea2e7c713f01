"""Which files are the statement: one file, or the newest ones of a folder; a file that changes while it is read is none."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

from tieout.brokers.statements.mapping import AsOf, Mapping
from tieout.errors import BadInput, SourceMalformed, SourceUnreachable
from tieout.model.codec import read_bytes
from tieout.model.snapshot import Section

UNFINISHED = (".tmp", ".part", ".partial", ".crdownload", ".filepart")


@dataclass(frozen=True, slots=True)
class Read:
    """The bytes of a file, and when it was last written to."""

    path: Path
    raw: bytes
    modified: datetime


def newest(source: str, place: Path, pattern: str, as_of: AsOf) -> Path:
    """The file at *place*; where that is a folder, the newest in it of those that fit *pattern*.

    Newest by the day in the name where the mapping says how it stands there, else by the time of writing.

    Raises:
        SourceUnreachable: There is none.
        SourceMalformed: A name has no day where the mapping says that one stands.
    """
    if not place.is_dir():
        return place
    found = [path for path in sorted(place.glob(pattern)) if path.is_file() and not _unfinished(path)]
    if not found:
        raise SourceUnreachable(source, str(place), f"no file there is named {pattern}")
    try:
        return max(found, key=lambda path: (day_in_name(path, as_of) or _modified(path), path.name))
    except ValueError as error:
        raise SourceMalformed(source, str(place), "a file has no day in its name: see as_of.name") from error
    except OSError as error:
        raise SourceUnreachable(source, str(place), "a file went away while it was looked for") from error


def _unfinished(path: Path) -> bool:
    return path.name.startswith((".", "~")) or path.name.endswith(UNFINISHED)


def _modified(path: Path) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=path.stat().st_mtime_ns // 1000)


def day_in_name(path: Path, as_of: AsOf) -> datetime | None:
    """The naive day in a file's name, aware only for comparing; None where the mapping looks for it elsewhere.

    Raises:
        ValueError: There is none.
    """
    if as_of.name is None:
        return None
    matched = re.search(as_of.name, path.name)
    if matched is None:
        raise ValueError
    return datetime.strptime(matched[1], as_of.format).replace(tzinfo=UTC)


def read(source: str, path: Path) -> Read:
    """The whole file.

    Raises:
        SourceUnreachable: It cannot be read, or somebody writes to it.
    """
    try:
        before = _modified(path)
        raw = read_bytes(path)
        after = _modified(path)
    except BadInput as error:
        raise SourceUnreachable(source, str(path), error.problems[0].what) from error
    except OSError as error:
        raise SourceUnreachable(source, str(path), (error.strerror or "cannot be read").lower()) from error
    if before != after:
        raise SourceUnreachable(source, str(path), "somebody writes to it")
    return Read(path, raw, after)


def groups(mapping: Mapping, suffix: str) -> Iterator[tuple[str, tuple[Section, ...]]]:
    """The patterns of files, each with the sections that are in such a file."""
    by_pattern: dict[str, tuple[Section, ...]] = {}
    for section, told in mapping.sections.items():
        pattern = told.files or f"*.{suffix}"
        by_pattern[pattern] = (*by_pattern.get(pattern, ()), section)
    yield from by_pattern.items()


def moment(day: datetime, mapping: Mapping) -> datetime:
    """The aware moment that a naive day of the statement means: its own time, or the mapping's where it has none."""
    if day.time() == time():
        day = datetime.combine(day.date(), time.fromisoformat(mapping.as_of.time))
    return day.replace(tzinfo=mapping.tzinfo).astimezone(UTC)
