"""Statements for tests: a folder of CSV files, their mapping, and the broker that reads them."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from tieout.brokers.statements.adapter import StatementBroker
from tieout.brokers.statements.mapping import Mapping, read_mapping
from tieout.clock import VirtualClock

NOW = datetime(2026, 11, 20, 23, tzinfo=UTC)
LONG_AGO = datetime(2026, 11, 20, 22, 30, tzinfo=UTC)

MAPPING = r"""
zone = "America/New_York"
account = "Account"
[as_of]
name = "-(\\d{8})\\."
format = "%Y%m%d"
time = "17:00"
[writing]
delimiter = ";"
decimal = ","
thousands = "."
parentheses = true
end = "TOTAL"
count = 2
[ignore]
Type = ["Memo"]
[sections.positions]
files = "positions-*.csv"
[sections.positions.fields]
asset = "Symbol"
amount = { column = "Quantity", negative = { "L/S" = ["S"] } }
currency = { constant = "USD" }
average_price = "Cost"
[sections.balances]
files = "activity-*.csv"
rows = { Type = ["Cash"] }
[sections.balances.fields]
currency = "Symbol"
total = "Amount"
[sections.fills]
files = "activity-*.csv"
rows = { Type = ["Trade"] }
days = 1
[sections.fills.fields]
fill_id = "Id"
asset = "Symbol"
side = { sign_of = "Quantity" }
quantity = { column = "Quantity", absolute = true }
price = "Price"
fee = { column = "Commission", negate = true }
fee_currency = { constant = "USD" }
at = { column = "Time", format = "%d.%m.%Y %H:%M:%S" }
[sections.activities]
files = "activity-*.csv"
rows = { Class = ["Cash move"] }
days = 2
[sections.activities.fields]
activity_id = "Id"
kind = { column = "Type", words = { "Dividend" = "dividend", "Wire in" = "deposit" } }
currency = { constant = "USD" }
amount = "Amount"
at = { column = "Time", format = "%d.%m.%Y %H:%M:%S" }
"""
POSITIONS_HEAD = "Account;Type;Symbol;L/S;Quantity;Cost\n"
POSITIONS = (
    POSITIONS_HEAD
    + """U1;Pos;AAPL;L;1.500,25;187,230000000000000001
U1;Pos;TSLA;S;7;
U1;Memo;;;;
TOTAL;3
"""
)
ACTIVITY = """Account;Class;Type;Id;Symbol;Quantity;Price;Commission;Amount;Time
U1;;Cash;;USD;;;;(1.000,10);
U1;;Cash;;EUR;;;;0,30;
U1;;Trade;t-1;AAPL;100;187,23;-0,35;;20.11.2026 09:30:00
U1;;Trade;t-2;TSLA;-7;400;0;;20.11.2026 09:31:00
U1;Cash move;Dividend;a-1;;;;;12,50;20.11.2026 00:00:00
TOTAL;5
"""


def mapped(tmp_path: Path, text: str = MAPPING) -> Mapping:
    """The mapping that *text* is."""
    path = tmp_path / "mapping.toml"
    path.write_text(text, "utf-8")
    return read_mapping(path)


def put(path: Path, text: str | bytes, at: datetime = LONG_AGO) -> None:
    """Write a file that nobody has touched since *at*."""
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
    os.utime(path, (int(at.timestamp()), int(at.timestamp())))


def laid(tmp_path: Path, day: str = "20261120", *, positions: str = POSITIONS, activity: str = ACTIVITY) -> Path:
    """A folder with the statement of a day."""
    folder = tmp_path / "statements"
    put(folder / f"positions-{day}.csv", positions)
    put(folder / f"activity-{day}.csv", activity)
    return folder


def broker(place: Path, mapping: Mapping, *, now: datetime = NOW, max_age: int | None = 86400) -> StatementBroker:
    """The broker that is the statements at *place*, for account "main", which they call U1."""
    return StatementBroker(place, "main", VirtualClock(now), mapping=mapping, called="U1", max_age_seconds=max_age)
