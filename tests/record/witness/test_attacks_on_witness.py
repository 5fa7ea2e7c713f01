"""Witnesses that lie, hang or flood, and logs that do: permission comes or is refused in time, and never falsely."""

from __future__ import annotations

import asyncio
import gzip
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp import ClientSession, web
from msgspec.structs import replace
from sqlalchemy import select

from tests.loopback import on_loopback
from tests.record.witness.conftest import Bench, Log
from tests.record.witness.test_guarding import NOWHERE, grow, witnessed
from tieout.clock import VirtualClock
from tieout.errors import LogBehind, RecordError, RecordUnavailable
from tieout.record import guarding, keys
from tieout.record.entry import Draft, EntryKind
from tieout.record.opening import open_record
from tieout.record.recorder import StoreRecord
from tieout.record.settings import RecordSettings
from tieout.record.store.schema import attestations, checkpoints
from tieout.record.tlog.checkpoint import Checkpoint, format_checkpoint
from tieout.record.tlog.note import Signature, Verifier, open_note, sign
from tieout.record.witness import server
from tieout.record.witness.protocol import MAX_REQUEST, PATH, Request, format_request
from tieout.record.writer import Unit

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@pytest.fixture
def on_file(tmp_path: Path) -> RecordSettings:
    """A record in a file; the same code reads both databases."""
    keys.create(tmp_path / "keys", "tieout-test")
    return RecordSettings(store=str(tmp_path / "tieout.db"), keys=str(tmp_path / "keys"))


@pytest.fixture
def watching(tmp_path: Path, on_file: RecordSettings) -> Bench:
    """A witness that knows that log."""
    (tmp_path / "witness").mkdir()
    return Bench(tmp_path / "witness", *keys.load(on_file.key_folder).verifiers)


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> float:
    """How long a witness is given in this test."""
    monkeypatch.setattr(guarding, "SECONDS", 0.5)
    return 0.5


@asynccontextmanager
async def answering(answer: Answer) -> AsyncIterator[str]:
    """A server in the witness' place."""
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", answer)
    async with on_loopback(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True) as url:
        yield url


async def refusal(settings: RecordSettings, vkey: str, url: str, clock: VirtualClock) -> RecordError:
    """Why a log of one entry may not be acted on, with that in the witness' place."""
    record = await open_record(replace(settings, witnesses={vkey: url}), clock)
    try:
        await grow(record, 1)
        with pytest.raises(RecordError) as caught:
            await record.permit()
    finally:
        await record.close()
    return caught.value


async def _body(request: web.Request, chunks: AsyncIterator[bytes], status: int = 200) -> web.StreamResponse:
    response = web.StreamResponse(status=status)
    await response.prepare(request)
    async for chunk in chunks:
        await response.write(chunk)
    return response


async def _endless() -> AsyncIterator[bytes]:
    while True:
        yield b"x\n" * 5000


async def _never() -> AsyncIterator[bytes]:
    yield b"\xe2\x80\x94 "
    await asyncio.Event().wait()


async def endless(request: web.Request) -> web.StreamResponse:
    """A body without an end."""
    return await _body(request, _endless())


async def hanging(request: web.Request) -> web.StreamResponse:
    """Nothing after the first bytes."""
    return await _body(request, _never())


async def silent(request: web.Request) -> web.StreamResponse:
    """Nothing at all."""
    await asyncio.Event().wait()
    raise AssertionError


async def garbage(request: web.Request) -> web.StreamResponse:
    """No text at all."""
    return web.Response(body=bytes(range(256)) * 8)


async def bomb(request: web.Request) -> web.StreamResponse:
    """64 MiB in 64 KB."""
    return web.Response(body=gzip.compress(bytes(1 << 26)), headers={"Content-Encoding": "gzip"})


async def elsewhere(request: web.Request) -> web.StreamResponse:
    """Another address, without an end."""
    raise web.HTTPTemporaryRedirect(str(request.url))


async def wordless(request: web.Request) -> web.StreamResponse:
    """A conflict that names no size."""
    return web.Response(status=409, text="-1\n")


@pytest.mark.parametrize("answer", [endless, hanging, silent, garbage, bomb, elsewhere, wordless])
async def test_whatever_stands_in_its_place_is_no_answer_and_soon(
    on_file: RecordSettings, watching: Bench, clock: VirtualClock, hurried: float, answer: Answer
) -> None:
    """Nonsense of any kind and length is refused as unavailable, never as a log that was cut, within the time."""
    async with answering(answer) as url:
        began = time.perf_counter()
        error = await refusal(on_file, watching.signer.vkey, url, clock)
    assert isinstance(error, RecordUnavailable)
    assert "witness witness.test" in error.why
    assert time.perf_counter() - began < hurried + 2


@pytest.mark.parametrize(
    "url", ["", "ftp://x", "http://", "http://[::1", "x y", "http://127.0.0.1:99999", "http://a..b"]
)
async def test_an_address_that_is_none_is_a_sentence(
    on_file: RecordSettings, watching: Bench, clock: VirtualClock, url: str
) -> None:
    """A wrong address stops acting with a sentence, and never with another failure."""
    assert isinstance(await refusal(on_file, watching.signer.vkey, url, clock), RecordUnavailable)


async def test_slow_conflicts_do_not_add_up(
    on_file: RecordSettings, watching: Bench, clock: VirtualClock, hurried: float
) -> None:
    """Each answer in time and another one asked for each time: all of them together have no longer than one."""
    asked = 0

    async def conflicts(request: web.Request) -> web.StreamResponse:
        nonlocal asked
        asked += 1
        await asyncio.sleep(hurried * 0.8)
        return web.Response(status=409, text=f"{(asked + 1) % 2}\n")

    async with answering(conflicts) as url:
        error = await refusal(on_file, watching.signer.vkey, url, clock)
    assert isinstance(error, RecordUnavailable)
    assert asked <= 2


async def test_many_accounts_wait_for_two_rounds_at_most(
    on_file: RecordSettings, watching: Bench, clock: VirtualClock, hurried: float
) -> None:
    """Twenty accounts that ask at once of a witness that hangs are all refused in the time of two."""
    asked = 0

    async def counted(request: web.Request) -> web.StreamResponse:
        nonlocal asked
        asked += 1
        return await silent(request)

    async with answering(counted) as url:
        record = await open_record(replace(on_file, witnesses={watching.signer.vkey: url}), clock)
        await grow(record, 1)
        answers = await asyncio.gather(*(record.permit() for _ in range(20)), return_exceptions=True)
        await record.close()
    assert all(isinstance(each, RecordUnavailable) for each in answers)
    assert asked <= 2


async def test_who_asks_during_a_round_is_not_answered_by_it(
    on_file: RecordSettings, watching: Bench, clock: VirtualClock
) -> None:
    """An intent written while another account is being permitted is cosigned, too, before its own permission."""
    async with witnessed(on_file, watching) as known:
        record = await open_record(known, clock)
        await grow(record, 1)

        async def act(number: int) -> None:
            draft = Draft(event=f"intent{number}", kind=EntryKind.HEARTBEAT)
            (entry,) = await record.write(Unit((draft,)))
            await record.permit()
            with watching.memory.hold() as held:
                ((_, seen),) = held.logs()
            assert seen.size > entry, number

        await asyncio.gather(*(act(number) for number in range(30)))
        await record.close()


async def test_an_answer_in_pieces_is_one(on_file: RecordSettings, watching: Bench, clock: VirtualClock) -> None:
    """A cosignature that arrives byte by byte counts."""

    async def pieces(request: web.Request) -> web.StreamResponse:
        reply = watching.witness.add_checkpoint(await request.read())

        async def each() -> AsyncIterator[bytes]:
            for number in range(len(reply.body)):
                yield reply.body[number : number + 1]
                await asyncio.sleep(0)

        return await _body(request, each(), reply.status)

    async with answering(pieces) as url:
        record = await open_record(replace(on_file, witnesses={watching.signer.vkey: url}), clock)
        await grow(record, 1)
        await record.permit()
        await record.close()


async def test_a_clock_that_was_ahead_gives_no_longer_patience(
    on_file: RecordSettings, watching: Bench, clock: VirtualClock
) -> None:
    """A cosignature that was kept in a time to come does not let act without a witness until then."""
    ahead = VirtualClock(clock.now() + timedelta(days=365))
    async with witnessed(on_file, watching) as known:
        record = await open_record(known, ahead)
        await grow(record, 1)
        await record.permit()
        await record.close()
    record = await open_record(replace(on_file, witnesses={watching.signer.vkey: NOWHERE}), clock)
    with pytest.raises(RecordUnavailable, match="no witness has cosigned"):
        await record.permit()
    await record.close()


async def test_two_processes_on_one_log_are_never_told_that_it_was_cut(
    settings: RecordSettings, tmp_path: Path, clock: VirtualClock
) -> None:
    """Both write and ask at once, again and again: each is permitted or told to ask again, and every line kept holds."""
    (tmp_path / "witness").mkdir()
    watching = Bench(tmp_path / "witness", *keys.load(settings.key_folder).verifiers)
    answers: list[object] = []
    async with witnessed(settings, watching) as known:
        both = [await open_record(known, clock) for _ in range(2)]
        for number, record in enumerate(both):
            await record.write(Unit((Draft(event=f"start{number}", kind=EntryKind.HEARTBEAT),)))

        async def run(number: int, record: StoreRecord) -> None:
            for turn in range(25):
                await record.write(Unit((Draft(event=f"{number}-{turn}", kind=EntryKind.HEARTBEAT),)))
                answers.extend(await asyncio.gather(record.permit(), record.permit(), return_exceptions=True))

        await asyncio.gather(*(run(number, record) for number, record in enumerate(both)))
        rows = await both[0].database.read(
            lambda connection: connection.execute(
                select(attestations.c.body, checkpoints.c.note).outerjoin(
                    checkpoints, checkpoints.c.size == attestations.c.size
                )
            ).all()
        )
        for record in both:
            await record.close()
    assert not [each for each in answers if isinstance(each, LogBehind)]
    assert answers.count(None) > len(answers) // 2
    assert len(rows) > 5
    for row in rows:
        assert open_note(row.note + row.body, [Verifier(watching.signer.vkey)]).signers == ("witness.test",)
    assert watching.said == []


@pytest.mark.parametrize("size", [(1 << 63) - 1, 1 << 63, (1 << 64) - 1])
def test_sizes_at_the_edge_are_answered(log: Log, bench: Bench, size: int) -> None:
    """A checkpoint over as many entries as a number holds is cosigned or refused, and what comes after it as well."""
    signed = sign(format_checkpoint(Checkpoint(log.name, size, bytes(32))), log.signer)
    for old in (0, 5, (1 << 63) - 1):
        assert bench.witness.add_checkpoint(format_request(Request(old, (), signed))).status in (200, 400, 403, 409)
    assert bench.witness.add_checkpoint(log.request(0, 5)).status in (200, 409)


def test_a_witness_keeps_no_more_than_what_the_log_signed(log: Log, bench: Bench) -> None:
    """Lines of strangers under a checkpoint are not kept: whoever can send one cannot fill the witness' disk with them."""
    assert bench.witness.add_checkpoint(log.request(0, 3)).status == 200
    forked = Log()
    forked.leaves.reverse()
    for size in range(4, 40):
        junk = Signature("stranger.test", b"abcd", bytes(60_000)).line()
        request = Request(3, forked.proof(3, size), forked.signed(size) + junk)
        assert bench.witness.add_checkpoint(format_request(request)).status == 422
    with bench.memory.hold() as held:
        kept = held.refused()
    assert len(kept) == 36
    assert max(len(each.signed) + len(each.before) for each in kept) < 2000
    known = [Verifier(log.signer.vkey)]
    assert all(open_note(each.signed, known).signers == (log.name,) for each in kept)


async def test_a_log_that_floods_a_witness_gets_a_short_answer(
    bench: Bench, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bodies that are too long, packed, or do not end are refused; the next honest log is answered."""
    monkeypatch.setattr(server, "SECONDS", 0.3)

    async def slow() -> AsyncIterator[bytes]:
        yield b"old 0\n"
        await asyncio.sleep(30)

    async with (
        server.serving(bench.witness, "127.0.0.1", 0, tell=bench.said.append) as url,
        ClientSession() as session,
    ):
        packed = {"data": gzip.compress(bytes(1 << 26)), "headers": {"Content-Encoding": "gzip"}}
        for words, status in (({"data": bytes(MAX_REQUEST + 1)}, 413), (packed, 400), ({"data": slow()}, 408)):
            async with session.post(url + PATH, **words) as answer:
                assert answer.status == status
        async with session.post(url + PATH, data=log.request(0, 3)) as answer:
            assert answer.status == 200
    assert bench.said == []
