"""The log held against its witnesses, before anything is acted on: whoever cuts it or sets it back is told on by them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta

from aiohttp import ClientError, ClientSession, ClientTimeout, StreamReader
from msgspec import Struct
from sqlalchemy import Connection, func, select

from tieout.clock import Clock
from tieout.errors import KeyUnusable, LogBehind, ProofRefused, RecordError, RecordUnavailable
from tieout.record.log import read_subtrees
from tieout.record.rows import upsert
from tieout.record.store.database import Database
from tieout.record.store.schema import attestations, checkpoints
from tieout.record.tlog import merkle
from tieout.record.tlog.note import COSIGNATURE, Verifier, open_note
from tieout.record.witness.protocol import PATH, Request, format_request, parse_conflict, split_lines

KIND = "cosignature"
MAX_ANSWER = 1 << 14
SECONDS = 5  # for one witness: an order that waits longer has missed its price
TRIES = 3  # another process of ours may be witnessed in between


class Last(Struct, frozen=True):
    """The log's last checkpoint."""

    size: int
    signed: bytes


class Witnesses:
    """Has each head of the log cosigned.

    Args:
        database: Where the log is.
        urls: Where each witness is, by its key (a vkey).
        patience: How long ago one of them may last have cosigned where none answers now.
        clock: Where time comes from.

    Raises:
        KeyUnusable: A key is not that of a witness.
    """

    def __init__(self, database: Database, urls: Mapping[str, str], *, patience: timedelta, clock: Clock) -> None:
        self._database, self._clock, self._patience = database, clock, patience
        self._urls = {_verifier(vkey): url.rstrip("/") + PATH for vkey, url in urls.items()}
        self._known: dict[str, int] = {}
        self._turn = asyncio.Lock()
        self._arrived = self._answered = 0  # callers; whoever came before a round began has its answer
        self._objection: RecordError | None = None

    async def permit(self) -> None:
        """Return once a witness has cosigned the log as it stands, or did a moment ago and none can be reached now.

        Raises:
            LogBehind: A witness has seen more of this log, or another one under its name.
            RecordUnavailable: No witness has cosigned for too long.
        """
        self._arrived += 1
        mine = self._arrived
        async with self._turn:
            if self._answered < mine:
                # Everybody who came by now is answered by what is read from here on: nobody waits for more than two rounds.
                all_here = self._arrived
                self._objection = await self._objects()
                self._answered = all_here
            if self._objection is not None:
                raise self._objection

    async def _objects(self) -> RecordError | None:
        """Why nothing may be acted on now; None where it may."""
        last = await self._database.read(_last)
        if last is None:
            return None  # an empty log has nothing that could be cut; its first entries are witnessed with the next act
        failures = await self._ask_all(last)
        behind = next((each for each in failures if isinstance(each, LogBehind)), None)
        if behind is not None or len(failures) < len(self._urls):
            return behind
        at = await self._database.read(_last_cosigned)
        # A clock that was ahead leaves a time to come behind it: that is no proof that somebody cosigned a moment ago.
        if at is not None and abs(self._clock.now() - at) <= self._patience:
            return None
        since = "it began" if at is None else f"{at:%Y-%m-%d %H:%M:%S} UTC"
        return RecordUnavailable(f"no witness has cosigned the log since {since}: {failures[0].why}")

    async def _ask_all(self, last: Last) -> list[RecordError]:
        """Ask every witness at once; returns why those that did not cosign did not."""
        # What is unpacked may be a thousand times as much; lines of text need no packing.
        async with ClientSession(timeout=ClientTimeout(total=SECONDS), auto_decompress=False) as session:
            asked = (self._ask(session, verifier, url, last) for verifier, url in self._urls.items())
            answers = await asyncio.gather(*asked)
        return [each for each in answers if each is not None]

    async def _ask(self, session: ClientSession, verifier: Verifier, url: str, last: Last) -> RecordError | None:
        try:
            size, line = await self._cosigned(session, verifier, url, last)
            await self._keep(verifier.name, size, line)
        except RecordError as error:
            return error
        return None

    async def _cosigned(self, session: ClientSession, verifier: Verifier, url: str, last: Last) -> tuple[int, bytes]:
        """The size that the witness cosigned, and its line."""
        name = verifier.name
        until = asyncio.get_running_loop().time() + SECONDS
        old = min(self._known.get(name, last.size), last.size)
        for _ in range(TRIES):
            body = await self._request(old, last)
            status, answer = await _post(session, url, body, name, until)
            if status == 200:
                return last.size, _line(verifier, last.signed, answer)
            knows = parse_conflict(answer) if status == 409 else None
            if knows is None:
                raise _refused(name, status)
            if knows == old:
                raise LogBehind(f"witness {name} has seen another log of {knows} entries under this name")
            if knows > last.size:
                last = await self._later(last, knows, name)
            old = knows
        raise RecordUnavailable(f"witness {name} is asked by others all the time")

    async def _request(self, old: int, last: Last) -> bytes:
        proof = await self._database.read(lambda connection: _extension(connection, old, last.size))
        return format_request(Request(old, proof, last.signed))

    async def _later(self, last: Last, knows: int, name: str) -> Last:
        """A checkpoint over all that the witness knows: another process of ours may have been faster."""
        now = await self._database.read(_last)
        if now is None or now.size < knows:
            raise LogBehind(
                f"the log has {0 if now is None else now.size} entries, and witness {name} has seen {knows}: "
                "the last ones were cut off, or an older copy was put in place"
            )
        return now

    async def _keep(self, name: str, size: int, line: bytes) -> None:
        row: dict[str, object] = {"size": size, "kind": KIND, "name": name, "at": self._clock.now(), "body": line}
        # A crash before this leaves a witness that knows more than we remember; it says so when it is asked again.
        await self._database.write(lambda connection: upsert(connection, attestations, [row], ["size", "kind", "name"]))
        self._known[name] = size


def _verifier(vkey: str) -> Verifier:
    try:
        found = Verifier(vkey)
    except ProofRefused as error:
        raise KeyUnusable(f"record.witnesses: {error.why}") from None
    if found.kind != COSIGNATURE:
        raise KeyUnusable(f"record.witnesses: {found.name} is the key of a log, not of a witness")
    return found


async def _post(session: ClientSession, url: str, body: bytes, name: str, until: float) -> tuple[int, bytes]:
    try:
        async with asyncio.timeout_at(until), session.post(url, data=body, allow_redirects=False) as answer:
            return answer.status, await _whole(answer.content, name)
    except (ClientError, TimeoutError, ValueError) as error:
        raise RecordUnavailable(f"witness {name} does not answer ({type(error).__name__})") from None


async def _whole(content: StreamReader, name: str) -> bytes:
    """An answer to its end, however it was cut on its way."""
    body = b""
    async for chunk in content.iter_any():
        body += chunk
        if len(body) > MAX_ANSWER:
            raise RecordUnavailable(f"witness {name} answers with more than {MAX_ANSWER} bytes")
    return body


def _line(verifier: Verifier, signed: bytes, body: bytes) -> bytes:
    """The line of *body* that this witness signed."""
    for line in split_lines(body):
        try:
            (found,) = open_note(signed + line, [verifier]).verified
        except ProofRefused:
            continue
        return found.line()
    raise RecordUnavailable(f"witness {verifier.name} answered with a signature that is not by the key it is known by")


def _refused(name: str, status: int) -> RecordError:
    if status == 422:
        return LogBehind(f"the log does not extend what witness {name} has seen of it: entries were changed")
    if status in (403, 404):
        return RecordUnavailable(
            f"witness {name} does not know this log's key (give it with --log), or its URL is another one's"
        )
    return RecordUnavailable(f"witness {name} answers {status}")


def _last(connection: Connection) -> Last | None:
    row = connection.execute(select(checkpoints).order_by(checkpoints.c.size.desc()).limit(1)).first()
    return None if row is None else Last(row.size, row.note)


def _last_cosigned(connection: Connection) -> datetime | None:
    found: datetime | None = connection.execute(
        select(func.max(attestations.c.at)).where(attestations.c.kind == KIND)
    ).scalar()
    return found


def _extension(connection: Connection, old: int, size: int) -> tuple[bytes, ...]:
    if old in (0, size):
        return ()
    hashes = read_subtrees(connection, merkle.consistency_nodes(old, size))
    return tuple(merkle.consistency_proof(old, size, hashes))
