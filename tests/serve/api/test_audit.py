"""The log over the interface: proofs and tiles hold against what it signed, and what happens is told as it happens."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.serve.api.stage import Answer, Stage
from tieout.record import keys
from tieout.record.audit.tiles import Tile, parse_tile
from tieout.record.tlog.checkpoint import parse_checkpoint
from tieout.record.tlog.merkle import extend, leaf_hash, root
from tieout.record.tlog.note import open_note
from tieout.record.tlog.proof import check_proof, parse_proof
from tieout.serve.access.roles import Role
from tieout.serve.access.tokens import read_token


async def raw(stage: Stage, path: str, token: str) -> bytes:
    """The bytes that are answered."""
    got: Answer = await stage.ask("GET", path, token)
    assert got.status == 200, (path, got)
    assert isinstance(got.body, bytes)
    return got.body


async def test_tiles_and_bundles_make_the_root_that_was_signed(stage: Stage) -> None:
    """Whoever has nothing but the checkpoint, the key and the tiles finds the same root, entry by entry."""
    seer = await stage.token(Role.VIEWER)
    await stage.reconciled()
    verifiers = keys.published(stage.folder / "keys")
    head = parse_checkpoint(open_note(await raw(stage, "/v1/audit/log/checkpoint", seer), verifiers).text)
    assert head.size < 256
    bundle = await raw(stage, f"/v1/audit/log/tile/entries/000.p/{head.size}", seer)
    bodies = list[bytes]()
    while bundle:
        end = 2 + int.from_bytes(bundle[:2], "big")
        bodies.append(bundle[2:end])
        bundle = bundle[end:]
    hashes = await raw(stage, f"/v1/audit/log/tile/0/000.p/{head.size}", seer)
    peaks: tuple[bytes, ...] = ()
    for index, body in enumerate(bodies):
        assert hashes[index * 32 : (index + 1) * 32] == leaf_hash(body)
        peaks, _ = extend(index, peaks, leaf_hash(body))
    assert (len(bodies), root(peaks)) == (head.size, head.root)
    ahead = await stage.ask("GET", "/v1/audit/log/tile/0/000", seer)
    assert ahead.status == 404


async def test_an_entry_is_proved(stage: Stage) -> None:
    """The proof that is answered holds for the entry that is listed, under the published key."""
    seer = await stage.token(Role.VIEWER)
    await stage.reconciled()
    listed = (await stage.ask("GET", "/v1/audit/entries?since=1&limit=2", seer)).body
    assert ([row["index"] for row in listed["entries"]], listed["next"]) == ([1, 2], 3)
    proof = parse_proof(await raw(stage, "/v1/audit/entries/1/proof", seer))
    verifiers = keys.published(stage.folder / "keys")
    assert proof.extra is not None
    check_proof(proof, proof.extra, verifiers[0].name, verifiers)
    assert leaf_hash(proof.extra).hex() == listed["entries"][0]["leaf"]
    assert (await stage.ask("GET", "/v1/audit/entries/999999/proof", seer)).status == 404


async def test_the_whole_log_is_for_those_who_may_see_every_account(stage: Stage) -> None:
    """Who is for one account sees its entries, and neither others, nor proofs, nor tiles that hold others."""
    one = await stage.token(*Role, accounts=("other",))
    await stage.reconciled()
    listed = (await stage.ask("GET", "/v1/audit/entries", one)).body["entries"]
    assert {row["entry"].get("account") for row in listed} == {"other"}
    for path in ("checkpoint", "entries/0/proof", "log/checkpoint", "log/tile/0/000.p/1"):
        assert (await stage.ask("GET", f"/v1/audit/{path}", one)).status == 403


@pytest.mark.parametrize(
    ("path", "tile"),
    [
        ("0/000", Tile(0, 0, 256)),
        ("entries/007.p/3", Tile(None, 7, 3)),
        ("1/x001/x234/067", Tile(1, 1234067, 256)),
        ("1/x000/001", None),
        ("0/1", None),
        ("6/000", None),
        ("0/000.p/256", None),
        ("0/000.p/0", None),
        ("entries/../000", None),
    ],
)
def test_a_tile_has_one_name(path: str, tile: Tile | None) -> None:
    """Paths are read as C2SP writes them, and in no other way."""
    assert parse_tile(path) == tile


async def test_what_happens_is_told_and_who_was_away_goes_on(stage: Stage) -> None:
    """A halt comes as an event; with the last event's id what came since then is told, each once."""
    seer, operator = await stage.token(Role.VIEWER), await stage.token(Role.OPERATOR)
    async with stage.listening(seer) as told:
        await stage.ask("POST", "/v1/accounts/main/halt", operator, body={"reason": "lunch"})
        index, kind, entry = await anext(told)
        while kind != "approve":
            index, kind, entry = await anext(told)
    assert (entry["actor"], entry["account"], entry["refs"]["verdict"]) == ("operator", "main", "halt")
    await stage.ask("POST", "/v1/accounts/other/halt", operator, body={"reason": "lunch"})
    async with stage.listening(seer, after=index) as told:
        assert (await anext(told))[0] == index + 1


async def test_a_listener_whose_token_is_taken_back_hears_no_more(stage: Stage) -> None:
    """What was granted is looked up again for as long as somebody listens."""
    seer = await stage.token(Role.VIEWER, accounts=("other",))
    read = read_token(seer)
    assert read is not None
    await stage.desk.schedule.request("other")  # nothing of its beginning is told any more
    async with stage.listening(seer) as told:
        await stage.desk.grants.revoke_token(read[0], actor="test", at=stage.desk.clock.now())
        assert [entry async for entry in told] == []


async def test_reports_are_listed_for_all_and_shown_to_those_who_see_amounts(stage: Stage) -> None:
    """The list has no amounts; the report is full of them, and is refused to whoever is not granted them."""
    await stage.open_break()
    plain, granted = await stage.token(Role.VIEWER), await stage.token(Role.VIEWER, amounts=True)
    listed = (await stage.ask("GET", "/v1/reports?account=main&status=discrepancies", plain)).body
    assert listed["total"] == len(listed["reports"]) > 0
    path = f"/v1/reports/{listed['reports'][-1]['report_id']}"
    assert (await stage.ask("GET", path, plain)).status == 403
    assert (await stage.ask("GET", path, granted)).body["discrepancies"][0]["difference"] == "1"
    assert (await stage.ask("GET", "/v1/reports/" + "0" * 26, granted)).status == 404
    later = (stage.desk.clock.now() + timedelta(days=1)).isoformat().replace("+00:00", "Z")
    assert (await stage.ask("GET", f"/v1/reports?since={later}", plain)).body == {"reports": [], "total": 0}
    assert (await stage.ask("GET", "/v1/reports?since=2026-11-20T10:00:00", plain)).status == 422
