"""`tieout check`: configured accounts against real files, a real venue process and a real record."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.live.inbox import Inbox
from tieout.brokers.simulated import Fault, FaultRule, Instrument
from tieout.brokers.simulated.commands import AddAccount, AddInstrument, Advance, Command, Inject, Pay, Trade
from tieout.brokers.simulated.process import VenueProcess
from tieout.brokers.simulated.remote import RemoteSimulatedBroker
from tieout.brokers.simulated.remote_world import RemoteWorld
from tieout.clock import SystemClock
from tieout.model.codec import decode_snapshot, encode
from tieout.model.snapshot import Snapshot
from tieout.observe.reading import Reach, read_broker
from tieout.record import keys
from tieout.serve.cli import run

NAMES = (
    "RECONCILIATION_ENABLED", "RECONCILIATION_INTERVAL_SECONDS", "RECONCILIATION_THRESHOLD_USD",
    "RECONCILIATION_RETRY_COUNT", "RECONCILIATION_TIMEOUT_SECONDS",
)  # fmt: skip
FILES = """
[settings]
settle_seconds = "0.05"
[accounts.main.local]
kind = "file"
path = "local.json"
[accounts.main.broker]
kind = "file"
path = "broker.json"
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own, and an environment in which nobody said anything."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def state(source: str, amount: str, account: str = "main", *, age: int = 0, **more: Any) -> dict[str, Any]:
    """A snapshot with one position, taken *age* seconds ago."""
    at = SystemClock().now() - timedelta(seconds=age)
    position = {"asset": "AAPL", "amount": amount, "market_price": "10", "currency": "USD"}
    whole: dict[str, Any] = {"positions": [position], "balances": [], "orders": [], "fills": [], "activities": []}
    return {
        "schema": "tieout.snapshot/1",
        "account": account,
        "source": source,
        "as_of": at.isoformat(),
        **whole,
        **more,
    }


def wrote(local: dict[str, Any], broker: dict[str, Any], config: str = FILES) -> None:
    """Both files, and a configuration."""
    Path("local.json").write_text(json.dumps(local))
    Path("broker.json").write_text(json.dumps(broker))
    Path("tieout.toml").write_text(config)


def checked(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, list[dict[str, Any]], str]:
    """Exit status, reports and messages of a check in JSON."""
    status = run(["check", *arguments, "--format", "json"])
    captured = capsys.readouterr()
    return status, [json.loads(line) for line in captured.out.splitlines()], captured.err


# --- exit status


def test_a_match_exits_0(capsys: pytest.CaptureFixture[str]) -> None:
    """Two files that agree: one reading, exit 0."""
    wrote(state("local", "100"), state("broker", "100.0"))
    status, (report,), _ = checked(capsys)
    assert (status, report["status"], report["account"]) == (0, "matched", "main")


def test_a_difference_is_confirmed_by_reading_again_and_exits_1(capsys: pytest.CaptureFixture[str]) -> None:
    """One reading cannot confirm it; check waits the settle window and looks again by itself."""
    wrote(state("local", "100"), state("broker", "103"))
    status, (report,), _ = checked(capsys)
    assert status == 1
    assert [(row["difference"], row["confirmed"]) for row in report["discrepancies"]] == [("3", True)]


@pytest.mark.parametrize("broken", ["missing", "torn", "of another account", "old"])
@pytest.mark.parametrize("side", ["local", "broker"])
def test_a_file_that_cannot_be_trusted_is_never_empty(
    side: str, broken: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 3, no discrepancy, nothing to be done, and the reason on standard error."""
    wrote(state("local", "100"), state("broker", "100"))
    path = Path(f"{side}.json")
    if broken == "missing":
        path.unlink()
    elif broken == "torn":
        path.write_bytes(path.read_bytes()[:-9])
    else:
        other = state(side, "100", "another") if broken == "of another account" else state(side, "100", age=901)
        path.write_text(json.dumps(other))
    status, (report,), said = checked(capsys)
    assert (status, report["status"], report["discrepancies"]) == (3, "incomplete", [])
    assert {action["action"] for action in report["actions"]} <= {"alert"}
    assert f"{side}.json" in said


def test_bad_usage_exits_2_with_one_sentence_each(capsys: pytest.CaptureFixture[str]) -> None:
    """An unknown account, no account at all, and no file: what is wrong, and how to mend it."""
    wrote(state("local", "1"), state("broker", "1"))
    status, reports, said = checked(capsys, "mian", "other")
    assert (status, reports, said.count("known are main")) == (2, [], 2)
    Path("tieout.toml").write_text("[accounts.main]\nthreshold_usd = 1\n")
    status, _, said = checked(capsys)
    assert (status, "write [accounts.NAME.local]" in said) == (2, True)
    status, _, said = checked(capsys, "--config", "nowhere.toml")
    assert (status, "nowhere.toml" in said) == (2, True)


def test_switched_off_means_off_and_never_a_match(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With RECONCILIATION_ENABLED=false nothing is read: exit 2, and the sentence says how to switch it on."""
    wrote(state("local", "100"), state("broker", "100"))
    monkeypatch.setenv("RECONCILIATION_ENABLED", "false")
    status, reports, said = checked(capsys)
    assert (status, reports) == (2, [])
    assert "switched off" in said and "RECONCILIATION_ENABLED=true" in said


def test_an_account_that_is_off_is_left_out_unless_it_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """The others are checked; asking for it by name is refused."""
    more = FILES.replace("main", "quiet") + "[accounts.quiet.reconciliation]\nenabled = false\n"
    wrote(state("local", "1"), state("broker", "1"), FILES + more.replace('[settings]\nsettle_seconds = "0.05"', ""))
    status, reports, _ = checked(capsys)
    assert (status, [report["account"] for report in reports]) == (0, ["main"])
    status, reports, said = checked(capsys, "quiet")
    assert (status, reports, "accounts.quiet" in said) == (2, [], True)


def test_the_threshold_of_the_environment_decides(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a user was promised reaches the verdict: 20 USD of cash are within 25, and beyond 10."""
    for amount, side in (("1000", "local"), ("1020", "broker")):
        balances = [{"currency": "USD", "total": amount}]
        Path(f"{side}.json").write_text(json.dumps(state(side, "1", balances=balances)))
    Path("tieout.toml").write_text(FILES)
    monkeypatch.setenv("RECONCILIATION_THRESHOLD_USD", "25")
    _, (report,), _ = checked(capsys)
    assert [row["within_tolerance"] for row in report["discrepancies"]] == [True]
    monkeypatch.setenv("RECONCILIATION_THRESHOLD_USD", "10")
    _, (report,), _ = checked(capsys)
    assert [row["within_tolerance"] for row in report["discrepancies"]] == [False]


def test_a_person_reads_it_in_eighty_columns(capsys: pytest.CaptureFixture[str]) -> None:
    """The table is the default; it fits, and says that nothing is acted on without a record."""
    wrote(state("local", "100"), state("broker", "103"))
    assert run(["check"]) == 1
    captured = capsys.readouterr()
    assert max(map(len, captured.out.splitlines())) <= 80
    assert "AAPL" in captured.out and "no [record]" in captured.err


# --- a venue, and a record


@pytest.fixture
def venue(tmp_path: Path) -> Iterator[VenueProcess]:
    """A venue process on which an account bought 10 AAPL. Its time moves when it is told to, so that nothing is in flight."""
    with VenueProcess(tmp_path / "world.sqlite", virtual_from=datetime(2026, 11, 20, tzinfo=UTC)) as process:
        happen(
            process,
            AddAccount(account="main"),
            AddInstrument(instrument=Instrument(asset="AAPL", kind="cash", currency="USD")),
            Pay(account="main", kind="deposit", currency="USD", amount=Decimal(10000)),
            bought(10, "bot-1"),
            Advance(seconds=3600),
        )
        yield process


def bought(quantity: int, client_order_id: str, *, liquidation: bool = False) -> Trade:
    """A purchase at 100 USD."""
    return Trade(
        account="main", asset="AAPL", side="buy", quantity=Decimal(quantity), price=Decimal(100),
        client_order_id=client_order_id, liquidation=liquidation,
    )  # fmt: skip


def happen(venue: VenueProcess, *commands: Command | Inject) -> None:
    """Let things happen there."""

    async def tell() -> None:
        world = RemoteWorld(venue.url)
        for command in commands:
            await (world.inject(command) if isinstance(command, Inject) else world.perform(command))
        await world.close()

    asyncio.run(tell())


def statement(venue: VenueProcess) -> Snapshot:
    """What the venue says now."""

    async def ask() -> Snapshot:
        broker = RemoteSimulatedBroker(venue.url, "main")
        stated = await read_broker("main", broker, Reach())
        await broker.close()
        assert isinstance(stated, Snapshot)
        return stated

    return asyncio.run(ask())


def keep(stated: Snapshot) -> None:
    """The books hold that, as of now."""
    now = datetime.now(UTC)  # the machine's clock, as a bot would take it
    Path("local.json").write_bytes(encode(replace(stated, source="local", as_of=now)))


def configure(venue: VenueProcess, *, writable: bool = True, record: bool = True) -> None:
    """A simulated broker against the file, with a record."""
    text = f"""
[settings]
settle_seconds = "0.2"
own_client_ids = ["bot-"]
[reconciliation]
timeout_seconds = 5
[accounts.main.local]
kind = "file"
path = "local.json"
writable = {str(writable).lower()}
[accounts.main.broker]
kind = "simulated"
url = "{venue.url}"
"""
    if record and not Path("keys").exists():
        keys.create(Path("keys"))
    Path("tieout.toml").write_text(text + ('[record]\nstore = "tieout.db"\nkeys = "keys"\n' if record else ""))


def test_a_missed_fill_is_booked_into_the_file_once(venue: VenueProcess, capsys: pytest.CaptureFixture[str]) -> None:
    """Broker and books before and after: the record that local lacked is in it, cash and cost included; then they match."""
    held = statement(venue)
    happen(venue, bought(5, "bot-2"), Advance(seconds=60))
    keep(held)
    configure(venue)
    status, (report,), _ = checked(capsys)
    assert (status, report["discrepancies"][0]["cause"]["code"]) == (1, "MISSED_FILL")
    assert ("book_fill", "done") in {(action["action"], action["status"]) for action in report["actions"]}
    books = decode_snapshot(Path("local.json").read_bytes(), "local.json", "local")
    truth = statement(venue)
    assert [row.amount for row in books.positions or ()] == [row.amount for row in truth.positions or ()] == [15]
    assert {row.currency: row.total for row in books.balances or ()} == {"USD": Decimal(8500)}
    assert {row.fill_id for row in books.fills or ()} == {row.fill_id for row in truth.fills or ()}
    before = Path("local.json").read_bytes()
    status, (report,), _ = checked(capsys)
    assert (status, report["status"]) == (0, "matched")
    assert Path("local.json").read_bytes() == before


def test_a_dry_run_says_what_it_would_do_and_does_not(venue: VenueProcess, capsys: pytest.CaptureFixture[str]) -> None:
    """The booking is skipped and the file stays; it neither counts as an attempt nor keeps the next check from booking."""
    held = statement(venue)
    happen(venue, bought(5, "bot-2"), Advance(seconds=60))
    keep(held)
    configure(venue)
    before = Path("local.json").read_bytes()
    for _ in range(2):
        status, (report,), _said = checked(capsys, "--dry-run")
        assert (status, Path("local.json").read_bytes()) == (1, before)
        assert ("book_fill", "skipped") in {(action["action"], action["status"]) for action in report["actions"]}
    _, (report,), _said = checked(capsys)
    assert ("book_fill", "done") in {(action["action"], action["status"]) for action in report["actions"]}
    assert Path("local.json").read_bytes() != before


def test_a_halt_of_one_check_is_not_forgotten_by_the_next(
    venue: VenueProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    """It stands in the record: a check in which all is well again still says so, and a dry run does not lift it."""
    held = statement(venue)
    keep(held)
    configure(venue)
    happen(venue, bought(1, "forced", liquidation=True), Advance(seconds=60))
    keep(held)
    assert [halt["asset"] for halt in checked(capsys)[1][0]["halts"]] == [None]
    keep(statement(venue))
    for arguments in (("--dry-run",), (), ()):
        status, (report,), _ = checked(capsys, *arguments)
        assert (status, report["status"]) == (0, "matched")
        assert [halt["asset"] for halt in report["halts"]] == [None]


class Phone(threading.Thread):
    """A receiving end in a thread of its own, for a check runs an event loop of its own."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.inbox, self.ready, self.loop = Inbox(), threading.Event(), asyncio.new_event_loop()

    def run(self) -> None:
        """Listen until it is stopped."""
        self.loop.run_until_complete(self.inbox.start())
        self.ready.set()
        self.loop.run_forever()
        self.loop.run_until_complete(self.inbox.stop())
        self.loop.close()


def test_a_check_tells_people_once(venue: VenueProcess, capsys: pytest.CaptureFixture[str]) -> None:
    """A halt that a check finds reaches the channel that is configured; the next check of the same says nothing more."""
    phone = Phone()
    phone.start()
    assert phone.ready.wait(20)
    held = statement(venue)
    keep(held)
    configure(venue)
    with Path("tieout.toml").open("a") as file:
        file.write(f'[alerts]\nurls = ["{phone.inbox.url}"]\n')
    happen(venue, bought(1, "forced", liquidation=True), Advance(seconds=60))
    keep(held)
    checked(capsys, "--dry-run")
    assert phone.inbox.bodies == []
    for _ in range(2):
        checked(capsys)
    phone.loop.call_soon_threadsafe(phone.loop.stop)
    phone.join(20)
    (body,) = phone.inbox.bodies
    assert "LIQUIDATION" in body and "HALT_AND_ALERT" in body


@pytest.mark.parametrize("record", [True, False])
def test_a_file_that_is_not_writable_is_never_written(
    venue: VenueProcess, capsys: pytest.CaptureFixture[str], record: bool
) -> None:
    """The cure stands in the report, and the file stays as its writer left it."""
    held = statement(venue)
    happen(venue, bought(5, "bot-2"), Advance(seconds=60))
    keep(held)
    configure(venue, writable=not record, record=record)  # without a record not even a writable one
    before = Path("local.json").read_bytes()
    status, (report,), _ = checked(capsys)
    assert status == 1
    assert "done" not in {action["status"] for action in report["actions"]}
    assert "book_fill" in {action["action"] for action in report["actions"]}
    assert Path("local.json").read_bytes() == before
    assert not Path("local.json.new").exists()


def test_a_venue_that_stumbles_is_asked_again(venue: VenueProcess, capsys: pytest.CaptureFixture[str]) -> None:
    """The configured tries reach the reading: two failures are got over with two tries, and not with one."""
    keep(statement(venue))
    configure(venue, record=False)
    text = Path("tieout.toml").read_text()
    for tries, expected in (("2", 0), ("1", 3)):
        Path("tieout.toml").write_text(
            text.replace("timeout_seconds = 5", f"timeout_seconds = 5\nretry_count = {tries}")
        )
        rule = FaultRule(fault=Fault.UNAVAILABLE, calls=frozenset({"server_time"}), times=2)
        happen(venue, Inject(account="main", rules=(rule,)))
        assert checked(capsys)[0] == expected


def test_a_venue_that_is_away_is_not_flat(venue: VenueProcess, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 3, the books untouched, and standard error says which side it was."""
    keep(statement(venue))
    configure(venue)
    before = Path("local.json").read_bytes()
    venue.kill()
    status, (report,), said = checked(capsys)
    assert (status, report["discrepancies"], Path("local.json").read_bytes()) == (3, [], before)
    assert "simulated:main server_time" in said


def test_a_liquidation_halts_under_the_most_lenient_profile(
    venue: VenueProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    """No profile books it by itself."""
    held = statement(venue)
    happen(venue, bought(1, "forced", liquidation=True), Advance(seconds=60))
    keep(held)
    configure(venue)
    Path("tieout.toml").write_text('profile = "permissive"\n' + Path("tieout.toml").read_text())
    before = Path("local.json").read_bytes()
    status, (report,), _ = checked(capsys)
    assert status == 1
    assert {row["strategy"] for row in report["discrepancies"]} == {"HALT_AND_ALERT"}
    assert "halt" in {action["action"] for action in report["actions"]}
    assert Path("local.json").read_bytes() == before


def test_accounts_are_checked_side_by_side_and_the_worst_counts(
    venue: VenueProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each has its report, in the order of the configuration; one whose broker is away does not keep another from its own."""
    wrote(state("local", "100", "files"), state("broker", "101", "files"))
    files = FILES.replace("accounts.main", "accounts.files").replace("local.json", "files.json")
    Path("files.json").write_text(json.dumps(state("local", "100", "files")))
    keep(statement(venue))
    configure(venue)
    text = Path("tieout.toml").read_text()
    away = '[accounts.away.local]\nkind = "file"\npath = "a"\n[accounts.away.broker]\nkind = "simulated"\n'
    sides = files.partition('"0.05"')[2]
    Path("tieout.toml").write_text(text + sides + away + 'url = "http://127.0.0.1:9"\n')
    status, reports, _ = checked(capsys)
    assert status == 1
    assert [(report["account"], report["status"]) for report in reports] == [
        ("main", "matched"), ("files", "discrepancies"), ("away", "incomplete"),
    ]  # fmt: skip


# --- secrets


def test_secrets_that_are_missing_are_named_by_their_place(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All at once, before anything is asked; a key that was pasted where its name belongs is not repeated."""
    pasted = "AKIAOFNOBODY7EXAMPLE"
    monkeypatch.delenv(pasted, raising=False)
    Path("tieout.toml").write_text(f"""
[accounts.main.local]
kind = "file"
path = "local.json"
[accounts.main.broker]
kind = "ccxt"
exchange = "binanceusdm"
api_key_env = "{pasted}"
secret_file = "no-such-file"
""")
    status, reports, said = checked(capsys)
    assert (status, reports) == (2, [])
    assert "accounts.main.broker.api_key_env" in said and "accounts.main.broker.secret_file" in said
    assert pasted not in said
