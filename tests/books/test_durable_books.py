"""Books that survive: after every end of the process they are as after the last acknowledged change, or the one under way."""

from __future__ import annotations

import asyncio
import errno
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from msgspec.structs import replace
from tests.books.disks import FailingDisk, HastyDisk, Killed, refusal

from tieout.books import DurableBooks, EngineBooks, Instrument, LocalBooks
from tieout.books.disk import Disk
from tieout.books.engine_books import BooksState
from tieout.clock import VirtualClock
from tieout.errors import BookError, StateError, StateLost
from tieout.model.amounts import dec
from tieout.model.changes import (
    AdoptOrder,
    BookActivity,
    BookFill,
    Change,
    ReverseActivity,
    ReverseFill,
    SetBalance,
    SetPosition,
    UpdateOrder,
)
from tieout.model.snapshot import Activity, Balance, Fill, Order, Position, Snapshot

AT = datetime(2026, 11, 20, 10, tzinfo=UTC)
REGISTRY = {"AAPL": Instrument(asset="AAPL", currency="USD", multiplier=dec("1"))}
Books = EngineBooks | DurableBooks


def fill(fill_id: str = "f-1", quantity: str = "10", *, order: str | None = None, broker: str | None = None) -> Fill:
    """A buy of AAPL with a fee of a dollar."""
    return Fill(fill_id, "AAPL", "buy", dec(quantity), dec("100"), AT, broker, order, dec("1"), "USD")


def order(client: str = "c-1", *, status: str = "open", filled: str = "0", broker: str | None = None) -> Order:
    """A buy order of AAPL."""
    return Order("AAPL", "buy", dec("100"), status, broker, client, None, dec(filled), created_at=AT)  # type: ignore[arg-type]


def deposit(activity_id: str = "a-1", amount: str = "500") -> Activity:
    """A deposit of dollars."""
    return Activity(activity_id, "deposit", AT, currency="USD", amount=dec(amount))


WHOLE = Snapshot(
    "tieout.snapshot/1", "main", "local", AT,
    positions=(Position("AAPL", dec("20"), "net", dec("100"), dec("190"), "USD"),),
    balances=(Balance("USD", dec("7998"), dec("7000"), dec("998"), dec("1")),),
    orders=(order(filled="10", status="partially_filled"),),
    fills=(fill(order="c-1"), fill(order="c-1")),
    activities=(deposit(),),
    fills_since=AT - timedelta(days=1),
    activities_since=AT - timedelta(days=1),
)  # fmt: skip


def reopened(folder: Path, *, disk: Disk | None = None, compact_after: int = 4, **more: object) -> DurableBooks:
    """The books of the folder, as a new process finds them."""
    clock = VirtualClock(AT + timedelta(hours=1))
    return DurableBooks.open(
        "main", folder, clock, compact_after=compact_after, disk=disk or HastyDisk(), **more  # type: ignore[arg-type]
    )  # fmt: skip


def abandoned(books: DurableBooks) -> None:
    """What the end of a process leaves: nothing more is written, and the folder is free."""
    books._state.close()


def exported(books: Books) -> BooksState:
    """All that books are."""
    return books._books.export() if isinstance(books, DurableBooks) else books.export()


def stands(folder: Path) -> BooksState:
    """All that the books in the folder are."""
    books = reopened(folder)
    try:
        return exported(books)
    finally:
        abandoned(books)


def snapshot(books: Books) -> Snapshot:
    """What they say now."""
    return asyncio.run(books.read())


CHANGES: list[Change] = [
    BookFill(fill("f-2", order="c-1")),
    BookFill(fill("f-3", "90", broker="b-2")),
    ReverseFill(fill("f-1", order="c-1")),
    ReverseFill(fill("f-3", "90", broker="b-2")),
    BookActivity(deposit("a-2")),
    ReverseActivity(deposit()),
    UpdateOrder(order(status="cancelled", filled="30", broker="b-1")),
    AdoptOrder(order("c-2", broker="b-2")),
    SetPosition("MSFT", "net", dec("3.10"), "counted", dec("50")),
    SetPosition("MSFT", "long", dec("-3"), "counted"),
    SetBalance("USD", dec("9"), "counted"),
    SetBalance("EUR", dec("1E-8"), "counted"),
]
DOINGS: list[Callable[[Books], object]] = [
    lambda books: books.book_fill(fill("f-1", order="c-1"), reason="heard"),
    lambda books: books.book_fill(fill("f-4", "1", order="c-3", broker="b-3")),
    lambda books: books.book_activity(deposit("a-1")),
    lambda books: books.book_activity(Activity("a-3", "split", AT, asset="AAPL", ratio="3/2")),
    lambda books: books.set_prices({"AAPL": dec("190.0")}),
    lambda books: books.set_prices({"AAPL": dec("191")}, usd={"USD": dec("1")}),
    lambda books: books.orders.note_sent("c-3"),
    lambda books: books.orders.note_sent("c-4"),
    lambda books: books.orders.register(order("c-1", status="pending"), reason="sent"),
    lambda books: books.orders.register(order("c-3")),
    lambda books: books.orders.advance("open", AT + timedelta(seconds=1), client_order_id="c-1", broker_order_id="b-1"),
    lambda books: books.orders.advance("cancelled", AT + timedelta(seconds=2), broker_order_id="b-1"),
    lambda books: books.orders.advance("open", AT, client_order_id="c-1"),
    lambda books: asyncio.run(books.adopt(replace(WHOLE, source="broker"))),
    lambda books: asyncio.run(books.apply([], reason="nothing")),
    *(lambda books, each=each: asyncio.run(books.apply([each], reason="case")) for each in CHANGES),
]


def refused(doing: Callable[[Books], object], books: Books) -> str | None:
    """Why the books refuse, None where they do not."""
    try:
        doing(books)
    except BookError as error:
        return str(error)
    return None


class Survivors(RuleBasedStateMachine):
    """Books that end and come back at any time, beside books that never do."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp()) / "books"
        self.disk, self.losses = FailingDisk(), 0
        self.books = self.begin()
        self.twin = EngineBooks("main", VirtualClock(AT + timedelta(hours=1)))

    def begin(self) -> DurableBooks:
        """The books, as a process finds them."""
        self.disk = FailingDisk()
        return reopened(self.folder, disk=self.disk, compact_after=3)

    @rule(doing=st.sampled_from(DOINGS))
    def change(self, doing: Callable[[Books], object]) -> None:
        """What one of them refuses, the other does, in the same words."""
        assert refused(doing, self.books) == refused(doing, self.twin)

    @rule(changes=st.lists(st.sampled_from(CHANGES), min_size=2, max_size=4))
    def case(self, changes: list[Change]) -> None:
        """A case of several changes."""
        self.change(lambda books: asyncio.run(books.apply(changes, reason="case")))

    @rule()
    def end(self) -> None:
        """The process ends in order; the next one has nothing to replay."""
        self.books.close()
        self.books = self.begin()
        assert self.books.restored.changes == 0
        assert self.books.restored.said is None

    @rule()
    def kill(self) -> None:
        """The process is killed."""
        abandoned(self.books)
        self.books = self.begin()
        assert self.books.restored.said is None

    @rule()
    def lose_newest(self) -> None:
        """The newest generation is damaged while nobody looks."""
        abandoned(self.books)
        generations = sorted(self.folder.glob("generation-*"))
        lose = len(generations) > 1 and self.losses < 3  # five are kept
        if lose:
            self.losses += 1
            generations[-1].write_bytes(generations[-1].read_bytes()[:-1])
        self.books = self.begin()
        assert (self.books.restored.said is not None) == lose

    @rule(
        doing=st.sampled_from(DOINGS),
        step=st.integers(1, 8),
        on=st.booleans(),
        number=st.sampled_from([errno.ENOSPC, errno.EIO]),
        killed=st.booleans(),
    )
    def fail(self, doing: Callable[[Books], object], step: int, number: int, *, on: bool, killed: bool) -> None:
        """The disk fails during a change: it is refused and the books are as before, or it is kept; and they go on."""
        self.disk.failure, self.disk.on, self.disk.at = refusal(number), on, self.disk.steps + step
        before = exported(self.books)
        why = refused(doing, self.books)
        self.disk.at = 0
        unkept = why is not None and why.startswith("journal: ")
        if unkept:
            assert exported(self.books) == before
        else:
            assert why == refused(doing, self.twin)
        if killed:
            # Nobody knows then what the disk has of a change that was refused: all of it or nothing.
            abandoned(self.books)
            self.books = self.begin()
            if unkept and exported(self.books) != before:
                refused(doing, self.twin)
        else:
            self.change(lambda books: books.book_activity(deposit(f"after-{len(before.ledger.entries)}")))

    @invariant()
    def are_the_same(self) -> None:
        """Every reading and all that the books are is what the books that never ended have."""
        assert exported(self.books) == exported(self.twin)
        assert snapshot(self.books) == snapshot(self.twin)

    def teardown(self) -> None:
        """Leave nothing behind."""
        self.books.close()
        shutil.rmtree(self.folder.parent)


TestSurvivors = Survivors.TestCase
TestSurvivors.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)


def test_new_books_and_what_they_say_of_their_beginning(tmp_path: Path) -> None:
    """A folder that never held books says so, and they know since when they vouch for fills, also the next time."""
    clock = VirtualClock(AT)
    books = DurableBooks.open("main", tmp_path / "b", clock)
    local: LocalBooks = books
    assert books.restored.generation is None
    first = asyncio.run(local.read())
    books.close()
    books = DurableBooks.open("main", tmp_path / "b", clock)
    assert (books.restored.generation, books.restored.changes, books.restored.said) == (1, 0, None)
    assert asyncio.run(books.read()) == first
    books.close()


def test_books_opened_from_a_snapshot_survive(tmp_path: Path) -> None:
    """What they were opened from is kept with the first generation; another beginning is no matter the next time."""
    books = reopened(tmp_path / "b", opened_from=WHOLE, instruments=REGISTRY)
    seen = snapshot(books)
    assert seen.fills == WHOLE.fills
    abandoned(books)
    books = reopened(tmp_path / "b", opened_from=replace(WHOLE, positions=()))
    assert snapshot(books) == seen
    books.close()


def test_another_accounts_statement_is_refused(tmp_path: Path) -> None:
    """Books never become those of another account."""
    theirs = replace(WHOLE, account="other")
    with pytest.raises(BookError, match="the books of main"):
        reopened(tmp_path / "b", opened_from=theirs)
    books = reopened(tmp_path / "c")
    with pytest.raises(BookError, match="the books of main"):
        asyncio.run(books.adopt(theirs))
    books.close()
    with pytest.raises(StateError, match="state of account main, not of other"):
        DurableBooks.open("other", tmp_path / "c", VirtualClock(AT))


def test_what_was_refused_before_is_refused_after(tmp_path: Path) -> None:
    """A repeated fill, a client id that was sent, registered or seen on a fill: refused for ever."""
    books = reopened(tmp_path / "b")
    books.orders.note_sent("c-0")
    books.orders.register(order("c-1"))
    books.book_fill(fill("f-1", order="c-1"))
    books.book_fill(fill("f-2", "95", broker="b-9"))
    for end in (abandoned, DurableBooks.close):
        end(books)
        books = reopened(tmp_path / "b")
        for client in ("c-0", "c-1"):
            with pytest.raises(BookError, match="never used again"):
                books.orders.register(order(client))
        with pytest.raises(BookError, match="booked already"):
            books.book_fill(fill("f-1", order="c-1"))
    # A fill that was faster than its order still counts when that comes.
    assert books.orders.register(order("c-2", broker="b-9")).filled == 95
    books.close()


def test_what_is_known_of_assets_can_change(tmp_path: Path) -> None:
    """Other instruments hold from then on, after a crash too, and bookings keep the terms that they were booked under."""
    books = reopened(tmp_path / "b", instruments=REGISTRY)
    books.book_fill(fill())
    before = snapshot(books)
    abandoned(books)
    books = reopened(tmp_path / "b", instruments={"AAPL": replace(REGISTRY["AAPL"], multiplier=dec("100"))})
    books.book_fill(fill("f-2", "1"))
    after = snapshot(books)
    abandoned(books)
    books = reopened(tmp_path / "b")
    assert snapshot(books) == after
    assert after.balances is not None
    assert before.balances is not None
    assert after.balances[0].total - before.balances[0].total == -10001
    assert after.positions is not None
    assert after.positions[0].multiplier == 100
    books.close()


@pytest.mark.parametrize(
    "doing",
    [
        lambda books: books.orders.register(replace(order(), created_at=datetime(2026, 11, 20))),  # noqa: DTZ001
        lambda books: books.set_prices({"AAPL": Decimal("NaN")}),
        lambda books: books.set_prices({"AAPL": Decimal("sNaN")}),
        lambda books: books.set_prices({"AAPL": 0.1}),
        lambda books: books.orders.note_sent(""),
        lambda books: books.book_fill(fill(), reason="\ud800"),
        lambda books: books.orders.note_sent("\ud800"),
    ],
)
def test_what_could_not_be_read_back_is_refused_now(tmp_path: Path, doing: Callable[[DurableBooks], object]) -> None:
    """A record that the disk cannot hold as it is is refused, the books are as they were, and they go on."""
    books = reopened(tmp_path / "b")
    before = exported(books)
    with pytest.raises(BookError, match="cannot be kept as it is"):
        doing(books)
    assert exported(books) == before
    books.book_fill(fill())
    after = exported(books)
    abandoned(books)
    assert stands(tmp_path / "b") == after


def scripted(books: DurableBooks, seen: list[BooksState]) -> None:
    """A day of an engine, cases of several changes included; *seen* gets what the books are after each change."""
    seen.append(exported(books))
    for doing in DAY:
        doing(books)
        seen.append(exported(books))


DAY: list[Callable[[DurableBooks], object]] = [
    lambda books: asyncio.run(books.adopt(WHOLE)),
    lambda books: books.orders.note_sent("c-5"),
    lambda books: books.orders.register(order("c-3")),
    lambda books: books.book_fill(fill("f-5", "5", order="c-3")),
    lambda books: asyncio.run(
        books.apply([ReverseFill(fill(order="c-1")), BookActivity(deposit("a-9")), *CHANGES[7:9]], reason="case")
    ),
    lambda books: books.orders.advance("cancelled", AT, client_order_id="c-3"),
    lambda books: books.set_prices({"AAPL": dec("1")}),
]


def test_killed_at_every_step_of_the_disk(tmp_path: Path) -> None:
    """The books are as after the last acknowledged change or the one under way, never between; a case is whole."""
    whole, seen = FailingDisk(), list[BooksState]()
    books = reopened(tmp_path / "whole", disk=whole, compact_after=2)
    scripted(books, seen)
    books.close()
    for at in range(1, whole.steps + 1):
        folder, so_far = tmp_path / f"{at}", list[BooksState]()
        with suppress(Killed):
            books = reopened(folder, disk=FailingDisk(at, Killed()), compact_after=2)
            try:
                scripted(books, so_far)
                books.close()
            finally:
                abandoned(books)
        assert stands(folder) in seen[max(len(so_far) - 1, 0) : len(so_far) + 1], f"killed at step {at}"


def test_the_journal_cut_anywhere(tmp_path: Path) -> None:
    """Cut anywhere, it leads to the books after one of the changes, each later cut to the same or a later one."""
    seen: list[BooksState] = []
    books = reopened(tmp_path / "b", compact_after=100)
    scripted(books, seen)
    abandoned(books)
    path = tmp_path / "b" / "journal-00000001"
    whole, reached = path.read_bytes(), 0
    # Every byte of a journal is cut at in test_state; here it is what the books make of it.
    ends = {at + each for at, byte in enumerate(whole) if byte == ord("\n") for each in (-1, 0, 1, 2)}
    sizes = sorted(ends | set(range(0, len(whole), 23)))
    for size in (each for each in sizes if whole.index(b"\n") < each <= len(whole)):
        for each in (tmp_path / "b").glob("*-0000000[2-9]"):
            each.unlink()
        path.write_bytes(whole[:size])
        books = reopened(tmp_path / "b", compact_after=100)
        number = seen.index(exported(books))
        torn = not whole[:size].endswith(b"\n") and not whole[: size + 1].endswith(b"\n")
        assert (books.restored.said is not None) == torn
        abandoned(books)
        assert number in (reached, reached + 1)
        reached = number
    assert reached == len(seen) - 1


def test_damage_is_never_accepted_silently(tmp_path: Path) -> None:
    """A byte changed anywhere: the same books, or a refusal. Where an older generation had to help, it is said."""
    seen: list[BooksState] = []
    books = reopened(tmp_path / "b", compact_after=3)
    scripted(books, seen)
    abandoned(books)
    names = sorted(path.name for path in (tmp_path / "b").iterdir() if path.name != "lock")
    assert len(names) >= 4
    outcomes = set[str]()
    for name in names:
        whole = (tmp_path / "b" / name).read_bytes()
        for at in range(0, len(whole), 1 + len(whole) // 40):
            folder = tmp_path / "copy"
            shutil.copytree(tmp_path / "b", folder)
            (folder / name).write_bytes(whole[:at] + bytes([whole[at] ^ 0x04]) + whole[at + 1 :])
            try:
                books = reopened(folder)
                assert exported(books) == seen[-1]
                outcomes.add(f"{name[:4]}{name == names[len(names) // 2 - 1]}{books.restored.said is not None}")
                abandoned(books)
            except StateLost:
                outcomes.add(f"{name[:4]} lost")
            shutil.rmtree(folder)
    # The newest generation is fallen back from, older files are not needed, and a damaged newest journal is refused.
    assert outcomes == {"geneTrueTrue", "geneFalseFalse", "jourFalseFalse", "jour lost"}


def test_a_full_disk_refuses_changes_and_leaves_reading(tmp_path: Path) -> None:
    """Nothing is booked that cannot be kept; reading goes on, and booking does when there is room."""
    disk = FailingDisk()
    books = reopened(tmp_path / "b", disk=disk)
    books.book_fill(fill())
    before = exported(books)
    disk.at, disk.on = disk.steps + 1, True
    for _ in range(3):
        with pytest.raises(BookError, match=r"No space left on device.*make room"):
            books.book_fill(fill("f-2"))
        with pytest.raises(BookError, match="journal"):
            books.orders.register(order())
        assert exported(books) == before
        assert snapshot(books).fills == (fill(),)
    disk.at = 0
    books.orders.register(order())
    after = exported(books)
    abandoned(books)
    assert stands(tmp_path / "b") == after


def test_a_generation_that_fails_costs_no_change(tmp_path: Path) -> None:
    """When only the new generation cannot be written, changes are kept in the journal, and the trouble is told."""

    class NoNewFiles(Disk):
        full = True

        def write(self, path: Path, data: bytes) -> None:
            if self.full:
                raise refusal(errno.ENOSPC)
            super().write(path, data)

    disk = NoNewFiles()
    disk.full = False
    books = reopened(tmp_path / "b", disk=disk, compact_after=2)
    disk.full = True
    for number in range(5):
        books.book_fill(fill(f"f-{number}"))
    assert books.trouble is not None
    assert "No space left" in books.trouble
    disk.full = False
    for number in range(5, 8):
        books.book_fill(fill(f"f-{number}"))
    assert books.trouble is None
    after = exported(books)
    abandoned(books)
    assert stands(tmp_path / "b") == after


def test_a_folder_that_became_unwritable_is_still_read(tmp_path: Path) -> None:
    """After a restart on a full disk the books are there to be read, and refuse changes."""
    books = reopened(tmp_path / "b")
    books.book_fill(fill())
    abandoned(books)
    journal = tmp_path / "b" / "journal-00000001"
    journal.write_bytes(journal.read_bytes() + b"0123")
    disk = FailingDisk(2, on=True)
    books = reopened(tmp_path / "b", disk=disk)
    assert books.restored.said is not None
    assert "cut short" in books.restored.said
    assert books.trouble is not None
    assert snapshot(books).fills == (fill(),)
    with pytest.raises(BookError, match="No space"):
        books.book_fill(fill("f-2"))
    books.close()


def test_books_that_do_not_read_back_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a change that was acknowledged does not fit any more, or leads elsewhere, nothing is guessed."""
    books = reopened(tmp_path / "b")
    books.book_fill(fill())
    abandoned(books)

    def lazy(self: EngineBooks, row: Fill, *, reason: str = "") -> None:
        """Book nothing."""

    def strict(self: EngineBooks, row: Fill, *, reason: str = "") -> None:
        raise BookError("fill", "no")

    for other in (lazy, strict):
        with monkeypatch.context() as patched:
            patched.setattr(EngineBooks, "book_fill", other)
            with pytest.raises(StateLost, match="do not read back"):
                reopened(tmp_path / "b")
    books = reopened(tmp_path / "b")
    assert snapshot(books).fills == (fill(),)
    books.close()


CHILD = """
import sys
from pathlib import Path
from tests.books.test_durable_books import fill, order, AT, BookFill, BookActivity, deposit
import asyncio
from tieout.books import DurableBooks
from tieout.clock import VirtualClock

books = DurableBooks.open("main", Path(sys.argv[1]), VirtualClock(AT), compact_after=7)
start = len(books.orders.orders)
for number in range(start, start + 100000):
    name = f"c-{number}"
    books.orders.note_sent(name + "-sent")
    books.orders.register(order(name))
    print("order", name, flush=True)
    case = [BookFill(fill(f"f-{number}-{each}", order=name)) for each in range(3)]
    asyncio.run(books.apply([*case, BookActivity(deposit(f"a-{number}"))], reason="case"))
    print("case", number, flush=True)
"""


def test_killed_under_load_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    """kill -9 of a real process while it books: all that it said it had booked is there, cases are whole, and it goes on."""
    said: list[str] = []
    for patience in (1, 25, 60, 143):
        command = [sys.executable, "-c", CHILD, str(tmp_path / "b")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as child:
            assert child.stdout is not None
            for _ in range(patience):
                said.append(child.stdout.readline().strip())
            child.send_signal(signal.SIGKILL)
            said += [each.strip() for each in child.stdout.readlines() if each.endswith("\n")]
        books = reopened(tmp_path / "b")
        assert books.restored.said is None or "cut short" in books.restored.said
        seen = snapshot(books)
        orders = {row.client_order_id for row in seen.orders or ()}
        booked = {row.fill_id for row in seen.fills or ()}
        paid = {row.activity_id for row in seen.activities or ()}
        assert {each.split()[1] for each in said if each.startswith("order")} <= orders
        cases = {int(each.split()[1]) for each in said if each.startswith("case")}
        assert {f"a-{number}" for number in cases} <= paid
        assert booked == {f"f-{each.removeprefix('a-')}-{part}" for each in paid for part in range(3)}
        assert len(orders) - len({each for each in said if each.startswith("order")}) <= patience_left(said)
        abandoned(books)
    assert len([each for each in said if each.startswith("case")]) > 50


def patience_left(said: list[str]) -> int:
    """How many orders may be there that were not said: one for each time that the process was killed."""
    return 4 if said else 0


def test_one_process_has_the_books(tmp_path: Path) -> None:
    """While an engine has them, nobody else opens them."""
    books = reopened(tmp_path / "b")
    with pytest.raises(StateError, match="in use by another engine"):
        reopened(tmp_path / "b")
    books.close()
    with pytest.raises(BookError, match="let go of"):
        books.book_fill(fill())


def prices(books: DurableBooks) -> Mapping[str, Decimal | None]:
    """The market prices that are read."""
    return {row.asset: row.market_price for row in snapshot(books).positions or ()}


def test_prices_survive_the_end_of_the_process(tmp_path: Path) -> None:
    """They are not worth a wait for the disk, and are there after a kill; what is not news is not kept again."""
    disk = FailingDisk()
    books = reopened(tmp_path / "b", disk=disk, opened_from=WHOLE, compact_after=100)
    steps = disk.steps
    for _ in range(3):
        books.set_prices({"AAPL": dec("191")})
    assert disk.steps == steps + 1
    abandoned(books)
    books = reopened(tmp_path / "b")
    assert prices(books) == {"AAPL": 191}
    books.close()


async def test_what_was_said_before_the_books_were_adopted_is_not_forgotten(tmp_path: Path) -> None:
    """An id that was used stays used, and prices that were stated stay stated, when empty books take over an account."""
    clock = VirtualClock(AT)
    with DurableBooks.open("main", tmp_path / "books", clock) as books:
        books.orders.note_sent("te-1")
        books.set_prices({"X": Decimal(7)}, usd={"EUR": Decimal("1.1")})
        stated = Snapshot(
            schema="tieout.snapshot/1", account="main", source="broker", as_of=AT,
            positions=(Position("X", Decimal(2)),), balances=(Balance("EUR", Decimal(5)),), orders=(),
        )  # fmt: skip
        await books.adopt(stated)
    with DurableBooks.open("main", tmp_path / "books", clock) as books:
        held = await books.read()
        assert [row.market_price for row in held.positions or ()] == [Decimal(7)]
        assert [row.usd_price for row in held.balances or ()] == [Decimal("1.1")]
        with pytest.raises(BookError, match="used before"):
            books.orders.register(Order("X", "buy", Decimal(1), "pending", client_order_id="te-1", filled=Decimal(0)))
