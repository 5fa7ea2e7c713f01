"""Rows of a venue's ledger -> activities: by the venue's own word for what happened, and never by a guess.

A kind that is not in a venue's table is left out and named: the section is then not complete. Trades are no activities,
for the fills tell them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from tieout.brokers.ccxt.calls import Read, Told
from tieout.brokers.ccxt.cash import coin_code
from tieout.brokers.ccxt.pages import field, moment_of
from tieout.brokers.ccxt.parse import RowError, RowLeft, at_milliseconds, due, number
from tieout.model.amounts import exact
from tieout.model.rules import finding
from tieout.model.snapshot import Activity, ActivityKind

Row = Mapping[str, Any]
Table = Mapping[str, "ActivityKind | None"]  # None: not an activity, such as a trade

_WORD = re.compile(r"[^A-Za-z0-9_ -]")


def told(client: Any) -> Told:
    """What rows are read with at this client's venue."""
    names = {market["id"]: symbol for symbol, market in (client.markets or {}).items()}
    return Told(code=coin_code(client), asset=names.get, address=client.options.get("user") or client.walletAddress)


def read_rows(read: Read, rows: Iterable[Row], told: Told, missing: list[str]) -> list[Any]:
    """The records that *read* makes of *rows*, each checked; rows whose meaning is not known are named in *missing*.

    Raises:
        RowError: A row breaks its format.
    """
    records = list[Any]()
    for row in rows:
        try:
            made = list(read(row, told))
        except RowLeft as left:
            missing.append(f"left out: {left}")
            continue
        for record in made:
            broken = finding(record)
            if broken:
                raise RowError(f"{broken[0]}: {broken[1]}")
            records.append(record)
    return records


def kind_of(said: object, table: Table) -> ActivityKind | None:
    """What the venue's word for a row means; None where it is no activity.

    Raises:
        RowLeft: It is not known.
    """
    word = str(said)
    if word not in table:
        raise RowLeft(f"ledger rows of kind {_WORD.sub('', word)[:40]!r}")
    return table[word]


def entries(
    kind: str, table: Table, *, ident: tuple[str, ...], at: str, currency: str, amount: str, fee: str | None = None
) -> Read:
    """A reader for rows with a kind, a time, a currency and a signed amount; *fee*, if any, goes off it."""

    def read(row: Row, told: Told) -> Iterator[Activity]:
        sort = kind_of(field(row, kind), table)
        if sort is None:
            return
        name = "-".join(str(field(row, part)) for part in ident)
        moved = less(number_at(row, amount), None if fee is None else number({"fee": row.get(fee)}, "fee"))
        yield from moves(name, sort, moment_of(row, at), told.code(str(field(row, currency))), moved)

    return read


def moves(name: str, kind: ActivityKind, at: int, currency: str, amount: Decimal) -> Iterator[Activity]:
    """The activity of an amount in one currency; none where nothing moved. A conversion names it as an asset."""
    if not amount:
        return
    if kind == "conversion":
        yield Activity(activity_id=name, kind=kind, at=at_milliseconds(at), asset=currency, amount=amount)
    else:
        yield Activity(activity_id=name, kind=kind, at=at_milliseconds(at), currency=currency, amount=amount)


def number_at(row: Row, name: str) -> Decimal:
    """The exact number in *name*, dots going deeper.

    Raises:
        RowError: There is none.
    """
    return due({name: field(row, name)}, name)


@exact
def less(amount: Decimal, fee: Decimal | None) -> Decimal:
    """*amount* without *fee*."""
    return amount if fee is None else amount - fee


@exact
def minus(amount: Decimal) -> Decimal:
    """The amount the other way."""
    return -amount
