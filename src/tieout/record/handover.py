"""From one key of the log to the next: the old key signs the entry that names the new one, before that signs anything.

It is done at a start, whether a person has just put the new key in force or a crash came in between: there is one road.
"""

from __future__ import annotations

import secrets
from pathlib import Path

from tieout.clock import Clock
from tieout.errors import KeyUnusable, LogBehind, ProofRefused
from tieout.record.entry import Draft, EntryKind
from tieout.record.keys import Keys, retired_signer
from tieout.record.log import Appended, Author, Head, HeadMoved, append, places_of
from tieout.record.store.database import Database
from tieout.record.tlog.note import Verifier, open_note


async def hand_over(
    database: Database, held: Keys, folder: Path, end: tuple[Head, bytes], clock: Clock
) -> Appended | None:
    """Log that the key in force follows the one that signed the log's *end*; None where that is done, or the same key.

    Args:
        database: Where the log is.
        held: The keys.
        folder: Where they are, those that were rotated out among them.
        end: The head of the log and the note over it, whose signature by one of the keys was checked.
        clock: Where time comes from.

    Raises:
        KeyUnusable: The key before is gone, so that nobody can say that this one follows it.
        RecordUnavailable: It could not be written.
    """
    head, signed = end
    old = next(key for key in held.verifiers if _signed_by(signed, key))
    event = f"key:{old.id.hex()}:{held.signer.id.hex()}"
    if old.vkey == held.vkey or await database.read(lambda connection: bool(places_of(connection, [event]))):
        return None
    signer = retired_signer(folder, old.vkey)
    if signer is None:
        raise KeyUnusable(
            f"the log's end was signed by the key {old.name}+{old.id.hex()}, which never handed over to the one in force, "
            f"and its private half is gone; put log-{old.id.hex()}.key back into {folder}"
        )
    refs = {"old_key": old.vkey, "new_key": held.vkey}
    draft = Draft(event=event, kind=EntryKind.CONFIGURE, refs=refs)
    author = Author(held.name, signer, clock, secrets.token_hex(4))
    # A crash before this commits leaves the log as it was, and the next start comes by here again.
    try:
        return await database.write(lambda connection: append(connection, head, [draft], author))
    except HeadMoved:
        raise LogBehind("another process writes this log while its key is changed; stop it, and start again") from None


def _signed_by(signed: bytes, key: Verifier) -> bool:
    try:
        open_note(signed, (key,))
    except ProofRefused:
        return False
    return True
