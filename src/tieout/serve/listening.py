"""Where the service listens: uvicorn under our own signals, with TLS, or not beyond this machine."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from errno import EACCES, ENOENT
from typing import NoReturn

import uvicorn
from starlette.types import ASGIApp

from tieout.config.nouns import ServiceSettings
from tieout.errors import BadInput, Problem, ServiceError
from tieout.live.alarm import Alarm, LoggedAlarm
from tieout.serve.patience import PatientProtocol
from tieout.serve.proxied import BehindProxy
from tieout.serve.tasks import beside

STOP_SECONDS = 5  # for answers that are under way; who listens to events is hung up on


class _Server(uvicorn.Server):
    """Leaves the signals to the service, which has more to end than this, and tells when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listens = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin."""
        await super().startup(sockets)
        if self.started:
            self.listens.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Nothing."""
        yield


@asynccontextmanager
async def listening(
    app: ASGIApp, settings: ServiceSettings, file: str, alarm: Alarm | None = None
) -> AsyncIterator[str]:
    """The address at which *app* answers, for as long as this stands. Where it ends before, *alarm* tells a person.

    Raises:
        BadInput: Others could listen in on what is said there, or the address cannot be had.
        ServiceError: It did not begin to listen.
    """
    _require_private(settings, file)
    _require_certificate(settings, file)
    bound = _bound(settings, file)
    if not (_is_open(settings) or _is_loopback(bound.getsockname()[0])):
        bound.close()
        _refuse(file)
    config = uvicorn.Config(
        BehindProxy(app) if settings.behind_proxy else app,
        http=PatientProtocol,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ssl_certfile=settings.certificate,
        ssl_keyfile=settings.certificate_key,
        timeout_graceful_shutdown=STOP_SECONDS,
        ws="websockets-sansio",
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[bound]), name="tieout listens")
    try:
        await _begun(server, task)
        scheme = "http" if settings.certificate is None else "https"
        host, port = bound.getsockname()[:2]
        async with beside(_ended(task), "listening", alarm or LoggedAlarm()):
            yield f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"
    finally:
        server.should_exit = True
        await asyncio.wait({task})
        bound.close()


async def _begun(server: _Server, task: asyncio.Task[None]) -> None:
    """Wait until it listens.

    Raises:
        ServiceError: It ended before, without a word; or whatever it ended by.
    """
    listens = asyncio.create_task(server.listens.wait(), name="tieout waits to listen")
    try:
        await asyncio.wait({listens, task}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        listens.cancel()
    if not server.listens.is_set():
        task.result()
        raise ServiceError("the interface did not begin to listen; the log says what stopped it")


async def _ended(task: asyncio.Task[None]) -> None:
    await asyncio.shield(task)
    raise ServiceError("the interface listens no more")


def _require_private(settings: ServiceSettings, file: str) -> None:
    if (settings.certificate is None) != (settings.certificate_key is None):
        mend = "name certificate and certificate_key, both"
        raise BadInput([Problem(file, "service", "a certificate needs its key, and a key its certificate", mend)])
    if not (_is_open(settings) or _is_loopback(_place(settings)[0])):
        _refuse(file)


def _is_open(settings: ServiceSettings) -> bool:
    """Whether others may reach it."""
    return settings.certificate is not None or settings.behind_proxy


def _refuse(file: str) -> NoReturn:
    what = "without TLS it does not listen beyond this machine"
    mend = "name certificate and certificate_key, or behind_proxy = true where something before it speaks TLS"
    raise BadInput([Problem(file, "service.listen", what, mend)])


def _require_certificate(settings: ServiceSettings, file: str) -> None:
    """Refuse what cannot be used, now: a service that does not listen would watch in silence."""
    if settings.certificate is None:
        return
    try:
        # Without a password of ours OpenSSL would ask for one on the terminal, and wait.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(settings.certificate, settings.certificate_key, "")
    except OSError as error:
        why = error.strerror.lower() if error.errno in (ENOENT, EACCES) and error.strerror else "no pair in PEM"
        what = f"the certificate and its key cannot be used ({why})"
        mend = "name the files of a certificate and of its key, in PEM and without a password"
        raise BadInput([Problem(file, "service.certificate", what, mend)]) from None


def _is_loopback(host: str) -> bool:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def _place(settings: ServiceSettings) -> tuple[str, int]:
    """Host and port."""
    host, _, port = settings.listen.rpartition(":")
    return host.strip("[]"), int(port)


def _bound(settings: ServiceSettings, file: str) -> socket.socket:
    host, port = _place(settings)
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        return bound
    except (OSError, OverflowError) as error:
        why = (getattr(error, "strerror", None) or "no such port").lower()
        what = f"{settings.listen} cannot be had ({why})"
        raise BadInput([Problem(file, "service.listen", what, "name another, or stop what has it")]) from None
