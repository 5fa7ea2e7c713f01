"""Who may what: every route against every role, and every way not to be known."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import pytest

from tests.serve.api.stage import Stage
from tieout.record.entry import EntryKind
from tieout.serve.access.roles import Caller, Permission, Role
from tieout.serve.access.tokens import make_token, read_token
from tieout.serve.api.app import ROUTERS
from tieout.serve.api.guard import PUBLIC, permission_of, routes_of

LET = {200, 201, 204, 404, 409, 415, 422}  # whoever is let hears of the request itself, such as that a body is missing


def routes() -> Iterator[tuple[str, str, Permission | None]]:
    """Every route as a method and a path of the account `main`, with what it needs."""
    for route in routes_of(ROUTERS):
        for method in sorted(route.methods or ()):
            path = route.path.replace("{account}", "main").replace("{break_id}", "0" * 20)
            path = path.replace("{token_id}", "0" * 12).replace("{name}", "nobody")
            path = path.replace("{report_id}", "0" * 26).replace("{index}", "9999").replace("{path:path}", "0/001")
            yield method, path, permission_of(route)


async def test_every_route_lets_in_just_the_roles_that_may(stage: Stage) -> None:
    """A role gets through where the table says so, and is told 403 wherever it does not."""
    told = 0
    for role in Role:
        token, caller = await stage.token(role), Caller(name="x", roles=frozenset({role}))
        for method, path, permission in routes():
            if permission is None:
                continue
            got = await stage.ask(method, path, token)
            may = caller.may(permission)
            assert (got.status in LET) == may, (role, method, path, got)
            assert may or got.status == 403
            told += 1
    assert told >= len(Role) * 10


async def test_nobody_who_is_not_known_gets_anything(stage: Stage) -> None:
    """Without a token, or with one that is none, expired, revoked or tampered with, everything but health is 401."""
    expired = await stage.token(*Role, days=-1)
    revoked = await stage.token(*Role)
    read = read_token(revoked)
    assert read is not None
    await stage.desk.grants.revoke_token(read[0], actor="test", at=stage.desk.clock.now())
    good = await stage.token(*Role)
    tampered = good[:-1] + ("A" if good[-1] != "A" else "B")
    others = make_token().text
    swapped = good[:20] + others[20:]
    for token, (method, path, _) in product(
        (None, "", "tieout", expired, revoked, tampered, others, swapped), routes()
    ):
        if path not in PUBLIC:
            assert (await stage.ask(method, path, token)).status == 401, (token, method, path)


async def test_a_token_is_for_its_accounts_alone(stage: Stage) -> None:
    """What belongs to another account is neither listed nor shown nor touched."""
    foreign = await stage.token(*Role, accounts=("other",))
    listed = await stage.ask("GET", "/v1/accounts", foreign)
    assert [row["account"] for row in listed.body["accounts"]] == ["other"]
    break_id = await stage.open_break()
    assert (await stage.ask("GET", "/v1/breaks", foreign)).body == {"breaks": [], "total": 0}
    unknown = await stage.ask("GET", f"/v1/breaks/{'0' * 20}", foreign)
    hidden = await stage.ask("GET", f"/v1/breaks/{break_id}", foreign)
    assert (hidden.status, hidden.body) == (404, unknown.body), "nothing tells that there is one"
    assert (await stage.ask("GET", "/v1/accounts/main", foreign)).status == 403
    for verb in ("approve", "reject", "comment"):
        got = await stage.ask("POST", f"/v1/breaks/{break_id}/{verb}", foreign, body={"reason": "mine"})
        assert got.status == 404
    assert (await stage.ask("POST", "/v1/accounts/main/halt", foreign, body={"reason": "mine"})).status == 403


async def test_each_denial_is_an_entry_of_the_log(stage: Stage) -> None:
    """Whoever is not let is in the log: by name where that is known, with what they wanted and from where, and how often."""
    viewer = await stage.token(Role.VIEWER, name="eve")
    for _ in range(3):
        await stage.ask("POST", "/v1/accounts/main/halt", viewer, body={"reason": "x"})
    await stage.ask("GET", "/v1/accounts")
    await stage.desk.denials.tell_rest()
    found = await stage.entries(EntryKind.DENY)
    assert {entry.refs["from"] for entry in found} == {"127.0.0.1"}
    halt = ("eve", "POST /v1/accounts/{account}/halt")
    assert [(entry.actor, entry.refs["what"], entry.refs.get("count")) for entry in found] == [
        (*halt, None),
        ("nobody known", "GET /v1/accounts", None),
        (*halt, "2"),
    ]


async def test_amounts_are_for_those_who_are_granted_them(stage: Stage) -> None:
    """A viewer sees a break's life without one figure; the same token with the grant sees them."""
    break_id = await stage.open_break()
    plain, granted = await stage.token(Role.VIEWER), await stage.token(Role.VIEWER, amounts=True)
    without = (await stage.ask("GET", f"/v1/breaks/{break_id}", plain)).body["steps"]
    having = (await stage.ask("GET", f"/v1/breaks/{break_id}", granted)).body["steps"]
    assert all("discrepancy" not in step for step in without)
    assert having[0]["discrepancy"]["difference"] == "1"


@pytest.mark.parametrize("text", ["", "tieout_", "tieout_0123456789ab_", "Tieout_0123456789ab_" + "a" * 43])
def test_what_is_no_token_is_not_read_as_one(text: str) -> None:
    """Only the exact shape is looked up at all."""
    assert read_token(text) is None
    made = make_token()
    assert read_token(made.text) == (made.id, made.digest)
    assert made.text not in repr(made)
