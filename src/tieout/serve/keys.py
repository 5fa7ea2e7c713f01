"""`tieout audit key`: the log's keys made, shown and changed, and the head that is kept besides put right."""

from __future__ import annotations

import asyncio
import sys
from typing import Annotated

from cyclopts import App, Parameter

from tieout.clock import SystemClock
from tieout.serve.recorded import KeysOption, Place, RecordConfig, record_settings
from tieout.serve.verifying import trust_in, verify_store

DONE, NOT_DONE = 0, 1

app = App(
    name="key",
    help="Show the log's public key; make keys, change them.",
    result_action="return_value",
    version_flags=(),
)


@app.default
def show_key(*, place: Place = Place()) -> int:
    """Print the log's public key: hand it to whoever shall be able to verify the log, by a way they trust."""
    print(trust_in(None, None, place.settings).keys[0].vkey)
    return DONE


@app.command(name="new")
def new_key(
    name: str | None = None,
    /,
    *,
    config: RecordConfig = None,
    keys: KeysOption = None,
) -> int:
    """Make the keys of a new log: the one that signs, its public half, and the master key of what is sealed.

    Parameters
    ----------
    name
        What the log is called, such as example.com/tieout; a random one is made up where none is given.
    """
    from tieout.record import keys as kept

    folder = record_settings(config, None, keys).key_folder
    print(kept.create(folder, name).vkey)
    _say(
        f"The keys are in {folder}. Keep a copy of it elsewhere, apart from the store: what is sealed is lost without it."
    )
    return DONE


@app.command
def rotate(
    *,
    yes: Annotated[bool, Parameter(help="Do not ask.", negative=())] = False,
    place: Place = Place(),
) -> int:
    """Put a new key in force; the old one signs the entry that names it. Stop the service first, and start it after."""
    from tieout.record.audit.rotating import rotate as put_in_force

    settings = place.settings
    if not yes and not _asked("Is the service stopped, and shall a new key be put in force? [y/N] "):
        _say("Nothing was changed.")
        return NOT_DONE
    old, new = asyncio.run(put_in_force(settings, SystemClock()))
    print(new.vkey)
    _say(
        f"The key {old.name}+{old.signer.id.hex()} has handed over to {new.name}+{new.signer.id.hex()}. "
        f"Copy {settings.key_folder} elsewhere again; whoever pinned the old key needs not do anything."
    )
    return DONE


@app.command(name="head")
def write_head(
    *,
    yes: Annotated[bool, Parameter(help="Do not ask.", negative=())] = False,
    place: Place = Place(),
) -> int:
    """Write the head that is kept besides the store anew, from the log as it is, once a person has cleared up why."""
    from tieout.record.audit.rotating import write_head as keep

    settings = place.settings
    verified = verify_store(settings, trust_in(None, None, settings), None)
    for finding in verified.verdict.findings:
        _say(f"{finding.sentence}.")
    question = f"Take the log as it is, with {verified.verdict.proved} entries, for the true one from now on? [y/N] "
    if not yes and not _asked(question):
        _say("Nothing was written.")
        return NOT_DONE
    size = keep(settings, verified)
    _say(f"{settings.head_file} now holds the head over {size} entries.")
    return DONE


def _asked(question: str) -> bool:
    _say(question)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _say(text: str) -> None:
    print(text, file=sys.stderr)
