"""Another configuration is taken on while the service runs: whole or not at all; what may be acting is waited for."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
from collections.abc import Collection, Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

from tieout.bootstrap import Built, cadence, chosen
from tieout.config import Config, load
from tieout.config.lines import located
from tieout.config.local import LocalEngine
from tieout.config.nouns import AccountConfig
from tieout.errors import BadInput, Problem, RecordError, StateError
from tieout.live.alarm import Alarm
from tieout.live.reconciler import PositionReconciler
from tieout.live.roster import Roster
from tieout.live.schedule import Schedule
from tieout.live.telling import Outgoing, deliver_alerts, outgoing_of
from tieout.model.alerting import AlertSettings
from tieout.record.entry import Draft, EntryKind
from tieout.record.outbox import Outbox
from tieout.record.writer import Unit
from tieout.serve.desk import Desk
from tieout.serve.tasks import Place

ACTOR = "reload"
NAMED = 2000  # of the names of accounts, characters that stand in an entry
AT_A_START = ("record", "recorded", "service", "limits")
_log = logging.getLogger("tieout.service")


class Changes(Struct, frozen=True):
    """What another configuration changes: accounts by name, and tables that count from the next start on alone."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    alerts: bool
    at_a_start: tuple[str, ...]

    @property
    def none(self) -> bool:
        """Whether nothing of it takes effect now."""
        return not (self.added or self.changed or self.removed or self.alerts)


def watched(config: Config) -> dict[str, AccountConfig]:
    """The accounts that a service watches: those with two sides, unless they are switched off."""
    return {name: each for name, each in config.accounts.items() if each.reconciliation.enabled and each.broker}


def changes(old: Config, new: Config) -> Changes:
    """What *new* changes. Where secrets are told to be elsewhere, every account changes."""
    before, after = watched(old), watched(new)
    everywhere = old.secrets != new.secrets
    return Changes(
        added=tuple(sorted(after.keys() - before.keys())),
        changed=tuple(
            sorted(name for name in after.keys() & before.keys() if everywhere or after[name] != before[name])
        ),
        removed=tuple(sorted(before.keys() - after.keys())),
        alerts=old.alerts != new.alerts,
        at_a_start=tuple(name for name in AT_A_START if getattr(old, name) != getattr(new, name)),
    )


class Reloading:
    """Takes other configurations on.

    Args:
        desk: What runs.
        config: What it runs by.
        roster: Which reconciler has which account.
        sending: Where alerts are sent.
        alarm: The way to a person.
    """

    def __init__(
        self,
        desk: Desk,
        config: Config,
        roster: Roster,
        *,
        sending: Place,
        alarm: Alarm,
    ) -> None:
        self._desk, self._config, self._roster = desk, config, roster
        self._sending, self._alarm = sending, alarm

    async def take_on(self, config: Config) -> None:
        """Let *config* be in force, as far as it may change without a start. One at a time.

        Raises:
            BadInput: It is wrong, or lacks something; then everything is as it was.
            StateError: An engine's books cannot be had; then everything is as it was.
            RecordError: That it changed cannot be recorded; then everything is as it was.
        """
        chosen(config, ())
        found, running = changes(self._config, config), self._desk.running
        _require_free_folders(self._config, config, (*found.added, *found.changed))
        built = await running.sides.build(config, (*found.added, *found.changed))
        try:
            outgoing = self._outgoing(config.alerts) if found.alerts else None
            if not found.none:
                await self._record(config, found)
        except (BadInput, RecordError):
            for each in built.values():
                await each.closing.aclose()
            raise
        # Side by side: an account that may be acting is waited for, and the others do not wait for it.
        await asyncio.gather(
            *(self._drop(name) for name in found.removed),
            *(self._put(config, name, each) for name, each in built.items()),
        )
        if outgoing is not None:
            await self._sending.take(deliver_alerts(outgoing, self._desk.clock, self._alarm))
        self._config = config
        self._say(found)

    def _outgoing(self, settings: AlertSettings) -> Outgoing:
        record = self._desk.running.record
        assert record is not None, "a service has one"
        return outgoing_of(settings, Outbox(record), self._desk.clock, self._alarm, self._desk.running.accounts)

    @property
    def _schedule(self) -> Schedule:
        schedule = self._desk.schedule
        assert isinstance(schedule, Schedule), "workers that share accounts take nothing on"
        return schedule

    async def _put(self, config: Config, name: str, built: Built) -> None:
        running, schedule = self._desk.running, self._schedule
        reconciler = PositionReconciler(
            {name: built.account},
            self._desk.clock,
            record=running.record,
            alarm=self._alarm,
            reported=self._desk.measured.reported,
        )
        if name in running.accounts:
            await schedule.drop(name)
        await self._roster.put(built.account, reconciler, built.halts)
        await running.sides.keep(name, built)
        running.accounts[name] = built.account
        running.cadences[name] = cadence(config.account(name).reconciliation)
        schedule.put(built.account, running.cadences[name], built.listening and built.listening())

    async def _drop(self, name: str) -> None:
        running = self._desk.running
        await self._schedule.drop(name)
        await self._roster.drop(name)
        del running.accounts[name], running.cadences[name]
        self._desk.measured.forget(name)
        await running.sides.drop(name)

    async def _record(self, config: Config, found: Changes) -> None:
        """Before it counts: what was in force when is in the log."""
        refs: Mapping[str, str] = {
            "configuration": hashlib.sha256(msgspec.json.encode(watched(config), enc_hook=str)).hexdigest()[:12],
            **{name: _named(getattr(found, name)) for name in ("added", "changed", "removed") if getattr(found, name)},
            **({"alerts": "changed"} if found.alerts else {}),
        }
        draft = Draft(event=f"reload:{secrets.token_hex(8)}", kind=EntryKind.CONFIGURE, refs=refs, actor=ACTOR)
        record = self._desk.running.record
        assert record is not None, "a service has one"
        await record.write(Unit((draft,)))

    def _say(self, found: Changes) -> None:
        told = [f"{word} {_named(names)}" for word, names in
                (("added", found.added), ("changed", found.changed), ("removed", found.removed)) if names]  # fmt: skip
        told += ["alerts changed"] if found.alerts else []
        _log.info("another configuration is in force: %s", "; ".join(told) or "nothing that counts now has changed")
        for name in found.at_a_start:
            _log.warning("[%s] has changed, which counts from the next start on", name)


async def reload(path: Path, desk: Desk) -> None:
    """Take on what *path* says now. What is wrong with it is logged, each problem with its line, and the old one stays."""
    try:
        # Beside the accounts: a long file takes its time, and nobody is to be read late for it.
        await desk.take_on(await asyncio.to_thread(load, path, None))
    except BadInput as error:
        for problem in error.problems:
            _log.error("the configuration is refused: %s", located(problem))
    except StateError as error:
        _log.error("the configuration is refused, for an engine's books cannot be had: %s", error.why)
    except RecordError as error:
        _log.error("the configuration is refused, for that it changed cannot be recorded: %s", error.why)
    else:
        desk.measured.refused.set(0)
        return
    desk.measured.refused.set(1)


def _require_free_folders(old: Config, new: Config, names: Collection[str]) -> None:
    """Refuse engines' folders that what runs holds: one at a time has a folder, and what is new is built first."""
    held = {each.local.folder for each in watched(old).values() if isinstance(each.local, LocalEngine)}
    what = "the books of an engine's folder that is in use here change hands at a start alone"
    problems = [
        Problem(new.file, f"accounts.{name}", what, "start the service anew, or leave that account as it was")
        for name in names
        if isinstance(local := new.account(name).local, LocalEngine) and local.folder in held
    ]
    if problems:
        raise BadInput(problems)


def _named(names: tuple[str, ...]) -> str:
    text = ", ".join(names)
    return text if len(text) <= NAMED else f"{len(names)} accounts"
