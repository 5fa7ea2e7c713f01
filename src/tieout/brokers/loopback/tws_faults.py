"""What goes wrong between a loopback TWS and its client: answers cut short, errors instead of answers, lies."""

from __future__ import annotations

from asyncio import StreamWriter
from collections.abc import Callable, Sequence
from enum import StrEnum

import msgspec
from msgspec import Struct

from tieout.brokers.loopback.faults import HttpRule
from tieout.brokers.loopback.tws_wire import ACTIONS, CASH, CONTRACT, EXECUTIONS, PLACE, TIME, packed


class TwsFault(StrEnum):
    """What goes wrong with one answer."""

    SILENT = "silent"
    NO_END = "no_end"
    MID_LIST = "mid_list"  # the connection breaks behind the first row
    CUT = "cut"
    CLOSED = "closed"
    SHORT_ROW = "short_row"
    SPOILT = "spoilt"  # one row more, which is cut short
    BAD_NUMBER = "bad_number"
    REFUSED = "refused"
    INVALID = "invalid"
    PACED = "paced"
    HISTORY_PACED = "history_paced"
    REQUEST_PACED = "request_paced"
    CUT_OFF = "cut_off"
    BROKEN_OFF = "broken_off"
    LOST_DATA = "lost_data"
    RESTORED = "restored"
    WRONG_ACCOUNT = "wrong_account"  # rows of another account of the login among them
    NEW_VERSION = "new_version"
    UNKNOWN_KIND = "unknown_kind"
    TWICE = "twice"
    HTML = "html"


SAID: dict[TwsFault, tuple[str, str]] = {
    TwsFault.REFUSED: ("321", "Error validating request.-'cd' : cause - The API interface is currently in Read-Only mode."),
    TwsFault.INVALID: ("322", "Error processing request.-'cd' : cause - Duplicate ticker id"),
    TwsFault.PACED: ("100", "Max rate of messages per second has been exceeded:max=50 rec=52 (1)"),
    TwsFault.HISTORY_PACED: ("162", "Historical Market Data Service error message:pacing violation"),
    TwsFault.REQUEST_PACED: ("420", "Invalid Real-time Query:Pacing violation"),
    TwsFault.CUT_OFF: ("1100", "Connectivity between IBKR and Trader Workstation has been lost."),
    TwsFault.BROKEN_OFF: ("2110", "Connectivity between Trader Workstation and server is broken."),
    TwsFault.LOST_DATA: ("1101", "Connectivity between IBKR and TWS has been restored- data lost."),
    TwsFault.RESTORED: ("1102", "Connectivity between IBKR and TWS has been restored- data maintained."),
}  # fmt: skip
INSTEAD = frozenset(
    (TwsFault.REFUSED, TwsFault.INVALID, TwsFault.PACED, TwsFault.HISTORY_PACED, TwsFault.REQUEST_PACED)
)
_NUMBERED = {"61": 14, "5": 14, "11": 19, "73": 6, "101": 13}
_WHOSE = {"61": 2, "5": 20, "11": 17, "73": 3, "101": 19}
_VERSIONED = frozenset(("61", "73"))
_SHORT = {
    71: "15|1|",
    61: "61|3|",
    16: "5|1|",
    7: "11|1|7|",
    76: "73|1|",
    99: "101|1|",
    TIME: "49|1|noon|",
    CONTRACT: "10|1|",
}


class TwsRule(Struct, frozen=True, kw_only=True):
    """When a fault strikes.

    Attributes:
        kinds: The requests that it can strike, by their message.
        fault: What goes wrong on the way, if that is it.
        lie: What the world looks like meanwhile, if that is it.
        times: So often; None is until the plan is cleared.
        taken: Whether an order is taken, or cancelled, all the same.
    """

    kinds: frozenset[int]
    fault: TwsFault | None = None
    lie: HttpRule | None = None
    times: int | None = 1
    taken: bool = True


class TwsPlan:
    """The rules in force."""

    def __init__(self) -> None:
        self._rules: list[TwsRule] = []

    def inject(self, *rules: TwsRule) -> None:
        """Put rules behind those in force."""
        self._rules.extend(rules)

    def clear(self) -> None:
        """Let nothing go wrong any more."""
        self._rules.clear()

    def draw(self, kind: int) -> TwsRule | None:
        """The first rule in force that strikes this request."""
        for index, rule in enumerate(self._rules):
            if kind in rule.kinds:
                self._rules.pop(index)
                if rule.times is None or rule.times > 1:
                    left = None if rule.times is None else rule.times - 1
                    self._rules.insert(index, msgspec.structs.replace(rule, times=left))
                return rule
        return None


def error(request: str, fault: TwsFault) -> str:
    """Message 4: what TWS says of a request, or of itself."""
    code, words = SAID[fault]
    return f"4|2|{request if fault in INSTEAD else '-1'}|{code}|{words}||"


def bent(writer: StreamWriter, fault: TwsFault, whole: list[str], fields: Sequence[str]) -> bool:
    """Send what the fault leaves of an answer; False where the answer itself, bent or not, still follows."""
    kind = int(fields[0])
    if fault in SAID:
        writer.write(packed(error(_request(fields), fault)))
        return fault in INSTEAD
    if fault in _ROWS:
        whole[:-1] = [_ROWS[fault](message) for message in whole[:-1]]
        return False
    *body, end = whole
    match fault:
        case TwsFault.NO_END:
            writer.write(b"".join(map(packed, body)))
        case TwsFault.MID_LIST:
            writer.write(b"".join(map(packed, body[:1])))
            writer.close()
        case TwsFault.CUT:
            writer.write(b"".join(map(packed, whole))[:-3])
            writer.close()
        case TwsFault.CLOSED:
            writer.close()
        case TwsFault.HTML:
            writer.write(b"HTTP/1.1 502 Bad Gateway\r\n\r\n<html></html>")
        case TwsFault.SPOILT:
            row = f"5|{_request(fields)}|" if kind in ACTIONS else _SHORT[kind]
            whole[:] = [row] if kind in ACTIONS or kind == TIME else [*body, row, end]
            return False
        case TwsFault.UNKNOWN_KIND:
            whole[:] = ["999|1|what nobody knows yet|", *body, "|||", end]
            return False
        case TwsFault.WRONG_ACCOUNT:
            whole[:] = [*body, *map(_others, body), end]
            return False
        case TwsFault.TWICE:
            whole[:] = [*body, *body, end]
            return False
        case _:
            return True
    return True


def _request(fields: Sequence[str]) -> str:
    """The number that TWS answers a request under."""
    kind = int(fields[0])
    if kind in ACTIONS:
        return fields[1] if kind == PLACE else fields[2]
    return fields[2] if kind in (CASH, EXECUTIONS, CONTRACT) else "-1"


def _cut_short(message: str) -> str:
    return "|".join(message.split("|")[:6]) + "|"


def _bad_number(message: str) -> str:
    return _with(message, _NUMBERED, "1,5O")


def _others(message: str) -> str:
    return _with(message, _WHOSE, "DU7654321")


def _newer(message: str) -> str:
    parts = message.split("|")
    if parts[0] in _VERSIONED:
        parts[1] = "99"
        return "|".join(parts)
    return message[:-1] + "|what|nobody|knows|"


def _with(message: str, at: dict[str, int], value: str) -> str:
    parts = message.split("|")
    if parts[0] in at:
        parts[at[parts[0]]] = value
    return "|".join(parts)


_ROWS: dict[TwsFault, Callable[[str], str]] = {
    TwsFault.SHORT_ROW: _cut_short,
    TwsFault.BAD_NUMBER: _bad_number,
    TwsFault.NEW_VERSION: _newer,
}
