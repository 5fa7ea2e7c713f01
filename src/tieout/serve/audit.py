"""`tieout audit`: the log verified, proved, shown and handed on. Offline, and apart from the service."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from cyclopts import App, Parameter

from tieout.clock import SystemClock
from tieout.errors import BadInput, Problem, ProofRefused, RecordError
from tieout.record.settings import RecordSettings
from tieout.serve.moments import moment_of
from tieout.serve.output import console, sink
from tieout.serve.recorded import KeysOption, RecordConfig, StoreOption, record_settings

if TYPE_CHECKING:
    from tieout.record.audit.trust import Trust
    from tieout.record.audit.verifying import Verified

SOUND, FOUND = 0, 1
BAR_FROM = 50_000  # entries that a person waits for

Format = Literal["table", "json"]
FormatOption = Annotated[Format, Parameter(name=["--format", "-f"], help="How it is written.")]
KeyOption = Annotated[str | None, Parameter(name="--key", help="The log's public key (vkey), or a file that holds it.")]
PolicyOption = Annotated[Path | None, Parameter(name="--policy", help="A C2SP trust policy: key, witnesses, quorum.")]
OutputOption = Annotated[Path | None, Parameter(name=["--output", "-o"], help="A file instead of standard output.")]

app = App(
    name="audit",
    help="Verify the log, prove an entry of it to a stranger, show it, hand it on; its keys and its witnesses.",
    result_action="return_value",
    version_flags=(),
)
key_app = App(name="key", help="Show the log's public key; make keys, change them.", result_action="return_value")
app.command(key_app)
app.command(
    "tieout.serve.witness:app", name="witness", help="Cosign the heads of logs, apart from those who write them."
)
app.command(
    "tieout.serve.timestamp:app", name="timestamp", help="Have the log's head stamped by an RFC 3161 authority."
)


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
    trust = _trust(key, policy, settings)
    verified = _verified(settings, trust, head, every=every_signature)
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


def _trust(key: str | None, policy: Path | None, settings: RecordSettings) -> Trust:
    from tieout.record.audit.trust import trust_of

    return trust_of(key, policy, settings.key_folder)


def _verified(settings: RecordSettings, trust: Trust, head: Path | None, *, every: bool = False) -> Verified:
    from tieout.record import looking
    from tieout.record.audit.verifying import Asked, verify

    asked = Asked(store=settings.store, trust=trust, side=settings.head_file, memory=head, every=every)
    with _bar() as progress:
        # Without the master key that is said in the verdict, and the rest is verified all the same.
        return looking.look(settings, lambda seen: verify(seen.connection, asked, seen.sealed, progress))


@contextmanager
def _bar() -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error, where a person waits there for long."""
    if not sys.stderr.isatty():
        yield lambda _done, _of: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("verifying", total=None, visible=False)

        def progress(done: int, of: int) -> None:
            bar.update(task, completed=done, total=of, visible=of >= BAR_FROM)

        yield progress


@app.command
def prove(
    id: str | None = None,  # noqa: A002 - shown as ID
    /,
    *,
    entry: Annotated[
        int | None, Parameter(help="The place of an entry, instead of a report's or an action's id.")
    ] = None,
    output: OutputOption = None,
    disclose: Annotated[
        Path | None, Parameter(help="Lay open in this file what the entry commits to; needs the master key.")
    ] = None,
    place: Place = Place(),
) -> int:
    """Write a proof that an entry is in the log, as its key signed it, for a stranger to check with any C2SP tool.

    Parameters
    ----------
    id
        Id of a report (its reading is proved) or of an action (its intent), or the begin of it.
    """
    from tieout.record import looking
    from tieout.record.audit import proving

    if (id is None) == (entry is None):
        raise BadInput(
            [Problem("prove", "", "names no entry, or two", "give the id of a report or action, or --entry")]
        )

    def read(seen: looking.Looking) -> tuple[int, bytes, proving.Disclosure | None]:
        index = proving.find_entry(seen.connection, id) if id is not None else entry
        assert index is not None
        opened = None if disclose is None else proving.disclose(seen.connection, looking.opened(seen), index)
        return index, proving.prove(seen.connection, index), opened

    index, proof, opened = looking.look(place.settings, read)
    with sink(output) as write:
        write(proof.decode())
    if opened is not None:
        with sink(disclose) as write:
            write(msgspec.json.encode(opened).decode() + "\n")
    _say(f"This proves entry {index}. Whoever checks it needs the log's public key from you: `tieout audit key`.")
    if opened is not None:
        _say(f"{disclose} holds amounts in clear; single payloads may be taken out of it before it is handed on.")
    return SOUND


@app.command(name="check-proof")
def check_proof(
    file: Path,
    /,
    *,
    key: KeyOption = None,
    policy: PolicyOption = None,
    entry_file: Annotated[
        Path | None, Parameter(help="The entry's exact bytes, where they are not in the proof.")
    ] = None,
    disclosed: Annotated[Path | None, Parameter(help="What was laid open of the entry: held against it.")] = None,
    format: FormatOption = "table",  # noqa: A002 - the option's public name
) -> int:
    """Check a proof with nothing but the log's public key; exit status 0 it holds, 1 it does not.

    Parameters
    ----------
    file
        The proof (c2sp.org/tlog-proof@v1).
    """
    from tieout.record.audit import proving
    from tieout.record.audit.trust import trust_of
    from tieout.serve.render.audit import render_shown

    if key is None and policy is None:
        raise BadInput([Problem("check-proof", "", "no key is given", "give --key or --policy, from whom you trust")])
    trust = trust_of(key, policy, Path())
    given = None if entry_file is None else _bytes(entry_file)
    opened = None if disclosed is None else _bytes(disclosed)
    try:
        shown = proving.check(_bytes(file), trust.policy, given, opened)
    except ProofRefused as error:
        if format == "json":
            print(msgspec.json.encode({"holds": False, "why": error.why}).decode())
        _say(f"{file} does not hold: {error.why}.")
        return FOUND
    if format == "json":
        plain = {**msgspec.structs.asdict(shown), "contents": [msgspec.Raw(each) for each in shown.contents]}
        print(msgspec.json.encode({"holds": True, **plain}).decode())
    else:
        with console(None) as to:
            render_shown(shown, to)
    return SOUND


def _bytes(path: Path) -> bytes:
    from tieout.model.codec import read_bytes

    return read_bytes(path)


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

    sys.stdout.write(looking.look(place.settings, lambda seen: newest_checkpoint(seen.connection)))
    return SOUND


@key_app.default
def show_key(*, place: Place = Place()) -> int:
    """Print the log's public key: hand it to whoever shall be able to verify the log, by a way they trust."""
    print(_trust(None, None, place.settings).keys[0].vkey)
    return SOUND


@key_app.command(name="new")
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
    return SOUND


@key_app.command
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
        return FOUND
    old, new = asyncio.run(put_in_force(settings, SystemClock()))
    print(new.vkey)
    _say(
        f"The key {old.name}+{old.signer.id.hex()} has handed over to {new.name}+{new.signer.id.hex()}. "
        f"Copy {settings.key_folder} elsewhere again; whoever pinned the old key needs not do anything."
    )
    return SOUND


@key_app.command(name="head")
def write_head(
    *,
    yes: Annotated[bool, Parameter(help="Do not ask.", negative=())] = False,
    place: Place = Place(),
) -> int:
    """Write the head that is kept besides the store anew, from the log as it is, once a person has cleared up why."""
    from tieout.record.audit.rotating import write_head as keep

    settings = place.settings
    verified = _verified(settings, _trust(None, None, settings), None)
    for finding in verified.verdict.findings:
        _say(f"{finding.sentence}.")
    question = f"Take the log as it is, with {verified.verdict.proved} entries, for the true one from now on? [y/N] "
    if not yes and not _asked(question):
        _say("Nothing was written.")
        return FOUND
    size = keep(settings, verified)
    _say(f"{settings.head_file} now holds the head over {size} entries.")
    return SOUND


def _asked(question: str) -> bool:
    _say(question)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _say(text: str) -> None:
    print(text, file=sys.stderr)
