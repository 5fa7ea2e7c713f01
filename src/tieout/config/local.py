"""Where local comes from, kind by kind."""

from __future__ import annotations

from msgspec import Struct

from tieout.config.words import Seconds, Text, Url, VariableName


class LocalFile(Struct, frozen=True, forbid_unknown_fields=True):
    """Local is a snapshot file that an engine writes.

    Attributes:
        path: The file (tieout.snapshot/1, source "local").
        writable: Whether approved changes are written into it.
        max_age_seconds: A file that says it is older, or so far ahead, is not what local holds now; None takes any.
        watch_seconds: How often it is looked whether the file was written, which starts a reading; None never looks.
        own: Nobody but Tieout writes it: approved changes are, and what it holds it holds now, however old it is.
    """

    path: Text
    writable: bool = False
    max_age_seconds: Seconds | None = 900
    watch_seconds: Seconds | None = 2
    own: bool = False


class LocalEngine(Struct, frozen=True, forbid_unknown_fields=True):
    """Local is the state folder of an engine of ours, while that engine is not running: one process at a time has it.

    Attributes:
        folder: Where its books are kept (`DurableBooks`).
    """

    folder: Text


class LocalPushed(Struct, frozen=True, forbid_unknown_fields=True):
    """Local is what another program tells over HTTP: whole snapshots, and events between them.

    Attributes:
        max_age_seconds: Books that say they are older are not what local holds now; None takes any.
        correction_seconds: How long a correction is waited for: until it is taken, and then until the books show it.
        hook_url: Where it is told that corrections wait; None tells nobody, and they are fetched.
        hook_secret_env: The environment variable with the secret that such a message is signed with; hook_secret_file alike.
    """

    max_age_seconds: Seconds | None = 900
    correction_seconds: Seconds = 300
    hook_url: Url | None = None
    hook_secret_env: VariableName | None = None
    hook_secret_file: Text | None = None


class LocalFreqtrade(Struct, frozen=True, forbid_unknown_fields=True):
    """Local is what a freqtrade bot believes, read from its REST interface, or else from its database.

    Attributes:
        url: Where its interface listens; with it the bot can be had to reload a trade.
        username: As its configuration says.
        password_env: The environment variable with its password; password_file alike.
        database: Its SQLite file, which is only read; counts where there is no url.
        dry_run: Whether it is meant to trade on paper.
        correction_seconds: How long after a reload its books are waited for.
    """

    url: Url | None = None
    username: Text | None = None
    password_env: VariableName | None = None
    password_file: Text | None = None
    database: Text | None = None
    dry_run: bool = False
    correction_seconds: Seconds = 300


class SqlQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """One section's query: one SELECT, which may say :account and :since.

    Attributes:
        query: The SELECT.
        columns: Field = column, where a column is not called as its field.
    """

    query: Text
    columns: dict[str, str] = {}


class LocalSql(Struct, frozen=True, forbid_unknown_fields=True):
    """Local is in a database, read by queries.

    Attributes:
        url_env: The environment variable with the database's address, which holds a password; url_file alike.
        positions: The query of a section; the others alike. A section without one is not fetched.
        as_of: A query for the moment that the books speak of; None is the moment of reading.
        max_age_seconds: Books that say they are older, or so far ahead, are not what local holds now; None takes any.
    """

    url_env: VariableName | None = None
    url_file: Text | None = None
    positions: SqlQuery | None = None
    balances: SqlQuery | None = None
    orders: SqlQuery | None = None
    fills: SqlQuery | None = None
    activities: SqlQuery | None = None
    as_of: Text | None = None
    max_age_seconds: Seconds | None = 900


LocalSource = LocalFile | LocalEngine | LocalPushed | LocalFreqtrade | LocalSql
LOCAL_KINDS: dict[str, type[LocalSource]] = {
    "file": LocalFile,
    "engine": LocalEngine,
    "pushed": LocalPushed,
    "freqtrade": LocalFreqtrade,
    "sql": LocalSql,
}
