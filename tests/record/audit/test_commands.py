"""`tieout audit` as a user meets it: exit status, what is written, proofs that others can check, keys that change hands."""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path

import pytest

from tests.record import flips
from tests.record.audit import house
from tieout.record import keys
from tieout.record.settings import RecordSettings
from tieout.record.tlog.proof import parse_proof
from tieout.serve.cli import run


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> RecordSettings:
    """A record in a file, nothing of it erased; each test has a copy."""
    folder = tmp_path_factory.mktemp("kept")
    keys.create(folder / "keys", "tieout-test")
    settings = RecordSettings(store=str(folder / "tieout.db"), keys=str(folder / "keys"))
    asyncio.run(house.recorded(settings, erase=False))
    return settings


@pytest.fixture
def place(kept: RecordSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The options that name a copy."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    copied = house.copy_of(kept, tmp_path / "copy")
    return ["--store", copied.store, "--keys", copied.keys]


def folder_of(place: list[str]) -> Path:
    return Path(place[3])


def change(place: list[str], sql: str) -> None:
    settings = RecordSettings(store=place[1], keys=place[3])
    asyncio.run(house.change(settings, lambda connection: house.run(connection, sql)))


def test_a_sound_log_exits_0_and_is_remembered(place: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Sound: exit 0; the second time the remembered head is one more that is compared."""
    assert run(["audit", "verify", *place, "--format", "json"]) == 0
    first = json.loads(capsys.readouterr().out)
    assert run(["audit", "verify", *place, "--format", "json"]) == 0
    second = json.loads(capsys.readouterr().out)
    assert (first["sound"], first["findings"], first["proved"]) == (True, [], first["entries"])
    assert second["checked"]["heads kept elsewhere"] == first["checked"]["heads kept elsewhere"] + 1


def test_a_changed_log_exits_1_and_is_not_remembered(place: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Something found: exit 1, the sentence on standard output, and what was remembered stays as it was."""
    change(place, "DELETE FROM log_entries WHERE entry = 5")
    assert run(["audit", "verify", *place]) == 1
    assert "NOT SOUND" in capsys.readouterr().out
    assert not list(folder_of(place).parent.parent.glob("state/**/*test*"))


def test_without_a_key_nothing_is_verified(place: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """No pinned key: exit 2 and one sentence that says what to give."""
    assert run(["audit", "verify", *place[:2], "--keys", str(folder_of(place).parent / "none")]) == 2
    assert "--key" in capsys.readouterr().err


def test_without_a_store_nothing_could_be_read(place: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """No store, or a file that is none: exit 3, one sentence."""
    other = folder_of(place).parent / "other.db"
    assert run(["audit", "verify", "--store", str(other), *place[2:]]) == 3
    other.write_bytes(b"not a database at all, but long enough to be read as one" * 100)
    assert run(["audit", "verify", "--store", str(other), *place[2:]]) == 3
    assert "Traceback" not in capsys.readouterr().err


def test_a_stranger_verifies_with_the_public_key_alone(place: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A copy of the store and the public key are enough; what needs the master key is said not to be checked."""
    vkey = (folder_of(place) / "log.vkey").read_text().strip()
    nowhere = ["--keys", str(folder_of(place).parent / "none")]
    assert run(["audit", "verify", *place[:2], *nowhere, "--key", vkey, "--format", "json"]) == 0
    assert any("master key" in each for each in json.loads(capsys.readouterr().out)["unchecked"])


def report_of(place: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert run(["reports", "--format", "json", *place]) == 0
    return str(json.loads(capsys.readouterr().out.splitlines()[0])["report_id"])


def test_a_proof_holds_with_its_key_alone(place: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A report is proved, disclosed, and checked without the store; a byte changed in the proof or the content refutes it."""
    proof, opened, key = tmp_path / "p", tmp_path / "d", str(folder_of(place) / "log.vkey")
    assert run(["audit", "prove", report_of(place, capsys), *place, "-o", str(proof), "--disclose", str(opened)]) == 0
    check = ["audit", "check-proof", str(proof), "--key", key]
    assert run([*check, "--disclosed", str(opened), "--format", "json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["holds"]
    assert any(isinstance(each, dict) and "discrepancies" in each for each in shown["contents"])
    disclosed = json.loads(opened.read_text())
    disclosed["payloads"][0]["payload"] = disclosed["payloads"][1]["payload"]
    opened.write_text(json.dumps(disclosed))
    assert run([*check, "--disclosed", str(opened)]) == 1
    raw = proof.read_bytes()
    index, entry = parse_proof(raw).index, parse_proof(raw).extra
    assert entry is not None
    (tmp_path / "entry").write_bytes(entry.replace(b"main", b"mine"))
    assert run([*check, "--entry-file", str(tmp_path / "entry")]) == 1
    proof.write_bytes(raw.replace(f"index {index}\n".encode(), f"index {index + 1}\n".encode()))
    assert run(check) == 1


def test_a_proof_is_of_this_log_only(place: list[str], tmp_path: Path) -> None:
    """Another log's key refutes it."""
    other = keys.create(tmp_path / "others", "tieout-test")
    proof = tmp_path / "p"
    assert run(["audit", "prove", "--entry", "0", *place, "-o", str(proof)]) == 0
    assert run(["audit", "check-proof", str(proof), "--key", other.vkey]) == 1


def test_a_key_hands_over_and_both_verify(place: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """After a rotation the log verifies with the old key alone, and with the new one alone."""
    assert run(["audit", "key", *place]) == 0
    old = capsys.readouterr().out.strip()
    assert run(["audit", "key", "rotate", "--yes", *place]) == 0
    new = capsys.readouterr().out.strip()
    assert old != new
    for key in ([], ["--key", old], ["--key", new]):
        assert run(["audit", "verify", *place, *key]) == 0


def test_a_rotation_cut_short_is_ended_at_the_next_start(place: list[str]) -> None:
    """The new key in force and no entry yet, as after a crash: the next start writes it, signed by the old key."""
    from tieout.clock import SystemClock
    from tieout.record.opening import open_record

    before = keys.load(folder_of(place)).vkey
    keys.rotate(folder_of(place))

    async def start() -> None:
        record = await open_record(RecordSettings(store=place[1], keys=place[3]), SystemClock())
        await record.heartbeat()
        await record.close()

    for _ in range(2):
        asyncio.run(start())
    assert run(["audit", "verify", *place]) == 0
    assert run(["audit", "verify", *place, "--key", before]) == 0


def test_the_head_is_written_anew_by_a_person(place: list[str]) -> None:
    """Without the head kept besides nothing is sound; `key head` writes it from a log that is."""
    (folder_of(place) / "head").unlink()
    assert run(["audit", "verify", *place]) == 1
    assert run(["audit", "key", "head", "--yes", *place]) == 0
    assert run(["audit", "verify", *place]) == 0
    change(place, "DELETE FROM log_entries WHERE entry = 5")
    assert run(["audit", "key", "head", "--yes", *place]) == 3


def test_the_export_replays(place: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Readings that are exported with their amounts are a history that `tieout replay` takes, one report a line."""
    assert run(["audit", "export", "--amounts", "--account", "main", *place, "-o", str(tmp_path / "h.jsonl")]) == 0
    capsys.readouterr()
    assert run(["replay", str(tmp_path / "h.jsonl"), "--format", "json"]) in (0, 1)
    reports = capsys.readouterr().out.splitlines()
    assert len(reports) == len((tmp_path / "h.jsonl").read_text().splitlines()) > 5
    assert run(["audit", "export", *place]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["index"] for line in lines] == list(range(len(lines)))


def test_bits_that_flip_are_noticed_where_they_matter(tmp_path: Path) -> None:
    """Random bits of the store's file: none that changes what is read goes unnoticed."""
    found = asyncio.run(flips.flips(tmp_path, 25, random.Random(11)))
    assert [each for each in found if each.came == "unnoticed"] == []
    assert any(each.came == "noticed" for each in found)
