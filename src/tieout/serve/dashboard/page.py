"""A page as one visitor has it open: its frame, what it follows, and who its visitor is at each moment."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from nicegui import ui
from nicegui.element import Element
from nicegui.elements.mixins.text_element import TextElement

from tieout.errors import RecordError, WordRefused
from tieout.serve.access.roles import Caller, Permission
from tieout.serve.dashboard.gate import LOGIN
from tieout.serve.dashboard.glancing import REST
from tieout.serve.dashboard.parts import put
from tieout.serve.dashboard.visitor import note_denial, the_desk, visitor

T = TypeVar("T")
EVERY = 1.5  # seconds
SECTIONS = {"/": "Accounts", "/breaks": "Breaks", "/history": "History", "/audit": "Log"}


class Page:
    """A page that is open.

    Args:
        title: Of its window.
        path: Which of the sections it belongs to.
        caller: Who opened it.
    """

    def __init__(self, title: str, path: str, caller: Caller) -> None:
        self.desk = the_desk()
        self._caller, self._client = caller, ui.context.client
        self._left = False
        ui.page_title(f"{title} · Tieout")
        self._frame(path)
        with put("div", id_="content") as self.body, put("div", classes="told"):
            self._stale = put("p", "", "alarm", role="alert")
            self._alarm = put("p", "", "alarm", role="alert")
            self._news = put("p", "", "news", role="status", aria_live="polite")
        self.dialogs = put("div")

    @property
    def caller(self) -> Caller:
        """The visitor, as they were when this page was made; a page is made anew where that changes."""
        return self._caller

    async def follow(self, read: Callable[[], Awaitable[T]], show: Callable[[T], None], *, every_ns: int = 0) -> None:
        """Show what *read* gives, now and whenever it gives something else.

        It is read while somebody looks, at each update of the page, but no more often than each *every_ns*, and after a long
        reading the page rests.
        """
        last: list[T] = []
        clock, due_ns = self.desk.clock, 0

        async def look() -> None:
            nonlocal due_ns
            if self._left:
                return
            try:
                if not await self._still_here():
                    return
                began_ns = clock.monotonic_ns()
                if last and began_ns < due_ns:
                    found = last[0]
                else:
                    found, ended_ns = await read(), clock.monotonic_ns()
                    due_ns = ended_ns + max(every_ns, REST * (ended_ns - began_ns))
            except RecordError as error:
                write(self._stale, f"The record cannot be read: {error}. What you see may be old.")
                return
            write(self._stale, "")
            self._pulse.props["data-beat"] = str(int(clock.now().timestamp() * 1000))
            if [found] != last:
                last[:] = [found]
                with self.body:
                    show(found)

        await look()
        with self.body:
            ui.timer(EVERY, look, immediate=False)

    async def let(
        self, permission: Permission, account: str | None = None, warn: Callable[[str], object] | None = None
    ) -> Caller | None:
        """The visitor, where they may do that now; where not *warn* is told why, and it is an entry of the log."""
        warn = warn or self.warn
        try:
            with self._client:  # the page's own place: that of the button goes where the page is shown anew meanwhile
                caller = await visitor()
                if caller is not None and caller.may(permission, account):
                    return caller
                why = "is not known" if caller is None else f"may not {permission}"
                await note_denial(caller, why, account)
        except RecordError as error:
            warn(f"Not done: {error}.")
            return None
        if caller is None:
            self._leave()
        else:
            warn(f"Not done: {caller.name} {why} here.")
        return None

    def on_press(
        self, button: Element, needs: Permission, account: str | None, act: Callable[[Caller], Awaitable[None]]
    ) -> None:
        """Let *button* begin *act* for whoever may then; what keeps it from being done is told."""

        async def pressed() -> None:
            caller = await self.let(needs, account)
            if caller is None:
                return
            try:
                await act(caller)
            except (WordRefused, RecordError) as error:
                self.warn(f"Not done: {error}.")

        button.on("click", pressed, args=[])

    def tell(self, sentence: str) -> None:
        """Say what was done; what went wrong before is no news any more."""
        write(self._news, sentence)
        write(self._alarm, "")

    def warn(self, sentence: str) -> None:
        """Say what went wrong, until something else is done."""
        write(self._alarm, sentence)
        write(self._news, "")

    async def _still_here(self) -> bool:
        caller = await visitor()
        if caller is None:
            self._leave()
        elif caller != self._caller:
            self._left = True
            self.body.clear()
            ui.navigate.reload()
        return not self._left

    def end(self, title: str, why: str, back: str, where: str) -> None:
        """Show this and nothing more, nor a dialog that was open; *back* leads to *where*."""
        self._left = True
        self.body.clear()
        self.dialogs.clear()
        with self.body:
            put("h1", title)
            put("p", why, role="alert")
            put("a", back, href=where)

    def _leave(self) -> None:
        why = "Your session has ended, or what it rested on was revoked."
        self.end("You are signed out", why, "Sign in again", LOGIN)

    def _frame(self, path: str) -> None:
        put("a", "Skip to the content", "skip", href="#content")
        with put("div", classes="top", role="banner"):
            put("a", "Tieout", "brand", href="/")
            with put("nav", aria_label="Pages"), put("ul"):
                for where, name in SECTIONS.items():
                    with put("li"):
                        put("a", name, href=where, aria_current="page" if where == path else None)
            with put("div", classes="mine"):
                self._pulse = put("span", "", "pulse", role="status", data_beat="0", data_stale="8000")
                put("span", self._caller.called, "who")
                put(
                    "button",
                    "◐",
                    "theme",
                    type="button",
                    data_theme_switch="",
                    aria_label="Light or dark",
                    title="Light or dark",
                )
                with put("form", method="post", action="/logout"):
                    put("button", "Sign out", type="submit")


def write(element: TextElement, sentence: str) -> None:
    """Let it say this, where it is still there: a page may have been shown anew meanwhile."""
    if not element.is_deleted and element.text != sentence:
        element.set_text(sentence)


async def opened(title: str, path: str, account: str | None = None) -> Page | None:
    """A page for whoever asks for it; None where they may not see it, and then it says so."""
    caller = await visitor()
    if caller is None:
        ui.navigate.to(LOGIN)
        return None
    page = Page(title, path, caller)
    if not caller.may(Permission.SEE, account):
        with page.body:
            put("h1", "Not for you")
        await page.let(Permission.SEE, account)
        return None
    return page
