"""Orders by their place and their ids. A change of it can be taken back, at a cost that does not grow with what it holds."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from tieout.books.order_rules import Tracked
from tieout.errors import BookError
from tieout.model.snapshot import Order


class _Step(Struct, frozen=True):
    """What one change replaced: the order at a place (None: there was none), and the ids that were new with it."""

    key: int | None = None
    before: Tracked | None = None
    client: str | None = None
    broker: str | None = None
    seen: str | None = None


class OrderIndex:
    """The orders of one account, each at a place of its own, in the order of their arrival."""

    def __init__(self) -> None:
        self.tracked: dict[int, Tracked] = {}
        self.by_client: dict[str, int] = {}
        self.by_broker: dict[str, int] = {}
        self.seen: set[str] = set()
        self._live: set[int] = set()
        self._trail: list[_Step] = []

    @property
    def live(self) -> tuple[Order, ...]:
        """The orders that may still trade, in the order of their arrival."""
        return tuple(self.tracked[key].order for key in sorted(self._live))

    def place(self, client: str | None, broker: str | None) -> int | None:
        """Where the order stands that bears these ids, or None.

        Raises:
            BookError: They belong to different orders.
        """
        by_client = self.by_client.get(client) if client is not None else None
        by_broker = self.by_broker.get(broker) if broker is not None else None
        if by_client is not None and by_broker is not None and by_client != by_broker:
            raise BookError(f"order {client}", f"its broker id {broker} belongs to another order")
        return by_broker if by_client is None else by_client

    def need(self, client: str | None, broker: str | None) -> int:
        """The same, where there has to be one.

        Raises:
            BookError: There is none, or the ids belong to different orders.
        """
        key = self.place(client, broker)
        if key is None:
            raise BookError(f"order {client or broker}", "the books know no such order")
        return key

    def put(self, key: int, tracked: Tracked) -> Tracked | None:
        """Let an order stand at a place, under its ids; returns what stood there."""
        before, client, broker = self.tracked.get(key), tracked.order.client_order_id, tracked.order.broker_order_id
        step = _Step(
            key=key,
            before=before,
            client=None if client in self.by_client else client,
            broker=None if broker in self.by_broker else broker,
            seen=None if client in self.seen else client,
        )
        self._trail.append(step)
        if client is not None:
            self.by_client[client] = key
            self.seen.add(client)
        if broker is not None:
            self.by_broker[broker] = key
        self._stand(key, tracked)
        return before

    def note(self, client: str) -> bool:
        """Remember a client id as used; tells whether it was not used before."""
        news = client not in self.seen
        if news:
            self._trail.append(_Step(seen=client))
            self.seen.add(client)
        return news

    def fill(self, tracked: tuple[Tracked, ...]) -> None:
        """Hold these, at their places; their ids are told apart."""
        for key, each in enumerate(tracked):
            self._stand(key, each)

    def saved(self) -> Callable[[], None]:
        """A way back: calling it brings everything to where it is now."""
        size = len(self._trail)

        def back() -> None:
            while len(self._trail) > size:
                self._undo(self._trail.pop())

        return back

    def settle(self) -> None:
        """Forget the way back: no point that was saved is gone back to any more."""
        self._trail.clear()

    def _stand(self, key: int, tracked: Tracked) -> None:
        self.tracked[key] = tracked
        (self._live.add if tracked.order.live else self._live.discard)(key)

    def _undo(self, step: _Step) -> None:
        for name, held in ((step.client, self.by_client), (step.broker, self.by_broker)):
            if name is not None:
                del held[name]
        if step.seen is not None:
            self.seen.remove(step.seen)
        if step.key is None:
            return
        if step.before is not None:
            self._stand(step.key, step.before)
        else:
            del self.tracked[step.key]
            self._live.discard(step.key)
