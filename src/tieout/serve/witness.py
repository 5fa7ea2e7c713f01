"""`tieout audit witness`: a witness for other people's logs, or one's own, on another host or under another user."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
from cyclopts import App, Parameter

from tieout.clock import SystemClock
from tieout.errors import BadInput, Problem, ProofRefused

if TYPE_CHECKING:
    from tieout.record.tlog.note import Verifier
    from tieout.record.witness.judging import Witness

StateOption = Annotated[Path, Parameter(help="The file of what it remembers; made where there is none.")]
KeyOption = Annotated[Path, Parameter(help="The file of the witness' own key.")]
LogOption = Annotated[
    tuple[str, ...], Parameter(name="--log", help="The public key (vkey) of a log; may be repeated.", negative=())
]
ListenOption = Annotated[str, Parameter(help="HOST:PORT; port 0 takes a free one.")]

app = App(
    name="witness",
    help="Run a witness: it remembers the last checkpoint of each log, and cosigns only what extends it.",
    result_action="return_value",
    version_flags=(),
)


@app.default
def run(*, state: StateOption, key: KeyOption, log: LogOption, listen: ListenOption = "127.0.0.1:8479") -> int:
    """Answer until it is told to stop (SIGTERM or Ctrl-C). What a log should not have signed is said on standard error."""
    from tieout.record.witness.judging import Witness
    from tieout.record.witness.key import load_witness
    from tieout.record.witness.memory import Memory

    logs: dict[str, list[Verifier]] = {}
    for found in map(_log_key, log):
        logs.setdefault(found.name, []).append(found)
    host, port = _address(listen)
    signer = load_witness(key)
    witness = Witness(signer, dict(logs), Memory(state), SystemClock(), tell=_tell)
    asyncio.run(_serve(witness, host, port, signer.vkey))
    return 0


@app.command(name="key")
def make_key(path: Path, name: Annotated[str | None, Parameter(help="Its name, such as its host.")] = None, /) -> int:
    """Make a witness' key, and print the public half that the log's configuration needs.

    Parameters
    ----------
    path
        Where to; a file that is there is left alone.
    """
    from tieout.record.witness.key import create_witness

    print(create_witness(path, name).vkey)
    return 0


@app.command
def show(*, state: StateOption) -> int:
    """Print what the witness knows, a line of JSON for each log and for each checkpoint that it refused."""
    from tieout.record.witness.memory import Memory

    if not state.exists():
        raise BadInput([Problem("--state", str(state), "there is no such file", "name the witness' state file")])
    with Memory(state).hold() as held:
        logs, refused = held.logs(), held.refused()
    for origin, seen in logs:
        print(_json({"log": origin, "entries": seen.size, "at": seen.at, "signed": seen.signed.decode()}))
    for each in refused:
        both = {"signed": each.signed.decode(), "against": each.before.decode()}
        print(_json({"refused": each.origin, "entries": each.size, "at": each.at, "why": each.why, **both}))
    return 1 if refused else 0


def _json(row: dict[str, object]) -> str:
    return msgspec.json.encode(row).decode()


def _log_key(vkey: str) -> Verifier:
    from tieout.record.tlog.note import ED25519, Verifier

    try:
        found = Verifier(vkey)
        if found.kind != ED25519:
            raise ProofRefused(f"{found.name} is the key of a witness, not of a log")
    except ProofRefused as error:  # what was given is not repeated: it may be the private key
        raise BadInput([Problem("--log", "", error.why, "`tieout audit key` prints a log's public key")]) from None
    return found


def _address(listen: str) -> tuple[str, int]:
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise BadInput([Problem("--listen", listen, "not an address", "write HOST:PORT, such as 127.0.0.1:8479")])
    return host.strip("[]"), int(port)


async def _serve(witness: Witness, host: str, port: int, vkey: str) -> None:
    from tieout.record.witness.server import serving

    stopped = asyncio.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(each, stopped.set)
    async with serving(witness, host, port, tell=_tell) as address:
        print(f"{address} {vkey}", flush=True)
        await stopped.wait()


def _tell(sentence: str) -> None:
    print(f"tieout: witness: {sentence}", file=sys.stderr, flush=True)
