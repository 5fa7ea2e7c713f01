"""The door: what is written reads back the same, and both ways of reading agree about every document."""

from __future__ import annotations

import os
import threading
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.model.mutations import mutated
from tests.model.strategies import observations, snapshots
from tests.proving import PROVE
from tieout.errors import BadInput, Problem
from tieout.model import codec
from tieout.model.codec import decode_history, decode_observation, decode_snapshot, encode, read_bytes
from tieout.model.diagnose import Diagnosis
from tieout.model.discrepancy import Cause, CauseCode, DiscrepancyType, ReconciliationStrategy, Severity
from tieout.model.report import Discrepancy, ReconciliationReport, Summary
from tieout.model.snapshot import Observation, Position, Snapshot

search = settings(
    max_examples=2000 if PROVE else 40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

HEAD = b'{"schema":"tieout.snapshot/1","account":"main","source":"local","as_of":"2026-11-20T10:00:00Z"'
FLAT = HEAD + b"}"


def positions(*amounts: str) -> bytes:
    """A snapshot with one position an amount, each written as given."""
    rows = [f'{{"asset":"A{number}","amount":{amount}}}' for number, amount in enumerate(amounts)]
    return HEAD + b',"positions":[' + ",".join(rows).encode() + b"]}"


def thorough_snapshot(raw: bytes) -> Snapshot | None:
    """The thorough reading alone; None where it finds a problem."""
    diagnosis = Diagnosis("file")
    document = diagnosis.load(raw)
    return None if diagnosis.problems else diagnosis.snapshot(document)


def thorough_observation(raw: bytes) -> Observation | None:
    """The thorough reading alone; None where it finds a problem."""
    diagnosis = Diagnosis("file", "line 1: ")
    document = diagnosis.load(raw)
    return None if diagnosis.problems else diagnosis.observation(document)


@pytest.mark.prove
@search
@given(snapshots())
def test_a_snapshot_reads_back_as_it_was(snapshot: Snapshot) -> None:
    """Encoding and decoding is the identity, and both readings come to it."""
    raw = encode(snapshot)
    assert decode_snapshot(raw, "file", snapshot.source) == snapshot
    assert thorough_snapshot(raw) == snapshot


@pytest.mark.prove
@search
@given(observations())
def test_an_observation_reads_back_as_it_was(observation: Observation) -> None:
    """Encoding and decoding a line of history is the identity, failed sides and lookups included."""
    raw = encode(observation)
    assert decode_observation(raw, "file", 1) == observation
    assert thorough_observation(raw) == observation


@pytest.mark.prove
@search
@given(mutated(snapshots().map(encode)))
def test_both_readings_agree_on_damaged_snapshots(raw: bytes) -> None:
    """The fast reading accepts nothing that the thorough one refuses, and makes the same of what it accepts."""
    thorough = thorough_snapshot(raw)
    fast = codec._fast_snapshot(raw)
    if fast is not None:
        assert fast == thorough
    if thorough is not None:
        assert decode_snapshot(raw, "file") == thorough
    else:
        with pytest.raises(BadInput):
            decode_snapshot(raw, "file")


@pytest.mark.prove
@search
@given(mutated(observations().map(encode)))
def test_both_readings_agree_on_damaged_observations(raw: bytes) -> None:
    """So it is with lines of a history."""
    thorough = thorough_observation(raw)
    fast = codec._fast_observation(raw)
    if fast is not None:
        assert fast == thorough
    if thorough is not None:
        assert decode_observation(raw, "file", 1) == thorough
    else:
        with pytest.raises(BadInput):
            decode_observation(raw, "file", 1)


@pytest.mark.prove
@search
@given(mutated(snapshots().map(encode)))
def test_what_is_accepted_can_be_written(raw: bytes) -> None:
    """A damaged document that still reads is written and read again to the same record."""
    try:
        snapshot = decode_snapshot(raw, "file")
    except BadInput as error:
        for problem in error.problems:
            assert problem.what
            assert problem.mend
            assert str(problem).isprintable()
            assert str(problem).startswith("file: ")
        return
    assert decode_snapshot(encode(snapshot), "file") == snapshot


def test_a_plain_file_takes_the_fast_road() -> None:
    """Whole files of the usual make, names beyond ASCII included, are not read twice."""
    rows = tuple(Position(f"币{number}", Decimal(number)) for number in range(50))
    snapshot = Snapshot("tieout.snapshot/1", "main", "local", decode_snapshot(FLAT, "f").as_of, positions=rows)
    assert codec._fast_snapshot(encode(snapshot)) == snapshot
    pretty = msgspec.json.format(encode(snapshot), indent=2)
    assert codec._fast_snapshot(pretty) == snapshot


@pytest.mark.parametrize(
    "text", ["0.123456789012345678901234567890", "-123456789012345678901234567890", "1.10", "1E-30"]
)
@pytest.mark.parametrize("quoted", [True, False])
def test_numbers_are_read_to_the_last_digit(text: str, quoted: bool) -> None:
    """A JSON number is read from its text, as exactly as a string is."""
    (row,) = decode_snapshot(positions(f'"{text}"' if quoted else text), "file").positions or ()
    assert str(row.amount) == str(Decimal(text))


@given(st.integers(0, 20), st.sampled_from(["1.5", "100", "-7.25", "0"]))
def test_spelling_of_a_decimal_does_not_reach_the_output(zeros: int, text: str) -> None:
    """What is written depends on the number, never on how it was spelt in the input."""
    spelt = text + ("" if "." in text else ".") + "0" * zeros
    written = {encode(decode_snapshot(positions(f'"{one}"'), "f")) for one in (text, spelt, "0" + spelt.lstrip("-"))}
    assert len(written) == (2 if text.startswith("-") else 1)


def test_missing_and_empty_are_not_the_same() -> None:
    """A section that was not fetched stays unknown, and an empty one stays known to be empty."""
    assert decode_snapshot(FLAT, "f").positions is None
    assert decode_snapshot(HEAD + b',"positions":null}', "f").positions is None
    assert decode_snapshot(positions(), "f").positions == ()
    assert decode_snapshot(FLAT, "f").covers("positions") == "failed"
    assert decode_snapshot(positions(), "f").covers("positions") == "complete"


def test_the_wrong_side_is_refused() -> None:
    """A local file where the broker's is due is named, and so is the mend."""
    with pytest.raises(BadInput) as refused:
        decode_snapshot(FLAT, "local.json", "broker")
    (problem,) = refused.value.problems
    assert (problem.file, problem.place) == ("local.json", "source")
    assert "swap" in problem.mend


HISTORY = b'{"at":"%s","account":"main","local":%s,"broker":{"error":"timeout"}}'
TEN, ELEVEN = b"2026-11-20T10:00:00Z", b"2026-11-20T11:00:00Z"


def test_a_history_is_read_line_by_line() -> None:
    """Blank lines are passed over, Windows line ends too, and equal times are in order."""
    lines = [HISTORY % (TEN, FLAT), b"\n", b"  \r\n", HISTORY % (TEN, FLAT) + b"\r\n", HISTORY % (ELEVEN, FLAT)]
    assert [line.at.hour for line in decode_history(lines, "h.jsonl")] == [10, 10, 11]


def test_an_account_may_not_go_back_in_time() -> None:
    """A line earlier than the one before is refused by its number, counted with the blank ones."""
    read = decode_history([HISTORY % (ELEVEN, FLAT), b"", HISTORY % (TEN, FLAT)], "h.jsonl")
    assert next(read).at.hour == 11
    with pytest.raises(BadInput, match=r"^h\.jsonl: line 3: at: .*sort"):
        next(read)


def test_accounts_have_clocks_of_their_own() -> None:
    """Two accounts in one file are each in order, though their lines alternate."""
    other = FLAT.replace(b'"main"', b'"other"')
    lines = [HISTORY % (ELEVEN, FLAT), (HISTORY % (TEN, other)).replace(b'"account":"main"', b'"account":"other"', 1)]
    assert [line.account for line in decode_history(lines, "h")] == ["main", "other"]


def test_all_bad_lines_can_be_gathered() -> None:
    """Who asks for all problems of a history gets those of every line, and the lines that are in order besides."""
    problems: list[Problem] = []
    lines = [HISTORY % (ELEVEN, FLAT), b"[]", HISTORY % (TEN, FLAT), b"{", HISTORY % (ELEVEN, FLAT)]
    assert [line.at.hour for line in decode_history(lines, "h.jsonl", problems)] == [11, 11]
    assert [problem.place.split(":")[0] for problem in problems] == ["line 2", "line 3", "line 4"]


def test_a_report_leaves_out_what_does_not_apply_and_keeps_what_is_unknown() -> None:
    """An unknown USD value is written as null, the fields of other domains are not written at all."""
    found = Discrepancy(
        discrepancy_id="d-1", domain="position", discrepancy_type=DiscrepancyType.QUANTITY_MISMATCH, asset="AAPL",
        local_amount=Decimal("100.00"), broker_amount=Decimal("1.03E+2"), difference=Decimal("3.0"),
        percent=Decimal("2.9126"), usd_value=None, severity=Severity.MODERATE, within_tolerance=False, confirmed=True,
        cause=Cause(CauseCode.UNKNOWN, Decimal("0.00"), Decimal(3)), strategy=ReconciliationStrategy.SYNC_TO_BROKER,
    )  # fmt: skip
    at = decode_snapshot(FLAT, "f").as_of
    summary = Summary({"positions": 1}, {Severity.MODERATE: 1}, "one")
    report = ReconciliationReport(
        report_id="r-1", account="main", trigger="manual", started_at=at, finished_at=at, status="discrepancies",
        severity=Severity.MODERATE, coverage={"positions": "compared"}, discrepancies=(found,), actions=(), summary=summary,
    )  # fmt: skip
    written = msgspec.json.decode(encode(report))
    (row,) = written["discrepancies"]
    assert [row[name] for name in ("local_amount", "broker_amount", "difference", "usd_value")] == [
        "100",
        "103",
        "3",
        None,
    ]
    assert row["cause"]["explained"] == "0"
    assert not {"position_side", "broker_order_id", "fill_id"} & row.keys()
    assert written["summary"]["discrepancies"] == {"MODERATE": 1}


@pytest.mark.parametrize(
    ("line", "place"),
    [
        (HISTORY % (TEN, positions("true")), "line 2: local.positions[0].amount"),
        (HISTORY % (TEN, FLAT.replace(b'"local"', b'"broker"')), "line 2: local.source"),
        (HISTORY % (TEN, FLAT.replace(b'"main"', b'"other"')), "line 2: local.account"),
        (HISTORY % (TEN, b"null"), "line 2: local"),
        (HISTORY % (TEN, b'{"error":"tired"}'), "line 2: local.error"),
        (HISTORY % (TEN, b'{"error":"timeout","error":"other"}'), "line 2: local.error"),
        ((HISTORY % (TEN, FLAT))[:-1] + b',"lookups":3}', "line 2: lookups"),
        ((HISTORY % (TEN, FLAT))[:-1] + b',"lookups":[{"order":{"asset":"A"}}]}', "line 2: lookups[0].order.side"),
        ((HISTORY % (TEN, FLAT))[:-1] + b',"local_before":{"error":"timeout"}}', "line 2: local_before.error"),
        ((HISTORY % (TEN, FLAT))[:30], "line 2: column 30"),
        (b"[]", "line 2"),
        (b"\xff", "line 2"),
    ],
)
def test_a_bad_line_is_named_by_its_number(line: bytes, place: str) -> None:
    """Every problem of a history says in which line it stands, and where in the line."""
    read = decode_history([HISTORY % (TEN, FLAT), line], "h.jsonl")
    next(read)
    with pytest.raises(BadInput) as refused:
        next(read)
    assert place in [problem.place for problem in refused.value.problems]
    assert all(problem.file == "h.jsonl" for problem in refused.value.problems)


def test_both_local_readings_are_kept() -> None:
    """The reading before the broker's is read like the one after it, or left out as null."""
    line = (HISTORY % (TEN, FLAT))[:-1] + b', "local_before" : %s }'
    observation = decode_observation(line % positions('"7"'), "h", 1)
    assert isinstance(observation.local_before, Snapshot)
    assert observation.local_before.positions == (Position("A0", Decimal(7)),)
    assert decode_observation(line % b" null ", "h", 1).local_before is None


def test_a_file_is_read_whole(tmp_path: Path) -> None:
    """A file comes back as its bytes, up to the very limit."""
    path = tmp_path / "local.json"
    path.write_bytes(FLAT)
    assert read_bytes(path) == FLAT
    assert read_bytes(path, len(FLAT)) == FLAT


def test_a_file_above_the_limit_is_refused(tmp_path: Path) -> None:
    """One byte more than the limit is too much, and the message says how to raise it."""
    path = tmp_path / "local.json"
    path.write_bytes(FLAT)
    with pytest.raises(BadInput, match=r"local\.json: .*max_file_bytes"):
        read_bytes(path, len(FLAT) - 1)


def test_a_pipe_is_read_to_its_end_and_no_further_than_the_limit(tmp_path: Path) -> None:
    """A pipe has no size to ask for; its bytes are read all the same, and the limit holds for it too."""
    path = tmp_path / "pipe"
    os.mkfifo(path)

    def write() -> None:
        with path.open("wb") as pipe:
            pipe.write(FLAT)

    for limit, whole in ((len(FLAT), True), (len(FLAT) - 1, False)):
        writer = threading.Thread(target=write)
        writer.start()
        if whole:
            assert read_bytes(path, limit) == FLAT
        else:
            with pytest.raises(BadInput, match="bytes"):
                read_bytes(path, limit)
        writer.join()


@pytest.mark.parametrize("name", ["missing.json", "."])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    """A missing file and a folder are bad input, not a traceback."""
    with pytest.raises(BadInput, match="check the path"):
        read_bytes(tmp_path / name)


@search
@given(snapshots())
def test_order_of_keys_does_not_matter(snapshot: Snapshot) -> None:
    """The same fields in another order are the same snapshot."""
    document = msgspec.json.decode(encode(snapshot))
    turned = msgspec.json.encode(dict(reversed(document.items())))
    assert decode_snapshot(turned, "file") == snapshot
    assert decode_snapshot(turned, "file") == replace(snapshot)
