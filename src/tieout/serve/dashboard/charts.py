"""The page of history: each chart with its table, so that nobody needs the picture."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta

from nicegui import ui
from nicegui.element import Element

from tieout.model.amounts import plain
from tieout.serve.dashboard.page import Page, opened
from tieout.serve.dashboard.parts import Keyed, cell, choose, put, table
from tieout.serve.dashboard.reckoning import DAYS, MOST_BREAKS, Day, History, Latency, read_history
from tieout.serve.render.text import lasting, usd
from tieout.serve.render.words import counted

COLOURS = ("#2f7d4f", "#b26a00", "#4577c9")  # each at least 3 : 1 on both grounds
EVERY_NS = 30 * 10**9  # what changes by the day is not read by the second
GREY = "#7c8a82"
Series = Sequence[tuple[str, Sequence[object]]]


async def show() -> None:
    """The page."""
    page = await opened("History", "/history")
    if page is None:
        return
    request = ui.context.client.request
    account = "" if request is None else request.query_params.get("account", "")
    with page.body:
        put("h1", "History")
        put("p", f"The last {DAYS} days, by day (UTC); times are the medians.")
        _choice(page, account)
        note, charts = Keyed(put("div")), Keyed(put("div", classes="charts"))

    def fill(history: History) -> None:
        note.show([(each, each) for each in _left_out(history)], lambda text: put("p", text, "hint"))
        told = {
            name: (build, history) for name, build in CHARTS.items() if name != "exposure" or page.caller.sees_amounts
        }
        charts.show(list(told.items()), lambda each: each[0](each[1]))

    await page.follow(lambda: read_history(page.desk, page.caller, account), fill, every_ns=EVERY_NS)


def _left_out(history: History) -> Iterator[str]:
    """What the figures do not hold, in sentences."""
    if history.left_out:
        yield f"{counted(history.left_out, 'account')} more are not reckoned with here: choose one."
    if history.cut:
        yield f"Only the newest {MOST_BREAKS:,} breaks are counted, so older days show too few: choose one account."


def _choice(page: Page, account: str) -> None:
    names = {name: name for name in page.desk.accounts if page.caller.is_for(name)}
    with put("form", method="get", classes="filters", aria_label="Which account"):
        choose("account", "Account", {"": "All"} | names, account)
        put("button", "Show", type="submit")


def _opened_and_closed(history: History) -> Element:
    days = history.days
    series = (("opened", [day.opened for day in days]), ("closed", [day.closed for day in days]))
    rows = [(_name(day), str(day.opened), str(day.closed)) for day in days]
    return _figure("Breaks opened and closed", _days(days), series, ("Day", "Opened", "Closed"), rows)


def _times(history: History) -> Element:
    days = history.days
    series = (
        ("seen after, at most", [_minutes(day.detect_seconds) for day in days]),
        ("over after", [_minutes(day.resolve_seconds) for day in days]),
    )
    rows = [(_name(day), _span(day.detect_seconds), _span(day.resolve_seconds)) for day in days]
    columns = ("Day", "Seen after, at most", "Over after")
    return _figure("Time to detect and to resolve", _days(days), series, columns, rows, unit="minutes")


def _exposure(history: History) -> Element:
    days = history.days
    series = (("USD", [None if day.usd is None else plain(day.usd) for day in days]),)
    rows = [(_name(day), usd(day.usd), str(day.unknown)) for day in days]
    columns = ("Day", "Open at its end", "Breaks without a USD value")
    return _figure("Exposure: what stood open", _days(days), series, columns, rows, unit="USD")


def _latency(history: History) -> Element:
    venues = history.venues
    series = (
        ("answer", [each.mean_ms for each in venues]),
        ("wait for the limit", [each.waited_ms for each in venues]),
    )
    rows = [_venue(each) for each in venues]
    columns = ("Venue", "Questions", "Mean answer", "Mean wait for the limit", "Failures", "Circuit breaker")
    names = [f"{each.venue} {each.asked}" for each in venues]
    title = "How long venues take to answer, since this service started"
    if not venues:
        with put("section", classes="card", aria_label=title) as card:
            put("h2", title)
            put("p", "No venue was asked over a wire yet: files and simulations are read at once.")
        return card
    return _figure(title, names, series, columns, rows, unit="milliseconds", sideways=True)


CHARTS: dict[str, Callable[[History], Element]] = {
    "counts": _opened_and_closed, "times": _times, "exposure": _exposure, "latency": _latency,
}  # fmt: skip


def _venue(each: Latency) -> tuple[str, ...]:
    name, mean, waited = f"{each.venue} {each.asked}", f"{each.mean_ms:,} ms", f"{each.waited_ms:,} ms"
    return (name, f"{each.questions:,}", mean, waited, f"{each.failures:,}", each.breaker.replace("_", " "))


def _figure(
    title: str,
    names: Sequence[str],
    series: Series,
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    unit: str = "",
    sideways: bool = False,
) -> Element:
    with put("section", classes="card", aria_label=title) as card:
        put("h2", f"{title}, in {unit}" if unit else title)
        with put("div", aria_hidden="true"):  # the table says the same
            ui.echart(_options(names, series, sideways=sideways)).classes("chart")
        with put("details", data_focus=title):
            put("summary", "The same as a table", data_focus=f"table {title}")
            body = table(title, *columns)
        for row in rows:
            with body, put("tr", role="row"):
                _cells(columns, row)
    return card


def _cells(columns: Sequence[str], row: Sequence[str]) -> None:
    put("th", row[0], scope="row", role="rowheader")
    for column, text in zip(columns[1:], row[1:], strict=True):
        cell(column, text, "number")


def _options(names: Sequence[str], series: Series, *, sideways: bool) -> dict[str, object]:
    """Bars by name; *sideways* where names are long: upright, all but a few of them would be left out."""
    drawn = [
        {"name": name, "type": "bar", "data": list(figures), "itemStyle": {"color": colour}}
        for (name, figures), colour in zip(series, COLOURS, strict=False)
    ]
    words = {"color": GREY}
    label = {**words, "interval": 0, "width": 200, "overflow": "break", "lineHeight": 14} if sideways else words
    by_name = {"type": "category", "data": list(names), "axisLabel": label, "inverse": sideways}
    amount = {"type": "value", "axisLabel": words, "splitLine": {"lineStyle": {"color": GREY, "opacity": "0.35"}}}
    return {
        "animation": False,
        "textStyle": words,
        "legend": {"textStyle": words, "top": 0, "right": 0},
        "tooltip": {"trigger": "axis", "renderMode": "richText"},
        "grid": {"left": 8, "right": 8, "bottom": 8, "top": 48, "containLabel": True},
        "xAxis": amount if sideways else by_name,
        "yAxis": by_name if sideways else amount,
        "series": drawn,
    }


def _days(days: Sequence[Day]) -> list[str]:
    return [f"{day.day:%m-%d}" for day in days]


def _name(day: Day) -> str:
    return day.day.isoformat()


def _minutes(seconds: int | None) -> str | None:
    """Minutes with two digits, as text: nothing here is a float."""
    return None if seconds is None else f"{seconds // 60}.{seconds % 60 * 100 // 60:02d}"


def _span(seconds: int | None) -> str:
    return "none" if seconds is None else lasting(timedelta(seconds=seconds))
