"""`tieout replay --from-store`: a recorded history judged again, to see what another policy would have done."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal, TypeVar

import msgspec
from msgspec.structs import replace

from tieout.clock import SystemClock
from tieout.config import Config, load
from tieout.errors import BadInput, Problem, RecordUnavailable
from tieout.live.configuration import Configuration
from tieout.live.replaying import Change, Judged, judge_stored
from tieout.model.codec import encode
from tieout.record.looking import Looking, look, opened
from tieout.record.restoring import configuration_of
from tieout.record.stretches import Stretch, account_names, read_stretch
from tieout.serve.moments import moment_of
from tieout.serve.output import console, sink
from tieout.serve.recorded import record_settings
from tieout.serve.render.changed import Retold, render_changed, render_changed_page, summary

SAME, DIFFERENT = 0, 1
SHOW_PROGRESS_FROM = 200  # readings
T = TypeVar("T")


def replay_store(
    since: str,
    *,
    until: str | None = None,
    account: Sequence[str] = (),
    policy: Path | None = None,
    config: Path | None = None,
    store: str | None = None,
    keys: Path | None = None,
    format: Literal["table", "json", "html"] = "table",  # noqa: A002 - the option's public name
    output: Path | None = None,
) -> int:
    """Judge stored readings again, show what differs, and return the exit status: 0 nothing, 1 something.

    Args:
        since: From when on, as a person types it.
        until: Until when; None is up to the last.
        account: Of which accounts; empty is all.
        policy: A policy to judge by in place of the recorded one.
        config: Where the record is; what it says of settings, assets, accounts or policy is judged by, too.
        store: Where the record is, before what *config* says.
        keys: Where its keys are.
        format: How it is written; JSON is one line a reading that differs.
        output: A file instead of standard output.

    Raises:
        BadInput: An option, the configuration or the policy is not in order, or there is no such account.
        RecordError: The record cannot be read, or has no such readings.
    """
    now = SystemClock().now()
    start, end = moment_of(since, "--since", now), moment_of(until, "--until", now)
    assert start is not None, "since is required"
    changing = _Changing(config, policy)
    settings = record_settings(config, store, keys)
    told = look(settings, lambda seen: _retell(seen, start, end, accounts=account, changing=changing))
    if not told:
        raise RecordUnavailable(
            f"{settings.store if '://' not in settings.store else 'the store'}: {_none(since, until)}"
        )
    _write(told, format, output)
    return DIFFERENT if any(one.different for one in told) else SAME


def _none(since: str, until: str | None) -> str:
    span = f"since {since}" + (f" and before {until}" if until is not None else "")
    return f"there is no reading {span}; `tieout reports --limit 0` shows which there are"


class _Changing:
    """What is judged by instead of what was recorded: the settings that were given, the policy, or both."""

    def __init__(self, config: Path | None, policy: Path | None) -> None:
        self._config: Config = load(config, policy)
        given: dict[str, object] = {}
        for path in (config, policy):
            if path is not None:
                given |= tomllib.loads(path.read_text("utf-8"))
        self._settings = not given.keys().isdisjoint(("settings", "assets", "accounts", "profile"))
        accounts = given.get("accounts")
        own = [table for table in (accounts.values() if isinstance(accounts, dict) else ()) if isinstance(table, dict)]
        self._policy = any("policy" in table or "profile" in table for table in (given, *own))

    def of(self, account: str) -> Change | None:
        """The change for one account; None where nothing else was given."""
        if not self._settings and not self._policy:
            return None

        def change(recorded: Configuration) -> Configuration:
            now = self._config.account(account)
            settings = replace(now.settings, listed=recorded.settings.listed)  # the venue's word, not the file's
            return replace(
                recorded,
                settings=settings if self._settings else recorded.settings,
                policy=now.policy if self._policy else recorded.policy,
            )

        return change


def _retell(
    seen: Looking, since: datetime, until: datetime | None, *, accounts: Sequence[str], changing: _Changing
) -> list[Retold]:
    known = account_names(seen.connection)
    for name in accounts:
        if name not in known:
            raise BadInput(
                [Problem("--account", name, "not an account of this store", f"known are {', '.join(known)}")]
            )
    sealed = opened(seen)
    told = []
    for name in accounts or known:
        stretch = read_stretch(seen.connection, sealed, name, since=since, until=until)
        if stretch is not None:
            told.append(_judge(seen, stretch, changing.of(name)))
    return told


def _judge(seen: Looking, stretch: Stretch, change: Change | None) -> Retold:
    sealed, name = opened(seen), stretch.account
    judged = judge_stored(
        _progress(stretch.readings, stretch.before + stretch.total),
        stretch.state,
        lambda wanted: configuration_of(seen.connection, sealed, name, wanted),
        first=stretch.first,
        change=change,
    )
    first: Judged | None = None
    last: Judged | None = None
    different: list[Judged] = []
    for one in judged:
        first, last = first or one, one
        if not one.same:
            different.append(one)
    assert first is not None and last is not None, "a stretch has readings"
    return Retold(
        account=name,
        readings=stretch.total,
        first_at=first.recorded.started_at,
        last_at=last.recorded.started_at,
        different=tuple(different),
        asked=change is not None,
    )


def _progress(items: Iterable[T], total: int) -> Iterable[T]:
    """The same items, with a bar on standard error where a person waits there for long."""
    if not sys.stderr.isatty() or total < SHOW_PROGRESS_FROM:
        return items
    from rich.console import Console
    from rich.progress import track

    return track(items, total=total, description="judging again", console=Console(stderr=True), transient=True)


def _write(told: Sequence[Retold], style: str, output: Path | None) -> None:
    if style == "table":
        with console(output) as to:
            render_changed(told, to)
        return
    with sink(output) as write:
        if style == "html":
            write(render_changed_page(told))
            return
        for retold in told:
            for one in retold.different:
                write(_json(one) + "\n")
    for retold in told:
        print(summary(retold), file=sys.stderr)


def _json(one: Judged) -> str:
    made = one.recorded
    fields = {"account": made.account, "report_id": made.report_id, "at": made.started_at, "entry": one.entry}
    sides = {"recorded": msgspec.Raw(encode(made)), "replayed": msgspec.Raw(encode(one.replayed))}
    return msgspec.json.encode({**fields, **sides}).decode()
