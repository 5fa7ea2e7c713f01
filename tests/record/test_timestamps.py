"""Timestamps by an authority of the tests' own: OpenSSL behind a real HTTP server."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from cryptography.x509 import Certificate
from sqlalchemy import update

from tests.loopback import on_loopback
from tieout.clock import VirtualClock
from tieout.errors import BadInput, ProofRefused, RecordUnavailable
from tieout.record.entry import Draft, EntryKind
from tieout.record.opening import open_record
from tieout.record.recorder import StoreRecord
from tieout.record.settings import RecordSettings
from tieout.record.store.schema import attestations, checkpoints
from tieout.record.timestamps import read_roots, read_stamps, stamp
from tieout.record.writer import Unit

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl here to be the authority")

CONFIG = """
[tsa]
default_tsa = main
[main]
serial = {folder}/serial
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1
ess_cert_id_chain = no
ess_cert_id_alg = sha256
[leaf]
basicConstraints = CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,timeStamping
"""


def openssl(folder: Path, *words: str) -> None:
    """Run it in *folder*."""
    subprocess.run(("openssl", *words), cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an authority: its certificate, and the root that vouches for it."""
    folder = tmp_path_factory.mktemp("authority")
    (folder / "tsa.cnf").write_text(CONFIG.format(folder=folder))
    (folder / "serial").write_text("01\n")
    new = ("req", "-newkey", "rsa:2048", "-nodes")
    openssl(folder, *new, "-x509", "-subj", "/CN=root", "-keyout", "root.key", "-out", "root.pem", "-days", "3650")
    openssl(folder, *new, "-subj", "/CN=authority", "-keyout", "tsa.key", "-out", "tsa.csr")
    sign = ("x509", "-req", "-in", "tsa.csr", "-CA", "root.pem", "-CAkey", "root.key", "-CAcreateserial")
    openssl(folder, *sign, "-days", "3650", "-extfile", "tsa.cnf", "-extensions", "leaf", "-out", "tsa.pem")
    return folder


@pytest.fixture
def roots(authority: Path) -> list[Certificate]:
    """Whom to trust."""
    return read_roots(authority / "root.pem")


@asynccontextmanager
async def serving(authority: Path, *, status: int = 200) -> AsyncIterator[str]:
    """The authority's address."""

    async def answer(request: web.Request) -> web.Response:
        (authority / "query").write_bytes(await request.read())
        words = ("ts", "-reply", "-config", "tsa.cnf", "-queryfile", "query", "-signer", "tsa.pem", "-inkey", "tsa.key")
        await asyncio.to_thread(openssl, authority, *words, "-out", "reply")
        return web.Response(body=(authority / "reply").read_bytes(), status=status)

    app = web.Application()
    app.router.add_post("/", answer)
    async with on_loopback(app) as url:
        yield f"{url}/"


async def opened(settings: RecordSettings, clock: VirtualClock) -> StoreRecord:
    """A record with one entry."""
    record = await open_record(settings, clock)
    await record.write(Unit((Draft(event="e", kind=EntryKind.HEARTBEAT),)))
    return record


async def test_a_checkpoint_is_stamped_once_and_the_stamp_holds(
    settings: RecordSettings, clock: VirtualClock, authority: Path, roots: list[Certificate]
) -> None:
    """The stamp over the last checkpoint is kept with it, and a log that did not grow asks for no second one."""
    record = await opened(settings, clock)
    async with serving(authority) as url:
        made = await stamp(record.database, url, roots)
    again = await stamp(record.database, url, roots)  # the authority is gone: nobody asked it
    kept = await record.database.read(lambda connection: read_stamps(connection, roots))
    await record.close()
    assert made == again
    assert kept == [made]
    assert made.size == 1


async def test_another_past_under_a_stamp_is_refused(
    settings: RecordSettings, clock: VirtualClock, authority: Path, roots: list[Certificate]
) -> None:
    """Whoever signs another checkpoint in the place of a stamped one is found out, and so is one who takes it away."""
    record = await opened(settings, clock)
    async with serving(authority) as url:
        await stamp(record.database, url, roots)
    for change in (checkpoints.update().values(note=b"another"), checkpoints.delete()):
        await record.database.write(lambda connection, change=change: connection.execute(change))  # type: ignore[misc]
        with pytest.raises(ProofRefused, match=r"does not hold|is gone"):
            await record.database.read(lambda connection: read_stamps(connection, roots))
    await record.close()


async def test_a_stamp_by_a_stranger_is_refused(
    settings: RecordSettings, clock: VirtualClock, authority: Path, roots: list[Certificate], tmp_path: Path
) -> None:
    """A stamp counts only by an authority that is trusted, and one that was damaged counts for nothing."""
    record = await opened(settings, clock)
    new = ("req", "-newkey", "rsa:2048", "-nodes", "-x509", "-subj", "/CN=root")
    openssl(tmp_path, *new, "-keyout", "other.key", "-out", "other.pem")
    async with serving(authority) as url:
        with pytest.raises(ProofRefused):
            await stamp(record.database, url, read_roots(tmp_path / "other.pem"))
        await stamp(record.database, url, roots)
    damaged = update(attestations).values(body=b"0")
    await record.database.write(lambda connection: connection.execute(damaged))
    with pytest.raises(ProofRefused, match="RFC 3161"):
        await record.database.read(lambda connection: read_stamps(connection, roots))
    await record.close()


async def test_an_authority_that_fails_costs_nothing(
    settings: RecordSettings, clock: VirtualClock, authority: Path, roots: list[Certificate]
) -> None:
    """An authority that is away or refuses is said so, and the record is as it was."""
    record = await opened(settings, clock)
    async with serving(authority, status=503) as url:
        with pytest.raises(RecordUnavailable, match="answered 503"):
            await stamp(record.database, url, roots)
    with pytest.raises(RecordUnavailable, match="does not answer"):
        await stamp(record.database, url, roots)
    assert await record.database.read(lambda connection: read_stamps(connection, roots)) == []
    await record.close()


def test_a_file_without_certificates_is_refused(tmp_path: Path) -> None:
    """What is trusted has to be there."""
    with pytest.raises(BadInput, match="no certificate"):
        read_roots(tmp_path / "none.pem")


async def test_a_password_in_the_authoritys_address_is_not_kept(
    settings: RecordSettings, clock: VirtualClock, authority: Path, roots: list[Certificate]
) -> None:
    """What is kept and shown of an authority is its address without what opens it."""
    record = await opened(settings, clock)
    async with serving(authority) as url:
        made = await stamp(record.database, url.replace("//", "//me:s3cret@"), roots)
    kept = await record.database.read(lambda connection: read_stamps(connection, roots))
    await record.close()
    assert kept == [made]
    assert made.authority == url
