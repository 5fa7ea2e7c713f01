"""The client: what is added is pushed once the service can be reached, and nothing is lost, doubled or sent elsewhere."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.serve.api.pushing import books, fill
from tieout.client import AsyncBooksClient, BooksClient
from tieout.client.outbox import AT_ONCE
from tieout.clock import SystemClock
from tieout.errors import BookError, ServiceRefused, ServiceUnreachable

STATE = {
    "account": "main", "established": True, "why": None, "as_of": None, "stream": "s", "sequence": 0,
    "snapshot_wanted": False, "corrections": 0,
}  # fmt: skip


class Service:
    """What answers: as it would, or with what is put into `answers`."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Any]] = []
        self.answers: list[tuple[int, dict[str, str], bytes]] = []
        self.wait = threading.Event()
        self.wait.set()
        self.url = ""

    @property
    def events(self) -> list[str]:
        """The ids of the events that were taken, in order."""
        return [each["id"] for _, path, body in self.asked if path.endswith("/events") for each in body["events"]]

    def answer(self, method: str, path: str, raw: bytes) -> tuple[int, dict[str, str], bytes]:
        """One request."""
        self.wait.wait(10)
        if self.answers:
            return self.answers.pop(0)
        self.asked.append((method, path, json.loads(raw) if raw else None))
        if path.endswith("/events"):
            return 200, {}, json.dumps({"news": 0, "known": 0, "books": STATE}).encode()
        return 200, {}, json.dumps(STATE).encode()


@contextmanager
def serving() -> Iterator[Service]:
    """A service at an address of this machine."""
    service = Service()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.0"

        def _any(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, headers, body = service.answer(self.command, self.path, raw)
            self.send_response(status)
            for name, text in headers.items():
                self.send_header(name, text)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Nothing."""

    for verb in ("GET", "PUT", "POST"):
        setattr(Handler, f"do_{verb}", Handler._any)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    service.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield service
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def quick(service: Service, **settings: Any) -> BooksClient:
    """A client that does not pause between two tries."""
    client = BooksClient(service.url, "t", "main", **settings)
    client._ending.set()
    return client


def test_events_wait_for_the_snapshot_and_are_pushed_in_order() -> None:
    """Nothing goes out before the books whole; what they contain does not go out at all, and the rest once."""
    with serving() as service:
        client = quick(service)
        client.add_fill(fill("a"), event_id="a")
        assert client.flush() is None
        assert service.asked == []
        client.push_snapshot(books())
        for name in ("b", "c"):
            client.add_fill(fill(name), event_id=name)
        client.flush()
        client.flush()
        assert service.events == ["b", "c"]
        assert service.asked[-1][2]["through"] == 3  # also without events it is told how many there were


def test_what_did_not_get_through_is_kept_and_pushed_again() -> None:
    """Away, busy or cut off: tried again at once, and kept where that does not help."""
    with serving() as service:
        client = quick(service, tries=2)
        client.push_snapshot(books())
        client.add_fill(fill("a"), event_id="a")
        service.answers = [(503, {"Retry-After": "1"}, b"{}")]
        client.flush()
        assert service.events == ["a"]
        client.add_fill(fill("b"), event_id="b")
        service.answers = [(503, {}, b"{}"), (502, {}, b"")]
        with pytest.raises(ServiceUnreachable):
            client.flush()
        client.flush()
        assert service.events == ["a", "b"]
    client.add_fill(fill("c"), event_id="c")
    with pytest.raises(ServiceUnreachable):
        client.flush()
    assert [event.id for event in client._outbox.batch(client.clock.now()).events] == ["c"]


def test_a_refusal_is_not_repeated_and_says_why() -> None:
    """409 asks for a snapshot; a token that does not count is said in the service's own words."""
    with serving() as service:
        client = quick(service)
        client.push_snapshot(books())
        told = json.dumps({"status": 409, "title": "Conflict", "detail": "push a whole snapshot"}).encode()
        service.answers = [(409, {}, told)]
        with pytest.raises(ServiceRefused, match="push a whole snapshot"):
            client.flush()
        assert client.snapshot_wanted
        service.answers = [(403, {}, b'{"detail": "may not"}')]
        with pytest.raises(ServiceRefused, match="may not"):
            client.push_snapshot(books())
        assert len(service.asked) == 1


def test_more_than_it_holds_is_replaced_by_a_snapshot() -> None:
    """While the service is away events do not grow without an end: the books whole take their place."""
    with serving() as service:
        client = quick(service, most=3)
        client.push_snapshot(books())
        for number in range(5):
            client.add_fill(fill(str(number)))
        assert client.snapshot_wanted
        assert client.flush() is None
        client.push_snapshot(books())
        assert not client.snapshot_wanted
        assert client.flush() is not None
        assert service.events == []
        assert service.asked[-2][1].endswith("sequence=5")


async def add_while_a_snapshot_goes_out(service: Service, client: AsyncBooksClient, name: str) -> None:
    """A fill of that name is added after a snapshot was handed over, and before the service has it."""
    service.wait.clear()
    pushing = asyncio.create_task(client.push_snapshot(books()))
    await asyncio.sleep(0)
    client.add_fill(fill(name), event_id=name)
    service.wait.set()
    await pushing


async def test_an_overflow_ends_with_a_snapshot_behind_it_however_busy_the_program_is() -> None:
    """Events that come while the snapshot goes out are still there, and are pushed; what was lost is what matters."""
    with serving() as service:
        client = AsyncBooksClient(service.url, "t", "main", every=3600, most=3)
        await client.push_snapshot(books())
        for number in range(4):
            client.add_fill(fill(str(number)))
        assert client.snapshot_wanted
        await add_while_a_snapshot_goes_out(service, client, "b")
        assert not client.snapshot_wanted
        await client.flush()
        assert service.events == ["b"]


def test_an_overflow_while_a_snapshot_goes_out_outlives_it() -> None:
    """What was given up after the snapshot was taken is not in it."""
    with serving() as service:
        client = quick(service, most=3)
        taken = client.last
        for number in range(4):
            client.add_fill(fill(str(number)))
        client.push_snapshot_of(books(), taken)
        assert client.snapshot_wanted


def test_a_text_that_cannot_be_written_is_refused_where_it_is_added() -> None:
    """Half a character in an event would keep back everything behind it, and end the thread that pushes."""
    with serving() as service:
        client = BooksClient(service.url, "t", "main", every=3600)
        client.push_snapshot(books())
        with client:
            with pytest.raises(BookError, match="no text that can be written"):
                client.add_fill(fill("\ud800"))
            with pytest.raises(BookError):
                client.add_fill(fill("a"), event_id="\ud800")
            client.add_fill(fill("b"), event_id="b")
        assert (service.events, service.asked[-1][2]["through"], client.trouble) == (["b"], 1, None)


@pytest.mark.parametrize("header", [("Retry-After", "9" * 5000), ("Location", "http://[")])
def test_an_answer_out_of_its_senses_is_trouble_and_no_end(header: tuple[str, str]) -> None:
    """Whatever stands in its head, it is an answer that did not come."""
    with serving() as service:
        client = quick(service, tries=1)
        client.push_snapshot(books())
        service.answers = [(302 if header[0] == "Location" else 503, dict([header]), b"{}")]
        with pytest.raises(ServiceUnreachable):
            client._flushed()
        assert client.trouble is not None


def test_a_push_that_ends_by_a_fault_is_trouble() -> None:
    """A bug of ours is not taken for a push that went through."""

    class Broken(SystemClock):
        def now(self) -> datetime:
            raise ZeroDivisionError

    with serving() as service:
        client = quick(service, clock=Broken())
        client.push_snapshot(books())
        with pytest.raises(ZeroDivisionError):
            client._flushed()
        assert client.trouble == "the last push ended by a fault of this client"


def test_more_than_one_request_holds_is_no_gap() -> None:
    """A backlog goes out in several requests: that the service misses the rest after the first asks for no snapshot."""
    with serving() as service:
        client = quick(service)
        client.push_snapshot(books())
        for number in range(AT_ONCE + 2):
            client.add_fill(fill(str(number)))
        behind = {**STATE, "established": False, "snapshot_wanted": True}
        service.answers = [(200, {}, json.dumps({"books": behind}).encode())]
        assert client.flush() is not None
        assert (client.snapshot_wanted, len(service.events)) == (False, 2)
        service.answers = [(200, {}, json.dumps({"books": behind}).encode())]
        client.flush()
        assert client.snapshot_wanted


def test_the_token_goes_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not in the open beyond this machine, not after a redirection, and not through a proxy of the environment."""
    with pytest.raises(ValueError, match="https"):
        BooksClient("http://tieout.example.com", "t", "main")
    with serving() as service, serving() as other:
        monkeypatch.setenv("http_proxy", other.url)
        client = quick(service, tries=1)
        service.answers = [(302, {"Location": other.url}, b"")]
        with pytest.raises(ServiceRefused):
            client.push_snapshot(books())
        client.push_snapshot(books())
        assert (len(service.asked), other.asked) == (1, [])
        assert "'t'" not in repr(client._asking)


def test_as_a_context_it_pushes_by_itself() -> None:
    """A thread pushes what is added, and what waits at the end; trouble is said, and does not stop it."""
    with serving() as service:
        client = BooksClient(service.url, "t", "main", every=3600)
        client.push_snapshot(books())
        with client:
            client.add_fill(fill("a"), event_id="a")
        assert (service.events, client.trouble) == (["a"], None)


async def test_an_event_that_comes_while_a_snapshot_goes_out_is_not_lost() -> None:
    """Which events a snapshot contains is settled when it is handed over, not when it arrives."""
    with serving() as service:
        client = AsyncBooksClient(service.url, "t", "main", every=3600)
        client.add_fill(fill("a"), event_id="a")
        await add_while_a_snapshot_goes_out(service, client, "b")
        async with client:
            pass
        assert service.events == ["b"]
        assert service.asked[0][1].endswith("sequence=1")
