"""Pages of a real service as they are made, without a browser: what they say is read off their elements."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import nicegui
import pytest
from nicegui import Client, ui
from nicegui.element import Element
from nicegui.elements.mixins.text_element import TextElement
from nicegui.page import page
from starlette.requests import Request

from tests.serve.api.stage import CLOCK, PASSWORD, Stage
from tieout.clock import VirtualClock
from tieout.serve.access.roles import Role
from tieout.serve.api.guard import COOKIE
from tieout.serve.dashboard.glancing import Glances


class Bare:
    """A page that somebody has open.

    Args:
        client: NiceGUI's.
        clock: What pages go by; readings take no time unless somebody advances it.
    """

    def __init__(self, client: Client, clock: VirtualClock) -> None:
        self._client, self.clock = client, clock

    def told(self, classes: str = "") -> list[str]:
        """What is said, in the order in which it was made; where *classes* is given by those elements alone."""
        elements = [each for each in self._client.elements.values() if isinstance(each, TextElement)]
        return [each.text for each in elements if each.text and (not classes or classes in each.classes)]

    def clear(self) -> None:
        """Take all away that is shown, as a page does that is made anew."""
        for each in list(self._client.layout.descendants()):
            if each.props.get("id") == "content":
                each.clear()
        gc.collect()

    async def look(self) -> None:
        """The page looks again, as it does while somebody has it open."""
        (timer,) = (each for each in self._client.elements.values() if isinstance(each, ui.timer))
        await timer.callback()  # type: ignore[misc]

    async def press(self, label: str) -> None:
        """Press the button of that label."""
        await self._heard("click", lambda each: label in (each.props.get("aria-label"), getattr(each, "text", "")))

    async def send(self, **fields: str) -> None:
        """Send the form of the question that is open."""
        await self._heard("submit", lambda _: True, fields)

    async def _heard(self, kind: str, fits: Callable[[Element], bool], sent: Any = None) -> None:
        (found,) = (
            (each, element.parent_slot)
            for element in self._client.elements.values()
            if fits(element)
            for each in element._event_listeners.values()
            if each.type == kind
        )
        listener, place = found
        event = nicegui.events.GenericEventArguments(sender=self._client.layout, client=self._client, args=sent)
        with (
            self._client,
            place or self._client.layout,
        ):  # as NiceGUI enters them
            await (listener.handler(event) if kind == "submit" else listener.handler())  # type: ignore[misc]


@contextmanager
def opened(stage: Stage, cookie: str, path: str = "/") -> Iterator[Bare]:
    """Whatever is made within is a page of whoever has that cookie, at that path with its query."""
    path, _, query = path.partition("?")
    scope = {
        "type": "http", "method": "GET", "path": path, "query_string": query.encode(), "client": ("127.0.0.1", 1),
        "headers": [(b"cookie", f"{COOKIE}={cookie}".encode())], "server": ("127.0.0.1", 80), "scheme": "http",
    }  # fmt: skip
    clock = VirtualClock(CLOCK.now())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stage.desk, "clock", clock)
        patch.setitem(nicegui.app.state._state, "desk", stage.desk)
        patch.setitem(nicegui.app.state._state, "glances", Glances(stage.desk))
        with Client(page(path), request=Request(scope)) as client:
            yield Bare(client, clock)
        client.delete()


async def cookie_of(stage: Stage, name: str, *roles: Role) -> str:
    """The cookie of somebody who logged in."""
    await stage.user(name, *roles)
    return (await stage.desk.callers.login(name, PASSWORD)).cookie
