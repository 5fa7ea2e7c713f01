"""The local side of an account, built from its configuration. What is lacking is told, not raised: all of it at once."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from tieout.books.base import LocalBooks
from tieout.config import AccountConfig
from tieout.config.local import LocalEngine, LocalFile, LocalFreqtrade, LocalPushed, LocalSql
from tieout.errors import BadInput, Problem
from tieout.sides import Making


def local_side(name: str, told: AccountConfig, making: Making, *, recorded: bool) -> LocalBooks:
    """The books of the account *name*; without a record nothing is written into them.

    Raises:
        BadInput: They are not where the configuration says.
    """
    match told.local:
        case LocalFile(path=path, writable=writable, max_age_seconds=age, watch_seconds=watch, own=own):
            from tieout.books.snapshot_file import SnapshotFile

            if watch is not None:
                making.watch(name, Path(path), watch)

            may_write = (writable or own) and recorded
            return SnapshotFile(Path(path), name, making.clock, writable=may_write, max_age_seconds=age, own=own)
        case LocalEngine(folder=folder):
            from tieout.books.durable import DurableBooks

            # Opening would make new, empty books there: a misspelt folder must never look like an empty account.
            if not Path(folder).is_dir() or not any(Path(folder).iterdir()):
                place, mend = f"accounts.{name}.local.folder", "mend the path, or start the engine once"
                raise BadInput([Problem(making.file, place, "no engine ever kept its books there", mend)])
            books = DurableBooks.open(name, Path(folder), making.clock)
            making.closing.callback(books.close)
            return books
        case LocalPushed():
            return _pushed(name, told.local, making, recorded=recorded)
        case LocalSql():
            return _sql(name, told.local, told.reconciliation.history_seconds, making)
        case LocalFreqtrade():
            return _freqtrade(name, told.local, making, recorded=recorded)
        case None:
            raise AssertionError("chosen for having two sides")


def _pushed(name: str, told: LocalPushed, making: Making, *, recorded: bool) -> LocalBooks:
    from tieout.books.bell import WebhookBell
    from tieout.books.pushed import PushedBooks

    if not recorded:
        what, mend = "pushed books are kept in the record, and there is none", "write [record]"
        making.problems.append(Problem(making.file, f"accounts.{name}.local", what, mend))
    secret = making.secrets.get(name, told, "hook_secret", side="local")
    bell = None
    if told.hook_url is not None:
        bell = WebhookBell(told.hook_url, making.clock, secret=None if secret is None else secret.reveal())
        making.closing.push_async_callback(bell.close)
    return PushedBooks(
        name,
        making.shelf,
        making.clock,
        max_age_seconds=told.max_age_seconds,
        correction_seconds=told.correction_seconds,
        bell=bell,
    )


def _freqtrade(name: str, told: LocalFreqtrade, making: Making, *, recorded: bool) -> LocalBooks:
    from tieout.books.freqtrade.books import FreqtradeBooks
    from tieout.books.freqtrade.rest import Freqtrade

    place, bot = f"accounts.{name}.local", None
    if told.url is None and told.database is None:
        making.problems.append(Problem(making.file, place, "nothing says where freqtrade is", "write url, or database"))
    if told.url is not None:
        password = making.secrets.get(name, told, "password", due=True, side="local")
        if told.username is None:
            making.problems.append(
                Problem(making.file, f"{place}.username", "missing", "write the one of its api_server")
            )
        if password is not None and told.username is not None:
            bot = Freqtrade(told.url, told.username, password.reveal())
    return FreqtradeBooks(
        name,
        making.clock,
        bot=bot,
        database=Path(told.database or "tradesv3.sqlite"),
        shelf=making.shelf if recorded else None,
        dry_run=told.dry_run,
        correction_seconds=told.correction_seconds,
    )


def _sql(name: str, told: LocalSql, history_seconds: int, making: Making) -> LocalBooks:
    from tieout.books.sql import ROWS, Query, SqlBooks, reads_only
    from tieout.books.sql_connection import SqlSource

    place, address = f"accounts.{name}.local", making.secrets.get(name, told, "url", due=True, side="local")

    def lack(where: str, what: str, mend: str) -> None:
        making.problems.append(Problem(making.file, f"{place}.{where}".rstrip("."), what, mend))

    asked = {section: query for section in ROWS if (query := getattr(told, section)) is not None}
    if not asked:
        lack("", "no query", f"write [{place}.positions] with query, or that of another section")
    for section, query in asked.items():
        strange = sorted(set(query.columns) - set(ROWS[section].__struct_fields__))
        if strange:
            known = ", ".join(ROWS[section].__struct_fields__)
            lack(f"{section}.columns", f"no field is called {', '.join(strange)}", f"known are {known}")
    texts = {**{f"{section}.query": query.query for section, query in asked.items()}, "as_of": told.as_of or "SELECT 1"}
    for where, query_text in texts.items():
        if not reads_only(query_text):
            lack(where, "not one SELECT", "these books are only read: write one SELECT, without a semicolon inside")
    try:
        source = SqlSource("sqlite://" if address is None else address.reveal())
    except ValueError as error:
        lack("url", str(error), "write it as SQLAlchemy does, such as postgresql://user:password@host/name")
        source = SqlSource("sqlite://")
    return SqlBooks(
        name,
        source,
        making.clock,
        queries={section: Query(query.query, query.columns) for section, query in asked.items()},
        as_of=told.as_of,
        max_age_seconds=told.max_age_seconds,
        since=timedelta(seconds=history_seconds),
    )
