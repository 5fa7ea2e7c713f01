"""What is in deploy/ fits the code, and those programs that can be had here find nothing wrong with it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.metrics_doc import DOCUMENT, names, with_table

DEPLOY = Path(__file__).parents[3] / "deploy"
METRIC = re.compile(r"\btieout_[a-z_]+")
RULES = yaml.safe_load((DEPLOY / "prometheus/rules.yml").read_text("utf-8"))["groups"][0]["rules"]


def checked(*command: str, folder: Path) -> None:
    """Run a program that is to find nothing; where it is not there, say so."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not here (Debian: apt-get install prometheus, systemd)")
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", ["prometheus/rules.yml", "prometheus/rules_test.yml", "grafana/tieout.json"])
def test_every_metric_is_one_of_the_service(path: str) -> None:
    """No rule and no panel asks for a metric that nobody exposes."""
    named = set(METRIC.findall((DEPLOY / path).read_text("utf-8")))
    assert named and named <= names()


def test_the_dashboard_shows_every_metric() -> None:
    """Nothing is measured that nobody sees; and Grafana can read it as JSON, with a panel of its own id for each question."""
    text = (DEPLOY / "grafana/tieout.json").read_text("utf-8")
    unseen = {name for name in names() if name not in text and not name.endswith(("_sum", "_count"))}
    assert unseen == set()
    ids = [panel["id"] for panel in json.loads(text)["panels"]]
    assert len(ids) == len(set(ids))


def test_the_table_of_metrics_is_the_code_s() -> None:
    """docs/operations.md says what each metric means; `python -m tests.metrics_doc` mends it."""
    text = DOCUMENT.read_text("utf-8")
    assert with_table(text) == text


def test_each_rule_has_its_page_of_the_runbook() -> None:
    """Who is woken by an alert finds what it means and what to do, and nothing there is about a rule that is gone."""
    sections = re.findall(r"^### (\w+)$", DOCUMENT.read_text("utf-8"), re.MULTILINE)
    assert sections == [rule["alert"] for rule in RULES]
    assert {rule["labels"]["severity"] for rule in RULES} == {"critical", "warning"}
    tested = (DEPLOY / "prometheus/rules_test.yml").read_text("utf-8")
    assert all(f"alertname: {rule['alert']}," in tested for rule in RULES)


def test_prometheus_finds_the_rules_right() -> None:
    """promtool checks them, and tries them on series that are well and on such as are not."""
    checked("promtool", "check", "rules", "rules.yml", folder=DEPLOY / "prometheus")
    checked("promtool", "test", "rules", "rules_test.yml", folder=DEPLOY / "prometheus")


@pytest.mark.parametrize("name", ["tieout.service", "tieout-witness.service"])
def test_systemd_finds_the_units_right(name: str, tmp_path: Path) -> None:
    """systemd-analyze reads each without a word, and finds it exposed by less than 2 of 10."""
    text = (DEPLOY / "systemd" / name).read_text("utf-8")
    assert "/opt/tieout/.venv/bin/tieout " in text
    # The program is where it is installed to, which is not here.
    (tmp_path / name).write_text(text.replace("/opt/tieout/.venv/bin/tieout", "/bin/true"))
    checked("systemd-analyze", "verify", f"./{name}", folder=tmp_path)
    checked("systemd-analyze", "security", "--offline=true", "--threshold=20", f"./{name}", folder=tmp_path)


def test_containers_run_nothing_as_root_and_show_nothing_to_others() -> None:
    """The image has a user, and pins what it installs; nothing is published but on this machine."""
    image = (DEPLOY / "docker/Dockerfile").read_text("utf-8")
    assert image.rindex("USER 10001") > image.rindex("FROM ")
    assert "--require-hashes" in image and "HEALTHCHECK" in image and "/healthz" in image
    pins = (DEPLOY / "docker/requirements.txt").read_text("utf-8")
    assert "://" not in pins and re.findall(r"^[^\s#].*[^\\]$", pins, re.MULTILINE) == []
    compose = yaml.safe_load((DEPLOY / "docker/compose.yaml").read_text("utf-8"))
    services = compose["services"]
    assert set(services) == {"db", "tieout", "witness"}
    assert all(port.startswith("127.0.0.1:") for each in services.values() for port in each.get("ports", []))
    for each in (services["tieout"], services["witness"]):
        assert each["read_only"] and each["cap_drop"] == ["ALL"]
    used = {name for each in services.values() for name in each.get("secrets", [])}
    assert used == set(compose["secrets"])
