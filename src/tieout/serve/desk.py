"""`Desk`: what API and pages stand on. They read the store through it, say what people say, and hold no state themselves."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct

from tieout.bootstrap import Running
from tieout.clock import Clock
from tieout.config import Config
from tieout.live.roster import Roster
from tieout.model.halt import Halt
from tieout.record.drawer import Drawer
from tieout.record.grants import Grants
from tieout.record.looking import Looking
from tieout.record.overview import Glance, Overview
from tieout.record.people import People
from tieout.record.recorder import StoreRecord
from tieout.record.users import Users
from tieout.serve.access.callers import Callers
from tieout.serve.access.denials import Denials
from tieout.serve.access.pace import Pace
from tieout.serve.measuring import Measured
from tieout.serve.workers.engine import Engine

if TYPE_CHECKING:
    from tieout.serve.access.elsewhere import Elsewhere

T = TypeVar("T")
LOGINS_A_MINUTE = 60  # from one address
REQUESTS_A_MINUTE = 1200  # of one caller, and of one address that nobody is known at


class AccountState(Struct, frozen=True, kw_only=True):
    """How one account stands, without amounts.

    Attributes:
        account: Its name.
        status: Of its last reading; None where there was none yet.
        read_at: When that began.
        age_seconds: How long ago that was.
        overdue_after_seconds: From which age on it is overdue.
        worst: The worst severity among its open breaks; None where there is none.
        open_breaks: How many breaks are open, by severity.
        awaits: How many of them wait for a person's approval.
        halts: The halts that stand.
        troubles: What is wrong with its reconciliations, each a sentence.
    """

    account: str
    status: str | None
    read_at: datetime | None
    age_seconds: int | None
    overdue_after_seconds: int
    worst: str | None
    open_breaks: dict[str, int]
    awaits: int
    halts: tuple[Halt, ...]
    troubles: tuple[str, ...]


class Desk:
    """What runs, as whoever looks at it or says something to it finds it.

    Args:
        running: Accounts, reconciler and record.
        schedule: What reconciles those of them that fall to this process.
        record: The same record, which a service cannot do without.
        measured: What the service measures of itself.
        clock: Where time comes from.
        roster: What says to which reconciler words of people go; the one of *running* unless told otherwise.

    Attributes:
        take_on: Takes another configuration on, while all of this runs.
    """

    take_on: Callable[[Config], Awaitable[None]]

    def __init__(
        self,
        running: Running,
        schedule: Engine,
        record: StoreRecord,
        measured: Measured,
        clock: Clock,
        *,
        roster: Roster | None = None,
    ) -> None:
        self.running, self.schedule, self.measured, self.clock = running, schedule, measured, clock
        self.people = People(record, clock, tell=(roster or running.reconciler).say)
        self.grants, self.users = Grants(record), Users(record)
        self.callers = Callers(self.grants, self.users, clock)
        self.elsewhere: Elsewhere | None = None  # where people may sign in besides; the service says
        self.drawer = Drawer(record)
        self.closing = asyncio.Event()  # whoever listens for what happens is to hang up
        self.denials, self.pace = Denials(self.grants, clock), Pace(REQUESTS_A_MINUTE, clock)
        self.logins = Pace(LOGINS_A_MINUTE, clock)
        self.streams = Counter[str]()  # of events, that are open, by caller
        self.arriving = 0  # bytes of requests that are not whole yet
        self._record = record
        self._overview, self._glancing = Overview(), asyncio.Lock()

    @property
    def accounts(self) -> tuple[str, ...]:
        """The accounts that are watched, by name."""
        return tuple(sorted(self.running.accounts))

    async def look(self, work: Callable[[Looking], T], *, amounts: bool) -> T:
        """The result of *work* on one consistent state of the record; without *amounts* nothing sealed can be opened.

        Raises:
            RecordUnavailable: It cannot be read now.
        """
        sealed = self._record.payloads if amounts else None
        locked = None if amounts else "amounts are not shown to you"
        return await self._record.database.read(lambda connection: work(Looking(connection, sealed, locked)))

    async def states(self, names: Collection[str]) -> tuple[AccountState, ...]:
        """How each of the accounts *names* stands, by name; those that are not watched are left out.

        Raises:
            RecordUnavailable: The record cannot be read now.
        """
        return tuple(self.state(each) for each in await self.glances(names))

    async def glances(self, names: Collection[str]) -> tuple[Glance, ...]:
        """The same, as the record has it: with the breaks, and with what waits.

        Raises:
            RecordUnavailable: The record cannot be read now.
        """
        now, wanted = self.clock.now(), [name for name in names if name in self.running.accounts]
        async with self._glancing:  # whoever asks meanwhile finds most of it done
            overview = self._overview
            found = await self.look(
                lambda seen: overview.glance(seen.connection, seen.sealed, wanted, now), amounts=True
            )
        # Meanwhile accounts may have gone.
        return tuple(each for each in found if each.account in self.running.cadences)

    def state(self, seen: Glance) -> AccountState:
        """How an account stands that was seen just now."""
        now = self.clock.now()
        counts = dict[str, int]()
        for row in seen.breaks:
            counts[row.severity] = counts.get(row.severity, 0) + 1
        read_at = None if seen.last is None else seen.last.started_at
        return AccountState(
            account=seen.account,
            status=None if seen.last is None else seen.last.status,
            read_at=read_at,
            age_seconds=None if read_at is None else max(0, (now - read_at) // timedelta(seconds=1)),
            overdue_after_seconds=self.running.cadences[seen.account].overdue_seconds,
            worst=seen.breaks[0].severity if seen.breaks else None,
            open_breaks=counts,
            awaits=sum(row.awaits for row in seen.breaks),
            halts=() if seen.standing is None else seen.standing.halts,
            troubles=tuple(sorted(self.schedule.watch.troubles(seen.account).values())),
        )
