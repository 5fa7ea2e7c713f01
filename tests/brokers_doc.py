"""The tables of docs/brokers.md, and its excerpts, from the code. `python -m tests.brokers_doc` writes them anew."""

from __future__ import annotations

import ast
import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

from tieout.brokers.base import Capabilities
from tieout.brokers.ccxt.calls import Call, Venue
from tieout.brokers.ccxt.sends import Way
from tieout.brokers.ccxt.venues import VENUES
from tieout.brokers.ib.adapter import IbBroker
from tieout.brokers.loopback.street import PLOTS, built
from tieout.brokers.wire.limits import Limits
from tieout.brokers.wire.venues import limits_of
from tieout.clock import SystemClock
from tieout.model.snapshot import SECTIONS, Section

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs" / "brokers.md"
MARK = re.compile(r"(<!-- (table|code): ([^>]+?) -->\n).*?(<!-- end -->)", re.DOTALL)
OWN = ("alpaca", "dydx")  # what these ask is what their servers see
ENDS = {
    "cursor": "by the venue's mark, till it gives none",
    "behind": "by the venue's mark, till it gives none; pages overlap",
    "after": "from the last row's id on, till a page is not full",
    "counted": "till as many came as the venue counts",
    "skipping": "by how many came, till a page is not full; pages overlap",
    "numbered": "page by page, till as many came as the venue counts",
    "whole": "one page; a full one is partial",
    "from_id": "from row to row by its number; pages overlap",
    "onward": "forward in time; pages overlap",
    "backward": "back in time; pages overlap",
}
SORTS = {"spot": "pairs", "linear": "perpetuals", "inverse": "perpetuals that settle in their coin"}
QUIET = frozenset(("limit", "size", "count", "limit_trades"))  # how long a page is
KINDS = {"type": "", "category": "", "instType": "", "ordType": "", "order_status": "", "settleCoin": "in "}


def with_parts(text: str) -> str:
    """The document with every table and excerpt as the code has it."""
    return MARK.sub(lambda mark: f"{mark[1]}{part(mark[2], mark[3])}{mark[4]}", text)


def part(sort: str, name: str) -> str:
    """One table, or one excerpt, as Markdown."""
    if sort == "code":
        path, _, wanted = name.partition(" ")
        return f"```python\n{excerpt(ROOT / path, wanted)}\n```\n"
    if name == "overview":
        head = ("venue", "sections", "orders", "looked up", "both legs", "our limit, in the venue's weights")
        return _table(head, overview())
    if name == "sent":
        return _table(("venue", "market", "orders", "reduce-only", "in hedge mode"), sent())
    if name in OWN:
        return _table(("section", "one reading asks"), asyncio.run(seen(name)))
    return _table(("section", "asks", "to its end", "reaches back", "not covered"), sections(VENUES[name]))


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def excerpt(path: Path, wanted: str) -> str:
    """The source of one top-level name of a module."""
    text = path.read_text("utf-8")
    for node in ast.parse(text).body:
        targets = [getattr(node, "name", ""), *(_ids(node))]
        if wanted in targets:
            first = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", ()))])
            return "\n".join(text.splitlines()[first - 1 : node.end_lineno])
    raise AssertionError(f"{path} has no {wanted}")


def _ids(node: ast.stmt) -> Iterator[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    yield from (each.id for each in targets if isinstance(each, ast.Name))


def overview() -> Iterator[tuple[str, ...]]:
    """A row a venue: what its adapter says of itself, and what is asked of it at most."""
    for name in OWN:
        yield _row(name, asyncio.run(_capabilities(name)), limit=_rate(limits_of(name)))
    yield _row("ib", IbBroker("U1").capabilities(), limit="ib_async's own pace")
    for name, known in VENUES.items():
        finds = known.lookup != "none" or bool(known.finds)
        found = Capabilities(
            sections=known.sections,
            acts=bool(known.sends),
            hedge_mode=known.hedge_mode,
            order_lookup=finds,
            client_order_ids=finds,
        )
        yield _row(name, found, limit=_rate(limits_of(name)))


def sent() -> Iterator[tuple[str, ...]]:
    """A row for each market of a venue of ccxt's to which something is sent, and what it is."""
    for name, known in VENUES.items():
        for market in dict.fromkeys(way.market for way in known.sends):
            ways = [way for way in known.sends if way.market == market]
            kinds = ", ".join(way.type.replace("_", "-") + _side(way) for way in ways)
            flags = (all(way.reduce_only for way in ways), all(way.legs for way in ways))
            yield f"`{name}`", SORTS[market], kinds, *map(_yes, flags)


def _side(way: Way) -> str:
    return "" if len(way.sides) > 1 else f" ({' '.join(way.sides)} only)"


def _row(name: str, told: Capabilities, *, limit: str) -> tuple[str, ...]:
    listed = ", ".join(section for section in SECTIONS if section in told.sections)
    flags = ("sent" if told.acts else "read only", *(_yes(flag) for flag in (told.order_lookup, told.hedge_mode)))
    return f"`{name}`", "all" if told.sections == frozenset(SECTIONS) else listed, *flags, limit


def _yes(flag: bool) -> str:
    return "yes" if flag else "no"


def _rate(limits: Limits) -> str:
    rates = " and ".join(f"{most} in {window // 1000} s" for most, window in limits.rates)
    own = f"; {len(limits.own)} endpoints have their own" if limits.own else ""
    return f"{rates}, by {limits.by}{own}"


def sections(venue: Venue) -> Iterator[tuple[str, ...]]:
    """A row a section: what is asked, how its end is proven, how far it reaches, what it leaves out."""
    for section in SECTIONS:
        calls: tuple[Call, ...] = getattr(venue, section)
        if calls:
            gap = venue.gaps.get(section, "")
            yield section, _asked(calls), _joined(map(_end, calls)), _reach(venue, section), gap


def _joined(words: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(word for word in words if word))


def _asked(calls: Iterable[Call]) -> str:
    """The endpoints, each with the scopes that it is asked for."""
    scopes: dict[str, list[str]] = {}
    for call in calls:
        params = (f"{KINDS.get(name, name + '=')}{value}" for name, value in call.params.items() if name not in QUIET)
        where = call.each and " ".join((f"`{call.each.endpoint}`", *map(str, call.each.params.values())))
        each = f"for each of {where}" if where else "for each asset" if call.per_asset else ""
        scopes.setdefault(call.endpoint, []).append(" ".join((*params, each)).strip())
    return "; ".join(f"`{at}`{_in_brackets(dict.fromkeys(told))}" for at, told in scopes.items())


def _in_brackets(scopes: Iterable[str]) -> str:
    told = " · ".join(scope for scope in scopes if scope)
    return f" ({told})" if told else ""


def _end(call: Call) -> str:
    if call.pages is not None:
        return ENDS[call.pages.__qualname__.partition(".")[0]]
    if call.page is not None:
        return f"one page; {call.page} rows are partial"
    return "one answer holds all"


def _reach(venue: Venue, section: Section) -> str:
    if section not in ("fills", "activities"):
        return "now"
    spans = [call.span for call in getattr(venue, section) if call.span is not None]
    kept = {span.kept_days for span in spans if span.kept_days is not None}
    windows = {span.days for span in spans if span.days is not None}
    told = [f"{min(kept)} days"] if kept else []
    told += [f"in windows of {' to '.join(map(str, sorted(windows)))} days"] if windows else []
    if section == "fills" and venue.fills_days is not None:
        told.append(f"{venue.fills_days} days")
    return ", ".join(told) or "as far as the venue lists"


async def _capabilities(name: str) -> Capabilities:
    async with AsyncExitStack() as closing:
        (plot,) = (each for each in PLOTS if each.venue == name)
        stand = await built(plot, SystemClock(), 7, closing)
        closing.push_async_callback(stand.broker.close)
        return stand.broker.capabilities()


async def seen(name: str) -> list[tuple[str, ...]]:
    """What the loopback server of *name* is asked for each section, once an adapter knows the account."""
    async with AsyncExitStack() as closing:
        (plot,) = (each for each in PLOTS if each.venue == name)
        clock = SystemClock()
        stand = await built(plot, clock, 7, closing)
        closing.push_async_callback(stand.broker.close)
        since = clock.now() - timedelta(days=7)
        await stand.broker.server_time()
        reads: dict[str, Callable[[], Awaitable[object]]] = {
            "positions": stand.broker.get_positions,
            "balances": stand.broker.get_balances,
            "orders": stand.broker.get_open_orders,
            "fills": lambda: stand.broker.get_fills(since),
            "activities": lambda: stand.broker.get_activities(since),
        }
        rows = list[tuple[str, ...]]()
        for section, read in reads.items():
            before = len(stand.server.asked)
            await read()
            asked = (
                f"`{asked.method} {asked.path.replace('dydx1demo', 'A')}`" for asked in stand.server.asked[before:]
            )
            rows.append((section, _joined(asked)))
        return rows


if __name__ == "__main__":
    DOCUMENT.write_text(with_parts(DOCUMENT.read_text("utf-8")), "utf-8")
