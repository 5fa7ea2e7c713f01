"""What an account's streams tell calls for readings, a burst for one of what it touched; one that is refused is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing

from tieout.brokers.streams.base import Heard, Stream
from tieout.clock import Clock
from tieout.live.touched import Touched, both, touched_by
from tieout.live.watch import Trouble, Unfinished, Watch, caught

GATHER_S = 0.05  # what comes within it is seen by one reading
AGAIN_S = 600  # from one try to the next, where a person has to mend something first
AWAY_S = 300  # a stream that is away for so long is told


class Listener:
    """Listens to the streams of one account.

    Args:
        account: Its name.
        streams: What is listened to, side by side.
        clock: What is waited on.
        due: Is called where a reading is due, with what a burst touched; returns at once.
        watch: Is told of streams that cannot be heard.
    """

    def __init__(
        self,
        account: str,
        streams: Sequence[Stream],
        *,
        clock: Clock,
        due: Callable[[Touched], None],
        watch: Watch,
    ) -> None:
        self._account, self._streams, self._watch = account, tuple(streams), watch
        self._clock, self._dues = clock, [due]
        self._tasks: list[asyncio.Task[None]] = []
        self._gathering: asyncio.TimerHandle | None = None
        self._touched: Touched = frozenset()
        self._away: dict[str, asyncio.TimerHandle] = {}
        self._told: set[str] = set()  # streams that a person was told of

    def also(self, due: Callable[[Touched], None]) -> None:
        """Call *due*, too, where a reading is due."""
        self._dues.append(due)

    def start(self) -> None:
        """Begin."""
        names = [f"tieout hears {stream.name}" for stream in self._streams]
        self._tasks = [
            asyncio.create_task(self._listen(stream), name=name)
            for stream, name in zip(self._streams, names, strict=True)
        ]

    async def stop(self) -> None:
        """Listen no longer. Safe to repeat."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        for handle in (*self._away.values(), *([self._gathering] if self._gathering else ())):
            handle.cancel()
        self._away, self._gathering = {}, None
        for stream in self._streams:
            await stream.close()

    async def _listen(self, stream: Stream) -> None:
        """Hear a stream for ever. One that is refused, or fails in an unknown way, is tried again much later."""
        while True:
            ended = await caught(self._hear(stream))
            why = ended.why if isinstance(ended, Unfinished) else "it ended"
            self._tell(stream.name, f"the stream is not heard, and the venue is polled: {why}")
            await self._clock.sleep(AGAIN_S)

    async def _hear(self, stream: Stream) -> None:
        async with aclosing(stream.events()) as events:
            async for event in events:
                if event.what is Heard.LOST:
                    self._lost(stream.name, event.why)
                    continue
                if event.what is Heard.LISTENING:
                    self._found(stream.name)
                self._gather(touched_by(event))

    def _gather(self, touched: Touched) -> None:
        self._touched = both(self._touched, touched)
        if self._gathering is None:
            self._gathering = asyncio.get_running_loop().call_later(GATHER_S, self._gathered)

    def _gathered(self) -> None:
        self._gathering = None
        touched, self._touched = self._touched, frozenset()
        for due in self._dues:
            due(touched)

    def _lost(self, name: str, why: str) -> None:
        if name not in self._away:
            sentence = f"the stream has been away for {AWAY_S} s, and the venue is polled: {why}"
            self._away[name] = asyncio.get_running_loop().call_later(AWAY_S, self._tell, name, sentence)

    def _tell(self, name: str, sentence: str) -> None:
        self._told.add(name)
        self._watch.begin(self._account, Trouble.STREAM, sentence)

    def _found(self, name: str) -> None:
        handle = self._away.pop(name, None)
        if handle is not None:
            handle.cancel()
        self._told.discard(name)
        if not self._told:  # another one of the account may still be away
            self._watch.end(self._account, Trouble.STREAM)
