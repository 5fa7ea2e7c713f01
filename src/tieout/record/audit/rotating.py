"""Another key put in force, and the head that is kept besides written anew: what a person decides about the log's keys."""

from __future__ import annotations

from tieout.clock import Clock
from tieout.errors import LogBroken, RecordUnavailable
from tieout.record import keys
from tieout.record.audit.finding import Kind
from tieout.record.audit.verifying import Verified
from tieout.record.files import SideFile
from tieout.record.keys import Keys
from tieout.record.opening import open_record
from tieout.record.settings import RecordSettings


async def rotate(settings: RecordSettings, clock: Clock) -> tuple[Keys, Keys]:
    """Put a new key in force; the old one signs the entry that names it. Returns the keys before and after.

    A crash in between leaves the new key in force and the entry unwritten: the next start of anything writes it.

    Raises:
        RecordError: The log or the keys are not in order, or cannot be written.
    """
    # Opened once before, so that a log that is not in order is left to the key that signed it.
    await (await open_record(settings, clock)).close()
    old, new = keys.rotate(settings.key_folder)
    record = await open_record(settings, clock)
    await record.heartbeat()  # the new key's first checkpoint: who pins that alone can verify the log from here on
    await record.close()
    return old, new


def write_head(settings: RecordSettings, verified: Verified) -> int:
    """Keep the head that was just verified as the one besides the store; returns its size.

    Raises:
        LogBroken: The log is not sound, but for that head.
        RecordUnavailable: It is empty, or the head cannot be written.
    """
    others = [each for each in verified.verdict.findings if each.kind not in (Kind.CUT, Kind.FORK)]
    if others:
        raise LogBroken(f"the head is not written anew, for the log itself is not sound: {others[0].sentence}")
    if verified.newest is None:
        raise RecordUnavailable("the log has no checkpoint yet that could be kept")
    SideFile(settings.head_file).write(verified.newest, durable=True)
    return verified.verdict.proved
