"""`tieout audit`: the log verified, proved, shown and handed on. Offline, and apart from the service."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import App, Parameter

from tieout.clock import SystemClock
from tieout.errors import BadInput, LogBroken, Problem, ProofRefused, RecordError
from tieout.serve.moments import moment_of
from tieout.serve.output import console, sink
from tieout.serve.recorded import FormatOption, KeyOption, OutputOption, Place, PolicyOption
from tieout.serve.verifying import trust_in, verify_store

SOUND, FOUND = 0, 1

app = App(
    name="audit",
    help="Verify the log, prove an entry of it to a stranger, show it, hand it on; its keys and its witnesses.",
    result_action="return_value",
    version_flags=(),
)
app.command("tieout.serve.keys:app", name="key", help="Show the log's public key; make keys, change them.")
app.command("tieout.serve.proof:prove", name="prove", help="Write a proof that an entry is in the log, for a stranger.")
app.command("tieout.serve.proof:check_proof", name="check-proof", help="Check a proof with nothing but the public key.")
app.command(
    "tieout.serve.witness:app", name="witness", help="Cosign the heads of logs, apart from those who write them."
)
app.command(
    "tieout.serve.timestamp:app", name="timestamp", help="Have the log's head stamped by an RFC 3161 authority."
)


@app.command
def verify(
    *,
    key: KeyOption = None,
    policy: PolicyOption = None,
    head: Annotated[
        Path | None, Parameter(help="The verifier's memory, instead of the one in your state folder.")
    ] = None,
    every_signature: Annotated[bool, Parameter(help="Check each single signature, however many.", negative=())] = False,
    format: FormatOption = "table",  # noqa: A002 - the option's public name
    place: Place = Place(),
) -> int:
    """Hold the whole log against its key, offline, changing nothing; exit status 0 sound, 1 something found, 3 unread.

    Every entry is hashed anew from its stored bytes. The last head that was found sound is remembered, so that a log that
    is cut or rewritten afterwards shows.
    """
    from tieout.record.audit.memory import memory_file, remember
    from tieout.serve.render.audit import render_verdict

    settings = place.settings
    trust = trust_in(key, policy, settings)
    verified = verify_store(settings, trust, head, every=every_signature)
    verdict = verified.verdict
    if verdict.sound and verified.newest is not None:
        path = head or memory_file(trust.keys[0])
        try:
            remember(path, verified.newest)
        except RecordError as error:
            _say(f"The head was not remembered: {error.why}.")
    if format == "json":
        print(msgspec.json.encode({"sound": verdict.sound, **msgspec.structs.asdict(verdict)}).decode())
    else:
        with console(None) as to:
            render_verdict(verdict, to)
    return SOUND if verdict.sound else FOUND


@app.command
def export(
    *,
    account: Annotated[tuple[str, ...], Parameter(help="Of this account; may be repeated.", negative=())] = (),
    since: Annotated[str | None, Parameter(help='A time, a day ("2026-11-20"), or how long ago ("2h", "7d").')] = None,
    until: Annotated[str | None, Parameter(help="The same: nothing from then on.")] = None,
    amounts: Annotated[
        bool,
        Parameter(
            help="The readings with their amounts, as `tieout replay` takes them; needs the master key.", negative=()
        ),
    ] = False,
    output: OutputOption = None,
    place: Place = Place(),
) -> int:
    """Write the log's entries as JSON Lines, without amounts; or with --amounts the readings, to be replayed."""
    from tieout.record import looking
    from tieout.record.audit import exporting

    now = SystemClock().now()
    span = exporting.Span(account, moment_of(since, "--since", now), moment_of(until, "--until", now))

    with sink(output) as write:

        def read(seen: looking.Looking) -> int:
            if amounts:
                return exporting.export_observations(seen.connection, looking.opened(seen), span, write)
            return exporting.export_entries(seen.connection, span, write)

        count = looking.look(place.settings, read)
    _say(f"{count:,} {'readings' if amounts else 'entries'} written.")
    return SOUND


@app.command
def show(
    entries: tuple[int, ...] = (),
    /,
    *,
    last: Annotated[int, Parameter(help="How many of the last entries.")] = 20,
    format: FormatOption = "table",  # noqa: A002 - the option's public name
    place: Place = Place(),
) -> int:
    """Show entries of the log in plain words: those at the given places, or the last ones.

    Parameters
    ----------
    entries
        Their places, from 0.
    """
    from tieout.record import looking
    from tieout.record.audit import exporting
    from tieout.serve.render.audit import render_entries

    def read(seen: looking.Looking) -> list[exporting.Placed]:
        end = exporting.last_index(seen.connection) + 1
        wanted = [range(each, each + 1) for each in entries] or [range(max(0, end - max(last, 0)), end)]
        return [placed for some in wanted for placed in exporting.read_entries(seen.connection, some.start, some.stop)]

    found = looking.look(place.settings, read)
    missing = set(entries) - {placed.index for placed in found}
    if missing:
        mend = "`tieout audit show` lists the last ones"
        raise BadInput([Problem("show", str(min(missing)), "there is no such entry", mend)])
    if format == "json":
        for placed in found:
            print(msgspec.json.encode({"index": placed.index, "entry": msgspec.Raw(placed.raw)}).decode())
    else:
        with console(None) as to:
            render_entries(found, to)
    return SOUND


@app.command
def head(*, place: Place = Place()) -> int:
    """Print the log's newest signed checkpoint, to be kept elsewhere: a log that is cut later cannot explain it."""
    from tieout.record import looking
    from tieout.record.audit.exporting import newest_checkpoint
    from tieout.record.keys import published
    from tieout.record.tlog.note import open_note

    text = looking.look(place.settings, lambda seen: newest_checkpoint(seen.connection))
    known = published(place.settings.key_folder)
    if known:
        try:
            open_note(text.encode(), known)
        except ProofRefused as error:
            raise LogBroken(f"the newest checkpoint does not hold, so it is not printed: {error.why}") from None
    sys.stdout.write(text)
    return SOUND


def _say(text: str) -> None:
    print(text, file=sys.stderr)
