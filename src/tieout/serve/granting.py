"""`tieout access`: who may ask the service. Tokens are shown once, passwords never; each change is an entry of the log."""

from __future__ import annotations

import asyncio
import getpass
import sys
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Annotated, TypeVar

from cyclopts import App, Parameter

from tieout.clock import SystemClock
from tieout.errors import BadInput, Problem
from tieout.record.granted import Granted
from tieout.record.grants import Grants, TokenRow, list_tokens
from tieout.record.looking import check_there, look
from tieout.record.opening import open_record
from tieout.record.recorder import StoreRecord
from tieout.record.users import UserRow, Users, list_users
from tieout.serve.access.passwords import Passwords
from tieout.serve.access.roles import Role, require_name
from tieout.serve.access.tokens import make_token
from tieout.serve.output import console
from tieout.serve.recorded import Place
from tieout.serve.saying import this_person

DONE = 0
LONGEST_DAYS = 400
T = TypeVar("T")

app = App(name="access", help="Who may ask the service, and for what.", result_action="return_value", version_flags=())
RoleOption = Annotated[tuple[Role, ...], Parameter(name="--role", help="What it may; may be repeated.", negative=())]
AccountOption = Annotated[
    tuple[str, ...],
    Parameter(name="--account", help="For this account alone; may be repeated.", negative=(), show_default=False),
]
AmountsOption = Annotated[bool, Parameter(name="--amounts", help="Show it amounts, whatever its roles.", negative=())]


@app.command
def token(
    name: str,
    /,
    *,
    role: RoleOption,
    account: AccountOption = (),
    amounts: AmountsOption = False,
    days: Annotated[int, Parameter(help="How long it counts.")] = 90,
    place: Place = Place(),
) -> int:
    """Make a token and print it, this once.

    Parameters
    ----------
    name
        Whose it is, as the log is to name it.
    """
    if not 1 <= days <= LONGEST_DAYS:
        raise BadInput([Problem("--days", str(days), "no time for a token", f"give 1 to {LONGEST_DAYS}")])
    require_name(name)
    made, now = make_token(), SystemClock().now()
    row = TokenRow(
        id=made.id,
        digest=made.digest,
        name=name,
        roles=tuple(sorted(set(role))),
        accounts=tuple(sorted(set(account))) or None,
        amounts=amounts,
        created_at=now,
        created_by=this_person(),
        expires_at=now + timedelta(days=days),
    )
    _granted(place, lambda record: Grants(record).add_token(row))
    print(made.text)
    print(f"It counts until {row.expires_at:%Y-%m-%d %H:%M} UTC, and is not shown again.", file=sys.stderr)
    return DONE


@app.command
def tokens(*, place: Place = Place()) -> int:
    """List the tokens that were made; none can be shown again."""
    now = SystemClock().now()
    rows = look(place.settings, lambda seen: list_tokens(seen.connection))
    lines = [f"{row.id}  {_state(row.revoked_at, 'revoked', row.expires_at, now)}  {_told(row)}" for row in rows]
    return _listed(lines, "There is no token. `tieout access token NAME --role viewer` makes one.")


@app.command
def revoke(token_id: str, /, *, place: Place = Place()) -> int:
    """Let a token count no more, from its next request on.

    Parameters
    ----------
    token_id
        Its id; `tieout access tokens` lists them.
    """
    actor, now = this_person(), SystemClock().now()
    _granted(place, lambda record: Grants(record).revoke_token(token_id, actor=actor, at=now))
    print(f"{token_id} is revoked.", file=sys.stderr)
    return DONE


@app.command
def user(
    name: str,
    /,
    *,
    role: RoleOption,
    account: AccountOption = (),
    amounts: AmountsOption = False,
    place: Place = Place(),
) -> int:
    """Let a person log in; asks for their password, twice.

    Parameters
    ----------
    name
        Who, as the log is to name them; a name is never given twice.
    """
    require_name(name)
    password = asyncio.run(Passwords().hash(_typed(name)))
    row = UserRow(
        name=name,
        roles=tuple(sorted(set(role))),
        accounts=tuple(sorted(set(account))) or None,
        amounts=amounts,
        created_at=SystemClock().now(),
        created_by=this_person(),
        password=password,
    )
    _granted(place, lambda record: Users(record).add(row))
    print(f"{name} may log in.", file=sys.stderr)
    return DONE


@app.command
def users(*, place: Place = Place()) -> int:
    """List who may log in, and who no longer may."""
    rows = look(place.settings, lambda seen: list_users(seen.connection))
    lines = [f"{'disabled' if row.disabled_at else 'may':10}{_told(row)}{_called(row)}" for row in rows]
    return _listed(lines, "There is no user. `tieout access user NAME --role viewer` makes one.")


@app.command
def password(name: str, /, *, place: Place = Place()) -> int:
    """Give a user another password, which is asked for, and log them out everywhere.

    Parameters
    ----------
    name
        Who.
    """
    actor, hashed = this_person(), asyncio.run(Passwords().hash(_typed(name)))
    now = SystemClock().now()
    _granted(place, lambda record: Users(record).set_password(name, hashed, actor=actor, at=now))
    print(f"{name} has another password.", file=sys.stderr)
    return DONE


@app.command
def disable(name: str, /, *, place: Place = Place()) -> int:
    """Let a user log in no more, and log them out everywhere.

    Parameters
    ----------
    name
        Who.
    """
    actor, now = this_person(), SystemClock().now()
    _granted(place, lambda record: Users(record).disable(name, actor=actor, at=now))
    print(f"{name} may log in no more.", file=sys.stderr)
    return DONE


def _typed(name: str) -> str:
    """A password as a person types it, twice; or the one line that a script gives."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    first = getpass.getpass(f"Password of {name}: ")
    if getpass.getpass("Once more: ") != first:
        raise BadInput([Problem("password", "", "typed in two ways", "type the same twice")])
    return first


def _state(taken_at: datetime | None, taken: str, expires_at: datetime, now: datetime) -> str:
    ended = taken if taken_at is not None else "expired" if expires_at <= now else "counts"
    return f"{ended:8}until {expires_at:%Y-%m-%d}"


def _told(row: Granted) -> str:
    whose = "all accounts" if row.accounts is None else ", ".join(row.accounts)
    return f"{row.name}: {', '.join(row.roles)}; {whose}" + ("; amounts" if row.amounts else "")


def _called(row: UserRow) -> str:
    return "" if row.issuer is None else f"; called {row.display or 'nothing'} by {row.issuer}"


def _listed(lines: list[str], none: str) -> int:
    with console(None) as to:
        for line in lines or [none]:
            to.print(line, markup=False, highlight=False, soft_wrap=True)
    return DONE


def _granted(place: Place, work: Callable[[StoreRecord], Awaitable[T]]) -> T:
    async def run() -> T:
        check_there(place.settings.store)
        record = await open_record(place.settings, SystemClock())
        try:
            return await work(record)
        finally:
            await record.close()

    return asyncio.run(run())
