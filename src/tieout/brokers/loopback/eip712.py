"""Who signed an action of Hyperliquid's: its bytes hashed as EIP-712 wants, and the address recovered from the signature.

Source: EIP-712, the Keccak reference and Hyperliquid's notes on signing, as of 2026-11. Written here and not taken from ccxt,
so that what ccxt signs is judged by something else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from .secp256k1 import recovered

_RATE, _LANE = 136, (1 << 64) - 1
_TURNS = (1, 3, 6, 10, 15, 21, 28, 36, 45, 55, 2, 14, 27, 41, 56, 8, 25, 43, 62, 18, 39, 61, 20, 44)
_PLACES = (10, 7, 11, 17, 18, 3, 5, 16, 8, 21, 24, 4, 15, 23, 19, 13, 12, 2, 20, 14, 22, 9, 6, 1)
_CHAIN = 1337


def keccak(data: bytes) -> bytes:
    """Keccak-256 of *data*, with the padding that Ethereum has and SHA-3 has not."""
    padded = bytearray(data + b"\x01" + bytes(-(len(data) + 1) % _RATE))
    padded[-1] |= 0x80
    lanes = [0] * 25
    for start in range(0, len(padded), _RATE):
        for place in range(_RATE // 8):
            lanes[place] ^= int.from_bytes(padded[start + 8 * place : start + 8 * place + 8], "little")
        _permute(lanes)
    return b"".join(lane.to_bytes(8, "little") for lane in lanes[:4])


def _permute(lanes: list[int]) -> None:
    register = 1
    for _ in range(24):
        sums = [lanes[x] ^ lanes[x + 5] ^ lanes[x + 10] ^ lanes[x + 15] ^ lanes[x + 20] for x in range(5)]
        for place in range(25):
            x = place % 5
            lanes[place] ^= sums[x - 1] ^ _turned(sums[(x + 1) % 5], 1)
        carried = lanes[1]
        for turn, place in zip(_TURNS, _PLACES, strict=True):
            lanes[place], carried = _turned(carried, turn), lanes[place]
        for row in range(0, 25, 5):
            five = lanes[row : row + 5]
            for x in range(5):
                lanes[row + x] = five[x] ^ (~five[(x + 1) % 5] & five[(x + 2) % 5])
        for bit in range(7):
            if register & 1:
                lanes[0] ^= 1 << ((1 << bit) - 1)
            register = (register << 1) ^ (0x171 * (register >> 7))


def _turned(lane: int, by: int) -> int:
    return ((lane << by) | (lane >> (64 - by))) & _LANE


def address_of(public_key: bytes) -> str:
    """The address of an uncompressed public key of 65 bytes."""
    return "0x" + keccak(public_key[1:])[-20:].hex()


def digest(action: Any, nonce: int, vault: str | None = None) -> bytes:
    """What is signed for *action*, an object of JSON as it was sent: the order of its fields counts."""
    where = b"\x00" if vault is None else b"\x01" + bytes.fromhex(vault.removeprefix("0x"))
    connection = keccak(msgspec.msgpack.encode(action) + nonce.to_bytes(8, "big") + where)
    kinds = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    domain = _texts(kinds, "Exchange", "1") + _CHAIN.to_bytes(32, "big") + bytes(32)
    agent = _texts("Agent(string source,bytes32 connectionId)", "a") + connection
    return keccak(b"\x19\x01" + keccak(domain) + keccak(agent))


def signer(hashed: bytes, signature: Mapping[str, Any]) -> str | None:
    """The address whose key made *signature* (r, s, v) over *hashed*; None where none did."""
    try:
        r, s = (int(str(signature[part]), 16) for part in ("r", "s"))
        found = recovered(hashed, r, s, int(signature["v"]) - 27)
    except (ValueError, KeyError, TypeError):
        return None
    return None if found is None else address_of(found)


def _texts(*texts: str) -> bytes:
    return b"".join(keccak(text.encode()) for text in texts)
