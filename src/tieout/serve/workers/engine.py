"""`Engine`: what reconciles the accounts of a service, as desk, interface and pages see it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

from tieout.live.watch import Trouble
from tieout.model.report import ReconciliationReport
from tieout.model.snapshot import Fill


class Troubles(Protocol):
    """The watchman over the accounts that this process reconciles."""

    @property
    def accounts(self) -> Collection[str]:
        """The accounts that this process reconciles now."""

    def troubles(self, account: str) -> Mapping[Trouble, str]:
        """What is wrong with an account's reconciliations in this process now, each with its sentence."""

    def begin(self, account: str, trouble: Trouble, sentence: str) -> None:
        """Something is wrong with *account*."""

    def end(self, account: str, trouble: Trouble) -> None:
        """It is well again, as far as it was not."""


class Engine(Protocol):
    """Reconciles accounts when they are due. `Schedule` is one, for all of them; `SharedEngine` another, for its share."""

    @property
    def watch(self) -> Troubles:
        """The watchman over those."""

    async def start(self) -> object:
        """Begin. Run it as a task: it returns when it pleases."""

    async def stop(self) -> None:
        """Begin nothing more, and wait for what may be acting."""

    def on_fill(self, account: str, fill: Fill) -> None:
        """The books of *account* had a fill; returns at once."""

    def on_change(self, account: str) -> None:
        """Something of *account* changed, or may have; returns at once."""

    async def request(self, account: str) -> ReconciliationReport:
        """Reconcile on demand.

        Raises:
            ReconciliationError: It did not come to its end, or another process reconciles it.
        """
