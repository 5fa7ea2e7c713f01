"""Small parts of pages: elements whose text is only ever text, moments with their age, badges, tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TypeVar
from urllib.parse import quote

from nicegui.element import Element
from nicegui.elements.mixins.text_element import TextElement

from tieout.model.discrepancy import Severity
from tieout.serve.render.text import inert

T = TypeVar("T")
_MARKS = {Severity.CRITICAL: "■", Severity.MODERATE: "▲", Severity.MINOR: "●"}


def put(tag: str, text: str = "", classes: str = "", **attributes: object) -> TextElement:
    """An element of HTML here, with a text that is shown as it stands: nothing in it acts.

    Attributes are written with ``_`` for ``-``; one that is None is left out.
    """
    element = TextElement(tag=tag, text=inert(text))
    if classes:
        element.classes(classes)
    for name, value in attributes.items():
        if value is not None:
            element.props[name.rstrip("_").replace("_", "-")] = value
    return element


def link(text: str, *path: str, classes: str = "", **attributes: object) -> TextElement:
    """A link to a page of ours, with the parts of its path."""
    return put("a", text, classes, href="/" + "/".join(quote(part, safe="") for part in path), **attributes)


def badge(severity: str | None) -> TextElement:
    """How bad, by word, shape and colour."""
    if severity is None:
        return put("span", "none", "badge none")
    mark = _MARKS[Severity(severity)]
    return put("span", f"{mark} {severity}", f"badge {severity.lower()}")


def ago(at: datetime, *, overdue_after: int | None = None) -> None:
    """How long ago it was, which the browser counts on, and when it was."""
    since = int(at.timestamp() * 1000)
    put("span", "", "age", data_since=str(since), data_overdue=overdue_after)
    put("time", f"{second(at)} UTC", "moment", datetime=at.astimezone(UTC).isoformat())


def second(at: datetime) -> str:
    """A time to the second, UTC, without saying so: the column's head does."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def table(caption: str, *columns: str, classes: str = "") -> TextElement:
    """A table with its caption and its column heads; what is returned takes the rows. On a phone its rows become cards."""
    with (
        put("div", classes="scroll", tabindex="0", role="group", aria_label=caption),
        put("table", classes=classes, role="table"),
    ):
        put("caption", caption, "unseen")
        with put("thead", role="rowgroup"), put("tr", role="row"):
            for column in columns:
                put("th", column, scope="col", role="columnheader")
        return put("tbody", role="rowgroup")


def cell(label: str, text: str = "", classes: str = "") -> TextElement:
    """A cell of a row, with its column's head for where the row is a card."""
    return put("td", text, classes, data_label=label, role="cell")


def choose(name: str, label: str, options: Mapping[str, str], chosen: str) -> None:
    """A field of a form with its label, to choose one of *options*: what is sent, and what is shown."""
    with put("div"):
        put("label", label, for_=f"filter-{name}")
        with put("select", id_=f"filter-{name}", name=name):
            for value, words in options.items():
                put("option", words, value=value, selected="" if value == chosen else None)


class Keyed:
    """Children of an element by their keys: only those that changed are made anew, and whoever stands on another stays there.

    Args:
        parent: Whose children they are.
    """

    def __init__(self, parent: Element) -> None:
        self._parent = parent
        self._shown: dict[Hashable, tuple[object, Element]] = {}

    def show(self, wanted: Sequence[tuple[Hashable, T]], build: Callable[[T], Element]) -> None:
        """Show these, in this order, equal keys too; *build* makes the one element for one of them."""
        times = Counter[Hashable]()
        numbered = dict[Hashable, T]()
        for key, value in wanted:
            times[key] += 1
            numbered[key, times[key]] = value
        for key in [key for key in self._shown if key not in numbered]:
            self._shown.pop(key)[1].delete()
        for place, (key, value) in enumerate(numbered.items()):
            was = self._shown.get(key)
            if was is None or was[0] != value:
                if was is not None:
                    was[1].delete()
                with self._parent:
                    self._shown[key] = (value, build(value))
            element = self._shown[key][1]
            if self._parent.default_slot.children[place] is not element:
                element.move(target_index=place)


class Rows:
    """Rows of a table by their keys: of one that changed, those cells alone are made anew that did.

    Args:
        body: Of the table.
        build: Makes the cell of a column.
    """

    def __init__(self, body: Element, build: Callable[[tuple[str, object]], Element]) -> None:
        self._rows, self._build = Keyed(body), build
        self._cells: dict[str, Keyed] = {}

    def show(self, wanted: Sequence[tuple[str, Mapping[str, object]]]) -> None:
        """Show these rows, in this order, each with its cells by column."""
        self._rows.show([(key, key) for key, _ in wanted], self._begun)
        self._cells = {key: self._cells[key] for key, _ in wanted}
        for key, cells in wanted:
            self._cells[key].show([(name, (name, value)) for name, value in cells.items()], self._build)

    def _begun(self, key: str) -> Element:
        row = put("tr", role="row")
        self._cells[key] = Keyed(row)
        return row
