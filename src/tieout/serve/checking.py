"""`tieout check`: one reconciliation of configured accounts, side by side, each read until it is settled."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from tieout.bootstrap import Running, chosen, opened
from tieout.config import Config, load
from tieout.errors import BadInput, Problem
from tieout.live.alarm import LoggedAlarm
from tieout.live.reconciler import PositionReconciler
from tieout.live.settling import reconcile_until_settled
from tieout.model.report import ReconciliationReport, Trigger
from tieout.serve.reported import FormatOption, OutputOption, exit_status, write_reports

DEFAULT_FILE = Path("tieout.toml")
NO_RECORD = "nothing is acted on, for there is no [record] that would remember it"


def check(
    *accounts: str,
    format: FormatOption = "table",  # noqa: A002 - the option's public name
    output: OutputOption = None,
    config: Annotated[Path, Parameter(help="Where the accounts are configured (TOML).")] = DEFAULT_FILE,
    dry_run: Annotated[bool, Parameter(help="Decide and record, and act on nothing.", negative=())] = False,
) -> int:
    """Reconcile configured accounts once, side by side.

    Both sides are read, compared and explained, and what the policy lets heal is healed. Where a difference is not confirmed
    by one reading, the settle window is waited for and both sides are read again, at most four times in all.

    Without a [record] in the configuration nothing is acted on.

    Parameters
    ----------
    accounts
        Which; all that the configuration has, by default.
    """
    reports = check_accounts(load(config, None), accounts, dry_run=dry_run)
    write_reports(reports, format, output, title="Reconciliation of " + ", ".join(each.account for each in reports))
    return exit_status(reports)


def check_accounts(config: Config, names: Sequence[str], *, dry_run: bool = False) -> list[ReconciliationReport]:
    """One report an account, in the order in which they were named.

    Raises:
        BadInput: A name is not configured, a secret is missing, or reconciliation is switched off.
        RecordError: The record cannot be opened.
    """
    wanted = _enabled(config, names)
    if not config.recorded and not dry_run:
        print(f"tieout: {NO_RECORD}", file=sys.stderr)
    return asyncio.run(_check(config, wanted, dry_run=dry_run))


def _enabled(config: Config, names: Sequence[str]) -> tuple[str, ...]:
    """The accounts that are asked for. One that is switched off is left out, unless it is asked for by name."""
    wanted = chosen(config, names)
    on = tuple(name for name in wanted if config.account(name).reconciliation.enabled)
    if on == wanted or (on and not names):
        return on
    what = "reconciliation is switched off"
    mend = "set enabled = true in [reconciliation], or RECONCILIATION_ENABLED=true in the environment"
    raise BadInput([Problem(config.file, f"accounts.{name}", what, mend) for name in wanted if name not in on])


async def _check(config: Config, names: Sequence[str], *, dry_run: bool) -> list[ReconciliationReport]:
    with _reasons():
        async with opened(config, names) as running:
            reports = list(await asyncio.gather(*(_one(running, name, dry_run=dry_run) for name in names)))
            await _tell(config, running)
            return reports


async def _tell(config: Config, running: Running) -> None:
    """Send the alerts that wait, once. What does not arrive waits on, for the next check or the service."""
    if running.record is None or not config.alerts.urls:
        return
    from tieout.live.telling import outgoing_of
    from tieout.record.outbox import Outbox

    told = outgoing_of(config.alerts, Outbox(running.record), running.clock, LoggedAlarm(), running.accounts)
    await told.round()


async def _one(running: Running, name: str, *, dry_run: bool) -> ReconciliationReport:
    # Without a record the account is in shadow mode: it is followed in memory until it settles, and nothing is acted on.
    by = _DryRun(running.reconciler) if dry_run and running.record is not None else running.reconciler
    settle = running.accounts[name].settings.settle_seconds
    return await reconcile_until_settled(by, name, running.clock, settle_seconds=settle)


class _DryRun:
    """A reconciler that acts on nothing."""

    def __init__(self, reconciler: PositionReconciler) -> None:
        self._reconciler = reconciler

    async def reconcile(self, account: str, *, trigger: Trigger = "manual") -> ReconciliationReport:
        """What would be done."""
        return await self._reconciler.reconcile(account, trigger=trigger, dry_run=True)


@contextmanager
def _reasons() -> Iterator[None]:
    """Say on standard error why a side could not be read, once each: the report names only the kind of failure."""
    log, said = logging.getLogger("tieout.observe"), set[str]()
    hearer = logging.StreamHandler(sys.stderr)
    hearer.setFormatter(logging.Formatter("tieout: %(message)s"))
    hearer.addFilter(lambda row: row.getMessage() not in said and not said.add(row.getMessage()))  # type: ignore[func-returns-value]
    level = log.level
    log.addHandler(hearer)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.removeHandler(hearer)
        log.setLevel(level)
