"""Checkpoint bodies (first cut)."""

from __future__ import annotations

import base64

from msgspec import Struct


class Checkpoint(Struct, frozen=True):
    """A tree head."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()


def format_checkpoint(checkpoint: Checkpoint) -> str:
    """Its text."""
    return f"{checkpoint.origin}\n{checkpoint.size}\n{base64.b64encode(checkpoint.root).decode()}\n"


def parse_checkpoint(text: str) -> Checkpoint:
    """From its text."""
    origin, size, root, *more = text.split("\n")
    return Checkpoint(origin, int(size), base64.b64decode(root), tuple(more[:-1]))
