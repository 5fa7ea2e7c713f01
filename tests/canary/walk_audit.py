"""Walks through `tieout audit`, the witness and the guard: only what is disclosed or exported on request tells amounts."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

from msgspec.structs import replace

from tests.canary.desks import START, MarkedDesk
from tests.canary.ear import outputs
from tests.canary.marks import PASSWORD, TOKEN
from tests.canary.walk_commands import URL, command
from tests.canary.walk_damage import DAMAGES
from tests.canary.walk_record import Ground, opened
from tests.record.witness.conftest import Bench
from tieout.clock import VirtualClock
from tieout.record import keys
from tieout.record.settings import RecordSettings
from tieout.record.store.database import open_database
from tieout.record.tlog.note import Verifier
from tieout.record.witness.server import serving
from tieout.serve.cli import run

Words = tuple[str, ...]
PRIVATE = "the private key, in place of the public one"

TELLING: tuple[Words, ...] = (
    ("verify",), ("verify", "--format", "json"), ("verify", "--every-signature"), ("verify", "--key", PRIVATE),
    ("verify", "--key", "p.key", "--policy", "p"), ("verify", "--policy", "bad"), ("verify", "--policy", "nowhere"),
    ("show",), ("show", "--format", "json"), ("show", "3"), ("show", "999"), ("head",), ("key",), ("key", "head"),
    ("prove", "--entry", "2"), ("prove", "--entry", "999"), ("prove", "ab"), ("prove", "abcdef0123456789"),
    ("prove", "--entry", "2", "--output", "proof"), ("prove", "--entry", "2", "--disclose", "disclosed"),
    ("prove", "--entry", "2", "--disclose", "nowhere/x"), ("export",), ("export", "--since", "soon"),
    ("export", "--since", "2000-01-01", "--account", "main"), ("export", "--output", "nowhere/x"),
    ("timestamp", "--roots", "bad"), ("timestamp", "--roots", "nowhere", "--authority", URL),
)  # fmt: skip
ASKED_FOR: tuple[Words, ...] = (("export", "--amounts"), ("export", "--amounts", "--output", "amounts"))


async def auditing(ground: Ground) -> None:
    """Every command of the audit on records that are whole, damaged, locked away, unreachable, or not there."""
    settings, clock = ground.settings(), VirtualClock(START)
    desk = MarkedDesk(ground.ear.marks, clock)
    async with opened(settings, clock) as record:
        desk.start(record)
        await desk.differ(stranger=True, order=True)
        for _ in range(3):
            report = await desk.read()
    other = ground.settings()
    places = [settings, replace(settings, keys=other.keys), replace(settings, keys="nowhere"), other]
    places += [replace(settings, store=store) for store in (URL, f"mysql://u:{PASSWORD}@h", str(ground.folder))]
    for number, damage in enumerate(DAMAGES):
        folder = ground.folder / f"audited-{number}"
        shutil.copytree(Path(settings.store).parent, folder)
        database = open_database(str(folder / "tieout.db"))
        await ground.caught(database.write(damage))
        await database.close()
        places.append(RecordSettings(store=str(folder / "tieout.db"), keys=str(folder / "keys")))
    (ground.folder / "bad").write_text(f"log {TOKEN}\nwitness {URL}\nquorum\n")
    # A command runs a loop of its own, so it needs a thread without one.
    await asyncio.to_thread(_audit, ground, places, report.report_id)


def _audit(ground: Ground, places: list[RecordSettings], report: str) -> None:
    private = (Path(places[0].keys) / keys.LOG_KEY).read_text().strip()
    for number, place in enumerate(places):
        whole = number == 0
        at = ("--store", place.store, "--keys", place.keys)
        for words in (*TELLING, ("prove", report)) if whole else TELLING[number % ground.every :: ground.every]:
            where = tuple(str(ground.folder / each) if each in FILES else each for each in words)
            where = tuple(private if each == PRIVATE else each for each in where)
            with outputs(ground.ear) as told:
                run(["audit", *where, *at])
            ground.ear.hear(f"stdout of audit {words[0]}", told.getvalue())
        for words in ASKED_FOR if whole else ASKED_FOR[: not number % ground.every]:
            where = tuple(str(ground.folder / each) if each in FILES else each for each in words)
            command(ground, "audit", *where, *at)
    ground.ear.hear("file of a proof", (ground.folder / "proof").read_text())
    assert ground.ear.marks.all_in((ground.folder / "amounts").read_text()), "what was asked for is there"
    _check_proofs(ground, Path(places[0].keys))
    command(ground, "audit", "key", "rotate", "--store", places[0].store, "--keys", places[0].keys)
    command(ground, "audit", "key", "new", "--keys", places[0].keys)
    command(ground, "audit", "key", "new", "--keys", ground.folder / "new")


FILES = ("proof", "disclosed", "amounts", "bad", "nowhere", "nowhere/x", "p", "p.key")


def _check_proofs(ground: Ground, folder: Path) -> None:
    key, private = folder / keys.LOG_VKEY, (folder / keys.LOG_KEY).read_text().strip()
    proof, disclosed, spoilt = (ground.folder / name for name in ("proof", "disclosed", "spoilt"))
    text, laid_open = proof.read_text(), disclosed.read_bytes()
    for number in range(0, len(text), max(1, len(text) * ground.every // 60)):
        spoilt.write_text(f"{text[:number]}x{text[number + 1 :]}")
        command(ground, "audit", "check-proof", spoilt, "--key", key)
    for number in range(0, len(laid_open), max(1, len(laid_open) * ground.every // 60)):
        spoilt.write_bytes(laid_open[:number] + b"7" + laid_open[number + 1 :])
        command(ground, "audit", "check-proof", proof, "--key", key, "--disclosed", spoilt)
    for words in ((), ("--key", private), ("--policy", ground.folder / "bad"), ("--entry-file", disclosed)):
        command(ground, "audit", "check-proof", proof, *words)
    command(ground, "audit", "check-proof", proof, "--key", key, "--disclosed", disclosed)


async def witnessing(ground: Ground) -> None:
    """A record that is witnessed, by one that is away, by a stranger, and by one that saw another log; and its commands."""
    settings, clock = ground.settings(), VirtualClock(START)
    (ground.folder / "witness").mkdir()
    bench = Bench(ground.folder / "witness", *keys.load(settings.key_folder).verifiers)
    ground.ear.marks.secret(bench.key.read_text().strip())
    nowhere = f"http://u:{PASSWORD}@127.0.0.1:9/{TOKEN}"
    async with serving(bench.witness, "127.0.0.1", 0, tell=lambda said: ground.ear.hear("witness", said)) as url:
        stranger = Bench(_made(ground.folder / "stranger"), Verifier(bench_key(settings)))
        for vkey, place in ((bench.signer.vkey, url), (stranger.signer.vkey, url), (bench.signer.vkey, nowhere)):
            desk = MarkedDesk(ground.ear.marks, clock)
            async with opened(replace(settings, witnesses={vkey: place}), clock) as record:
                desk.start(record)
                await desk.differ(stranger=True)
                await desk.read()
                clock.advance(3600)
                await ground.caught(record.permit())
        older = ground.settings()
        shutil.rmtree(older.keys)
        shutil.copytree(settings.keys, older.keys)
        (Path(older.keys) / "head").unlink()
        async with opened(replace(older, witnesses={bench.signer.vkey: url}), clock) as record:
            await record.heartbeat()
            await ground.caught(record.permit())
    await asyncio.to_thread(_witness_commands, ground, bench)


def bench_key(settings: RecordSettings) -> str:
    return keys.load(settings.key_folder).vkey


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _witness_commands(ground: Ground, bench: Bench) -> None:
    state = ground.folder / "witness" / "witness.db"
    key = bench.key
    for words in (
        ("show", "--state", state), ("show", "--state", ground.folder / "none"), ("show", "--state", key),
        ("key", key), ("key", ground.folder / "fresh", "a+b"), ("key", ground.folder / "fresh2", "w.test"),
        ("--state", state, "--key", key, "--log", TOKEN), ("--state", key, "--key", key, "--log", bench.signer.vkey),
        ("--state", state, "--key", key, "--log", bench.signer.vkey, "--listen", URL),
        ("--state", state, "--key", state, "--log", bench.signer.vkey),
        ("--state", state, "--key", key, "--log", key.read_text().strip()),
    ):  # fmt: skip
        command(ground, "audit", "witness", *words)


WALKS = (auditing, witnessing)
