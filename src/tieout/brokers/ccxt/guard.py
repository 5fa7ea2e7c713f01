"""Keeps a ccxt client honest: every number from its text, and no answer without content taken for an empty account.

ccxt 4.5.90 returns ``[]`` or an empty balance for a body that is cut off, HTML or empty, as long as the status is 2xx; and it
reads unquoted numbers through binary floats. Both are mended here, once per client, without changing ccxt itself.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from tieout.brokers.ccxt.jwt import sign_with_one_key
from tieout.brokers.ccxt.lazy import exchange_class
from tieout.brokers.wire import verdict
from tieout.brokers.wire.exact import once

if TYPE_CHECKING:
    from tieout.brokers.wire.wire import Wire

_DESCRIBED = ("api", "features", "exceptions", "fees", "has")  # a third of a megabyte at Binance; ccxt only reads them
_REFUSED = "not a number of JSON"
# Hyperliquid's whole answer to how an account's margin is kept is one of these words.
_WORDS = frozenset(('"unifiedAccount"', '"portfolioMargin"', '"disabled"', '"default"', '"dexAbstraction"'))
_QUIET = logging.getLogger("tieout.ccxt.client")
# What ccxt 4.5.90 signs in the account's name when it is only asked to read: at Hyperliquid, a fee for its own builder
# and a referral code, as soon as there is a private key.
_UNINVITED = frozenset(("handle_builder_fee_approval", "set_ref"))


class Answer(Struct, frozen=True):
    """What came back for one request: its URL without the query, the HTTP status, and the parsed body."""

    url: str
    status: int
    body: Any


class Answers:
    """The answers to the requests of one question, in order; the raw side by which a reading is held to be whole."""

    def __init__(self) -> None:
        self._answers: list[Answer] = []
        self.status: int | None = None
        self.retry_after_s: int | None = None
        self.kind: verdict.Kind | None = None

    def begin(self) -> None:
        """Start anew, for another question."""
        self.forget()
        self.status = self.retry_after_s = self.kind = None

    def forget(self) -> None:
        """Let go of the bodies; the latest status stays."""
        self._answers.clear()

    def note(self, venue: str, body: Any) -> None:
        """Keep what the venue's own code in the latest body means, where that is known better than ccxt knows it."""
        self.kind = verdict.CODES.get(venue, {}).get(verdict.code_of(body) or "")

    def note_headers(self, status: int, headers: Mapping[str, str] | None) -> None:
        """Keep the status of the latest response, and how long it asks us to wait."""
        self.status = status
        told = {name.lower(): value for name, value in (headers or {}).items()}.get("retry-after", "")
        self.retry_after_s = int(told) if told.isdecimal() else None

    def add(self, answer: Answer) -> None:
        """Keep a usable answer."""
        self._answers.append(answer)

    def bodies(self, endpoint: str) -> list[Any]:
        """The bodies of the answers whose URL ends in *endpoint*, in order."""
        return [answer.body for answer in self._answers if answer.url.endswith(endpoint)]


_asked: ContextVar[Answers] = ContextVar("answers to the question in hand")


@contextmanager
def answering() -> Iterator[Answers]:
    """Where the answers to one question are kept: its own, so that several may be under way with one client.

    What the question awaits, and the tasks it starts, see the same.
    """
    answers = Answers()
    token = _asked.set(answers)
    try:
        yield answers
    finally:
        _asked.reset(token)


def answers_in_hand() -> Answers:
    """The answers to the question in hand; none where there is no question."""
    return _asked.get(None) or Answers()


def exact_json(text: str) -> Any:
    """The document with each fraction as its own text, so that no digit passes through a float.

    Raises:
        ValueError: It is not JSON, names something twice, or holds NaN or an infinity.
    """
    return json.loads(text, parse_float=str, parse_constant=_refuse, object_pairs_hook=once)


def _refuse(_name: str) -> None:
    raise ValueError(_REFUSED)


def arm(exchange: Any) -> None:
    """Make *exchange* exact and guarded; its answers are kept with the question (`answering`). Once per client."""
    from ccxt.base.errors import BadResponse  # the price of ccxt is paid only where it is used

    classify = exchange.handle_errors

    def guarded(
        code: int, reason: str, url: str, method: str, headers: Any, body: str, response: Any, *rest: Any
    ) -> Any:
        answers = answers_in_hand()
        answers.note_headers(code, headers)
        answers.note(exchange.id, response)
        fine = 200 <= code < 300
        if fine and body in _WORDS:
            return None
        if fine and (response is None or isinstance(response, str) or response == {}):
            raise BadResponse("an answer without content")
        verdict = classify(code, reason, url, method, headers, body, response, *rest)
        if fine:
            # ccxt writes into some answers; their own top level is kept as it came
            own = dict(response) if isinstance(response, dict) else response
            answers.add(Answer(url.partition("?")[0], code, own))
        return verdict

    exchange.handle_errors = guarded
    _send_once(exchange)
    exchange.on_json_response = exact_json
    exchange.number = str
    exchange.enableLastJsonResponse = exchange.enableLastResponseHeaders = False
    exchange.enableLastHttpResponse = exchange.id == "kraken"  # its cancel_order reads the text back to name the error
    for uninvited in _UNINVITED & set(dir(exchange)):
        setattr(exchange, uninvited, _nothing)
    if exchange.id == "coinbase":
        sign_with_one_key(exchange)
    _QUIET.setLevel(logging.WARNING)  # ccxt logs signed requests, keys included, at DEBUG
    exchange.logger = _QUIET


def _send_once(exchange: Any) -> None:
    """aiohttp sends a GET or DELETE again by itself where a kept connection breaks: a cancel twice, a read uncounted."""
    opened = exchange.open

    def opens(*how: Any, **named: Any) -> None:
        opened(*how, **named)
        if exchange.session is not None:
            exchange.session._retry_connection = False

    exchange.open = opens


async def _nothing() -> bool:
    """Answers that there is nothing left to send."""
    return True


def set_markets(exchange: Any, markets: Iterable[Mapping[str, Any]]) -> None:
    """Give *exchange* its markets, so that it does not load all of them; Kraken's other names for them included."""
    exchange.set_markets([dict(market) for market in markets])
    named = {market.get("altname"): market for market in exchange.markets.values()}
    exchange.options["marketsByAltname"] = {name: market for name, market in named.items() if name}
    for helper in exchange.options.get("marketHelperProps", ()):
        exchange.options.setdefault(helper, {})  # ccxt looks each up when markets are shared


def share(client: Any, twin: Any) -> None:
    """Have *client* use the markets of *twin*, a client of the same venue, and its descriptions of the venue's interface."""
    client.set_markets_from_exchange(twin)
    for name in _DESCRIBED:
        if getattr(client, name) == getattr(twin, name):
            setattr(client, name, getattr(twin, name))


def connect(
    venue: str,
    credentials: Mapping[str, str],
    options: Mapping[str, Any],
    *,
    sandbox: bool = False,
    origin: str | None = None,
) -> Any:
    """A new ccxt client for *venue*; imports of ccxt what it needs. *credentials* bear ccxt's own names (apiKey, secret, …).

    *sandbox* is the venue's test network; *origin* (``http://127.0.0.1:8080``) is asked instead of the venue's servers.

    Raises:
        LookupError: ccxt knows no such venue.
    """
    made = exchange_class(venue)({**credentials, "enableRateLimit": True, "options": dict(options)})
    if sandbox:
        made.set_sandbox_mode(True)
    if origin is not None:
        made.hostname = origin.partition("://")[2]
        made.urls["api"] = _redirected(made.urls["api"], origin)
    return made


def _redirected(urls: Any, origin: str) -> Any:
    if isinstance(urls, dict):
        return {name: _redirected(url, origin) for name, url in urls.items()}
    scheme, separator, rest = urls.partition("://")
    _, slash, path = rest.partition("/")
    return f"{origin}{slash}{path}" if separator and scheme.startswith("http") else urls


def take_turns(exchange: Any, wire: Wire) -> None:
    """Have every request of *exchange* wait for its turn on *wire*, at ccxt's cost of it, not for ccxt's own throttler."""

    cost_of = exchange.calculate_rate_limiter_cost

    def named(api: object, method: str, path: str, *rest: object) -> tuple[str, object]:
        return path, cost_of(api, method, path, *rest)

    async def turn(asked: tuple[str, object]) -> None:
        path, cost = asked
        await wire.turn(wire.limiter.limits.weight(str(1 if cost is None else cost)), path)

    exchange.calculate_rate_limiter_cost = named
    exchange.throttle = turn
    exchange.enableRateLimit = True
