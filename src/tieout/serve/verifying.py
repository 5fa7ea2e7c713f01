"""A verification with a bar for whoever waits for it, as several commands need it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tieout.record.settings import RecordSettings

if TYPE_CHECKING:
    from tieout.record.audit.trust import Trust
    from tieout.record.audit.verifying import Verified

BAR_FROM = 50_000  # entries that a person waits for


def trust_in(key: str | None, policy: Path | None, settings: RecordSettings) -> Trust:
    """Whom to believe: what was given, else the public keys in the folder of keys.

    Raises:
        BadInput: What was given is no key, or there is none.
    """
    from tieout.record.audit.trust import trust_of

    return trust_of(key, policy, settings.key_folder)


def verify_store(settings: RecordSettings, trust: Trust, head: Path | None, *, every: bool = False) -> Verified:
    """The whole log held against *trust*.

    Args:
        settings: Which record.
        trust: Whom to believe.
        head: The verifier's memory; None is in the user's state folder.
        every: Whether each single signature is checked.

    Raises:
        RecordUnavailable: It cannot be read.
    """
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
