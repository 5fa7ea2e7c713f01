"""Walks through the commands, each with input that is wrong in every way: standard output may tell amounts, nothing else."""

from __future__ import annotations

import asyncio
import json
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from tests.canary.desks import CASH, HELD, MISSED, PRICE, START, MarkedDesk, differing
from tests.canary.ear import outputs
from tests.canary.marks import PASSWORD, TOKEN
from tests.canary.walk_damage import DAMAGES
from tests.canary.walk_record import Ground, opened
from tieout.clock import VirtualClock
from tieout.model.codec import encode
from tieout.record.settings import RecordSettings
from tieout.record.store.database import open_database
from tieout.serve.cli import run

Json = dict[str, Any]


def command(ground: Ground, *arguments: str | Path) -> int:
    """Run one command and search what it prints, and what it fails with should it fail."""
    with outputs(ground.ear):
        try:
            return run([str(argument) for argument in arguments])
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever escapes is a finding, and is searched
            ground.ear.caught(error)
            ground.escaped.append(f"{' '.join(map(str, arguments))[:90]}: {type(error).__name__}: {error}"[:300])
            return -1


def _side(source: str, amount: object) -> Json:
    at = "2026-11-20T10:00:00Z"
    fill = {"fill_id": "f-1", "asset": "AAPL", "side": "buy", "quantity": str(MISSED), "price": str(PRICE), "at": at}
    return {
        "schema": "tieout.snapshot/1", "account": "main", "source": source, "as_of": at,
        "positions": [{"asset": "AAPL", "amount": amount, "market_price": str(PRICE), "currency": "USD"}],
        "balances": [{"currency": "USD", "total": str(CASH), "available": str(CASH), "locked": "0"}],
        "orders": [{"asset": "AAPL", "side": "buy", "quantity": str(MISSED), "status": "open", "broker_order_id": "o-1",
                    "limit_price": str(PRICE), "updated_at": at}],
        "fills": [fill], "fills_since": at,
    }  # fmt: skip


def _spoilt(text: str) -> list[str]:
    """The same document, wrong in many ways; the amounts stand in it still."""
    cash, held = str(CASH), str(HELD)
    made = [text[:at] for at in range(40, len(text), len(text) // 9)]
    made += [
        text.replace(f'"{cash}"', wrong)
        for wrong in (
            cash,
            f'"{cash}x"',
            f'"{cash}e99"',
            f'["{cash}"]',
            f'{{"{cash}": 1}}',
            f'"-{cash}"',
            f'"{cash}" "{cash}"',
        )
    ]
    made += [text.replace(f'"{held}"', wrong) for wrong in (held, f'"{held}_1"', "null", f'"{held}', f'"{held}\\u00"')]
    for word in ("buy", "open", "local", "USD", "tieout.snapshot/1", "2026-11-20T10:00:00Z", "f-1"):
        made += [text.replace(f'"{word}"', f'"{cash}"'), text.replace(word, "")]
    made += [text.replace('"total"', f'"total": "{cash}", "total"'), text.replace('"positions"', '"position"')]
    return [*made, text + text, "", f"{cash}", f'"{cash}"', text.replace("{", "[")]


async def bad_files(ground: Ground) -> None:
    """Snapshots and histories full of amounts, broken in every way, given to every command that reads them."""
    folder = ground.folder / "files"
    folder.mkdir()
    ground.ear.marks.amount(CASH, HELD, PRICE, MISSED)
    local, broker, history = folder / "local.json", folder / "broker.json", folder / "history.jsonl"
    good = json.dumps(_side("local", str(HELD)))
    stated = json.dumps(_side("broker", str(HELD + MISSED)))
    broker.write_text(stated)
    for text in (good, *_spoilt(good)[:: ground.every]):
        local.write_text(text)
        command(ground, "compare", local, broker)
        history.write_text(
            f'{{"at": "2026-11-20T10:00:00Z", "account": "main", "local": {text}, "broker": {stated}}}\n'
        )
        command(ground, "replay", history, "--format", "json")
        command(ground, "adopt", "main", "--local", local, "--broker", broker, "--yes")
    local.write_text(good)
    for style in ("table", "json", "html"):
        command(ground, "compare", local, broker, "--format", style, "--output", folder / f"report.{style}")
        command(ground, "compare", local, broker, "--output", folder / "nowhere" / "report")
    command(ground, "init", folder / "tieout.toml")
    command(ground, "init", folder / "tieout.toml")


URL = f"postgresql://u:{PASSWORD}@127.0.0.1:1/x"
CONFIGS = (
    f'[record]\nstore = ["{URL}"]\n', f'[record]\nstore = {{ url = "{URL}" }}\n', f'[record]\nstore = "{URL}\n',
    f"[record]\nstore = {URL}\n", f'[record]\nstore = "{URL}"\nstore = "{URL}"\n', f'[record]\nstores = "{URL}"\n',
    f'[record]\nwitnesses = "{TOKEN}"\n', f'[record]\nwitnesses = {{ "{TOKEN}" = 5 }}\n', f'record = "{URL}"\n',
    f'[record]\nretention = "{TOKEN}"\n', f'[record]\nheartbeat_seconds = "{TOKEN}"\n',
    f'[record]\nretention = {{ reports = "{TOKEN}" }}\n', f'[[policy.rules]]\nstrategy = "{TOKEN}"\n',
    f'[[policy.rules]]\nstrategy = "WARN_ONLY"\ncause = "{TOKEN}"\n', f'policy = "{TOKEN}"\n',
    f'[[policy.rules]]\nstrategy = "WARN_ONLY"\nseverity = ["{TOKEN}"]\ndomain = ["{TOKEN}"]\n',
    f'[settings]\nrequired = ["{TOKEN}"]\n', f'[settings]\nposition_threshold_usd = "{TOKEN}"\n',
    '[settings]\nunmanaged = { BTC = "94815162.37x" }\n', "[settings]\nunmanaged = { BTC = 94815162.37e999 }\n",
    "[settings]\nposition_threshold_usd = 94815162.37e999\n", f'[limits]\nmax_file_bytes = "{TOKEN}"\n',
    f'[accounts.main]\nrequired = "{TOKEN}"\nassets = "{TOKEN}"\n', f'[assets]\nAAPL = "{TOKEN}"\n',
    f'[assets.AAPL]\nusd_price = "{TOKEN}"\n', f'[record]\nstore = "{URL}"\nkeys = 5\n', f"\ufeff{URL}", f'["{TOKEN}\n',
)  # fmt: skip


async def bad_configurations(ground: Ground) -> None:
    """Configurations with a password or a token in them, wrong in every way."""
    path = ground.folder / "bad.toml"
    for number, text in enumerate(CONFIGS):
        path.write_text(text)
        command(ground, "compare", path, path, "--policy", path)
        if number % ground.every:
            continue
        for words in (["reports"], ["breaks"], ["replay", "--from-store", "--since", "2d"], ["init", str(path)]):
            command(ground, *words, *(() if words[0] == "init" else ("--config", path)))
    path.write_bytes(b'[record]\nstore = "' + URL.encode() + b'\xff"\n')
    command(ground, "reports", "--config", path)


ASKING: tuple[tuple[str, ...], ...] = (
    ("reports",), ("reports", "--format", "json"), ("reports", "show", "01"), ("breaks",), ("breaks", "show", "ab"),
    ("breaks", "--format", "json", "--since", "2000-01-01"), ("replay", "--from-store", "--since", "2000-01-01"),
)  # fmt: skip


async def asking_records(ground: Ground) -> None:
    """Reports, breaks and replays out of records that are whole, damaged, locked away, unreachable, or not there."""
    settings, clock = ground.settings(), VirtualClock(START)
    desk = MarkedDesk(ground.ear.marks, clock)
    async with opened(settings, clock) as record:
        desk.start(record)
        await desk.differ(stranger=True, order=True)
        told = [await desk.read() for _ in range(3)]
    last = told[-1]
    found = (
        *ASKING,
        ("reports", "show", last.report_id),
        ("breaks", "show", last.discrepancies[0].discrepancy_id),
        ("reports", "show", last.report_id, "--format", "html"),
        ("reports", "show", last.report_id, "--format", "json"),
        *_saying(last.discrepancies[0].discrepancy_id),
    )
    other = ground.settings()
    places = [settings, replace(settings, keys=other.keys), replace(settings, keys="nowhere"), other]
    places += [
        replace(settings, store=store)
        for store in (
            URL,
            f"mysql://u:{PASSWORD}@127.0.0.1",
            f"postgresql:/u:{PASSWORD}@127.0.0.1/x",
            str(ground.folder),
        )
    ]
    for number, damage in enumerate(DAMAGES):
        folder = ground.folder / f"asked-{number}"
        shutil.copytree(Path(settings.store).parent, folder)
        database = open_database(str(folder / "tieout.db"))
        await ground.caught(database.write(damage))
        await database.close()
        places.append(RecordSettings(store=str(folder / "tieout.db"), keys=str(folder / "keys")))
    # A command runs a loop of its own, so it needs a thread without one.
    await asyncio.to_thread(_ask, ground, places, found)


def _saying(break_id: str) -> tuple[tuple[str, ...], ...]:
    """Every word that a person can say, with a reason that bears an amount and a secret, and some that are refused."""
    why = ("--reason", f"{CASH} at {PRICE}, {TOKEN}", "--actor", "ann")
    return (
        ("breaks", "comment", break_id, *why), ("breaks", "approve", break_id, *why), ("breaks", "approve", break_id, *why),
        ("breaks", "reject", break_id, *why), ("breaks", "resolve", break_id, "--strategy", "WARN_ONLY", *why),
        ("breaks", "known", break_id, "--until", "2h", *why), ("breaks", "known", break_id, "--until", "2000-01-01", *why),
        ("halt", "main", *why), ("resume", "main", "--yes", *why), ("resume", "main", "--yes", *why),
        ("halt", URL, *why), ("breaks", "comment", URL, *why),
    )  # fmt: skip


def _ask(ground: Ground, places: list[RecordSettings], found: tuple[tuple[str, ...], ...]) -> None:
    for number, place in enumerate(places):
        for words in found[number % ground.every :: ground.every]:
            command(ground, *words, "--store", place.store, "--keys", place.keys)
    for odd in (
        ("reports", URL),
        ("reports", "--store"),
        ("reports", "--since", "soon", "--store", URL),
        ("breaks", "--limit", "-5", "--store", URL),
        ("reports", "--cause", "x", "--store", URL),
        ("reports", "--stor", URL),
        ("compare", URL, URL),
    ):
        command(ground, *odd)


async def replaying(ground: Ground) -> None:
    """A generated history replayed in each format: amounts in its answer only."""
    path = ground.folder / "differing.jsonl"
    path.write_bytes(b"".join(encode(each) + b"\n" for each in differing(8, ground.ear.marks)))
    for style in ("table", "json", "html"):
        command(ground, "replay", path, "--format", style)
    with suppress(OSError):
        path.chmod(0)
    command(ground, "replay", path)


WALKS = (bad_files, bad_configurations, asking_records, replaying)
