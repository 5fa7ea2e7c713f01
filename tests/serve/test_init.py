"""`tieout init --ask`, on a real terminal: whatever is answered, the file that is written is one that Tieout reads."""

from __future__ import annotations

import io
import itertools
import os
import pty
import select
import signal
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.proving import PROVE
from tests.serve.api.stage import write_side
from tieout.config import Config, load
from tieout.config.local import LocalFreqtrade
from tieout.config.nouns import BROKER_KINDS, LOCAL_KINDS, BrokerAlpaca, BrokerCcxt, BrokerIb, LocalFile
from tieout.serve.cli import run
from tieout.serve.interview import BOOKS, BROKERS, LIVE_ALONE, PASSPHRASE, WALLET

CTRL_C, CTRL_D = b"\x03", b"\x04"
ANSWERS = {
    "alpaca": ["", "", ""],
    "ccxt": ["okx", "live", "", "", ""],
    "ib": ["DU1234567", "paper", "tws"],
    "dydx": ["dydx1" + "a" * 38],
    "statement": ["csv", "statements", ""],
    "file": [""],
    "simulated": [""],
    "own": [""],
    "pushed": [],
    "freqtrade": ["", "", ""],
    "sql": ["", ""],
    "engine": [""],
}


@contextmanager
def typing(monkeypatch: pytest.MonkeyPatch, *answers: str) -> Iterator[None]:
    """A terminal on standard input, on which somebody types all of that."""
    theirs, ours = pty.openpty()
    with os.fdopen(ours, encoding="utf-8") as heard, monkeypatch.context() as patched:
        patched.setattr(sys, "stdin", heard)
        for each in answers:
            os.write(theirs, f"{each}\n".encode())
        os.write(theirs, CTRL_D)  # should more be asked for
        yield
    os.close(theirs)


def written(monkeypatch: pytest.MonkeyPatch, path: Path, *answers: str) -> Config:
    """What is read of the file that was written after these answers."""
    with typing(monkeypatch, *answers):
        assert run(["init", str(path), "--ask"]) == 0
    return load(path, None, {})


class Talk:
    """A process on a terminal of its own, as a person has it before them."""

    def __init__(self, folder: Path, *words: str) -> None:
        self.said = ""
        self._process, self._terminal = pty.fork()
        if self._process == 0:
            os.chdir(folder)
            os.execv(sys.executable, [sys.executable, "-m", "tieout", *words])

    def hear(self) -> str:
        """All that is said until it waits for an answer, or ends."""
        heard = ""
        while not heard.endswith(": ") and select.select([self._terminal], [], [], 30)[0]:
            try:
                more = os.read(self._terminal, 4096)
            except OSError:  # what a terminal says whose process has gone
                break
            heard += more.decode()
        self.said += heard
        return heard.replace("\r\n", "\n")

    def type(self, what: str | bytes) -> str:
        """Type that, and hear what comes of it."""
        os.write(self._terminal, what if isinstance(what, bytes) else f"{what}\n".encode())
        return self.hear()

    def end(self) -> int:
        """Its exit status."""
        os.close(self._terminal)
        return os.waitstatus_to_exitcode(os.waitpid(self._process, 0)[1])


def test_a_conversation(tmp_path: Path) -> None:
    """Defaults stand in brackets, a wrong answer is explained and asked for again, and no secret comes into the file."""
    talk = Talk(tmp_path, "init", "--ask")
    assert talk.hear().endswith("What is the account to be called, in reports and alerts? [main]: ")
    assert "begin with a letter" in talk.type("../main")
    assert "1  alpaca" in talk.type("paper") and "7  simulated" in talk.said
    assert "a number from 1 to 7" in talk.type("8")
    assert talk.type("ALPACA").endswith("Number or name [paper]: ")
    assert talk.type("1").endswith("holds the key's id [ALPACA_KEY]: ")
    for secret in ("PK1234567890ABCDEFGH", "sk-live-4711", "a b", "ü\x1b[A"):
        heard = talk.type(secret)
        assert "The key itself is not asked for" in heard and heard.endswith("holds the key's id [ALPACA_KEY]: ")
        assert heard.count(secret) <= 1, "the terminal shows it, and nothing else does"
    assert talk.type("").endswith("holds its secret [ALPACA_SECRET]: ")
    assert "each needs its own" in talk.type("ALPACA_KEY")
    talk.type("THE_SECRET")
    assert talk.type("own").endswith("The file that Tieout is to keep [paper.json]: ")
    talk.type("")
    assert '[accounts.paper.broker]\nkind = "alpaca"' in talk.type("conservative")
    assert not (tmp_path / "tieout.toml").exists()
    heard = talk.type("yes")
    assert "export ALPACA_KEY=… THE_SECRET=…\n  tieout doctor\n" in heard and "tieout adopt paper\n" in heard
    assert talk.end() == 0
    path = tmp_path / "tieout.toml"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "1234567890" not in path.read_text("utf-8") and "4711" not in path.read_text("utf-8")
    found = load(path, None, {}).account("paper")
    assert found.profile == "conservative"
    assert found.broker == BrokerAlpaca(api_key_env="ALPACA_KEY", secret_env="THE_SECRET", paper=True)
    assert found.local == LocalFile(path="paper.json", own=True)


@pytest.mark.parametrize("key", [CTRL_C, CTRL_D] if PROVE else [CTRL_C])
def test_whoever_leaves_leaves_nothing(tmp_path: Path, key: bytes) -> None:
    """At the very last question: no file, a sentence, and no traceback."""
    talk = Talk(tmp_path, "init", "--ask")
    talk.hear()
    for answer in ("", "file", "", "pushed", ""):
        talk.type(answer)
    heard = talk.type(key)
    assert "Nothing was written." in heard and "Traceback" not in talk.said
    assert talk.end() == 3
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("when", range(5))
def test_a_signal_leaves_nothing_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: int) -> None:
    """Whenever it comes, until the file is there whole."""

    def interrupt(*_: object, **__: object) -> None:
        signal.raise_signal(signal.SIGINT)

    where = ("interview", "account_lines", "render_template", "load", "_require_sound")[when]
    monkeypatch.setattr(f"tieout.serve.initiating.{where}", interrupt)
    with typing(monkeypatch, "", "file", "", "pushed", "", ""):
        assert run(["init", str(tmp_path / "x.toml"), "--ask"]) == 3
    assert list(tmp_path.iterdir()) == []


def pairs() -> list[tuple[str, str]]:
    """Every broker with every kind of books; each at least once where it is not to be proved."""
    if PROVE:
        return list(itertools.product(BROKERS, BOOKS))
    return list(itertools.zip_longest(BROKERS, BOOKS, fillvalue="own"))


def test_every_kind_can_be_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every broker and every kind of books that a configuration knows, each read back from the file."""
    assert set(BROKERS) == set(BROKER_KINDS)
    assert set(BOOKS) == {*LOCAL_KINDS, "own"}
    for broker, books in pairs():
        path = tmp_path / f"{broker}-{books}.toml"
        found = written(monkeypatch, path, "desk", broker, *ANSWERS[broker], books, *ANSWERS[books], "", "").account(
            "desk"
        )
        assert type(found.broker) is BROKER_KINDS[broker]
        assert type(found.local) is LOCAL_KINDS["file" if books == "own" else books]


def test_what_was_answered_is_what_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paper and live, ports, passphrases, wallets, assets, and paths with whatever a path may have in it."""

    def told(*answers: str, books: tuple[str, ...] = ("pushed",)) -> Config:
        path = tmp_path / f"{abs(hash((answers, books)))}.toml"
        return written(monkeypatch, path, "", *answers, *books, "permissive", "")

    assert told("ib", "U12345678", "live", "gateway").account("main").broker == BrokerIb("U12345678", port=4001)
    assert told("ib", "du1", "DU12345678", "1", "2").account("main").broker == BrokerIb("DU12345678", port=7497)
    spot = told("ccxt", "binanec", "binance", "paper", "", "", "BTCUSDT", "BTC/USDT, ETH/USDT").account("main").broker
    assert isinstance(spot, BrokerCcxt)
    assert (spot.exchange, spot.sandbox, spot.assets) == ("binance", True, ("BTC/USDT", "ETH/USDT"))
    okx = told("ccxt", "OKX", "live", "", "", "OKX_KEY", "OKX_WORD").account("main").broker
    assert isinstance(okx, BrokerCcxt)
    assert (okx.api_key_env, okx.secret_env, okx.password_env, okx.sandbox) == (
        "OKX_KEY",
        "OKX_SECRET",
        "OKX_WORD",
        False,
    )
    wallet = told("ccxt", "hyperliquid", "live", "0xno", "0x" + "aB" * 20).account("main").broker
    assert isinstance(wallet, BrokerCcxt)
    assert wallet.wallet_address == "0x" + "aB" * 20 and wallet.private_key_env is None
    kraken = told("ccxt", "kraken", "", "").account("main").broker
    assert isinstance(kraken, BrokerCcxt) and not kraken.sandbox
    strange = r'C:\b "q" ü # [x] \n'
    assert told("file", strange).account("main").broker == BROKER_KINDS["file"](path=strange)  # type: ignore[call-arg]
    bot = told("alpaca", "paper", "", "", books=("freqtrade", "http://me:hush@x", "http://x:1", 'a"b', "BOT_WORD"))
    local = bot.account("main").local
    assert local == LocalFreqtrade(url="http://x:1", username='a"b', password_env="BOT_WORD", dry_run=True)
    assert bot.account("main").profile == "permissive"
    folder = told("file", "~/x", books=("engine", "~/y")).account("main").local
    assert folder == LOCAL_KINDS["engine"](folder=os.path.expanduser("~/y"))  # type: ignore[call-arg]  # noqa: PTH111


def test_from_the_answers_to_a_first_reconciliation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """What it says comes next, done word by word, ends in an account that matches."""
    monkeypatch.chdir(tmp_path)
    write_side(tmp_path, "main", "broker", "2")
    with typing(monkeypatch, "", "file", "", "", "", "", ""):
        assert run(["init", "--ask"]) == 0
    _, _, after = capfd.readouterr().err.partition("What comes next:\n")
    words = [line.split()[1:] for line in after.splitlines() if "access user" not in line and "serve" not in line]
    assert words == [["doctor"], ["audit", "key", "new"], ["adopt", "main"], ["check"]]
    for each in words:
        assert run([*each, "--yes"] if each[0] == "adopt" else each) == 0, each


@pytest.mark.parametrize("broken", ["there", "link", "folder", "pipe", "while"])
def test_what_cannot_be_written_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], broken: str
) -> None:
    """A file that is there stays as it is, even one that comes meanwhile; and where nobody can answer, nobody is asked."""
    path = tmp_path / ("nowhere/x.toml" if broken == "folder" else "x.toml")
    if broken == "there":
        path.write_text("# mine\n")
    if broken == "link":
        path.symlink_to(tmp_path / "elsewhere")
    if broken == "while":

        def made(*_: object) -> str:
            path.write_text("# mine\n")
            return ""

        monkeypatch.setattr("tieout.serve.initiating.render_template", made)
    with typing(monkeypatch, "", "file", "", "pushed", "", ""):
        if broken == "pipe":
            monkeypatch.setattr(sys, "stdin", io.StringIO("main\n"))
        assert run(["init", str(path), "--ask"]) == 2
    said = capsys.readouterr().err
    wanted = {"folder": "there is no such folder", "pipe": "standard input is no terminal"}
    assert wanted.get(broken, "there is a file already") in said and "Traceback" not in said
    if broken in ("there", "while"):
        assert path.read_text() == "# mine\n"
    else:
        assert not path.exists() and not (tmp_path / "elsewhere").exists()


@pytest.mark.skipif(not PROVE, reason="ccxt is pinned: what its venues need changes when that does")
def test_what_is_asked_of_a_venue_is_what_ccxt_needs() -> None:
    """Passphrases, wallets and test networks, of every venue that is read through it."""
    import ccxt

    from tieout.brokers.ccxt.venues import VENUES

    made = {name: getattr(ccxt, name)() for name in VENUES}
    needs = {name: {key for key, due in each.requiredCredentials.items() if due} for name, each in made.items()}
    assert {name for name in made if "password" in needs[name]} == PASSPHRASE
    assert {name for name in made if "walletAddress" in needs[name]} == WALLET
    assert {name for name in made if not made[name].urls.get("test")} == LIVE_ALONE
