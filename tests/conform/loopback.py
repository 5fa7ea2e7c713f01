"""A real HTTP server on 127.0.0.1, and an unmodified ccxt client that takes it for the venue."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

SECRET = base64.b64encode(b"a secret of nobody, for tests alone").decode()


class Asked:
    """One request as the server saw it."""

    def __init__(self, path: str, said: str) -> None:
        self.path, self.said = path, said  # said: query and body


class Cut(str):
    """A body that breaks off: the connection ends before what Content-Length promised."""


Answer = Callable[[Asked], "tuple[int, str] | None"]


class Loopback:
    """Answers every request by `answer`; None resets the connection. Keeps what was asked."""

    def __init__(self) -> None:
        self.answer: Answer = lambda _asked: (404, "{}")
        self.asked: list[Asked] = []
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def start(self) -> None:
        """Listen on a free port of the loopback interface."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Close the port."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _serve(self, request: web.Request) -> web.Response:
        asked = Asked(request.path, f"{request.query_string}\n{await request.text()}")
        self.asked.append(asked)
        answer = self.answer(asked)
        if answer is None:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        status, text = answer
        if isinstance(text, Cut):
            return await self._cut(request, text)
        kind = "text/html" if text.startswith("<") else "application/json"
        return web.Response(status=status, text=text, content_type=kind)

    async def _cut(self, request: web.Request, text: str) -> web.Response:
        response = web.StreamResponse(
            headers={"Content-Type": "application/json", "Content-Length": str(len(text) + 99)}
        )
        await response.prepare(request)
        await response.write(text.encode())
        assert request.transport is not None
        request.transport.close()
        return web.Response()


def credentials(venue: str) -> dict[str, str]:
    """Made-up keys of the form that the venue's client asks for."""
    if venue == "coinbase":
        key = ec.generate_private_key(ec.SECP256R1())
        secret = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        ).decode()
        return {"apiKey": "organizations/x/apiKeys/y", "secret": secret}
    wallet = {"walletAddress": "0x" + "1" * 40, "privateKey": "0x" + "2" * 64}
    name = "account-nobody" if venue == "gemini" else "nobody"
    return {"apiKey": name, "secret": SECRET, "password": "none", "uid": "1", **wallet}


def client(venue: str, port: int) -> Any:
    """A ccxt client of *venue* whose every URL points to the loopback server."""
    import ccxt.async_support as ccxt

    made = getattr(ccxt, venue)({**credentials(venue), "enableRateLimit": False, "timeout": 5000})
    made.timeout_on_exit = 0
    made.hostname = f"127.0.0.1:{port}"
    made.urls["api"] = _redirected(made.urls["api"], port)
    return made


def _redirected(urls: Any, port: int) -> Any:
    if isinstance(urls, dict):
        return {name: _redirected(url, port) for name, url in urls.items()}
    scheme, separator, rest = urls.partition("://")
    _, slash, path = rest.partition("/")
    return f"http://127.0.0.1:{port}{slash}{path}" if separator and scheme.startswith("http") else urls


def market(id_: str, symbol: str, size: str | None = None, **more: Any) -> dict[str, Any]:
    """A market entry as ccxt wants it: a spot pair, or with *size* a contract of that many units."""
    pair, _, settled = symbol.partition(":")
    base, _, quote = pair.partition("/")
    settle = settled.partition("-")[0] or None
    dated = "-" in settled
    kind = "spot" if settle is None else "future" if dated else "swap"
    return {
        "id": id_,
        "symbol": symbol,
        "base": base,
        "quote": quote,
        "settle": settle,
        "baseId": base,
        "quoteId": quote,
        "settleId": settle,
        "type": kind,
        "spot": settle is None,
        "margin": False,
        "swap": kind == "swap",
        "future": kind == "future",
        "option": False,
        "active": True,
        "contract": settle is not None,
        "linear": None if settle is None else settle == quote,
        "inverse": None if settle is None else settle == base,
        "contractSize": size,
        "taker": "0.001",
        "maker": "0.001",
        "precision": {"amount": "0.00000001", "price": "0.00000001", "base": "0.00000001", "quote": "0.00000001"},
        "limits": {},
        "info": {},
        **more,
    }
