"""What empty books may be opened with: the broker's holdings, where all of them could be read."""

from __future__ import annotations

from tieout.errors import SourceIncomplete
from tieout.live.account import Account
from tieout.model.snapshot import Snapshot
from tieout.observe.reading import read_broker


async def read_opening(known: Account) -> Snapshot:
    """The broker's statement of an account.

    Raises:
        SourceIncomplete: It could not be read whole.
    """
    stated = await read_broker(known.name, known.broker, known.reach)
    if not isinstance(stated, Snapshot) or {"failed", "partial"}.intersection((stated.coverage or {}).values()):
        why = "not read whole; `tieout doctor` tells more. Nothing was written"
        raise SourceIncomplete(known.broker.name, known.name, why)
    return stated
