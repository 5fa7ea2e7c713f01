"""Secrets: where they are read, that nothing shows them, and that each reaches one adapter."""

from __future__ import annotations

import copy
import json
import logging
import os
import pickle
import random
from pathlib import Path

import msgspec
import pytest

from tieout.brokers.streams.venues import Listens
from tieout.clock import SystemClock
from tieout.config.nouns import BrokerCcxt, SecretsSettings
from tieout.config.secrets import Secrets
from tieout.errors import Problem
from tieout.model.secret import Secret

VALUE = "canary-of-nobody"
NONE = SecretsSettings()


@pytest.mark.parametrize(
    "how", [str, repr, "{}".format, "{:>30}".format, "%s".__mod__, lambda told: f"{[told]!r} {told!s}"]
)
def test_no_text_shows_a_secret(how: object) -> None:
    """However it is turned into text."""
    assert VALUE not in how(Secret(VALUE))  # type: ignore[operator]


@pytest.mark.parametrize("how", [pickle.dumps, json.dumps, msgspec.json.encode, msgspec.msgpack.encode, vars, copy.replace]
                         if hasattr(copy, "replace") else [pickle.dumps, json.dumps, msgspec.json.encode, vars])  # fmt: skip
def test_a_secret_is_not_written_down(how: object) -> None:
    """What would write it to a disk or a wire fails, without it."""
    with pytest.raises(TypeError) as failed:
        how(Secret(VALUE))  # type: ignore[operator]
    assert VALUE not in str(failed.value)


def test_a_secret_is_itself(caplog: pytest.LogCaptureFixture) -> None:
    """It equals its like, is copied as itself, and a log of it holds nothing."""
    secret = Secret(VALUE)
    assert (secret, copy.deepcopy([secret])) == (Secret(VALUE), [secret])
    assert secret != Secret("another")
    logging.getLogger("tieout").warning("%s %r", secret, {"key": secret})
    assert VALUE not in caplog.text
    assert secret.reveal() == VALUE


def test_who_listens_shows_no_credentials() -> None:
    """What streams sign with stands in no text about them."""
    clock, unasked = SystemClock(), AssertionError("unreachable")

    async def token(*_asked: str) -> str:
        raise unasked

    who = Listens("okx:main", {"apiKey": VALUE}, clock.now, clock, random.Random(7), token)
    assert VALUE not in f"{who!r} {who} {[who]}"


def found(source: BrokerCcxt, settings: SecretsSettings = NONE, **environment: str) -> tuple[str | None, list[Problem]]:
    """The key that *source* leads to, and what was wrong."""
    problems = list[Problem]()
    secret = Secrets(settings, environment, "tieout.toml", problems).get("main", source, "api_key", due=True)
    return (None if secret is None else secret.reveal()), problems


def test_the_table_counts_before_the_directory(tmp_path: Path) -> None:
    """A variable, then a file, then the directory's own file of that account and setting."""
    (tmp_path / "main.api_key").write_text("of-the-directory\n")
    (tmp_path / "other.api_key").write_text("of-another\n")
    (tmp_path / "file").write_text("of-the-file\n")
    kept = SecretsSettings(directory=str(tmp_path))
    both = BrokerCcxt("okx", api_key_env="K", api_key_file=str(tmp_path / "file"))
    assert found(both, kept, K="of-the-environment") == ("of-the-environment", [])
    assert found(BrokerCcxt("okx", api_key_file=str(tmp_path / "file")), kept) == ("of-the-file", [])
    assert found(BrokerCcxt("okx"), kept) == ("of-the-directory", [])
    assert [each.place for each in found(BrokerCcxt("okx"))[1]] == ["accounts.main.broker.api_key_env"]


def test_a_key_of_several_lines_is_whole(tmp_path: Path) -> None:
    """A PEM has several."""
    (tmp_path / "pem").write_text("-----BEGIN\nab\n-----END\n")
    assert found(BrokerCcxt("coinbase", api_key_file=str(tmp_path / "pem")))[0] == "-----BEGIN\nab\n-----END"


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o644, 0o622])
def test_a_file_that_is_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    """Unless nobody else can enter its folder, or the configuration says that a platform sets modes."""
    folder = tmp_path / "open"
    folder.mkdir()
    path = folder / "key"
    path.write_text(VALUE)
    path.chmod(mode)
    folder.chmod(0o755)
    source = BrokerCcxt("okx", api_key_file=str(path))
    secret, (problem,) = found(source)
    assert (secret, problem.place) == (None, "accounts.main.broker.api_key_file")
    assert "open to others" in problem.what and VALUE not in str(problem)
    assert found(source, SecretsSettings(private=False)) == (VALUE, [])
    folder.chmod(0o700)
    assert found(source) == (VALUE, [])
    folder.chmod(0o755)
    path.chmod(0o600)
    assert found(source) == (VALUE, [])


def test_what_is_no_secret_is_told(tmp_path: Path) -> None:
    """Nothing there, a folder, a pipe, an empty file, no text, a large one: a sentence, and no waiting."""
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name, text in (("empty", b" \n"), ("binary", b"\xff\xfe"), ("large", b"x" * 70_000)):
        (tmp_path / name).write_bytes(text)
    for name in ("nothing", "folder", "pipe", "empty", "binary", "large"):
        secret, (problem,) = found(BrokerCcxt("okx", api_key_file=str(tmp_path / name)))
        assert (secret, "cannot be read, or is empty" in problem.what) == (None, True)


@pytest.mark.parametrize("account", ["../other", "a/b", ".hidden", "a\0b", ""])
def test_an_account_s_name_leads_nowhere_else(tmp_path: Path, account: str) -> None:
    """No name of an account leads out of the directory of secrets."""
    (tmp_path / "other.api_key").write_text(VALUE)
    (tmp_path / "in").mkdir()
    kept = SecretsSettings(directory=str(tmp_path / "in"))
    assert Secrets(kept, {}, "t", []).get(account, BrokerCcxt("okx"), "api_key") is None
