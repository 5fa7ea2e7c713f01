"""`kind = "statement"`: from the configuration to what a reconciliation sees."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.brokers.statements.building import MAPPING, NOW, laid

from tieout.bootstrap import opened
from tieout.clock import VirtualClock
from tieout.config import load
from tieout.errors import BadInput

SIDES = '[accounts.main.local]\nkind = "file"\npath = "local.json"\n[accounts.main.broker]\nkind = "statement"\n'


async def test_a_configured_statement_is_read(tmp_path: Path) -> None:
    """Path, mapping, the account's name there and the greatest age reach the broker."""
    (tmp_path / "mapping.toml").write_text(MAPPING, "utf-8")
    told = f'path = "{laid(tmp_path)}"\nformat = "csv"\nmapping = "{tmp_path}/mapping.toml"\naccount = "U1"\n'
    (tmp_path / "tieout.toml").write_text(SIDES + told)
    config = load(tmp_path / "tieout.toml", None, {})
    async with opened(config, clock=VirtualClock(NOW), environment={}) as running:
        broker = running.accounts["main"].broker
        assert [row.asset for row in await broker.get_positions()] == ["AAPL", "TSLA"]


async def test_without_a_mapping_nothing_is_guessed(tmp_path: Path) -> None:
    """A configuration that names no mapping is refused, with the place in it."""
    (tmp_path / "tieout.toml").write_text(SIDES + 'path = "p.csv"\nformat = "csv"\n')
    with pytest.raises(BadInput, match=r"accounts\.main\.broker\.mapping: missing"):
        async with opened(load(tmp_path / "tieout.toml", None, {}), clock=VirtualClock(NOW), environment={}):
            raise AssertionError
