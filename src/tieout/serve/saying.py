"""What people say from the command line: approve, reject, accept, resolve, comment, halt, resume. Kept, and then heard.

Exit status: 0 it is said, 2 it is refused, 3 the record cannot be had.
"""

from __future__ import annotations

import asyncio
import getpass
import sys
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, TypeVar

from cyclopts import Parameter

from tieout.clock import SystemClock
from tieout.errors import BadInput, Problem
from tieout.model.discrepancy import ReconciliationStrategy
from tieout.serve.moments import moment_of
from tieout.serve.recorded import Place
from tieout.serve.render.text import inert

if TYPE_CHECKING:
    from tieout.record.people import People, Said

SAID, REFUSED = 0, 2
T = TypeVar("T")

AssetOption = Annotated[str | None, Parameter(name="--asset", help="This asset alone, as the broker spells it.")]
AmountsOption = Annotated[bool, Parameter(name="--amounts", help="Show the amounts that it is about.", negative=())]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Voice:
    """Who says it, and why."""

    reason: Annotated[str, Parameter(name=["--reason", "-r"], help="Why; kept in the log, sealed.")]
    actor: Annotated[str | None, Parameter(help="Who says it; you, by your name on this system, by default.")] = None

    @property
    def name(self) -> str:
        """Who says it.

        Raises:
            BadInput: This system does not know.
        """
        return self.actor if self.actor is not None else this_person()


def this_person() -> str:
    """Who types, by the name that this system has for them.

    Raises:
        BadInput: It has none.
    """
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        raise BadInput([Problem("--actor", "", "this system has no name for you", "give --actor")]) from None


def approve(break_id: str, /, *, voice: Voice, amounts: AmountsOption = False, place: Place = Place()) -> int:
    """Let what waits for a break be carried out, by the next reading that shows just what the last one showed.

    Parameters
    ----------
    break_id
        Its id, or the begin of it; `tieout breaks` lists what waits.
    """
    return _say(place, lambda people: people.approve(break_id, actor=voice.name, why=voice.reason, amounts=amounts))


def reject(break_id: str, /, *, voice: Voice, amounts: AmountsOption = False, place: Place = Place()) -> int:
    """Refuse what waits for a break: it is not asked for again while its evidence stays the same.

    Parameters
    ----------
    break_id
        Its id, or the begin of it.
    """
    return _say(place, lambda people: people.reject(break_id, actor=voice.name, why=voice.reason, amounts=amounts))


def known(
    break_id: str,
    /,
    *,
    until: Annotated[str, Parameter(help='Until when: a day ("2026-12-01"), a time, or from now on ("2h", "7d").')],
    voice: Voice,
    amounts: AmountsOption = False,
    place: Place = Place(),
) -> int:
    """Accept a break as it is until a date: it neither halts nor alerts, unless it grows.

    Parameters
    ----------
    break_id
        Its id, or the begin of it.
    """
    end = moment_of(until, "--until", SystemClock().now(), ahead=True)
    assert end is not None, "it is required"
    return _say(
        place, lambda people: people.accept(break_id, until=end, actor=voice.name, why=voice.reason, amounts=amounts)
    )


def resolve(
    break_id: str,
    /,
    *,
    strategy: Annotated[ReconciliationStrategy, Parameter(help="How.")],
    voice: Voice,
    amounts: AmountsOption = False,
    place: Place = Place(),
) -> int:
    """Have a break resolved by another strategy than the policy's, for as long as its difference stays what it is.

    Where the policy wants four eyes, somebody else has to approve it.

    Parameters
    ----------
    break_id
        Its id, or the begin of it.
    """
    return _say(
        place,
        lambda people: people.resolve(break_id, strategy=strategy, actor=voice.name, why=voice.reason, amounts=amounts),
    )


def comment(break_id: str, /, *, voice: Voice, place: Place = Place()) -> int:
    """Add a comment, the reason, to a break's life; it may be closed.

    Parameters
    ----------
    break_id
        Its id, or the begin of it.
    """
    return _say(place, lambda people: people.comment(break_id, actor=voice.name, why=voice.reason))


def assign(
    break_id: str,
    /,
    *,
    to: Annotated[str, Parameter(help="Who.")],
    voice: Voice,
    place: Place = Place(),
) -> int:
    """Say who is to look after a break; it is only said, and nothing waits for them.

    Parameters
    ----------
    break_id
        Its id, or the begin of it.
    """
    return _say(place, lambda people: people.assign(break_id, to=to, actor=voice.name, why=voice.reason))


def halt(account: str, /, *, asset: AssetOption = None, voice: Voice, place: Place = Place()) -> int:
    """Stop trading of an account, or of one of its assets, until somebody resumes it.

    Parameters
    ----------
    account
        The account, as it is configured.
    """
    return _say(place, lambda people: people.halt(account, asset=asset, actor=voice.name, why=voice.reason))


def resume(
    account: str,
    /,
    *,
    asset: AssetOption = None,
    voice: Voice,
    yes: Annotated[bool, Parameter(help="Do not ask.", negative=())] = False,
    place: Place = Place(),
) -> int:
    """Let trading go on. Shows what is halted and which breaks still stand, and asks.

    Parameters
    ----------
    account
        The account, as it is configured.
    """
    from tieout.serve.render.saying import lifting_lines, said_lines

    async def ask(people: People) -> int:
        standing = await people.lifting(account, asset=asset)
        _print(lifting_lines(standing), sys.stderr)
        if not yes and not _asked(
            f"Let trading of {account if asset is None else f'{asset} in {account}'} go on? [y/N] "
        ):
            _print(["Nothing was said."], sys.stderr)
            return REFUSED
        said = await people.resume(account, asset=asset, actor=voice.name, why=voice.reason, shown=standing.halts)
        _print(said_lines(said))
        return SAID

    return _with_people(place, ask)


def _say(place: Place, speak: Callable[[People], Awaitable[Said]]) -> int:
    from tieout.serve.render.saying import said_lines

    async def say(people: People) -> int:
        _print(said_lines(await speak(people)))
        return SAID

    return _with_people(place, say)


def _with_people(place: Place, work: Callable[[People], Awaitable[int]]) -> int:
    """Open the record, which has to be there, and let somebody speak."""
    from tieout.record.looking import check_there
    from tieout.record.opening import open_record
    from tieout.record.people import People

    async def run() -> int:
        clock = SystemClock()
        record = await open_record(settings, clock)
        try:
            return await work(People(record, clock))
        finally:
            await record.close()

    settings = place.settings
    check_there(settings.store)
    return asyncio.run(run())


def _asked(question: str) -> bool:
    print(inert(question), end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _print(lines: Iterable[str], to: object = None) -> None:
    for line in lines:
        print(inert(line), file=to or sys.stdout)  # type: ignore[arg-type]
