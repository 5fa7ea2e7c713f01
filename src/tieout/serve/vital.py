"""A dead man's switch: something elsewhere is called while the service does its work, and raises an alarm when it is not."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from pathlib import Path

from aiohttp import ClientError, ClientSession, ClientTimeout

from tieout.clock import Clock
from tieout.config import Config
from tieout.config.secrets import Unread, read_secret
from tieout.errors import BadInput, Problem, RecordError
from tieout.live.watch import Trouble
from tieout.model.secret import Secret
from tieout.serve.desk import Desk

EVERY_S = 60
PATIENCE = ClientTimeout(total=10)
# An account that cannot be read whole comes to its end, and people are told of it; these mean that nobody looks.
_IDLE = frozenset((Trouble.OVERDUE, Trouble.SKIPPED, Trouble.BROKEN))
_log = logging.getLogger("tieout.heartbeat")


def switch_of(config: Config, environment: Mapping[str, str] | None = None) -> Secret | None:
    """The address to call; None where the configuration names none.

    Raises:
        BadInput: It cannot be had where the configuration says, or is no address.
    """
    environment = os.environ if environment is None else environment
    told, place = config.service, "service.heartbeat_url_env"
    found, mend = "", "give the address that is to be called, such as https://…"
    if told.heartbeat_url_env is not None:
        found = environment.get(told.heartbeat_url_env, "").strip()
    elif told.heartbeat_url_file is not None:
        place = "service.heartbeat_url_file"
        try:
            found = read_secret(Path(told.heartbeat_url_file), private=config.secrets.private)
        except Unread as error:
            raise BadInput([Problem(config.file, place, error.what, error.mend)]) from None
    else:
        return None
    if not found.startswith(("https://", "http://")) or any(each.isspace() for each in found):
        raise BadInput([Problem(config.file, place, "no address of the web is there", mend)])
    return Secret(found)


async def keep_calling(switch: Secret, desk: Desk, clock: Clock) -> None:
    """Call each minute while all is well, for ever; run it as a task. What changes of that is logged, once."""
    said: str | None = ""
    async with ClientSession(timeout=PATIENCE) as session:
        while True:
            why = await unwell(desk) or await _called(session, switch)
            if why != said:
                said = why
                if why is None:
                    _log.info("the dead man's switch is called")
                else:
                    _log.error("the dead man's switch is not called: %s", why)
            await clock.sleep(EVERY_S)


async def unwell(desk: Desk) -> str | None:
    """Why the service does not do its work; None where it does. To know whether the record can be written, it is."""
    names = desk.accounts
    idle = sum(bool(_IDLE & desk.schedule.watch.troubles(name).keys()) for name in names)
    if idle or not names:
        return f"{idle} of {len(names)} accounts do not come to the end of their reconciliations"
    record = desk.running.record
    assert record is not None, "a service has one"
    try:
        await record.heartbeat()
    except RecordError as error:
        return f"the record cannot be written: {error.why}"
    return None


async def _called(session: ClientSession, switch: Secret) -> str | None:
    try:
        async with session.get(switch.reveal(), allow_redirects=False) as got:
            return None if got.status < 400 else f"it answers {got.status}"
    except (ClientError, TimeoutError, OSError, ValueError) as error:
        return f"it is not reached ({type(error).__name__})"  # their texts hold the address
