"""The streams of one account: the venue's own where it has one, and looks at what it does not tell."""

from __future__ import annotations

import random as randomness

from tieout.brokers.base import BrokerAdapter
from tieout.brokers.streams.base import Stream
from tieout.brokers.streams.kept import Dialect, KeptStream
from tieout.brokers.streams.polled import Polled
from tieout.clock import Clock


def streams(
    broker: BrokerAdapter,
    dialect: Dialect | None,
    *,
    clock: Clock,
    random: randomness.Random,
    poll_seconds: int,
) -> tuple[Stream, ...]:
    """What is listened to for the account behind *broker*.

    Args:
        broker: The account's adapter.
        dialect: How its venue is listened to; None where it has no stream, or none is wanted.
        clock: What is waited on.
        random: For jitter.
        poll_seconds: From one look to the next while the venue tells nothing by itself.
    """
    if dialect is None:
        return (Polled(broker, clock=clock, seconds=poll_seconds),)
    kept = KeptStream(broker.name, dialect, clock=clock, random=random)
    return kept, Polled(broker, clock=clock, seconds=poll_seconds, told=lambda: kept.listening)
