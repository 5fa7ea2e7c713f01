"""`tieout audit prove` and `check-proof`: one entry shown to a stranger, and held against the key by them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter

from tieout.errors import BadInput, Problem, ProofRefused
from tieout.serve.output import console, sink
from tieout.serve.recorded import FormatOption, KeyOption, OutputOption, Place, PolicyOption

HOLDS, REFUSED = 0, 1


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
    return HOLDS


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
        return REFUSED
    if format == "json":
        plain = {**msgspec.structs.asdict(shown), "contents": [msgspec.Raw(each) for each in shown.contents]}
        print(msgspec.json.encode({"holds": True, **plain}).decode())
    else:
        with console(None) as to:
            render_shown(shown, to)
    return HOLDS


def _bytes(path: Path) -> bytes:
    from tieout.model.codec import read_bytes

    return read_bytes(path)


def _say(text: str) -> None:
    print(text, file=sys.stderr)
