"""Whether a checkpoint is cosigned: only if the log's own key signed it, and it extends the last one."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tieout.clock import Clock
from tieout.errors import ProofRefused
from tieout.record.tlog import merkle
from tieout.record.tlog.checkpoint import Checkpoint, parse_checkpoint
from tieout.record.tlog.note import Signer, Verifier, cosign, open_note
from tieout.record.witness.memory import Held, Memory, Refused, Seen
from tieout.record.witness.protocol import Reply, Request, conflict, parse_request


class Witness:
    """Answers requests.

    Args:
        signer: The witness' key.
        logs: The keys that a log may sign with, by the log's origin.
        memory: What it remembers.
        clock: Where time comes from.
        tell: Told in a sentence when a log signed what it should not have.
    """

    def __init__(
        self,
        signer: Signer,
        logs: dict[str, Sequence[Verifier]],
        memory: Memory,
        clock: Clock,
        *,
        tell: Callable[[str], None],
    ) -> None:
        self._signer, self._logs, self._memory, self._clock, self._tell = signer, logs, memory, clock, tell

    def add_checkpoint(self, body: bytes) -> Reply:
        """The answer to one request; a checkpoint that is cosigned is on the disk before.

        Raises:
            RecordUnavailable: The memory cannot be used; nothing is answered.
        """
        try:
            request = parse_request(body)
        except ProofRefused as error:
            return _refusal(400, error.why)
        origin = request.signed.partition(b"\n")[0].decode("utf-8", "replace")
        if origin not in self._logs:
            return _refusal(404, "unknown log: this witness was not given its key")
        try:
            note = open_note(request.signed, self._logs[origin])
            checkpoint = parse_checkpoint(note.text)
        except ProofRefused as error:
            return _refusal(403, f"invalid signature: {error.why}")
        if request.old > checkpoint.size:
            return _refusal(400, "the old size is larger than that of the checkpoint")
        # Anybody can add lines of strangers to it; they would fill the disk with them.
        own = f"{note.text}\n".encode() + b"".join(each.line() for each in note.verified)
        request = Request(request.old, request.proof, own)
        with self._memory.hold() as held:
            return self._judge(request, checkpoint, held)

    def _judge(self, request: Request, checkpoint: Checkpoint, held: Held) -> Reply:
        now = self._clock.now()
        seen = held.seen(checkpoint.origin)
        known = 0 if seen is None else seen.size
        if seen is not None and checkpoint.size == seen.size and checkpoint.root != seen.root:
            why = f"two logs of {seen.size} entries, both signed: this is proof that history was changed"
            self._accuse(held, checkpoint, request, seen, why)
            return conflict(known)
        if request.old != known:
            return conflict(known)
        try:
            _require_extension(seen, checkpoint, request.proof)
        except ProofRefused as error:
            if seen is not None:
                self._accuse(held, checkpoint, request, seen, error.why)
            return _refusal(422, f"the consistency proof does not hold: {error.why}")
        held.remember(checkpoint.origin, Seen(checkpoint.size, checkpoint.root, request.signed, now))
        return Reply(200, cosign(request.signed, self._signer, int(now.timestamp())))

    def _accuse(self, held: Held, checkpoint: Checkpoint, request: Request, seen: Seen, why: str) -> None:
        refused = Refused(checkpoint.origin, checkpoint.size, request.signed, seen.signed, why, self._clock.now())
        held.accuse(refused, checkpoint.root)
        self._tell(f"refused {checkpoint.size} entries of {checkpoint.origin}, {seen.size} are known: {why}")


def _require_extension(seen: Seen | None, checkpoint: Checkpoint, proof: Sequence[bytes]) -> None:
    """Return where *checkpoint* extends what was *seen*.

    Raises:
        ProofRefused: It does not, or the proof does not show it.
    """
    if len(checkpoint.root) != merkle.HASH_BYTES:
        raise ProofRefused(f"a root has {merkle.HASH_BYTES} bytes")
    if checkpoint.size == 0 and checkpoint.root != merkle.EMPTY_ROOT:
        raise ProofRefused("an empty log with a root of something")
    if seen is None or seen.size == 0:
        if proof:
            raise ProofRefused("a log that is new here needs no proof")
        return
    merkle.verify_consistency(seen.size, checkpoint.size, proof, seen.root, checkpoint.root)


def _refusal(status: int, why: str) -> Reply:
    return Reply(status, f"{why}\n".encode())
