"""Makes what `test_made.py` reads: the database of a real freqtrade that traded here, and what its interface told then.

`python -m tests.books.freqtrade.keeping PYTHON`, with a Python that has freqtrade. Nothing of this machine stays in it.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path

from tests.books.freqtrade.real import spot_world, traded, trading

MADE = Path(__file__).with_name("made")
STOPS = {"entry": "limit", "exit": "limit", "stoploss": "limit", "stoploss_on_exchange": True}


async def make(python: Path) -> None:
    """Have it trade, with its stops at the venue, and keep what it then has."""
    with tempfile.TemporaryDirectory() as folder:
        async with trading(python, Path(folder) / "bot", spot_world(), order_types=STOPS) as bot:
            await traded(bot)
            await bot.ask("POST", "stop")
            await bot.turns(0)
            told = (await bot.ask("GET", "status"))[1]
            MADE.mkdir(exist_ok=True)
            (MADE / "status.json").write_text(json.dumps(told, indent=1) + "\n", "utf-8")
            copied(bot.database, MADE / "trades.sqlite")


def copied(source: Path, target: Path) -> None:
    """A copy in one small file, with what lay in the write-ahead log; of the program's own sentences none is kept."""
    target.unlink(missing_ok=True)
    with closing(sqlite3.connect(source)) as there, closing(sqlite3.connect(target)) as here:
        there.backup(here)
        here.execute("UPDATE orders SET ft_cancel_reason = NULL")
        here.execute("UPDATE pairlocks SET reason = NULL")
        here.commit()
        here.execute("PRAGMA journal_mode=DELETE")
        here.execute("PRAGMA page_size=1024")
        here.execute("VACUUM")


def columns(path: Path) -> dict[str, dict[str, str]]:
    """The columns of trades and orders in a database, each with its type."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        return {
            table: {name: kind for _, name, kind, *_ in connection.execute(f"PRAGMA table_info({table})")}
            for table in ("trades", "orders")
        }


if __name__ == "__main__":
    asyncio.run(make(Path(sys.argv[1])))
