"""What goes wrong between a loopback venue and its client: failures of the transport, broken bodies, bent rows, and lies.

*Lies* (`hidden`, `dropped`, `stale`, `lag`) are answers that look whole and are not; no adapter can tell them from the truth.
"""

from __future__ import annotations

from enum import StrEnum
from fnmatch import fnmatchcase

from msgspec import Struct
from msgspec.structs import replace


class HttpFault(StrEnum):
    """One way to go wrong."""

    RESET = (
        "reset"  # the connection breaks before an answer, and again if the client's library sends the same once more
    )
    STALL = "stall"  # nothing is answered until the client goes away
    SHORT = "short"  # fewer bytes than Content-Length promises, then the end
    TRUNCATED = "truncated"  # half of the document, as if it were whole
    TEXT = "text"  # `text` with `status`, whatever was asked: a status, HTML, nothing, null, {}, []
    DRIP = "drip"  # the whole answer, spread over `seconds`
    DUPLICATE = "duplicate"  # a further page is the page before it, once more
    VANISHED = "vanished"  # every list in the answer is empty
    FLOATS = "floats"  # numbers in text come as numbers of JSON, digits unchanged
    NEW_KIND = "new_kind"  # fields that name a kind (of account, of contract) hold a word that nobody knows yet
    EXTRA = "extra"  # every object has fields more
    HIDDEN = "hidden"  # lie: no rows, whatever there is
    DROPPED = "dropped"  # lie: the first row left out
    STALE = "stale"  # lie: the world of `seconds` ago
    LAG = "lag"  # lie: fills of the last `seconds` are not listed yet
    CANCEL_LOST = "cancel_lost"  # a cancel is acknowledged, and the order stays live


NOT_TAKEN = frozenset((HttpFault.RESET, HttpFault.STALL, HttpFault.TEXT))


class HttpRule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a fault strikes.

    Attributes:
        endpoint: A pattern (`*`, `?`) for ``METHOD /path?query``, as `LoopbackVenue.endpoint` tells it;
            several with | between.
        times: So often, then never again; None is until the plan is cleared.
        skip: So many requests that fit are answered well before.
        taken: Whether the request has its effect at the venue all the same; None is by the fault: a `reset`, a `stall`
            and a `text` come instead of it, all others after it.
        headers: More headers of a `text`, such as Retry-After.
    """

    fault: HttpFault
    endpoint: str = "*"
    times: int | None = 1
    skip: int = 0
    seconds: float = 0
    status: int = 200
    text: str = ""
    headers: dict[str, str] = {}
    taken: bool | None = None

    def fits(self, endpoint: str) -> bool:
        """Whether it can strike this request."""
        return any(fnmatchcase(endpoint, pattern) for pattern in self.endpoint.split("|"))

    @property
    def effective(self) -> bool:
        """Whether what was asked for happens."""
        return self.fault not in NOT_TAKEN if self.taken is None else self.taken


class HttpFaults:
    """The rules in force, and how often each fault struck."""

    def __init__(self) -> None:
        self.struck: list[tuple[HttpFault, str]] = []
        self._rules: list[HttpRule] = []
        self._left: list[tuple[int, int | None]] = []
        self._broken: tuple[HttpRule, str] | None = None

    def inject(self, *rules: HttpRule) -> None:
        """Put rules behind those in force."""
        self._rules.extend(rules)
        self._left.extend((rule.skip, rule.times) for rule in rules)

    def clear(self) -> None:
        """Let nothing go wrong any more."""
        self._rules, self._left, self._broken = [], [], None

    def draw(self, endpoint: str) -> HttpRule | None:
        """The first rule in force that strikes this request.

        aiohttp sends a GET or a DELETE whose connection broke once more by itself: that is the same failure, without a
        second effect.
        """
        broken, self._broken = self._broken, None
        if broken is not None and broken[1] == endpoint:
            return replace(broken[0], taken=False)
        rule = self._next(endpoint)
        if rule is not None and rule.fault is HttpFault.RESET and endpoint.startswith(("GET ", "DELETE ")):
            self._broken = (rule, endpoint)
        return rule

    def _next(self, endpoint: str) -> HttpRule | None:
        for index, rule in enumerate(self._rules):
            skip, left = self._left[index]
            if left == 0 or not rule.fits(endpoint):
                continue
            if skip:
                self._left[index] = (skip - 1, left)
                continue
            self._left[index] = (0, None if left is None else left - 1)
            self.struck.append((rule.fault, endpoint))
            return rule
        return None
