"""The interface over a real socket: what is seen, what is said, and what is answered to nonsense."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from tests.serve.api.stage import ACCOUNT, Stage, staged, write_trade
from tieout.serve.access.roles import Role


async def test_a_difference_appears_and_goes(stage: Stage) -> None:
    """A break is listed once both sides differ, with the account's state, and closed once they agree again."""
    seer = await stage.token(Role.VIEWER)
    await stage.open_break()
    state = (await stage.ask("GET", "/v1/accounts/main", seer)).body
    assert (state["status"], state["worst"], state["open_breaks"]) == ("discrepancies", "CRITICAL", {"CRITICAL": 1})
    assert [halt["reason"] for halt in state["halts"]] == ["unexplained"]
    stage.hold("local", "3")
    await stage.reconciled()
    assert (await stage.ask("GET", "/v1/breaks", seer)).body["total"] == 0
    closed = (await stage.ask("GET", "/v1/breaks?closed=true", seer)).body["breaks"]
    assert closed[0]["closed_at"] is not None


async def test_a_halt_and_a_resume_are_heard(stage: Stage) -> None:
    """Whoever may halt stops an account, and whoever may resume lets it go on, each with a reason in the log."""
    operator, approver = await stage.token(Role.OPERATOR), await stage.token(Role.APPROVER)
    said = await stage.ask("POST", "/v1/accounts/main/halt", operator, body={"reason": "lunch"})
    assert said.status == 200
    state = (await stage.ask("GET", "/v1/accounts/main", operator)).body
    assert [halt["by"] for halt in state["halts"]] == ["operator"]
    await stage.reconciled(times=1)
    shown = (await stage.ask("GET", "/v1/accounts/main", approver)).body["halts"]
    body = {"reason": "back", "shown": shown}
    assert (await stage.ask("POST", "/v1/accounts/main/resume", approver, body=body)).status == 200
    await stage.reconciled(times=1)
    assert (await stage.ask("GET", "/v1/accounts/main", operator)).body["halts"] == []


async def test_a_resume_is_of_the_halts_that_were_shown(stage: Stage) -> None:
    """Where a halt came since, nothing is lifted; said again under its key after it was heard, it was done once."""
    approver = await stage.token(Role.APPROVER)
    for asset in ("BTC", "ETH"):
        shown = (await stage.ask("GET", "/v1/accounts/main", approver)).body["halts"]
        body = {"reason": "look", "asset": asset}
        assert (await stage.ask("POST", "/v1/accounts/main/halt", approver, body=body)).status == 200
    path, key = "/v1/accounts/main/resume", {"Idempotency-Key": "k1"}
    body = {"reason": "back", "shown": shown}
    assert (await stage.ask("POST", path, approver, body=body, headers=key)).status == 409
    await stage.reconciled(times=1)
    body["shown"] = (await stage.ask("GET", "/v1/accounts/main", approver)).body["halts"]
    said = []
    for _ in range(2):
        said.append((await stage.ask("POST", path, approver, body=body, headers=key)).body)
        await stage.reconciled(times=1)
    assert [each["again"] for each in said] == [False, True]
    assert (await stage.ask("GET", "/v1/accounts/main", approver)).body["halts"] == []


async def test_breaks_come_in_pages_the_worst_first(stage: Stage) -> None:
    """Pages follow each other without a gap and say how many there are, only of the caller's accounts."""
    break_id = await stage.open_break()
    all_of_it = await stage.token(Role.VIEWER, name="all")
    for token, total in ((all_of_it, 1), (await stage.token(Role.VIEWER, accounts=("other",), name="some"), 0)):
        pages = [(await stage.ask("GET", f"/v1/breaks?limit=1&offset={at}", token)).body for at in (0, 1)]
        assert [page["total"] for page in pages] == [total, total]
        assert [row["discrepancy_id"] for page in pages for row in page["breaks"]] == [break_id] * total


async def test_a_word_said_twice_under_one_key_counts_once(stage: Stage) -> None:
    """A client that lost the answer says it again, and nothing is said twice; another caller's same key is another."""
    break_id = await stage.open_break()
    first, second = await stage.token(Role.OPERATOR, name="ann"), await stage.token(Role.OPERATOR, name="ben")
    path, body, key = f"/v1/breaks/{break_id}/comment", {"reason": "I look"}, {"Idempotency-Key": "k1"}
    said = [(await stage.ask("POST", path, who, body=body, headers=key)).body for who in (first, first, second)]
    assert [each["again"] for each in said] == [False, True, False]
    assert said[0]["entry"] == said[1]["entry"] != said[2]["entry"]


async def test_a_report_that_is_asked_for_is_of_now(stage: Stage) -> None:
    """`reconcile` answers with a reading that began after the question."""
    operator = await stage.token(Role.OPERATOR)
    stage.hold("broker", "7")
    report = (await stage.ask("POST", "/v1/accounts/main/reconcile", operator)).body
    assert [row["difference"] for row in report["discrepancies"]] == ["5"]


async def test_nonsense_is_answered_with_a_sentence(stage: Stage) -> None:
    """What is wrong with a request is said as problem+json, never with a traceback and never with what was sent."""
    token = await stage.token(*Role)
    for method, path, body, status in (
        ("GET", "/v1/nothing", None, 404),
        ("GET", "/v1/accounts/none", None, 404),
        ("GET", "/v1/breaks/none", None, 404),
        ("DELETE", "/v1/accounts", None, 405),
        ("GET", "/v1/breaks?limit=0", None, 422),
        ("GET", "/v1/breaks?cause=hunger", None, 422),
        ("POST", "/v1/accounts/main/halt", None, 422),
        ("POST", "/v1/accounts/main/halt", {"reason": 7}, 422),
        ("POST", "/v1/accounts/main/halt", {"resaon": "s3cret"}, 422),
        ("POST", "/v1/accounts/main/halt", {"reason": " "}, 409),
        ("POST", "/v1/accounts/main/halt", {"reason": "x" * 70_000}, 422),
    ):
        got = await stage.ask(method, path, token, body=body)
        assert got.status == status, (method, path, got)
        assert got.headers["Content-Type"] == "application/problem+json"
        assert got.body["status"] == status
        assert "s3cret" not in str(got.body)


async def test_every_answer_bears_the_headers_that_keep_it_private(stage: Stage) -> None:
    """Also a refusal is not framed, not guessed at and not kept on the way."""
    for path in ("/healthz", "/v1/accounts", "/nothing"):
        headers = (await stage.ask("GET", path)).headers
        assert (headers["X-Frame-Options"], headers["Cache-Control"]) == ("DENY", "no-store")
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "Server" not in headers


async def test_readiness_follows_the_reconciliations(stage: Stage) -> None:
    """The service is ready while accounts are reconciled, and says how many are not."""
    assert (await stage.ask("GET", "/readyz")).status == 200
    (stage.folder / "main-broker.json").unlink()
    await stage.reconciled(times=3)
    await asyncio.sleep(0)
    got = await stage.ask("GET", "/readyz")
    assert (got.status, got.body["detail"]) == (503, "1 of 2 accounts are not reconciled well")


async def test_metrics_tell_how_each_account_stands_without_amounts(stage: Stage) -> None:
    """Prometheus reads breaks by severity, halts and the last reading of every account, and no figure of any position."""
    await stage.open_break()
    got = await stage.ask("GET", "/metrics", await stage.token(Role.VIEWER))
    told = dict(line.rsplit(" ", 1) for line in got.body.decode().splitlines() if not line.startswith("#"))
    assert told['tieout_open_breaks{account="main",severity="CRITICAL"}'] == "1.0"
    assert told['tieout_halts{account="main"}'] == "1.0"
    assert told['tieout_halts{account="other"}'] == "0.0"
    assert float(told['tieout_last_reading_timestamp_seconds{account="other"}']) > 1.7e9
    assert float(told['tieout_readings_total{account="main",status="discrepancies"}']) >= 2
    assert not re.search(r"\b50000\b", got.body.decode())


async def test_a_break_is_given_to_somebody(stage: Stage) -> None:
    """Whoever looks after a break stands beside it from then on, the last one who was named; its life tells both."""
    break_id = await stage.open_break()
    operator = await stage.token(Role.OPERATOR, name="ann")
    for name in ("ben", "cleo"):
        body = {"reason": "yours", "to": name}
        assert (await stage.ask("POST", f"/v1/breaks/{break_id}/assign", operator, body=body)).status == 200
    assert (await stage.ask("GET", "/v1/breaks", operator)).body["breaks"][0]["assignee"] == "cleo"
    steps = (await stage.ask("GET", f"/v1/breaks/{break_id}", operator)).body["steps"]
    assert [(step["actor"], step["assignee"]) for step in steps if step.get("verdict") == "assign"] == [
        ("ann", "ben"),
        ("ann", "cleo"),
    ]
    body = {"reason": "yours", "to": " "}
    assert (await stage.ask("POST", f"/v1/breaks/{break_id}/assign", operator, body=body)).status == 409


ASKS = """
[policy]
rules = [{{ cause = ["EXTERNAL_TRADE"], strategy = "SYNC_TO_BROKER", approval = true }}]
"""


async def test_a_yes_is_to_what_was_shown(tmp_path: Path) -> None:
    """What waits is shown with the break; a yes to another plan is refused, and one to this is carried out and verified."""
    async with staged(tmp_path, ("main",), configured=ASKS + ACCOUNT) as stage:
        write_trade(tmp_path, "main", "2.08", "BTC/USD")
        await stage.reconciled()
        approver = await stage.token(Role.APPROVER)
        (row,) = (await stage.ask("GET", "/v1/breaks", approver)).body["breaks"]
        path = f"/v1/breaks/{row['discrepancy_id']}"
        life = (await stage.ask("GET", path, approver)).body
        waiting = life["waiting"]
        assert (row["awaits"], life["head"]["awaits"], waiting["strategy"]) == (True, True, "SYNC_TO_BROKER")
        other = {"reason": "yes", "plan": "0" * 64}
        assert (await stage.ask("POST", path + "/approve", approver, body=other)).status == 409
        mine = {"reason": "yes", "plan": waiting["plan"]}
        assert (await stage.ask("POST", path + "/approve", approver, body=mine)).status == 200
        await stage.reconciled()
        assert (await stage.ask("GET", path, approver)).body["head"]["closed_at"] is not None
