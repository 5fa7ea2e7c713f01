"""Compares records with the recorded text, number by number, by rules that know nothing of the adapter."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from tests.conform.rulebook import RULES
from tests.conform.rules import Rule
from tieout.model.snapshot import Balance, Fill, Order, Position

COINS = {"ZUSD": "USD", "XXBT": "BTC", "XBT": "BTC", "xbt": "BTC", "xrp": "XRP", "UST": "USDT"}


class Verdict(NamedTuple):
    """How many numbers and times were held against the text, and what did not agree. Names fields, never values."""

    checked: int
    mismatches: tuple[str, ...]


def judge(venue: str, section: str, text: str, records: Sequence[Any], markets: Sequence[Mapping[str, Any]]) -> Verdict:
    """Hold each number of *records* against *text*.

    Args:
        venue: ccxt's name.
        section: Of the snapshot.
        text: The recorded answer.
        records: What the adapter made of it.
        markets: As given to the client: what a market is called, and its contract size, the one number not in the text.
    """
    symbols = {market[name]: market["symbol"] for market in markets for name in ("id", "altname") if name in market}
    sizes = {market["symbol"]: market["contractSize"] for market in markets}
    body = json.loads(text, parse_float=str, parse_int=str)
    found = RULES[venue, section]
    rule = found if isinstance(found, Rule) else found(body)
    rows = {_called(rule.name(row), symbols): row for row in rule.rows(body) if rule.holds(row)}
    known = {_name(record): record for record in records}
    mismatches = [f"{name} has no record" for name in sorted(rows.keys() - known.keys())]
    mismatches += [f"{name} is not in the text" for name in sorted(known.keys() - rows.keys())]
    if len(known) != len(records):
        mismatches.append("two records bear one name")
    checked = 0
    for name in rows.keys() & known.keys():
        for field, value in _numbers(known[name]):
            wanted = _wanted(rule, field, rows[name], known[name], sizes)
            checked += value is not None or wanted is not None
            if value != wanted:
                mismatches.append(f"{name} {field}")
        if isinstance(known[name], (Order, Fill)) and known[name].side != rule.side(rows[name]):
            mismatches.append(f"{name} side")
    return Verdict(checked, tuple(mismatches))


def _wanted(rule: Rule, field: str, row: Any, record: Any, sizes: Mapping[str, str | None]) -> Any:
    if field == "multiplier":
        size = sizes[record.asset]
        return None if size is None else Decimal(size)
    return rule.fields[field](row)


def _numbers(record: Any) -> list[tuple[str, Decimal | datetime | None]]:
    """Every field that may hold a number or a time, those that are None included: a number lost is a mismatch too."""
    kinds = {field.name: str(field.type) for field in msgspec.structs.fields(type(record))}
    return [(name, getattr(record, name)) for name, kind in kinds.items() if "Decimal" in kind or "datetime" in kind]


def _called(name: str, symbols: Mapping[str, str]) -> str:
    """A row's name in the words of the records: the market's symbol for its id, the usual code for a coin."""
    first, space, rest = name.partition(" ")
    return COINS.get(first, symbols.get(first, first)) + space + rest


def _name(record: Any) -> str:
    if isinstance(record, Position):
        return f"{record.asset} {record.leg}"
    if isinstance(record, Balance):
        return record.currency
    if isinstance(record, Order):
        return str(record.broker_order_id)
    assert isinstance(record, Fill)
    return record.fill_id
