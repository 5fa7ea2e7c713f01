"""A broker that is a snapshot file, written by whatever else can reach the broker. It is read, and takes no orders."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from tieout.brokers.base import Capabilities
from tieout.brokers.stated import Stated, StatedBroker
from tieout.clock import Clock
from tieout.errors import BadInput, SourceMalformed, SourceUnreachable
from tieout.model.codec import decode_snapshot, read_bytes
from tieout.model.snapshot import SECTIONS


class SnapshotFileBroker(StatedBroker):
    """One account at a broker, as a file states it.

    Args:
        path: The file (tieout.snapshot/1, source "broker"). Its writer must replace it whole: write another, then rename.
        account: Which account it is.
        clock: What its age is measured by.
        max_age_seconds: A file that says it is older, or so far ahead, is no answer. None takes any.
    """

    def __init__(self, path: Path, account: str, clock: Clock, *, max_age_seconds: int | None = None) -> None:
        super().__init__(f"file:{account}", account, "file")
        self._path, self._clock = path, clock
        self._max_age = None if max_age_seconds is None else timedelta(seconds=max_age_seconds)

    async def state(self) -> Stated:
        """The whole file, as one statement with the coverage that it claims itself.

        Raises:
            SourceUnreachable: It is not there, or is older, or further ahead, than it may be.
            SourceMalformed: It is torn, no snapshot, or another account's.
        """
        try:
            raw = read_bytes(self._path)
        except BadInput as error:
            raise SourceUnreachable(self.name, str(self._path), error.problems[0].what) from error
        try:
            stated = decode_snapshot(raw, str(self._path), "broker")
        except BadInput as error:
            first = error.problems[0]
            raise SourceMalformed(self.name, str(self._path), f"{first.place} {first.what}".strip()) from error
        if stated.account != self._account:
            raise SourceMalformed(self.name, str(self._path), "it is of another account")
        age = self._clock.now() - stated.as_of
        if self._max_age is not None and abs(age) > self._max_age:
            # One from the future would count as new for long after its writer died.
            seconds = abs(int(age.total_seconds()))
            what = (
                "seconds old: is its writer running?" if age > self._max_age else "seconds ahead: is its clock right?"
            )
            raise SourceUnreachable(self.name, str(self._path), f"it is {seconds} {what}")
        return Stated(stated)

    def capabilities(self) -> Capabilities:
        """Everything may stand in a file; single orders cannot be asked for."""
        return Capabilities(sections=frozenset(SECTIONS), acts=False, order_lookup=False)
