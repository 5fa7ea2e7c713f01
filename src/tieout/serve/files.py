"""Snapshots and histories in files -> reports."""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from msgspec.structs import replace

from tieout.config import Config
from tieout.errors import BadInput, Problem, SourceError
from tieout.live.road import State, reconcile_observation
from tieout.model.codec import decode_history, decode_snapshot, encode, read_bytes
from tieout.model.identified import identified
from tieout.model.identity import identity_of
from tieout.model.report import ReconciliationReport
from tieout.model.settings import Settings
from tieout.model.snapshot import Observation, Snapshot
from tieout.observe import is_empty

SHORT_BYTES = 64 * 1024 * 1024  # a history up to this size is read once and kept, a longer one is read twice
MAX_PROBLEMS = 100


def compare_files(local: Path, broker: Path, config: Config) -> ReconciliationReport:
    """One comparison of two snapshot files.

    Raises:
        BadInput: Every problem of both files, or that they are of different accounts.
    """
    problems: list[Problem] = []
    sides: list[Snapshot] = []
    for path, source in ((local, "local"), (broker, "broker")):
        try:
            raw = read_bytes(path, config.limits.max_file_bytes)
            sides.append(decode_snapshot(raw, str(path), source))  # type: ignore[arg-type]
        except BadInput as error:
            problems += error.problems
    if len(sides) == 2 and sides[0].account != sides[1].account:
        mend = f'compare "{sides[0].account}" with itself'
        problems.append(Problem(str(broker), "account", "another account than the local file's", mend))
    if problems:
        raise BadInput(problems)
    held, stated = sides
    observation = Observation(max(held.as_of, stated.as_of), held.account, held, stated)
    known = config.account(held.account)
    for side, path in ((held, local), (stated, broker)):
        _require_clear(side, path, known.settings)
    outcome = reconcile_observation(observation, State(), known.settings, known.policy, trigger="manual", settled=True)
    return outcome.report


def _require_clear(side: Snapshot, path: Path, settings: Settings) -> None:
    """Refuse a file with rows that mean one asset and do not add up."""
    try:
        identified(side, identity_of(settings.assets))
    except SourceError as error:
        mend = "mend the file, or [assets] in the configuration"
        raise BadInput([Problem(str(path), error.scope, error.why, mend)]) from error


def opening_of(account: str, local: Path, broker: Path) -> Snapshot:
    """What empty books would hold after adopting a broker's statement.

    Raises:
        BadInput: Local holds something already, the statement is not whole, or a file is of another account.
    """
    stated = decode_snapshot(read_bytes(broker), str(broker), "broker")
    problems = []
    if stated.account != account:
        problems.append(Problem(str(broker), "account", "another account", f'adopt "{stated.account}" instead'))
    for section in ("positions", "balances", "orders"):
        if stated.covers(section) != "complete":
            problems.append(
                Problem(str(broker), section, "not there whole", "fetch it whole; nothing is adopted in part")
            )
    if local.exists():
        held = decode_snapshot(read_bytes(local), str(local), "local")
        if not is_empty(held):
            problems.append(Problem(str(local), "", "the books are not empty", "adopting is for a first start only"))
    if problems:
        raise BadInput(problems)
    return replace(stated, source="local")


def adopt_file(opening: Snapshot, local: Path) -> None:
    """Write the opening entries, whole or not at all.

    Raises:
        BadInput: The file cannot be written; what was there is untouched.
    """
    fresh = local.with_name(local.name + ".new")
    try:
        mode = stat.S_IMODE(local.stat().st_mode) if local.exists() else 0o600  # it holds amounts
        fresh.unlink(missing_ok=True)
        fresh.touch(mode=0o600, exist_ok=False)
        fresh.chmod(mode)
        fresh.write_bytes(encode(opening) + b"\n")
        # A crash before this line leaves the old books and a file beside them; after it, the new ones.
        fresh.replace(local)
    except OSError as error:
        what = (error.strerror or "cannot be written").lower()
        raise BadInput([Problem(str(local), "", what, "check the path and its permissions")]) from error


def open_history(path: Path, max_bytes: int) -> tuple[int, Iterable[Observation]]:
    """A history's number of lines and its observations; all its problems are found before the first is judged.

    Raises:
        BadInput: Every problem of the file (the first hundred).
    """
    raw = read_bytes(path, max_bytes)
    if len(raw) <= SHORT_BYTES:
        kept = list(_checked(raw, str(path)))
        return len(kept), kept
    total = sum(1 for _ in _checked(raw, str(path)))
    return total, decode_history(raw.splitlines(), str(path))


def _checked(raw: bytes, file: str) -> Iterator[Observation]:
    problems: list[Problem] = []
    yield from decode_history(raw.splitlines(), file, problems)
    if problems:
        raise BadInput(problems[:MAX_PROBLEMS])
    if not raw.strip():
        raise BadInput([Problem(file, "", "the file is empty", "write one observation a line")])


def replay_history(history: Iterable[Observation], config: Config) -> Iterator[ReconciliationReport]:
    """One report a reading, each account on its own, on the history's own clock."""
    states: dict[str, State] = {}
    for observation in history:
        name = observation.account
        state, known = states.get(name, State()), config.account(name)
        outcome = reconcile_observation(observation, state, known.settings, known.policy, trigger="replay")
        states[name] = outcome.state
        yield outcome.report
