"""`tieout access`: tokens for programs that ask the service. Each is shown once, and each change is an entry of the log."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Annotated, TypeVar

from cyclopts import App, Parameter

from tieout.clock import SystemClock
from tieout.errors import BadInput, Problem
from tieout.record.grants import Grants, TokenRow, list_tokens
from tieout.record.looking import check_there, look
from tieout.record.opening import open_record
from tieout.serve.access.roles import Role
from tieout.serve.access.tokens import make_token
from tieout.serve.output import console
from tieout.serve.recorded import Place
from tieout.serve.saying import this_person

DONE = 0
LONGEST_DAYS = 400
T = TypeVar("T")

app = App(name="access", help="Who may ask the service, and for what.", result_action="return_value", version_flags=())


@app.command
def token(
    name: str,
    /,
    *,
    role: Annotated[tuple[Role, ...], Parameter(help="What it may; may be repeated.", negative=())],
    account: Annotated[
        tuple[str, ...], Parameter(help="For this account alone; may be repeated.", negative=(), show_default=False)
    ] = (),
    amounts: Annotated[bool, Parameter(help="Show it amounts, whatever its roles.", negative=())] = False,
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
    if not name.strip() or len(name) > 255 or not name.isprintable():
        raise BadInput([Problem("name", "", "not a name", "give 1 to 255 printable characters")])
    made, now = make_token(), SystemClock().now()
    row = TokenRow(
        id=made.id,
        digest=made.digest,
        name=name,
        roles=tuple(sorted({str(each) for each in role})),
        accounts=tuple(sorted(set(account))) or None,
        amounts=amounts,
        created_at=now,
        created_by=this_person(),
        expires_at=now + timedelta(days=days),
    )
    _granted(place, lambda grants: grants.add_token(row))
    print(made.text)
    print(f"It counts until {row.expires_at:%Y-%m-%d %H:%M} UTC, and is not shown again.", file=sys.stderr)
    return DONE


@app.command
def tokens(*, place: Place = Place()) -> int:
    """List the tokens that were made; none can be shown again."""
    now = SystemClock().now()
    rows = look(place.settings, lambda seen: list_tokens(seen.connection))
    with console(None) as to:
        for row in rows:
            ended = "revoked" if row.revoked_at else "expired" if row.expires_at <= now else "counts"
            whose = "all accounts" if row.accounts is None else ", ".join(row.accounts)
            until = f"until {row.expires_at:%Y-%m-%d}"
            to.print(f"{row.id}  {ended:8}{until}  {row.name}: {', '.join(row.roles)}; {whose}", markup=False)
        if not rows:
            to.print("There is no token. `tieout access token NAME --role viewer` makes one.", markup=False)
    return DONE


@app.command
def revoke(token_id: str, /, *, place: Place = Place()) -> int:
    """Let a token count no more, from its next request on.

    Parameters
    ----------
    token_id
        Its id; `tieout access tokens` lists them.
    """
    now = SystemClock().now()
    _granted(place, lambda grants: grants.revoke_token(token_id, actor=this_person(), at=now))
    print(f"{token_id} is revoked.", file=sys.stderr)
    return DONE


def _granted(place: Place, work: Callable[[Grants], Awaitable[T]]) -> T:
    async def run() -> T:
        check_there(place.settings.store)
        record = await open_record(place.settings, SystemClock())
        try:
            return await work(Grants(record))
        finally:
            await record.close()

    return asyncio.run(run())
