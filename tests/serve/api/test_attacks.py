"""What somebody tries who may less than they want: each way was open once, or might be."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from itertools import product

import pytest
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from tests.serve.api.stage import PASSWORD, Stage
from tests.serve.api.test_session import logged_in
from tieout.record.entry import EntryKind
from tieout.serve.access.passwords import QUEUE, Passwords
from tieout.serve.access.roles import Role
from tieout.serve.api import events, shapes
from tieout.serve.api.guard import COOKIE, CSRF

HALT = "/v1/accounts/main/halt"
ELSEWHERE = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}


async def test_an_administrator_of_one_account_makes_nobody_for_all(stage: Stage) -> None:
    """Whoever administers for some accounts alone neither sees nor makes tokens and users, which may be for any."""
    small = await stage.token(Role.ADMIN, accounts=("other",))
    wanted = {"name": "me", "roles": list(Role), "amounts": True}
    assert (await stage.ask("POST", "/v1/tokens", small, body=wanted)).status == 403
    assert (await stage.ask("POST", "/v1/users", small, body={**wanted, "password": PASSWORD})).status == 403
    for path in ("/v1/tokens", "/v1/users"):
        assert (await stage.ask("GET", path, small)).status == 403


async def test_a_grant_for_no_account_is_for_none(stage: Stage) -> None:
    """An empty list of accounts is not the same as none given, which is all."""
    admin = await stage.token(Role.ADMIN)
    made = await stage.ask("POST", "/v1/tokens", admin, body={"name": "x", "roles": list(Role), "accounts": []})
    assert (await stage.ask("GET", "/v1/accounts", made.body["token"])).body == {"accounts": []}
    assert (await stage.ask("GET", "/v1/accounts/main", made.body["token"])).status == 403


async def test_a_key_that_was_used_for_something_else_says_nothing(stage: Stage) -> None:
    """Whoever gives a key twice for two things hears that the second was not said, instead of believing it done."""
    key, token = {"Idempotency-Key": "k"}, await stage.token(Role.OPERATOR, Role.APPROVER)
    body = {"reason": "now"}
    assert (await stage.ask("POST", "/v1/accounts/other/halt", token, body=body, headers=key)).status == 200
    for path, more in (
        (HALT, {}),
        ("/v1/accounts/other/halt", {"asset": "BTC/USD"}),
        ("/v1/accounts/other/resume", {}),
    ):
        got = await stage.ask("POST", path, token, body={**body, **more}, headers=key)
        assert (got.status, "key of its own" in got.body["detail"]) == (409, True), path
    assert (await stage.ask("GET", "/v1/accounts/main", token)).body["halts"] == []
    assert (await stage.ask("POST", HALT, token, body=body, headers={"Idempotency-Key": "k2"})).status == 200


class Held(Argon2Hasher):
    """Compares nothing before it is released."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.released = threading.Event()

    def verify(self, password: str | bytes, hash: str | bytes) -> bool:  # noqa: A002
        """Wait, then compare."""
        assert self.released.wait(20)
        return super().verify(password, hash)


async def flood(stage: Stage, names: list[str]) -> list[tuple[int, str]]:
    """What those are told who try to log in all at once, while no password is compared before the queue is full."""
    hasher = Held()
    stage.desk.callers.passwords = Passwords(PasswordHash((hasher,)))
    tasks = [stage.ask("POST", "/v1/session", body={"name": each, "password": "w" * 12}) for each in names]
    got = []
    for number, done in enumerate(asyncio.as_completed(tasks, timeout=20), 1):
        got.append(await done)
        if number == len(names) - QUEUE:
            hasher.released.set()
    return [(each.status, each.body["detail"].partition(";")[0]) for each in got]


async def test_many_tries_at_once_are_no_more_than_one_after_the_other(stage: Stage) -> None:
    """A name is locked in the midst of a burst: what was sent with it is not looked at any more."""
    stage.desk.callers.passwords = Passwords(PasswordHash((Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1),)))
    await stage.user("ann", Role.VIEWER)
    body = {"name": "ann", "password": "w" * 12}
    got = await asyncio.gather(*(stage.ask("POST", "/v1/session", body=body) for _ in range(20)))
    told = Counter(each.body["detail"].partition(";")[0] for each in got)
    assert told == {"the name or the password is wrong": 5, "too many wrong passwords": 15}


async def test_a_flood_of_logins_keeps_nobody_waiting(stage: Stage) -> None:
    """Few wait for their turn, the others are sent away; and one address may try so often a minute."""
    told = await flood(stage, [f"n{each}" for each in range(70)])
    assert sum(why == "too many log in at once" for _, why in told) == 70 - 10 - QUEUE
    assert sum(status == 429 for status, _ in told) == 10
    token = await stage.token(Role.VIEWER)
    assert (await stage.ask("GET", "/v1/accounts", token)).status == 200, "whoever is known is let all the same"


@pytest.mark.parametrize("method", ["POST", "DELETE"])
async def test_another_sites_page_neither_begins_nor_ends_a_session(stage: Stage, method: str) -> None:
    """A form of another site that is sent as plain text, and looks like JSON, logs nobody in as somebody else."""
    await stage.user("eve", Role.VIEWER)
    for headers in (ELSEWHERE, {"Origin": "https://evil.example"}, {"Origin": "null"}):
        told = {**headers, "Content-Type": "text/plain"}
        got = await stage.ask(method, "/v1/session", body={"name": "eve", "password": PASSWORD}, headers=told)
        assert (got.status, "Set-Cookie" in got.headers) == (403, False)


async def test_two_ways_to_be_known_are_not_mixed(stage: Stage) -> None:
    """A header that counts for nothing is not made good by a cookie, and a cookie borrows nothing from a header."""
    await stage.user("ann", Role.OPERATOR)
    cookie, csrf = await logged_in(stage, "ann")
    viewer = await stage.token(Role.VIEWER)
    for shown in ("", "Bearer", "Bearer x", "Basic YTpi", f"Bearer {viewer}x"):
        headers = {**cookie, CSRF: csrf, "Authorization": shown}
        assert (await stage.ask("POST", HALT, headers=headers, body={"reason": "x"})).status == 401, shown
    both = {**cookie, CSRF: csrf, "Authorization": f"Bearer {viewer}"}
    assert (await stage.ask("POST", HALT, headers=both, body={"reason": "x"})).status == 403, "the token is who asks"


ODD = (
    "//v1/accounts", "/V1/accounts", "/v1//accounts", "/v1/./accounts", "/v1/x/../accounts", "/v1/accounts/main%2fhalt",
    "/v1/accounts%2fmain", "/v1/accounts;x", "/v1/accounts/%00", "/v1/accounts/..%2fmain", "/v1/accounts/main%20",
    "/v1/breaks/%00", "/v1/reports/%00", "/metrics/", "/v1/audit/log/tile/..%2f..%2fcheckpoint", "/v1/accounts/%FF%FE",
)  # fmt: skip


async def test_a_path_that_is_written_otherwise_opens_nothing(stage: Stage) -> None:
    """Neither without a token nor with one for another account; and nothing of it is a fault of ours."""
    foreign = await stage.token(*Role, accounts=("other",))
    for token, path, method in product((None, foreign), ODD, ("GET", "HEAD", "POST", "OPTIONS", "PROPFIND")):
        got = await raw(stage, method, path, token)
        assert got in (307, 400, 401, 403, 404, 405, 422), (method, path, got)


async def raw(stage: Stage, method: str, path: str, token: str | None, *more: str) -> int:
    """The status of a request whose path is sent as it is written."""
    host, _, port = stage.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    shown = [f"Authorization: Bearer {token}"] if token else []
    head = "\r\n".join([f"{method} {path} HTTP/1.1", "Host: x", "Connection: close", *shown, *more])
    writer.write((head + "\r\n\r\n").encode("latin-1"))
    line = await reader.readline()
    writer.close()
    return int(line.split()[1])


async def test_the_first_of_two_tokens_is_who_asks(stage: Stage) -> None:
    """A second header adds nothing: neither a right nor a way round."""
    good, bad = await stage.token(Role.VIEWER), await stage.token(Role.BOOKS)
    assert await raw(stage, "GET", "/v1/accounts", good, f"Authorization: Bearer {bad}") == 200
    assert await raw(stage, "GET", "/v1/accounts", bad, f"Authorization: Bearer {good}") == 403


async def test_a_name_that_looks_like_another_is_given_to_nobody(stage: Stage) -> None:
    """Two users whom a person takes for one are refused: the log, and four eyes, tell people by their names."""
    admin = await stage.token(Role.ADMIN)
    await stage.user("ann", Role.APPROVER)
    for name in (" ann", "ann ", "Ann", "ANN", "ａnn", "аnn", "ann\u200b", "an\u0301n", "ann\u00a0", "a  nn", ""):
        body = {"name": name, "roles": ["approver"], "password": PASSWORD}
        assert (await stage.ask("POST", "/v1/users", admin, body=body)).status in (409, 422), ascii(name)
    for name in ("Zoë", "Иван", "田中", "ann.b@desk"):
        body = {"name": name, "roles": ["viewer"], "password": PASSWORD}
        assert (await stage.ask("POST", "/v1/users", admin, body=body)).status == 201, name


async def test_what_listens_is_bounded_and_ends_with_its_token(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """One caller listens so often at a time; whoever was taken back hears nothing from then on."""
    monkeypatch.setattr(events, "STREAMS", 2)
    admin, seer = await stage.token(Role.ADMIN), await stage.token(Role.VIEWER, name="seer")
    listed = (await stage.ask("GET", "/v1/tokens", admin)).body["grants"]
    (name,) = [row["id"] for row in listed if row["name"] == "seer"]
    async with stage.listening(seer) as told, stage.listening(seer):
        assert (await stage.ask("GET", "/v1/events", seer)).status == 429
        assert (await stage.ask("DELETE", f"/v1/tokens/{name}", admin)).status == 200
        assert {kind async for _, kind, _ in told} <= {EntryKind.GRANT, EntryKind.CONFIGURE}, "and then it ends"
    async with stage.listening(seer2 := await stage.token(Role.VIEWER, name="seer")):
        assert seer2 != seer, "what has ended counts no more"


async def test_denials_do_not_fill_the_log_and_none_is_lost(stage: Stage) -> None:
    """Many kinds at once are counted together, and the count is whole."""
    tokens = [await stage.token(Role.BOOKS, name=f"n{each}") for each in range(80)]
    before = await stage.entries(EntryKind.DENY)
    assert not before
    for token in tokens:
        assert (await stage.ask("GET", "/v1/accounts", token)).status == 403
    await stage.desk.denials.tell_rest()
    found = await stage.entries(EntryKind.DENY)
    assert len(found) <= 62
    assert sum(int(entry.refs.get("count", "1")) for entry in found) == 80


async def test_nobody_reads_a_secret_or_an_amount_in_a_refusal(stage: Stage) -> None:
    """What is answered to nonsense does not repeat what was sent."""
    token = await stage.token(*Role)
    for body in ({"reason": 1, "s3cret": "x"}, ["s3cret"], {"reason": {"s3cret": "4711.0815"}}):
        got = await stage.ask("POST", HALT, token, body=body)
        assert got.status == 422
        assert "4711" not in json.dumps(got.body)
    got = await stage.ask("POST", "/v1/session", body={"name": "ann", "password": ["hunter2 hunter2"]})
    assert "hunter2" not in json.dumps(got.body)


async def test_a_made_up_cookie_is_not_kept(stage: Stage) -> None:
    """Nobody begins a session under a cookie that somebody else chose: each login makes a new one."""
    await stage.user("ann", Role.VIEWER)
    body = {"name": "ann", "password": PASSWORD}
    got = await stage.ask("POST", "/v1/session", body=body, headers={"Cookie": f"{COOKIE}=chosen"})
    assert "chosen" not in got.headers["Set-Cookie"]
    assert (await stage.ask("GET", "/v1/accounts", headers={"Cookie": f"{COOKIE}=chosen"})).status == 401


async def test_a_body_that_does_not_come_is_not_waited_for(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is more kept at once than all callers together may send; what was kept is let go again."""
    monkeypatch.setattr(shapes, "BODY_S", 0.2)
    length = ("Content-Type: application/json", "Content-Length: 50")
    assert await raw(stage, "POST", "/v1/session", None, *length) == 422
    monkeypatch.setattr(shapes, "MAX_ARRIVING", 10)
    got = await stage.ask("POST", "/v1/session", body={"name": "ann", "password": PASSWORD})
    assert (got.status, stage.desk.arriving) == (503, 0)
