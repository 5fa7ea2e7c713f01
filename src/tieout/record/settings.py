"""Where the record is kept, and for how long. Importing this loads no database."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

YEAR_DAYS = 365
Days = Annotated[int, Meta(ge=1)]
SEVEN_YEARS = 7 * YEAR_DAYS + 2  # two leap days at most are in any seven years


class Retention(Struct, frozen=True, forbid_unknown_fields=True):
    """Days after which content is erased, by table; the log's entries and proofs stay for ever."""

    observations: Days = SEVEN_YEARS
    reports: Days = SEVEN_YEARS
    breaks: Days = SEVEN_YEARS
    decisions: Days = SEVEN_YEARS
    actions: Days = SEVEN_YEARS
    alerts: Days = YEAR_DAYS


class RecordSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """The record of one service.

    Attributes:
        store: A SQLite file, or a URL of PostgreSQL.
        keys: The folder of the log's key and the master key; keep a copy of it elsewhere.
        side_file: Where the last signed head is kept besides; None is in `keys`. Best on another disk than the store.
        witnesses: Who cosigns the log's heads: for each key (a C2SP vkey) its URL.
        witness_seconds: How long ago a witness may last have cosigned for acting to be allowed.
        heartbeat_seconds: How often the log says that nothing happened.
        timestamps: URL of an RFC 3161 authority that stamps the log's head; None stamps nothing.
        timestamp_roots: The root certificates (PEM) that its stamps are held against.
        timestamp_hours: Hours between two stamps.
        retention: How long content is kept.
    """

    store: str = "tieout.db"
    keys: str = "tieout-keys"
    side_file: str | None = None
    witnesses: dict[str, str] = {}
    witness_seconds: Annotated[int, Meta(gt=0)] = 600
    heartbeat_seconds: Annotated[int, Meta(gt=0)] = 300
    timestamps: str | None = None
    timestamp_roots: str | None = None
    timestamp_hours: Annotated[int, Meta(gt=0)] = 24
    retention: Retention = Retention()

    def __repr__(self) -> str:
        return f"RecordSettings(keys={self.keys!r})"  # addresses may hold a password

    @property
    def head_file(self) -> Path:
        """Where the last signed head is kept besides the store."""
        return Path(self.side_file) if self.side_file else self.key_folder / "head"

    @property
    def key_folder(self) -> Path:
        """Where the keys are."""
        return Path(self.keys)
