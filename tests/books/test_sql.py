"""Books in a database of somebody else's: exact or refused, whole or not read, and never written."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.ext.asyncio import create_async_engine
from tests.proving import PROVE
from tests.record import postgres

from tieout.books.base import CanApply
from tieout.books.sql import Query, SqlBooks, reads_only
from tieout.books.sql_connection import SqlSource
from tieout.clock import VirtualClock
from tieout.config import load
from tieout.errors import BadInput, BookError, SourceMalformed, SourceUnreachable
from tieout.model.snapshot import Section

NOW = datetime(2026, 11, 20, 13, tzinfo=UTC)
TABLES = """
CREATE TABLE held (account TEXT, symbol TEXT, qty TEXT, cost REAL);
INSERT INTO held VALUES ('main', 'BTC/USD', '0.12345678901234567890', 5.5), ('other', 'BTC/USD', '7', 1.0);
CREATE TABLE cash (currency TEXT, total INTEGER);
INSERT INTO cash VALUES ('USD', 1000);
CREATE TABLE done (id TEXT, symbol TEXT, side TEXT, qty TEXT, price TEXT, at TEXT);
INSERT INTO done VALUES ('F1', 'BTC/USD', 'buy', '0.1', '50000.10', '2026-11-20T12:00:00Z');
"""
HELD = Query("SELECT symbol, qty FROM held WHERE account = :account", {"asset": "symbol", "amount": "qty"})
ALL: dict[Section, Query] = {
    "positions": HELD,
    "balances": Query("SELECT currency, total FROM cash"),
    "fills": Query("SELECT * FROM done WHERE at >= :since", {"fill_id": "id", "asset": "symbol", "quantity": "qty"}),
}


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A database with books in it."""
    path = tmp_path / "books.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(TABLES)
    return path


def read(database: Path) -> bytes | None:
    """The file as it is; None where there is none."""
    return database.read_bytes() if database.exists() else None


def books(database: Path, queries: dict[Section, Query], as_of: str | None = None) -> SqlBooks:
    """The books of the account `main`."""
    return SqlBooks("main", SqlSource(f"sqlite:///{database}"), VirtualClock(NOW), queries=queries, as_of=as_of)


async def test_what_queries_give_is_read_exactly(database: Path) -> None:
    """Every digit of a text, whole numbers, times with a zone, columns under other names, of this account alone."""
    held = await books(database, ALL).read()
    assert held.positions is not None and held.fills is not None and held.balances is not None
    assert [(row.asset, row.amount) for row in held.positions] == [("BTC/USD", Decimal("0.12345678901234567890"))]
    assert [row.total for row in held.balances] == [Decimal(1000)]
    assert [(row.fill_id, row.price, row.at.hour) for row in held.fills] == [("F1", Decimal("50000.10"), 12)]
    assert held.fills_since == NOW - timedelta(days=7)
    assert (held.orders, held.covers("orders")) == (None, "failed")


async def test_a_float_is_refused_and_said(database: Path) -> None:
    """A binary float has lost digits already: whoever wrote the query is told what to do."""
    query = Query("SELECT symbol AS asset, cost AS amount FROM held WHERE account = 'main'")
    with pytest.raises(SourceMalformed, match=r"column amount of positions is a binary float.*cast it to text"):
        await books(database, {"positions": query}).read()


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("SELECT nothing FROM held", "a query failed"),
        ("SELECT 'BTC' AS asset, 'much' AS amount", "not an exact number"),
        ("SELECT 'BTC' AS asset, 'NaN' AS amount", "not an exact number"),
        ("SELECT 'BTC' AS asset", "row 1 of positions is not one"),
        ("SELECT NULL AS asset, '1' AS amount", "row 1 of positions is not one"),
        ("SELECT 'BTC' AS asset, '1' AS amount UNION ALL SELECT 'BTC', '2'", "breaks a rule"),
    ],
)
async def test_what_is_no_row_is_not_read(database: Path, query: str, why: str) -> None:
    """Rows that are none, numbers that are none and an asset twice leave the books not read; never empty."""
    with pytest.raises(SourceMalformed, match=why):
        await books(database, {"positions": Query(query)}).read()


async def test_a_time_without_a_zone_is_refused(database: Path) -> None:
    """Nobody guesses at whose noon it was."""
    fills = Query(
        "SELECT id AS fill_id, symbol AS asset, side, qty AS quantity, price, '2026-11-20 12:00' AS at FROM done"
    )
    with pytest.raises(SourceMalformed, match="no time with a zone"):
        await books(database, {"fills": fills}).read()


async def test_a_column_that_is_not_there_is_named(database: Path) -> None:
    """A mapping that names another column than the query gives is said."""
    with pytest.raises(SourceMalformed, match="gives no column amt"):
        await books(database, {"positions": Query(HELD.query, {"amount": "amt"})}).read()


async def test_old_books_are_not_what_is_held_now(database: Path) -> None:
    """The moment that the books say counts, in both directions."""
    for at in ("2026-11-20T12:00:00Z", "2026-11-20T14:00:00Z"):
        with pytest.raises(SourceUnreachable, match="3600 seconds"):
            await books(database, ALL, f"SELECT '{at}'").read()
    assert (await books(database, ALL, "SELECT '2026-11-20T12:59:00Z'").read()).as_of.minute == 59
    with pytest.raises(SourceMalformed, match="one row"):
        await books(database, ALL, "SELECT at FROM done WHERE 0").read()


async def test_nothing_is_written(database: Path) -> None:
    """Not by a query that would, not by a correction; and a database that is not there is not made."""
    before = read(database)
    for query in ("DELETE FROM held RETURNING symbol AS asset, qty AS amount", "DROP TABLE cash"):
        with pytest.raises(SourceMalformed):
            await books(database, {"positions": Query(query)}).read()
    one = books(database, ALL)
    assert one.can_apply is CanApply.NOT
    with pytest.raises(BookError):
        await one.apply([], reason="x")
    assert read(database) == before
    absent = database.with_name("absent.sqlite")
    with pytest.raises(SourceUnreachable):
        await books(absent, ALL).read()
    assert read(absent) is None


@pytest.mark.parametrize(
    ("query", "reads"),
    [
        ("SELECT 1", True),
        ("  with a as (select 1) select * from a;", True),
        ("SELECT 1; DROP TABLE held", False),
        ("DELETE FROM held", False),
        ("selection", False),
    ],
)
def test_a_query_is_one_select(query: str, reads: bool) -> None:
    """Whatever else is refused when the configuration is read."""
    assert reads_only(query) is reads


class OtherDatabase(SQLiteDialect_pysqlite):
    """A database of another name."""

    name = "otherdb"
    supports_statement_cache = True


class TornDatabase(SQLiteDialect_pysqlite):
    """A database whose transactions see what is committed meanwhile."""

    name = "torndb"
    supports_statement_cache = True

    def get_isolation_level_values(self, dbapi_conn: object) -> list[str]:  # type: ignore[override]
        """All that it offers."""
        return ["READ COMMITTED"]


async def test_a_database_that_is_not_known_states_one_moment_or_nothing(database: Path) -> None:
    """It is asked for serializable transactions; where it has none its sections might not belong together."""
    registry.register("otherdb", __name__, "OtherDatabase")
    registry.register("torndb", __name__, "TornDatabase")
    source = SqlSource(f"otherdb:///{database}")
    assert await source.read(lambda connection: connection.get_isolation_level()) == "SERIALIZABLE"
    assert (await SqlBooks("main", source, VirtualClock(NOW), queries=ALL).read()).positions
    with pytest.raises(SourceUnreachable, match="at one moment"):
        await SqlBooks("main", SqlSource(f"torndb:///{database}"), VirtualClock(NOW), queries=ALL).read()


def test_an_address_is_never_shown() -> None:
    """It holds a password."""
    for address in ("postgresql://user:s3cret@127.0.0.1/books", "nonsense s3cret", "mysql://user:s3cret@h/n"):
        try:
            assert "s3cret" not in repr(SqlSource(address))
        except ValueError as error:
            assert "s3cret" not in str(error)


def test_a_configuration_says_all_that_is_wrong(tmp_path: Path) -> None:
    """A query's table is checked like every other."""
    file = tmp_path / "tieout.toml"
    file.write_text(
        '[accounts.main.local]\nkind = "sql"\nurl_env = "BOOKS"\n[accounts.main.local.positions]\nquery = ""\n'
        '[accounts.main.broker]\nkind = "file"\npath = "b.json"\n',
        "utf-8",
    )
    with pytest.raises(BadInput, match=r"accounts\.main\.local\.positions"):
        load(file, None, {})


@pytest.mark.skipif(not PROVE, reason="starts a PostgreSQL; set TIEOUT_PROVE=1")
async def test_postgresql_reads_likewise() -> None:
    """Numeric and timestamptz come out exactly, float8 is refused, a wrong password is no answer, and nothing is written."""
    with postgres.running() as server:
        url = server.fresh()
        source = SqlSource(url)
        name = url.rpartition("/")[2].partition("?")[0]
        engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://"))
        async with engine.begin() as connection:
            await connection.exec_driver_sql("CREATE TABLE held (asset text, amount numeric, cost float8)")
            await connection.exec_driver_sql("INSERT INTO held VALUES ('A', 0.10, 1.5)")
        await engine.dispose()

        async def read_by(query: str, at: SqlSource = source) -> str:
            one = SqlBooks("main", at, VirtualClock(NOW), queries={"positions": Query(query)})
            (row,) = (await one.read()).positions or ()
            return str(row.amount)

        assert await read_by("SELECT asset, amount FROM held") == "0.10"
        with pytest.raises(SourceMalformed, match="binary float"):
            await read_by("SELECT asset, cost AS amount FROM held")
        with pytest.raises(SourceMalformed, match="a query failed"):
            await read_by("DELETE FROM held RETURNING asset, amount")
        with pytest.raises(SourceUnreachable, match="lets nobody in"):
            await read_by("SELECT 1", SqlSource(url.replace(name, "absent")))
        assert await read_by("SELECT asset, amount FROM held") == "0.10"
