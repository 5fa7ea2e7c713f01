"""Which record a command is about, and how it is opened: from the configuration, or from options."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter
from msgspec.structs import replace

from tieout.config import load
from tieout.record.settings import RecordSettings

RecordConfig = Annotated[Path | None, Parameter(name="--config", help="Where [record] says which store and keys.")]
Format = Literal["table", "json"]
FormatOption = Annotated[Format, Parameter(name=["--format", "-f"], help="How it is written.")]
KeyOption = Annotated[str | None, Parameter(name="--key", help="The log's public key (vkey), or a file that holds it.")]
PolicyOption = Annotated[Path | None, Parameter(name="--policy", help="A C2SP trust policy: key, witnesses, quorum.")]
OutputOption = Annotated[Path | None, Parameter(name=["--output", "-o"], help="A file instead of standard output.")]
StoreOption = Annotated[str | None, Parameter(name="--store", help="A SQLite file or a URL of PostgreSQL.")]
KeysOption = Annotated[Path | None, Parameter(name="--keys", help="The folder of the log's keys.")]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class FromStore:
    """Which of the stored readings are judged again."""

    from_store: Annotated[
        bool, Parameter(help="Judge what the record holds instead of a file.", negative=(), show_default=False)
    ] = False
    since: Annotated[str | None, Parameter(help='From then on: a time, a day, or how long ago ("2h").')] = None
    until: Annotated[str | None, Parameter(help="The same: nothing from then on.")] = None
    account: Annotated[
        tuple[str, ...], Parameter(help="Of this account; may be repeated.", negative=(), show_default=False)
    ] = ()
    store: StoreOption = None
    keys: KeysOption = None


def record_settings(config: Path | None, store: str | None = None, keys: Path | None = None) -> RecordSettings:
    """The settings of the record: of the configuration where there is one, else the defaults; options count before both.

    Raises:
        BadInput: The configuration is not in order.
    """
    settings = load(config, None).record
    if store is not None:
        settings = replace(settings, store=store)
    return settings if keys is None else replace(settings, keys=str(keys))


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Place:
    """Which record."""

    config: RecordConfig = None
    store: StoreOption = None
    keys: KeysOption = None

    @property
    def settings(self) -> RecordSettings:
        """Where it is."""
        return record_settings(self.config, self.store, self.keys)
