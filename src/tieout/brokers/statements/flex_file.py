"""A Flex XML file: which statements, sections and elements are in it. What of an element is used is read through ibflex."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

from tieout.brokers.statements.tables import Torn

NUMBER = re.compile(r"-?(\d{1,3}(,\d{3})+|\d+)(\.\d*)?([eE][+-]?\d+)?|-?\.\d+", re.ASCII)
OFFSET = re.compile(r"\d[ ;,T]*(\d{6}|\d\d:\d\d:\d\d) ?([+-]\d|[A-Z])")


class Unread(ValueError):
    """An element whose meaning is not known; its words name the element and the attribute, and no amount."""


@dataclass(frozen=True, slots=True)
class FlexStatement:
    """The statement of one account.

    Attributes:
        head: What stands in the statement's own element.
        sections: The elements of each section that is there; one that is not there was not asked for.
    """

    head: ElementTree.Element
    sections: dict[str, tuple[ElementTree.Element, ...]]


def read_flex(raw: bytes, account: str) -> FlexStatement:
    """The statement of *account* in a Flex file.

    Raises:
        Torn: It is no whole Flex file, or has not exactly one statement of the account.
    """
    try:
        root = ElementTree.XML(raw)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise Torn("is no whole XML file: was it written whole?") from error
    if root.tag != "FlexQueryResponse":
        # Where a query failed, Interactive Brokers' service answers with a document of another kind.
        raise Torn("is no FlexQueryResponse: did the query fail?")
    holder = root.find("FlexStatements")
    statements = [] if holder is None else list(holder)
    if holder is None or holder.get("count") != str(len(statements)):
        raise Torn("has not as many statements as it says")
    ours = [each for each in statements if each.get("accountId") == account]
    if len(ours) != 1:
        raise Torn(f"has {len(ours)} statements of this account, not one")
    names = [section.tag for section in ours[0]]
    if len(set(names)) != len(names):
        raise Torn("has a section twice")
    return FlexStatement(ours[0], {section.tag: tuple(section) for section in ours[0]})


def attributes(element: ElementTree.Element, *names: str) -> Any:
    """The element as ibflex reads it, with the attributes *names* alone: an unknown word elsewhere is no concern.

    Raises:
        Unread: One of them is not of the type that ibflex knows, or is a number or a time that it would read wrongly.
    """
    from ibflex import parser

    reduced = ElementTree.Element(element.tag, {name: element.attrib[name] for name in names if name in element.attrib})
    _require_plain(reduced)
    try:
        return parser.parse_data_element(reduced)
    except parser.FlexParserError as error:
        place = str(error).partition(" - ")[0]
        raise Unread(f"{place if re.fullmatch('[A-Za-z.]+', place) else element.tag} is of no known kind") from None


def _require_plain(element: ElementTree.Element) -> None:
    """ibflex takes commas out of numbers and zones off times without a word: such are refused before."""
    from ibflex import Types

    kinds = getattr(Types, element.tag).__annotations__
    for name, text in element.attrib.items():
        kind = kinds.get(name, "")
        if "Decimal" in kind and text not in ("", "-", "--", "N/A") and not NUMBER.fullmatch(text):
            raise Unread(f"{element.tag}.{name} is no number")
        if "datetime.datetime" in kind and OFFSET.search(text):
            raise Unread(f"{element.tag}.{name} is a time with a zone: take the zone out of the Flex query")
