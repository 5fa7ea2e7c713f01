"""What each strategy does to each kind of break, as a table: what becomes of both sides, and what says so."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from tieout.model.discrepancy import ReconciliationStrategy

S = ReconciliationStrategy
Side = Literal["stays", "follows", "meets"]  # as it was; equal to the other side; equal to it but for the trade's cash


class Cell(Struct, frozen=True, kw_only=True):
    """What is expected of one strategy and one kind of break.

    Attributes:
        books: Whether they follow the broker.
        broker: Whether it follows the books.
        halted: Whether an order that opens something is refused afterwards.
        said: Every action of the reports in its order: what, how far it came, and why.
        logged: What the log has besides the readings themselves.
        told: What people are told, in its order.
        ends: The status of the last report.
    """

    books: Side = "stays"
    broker: Side = "stays"
    halted: bool = False
    said: tuple[str, ...] = ()
    logged: tuple[str, ...] = ()
    told: tuple[str, ...] = ()
    ends: str = "discrepancies"


DONE = ("decide", "intent", "outcome done")


def booked(action: str) -> Cell:
    """The books follow, by one case of this action, and the next reading finds nothing left."""
    return Cell(books="follows", said=(f"{action} done own_rule",), logged=DONE, ends="matched")


def booked_when_lost(action: str) -> Cell:
    """Until the broker has denied an order often enough there is nothing to book, and people are told so."""
    said = ("alert planned nothing_to_book", f"{action} done own_rule")
    return replace(booked(action), said=said, told=("opened", "closed"))


def halted(*cure: str) -> Cell:
    """Nothing changes on either side, the gate is shut; what would mend it waits."""
    said = (*(f"{each} awaiting_approval own_rule" for each in cure), "halt planned own_rule", "alert planned own_rule")
    return Cell(halted=True, said=said, logged=(*(("decide",) if cure else ()), "halt"), told=("opened",))


def warned(*cure: str, reason: str = "own_rule") -> Cell:
    """Nothing changes anywhere, and people are told once."""
    said = (*(f"{each} awaiting_approval own_rule" for each in cure), f"alert planned {reason}")
    return Cell(said=said, logged=("decide",) if cure else (), told=("opened",))


def lost(cell: Cell) -> Cell:
    """As *cell*, but its cure is known only once the broker has denied the order often enough."""
    return replace(cell, said=(*cell.said[1:], cell.said[0]), logged=("halt", "decide"))


def skipped(action: str, reason: str, *, decided: bool = True) -> Cell:
    """Nothing is sent, and people are told why."""
    said = (f"{action} skipped {reason}", f"alert planned {reason}")
    return Cell(said=said, logged=("decide",) if decided else (), told=("opened",))


# What a list of orders held back says is sought among the orders: no rule of its own acts on it.
LOCKED = Cell()
CASH_OF_OUR_TRADE = ("book_fill awaiting_approval somebody_else", "alert planned somebody_else")
SENT = Cell(
    broker="meets", said=("submit_order done own_rule", *CASH_OF_OUR_TRADE), logged=(*DONE, "decide"), told=("opened",)
)
# Never across zero in one order: what the first left open is the next reading's.
SENT_TWICE = replace(SENT, logged=(*DONE, "decide", *DONE, "decide"), told=("opened", "grown"))
CANCELLED = Cell(broker="follows", said=("cancel_order done own_rule",), logged=DONE, ends="matched")
ASKED = Cell(said=("submit_order awaiting_approval own_rule",), logged=("decide",), told=("opened",))

Row = tuple[Cell, Cell, Cell, Cell]
CELLS: dict[str, Row] = {
    # kind: SYNC_TO_BROKER, SYNC_TO_LOCAL, HALT_AND_ALERT, WARN_ONLY
    "a missed fill": (booked("book_fill"), ASKED, halted("book_fill"), warned("book_fill")),
    "another quantity": (booked("set_position"), SENT, halted(), warned()),
    "the other side": (booked("set_position"), SENT_TWICE, halted(), warned()),
    "a position missing in the books": (booked("set_position"), SENT, halted(), warned()),
    "a position missing at the broker": (booked("set_position"), SENT, halted(), warned()),
    "an unheard dividend": (booked("book_activity"), warned(), halted("book_activity"), warned("book_activity")),
    "other cash": (booked("set_balance"), warned(), halted(), warned()),
    "a currency missing in the books": (
        booked("book_activity"), warned(), halted("book_activity"), warned("book_activity"),
    ),
    "a currency missing at the broker": (booked("set_balance"), warned(), halted(), warned()),
    "other locked cash": (LOCKED, LOCKED, LOCKED, LOCKED),
    "an order that never arrived": (
        booked_when_lost("update_order"), warned(), lost(halted("update_order")), warned(),
    ),
    "a stranger's order": (booked("adopt_order"), CANCELLED, halted("adopt_order"), warned()),
    "a forgotten order of ours": (
        booked("adopt_order"), skipped("cancel_order", "own_order", decided=False), halted("adopt_order"), warned(),
    ),
    "an unheard end": (booked("update_order"), warned(), halted("update_order"), warned()),
    "an unheard part": (booked("update_order"), warned(), halted("update_order"), warned()),
    "an amended limit": (booked("update_order"), warned(), halted("update_order"), warned()),
    "a fill alone": (warned(reason="nothing_to_book"), warned(), halted(), warned()),
}  # fmt: skip
STRATEGIES = (S.SYNC_TO_BROKER, S.SYNC_TO_LOCAL, S.HALT_AND_ALERT, S.WARN_ONLY)
TABLE = {(strategy, kind): cell for kind, row in CELLS.items() for strategy, cell in zip(STRATEGIES, row, strict=True)}
