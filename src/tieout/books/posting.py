"""Messages to a program of somebody's own, over HTTP and signed. Its address may be a secret: nothing here repeats it."""

from __future__ import annotations

import hashlib
import hmac

from aiohttp import ClientError, ClientSession, ClientTimeout

SIGNATURE = "Tieout-Signature"
MOST = 64 * 1024  # bytes of an answer


def signature(secret: str, body: bytes) -> str:
    """What a message bears as `Tieout-Signature`: HMAC-SHA256 of its body under the secret that both know."""
    return "sha256=" + hmac.digest(secret.encode(), body, hashlib.sha256).hex()


async def post(url: str, body: bytes, *, secret: str | None, seconds: int) -> tuple[bytes, str]:
    """The answer to a message in JSON, and why it did not go through; empty where it did. Never raises for that.

    Args:
        url: Where to. A redirection is not followed.
        body: The message.
        secret: What it is signed with; None signs nothing.
        seconds: How long an answer is waited for.
    """
    headers = {"Content-Type": "application/json"}
    if secret is not None:
        headers[SIGNATURE] = signature(secret, body)
    try:
        async with (
            ClientSession(timeout=ClientTimeout(total=seconds)) as session,
            session.post(url, data=body, headers=headers, allow_redirects=False) as answer,
        ):
            if answer.status >= 300:
                return b"", f"answered {answer.status}"
            said = b""
            while len(said) < MOST and (piece := await answer.content.read(MOST - len(said))):
                said += piece
            return said, ""
    except (TimeoutError, ClientError, OSError) as error:
        return b"", f"did not answer ({type(error).__name__})"
