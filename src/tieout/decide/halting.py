"""Halts over time: set by what a reading calls for, standing until somebody, or three clean readings, lift them."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from tieout.decide.lifecycle import History, digest
from tieout.decide.limits import TOO_MANY
from tieout.decide.reading import Reading
from tieout.model.discrepancy import DOUBTS, ActionKind, Key
from tieout.model.halt import Halt
from tieout.model.report import Action

DOUBTED_TOO_LONG = "doubted_too_long"


def with_halts(history: History, actions: Iterable[Action], reading: Reading) -> History:
    """The history with the halts that stand after a reading.

    Args:
        history: With the breaks of this reading, and the halts that stood before it.
        actions: What the reading calls for.
        reading: The reading itself.
    """
    if reading.policy.mode == "shadow":
        return history  # it sets none, and those that stood before stand when it acts again
    halts, called = dict(history.halts), set()
    for action in actions:
        if action.action is ActionKind.HALT:
            for asset in _assets(action, history, reading):
                halt = _set(halts, asset, action, reading)
                halts[halt.id] = halt
                called.add(halt.id)
    clean = _clean(history, halts, called, reading)
    over = {name for name, times in clean.items() if times >= reading.policy.clean_readings}
    return replace(
        history,
        halts={name: halt for name, halt in halts.items() if name not in over},
        clean={name: times for name, times in clean.items() if name not in over},
    )


def _assets(action: Action, history: History, reading: Reading) -> list[str | None]:
    """What is stopped: the whole account, unless the policy stops assets alone and it is about assets."""
    keys = [key for key, broken in history.breaks.items() if broken.id in action.discrepancy_ids]
    keys = [key for key in keys if _votes(key, reading)] or keys
    whole = reading.policy.halt_scope == "account" or action.detail.get("reason") == TOO_MANY
    if whole or not keys or any(key.domain == "balance" for key in keys):
        return [None]
    return list(dict.fromkeys(key.asset for key in keys))


def _votes(key: Key, reading: Reading) -> bool:
    return key in reading.differences and not reading.differences[key].within_tolerance


def _set(halts: dict[str, Halt], asset: str | None, action: Action, reading: Reading) -> Halt:
    """The halt that an action calls for: the one that stands for the same reason, with its breaks, or a new one."""
    reason = action.detail.get("reason", "")
    for halt in halts.values():
        if (halt.asset, halt.reason, halt.by) == (asset, reason, ""):
            return replace(halt, break_ids=tuple(dict.fromkeys((*halt.break_ids, *action.discrepancy_ids))))
    return Halt(
        id=digest([reading.account, asset or "", reason, reading.now.isoformat()]),
        asset=asset,
        reason=reason,
        since=reading.now,
        break_ids=action.discrepancy_ids,
        lifts_itself=reason == DOUBTED_TOO_LONG,
    )


def _clean(history: History, halts: dict[str, Halt], called: set[str], reading: Reading) -> dict[str, int]:
    """For each halt that may lift itself: clean complete readings in a row. One that was not whole does not count."""
    standing = {history.breaks[key].id for key in reading.causes}
    doubted = any(
        cause.code in DOUBTS and not reading.differences[key].within_tolerance for key, cause in reading.causes.items()
    )
    times = {}
    for name, halt in halts.items():
        if not halt.lifts_itself:
            continue
        if name in called or doubted or standing & set(halt.break_ids):
            times[name] = 0
        else:
            times[name] = history.clean.get(name, 0) + int(reading.complete)
    return times
