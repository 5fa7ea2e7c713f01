"""Messages: each names file, place and mend, none carries an amount, and all problems of a file come at once."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieout.errors import BadInput, Problem
from tieout.model.codec import decode_snapshot

SECRET = "987654.321"
AT = "2026-11-20T09:00:00Z"
POSITION = {"asset": "AAPL", "amount": "1"}
ORDER = {"asset": "AAPL", "side": "buy", "quantity": "10", "status": "open", "client_order_id": "c-1"}
FILL = {"fill_id": "f-1", "asset": "AAPL", "side": "buy", "quantity": "1", "price": "2", "at": AT}
ACTIVITY = {"activity_id": "t-1", "kind": "deposit", "currency": "USD", "amount": "5", "at": AT}


def document(**changes: Any) -> dict[str, Any]:
    """A flat snapshot with some fields changed."""
    head = {"schema": "tieout.snapshot/1", "account": "main", "source": "broker", "as_of": "2026-11-20T10:00:00Z"}
    return {**head, **changes}


def problems(content: bytes | dict[str, Any]) -> tuple[Problem, ...]:
    """What is wrong with it, in the order of the file."""
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    with pytest.raises(BadInput) as refused:
        decode_snapshot(raw, "broker.json")
    return refused.value.problems


BROKEN_ROWS = [
    ("positions", POSITION, {"amount": True}, "amount"),
    ("positions", POSITION, {"amount": None}, "amount"),
    ("positions", POSITION, {"side": "short", "amount": SECRET}, "amount"),
    ("positions", POSITION, {"side": "long", "amount": "-" + SECRET}, "amount"),
    ("positions", POSITION, {"side": SECRET}, "side"),
    ("positions", POSITION, {"multiplier": "0"}, "multiplier"),
    ("positions", POSITION, {"asset": ""}, "asset"),
    ("positions", POSITION, {"asset": 7}, "asset"),
    ("positions", POSITION, {"amuont": SECRET}, "amuont"),
    ("balances", {"currency": "USD", "total": "1"}, {"total": SECRET + "x"}, "total"),
    ("balances", {"currency": "USD", "total": "1"}, {"usd_price": "1_0"}, "usd_price"),
    ("orders", ORDER, {"client_order_id": None}, "client_order_id"),
    ("orders", ORDER, {"quantity": "-" + SECRET}, "quantity"),
    ("orders", ORDER, {"filled": SECRET}, "filled"),
    ("orders", ORDER, {"filled": "-1"}, "filled"),
    ("orders", ORDER, {"status": "done"}, "status"),
    ("orders", ORDER, {"created_at": "2026-11-20T10:00:00"}, "created_at"),
    ("orders", ORDER, {"updated_at": SECRET}, "updated_at"),
    ("fills", FILL, {"quantity": "-" + SECRET}, "quantity"),
    ("fills", FILL, {"fee": SECRET}, "fee_currency"),
    ("fills", FILL, {"liquidation": "yes"}, "liquidation"),
    ("fills", FILL, {"at": None}, "at"),
    ("activities", ACTIVITY, {"amount": None}, "amount"),
    ("activities", ACTIVITY, {"currency": None}, "currency"),
    ("activities", ACTIVITY, {"asset": "BTC"}, "currency"),
    ("activities", ACTIVITY, {"kind": "split", "asset": "AAPL"}, "ratio"),
    ("activities", ACTIVITY, {"kind": "split", "ratio": "4"}, "ratio"),
    ("activities", ACTIVITY, {"kind": "split", "asset": "AAPL", "ratio": "4/0"}, "ratio"),
    ("activities", ACTIVITY, {"kind": "split", "asset": "AAPL", "ratio": "٤"}, "ratio"),
    ("activities", ACTIVITY, {"kind": "symbol_change"}, "asset"),
    ("activities", ACTIVITY, {"kind": "symbol_change", "asset": "FB"}, "new_asset"),
    ("activities", ACTIVITY, {"kind": "merger", "asset": "FB", "amount": None}, "amount"),
    ("activities", ACTIVITY, {"kind": "merger", "asset": "FB", "new_asset": "META"}, "new_amount"),
    ("activities", ACTIVITY, {"kind": "spin_off", "asset": "FB", "new_amount": "1"}, "new_amount"),
    ("activities", ACTIVITY, {"kind": "expiry"}, "asset"),
    ("activities", ACTIVITY, {"kind": SECRET}, "kind"),
]


@pytest.mark.parametrize(("section", "row", "change", "field"), BROKEN_ROWS)
def test_a_broken_row_is_named_to_the_field(
    section: str, row: dict[str, Any], change: dict[str, Any], field: str
) -> None:
    """One wrong field is one problem, at its row and field, with a mend, and without the value."""
    (problem,) = problems(document(**{section: [{**row, **change}]}))
    assert (problem.file, problem.place) == ("broker.json", f"{section}[0].{field}")
    assert problem.mend
    assert SECRET not in str(problem)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"schema": "tieout.snapshot/2"}, "schema"),
        ({"account": ""}, "account"),
        ({"source": "exchange"}, "source"),
        ({"as_of": "2026-11-20T10:00:00"}, "as_of"),
        ({"as_of": 1700000000}, "as_of"),
        ({"positions": {}}, "positions"),
        ({"positions": [[]]}, "positions[0]"),
        ({"poistions": []}, "poistions"),
        ({"coverage": []}, "coverage"),
        ({"coverage": {"positons": "partial"}}, "coverage.positons"),
        ({"coverage": {"positions": "whole"}}, "coverage.positions"),
        ({"coverage": {"positions": "complete"}}, "coverage.positions"),
        ({"fills_since": "now"}, "fills_since"),
        ({"positions": [POSITION, {**POSITION, "side": None}]}, "positions[1]"),
        ({"balances": [{"currency": "USD", "total": "0"}, {"currency": "USD", "total": "1"}]}, "balances[1]"),
        ({"orders": [ORDER, {**ORDER, "asset": "BTC"}]}, "orders[1]"),
        ({"fills": [FILL, {**FILL, "price": "3"}]}, "fills[1]"),
        ({"fills": [{**FILL, "broker_order_id": "b"}, {**FILL, "price": "3"}]}, "fills[1]"),
        ({"fills": [{**FILL, "price": "3"}, {**FILL, "broker_order_id": "b"}]}, "fills[0]"),
    ],
)
def test_a_broken_snapshot_is_named_to_the_place(change: dict[str, Any], place: str) -> None:
    """What is wrong with the whole, or between rows, is one problem at its place."""
    (problem,) = problems(document(**change))
    assert (problem.file, problem.place) == ("broker.json", place)
    assert problem.mend


@pytest.mark.parametrize("field", ["schema", "account", "source", "as_of"])
def test_a_required_field_is_missed(field: str) -> None:
    """Leaving out what the format requires is said by name."""
    whole = document()
    del whole[field]
    (problem,) = problems(whole)
    assert problem.place == field
    assert "required" in problem.what


@pytest.mark.parametrize(
    ("section", "row", "field"),
    [("positions", POSITION, "amount"), ("orders", ORDER, "side"), ("fills", FILL, "fill_id"),
     ("activities", ACTIVITY, "kind"), ("balances", {"currency": "USD", "total": "1"}, "total")],
)  # fmt: skip
def test_a_required_field_of_a_row_is_missed(section: str, row: dict[str, Any], field: str) -> None:
    """So it is in a row."""
    (problem,) = problems(document(**{section: [{name: row[name] for name in row if name != field}]}))
    assert problem.place == f"{section}[0].{field}"
    assert "required" in problem.what


def test_all_problems_come_at_once() -> None:
    """Head, rows, doubles, coverage and the wrong side are reported together, in the order of the file."""
    content = document(
        as_of="today",
        acount="x",
        positions=[{"asset": "A", "amount": "x"}, {"amount": "1"}, POSITION, POSITION],
        orders=[{**ORDER, "side": "hold", "quantity": None}],
        fills=[FILL, {**FILL, "price": "3"}],
        coverage={"activities": "complete"},
    )
    with pytest.raises(BadInput) as refused:
        decode_snapshot(json.dumps(content).encode(), "local.json", "local")
    assert {problem.place for problem in refused.value.problems} == {
        "acount", "as_of", "source", "positions[0].amount", "positions[1].asset", "positions[3]", "orders[0].side",
        "orders[0].quantity", "fills[1]", "coverage.activities",
    }  # fmt: skip
    assert str(refused.value).count("\n") == len(refused.value.problems) - 1


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('"account":"a"', "account"),
        ('"coverage":{"orders":"failed","orders":"failed"}', "coverage.orders"),
        ('"orders":[],"orders":null', "orders"),
        ('"positions":[{"asset":"A","amount":"1","amount":"1"}]', "positions[0].amount"),
        ('"positions":[{"asset":"A","amount":"1","\\u0061sset":"A"}]', "positions[0].asset"),
    ],
)
def test_a_key_twice_is_refused_at_any_depth(text: str, place: str) -> None:
    """Even where both say the same, a key that stands twice is not read."""
    head = '{"schema":"tieout.snapshot/1","source":"local","as_of":"2026-11-20T10:00:00Z","account":"a",'
    (problem,) = problems((head + text + "}").encode())
    assert (problem.place, problem.what) == (place, "the same key twice")


@pytest.mark.parametrize(
    ("raw", "what"),
    [
        (b"", "ends in the middle"),
        (b'{"schema": ', "ends in the middle"),
        (b"{'schema': 1}", "not JSON"),
        (b"{} {}", "not JSON"),
        (b"\xff\xfe{\x00}\x00", "not UTF-8"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        (b"null", "not an object"),
        (b"[]", "not an object"),
        (b'"text"', "not an object"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
    ],
)  # fmt: skip
def test_what_is_no_document_is_one_problem(raw: bytes, what: str) -> None:
    """A file that is no such document at all gets one sentence, with a mend."""
    (problem,) = problems(raw)
    assert what in problem.what
    assert problem.mend


@given(st.data())
def test_a_file_cut_anywhere_is_refused(data: st.DataObject) -> None:
    """Half a file is never half an account."""
    raw = json.dumps(document(positions=[POSITION], orders=[ORDER], fills=[FILL], activities=[ACTIVITY])).encode()
    cut = raw[: data.draw(st.integers(0, len(raw) - 1))]
    (problem,) = problems(cut)
    assert problem.what.startswith(("the text ends in the middle", "not JSON"))


def test_the_nearest_field_is_offered() -> None:
    """A misspelt field is answered with the one that was meant, or with all there are."""
    (close,) = problems(document(poistions=[]))
    assert close.mend == "did you mean positions?"
    (far,) = problems(document(zzz=[]))
    assert "fills_since" in far.mend


def test_words_are_offered_where_only_words_will_do() -> None:
    """A field of few words names them all, and does not repeat what stood there."""
    (problem,) = problems(document(orders=[{**ORDER, "side": "b"}]))
    assert problem.mend == 'write "buy" or "sell"'


@pytest.mark.parametrize("key", ["a\nb", "x" * 5000, "\ud800", "\x1b[31m"])
def test_a_strange_key_cannot_bend_the_message(key: str) -> None:
    """A key of the file is shown on one line, shortened, without control characters."""
    (problem,) = problems(document(**{key: 1}))
    assert str(problem).isprintable()
    assert len(str(problem)) < 400


def test_identical_broker_fills_count_once() -> None:
    """A broker that repeats itself word for word is believed, and local's repeats are kept."""
    with_id = {**FILL, "broker_order_id": "b"}
    for fills in (
        [FILL, FILL],
        [FILL, with_id],
        [with_id, FILL],
        [with_id, {**FILL, "broker_order_id": "c", "price": "9"}],
    ):
        decode_snapshot(json.dumps(document(fills=fills)).encode(), "f")
    local = document(source="local", fills=[FILL, {**FILL, "price": "3"}])
    read = decode_snapshot(json.dumps(local).encode(), "f").fills
    assert read is not None
    assert len(read) == 2


def test_a_ratio_may_be_a_json_number() -> None:
    """A split's ratio is a number like any other, so it may be written without quotes."""
    split = {**ACTIVITY, "kind": "split", "asset": "AAPL", "currency": None, "amount": None}
    raw = json.dumps(document(activities=[{**split, "ratio": 0.5}, {**split, "ratio": 4}])).encode()
    read = decode_snapshot(raw, "f").activities
    assert read is not None
    assert [row.ratio for row in read] == ["0.5", "4"]
    (problem,) = problems(raw.replace(b"0.5", b"-0.5"))
    assert problem.place == "activities[0].ratio"


def test_many_keys_and_many_problems_take_no_long_time() -> None:
    """A hostile file with one key twice among very many, or very many wrong rows, is read in linear time."""
    keys = ",".join(f'"k{number}":1' for number in range(20_000))
    found = problems(f'{{"k0":1,{keys},"schema":"tieout.snapshot/1"}}'.encode())
    assert found[0].what == "the same key twice"
    rows = [{**POSITION, "asset": f"A{number}", "amuont": "1"} for number in range(5_000)]
    assert len(problems(document(positions=rows))) == 5_000
