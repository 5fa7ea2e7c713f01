"""The specifications' own test vectors: every valid one accepted, every invalid one refused, counted."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.conform.output import say
from tests.conform.witness import session
from tieout.errors import ProofRefused
from tieout.record.tlog import merkle
from tieout.record.tlog.checkpoint import parse_checkpoint
from tieout.record.tlog.note import Signer, Verifier, generate_key, open_note, sign
from tieout.record.tlog.proof import format_proof, parse_proof
from tieout.record.tlog.subtree import verify_subtree_consistency, verify_subtree_inclusion
from tieout.record.witness.protocol import parse_conflict

Case = tuple[str, bool, Callable[[], object]]  # its name, whether it is valid, and what judges it


def run(shared: Path) -> tuple[int, int]:
    """How many vectors were judged rightly and wrongly; a line for each group, and for each that was judged wrongly."""
    folder = shared / "vectors"
    if not folder.is_dir():
        say("no test vectors beside the checkout: they are left out")
        return 0, 0
    passed = failed = 0
    for name, cases in groups(folder).items():
        accepted = refused = 0
        for case, valid, judge in cases:
            found = holds(judge)
            accepted += found and valid
            refused += not found and not valid
            if found != valid:
                failed += 1
                say(f"WRONG {name}: {case}: {'accepted' if found else 'refused'}")
        passed += accepted + refused
        say(f"{name}: {accepted} valid accepted, {refused} invalid refused")
    return passed, failed


def groups(folder: Path) -> dict[str, Iterator[Case]]:
    """Every group of vectors that the folder holds."""
    merkle_data = folder / "tdev-merkle" / "testdata"
    extracted = folder / "extracted"
    return {
        "inclusion proofs": files(merkle_data / "inclusion", inclusion),
        "consistency proofs": files(merkle_data / "consistency", consistency),
        "subtree inclusion proofs": files(merkle_data / "subtreeinclusion", subtree_inclusion),
        "subtree consistency proofs": files(merkle_data / "subtreeconsistency", subtree_consistency),
        "RFC 6962 roots and nodes": roots(read(extracted / "rfc6962_roots.json")),
        "public keys": keys(read(extracted / "go_note.json")),
        "signed notes": notes(read(extracted / "go_note.json")),
        "checkpoint bodies": bodies(read(extracted / "checkpoint_bodies.json")),
        "proof files": proofs(read(extracted / "tlog_proof.json")),
        "witness session": witnessed(read(extracted / "witness_scenario.json")),
    }


def witnessed(recorded: Any) -> Iterator[Case]:
    """Each request of a recorded session: cosigned where it was, refused with the same status where it was not."""
    for name, expected, reply in session(recorded):
        assert reply.status == expected, f"witness session, {name}: {reply.status} where {expected} was recorded"
        if expected == 409:
            assert parse_conflict(reply.body) is not None, f"witness session, {name}: the size is not said"
        yield name, expected == 200, lambda reply=reply: reply.status == 200  # type: ignore[misc]


def holds(judge: Callable[[], object]) -> bool:
    """Whether it was accepted; anything but a refusal is a bug and stops the run."""
    try:
        return judge() is not False
    except ProofRefused:
        return False


def read(path: Path) -> Any:
    """One file of vectors, empty where there is none."""
    return json.loads(path.read_text("utf-8")) if path.exists() else {}


def raw(text: str | None) -> bytes:
    """Bytes from base64."""
    return base64.b64decode(text or "")


def files(folder: Path, judge: Callable[[Any], None]) -> Iterator[Case]:
    """One vector a file."""
    for path in sorted(folder.rglob("*.json")):
        vector = read(path)
        yield str(path.relative_to(folder)), not vector["wantErr"], lambda vector=vector: judge(vector)  # type: ignore[misc]


def proof(vector: Any) -> list[bytes]:
    """Its hashes."""
    return [raw(each) for each in vector["proof"] or ()]


def inclusion(v: Any) -> None:
    """A leaf in a tree."""
    merkle.verify_inclusion(raw(v["leafHash"]), v["leafIdx"], v["treeSize"], proof(v), raw(v["root"]))


def consistency(v: Any) -> None:
    """A tree that extends another."""
    merkle.verify_consistency(v["size1"], v["size2"], proof(v), raw(v["root1"]), raw(v["root2"]))


def subtree_inclusion(v: Any) -> None:
    """A leaf in a subtree."""
    verify_subtree_inclusion(raw(v["leafHash"]), v["leafIdx"], (v["start"], v["end"]), proof(v), raw(v["root"]))


def subtree_consistency(v: Any) -> None:
    """A subtree in a tree."""
    verify_subtree_consistency((v["start"], v["end"]), v["size"], proof(v), raw(v["root1"]), raw(v["root2"]))


def roots(data: Any) -> Iterator[Case]:
    """Roots of growing trees, their nodes, and single hashes."""
    leaves = [merkle.leaf_hash(bytes.fromhex(text)) for text in data.get("leaf_inputs", ())]
    for size, want in enumerate(data.get("root_hashes", ())):
        peaks, _ = merkle.extend_all(0, (), leaves[:size])
        yield f"root of {size}", True, lambda peaks=peaks, want=want: merkle.root(peaks).hex() == want  # type: ignore[misc]
    _, made = merkle.extend_all(0, (), leaves)
    nodes = {
        (place + 1, number >> place + 1): each for number, row in enumerate(made) for place, each in enumerate(row)
    }
    nodes |= {(0, number): leaf for number, leaf in enumerate(leaves)}
    for level, row in enumerate(data.get("node_hashes", ())):
        for index, want in enumerate(row):
            yield f"node {level}/{index}", True, lambda at=(level, index), want=want: nodes[at].hex() == want  # type: ignore[misc]
    for each in data.get("hasher", ()):
        yield each["kind"], True, lambda each=each: hashed(each) == each["want"]  # type: ignore[misc]


def hashed(each: Any) -> str:
    """One hash of the kind that is asked for."""
    if each["kind"] == "empty":
        return merkle.EMPTY_ROOT.hex()
    if each["kind"] == "leaf":
        return merkle.leaf_hash(bytes.fromhex(each["in"])).hex()
    return merkle.node_hash(bytes.fromhex(each["left"]), bytes.fromhex(each["right"])).hex()


def keys(data: Any) -> Iterator[Case]:
    """Public keys, good and bad."""
    for name, valid in (("good_vkeys", True), ("bad_vkeys", False)):
        for vkey in data.get(name, ()):
            yield vkey, valid, lambda vkey=vkey: Verifier(vkey).vkey == vkey  # type: ignore[misc]


def notes(data: Any) -> Iterator[Case]:
    """Notes that must open, with so many signatures known and unknown, and that must not; and one that is signed anew."""
    for each in data.get("open", ()):
        yield each["name"], each["ok"], lambda each=each: opened(each)  # type: ignore[misc]
    made = data.get("sign")
    if made:
        signer = Signer(generate_key(made["name"], bytes.fromhex(made["seed_hex"])))
        yield "signed anew, byte for byte", True, lambda: sign(made["text"], signer) == made["want"].encode()


def opened(each: Any) -> bool:
    """Whether as many signatures were found known and unknown as there are."""
    note = open_note(raw(each["note_b64"]), [Verifier(vkey) for vkey in each["vkeys"]])
    return (len(note.verified), len(note.unverified)) == (each["verified"], each["unverified"])


def bodies(data: Any) -> Iterator[Case]:
    """Checkpoints."""
    for each in data.get("cases", ()):
        yield each["n"], bool(each["ok"]), lambda each=each: parse_checkpoint(each["m"])  # type: ignore[misc]


def proofs(data: Any) -> Iterator[Case]:
    """Proof files, which are also written again to the byte."""
    for each in data.get("cases", ()):
        yield each["n"], bool(each["ok"]), lambda each=each: written_again(each)  # type: ignore[misc]


def written_again(each: Any) -> bool:
    """Whether it says what it should, and is the same when it is written."""
    found = parse_proof(each["m"].encode())
    extra = None if found.extra is None else found.extra.decode()
    said = (found.index, len(found.hashes), extra, found.checkpoint.decode())
    return said == (each["index"], each["nh"], each["extra"], each["cp"]) and format_proof(found) == each["m"].encode()
