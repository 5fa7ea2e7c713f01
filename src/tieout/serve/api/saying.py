"""What people say over the API: who says it, of what, under which key, and the answer to it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Annotated

from fastapi import Header, Request, Response
from msgspec import Struct

from tieout.model.halt import Halt
from tieout.record.people import People, Said
from tieout.serve.access.roles import Caller
from tieout.serve.api.guard import desk_of
from tieout.serve.api.shapes import answer

Once = Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=255)]


class Word(Struct, frozen=True, kw_only=True):
    """What was said, as it was kept: it is heard by the next reading.

    Attributes:
        entry: Where it stands in the log.
        again: Whether it was said before under the same key; then nothing was said twice.
        halts: The halts that it lifts, or, of a halt, those that stand.
        doubts: What to know before relying on it.
    """

    entry: int | None
    again: bool
    halts: tuple[Halt, ...] = ()
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Speaker:
    """Whoever says something, where they may.

    Attributes:
        people: What takes it.
        about: The id of the break, or the name of the account.
        actor: Who says it.
        once: What makes it harmless to say it again; None where no key was given.
    """

    people: People
    about: str
    actor: str
    once: str | None


def speaker(request: Request, caller: Caller, about: str, key: str | None) -> Speaker:
    """*caller*, who may say something of *about*; their *key* is made nobody else's."""
    once = None if key is None else hashlib.sha256(f"{caller.name}\n{key}".encode()).hexdigest()[:32]
    return Speaker(desk_of(request).people, about, caller.name, once)


def kept(said: Said) -> Response:
    """The answer to what was said."""
    return answer(Word(entry=said.word.entry, again=said.again, halts=said.halts, doubts=said.doubts))
