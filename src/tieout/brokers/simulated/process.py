"""The simulator as a child process: started on its file, killed, and started again."""

from __future__ import annotations

import signal
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from types import TracebackType

from tieout.errors import SourceUnreachable

_STOP_S = 10


class VenueProcess:
    """A running simulator; leaving the context stops it.

    Args:
        file: The world's own SQLite file.
        seed: Of a new world.
        virtual_from: Run on a virtual clock from this moment on; None is the machine's clock.

    Raises:
        SourceUnreachable: The process did not come up.
    """

    def __init__(self, file: Path, *, seed: int = 0, virtual_from: datetime | None = None) -> None:
        command = [sys.executable, "-m", "tieout.brokers.simulated.server", "--file", str(file), "--seed", str(seed)]
        if virtual_from is not None:
            command += ["--virtual-from", virtual_from.isoformat()]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None, "asked for above"
        line = self._process.stdout.readline().strip()
        if not line.isdecimal():
            self.stop()
            raise SourceUnreachable("simulated", "process", "it did not come up; its reason stands on standard error")
        self.url = f"http://127.0.0.1:{line}"

    def __enter__(self) -> VenueProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def kill(self) -> None:
        """End it at once, with no chance to tidy up."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """Ask it to end and wait; returns its exit status. Safe to repeat."""
        return self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> int:
        if self._process.poll() is None:
            self._process.send_signal(number)
        try:
            return self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()
        finally:
            if self._process.stdout is not None:
                self._process.stdout.close()
