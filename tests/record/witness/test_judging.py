"""What a witness cosigns, and what it refuses."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.record.witness.conftest import Bench, Log
from tieout.errors import ProofRefused
from tieout.record.tlog.checkpoint import Checkpoint, format_checkpoint
from tieout.record.tlog.note import Verifier, cosigned_at, open_note, sign
from tieout.record.witness.protocol import Request, format_request, parse_request


def test_what_extends_is_cosigned_by_its_key_and_time(bench: Bench, log: Log) -> None:
    """Each checkpoint that extends the last one gets a line that holds under it, with the witness' time."""
    old = 0
    for size in (1, 3, 3, 4, 7, 33, 64):
        bench.clock.advance(10)
        reply = bench.witness.add_checkpoint(log.request(old, size))
        assert reply.status == 200
        note = open_note(log.signed(size) + reply.body, [Verifier(bench.signer.vkey)])
        assert [cosigned_at(each) for each in note.verified] == [int(bench.clock.now().timestamp())]
        old = size
    assert bench.said == []


@pytest.mark.parametrize("old", [0, 2, 9])
def test_who_does_not_begin_where_it_left_off_is_told_where_that_is(bench: Bench, log: Log, old: int) -> None:
    """Another old size is a conflict, and the answer names the size that is known."""
    bench.witness.add_checkpoint(log.request(0, 5))
    reply = bench.witness.add_checkpoint(log.request(old, 9))
    assert (reply.status, reply.body, reply.content_type) == (409, b"5\n", "text/x.tlog.size")


def test_a_shorter_log_is_never_cosigned(bench: Bench, log: Log) -> None:
    """Neither as it is nor under a pretence of what is known."""
    bench.witness.add_checkpoint(log.request(0, 9))
    assert bench.witness.add_checkpoint(log.request(5, 5)).status == 409
    assert bench.witness.add_checkpoint(format_request(Request(9, (), log.signed(5)))).status == 400


def test_a_fork_is_refused_and_both_heads_are_kept(bench: Bench, log: Log) -> None:
    """Two signed heads of one size are proof of guilt: refused, said in a sentence, and kept side by side."""
    bench.witness.add_checkpoint(log.request(0, 5))
    other = Log()
    other.leaves[2] = other.leaves[3]
    assert bench.witness.add_checkpoint(other.request(5, 5)).status == 409
    with bench.memory.hold() as held:
        (refused,) = held.refused()
        assert held.seen(log.name).size == 5  # type: ignore[union-attr]
    assert (refused.signed, refused.before) == (other.signed(5), log.signed(5))
    assert bench.said == [
        "refused 5 entries of log.test, 5 are known: two logs of 5 entries, both signed: "
        "this is proof that history was changed"
    ]


def test_a_log_that_was_rewritten_and_went_on_is_refused(bench: Bench, log: Log) -> None:
    """A longer log that does not begin with what was cosigned is not cosigned, whatever proof comes with it."""
    bench.witness.add_checkpoint(log.request(0, 5))
    other = Log()
    other.leaves[2] = other.leaves[3]
    for proof in (other.proof(5, 9), log.proof(5, 9), ()):
        reply = bench.witness.add_checkpoint(format_request(Request(5, proof, other.signed(9))))
        assert reply.status == 422
    assert bench.witness.add_checkpoint(log.request(5, 9)).status == 200


def test_strangers_are_not_known(bench: Bench, log: Log) -> None:
    """A log it was not given, and a checkpoint under its name by another key, are turned away and not kept."""
    assert bench.witness.add_checkpoint(Log("other.test").request(0, 3)).status == 404
    assert bench.witness.add_checkpoint(Log(seed=bytes(31) + b"1").request(0, 3)).status == 403
    changed = log.request(0, 3).replace(b"\n3\n", b"\n4\n")
    assert bench.witness.add_checkpoint(changed).status == 403
    with bench.memory.hold() as held:
        assert held.logs() == []


def test_a_key_that_was_rotated_goes_on_with_the_same_log(bench: Bench, log: Log) -> None:
    """Two keys may be given for one log; what the new one signs has to extend what the old one did."""
    renewed = Log(seed=bytes(31) + b"2")
    bench.trusted[log.name].append(Verifier(renewed.signer.vkey))
    assert bench.witness.add_checkpoint(log.request(0, 5)).status == 200
    assert bench.witness.add_checkpoint(renewed.request(5, 6)).status == 200
    renewed.leaves[0] = renewed.leaves[1]
    assert bench.witness.add_checkpoint(renewed.request(6, 8)).status == 422


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"old -1\n\n",
        b"old 00\n\n",
        b"new 0\n\n",
        b"old 0\nAAAA\n\n",
        b"\xff\n\n",
        b"old 1" + b"0" * 20,
    ],
)
def test_what_is_no_request_is_refused(bench: Bench, log: Log, body: bytes) -> None:
    """Anything but the protocol's own form is a bad request, also before a good checkpoint."""
    assert bench.witness.add_checkpoint(body).status == 400
    assert bench.witness.add_checkpoint(body.removesuffix(b"\n\n") + b"\n\n" + log.signed(3)).status == 400


def test_of_two_at_once_one_wins(bench: Bench, log: Log) -> None:
    """Two different futures of one log, sent at once from the same size: exactly one is cosigned."""
    bench.witness.add_checkpoint(log.request(0, 5))
    other = Log()
    other.leaves[7] = other.leaves[1]
    with ThreadPoolExecutor(8) as threads:
        requests = [each.request(5, 9) for each in (log, other)] * 10
        replies = list(threads.map(lambda body: bench.witness.add_checkpoint(body).status, requests))
    assert sorted(replies) == [200] + [409] * 19


def test_an_empty_log_has_the_empty_root(bench: Bench, log: Log) -> None:
    """A checkpoint over nothing may be cosigned, but not with a root of something."""
    assert bench.witness.add_checkpoint(log.request(0, 0)).status == 200
    lying = sign(format_checkpoint(Checkpoint(log.name, 0, log.leaves[0])), log.signer)
    assert bench.witness.add_checkpoint(format_request(Request(0, (), lying))).status == 409
    assert bench.witness.add_checkpoint(log.request(0, 4)).status == 200


@pytest.mark.parametrize("old", [0, 5])
def test_a_root_that_is_no_hash_is_never_cosigned(bench: Bench, log: Log, old: int) -> None:
    """Neither as the first checkpoint nor as a later one: nothing could be shown to extend it."""
    bench.witness.add_checkpoint(log.request(0, old))
    for root in (bytes(31), bytes(33)):
        signed = sign(format_checkpoint(Checkpoint(log.name, 9, root)), log.signer)
        assert bench.witness.add_checkpoint(format_request(Request(old, log.proof(old, 9), signed))).status == 422


@given(st.integers(0, 2**63 - 1), st.lists(st.binary(min_size=32, max_size=32), max_size=63), st.binary(min_size=1))
def test_a_request_is_read_as_it_was_written(old: int, proof: list[bytes], signed: bytes) -> None:
    """Reading what was written gives the same request."""
    request = Request(old, tuple(proof), signed)
    assert parse_request(format_request(request)) == request


@given(st.binary(max_size=200))
def test_reading_noise_only_ever_refuses(body: bytes) -> None:
    """Whatever is sent, it is read or refused."""
    with suppress(ProofRefused):
        assert format_request(parse_request(body)) == body
