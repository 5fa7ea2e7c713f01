"""RFC 3161 timestamps: an authority of one's own choice attests that a checkpoint existed at a moment.

A stolen key can sign another past, but not before the moment that somebody else attested. What is stamped is the signed note,
byte for byte, so that `openssl ts -verify` can check it too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from aiohttp import ClientError, ClientSession, ClientTimeout
from cryptography.x509 import Certificate, load_pem_x509_certificates
from msgspec import Struct
from rfc3161_client import (
    HashAlgorithm,
    TimestampRequestBuilder,
    TimeStampResponse,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)
from sqlalchemy import Connection, insert, select

from tieout.errors import BadInput, Problem, ProofRefused, RecordUnavailable
from tieout.record.store.database import Database
from tieout.record.store.schema import attestations, checkpoints

KIND = "rfc3161"
MAX_ANSWER = 1 << 20
SECONDS = 15


class Stamp(Struct, frozen=True):
    """An authority's word that the log's first *size* entries stood as signed at *at*."""

    size: int
    authority: str
    at: datetime


def read_roots(path: Path) -> list[Certificate]:
    """The certificates (PEM) of the authorities that are trusted.

    Raises:
        BadInput: The file cannot be read, or holds none.
    """
    try:
        return load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError):
        mend = "give a PEM file with the root certificate that the authority publishes"
        raise BadInput([Problem(str(path), "", "holds no certificate that can be read", mend)]) from None


def check_stamp(body: bytes, signed: bytes, roots: Sequence[Certificate]) -> datetime:
    """The moment that the authority attests for the note *signed*.

    Args:
        body: The authority's answer (DER).
        signed: The signed note.
        roots: Whom to trust.

    Raises:
        ProofRefused: It is not over this note, or not by an authority that *roots* vouch for.
    """
    return _checked(_decoded(body), signed, roots, nonce=None)


def read_stamps(connection: Connection, roots: Sequence[Certificate]) -> list[Stamp]:
    """The stamps over this log's checkpoints, oldest first, each checked.

    Raises:
        ProofRefused: One of them does not hold.
    """
    rows = connection.execute(
        select(attestations.c.size, attestations.c.name, attestations.c.body, checkpoints.c.note)
        .outerjoin(checkpoints, checkpoints.c.size == attestations.c.size)
        .where(attestations.c.kind == KIND)
        .order_by(attestations.c.size)
    )
    return [Stamp(size, name, _stored(body, note, size, roots)) for size, name, body, note in rows]


async def stamp(database: Database, authority: str, roots: Sequence[Certificate]) -> Stamp:
    """Have the log's last checkpoint stamped, and keep the answer. A log that did not grow is not stamped again.

    Args:
        database: Where the log is.
        authority: The authority's URL.
        roots: Whom to trust.

    Raises:
        RecordUnavailable: The database or the authority does not answer, or the log is empty.
        ProofRefused: The authority's answer does not hold.
    """
    name = re.sub(r"//[^/@]*@", "//", authority)  # a password in it is nobody else's business
    size, signed = await database.read(_last)
    kept = await database.read(lambda connection: _known(connection, size, name))
    if kept is not None:
        return Stamp(size, name, check_stamp(kept, signed, roots))
    request = TimestampRequestBuilder().data(signed).hash_algorithm(HashAlgorithm.SHA256).build()
    body = await _ask(authority, request.as_bytes())
    at = _checked(_decoded(body), signed, roots, nonce=request.nonce)
    made = Stamp(size, name, at)
    # A crash before this loses an attestation and nothing else: the next round asks again.
    await database.write(lambda connection: _keep(connection, made, body))
    return made


async def _ask(authority: str, request: bytes) -> bytes:
    try:
        async with (
            ClientSession(timeout=ClientTimeout(total=SECONDS)) as session,
            session.post(authority, data=request, headers={"Content-Type": "application/timestamp-query"}) as answer,
        ):
            if answer.status != 200:
                raise RecordUnavailable(f"the timestamp authority answered {answer.status}")
            body = b""
            async for chunk in answer.content.iter_chunked(1 << 16):
                body += chunk
                if len(body) > MAX_ANSWER:
                    raise RecordUnavailable("the timestamp authority's answer does not end")
            return body
    except (ClientError, TimeoutError, ValueError) as error:
        raise RecordUnavailable(f"the timestamp authority does not answer ({type(error).__name__})") from None


def _decoded(body: bytes) -> TimeStampResponse:
    try:
        return decode_timestamp_response(body)
    except ValueError:
        raise ProofRefused("the timestamp is not an answer of RFC 3161") from None


def _checked(
    response: TimeStampResponse, signed: bytes, roots: Sequence[Certificate], *, nonce: int | None
) -> datetime:
    verifier = VerifierBuilder(roots=list(roots), nonce=nonce).build()
    try:
        verifier.verify_message(response, signed)
    except (VerificationError, ValueError) as error:
        raise ProofRefused(f"the timestamp does not hold: {error}") from None
    return response.tst_info.gen_time.astimezone(UTC)


def _stored(body: bytes, signed: bytes | None, size: int, roots: Sequence[Certificate]) -> datetime:
    if signed is None:
        raise ProofRefused(f"the checkpoint over {size} entries that was stamped is gone")
    return check_stamp(body, signed, roots)


def _last(connection: Connection) -> tuple[int, bytes]:
    found = connection.execute(select(checkpoints).order_by(checkpoints.c.size.desc()).limit(1)).first()
    if found is None:
        raise RecordUnavailable("the log has no entry yet that could be stamped")
    return found.size, found.note


def _known(connection: Connection, size: int, authority: str) -> bytes | None:
    found: bytes | None = connection.execute(
        select(attestations.c.body).where(
            attestations.c.size == size, attestations.c.kind == KIND, attestations.c.name == authority
        )
    ).scalar()
    return found


def _keep(connection: Connection, made: Stamp, body: bytes) -> None:
    if _known(connection, made.size, made.authority) is None:
        row = {"size": made.size, "kind": KIND, "name": made.authority, "at": made.at, "body": body}
        connection.execute(insert(attestations).values(row))
