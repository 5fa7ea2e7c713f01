"""The local side of an account, built from its configuration. What is lacking is told, not raised: all of it at once."""

from __future__ import annotations

from pathlib import Path

from tieout.books.base import LocalBooks
from tieout.config import AccountConfig
from tieout.config.local import LocalEngine, LocalFile, LocalFreqtrade, LocalPushed
from tieout.errors import BadInput, Problem
from tieout.sides import Making


def local_side(name: str, told: AccountConfig, making: Making, *, recorded: bool) -> LocalBooks:
    """The books of the account *name*; without a record nothing is written into them.

    Raises:
        BadInput: They are not where the configuration says.
    """
    match told.local:
        case LocalFile(path=path, writable=writable, max_age_seconds=age):
            from tieout.books.snapshot_file import SnapshotFile

            may_write = writable and recorded
            return SnapshotFile(Path(path), name, making.clock, writable=may_write, max_age_seconds=age)
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
