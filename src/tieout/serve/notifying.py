"""What systemd is told: that the service is ready, that its event loop turns, that it stops. Without systemd, nothing."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import suppress

from tieout.clock import Clock

MICROSECONDS = 1_000_000


class Notifying:
    """The socket that systemd listens at, where it started the service with Type=notify.

    Args:
        environment: The process's own, unless told otherwise.
    """

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        environment = os.environ if environment is None else environment
        self._address = environment.get("NOTIFY_SOCKET", "")
        asked, of = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
        mine = of in ("", str(os.getpid()))
        self.every = int(asked) / MICROSECONDS / 3 if asked.isdecimal() and mine and self._address else None

    def say(self, word: str) -> None:
        """Tell it, such as READY=1. Where it cannot hear, nothing is lost but that."""
        if not self._address:
            return
        # A name in the abstract namespace is written with an @ for its first byte, which is 0.
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as to:
            to.setblocking(False)
            to.sendto(word.encode(), address)

    async def keep_alive(self, clock: Clock) -> None:
        """Say that the event loop turns, for ever, thrice as often as is asked for; at once nothing, where it is not."""
        while self.every is not None:
            self.say("WATCHDOG=1")
            await clock.sleep(self.every)
