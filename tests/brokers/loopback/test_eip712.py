"""Signatures of Hyperliquid's actions, held against what others computed: published vectors, and ccxt's own code."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tieout.brokers.loopback.eip712 import address_of, digest, keccak, signer
from tieout.brokers.loopback.secp256k1 import N, public_key

KEY = int("0123456789" * 6 + "0123", 16)
# The venue's own Python client signs these so (its tests, with that key and nonce 0).
ORDER: dict[str, Any] = {"a": 1, "b": True, "p": "100", "s": "100", "r": False, "t": {"limit": {"tif": "Gtc"}}}
SIGNED = [
    (ORDER, "d65369825a9df5d80099e513cce430311d7d26ddf477f5b3a33d2806b100d78e",
     "2b54116ff64054968aa237c20ca9ff68000f977c93289157748a3162b6ea940e", 28),
    ({**ORDER, "c": "0x00000000000000000000000000000001"},
     "41ae18e8239a56cacbc5dad94d45d0b747e5da11ad564077fcac71277a946e3",
     "3c61f667e747404fe7eea8f90ab0e76cc12ce60270438b2058324681a00116da", 27),
]  # fmt: skip


def action(order: dict[str, Any]) -> dict[str, Any]:
    """One order by itself."""
    return {"type": "order", "orders": [order], "grouping": "na"}


@pytest.mark.parametrize(("order", "r", "s", "v"), SIGNED, ids=["plain", "with-cloid"])
def test_the_signer_of_a_published_signature_is_found(order: dict[str, Any], r: str, s: str, v: int) -> None:
    """The address of the key that the venue's client signed with; any other price is another signer's."""
    own = address_of(public_key(KEY))
    signature = {"r": f"0x{r}", "s": f"0x{s}", "v": v}
    assert signer(digest(action(order), 0), signature) == own
    for changed in (digest(action({**order, "p": "101"}), 0), digest(action(order), 1), digest(action(order), 0, own)):
        assert signer(changed, signature) != own


def test_what_is_no_signature_has_no_signer() -> None:
    """Nothing, words and numbers out of range."""
    hashed = digest(action(ORDER), 0)
    for told in ({}, {"r": "x", "s": "y", "v": 27}, {"r": "0x0", "s": "0x0", "v": 27}, {"r": "1", "s": "1", "v": 99}):
        assert signer(hashed, told) is None


@given(st.binary(max_size=420))
def test_keccak_is_that_of_others(data: bytes) -> None:
    """The same digest as the implementation that ccxt brings along."""
    from ccxt.static_dependencies.keccak import SHA3

    assert keccak(data) == SHA3(data)


def test_keccak_of_nothing_and_an_address_are_the_known_ones() -> None:
    """Constants that everybody has."""
    assert keccak(b"").hex() == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
    assert address_of(public_key(1)) == "0x7e5f4552091a69125d5dfcb7b8c2659029395bdf"


@settings(max_examples=20)
@given(secret=st.integers(1, N - 1), hashed=st.binary(min_size=32, max_size=32))
def test_whoever_signs_with_ccxt_is_found(secret: int, hashed: bytes) -> None:
    """Its address is the one that ccxt gives the key, and its signature leads back there and nowhere else."""
    from ccxt.base.exchange import Exchange

    key = f"{secret:064x}"
    signed = Exchange.ecdsa(hashed.hex(), key, "secp256k1", None)
    signature = {"r": f"0x{signed['r']}", "s": f"0x{signed['s']}", "v": signed["v"] + 27}
    own = Exchange.eth_get_address_from_private_key(f"0x{key}")
    assert address_of(public_key(secret)) == own
    assert signer(hashed, signature) == own
    assert signer(keccak(hashed), signature) != own
