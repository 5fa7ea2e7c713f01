"""Where the service listens: with TLS or not beyond this machine, and how long it waits for whoever says nothing."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from fastapi import FastAPI, Request, Response, WebSocket
from websockets.asyncio.client import connect

from tieout.config.nouns import ServiceSettings
from tieout.errors import BadInput, ServiceError
from tieout.serve import patience
from tieout.serve.api.guard import origin_of
from tieout.serve.listening import listening


def app() -> FastAPI:
    """What tells who asks, and how."""
    made = FastAPI()

    @made.get("/")
    async def told(request: Request) -> Response:
        answer = Response(f"{request.url.scheme} {origin_of(request)}")
        answer.set_cookie("c", "v", secure=request.url.scheme == "https")
        return answer

    @made.websocket("/ws")
    async def echo(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text(await socket.receive_text())
        await socket.close()

    return made


def certified(folder: Path, password: bytes | None = None) -> ServiceSettings:
    """A certificate for this machine that signs itself, as settings."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, SHA256())
    )
    sealed = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    pem = serialization.Encoding.PEM
    (folder / "cert.pem").write_bytes(made.public_bytes(pem))
    (folder / "key.pem").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, sealed))
    return ServiceSettings(
        listen="127.0.0.1:0", certificate=str(folder / "cert.pem"), certificate_key=str(folder / "key.pem")
    )


async def ended(writer: asyncio.StreamWriter) -> None:
    """Close it, however it ended before."""
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


@asynccontextmanager
async def opened(url: str, context: ssl.SSLContext | None = None) -> AsyncIterator[asyncio.StreamReader]:
    """A connection over which `GET /` is asked, with a made-up address."""
    host, _, port = url.partition("://")[2].partition(":")
    reader, writer = await asyncio.open_connection(host, int(port), ssl=context)
    forged = "X-Forwarded-For: 9.9.9.9, 203.0.113.7\r\nX-Forwarded-Proto: https\r\nForwarded: for=9.9.9.9\r\n"
    writer.write(f"GET / HTTP/1.1\r\nHost: x\r\n{forged}Connection: close\r\n\r\n".encode())
    try:
        yield reader
    finally:
        await ended(writer)


async def told(url: str, context: ssl.SSLContext | None = None) -> tuple[str, bool]:
    """What is answered, and whether its cookie is for TLS alone."""
    async with opened(url, context) as reader:
        answer = (await reader.read()).decode()
    return answer.rpartition("\r\n")[2], "; Secure" in answer


async def test_over_tls_pages_sockets_and_cookies_are_for_tls(tmp_path: Path) -> None:
    """With a certificate it is https and wss, the cookie is for TLS alone, and whoever speaks without gets nothing."""
    settings = certified(tmp_path)
    trusts = ssl.create_default_context(cafile=settings.certificate)
    async with listening(app(), settings, "file") as url:
        assert url.startswith("https://127.0.0.1:")
        assert await told(url, trusts) == ("https 127.0.0.1", True)
        async with connect(url.replace("https", "wss") + "/ws", ssl=trusts) as socket:
            await socket.send("hello")
            assert await socket.recv() == "hello"
        with pytest.raises(ssl.SSLError):
            await told(url, ssl.create_default_context())
        async with opened(url.replace("https", "http")) as reader:
            assert await reader.read() == b""


async def test_a_certificate_that_cannot_be_used_is_told_at_the_start(tmp_path: Path) -> None:
    """Nothing watches in silence without listening, and nobody is asked for a password on the terminal."""
    good = certified(tmp_path)
    assert good.certificate is not None
    assert good.certificate_key is not None
    cases = {
        "no such file": ServiceSettings(listen="127.0.0.1:0", certificate="/nowhere", certificate_key="/nowhere"),
        "no pair": ServiceSettings(
            listen="127.0.0.1:0", certificate=good.certificate_key, certificate_key=good.certificate
        ),
    }
    for why, settings in cases.items():
        with pytest.raises(BadInput, match=why):
            async with listening(app(), settings, "file"):
                pytest.fail("it listens")
    with pytest.raises(BadInput, match="without a password"):
        async with listening(app(), certified(tmp_path, b"secret"), "file"):
            pytest.fail("it listens")


@pytest.mark.parametrize(
    "listen",
    ["0.0.0.0:0", "[::]:0", "0:0", "00.0.0.0:0", "[::ffff:0.0.0.0]:0", "*:0", "localhost.evil.example:0"],
)
async def test_without_tls_nobody_beyond_this_machine_is_let(listen: str) -> None:
    """However the address is written, it is refused where others could listen in."""
    with pytest.raises(BadInput, match="without TLS"):
        async with listening(app(), ServiceSettings(listen=listen), "file"):
            pytest.fail("it listens")


async def test_a_name_for_this_machine_that_is_another_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """`localhost` counts where it is this machine, whatever the resolver says it is."""
    found = [(2, 1, 6, "", ("0.0.0.0", 0))]
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: found)
    with pytest.raises(BadInput, match="without TLS"):
        async with listening(app(), ServiceSettings(listen="localhost:0"), "file"):
            pytest.fail("it listens")


async def test_who_asks_is_what_the_proxy_says_and_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a proxy nothing that is sent counts; behind one its own word does: the last address, and TLS always."""
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")
    async with listening(app(), ServiceSettings(listen="127.0.0.1:0"), "file") as url:
        assert await told(url) == ("http 127.0.0.1", False)
    async with listening(app(), ServiceSettings(listen="127.0.0.1:0", behind_proxy=True), "file") as url:
        assert await told(url) == ("https 203.0.113.7", True)


async def test_whoever_says_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection without a request, or with half of one, or with an endless one, is closed; others are answered."""
    monkeypatch.setattr(patience, "HEAD_S", 0.3)
    async with listening(app(), ServiceSettings(listen="127.0.0.1:0"), "file") as url, asyncio.timeout(20):
        port = int(url.rpartition(":")[2])
        for said in (b"", b"GET / HTTP/1.1\r\nHost: x\r\n", b"\r\n", b"GET / HTTP/1.1\r\nX: " + b"a" * 200_000):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(said)
            try:
                assert await reader.read() == b""
            except ConnectionError:
                assert said, "it may be told roughly"
            await ended(writer)
        assert await told(url) == ("http 127.0.0.1", False)


async def test_one_address_does_not_take_all_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond a number of connections one address gets no more, until it ends some."""
    monkeypatch.setattr(patience, "FROM_ONE", 3)
    async with listening(app(), ServiceSettings(listen="127.0.0.1:0"), "file") as url, asyncio.timeout(20):
        port = int(url.rpartition(":")[2])
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        with suppress(ConnectionError):
            assert await told(url) == ("", False)
        held[0][1].write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert b"http 127.0.0.1" in await held[0][0].read()
        assert await told(url) == ("http 127.0.0.1", False)
        for _, writer in held:
            await ended(writer)


@pytest.mark.parametrize("broken", ["raises", "says no"])
async def test_an_interface_that_does_not_begin_ends_the_start(broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an error at once, and no service that waits for ever while it seems to start."""

    async def failing(self: uvicorn.Server, sockets: object = None) -> None:
        self.should_exit = True
        if broken == "raises":
            raise OSError("no")

    monkeypatch.setattr(uvicorn.Server, "startup", failing)
    failure, why = (OSError, "^no$") if broken == "raises" else (ServiceError, "did not begin to listen")
    with pytest.raises(failure, match=why):
        async with asyncio.timeout(5), listening(app(), ServiceSettings(listen="127.0.0.1:0"), "tieout.toml"):
            raise AssertionError("unreachable")


async def test_an_interface_that_ends_before_the_service_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs beside it goes on, and a person hears that nobody can look any more."""
    told = asyncio.Queue[str]()

    class Heard:
        async def raise_alarm(self, account: str, sentence: str) -> None:
            await told.put(f"{account}: {sentence}")

    async def failing(self: uvicorn.Server) -> None:
        raise OSError("no")

    monkeypatch.setattr(uvicorn.Server, "main_loop", failing)
    async with listening(app(), ServiceSettings(listen="127.0.0.1:0"), "tieout.toml", Heard()):
        said = await asyncio.wait_for(told.get(), 5)
    assert said.startswith("service: listening has ended, by a fault: OSError")
