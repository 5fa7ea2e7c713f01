"""A witness' key, in a file of its own."""

from __future__ import annotations

import secrets
from pathlib import Path

from tieout.errors import KeyUnusable, ProofRefused
from tieout.record.files import sync_folder, unavailable
from tieout.record.keyfile import read_line, write_first
from tieout.record.keys import new_name
from tieout.record.tlog.note import COSIGNATURE, SEED_BYTES, Signer, generate_key


def create_witness(path: Path, name: str | None = None) -> Signer:
    """Make the key of a witness in a file of its own (0600).

    Raises:
        KeyUnusable: The name cannot be one, or a file is there already.
        RecordUnavailable: The file cannot be written.
    """
    key = generate_key(new_name(name), secrets.token_bytes(SEED_BYTES))
    write_first(path, key)
    with unavailable(path, "written"):
        sync_folder(path.parent)
    return load_witness(path)


def load_witness(path: Path) -> Signer:
    """The key of a witness; it cosigns.

    Raises:
        KeyUnusable: It is missing, damaged, or open to others than its owner.
    """
    try:
        return Signer(read_line(path), kind=COSIGNATURE)
    except (ProofRefused, ValueError):
        raise KeyUnusable(
            f"{path} is damaged: it holds no private key of a witness; restore it from your copy"
        ) from None
