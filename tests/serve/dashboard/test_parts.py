"""Parts of pages, as whoever follows them finds them."""

from __future__ import annotations

from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nicegui.elements.mixins.text_element import TextElement

from tests.serve.api.stage import Stage
from tests.serve.dashboard.bare import cookie_of, opened
from tieout.serve.access.roles import Role
from tieout.serve.dashboard.parts import Keyed, put

pytestmark = pytest.mark.asyncio(loop_scope="session")
WANTED = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 2)), max_size=6)


async def test_what_is_wanted_is_shown_in_its_order(stage: Stage) -> None:
    """Equal keys too, and however it changes: two alerts of one reading are told apart by nothing but their place."""

    @settings(max_examples=40)
    @given(looks=st.lists(WANTED, max_size=5))
    def shown(looks: list[list[tuple[str, int]]]) -> None:
        keyed = Keyed(parent := put("div"))
        for wanted in (*looks, []):
            keyed.show(wanted, lambda value: put("p", str(value)))
            assert [each.text for each in texts(parent)] == [str(value) for _, value in wanted]

    with opened(stage, await cookie_of(stage, "pat", Role.VIEWER)):
        shown()


def texts(parent: TextElement) -> list[TextElement]:
    """What stands in it."""
    return cast(list[TextElement], parent.default_slot.children)
