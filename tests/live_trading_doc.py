"""The tables of docs/architecture/live-trading.md, made by the code. `python -m tests.live_trading_doc` writes them anew."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from importlib import import_module
from pathlib import Path

from msgspec import Struct
from msgspec.structs import fields

from tests.live_trading_effects import effects
from tieout.brokers.base import OrderRequest
from tieout.config.profiles import PROFILES
from tieout.decide.policy import Facts, Policy, Verdict, judge
from tieout.live.gate import Gate
from tieout.live.road import State, reconcile_observation
from tieout.live.schedule import Cadence
from tieout.live.strategy import EngineSettings
from tieout.model.alerting import LEVEL_OF
from tieout.model.codec import encode
from tieout.model.discrepancy import CauseCode, Difference, DiscrepancyType, Domain, Key, Severity
from tieout.model.halt import Halt
from tieout.model.settings import Settings
from tieout.model.snapshot import Fill, Observation, Position, Snapshot, Source
from tieout.serve.profiles import profile_rows, shown
from tieout.serve.render.words import CAUSES, STRATEGIES
from tieout.serve.template import MEANINGS

DOCUMENT = Path(__file__).parents[1] / "docs" / "architecture" / "live-trading.md"
MARK = re.compile(r"(<!-- made: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)
AT = datetime(2026, 11, 20, 14, 0, tzinfo=UTC)
Rows = Iterable[tuple[str, ...]]
ORDER_CAUSES = ("EXTERNAL_ORDER", "LOST_SUBMISSION", "MISSED_UPDATE")
LIMITS = (
    "changes_per_hour", "heals_per_hour", "sets_per_day", "comeback_readings", "collar_percent", "send_max_usd",
    "send_usd_per_day", "send_wait_seconds", "blind_sync_max_usd", "dust_usd", "cumulate_hours", "doubt_readings",
    "doubt_seconds", "clean_readings", "unreadable_seconds", "realert_seconds", "lost_order_lookups", "lost_order_seconds",
    "approval_seconds",
)  # fmt: skip
PARTS = (
    ("PositionReconciler", "tieout.live.reconciler", "PositionReconciler", "reads, judges, acts, reports; one at a time"),
    ("BrokerAdapter", "tieout.brokers.base", "BrokerAdapter", "the broker side, a port"),
    ("per-exchange reconcilers", "tieout.brokers.ccxt.venues", "venue",
     "none: one road for all; what a venue does otherwise is a row here, read by one adapter"),
    ("simulated broker", "tieout.brokers.simulated", "SimulatedBroker", "an adapter over a truth that you set"),
    ("DecimalLedger", "tieout.books.ledger", "DecimalLedger", "positions, cash, average costs, exact"),
    ("OrderManager", "tieout.books.orders", "OrderManager", "own orders and their lives"),
    ("local books of an engine", "tieout.books.engine_books", "EngineBooks", "ledger and orders, written a case at a time"),
    ("books that survive", "tieout.books.durable", "DurableBooks", "the same, each change on the disk first"),
    ("StateManager", "tieout.books.state", "StateManager", "generations and a chained journal in a folder"),
    ("LiveTradingEngine", "tieout.live.engine", "LiveTradingEngine", "restore, reconcile, only then trade"),
    ("gate", "tieout.live.gate", "Gate", "which orders may leave now"),
    ("reconciliation actor", "tieout.live.lane", "Lane", "one writer an account: never two reconciliations of one at once"),
    ("schedule", "tieout.live.schedule", "Schedule", "start, interval, events, demand (APScheduler in live/timer.py)"),
    ("watchman", "tieout.live.watch", "Watch", "overdue, broken, slow and skipped runs are told"),
    ("policy", "tieout.decide.policy", "Policy", "the table, the limits, the modes"),
    ("actions", "tieout.act", "apply", "approved plans to effects, once each, with an intent before"),
    ("repository", "tieout.record.recorder", "StoreRecord", "the store: SQLite or PostgreSQL under a log that proves itself"),
    ("what people say", "tieout.record.base", "Word", "kept first, heard by the next reading"),
    ("alerts", "tieout.live.telling", "Outgoing", "from the outbox to every channel, until each took it"),
    ("configuration", "tieout.config", "load", "TOML and environment, every problem at once"),
    ("composition root", "tieout.bootstrap", "opened", "builds all of this for a configuration"),
)  # fmt: skip


def with_tables(text: str) -> str:
    """The document with everything in it that the code makes."""
    return MARK.sub(lambda mark: f"{mark[1]}{MADE[mark[2]]()}{mark[3]}", text)


def markdown(head: tuple[str, ...], rows: Rows) -> str:
    """A table."""
    return "".join(f"| {' | '.join(line)} |\n" for line in (head, tuple("---" for _ in head), *rows))


def _severities() -> Rows:
    told = Settings()
    low, high = shown(told.moderate_from_percent), shown(told.critical_above_percent)
    when = {
        Severity.MINOR: f"below {low} %, or within tolerance",
        Severity.MODERATE: f"{low} % to {high} %",
        Severity.CRITICAL: f"above {high} %, or missing on one side, or opposite sides",
    }
    return ((f"`{each}`", when[each], str(LEVEL_OF[each])) for each in Severity)


def _causes() -> Iterator[tuple[str, ...]]:
    for code in CauseCode:
        if code is CauseCode.MULTIPLE:
            yield f"`{code}`", CAUSES[code], "the strictest word on any of its parts", "", ""
        elif code is CauseCode.WRONG_FILL:
            for part in ("PRICE", "QUANTITY"):
                yield f"`{code}` in {part.lower()}", CAUSES[code], *_verdicts(f"{code}_{part}", "position")
        else:
            yield f"`{code}`", CAUSES[code], *_verdicts(code, "order" if code in ORDER_CAUSES else "position")
    yield "an order proven lost", "three lookups were each answered *no such order*", *_verdicts("LOST_ORDER", "order")
    yield "a fill alone", "positions and balances agree", *_verdicts("MISSED_FILL", "fill")


def _verdicts(code: str, domain: Domain) -> tuple[str, str, str]:
    """What the default table says of a cause at each severity."""
    said = []
    for severity in Severity:
        known = Difference(
            key=Key(domain, "AAPL"), type=DiscrepancyType.QUANTITY_MISMATCH, local_amount=Decimal(100),
            broker_amount=Decimal(103), difference=Decimal(3), percent=Decimal(3), usd_value=Decimal(570),
            severity=severity, within_tolerance=False,
        )  # fmt: skip
        facts = Facts(known, code.removesuffix("_PRICE").removesuffix("_QUANTITY"), frozenset((code,)),
                      code != CauseCode.UNKNOWN, severity)  # fmt: skip
        said.append(_word(judge(facts, Policy().table())))
    return said[0], said[1], said[2]


def _word(verdict: Verdict) -> str:
    name = {"SYNC_TO_BROKER": "sync", "WARN_ONLY": "warn", "HALT_AND_ALERT": "**halt**"}[verdict.strategy]
    return f"{name}{', asks' if verdict.approval else ''}{', alerts' if verdict.alert else ''}"


def _limits() -> Rows:
    by_name = {each.name: each.default for each in fields(Policy)}
    return ((f"`{name}`", shown(by_name[name]), MEANINGS[name]) for name in LIMITS)


def _explained(kind: type[Struct]) -> Iterator[tuple[str, ...]]:
    """Each setting with its default and what its class says of it."""
    said = dict(
        re.findall(r"^ {8}(\w+): (.*(?:\n {12}.*)*)", (kind.__doc__ or "").partition("Attributes:")[2], re.MULTILINE)
    )
    for each in fields(kind):
        default = f'"{each.default}"' if isinstance(each.default, str) else shown(each.default)
        yield f"`{each.name}`", default, re.sub(r"\s+", " ", said.get(each.name, "From one scheduled run to the next."))


GATES: dict[str, Callable[[Gate], None]] = {
    "not reconciled yet": lambda gate: gate.close(),
    "account halted": lambda gate: gate.follow([_halt(None)]),
    'account halted, `halt_mode = "all"`': lambda gate: gate.follow([_halt(None)], mode="all"),
    "AAPL halted": lambda gate: gate.follow([_halt("AAPL")]),
}


def _halt(asset: str | None) -> Halt:
    return Halt(id="h", asset=asset, reason="unexplained", since=AT)


def _passing() -> Iterator[tuple[str, ...]]:
    """What passes a gate, asked of a real one: 100 AAPL at the broker, 90 in the books."""
    yield "open 1 AAPL", *_asked(asset="AAPL", side="buy", quantity=1)
    yield "sell 1 AAPL, not marked reduce-only", *_asked(asset="AAPL", quantity=1)
    yield "sell 1 AAPL reduce-only, the broker enforces it", *_asked(asset="AAPL", quantity=1, reduce_only=True)
    yield (
        "the same, the broker does not enforce it",
        *_asked(asset="AAPL", quantity=1, reduce_only=True, enforced=False),
    )
    yield "sell 95 AAPL reduce-only", *_asked(asset="AAPL", quantity=95, reduce_only=True)
    yield "open 1 MSFT", *_asked(asset="MSFT", side="buy", quantity=1)
    yield "cancel an order", *(_cancelled(shut) for shut in GATES.values())


def _asked(
    *, asset: str, side: str = "sell", quantity: int, reduce_only: bool = False, enforced: bool = True
) -> Iterator[str]:
    order = OrderRequest(
        client_order_id="o", asset=asset, side=side, quantity=Decimal(quantity), reduce_only=reduce_only  # type: ignore[arg-type]
    )  # fmt: skip
    for shut in GATES.values():
        gate = Gate()
        gate.open()
        shut(gate)
        why = gate.refusal(order, local=Decimal(90), broker=Decimal(100), enforced=enforced)
        yield "passes" if why is None else "no"


def _cancelled(shut: Callable[[Gate], None]) -> str:
    gate = Gate()
    gate.open()
    shut(gate)
    return "passes" if gate.cancel_refusal() is None else "no"


def _report() -> str:
    """A report, as it is written: 103 shares at the broker, 100 in the books, and the fill that says why."""
    fill = Fill("f-9", "AAPL", "buy", Decimal(3), Decimal(190), AT, broker_order_id="b-1", client_order_id="bot-1",
                settlement="margin")  # fmt: skip
    local, broker = _side("local", 100), _side("broker", 103, fill)
    seen = Observation(AT.replace(minute=1), "main", local, broker)
    outcome = reconcile_observation(
        seen, State(), Settings(own_client_ids=("bot-",)), Policy(), trigger="schedule", settled=True
    )
    whole = json.loads(encode(outcome.report))
    left = {name: whole[name] for name in whole if name not in ("summary", "finished_at")}
    return f"```json\n{_indented(left)}\n```\n"


def _side(source: Source, amount: int, *fills: Fill) -> Snapshot:
    row = Position("AAPL", Decimal(amount), market_price=Decimal(190), currency="USD")
    return Snapshot(
        schema="tieout.snapshot/1", account="main", source=source, as_of=AT.replace(minute=1), positions=(row,),
        balances=(), orders=(), fills=fills, fills_since=AT,
    )  # fmt: skip


def _indented(value: object) -> str:
    """JSON a person can read: what fits on a line stands on one."""
    text = json.dumps(value, indent=2)
    for _ in range(3):
        text = re.sub(r"([\[{])\s+([^\[\]{}]{1,100})\n\s*([\]}])", _joined, text)
    return text


def _joined(found: re.Match[str]) -> str:
    inner = re.sub(r",\s+", ", ", found[2].strip())
    return f"{found[1]}{inner}{found[3]}" if len(inner) < 90 else found[0]


def located() -> dict[str, object]:
    """Each promised part, imported from where it is said to live."""
    return {part: getattr(import_module(home), name) for part, home, name, _ in PARTS}


def _strategies() -> Rows:
    return ((f"`{name}`", said) for name, said in STRATEGIES.items())


MADE: dict[str, Callable[[], str]] = {
    "severities": lambda: markdown(("severity", "when", "log and alert"), _severities()),
    "causes": lambda: markdown(("cause", "in words", "MINOR", "MODERATE", "CRITICAL"), _causes()),
    "effects": lambda: markdown(
        ("strategy", "what happened", "books before → after", "broker before → after", "reported", "next reading"),
        asyncio.run(effects()),
    ),
    "strategies": lambda: markdown(("strategy", "what it does"), _strategies()),
    "gate": lambda: markdown(("order", *GATES), _passing()),
    "limits": lambda: markdown(("setting", "default", "meaning"), _limits()),
    "profiles": lambda: markdown(("setting", *PROFILES), profile_rows()),
    "cadence": lambda: markdown(("setting", "default", "meaning"), _explained(Cadence)),
    "engine": lambda: markdown(("setting", "default", "meaning"), _explained(EngineSettings)),
    "report": _report,
    "parts": lambda: markdown(
        ("part", "where", "what it is"), ((part, f"`{home}.{name}`", said) for part, home, name, said in PARTS)
    ),
}

if __name__ == "__main__":
    DOCUMENT.write_text(with_tables(DOCUMENT.read_text("utf-8")), "utf-8")
