"""Who looks at a page: whoever's session its cookie names, looked up anew for each page, each event and each update."""

from __future__ import annotations

from http.cookies import CookieError, SimpleCookie

import nicegui
from nicegui import ui

from tieout.record.grants import Denial
from tieout.serve.access.roles import Caller
from tieout.serve.api.guard import COOKIE
from tieout.serve.desk import Desk


def the_desk() -> Desk:
    """The desk behind all pages of this process."""
    desk: Desk = nicegui.app.state.desk
    return desk


async def caller_by(cookie: str | None, desk: Desk) -> Caller | None:
    """Whoever has the session of that cookie, as they are now; None where it counts no more.

    Raises:
        RecordError: It cannot be looked up.
    """
    session = None if not cookie else await desk.callers.by_session(cookie)
    return None if session is None else session.caller


async def visitor() -> Caller | None:
    """Whoever has the page open that this happens on, as they are now.

    Raises:
        RecordError: It cannot be looked up.
    """
    request = ui.context.client.request
    return None if request is None else await caller_by(request.cookies.get(COOKIE), the_desk())


async def note_denial(caller: Caller | None, why: str, account: str | None) -> None:
    """Log that somebody was not let on the page that this happens on.

    Raises:
        RecordError: It cannot be logged.
    """
    desk, request = the_desk(), ui.context.client.request
    address = None if request is None else request.client
    denial = Denial(
        who=None if caller is None else caller.name,
        origin="nowhere" if address is None else address.host,
        what=f"page {ui.context.client.page.path}",
        why=why,
        account=account if account in desk.accounts else None,
    )
    await desk.denials.note(denial)


def cookie_in(text: str) -> str | None:
    """The cookie of a session in a header."""
    try:
        found = SimpleCookie(text).get(COOKIE)
    except CookieError:
        return None
    return None if found is None else found.value
