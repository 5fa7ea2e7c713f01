"""The attack table on real databases: every attack is found, or known to be beyond any log, and told in plain words."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.proving import sample
from tests.record import attacks, postgres
from tests.record.attacks import ATTACKS, Attack, Scene
from tests.record.audit import house
from tieout.clock import VirtualClock
from tieout.record import keys
from tieout.record.opening import open_record
from tieout.record.settings import RecordSettings

_numbers = itertools.count()


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> RecordSettings:
    """A record in a file; each test attacks a copy."""
    folder = tmp_path_factory.mktemp("kept")
    keys.create(folder / "keys", "tieout-test")
    settings = RecordSettings(store=str(folder / "tieout.db"), keys=str(folder / "keys"))
    asyncio.run(house.recorded(settings))
    return settings


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda each: each.name)
async def test_an_attack_on_the_file_is_told(attack: Attack, kept: RecordSettings, tmp_path: Path) -> None:
    """Each attack has the verdict that the table gives it, and its sentence comes first."""
    settings = house.copy_of(kept, tmp_path / "copy")
    scene = Scene(settings, tmp_path, keys.load(settings.key_folder).signer)
    verdict = await attack.make(scene)
    assert attacks.holds(attack, verdict), verdict.findings


@pytest.mark.prove
@pytest.mark.parametrize("attack", sample([each for each in ATTACKS if each.rows], 3), ids=lambda each: each.name)
async def test_an_attack_on_rows_is_told_on_postgres(attack: Attack, server: postgres.Server, tmp_path: Path) -> None:
    """What is done to rows is found on PostgreSQL just as on SQLite."""
    template = await _template(server, tmp_path)
    name = f"attacked_{next(_numbers)}"
    server.psql(f"CREATE DATABASE {name} TEMPLATE {template.partition('@/')[2].partition('?')[0]};")
    (tmp_path / "copy").mkdir()
    settings = _copied(template, server.url(name), tmp_path / "copy")
    verdict = await attack.make(Scene(settings, tmp_path, keys.load(settings.key_folder).signer))
    assert attacks.holds(attack, verdict), verdict.findings


_templates: dict[int, tuple[str, Path]] = {}


async def _template(server: postgres.Server, tmp_path: Path) -> str:
    """A filled database, made once for a server, and its keys."""
    if id(server) not in _templates:
        folder = tmp_path.parent / f"template-{next(_numbers)}"
        folder.mkdir()
        keys.create(folder / "keys", "tieout-test")
        settings = RecordSettings(store=server.fresh(), keys=str(folder / "keys"))
        await house.close(await house.fill(settings))
        _templates[id(server)] = settings.store, folder
    return _templates[id(server)][0]


def _copied(template: str, store: str, folder: Path) -> RecordSettings:
    import shutil

    (source,) = (kept for url, kept in _templates.values() if url == template)
    shutil.copytree(source / "keys", folder / "keys")
    return replace(RecordSettings(), store=store, keys=str(folder / "keys"))


async def test_a_sound_record_is_found_sound(kept: RecordSettings, tmp_path: Path) -> None:
    """A record that nobody touched: no finding, all of it proved, with the master key and without."""
    settings = house.copy_of(kept, tmp_path / "copy")
    for master in (True, False):
        verdict = await house.verdict(settings, memory=tmp_path / "memory", master=master)
        assert verdict.findings == ()
        assert verdict.proved == verdict.entries >= 30
        assert any("master key" in each for each in verdict.unchecked) is not master


async def test_a_log_with_few_entries_or_none_is_sound(
    settings: RecordSettings, clock: VirtualClock, tmp_path: Path
) -> None:
    """A record that was just begun, and one in which nothing was read yet, are found sound on both databases."""
    memory = tmp_path / "memory"
    for _ in range(3):
        record = await open_record(settings, clock)
        await record.close()
        found = await house.verdict(settings, memory=memory)
        assert found.sound, found.findings
        record = await open_record(settings, clock)
        await record.heartbeat()
        await record.close()
        clock.advance(1)
