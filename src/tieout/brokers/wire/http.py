"""Requests to a venue's REST interface through its wire: signed, bounded, exact, and every failure of the one family."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

import aiohttp
from msgspec import Struct
from yarl import URL

from tieout.brokers.wire import exact, verdict
from tieout.brokers.wire.wire import Wire
from tieout.errors import (
    ActionError,
    ActionRefused,
    OutcomeUnknown,
    SourceError,
    SourceMalformed,
    SourceRefused,
    SourceThrottled,
    SourceTimeout,
    SourceUnreachable,
)

MAX_BYTES = 32 * 2**20
_CHUNK = 2**16
_CONNECT_S = 5
_NEVER_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, aiohttp.InvalidURL)
_SURE_NO = frozenset((400, 404, 405, 422))


class Asked(Struct, frozen=True):
    """A request as it is about to be sent, to be signed. `target` is the path with its query, as it is on the wire."""

    method: str
    target: str
    body: bytes


class Answer(NamedTuple):
    """What came back. `body` is parsed, with ints and Decimals for numbers; None where the venue rightly sent none (204)."""

    status: int
    headers: Mapping[str, str]
    body: Any
    source: str
    scope: str

    def fields(self) -> dict[str, Any]:
        """The body as an object with something in it.

        Raises:
            SourceMalformed: It is something else.
        """
        if not isinstance(self.body, dict) or not self.body:
            raise SourceMalformed(self.source, self.scope, "no object where one is due")
        return self.body

    def rows(self, *path: str) -> list[Any]:
        """The list at *path* of the body.

        Raises:
            SourceMalformed: There is none.
        """
        found = self.body
        for name in path:
            found = found.get(name) if isinstance(found, dict) else None
        if not isinstance(found, list):
            raise SourceMalformed(self.source, self.scope, "no list where one is due")
        return found


Refuses = Callable[[int, Any], bool]


def surely_refused(status: int, body: Any) -> bool:
    """Whether an answer with *status* and a parsed *body* (None if it is no JSON) means that nothing was done."""
    return status in _SURE_NO and isinstance(body, dict)


class _NeverSent(SourceUnreachable):
    """There was no connection that it could have been sent on."""


def unsigned(_asked: Asked) -> Mapping[str, str]:
    """No headers: for venues that need no key."""
    return {}


class Http:
    """One account's way to a venue.

    Args:
        source: Who is asked, for failures; "alpaca:main".
        url: Where; its path, if it has one, comes before all others.
        wire: The venue's.
        sign: The headers that a request needs, made anew for each try.
        codes: The venue's own codes of failures; see `verdict`.
    """

    def __init__(
        self,
        source: str,
        url: str,
        wire: Wire,
        *,
        sign: Callable[[Asked], Mapping[str, str]] = unsigned,
        codes: Mapping[str, verdict.Kind] | None = None,
    ) -> None:
        self._source, self._base, self._wire = source, URL(url), wire
        self._sign, self._codes = sign, codes
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    async def get(
        self,
        scope: str,
        path: str,
        params: Mapping[str, str] | None = None,
        *,
        endpoint: str = "read",
        cost: int = 1,
        answers: Collection[int] = (),
    ) -> Answer:
        """The answer to a GET: a JSON object or list, with status 200 or one of *answers* (a 404 may be the venue's word).

        Every other 2xx is a part, a copy or a promise of an answer.

        Raises:
            SourceError: Anything else came, or nothing did.
        """

        async def question() -> Answer:
            answer = await self._sent(scope, Asked("GET", self._url(path, params or {}), b""))
            failed = self._failure(answer)
            if failed is not None and answer.status not in answers:
                raise failed
            if answer.status not in (200, *answers) or not isinstance(answer.body, (dict, list)):
                raise SourceMalformed(self._source, scope, f"no whole JSON, HTTP {answer.status}")
            return answer

        try:
            return await self._wire.read(scope, question, endpoint=endpoint, cost=cost)
        except SourceError as error:
            if error.source != self._source:  # the wire is shared by accounts, and knows the venue alone
                error.source, error.args = self._source, (f"{self._source} {error.scope}: {error.why}",)
            raise

    async def send(
        self,
        action: str,
        method: str,
        path: str,
        body: object = None,
        *,
        endpoint: str = "trade",
        cost: int = 1,
        refuses: Refuses = surely_refused,
    ) -> Answer:
        """The answer to a request that changes something, sent once. *refuses* tells an answer that is a definite no.

        Raises:
            ActionRefused: The venue surely did nothing: nothing was sent, or it said no.
            OutcomeUnknown: All else.
        """
        asked = Asked(method, self._url(path, {}), b"" if body is None else exact.encode(body))

        async def deed() -> Answer:
            try:
                answer = await self._sent(action, asked)
            except _NeverSent as error:
                raise ActionRefused(action, f"nothing was sent: {error.why}") from error
            except SourceError as error:
                raise OutcomeUnknown(action, error.why) from error
            failed = self._failure(answer)
            if failed is not None:
                raise _not_done(action, failed, refuses(answer.status, answer.body)) from failed
            if answer.body is None and answer.status != 204:
                raise OutcomeUnknown(action, f"no JSON, HTTP {answer.status}")
            return answer

        return await self._wire.act(action, deed, endpoint=endpoint, cost=cost)

    async def close(self) -> None:
        """Close the connections. Safe to repeat."""
        self._closed = True
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _url(self, path: str, params: Mapping[str, str]) -> str:
        assert not {".", ".."} & set(path.split("/")), "a path that leads elsewhere"
        return self._base.joinpath(path.lstrip("/")).with_query(params).raw_path_qs

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:  # on the first call, because a session belongs to the loop that is running
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S)
            self._session = aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar())
            # aiohttp sends a GET or DELETE twice where a kept connection breaks; how often is the wire's to say.
            self._session._retry_connection = False
        return self._session

    async def _sent(self, scope: str, asked: Asked) -> Answer:
        """What comes back, its body None where it is no JSON.

        Raises:
            SourceUnreachable: Nothing usable did.
            SourceMalformed: It is larger than any answer.
        """
        if self._closed:
            raise _NeverSent(self._source, scope, "closed")
        url = self._base.origin().join(URL(asked.target, encoded=True))
        headers = {"Accept": "application/json", **self._sign(asked)}
        if asked.body:
            headers = {"Content-Type": "application/json", **headers}
        try:
            async with self._open().request(
                asked.method, url, data=asked.body or None, headers=headers, allow_redirects=False
            ) as response:
                data = await self._body(response, scope)
                return Answer(response.status, response.headers, _parsed(data), self._source, scope)
        except _NEVER_SENT as error:
            raise _NeverSent(self._source, scope, type(error).__name__) from error
        except TimeoutError as error:
            raise SourceTimeout(self._source, scope, type(error).__name__) from error
        except (aiohttp.ClientError, OSError) as error:
            raise SourceUnreachable(self._source, scope, type(error).__name__) from error

    async def _body(self, response: aiohttp.ClientResponse, scope: str) -> bytes:
        parts, size = list[bytes](), 0
        async for part in response.content.iter_chunked(_CHUNK):
            size += len(part)
            if size > MAX_BYTES:
                raise SourceMalformed(self._source, scope, "an answer beyond any reason in size")
            parts.append(part)
        return b"".join(parts)

    def _failure(self, answer: Answer) -> SourceError | None:
        code = verdict.code_of(answer.body)
        kind = verdict.kind_of(answer.status, code, self._codes)
        if kind is None:
            return None
        why = f"HTTP {answer.status}" if code is None else f"HTTP {answer.status}, code {code}"
        wait = verdict.seconds_told(answer.headers.get("Retry-After"), self._wire.clock.now())
        return verdict.failure(kind, self._source, answer.scope, why, wait)


def _parsed(data: bytes) -> Any:
    try:
        return exact.decode(data)
    except ValueError:
        return None


def _not_done(action: str, failed: SourceError, surely: bool) -> ActionError:
    """A venue that says that it did not find out itself refuses nothing, whatever its status."""
    if isinstance(failed, SourceRefused):
        return ActionRefused(action, f"the venue does not let this key or account do it ({failed.why})")
    if isinstance(failed, SourceThrottled) or (surely and not isinstance(failed, SourceUnreachable)):
        return ActionRefused(action, failed.why)
    return OutcomeUnknown(action, failed.why)
