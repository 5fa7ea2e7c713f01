"""Tokens signed with ES256, as Coinbase's keys make them: read, and held against the public half of the key."""

from __future__ import annotations

import base64
import json
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

_HALF = 32


def claims(token: str, pem: str) -> dict[str, Any] | None:
    """What *token* claims, its header's fields among it; None where it is not signed by the private key in *pem*."""
    parts = token.split(".")
    key = serialization.load_pem_private_key(pem.encode(), password=None).public_key()
    if len(parts) != 3 or not isinstance(key, ec.EllipticCurvePublicKey):
        return None
    signature = _bytes(parts[2])
    first, second = (int.from_bytes(half, "big") for half in (signature[:_HALF], signature[_HALF:]))
    try:
        key.verify(encode_dss_signature(first, second), ".".join(parts[:2]).encode(), ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return None
    return {**json.loads(_bytes(parts[0])), **json.loads(_bytes(parts[1]))}


def _bytes(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def new_key() -> str:
    """A fresh private key in PEM, as Coinbase hands one out."""
    form = serialization.PrivateFormat.TraditionalOpenSSL
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()
