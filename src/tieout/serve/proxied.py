"""A service behind a proxy that speaks TLS for it: what the proxy before it says of who asks, and nothing that others say."""

from __future__ import annotations

import ipaddress

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

SECURE = {"http": "https", "ws": "wss"}


class BehindProxy:
    """Takes the address that the proxy added last: what stands before it was sent by whoever asks, and may be made up."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        if scope["type"] in ("http", "websocket"):
            scope["scheme"] = SECURE.get(scope["scheme"], scope["scheme"])  # so that cookies are for TLS alone
            address = _address(Headers(scope=scope))
            if address is not None:
                scope["client"] = (address, 0)
        await self._app(scope, receive, send)


def _address(headers: Headers) -> str | None:
    told = headers.getlist("x-forwarded-for")
    try:
        return str(ipaddress.ip_address(told[-1].rpartition(",")[2].strip())) if told else None
    except ValueError:
        return None
