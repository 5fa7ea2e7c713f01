"""Signed notes, checkpoints, proof files and policies: what was written is read, and nothing that was touched is believed."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tieout.errors import ProofRefused
from tieout.record.tlog import merkle
from tieout.record.tlog.checkpoint import Checkpoint, format_checkpoint, parse_checkpoint
from tieout.record.tlog.note import (
    COSIGNATURE,
    Signer,
    Verifier,
    cosign,
    cosigned_at,
    generate_key,
    open_note,
    sign,
)
from tieout.record.tlog.policy import parse_policy
from tieout.record.tlog.proof import Proof, check_proof, format_proof, parse_proof

SKEY = generate_key("tieout-test", bytes(range(32)))
LOG = Signer(SKEY)
OTHER = Signer(generate_key("tieout-test", bytes(32)))
WITNESS = Signer(generate_key("witness.example/w1", bytes(range(1, 33))), kind=COSIGNATURE)
ENTRIES = [b"first", b"second", b"third"]
PEAKS, MADE = merkle.extend_all(0, (), [merkle.leaf_hash(entry) for entry in ENTRIES])
BODY = format_checkpoint(Checkpoint("tieout-test", 3, merkle.root(PEAKS)))
SIGNED = sign(BODY, LOG)
# Made once by this code with the seeds above, and looked at: a changed format shows as a difference here.
GOLDEN = "tieout-test\n3\n{root}\n\n— tieout-test {signature}\n"


def test_a_note_has_the_published_form() -> None:
    """The text, an empty line, and a line with a dash, the name, and hint and signature in base64."""
    signature = base64.b64encode(LOG.id + LOG.sign(BODY.encode())).decode()
    root = base64.b64encode(merkle.root(PEAKS)).decode()
    assert SIGNED.decode() == GOLDEN.format(root=root, signature=signature)
    assert LOG.id.hex() == LOG.vkey.split("+")[1]


def test_who_knows_the_key_opens_the_note() -> None:
    """The text comes back, with who signed it; others' lines are told apart."""
    note = open_note(SIGNED + cosign(SIGNED, WITNESS, 1_700_000_000), [Verifier(LOG.vkey)])
    assert (note.text, note.signers, [each.name for each in note.unverified]) == (
        BODY,
        ("tieout-test",),
        ["witness.example/w1"],
    )


def test_a_witness_says_when() -> None:
    """A cosignature holds over the checkpoint and its time, which it bears."""
    cosigned = SIGNED + cosign(SIGNED, WITNESS, 1_700_000_000)
    note = open_note(cosigned, [Verifier(WITNESS.vkey)])
    assert [cosigned_at(each) for each in note.verified] == [1_700_000_000]
    shifted = SIGNED + cosign(SIGNED, WITNESS, 1_700_000_000).replace(b"w1 ", b"w1 ", 1)
    raw = bytearray(base64.b64decode(shifted.split(b" ")[-1]))
    raw[11] ^= 1
    with pytest.raises(ProofRefused, match="does not hold"):
        open_note(
            SIGNED + b"\xe2\x80\x94 witness.example/w1 " + base64.b64encode(raw) + b"\n", [Verifier(WITNESS.vkey)]
        )


@pytest.mark.parametrize("verifiers", [[], [OTHER.vkey], [WITNESS.vkey]])
def test_a_stranger_s_note_is_not_believed(verifiers: list[str]) -> None:
    """A note that nobody known signed is refused, also where another key bears the name."""
    with pytest.raises(ProofRefused, match="no key that is known"):
        open_note(SIGNED, [Verifier(each) for each in verifiers])


@given(st.integers(0, len(SIGNED) * 8 - 1))
def test_no_bit_of_a_note_can_be_turned(bit: int) -> None:
    """Whichever bit of a signed note is turned, it is refused, or says what it said before."""
    raw = bytes(byte ^ (1 << bit % 8 if place == bit // 8 else 0) for place, byte in enumerate(SIGNED))
    try:
        note = open_note(raw, [Verifier(LOG.vkey)])
    except ProofRefused:
        return
    assert note.text == BODY


@given(st.binary(max_size=400) | st.text(max_size=200).map(str.encode))
def test_no_bytes_bring_the_readers_down(raw: bytes) -> None:
    """Whatever they are given, they read it or refuse it."""
    text = raw.decode(errors="replace")
    readers = (
        lambda: open_note(raw, [Verifier(LOG.vkey)]),
        lambda: parse_proof(raw),
        lambda: parse_checkpoint(text),
        lambda: parse_policy(text),
        lambda: Verifier(text),
        lambda: Signer(text),
    )
    for read in readers:
        try:
            read()
        except ProofRefused as error:
            assert "\n" not in error.why


@pytest.mark.parametrize("reader", [Verifier, Signer])
def test_every_changed_letter_of_a_key_shows(reader: type[Verifier] | type[Signer]) -> None:
    """A key with one letter changed or left out is refused: its hint is over name and key."""
    key = LOG.vkey if reader is Verifier else SKEY
    for place in range(len(key)):
        for changed in (key[:place] + key[place + 1 :], key[:place] + "#" + key[place + 1 :]):
            with pytest.raises(ProofRefused):
                reader(changed)


def test_no_private_key_is_shown() -> None:
    """What is printed of a signer is its public key."""
    assert SKEY.rpartition("+")[2] not in repr(LOG)
    assert LOG.vkey in repr(LOG)


@given(
    st.text(st.characters(exclude_categories=("C", "Z"), exclude_characters="+"), min_size=1),
    st.integers(0, 2**63 - 1),
    st.binary(min_size=32, max_size=32),
)
def test_a_checkpoint_comes_back(origin: str, size: int, root: bytes) -> None:
    """What is written of a log's head is what is read."""
    checkpoint = Checkpoint(origin, size, root)
    assert parse_checkpoint(format_checkpoint(checkpoint)) == checkpoint


def proof_of(index: int) -> Proof:
    """A proof of one of the entries."""
    hashes = {(0, number): merkle.leaf_hash(entry) for number, entry in enumerate(ENTRIES)}
    hashes |= {(1, 0): MADE[1][0]}
    return Proof(index, tuple(merkle.inclusion_proof(index, 3, hashes)), SIGNED, ENTRIES[index])


@pytest.mark.parametrize("index", range(3))
def test_a_proof_travels_in_a_file(index: int) -> None:
    """Written and read back it is the same, and shows its entry and no other."""
    proof = proof_of(index)
    again = parse_proof(format_proof(proof))
    assert again == proof
    shown = check_proof(again, ENTRIES[index], "tieout-test", [Verifier(LOG.vkey)])
    assert shown.checkpoint.size == 3
    for other in {b"forged", *ENTRIES} - {ENTRIES[index]}:
        with pytest.raises(ProofRefused):
            check_proof(again, other, "tieout-test", [Verifier(LOG.vkey)])
    with pytest.raises(ProofRefused, match="not of another-log"):
        check_proof(again, ENTRIES[index], "another-log", [Verifier(LOG.vkey)])


POLICY = f"""# whom we trust
log {LOG.vkey} https://log.example
witness w1 {WITNESS.vkey}
group both all w1   # one for now
quorum both
"""


def test_a_policy_asks_for_its_witnesses() -> None:
    """Without the cosignature the quorum is not reached; with it the note opens."""
    policy = parse_policy(POLICY)
    with pytest.raises(ProofRefused, match="quorum both is not reached"):
        policy.open(SIGNED)
    assert policy.open(SIGNED + cosign(SIGNED, WITNESS, 1)).text == BODY
    with pytest.raises(ProofRefused, match="none of the logs"):
        policy.open(sign(BODY, OTHER) + cosign(SIGNED, WITNESS, 1))


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("quorum both", "line 6"),
        ("group x 3 w1", "3 of 1 members"),
        ("group x any nobody", "no witness or group nobody"),
        ("group w1 any both", "is taken"),
        (f"witness w2 {LOG.vkey}", "of the other kind"),
        ("log nonsense", "parts are missing"),
        ("lgo x", "write log"),
    ],
)
def test_a_wrong_line_of_a_policy_is_named(line: str, why: str) -> None:
    """Each mistake gets one sentence that says where it is."""
    with pytest.raises(ProofRefused, match=why) as refused:
        parse_policy(POLICY + line + "\n")
    assert "line 6" in str(refused.value)
