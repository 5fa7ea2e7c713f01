"""The recorded session of another witness, led with ours: the same status at each step."""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tieout.clock import SystemClock
from tieout.record.tlog.note import ED25519, Verifier, key_hint
from tieout.record.witness.judging import Witness
from tieout.record.witness.key import create_witness
from tieout.record.witness.memory import Memory
from tieout.record.witness.protocol import Reply


def session(recorded: Any) -> Iterator[tuple[str, int, Reply]]:
    """Each step's name, the status that was recorded, and our reply."""
    if not recorded:
        return
    raw = ED25519 + bytes.fromhex(recorded["sigsum_log_pubkey_hex"])
    name = recorded["steps"][0]["body"].split("\n")[2]
    vkey = f"{name}+{key_hint(name, raw).hex()}+{base64.b64encode(raw).decode()}"
    logs: dict[str, Sequence[Verifier]] = {
        name: [Verifier(vkey)],
        recorded["sumdb_origin"]: [Verifier(recorded["sumdb_vkey"])],
    }
    with tempfile.TemporaryDirectory() as folder:
        signer = create_witness(Path(folder) / "key", "example.com/witness")
        witness = Witness(signer, logs, Memory(Path(folder) / "witness.db"), SystemClock(), tell=lambda _: None)
        for number, step in enumerate(recorded["steps"]):
            yield f"step {number}", _expected(step), witness.add_checkpoint(step["body"].encode())
        yield "sumdb", recorded["sumdb_status"], witness.add_checkpoint(recorded["sumdb_body"].encode())


def _expected(step: Any) -> int:
    # The witness that was recorded answered 403 for a log that it does not know; the protocol, since its release, says 404.
    return 404 if "unknown log" in step["assert"] else int(step["status"])
