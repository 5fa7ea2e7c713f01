"""`tieout audit timestamp`: the log's last checkpoint stamped by an RFC 3161 authority, and the stamps there are checked."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import App, Parameter

from tieout.errors import BadInput, Problem
from tieout.record.settings import RecordSettings
from tieout.serve.recorded import KeysOption, RecordConfig, StoreOption, record_settings

AuthorityOption = Annotated[str | None, Parameter(help="The authority's URL; without it the stamps are only checked.")]
RootsOption = Annotated[Path, Parameter(help="The authority's root certificates (PEM).")]

app = App(
    name="timestamp",
    help="Have the log's last checkpoint stamped by an RFC 3161 authority, and check every stamp that the record holds.",
    result_action="return_value",
    version_flags=(),
)


@app.default
def timestamp(
    *,
    roots: RootsOption,
    authority: AuthorityOption = None,
    config: RecordConfig = None,
    store: StoreOption = None,
    keys: KeysOption = None,
) -> int:
    """Print each stamp as a line of JSON: the size of the log, who attests it, and since when."""
    if authority is not None and not authority.startswith(("https://", "http://")):
        mend = "give its address, such as https://authority.example/tsr"
        raise BadInput([Problem("--authority", authority, "not an address of the web", mend)])
    return asyncio.run(_run(record_settings(config, store, keys), authority, roots))


async def _run(settings: RecordSettings, authority: str | None, roots: Path) -> int:
    from tieout.record import timestamps
    from tieout.record.store.database import open_database

    trusted = timestamps.read_roots(roots)
    database = open_database(settings.store, read_only=authority is None)
    try:
        if authority is not None:
            await timestamps.stamp(database, authority, trusted)
        stamps = await database.read(lambda connection: timestamps.read_stamps(connection, trusted))
    finally:
        await database.close()
    for each in stamps:
        print(msgspec.json.encode(each).decode())
    if not stamps:
        print("no checkpoint of this log was stamped yet", file=sys.stderr)
    return 0
