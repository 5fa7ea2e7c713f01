"""The witness behind real HTTP: statuses, content types, and two that ask at once."""

from __future__ import annotations

import asyncio
import socket

import pytest
from aiohttp import ClientSession

from tests.record.witness.conftest import Bench, Log
from tieout.record.tlog.note import Verifier, open_note
from tieout.record.witness.protocol import PATH, SIZE_TYPE
from tieout.record.witness.server import serving


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


IPV6 = pytest.mark.skipif(not _has_ipv6(), reason="this host has no IPv6")


@pytest.mark.parametrize("host", ["127.0.0.1", pytest.param("::1", marks=IPV6)])
async def test_what_is_answered_is_in_the_protocols_own_form(bench: Bench, log: Log, host: str) -> None:
    """A cosignature is the whole body; a conflict is the size, in its own content type; other paths and methods are none."""
    async with serving(bench.witness, host, 0, tell=bench.said.append) as url, ClientSession() as session:
        async with session.post(url + PATH, data=log.request(0, 5)) as answer:
            assert (answer.status, answer.content_type) == (200, "text/plain")
            note = open_note(log.signed(5) + await answer.read(), [Verifier(bench.signer.vkey)])
            assert note.unverified and note.signers == ("witness.test",)
        async with session.post(url + PATH, data=log.request(3, 9)) as answer:
            assert (answer.status, answer.headers["Content-Type"], await answer.text()) == (409, SIZE_TYPE, "5\n")
        async with session.get(url + PATH) as answer:
            assert answer.status == 405
        async with session.post(url + "/elsewhere", data=log.request(5, 9)) as answer:
            assert answer.status == 404
    assert bench.said == []


async def test_of_two_futures_sent_at_once_one_is_cosigned(bench: Bench, log: Log) -> None:
    """Twenty requests at once from one size, for two different futures: one wins, the others are told its size."""
    other = Log()
    other.leaves[7] = other.leaves[1]
    async with serving(bench.witness, "127.0.0.1", 0, tell=bench.said.append) as url, ClientSession() as session:

        async def ask(body: bytes) -> tuple[int, str]:
            async with session.post(url + PATH, data=body) as answer:
                return answer.status, await answer.text()

        assert (await ask(log.request(0, 5)))[0] == 200
        answers = await asyncio.gather(*(ask(each.request(5, 9)) for each in (log, other) * 10))
    assert sorted(status for status, _ in answers) == [200] + [409] * 19
    assert {text for status, text in answers if status == 409} == {"9\n"}
    with bench.memory.hold() as held:
        assert len(held.refused()) == 1
