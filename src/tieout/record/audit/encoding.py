"""Bytes as they stand in entries and in files that are handed on: base64."""

from __future__ import annotations

import base64
import binascii

from tieout.errors import ProofRefused


def text_of(raw: bytes) -> str:
    """*raw* in base64."""
    return base64.b64encode(raw).decode()


def bytes_of(text: str) -> bytes:
    """The bytes that *text* stands for.

    Raises:
        ProofRefused: It is not base64.
    """
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ProofRefused("a value is not base64") from None
