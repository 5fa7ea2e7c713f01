"""Sealed payloads: exact, bound to their commitment, and noise without the master key."""

from __future__ import annotations

import hashlib
import hmac
import os
import random
import tracemalloc
import zlib

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import aes_key_unwrap, aes_key_wrap
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tieout.errors import KeyUnusable, LogBroken
from tieout.record.vault import LIMIT, Sealed, Vault, committed, matches

MASTER = bytes(range(32))
VAULT = Vault(MASTER)
FIELDS = ("commitment", "wrapped_key", "sealed")
# Short and long, that compress and that do not.
PAYLOADS = st.one_of(
    st.binary(max_size=300),
    st.builds(lambda part, times: part * times, st.binary(min_size=1, max_size=20), st.integers(1, 2000)),
    st.builds(lambda seed, size: random.Random(seed).randbytes(size), st.integers(0, 2**32), st.integers(0, 20_000)),
)
READING = b'{"asset":"AAPL","amount":"100","side":"net","average_price":"187.23"}' * 15


def flipped(value: bytes, bit: int) -> bytes:
    """*value* with one bit of it turned."""
    changed = bytearray(value)
    changed[bit // 8 % len(value)] ^= 1 << bit % 8
    return bytes(changed)


def forged(body: bytes, payload: bytes, *, key: bytes = bytes(32)) -> Sealed:
    """What somebody who has the master key can seal: any body, under an honest commitment to *payload*."""
    salt = bytes(32)
    commitment = committed(salt, payload)
    sealed = AESGCM(key).encrypt(bytes(12), salt + body, commitment)
    return Sealed(commitment, aes_key_wrap(MASTER, key), sealed)


@given(PAYLOADS)
def test_what_is_sealed_comes_back_to_the_byte(payload: bytes) -> None:
    """Any payload opens as the very bytes that were sealed, also in another vault under the same master key."""
    assert Vault(MASTER).open(VAULT.seal(payload)).payload == payload


@given(PAYLOADS)
def test_a_stranger_can_check_a_disclosed_payload(payload: bytes) -> None:
    """The payload and its salt match the commitment by plain HMAC-SHA256, without any key."""
    sealed = VAULT.seal(payload)
    opened = VAULT.open(sealed)
    assert sealed.commitment == hmac.new(opened.salt, payload, hashlib.sha256).digest()
    assert matches(sealed.commitment, opened.salt, payload)


@given(PAYLOADS, st.integers(0, 2**20))
def test_another_payload_or_salt_does_not_match(payload: bytes, bit: int) -> None:
    """One changed bit of payload, salt or commitment, or a salt that HMAC would pad to the same key, is refused."""
    sealed = VAULT.seal(payload)
    salt = VAULT.open(sealed).salt
    assert not matches(sealed.commitment, flipped(salt, bit), payload)
    assert not matches(flipped(sealed.commitment, bit), salt, payload)
    assert not matches(sealed.commitment, salt, payload + b"\0")
    assert not matches(sealed.commitment, salt + b"\0", payload)
    if payload:
        assert not matches(sealed.commitment, salt, flipped(payload, bit))


@given(PAYLOADS, st.sampled_from(FIELDS), st.integers(0, 2**20))
def test_a_flipped_bit_is_refused(payload: bytes, field: str, bit: int) -> None:
    """Whichever bit of whichever field is turned, nothing is opened, and the sentence says what to do."""
    sealed = VAULT.seal(payload)
    broken = replace(sealed, **{field: flipped(getattr(sealed, field), bit)})
    with pytest.raises(LogBroken, match="was changed or sealed under another master key; restore it from a backup"):
        VAULT.open(broken)


@pytest.mark.parametrize("field", FIELDS)
@given(size=st.integers(0, 200))
def test_a_cut_or_lengthened_field_is_refused(field: str, size: int) -> None:
    """A field of any other length is refused, the empty one included."""
    sealed = VAULT.seal(b"payload")
    value: bytes = getattr(sealed, field)
    other = value[:size] if size < len(value) else value + bytes(size - len(value) + 1)
    with pytest.raises(LogBroken):
        VAULT.open(replace(sealed, **{field: other}))


@pytest.mark.parametrize("field", FIELDS)
def test_fields_of_two_payloads_cannot_be_mixed(field: str) -> None:
    """A field of another payload under the same master key is refused, though it is whole in itself."""
    one, two = VAULT.seal(b"payload"), VAULT.seal(b"payload")
    with pytest.raises(LogBroken):
        VAULT.open(replace(one, **{field: getattr(two, field)}))


@given(PAYLOADS, st.binary(min_size=32, max_size=32).filter(lambda key: key != MASTER))
def test_another_master_key_is_refused(payload: bytes, other: bytes) -> None:
    """Only the master key that sealed it opens a payload, and the failure names the entry that it belongs to."""
    with pytest.raises(LogBroken, match="payload of entry 7 was changed or sealed under another master key") as failure:
        Vault(other).open(VAULT.seal(payload), entry=7)
    assert failure.value.entry == 7


@given(PAYLOADS)
def test_equal_payloads_do_not_show(payload: bytes) -> None:
    """Two seals of the same payload share no field, so that nobody sees that a balance is unchanged, or guesses it."""
    one, two = VAULT.seal(payload), VAULT.seal(payload)
    assert all(getattr(one, field) != getattr(two, field) for field in FIELDS)


def test_the_content_does_not_show() -> None:
    """Neither the payload nor what it is packed as stands in what is stored."""
    payload = random.Random(1).randbytes(1000)
    sealed = VAULT.seal(payload)
    assert not any(payload[at : at + 8] in sealed.sealed for at in range(0, 992, 8))


@given(PAYLOADS)
def test_a_seal_costs_121_bytes(payload: bytes) -> None:
    """Besides the content, as it is or packed, whichever is shorter, exactly 121 bytes are stored."""
    sealed = VAULT.seal(payload)
    stored = sum(len(getattr(sealed, field)) for field in FIELDS)
    assert stored == 121 + min(len(payload), len(zlib.compress(payload, 6)))


def test_every_payload_has_a_key_of_its_own() -> None:
    """No key encrypts twice, which is what a constant nonce stands on, and each is 32 bytes."""
    keys = {aes_key_unwrap(MASTER, VAULT.seal(b"same").wrapped_key) for _ in range(500)}
    assert len(keys) == 500
    assert {len(key) for key in keys} == {32}


def test_a_bomb_does_not_go_off() -> None:
    """What unpacks to more than the limit is refused before it is unpacked: 256 MiB in 256 KB, with a limit of 1 MiB."""
    packer = zlib.compressobj(9)
    bomb = b"".join(packer.compress(bytes(2**20)) for _ in range(256)) + packer.flush()
    assert len(bomb) < 300_000
    sealed = forged(b"\1" + bomb, b"")
    tracemalloc.start()
    try:
        with pytest.raises(LogBroken, match="unpacks to more than 1048576 bytes"):
            VAULT.open(sealed, limit=2**20)
        assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    finally:
        tracemalloc.stop()


@given(st.integers(0, 3000), st.booleans())
def test_the_limit_is_exact(size: int, compressible: bool) -> None:
    """A payload of just the limit opens, one byte more does not, packed or not."""
    payload = bytes(size) if compressible else random.Random(size).randbytes(size)
    sealed = VAULT.seal(payload)
    assert VAULT.open(sealed, limit=size).payload == payload
    if size:
        with pytest.raises(LogBroken, match="unpacks to more than"):
            VAULT.open(sealed, limit=size - 1)


def test_a_limit_stands_by_itself() -> None:
    """Who gives no limit is held to half a gibibyte."""
    assert LIMIT == 512 * 1024 * 1024


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\0other",
        b"\2payload",
        b"\1payload",
        b"\1" + zlib.compress(b"payload")[:-1],
        b"\1" + zlib.compress(b"payload") + b"\0",
        b"\1" + zlib.compress(b"other"),
    ],
)
def test_only_the_committed_payload_opens(body: bytes) -> None:
    """Who has the master key still cannot seal something else, or a torn or padded packing, under a signed commitment."""
    assert VAULT.open(forged(b"\1" + zlib.compress(b"payload"), b"payload")).payload == b"payload"
    with pytest.raises(LogBroken, match="was changed"):
        VAULT.open(forged(body, b"payload"))


@given(st.text(max_size=20), st.text(max_size=20), st.binary(max_size=200), st.binary(max_size=200))
def test_dedup_tells_content_and_accounts_apart(account: str, other: str, content: bytes, changed: bytes) -> None:
    """Digests of 16 bytes are equal exactly where the account and the content are."""
    digest = VAULT.dedup(account, content)
    assert len(digest) == 16
    assert digest == Vault(MASTER).dedup(account, content)
    assert (VAULT.dedup(account, changed) == digest) == (changed == content)
    assert (VAULT.dedup(other, content) == digest) == (other == account)


def test_dedup_keeps_the_border_between_account_and_content() -> None:
    """Letters moved from the account's name into the content make another digest."""
    assert VAULT.dedup("ab", b"c") != VAULT.dedup("a", b"bc")


def test_dedup_cannot_be_guessed() -> None:
    """Another master key gives another digest, and none is the plain digest of content or the master key's own HMAC."""
    name = (4).to_bytes(4) + b"main"
    digest = VAULT.dedup("main", b"100")
    assert digest != Vault(bytes(32)).dedup("main", b"100")
    assert digest != hashlib.sha256(name + b"100").digest()[:16]
    assert digest != hmac.digest(MASTER, name + b"100", "sha256")[:16]


@pytest.mark.parametrize("size", [0, 16, 31, 33, 64])
def test_a_master_key_has_32_bytes(size: int) -> None:
    """A shorter or longer master key is refused with its length, and without itself."""
    master = os.urandom(size)
    with pytest.raises(KeyUnusable, match=f"32 bytes, this one {size};") as failure:
        Vault(master)
    assert size == 0 or repr(master)[2:-1] not in str(failure.value)


def test_repr_shows_neither_keys_nor_amounts() -> None:
    """What a log or a traceback may print of a vault and of an opened payload gives nothing away."""
    vault = Vault(b"SECRET-MASTER-KEY-OF-32-BYTES-XX")
    opened = vault.open(vault.seal(READING))
    shown = repr(vault) + str(vault) + f"{opened!r} {opened} {[opened]} {(vault,)}"
    assert "SECRET" not in shown
    assert "187.23" not in shown
    assert repr(opened.salt) not in shown
    assert not hasattr(vault, "__dict__")


def test_failures_show_neither_keys_nor_amounts() -> None:
    """The sentence and the chain of a failure hold nothing of the payload or the master key."""
    vault = Vault(b"SECRET-MASTER-KEY-OF-32-BYTES-XX")
    sealed = vault.seal(READING)
    with pytest.raises(LogBroken) as failure:
        vault.open(replace(sealed, sealed=flipped(sealed.sealed, 3)))
    assert failure.value.__cause__ is None
    assert failure.value.__suppress_context__
    assert "SECRET" not in repr(failure.value)
    assert "187" not in repr(failure.value)
