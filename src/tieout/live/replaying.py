"""Judging a stored history again: by what it was judged by then, or by another policy, acting on nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache

import msgspec
from msgspec import Struct

from tieout.live.configuration import Configuration, decode_configuration
from tieout.live.rejudging import after, judge_again, state_before
from tieout.live.road import State
from tieout.model.codec import encode
from tieout.model.report import ReconciliationReport
from tieout.record.base import Past

Change = Callable[[Configuration], Configuration]
_state = msgspec.msgpack.Decoder(State)


class Judged(Struct, frozen=True):
    """A reading that was judged again: its report as it was recorded, and as it would be now."""

    entry: int
    recorded: ReconciliationReport
    replayed: ReconciliationReport

    @property
    def same(self) -> bool:
        """Whether both are the same to the byte."""
        return encode(self.recorded) == encode(self.replayed)


def judge_stored(
    readings: Iterable[Past],
    state: bytes | None,
    stored: Callable[[str], bytes],
    *,
    first: int,
    change: Change | None = None,
) -> Iterator[Judged]:
    """Judge *readings* of one account again, in their order.

    What was acted on in truth stays so: the statements that follow show it. A case that only the change would act on is never
    acted on, so it is listed in every reading in which its break stands, as in any replay.

    Args:
        readings: As they were kept, from the one on that *state* is the state before.
        state: The whole state that was kept before them; None is that of an account never read before.
        stored: Gives settings and policy, as they were kept, by their name.
        first: The entry from which on readings are judged by the change, and told; those before only leave their state.
        change: Makes of recorded settings and policy those to judge by; None judges by the recorded ones.

    Raises:
        RecordError: *stored* or *readings* may raise it.
    """
    known = cache(lambda name: decode_configuration(stored(name)))
    standing = State() if state is None else _state.decode(state)
    for past in readings:
        configuration = known(past.configuration)
        asked = past.entry >= first
        standing = state_before(past, standing)
        outcome = judge_again(past, standing, change(configuration) if asked and change else configuration)
        standing = after(past, outcome)
        if asked:
            yield Judged(past.entry, past.report, outcome.report)
