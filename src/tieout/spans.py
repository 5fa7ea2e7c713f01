"""What takes time, told to whoever traces it. Nobody does unless told to: then all of this is one look at a variable."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from typing import Final, Protocol

Facts = Mapping[str, str | int]


class Span(Protocol):
    """Something that takes time, while it does."""

    def tell(self, facts: Facts, *, name: str | None = None) -> None:
        """What is known of it by now, and what it is to be called from now on."""


class Tracer(Protocol):
    """Whoever is told."""

    def span(self, name: str, facts: Facts, *, whole: bool) -> AbstractContextManager[Span]:
        """A span for as long as it stands: within the present one, unless it is a *whole* of its own."""


class _Untold:
    """Nobody is told."""

    def tell(self, facts: Facts, *, name: str | None = None) -> None:
        """Nothing."""


TRACER: Final[ContextVar[Tracer | None]] = ContextVar("tracer", default=None)
_UNTOLD: Final[AbstractContextManager[Span]] = nullcontext(_Untold())
_NOTHING: Final[Facts] = {}


def span(name: str, facts: Facts = _NOTHING, *, whole: bool = False) -> AbstractContextManager[Span]:
    """Tell that *name* begins, and that it ends with the block, in which others may begin.

    Args:
        name: What it is called; from code alone.
        facts: What is known of it. MUST NOT bear an amount, a secret, or what somebody sent.
        whole: It belongs to nothing that is under way.
    """
    tracer = TRACER.get()
    return _UNTOLD if tracer is None else tracer.span(name, facts, whole=whole)
