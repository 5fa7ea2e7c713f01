"""Plain SQL for what every reading, append and proof runs: composing a statement anew each time takes longer than running it.

Values go in by their places (`?`), as the columns of `store.schema` keep them: moments as microseconds, decimals as text.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cache
from typing import Any, cast

from sqlalchemy import Connection

Rows = Sequence[tuple[Any, ...]]


def fetch(connection: Connection, text: str, values: Sequence[object] = ()) -> Rows:
    """The rows that *text* selects."""
    return cast(Rows, connection.exec_driver_sql(driver_sql(connection, text), tuple(values)).all())


def change(connection: Connection, text: str, values: Sequence[object]) -> int:
    """Run *text*, which writes; returns how many rows it wrote."""
    return connection.exec_driver_sql(driver_sql(connection, text), tuple(values)).rowcount


def change_each(connection: Connection, text: str, rows: Sequence[tuple[object, ...]]) -> None:
    """Run *text*, which writes, for each of *rows*."""
    if rows:
        connection.exec_driver_sql(driver_sql(connection, text), list(rows))


def among(connection: Connection, text: str, wanted: Collection[int]) -> Rows:
    """The rows of *text*, which ends with IN, whose number is one of *wanted*."""
    if not wanted:
        return ()
    return fetch(connection, f"{text}({', '.join('?' * len(wanted))})", tuple(wanted))


def driver_sql(connection: Connection, text: str) -> str:
    """*text* with its places for values as the database writes them."""
    return text if connection.dialect.name == "sqlite" else _numbered(text)


@cache
def _numbered(text: str) -> str:
    first, *rest = text.split("?")
    return first + "".join(f"${number}{part}" for number, part in enumerate(rest, 1))
