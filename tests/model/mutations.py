"""Ways in which a document goes wrong on its way to us, as edits of its bytes; each is drawn by Hypothesis."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

ODD_NUMBERS = (
    "NaN", "Infinity", "-Infinity", "1e400", "0e400", "1000e-65", "true", "null", "[]", "{}", '"1_000"', '" 1"', '"1 "',
    '"  +1"', '"-1   "', '"NaN"', '"sNaN"', '"Infinity"', '"٣"', '"１"', '"\u00a01"', '"1\u2003"', '"\\u0031"', '"1e65"',
    '""', '"0x1"', '"1,5"', '"' + "9" * 65 + '"', "9" * 65, "1.5", "-0.0", "1E+5", '"1e0000000005"', '"+.5"', '"5."',
)  # fmt: skip
ODD_TEXTS = (
    '""', "null", "1", "true", '"2026-11-20T10:00:00"', '"2026-11-20"', '"yesterday"', '"sideways"', '"a\\u0001b"',
    '"\\ud800"', '"币\\u5b89"', '" :x"', '":"', "[]", '{"error": "timeout"}', '"error"',
)  # fmt: skip
NUMBER = re.compile(rb'": ?"?-?\d[^",}\]]*"?(?=[,}\]])')
TEXT = re.compile(rb'": ?("[^"\\]*"|null)(?=[,}\]])')
KEY = re.compile(rb'"[a-z_]+": ?(?:"[^"\\]*"|null|true|false)(?=[,}\]])')
KEY_NAME = re.compile(rb'"[a-z_]+":')


def _replace(draw: st.DrawFn, raw: bytes, pattern: re.Pattern[bytes], value: Callable[[bytes], bytes]) -> bytes:
    places = list(pattern.finditer(raw))
    if not places:
        return raw
    place = draw(st.sampled_from(places))
    return raw[: place.start()] + value(place.group()) + raw[place.end() :]


def _odd_number(draw: st.DrawFn, raw: bytes) -> bytes:
    return _replace(draw, raw, NUMBER, lambda _: b'":' + draw(st.sampled_from(ODD_NUMBERS)).encode())


def _odd_text(draw: st.DrawFn, raw: bytes) -> bytes:
    return _replace(draw, raw, TEXT, lambda _: b'":' + draw(st.sampled_from(ODD_TEXTS)).encode())


def _twice(draw: st.DrawFn, raw: bytes) -> bytes:
    return _replace(draw, raw, KEY, lambda pair: pair + draw(st.sampled_from([b",", b" , "])) + pair)


def _respelt_twice(draw: st.DrawFn, raw: bytes) -> bytes:
    def again(pair: bytes) -> bytes:
        name, value = pair.split(b":", 1)
        return pair + b"," + name + draw(st.sampled_from([b" :", b"\n:", b"\t :", b"   :"])) + value

    return _replace(draw, raw, KEY, again)


def _unknown(draw: st.DrawFn, raw: bytes) -> bytes:
    return _replace(draw, raw, KEY, lambda pair: pair + draw(st.sampled_from([b',"amuont":"7"', b',"x":{"y":[1]}'])))


def _renamed(draw: st.DrawFn, raw: bytes) -> bytes:
    return _replace(draw, raw, KEY_NAME, lambda name: name.replace(b'"', b'"x', 1))


def _cut(draw: st.DrawFn, raw: bytes) -> bytes:
    return raw[: draw(st.integers(0, len(raw) - 1))]


def _noise(draw: st.DrawFn, raw: bytes) -> bytes:
    place = draw(st.integers(0, len(raw) - 1))
    return raw[:place] + draw(st.binary(min_size=1, max_size=2)) + raw[place + 1 :]


def _row_twice(draw: st.DrawFn, raw: bytes) -> bytes:
    try:
        document = json.loads(raw, parse_float=str, parse_int=str)
    except ValueError:
        return raw
    sections = [rows for rows in _values(document) if isinstance(rows, list) and rows]
    if sections:
        rows = draw(st.sampled_from(sections))
        rows.append(draw(st.sampled_from(rows)))
    return json.dumps(document, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")


def _values(document: Any) -> list[Any]:
    """Every value at every depth."""
    found = [document]
    if isinstance(document, dict):
        found += [inner for value in document.values() for inner in _values(value)]
    return found


def _respaced(draw: st.DrawFn, raw: bytes) -> bytes:
    return raw.replace(b'":', draw(st.sampled_from([b'": ', b'" :', b'":\n\t'])))


MUTATIONS = (
    _odd_number, _odd_number, _odd_text, _twice, _respelt_twice, _unknown, _renamed, _cut, _noise, _row_twice, _respaced,
)  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn, documents: st.SearchStrategy[bytes]) -> bytes:
    """A document after one or two such edits; some of them leave it valid."""
    raw = draw(documents)
    for mutation in draw(st.lists(st.sampled_from(MUTATIONS), min_size=1, max_size=2)):
        raw = mutation(draw, raw) or b" "
    return raw
