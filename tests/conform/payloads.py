"""Reads the recorded answers as text, digit for digit: nothing here turns a number into a number."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

Raw = msgspec.Raw


class _Endpoint(msgspec.Struct):
    name: str
    body: str


class _Recorded(msgspec.Struct):
    endpoints: list[_Endpoint]


class _Case(msgspec.Struct):
    httpResponse: Raw  # noqa: N815  # the file's own name


class _Cases(msgspec.Struct):
    methods: dict[str, list[_Case]]


class _Replay(msgspec.Struct):
    data: Raw


class _Routes(msgspec.Struct):
    routes: dict[str, dict[str, list[_Replay]]]


class _Wrapped(msgspec.Struct):
    result: Raw


class Sdk(msgspec.Struct):
    """An answer that an SDK's own tests hold."""

    test: str
    method: str
    url: str
    body: str


class _Items(msgspec.Struct):
    items: list[Sdk]


class Payloads:
    """The folder of recorded answers."""

    def __init__(self, shared: Path) -> None:
        self._root = shared / "payloads"

    def jkorf(self, file: str, name: str) -> list[str]:
        """The body recorded for the endpoint called *name*."""
        recorded = msgspec.json.decode((self._root / "jkorf" / f"{file}.json").read_bytes(), type=_Recorded)
        return [endpoint.body for endpoint in recorded.endpoints if endpoint.name == name]

    def ccxt(self, file: str, method: str) -> list[str]:
        """The bodies of ccxt's own test cases for one of its methods."""
        cases = msgspec.json.decode((self._root / "ccxt" / f"{file}.json").read_bytes(), type=_Cases)
        return [bytes(case.httpResponse).decode() for case in cases.methods.get(method, [])]

    def alpaca(self) -> list[Sdk]:
        """The answers in the tests of Alpaca's own SDK."""
        return msgspec.json.decode((self._root / "alpaca_py" / "trading.json").read_bytes(), type=_Items).items

    def nautilus(self, path: str) -> list[str]:
        """A recorded file, as it is."""
        return [(self._root / "nautilus" / path).read_text()]

    def unwrapped(self, path: str) -> list[str]:
        """A recorded file whose `result` is the venue's own body."""
        wrapped = msgspec.json.decode((self._root / "nautilus" / path).read_bytes(), type=_Wrapped)
        return [bytes(wrapped.result).decode()]

    def replayed(self, file: str, route: str, opening: str = "[") -> list[str]:
        """The bodies that a recording holds for one route, of those that open so: the others are errors, or empty."""
        found = msgspec.json.decode((self._root / "gocryptotrader" / f"{file}.json").read_bytes(), type=_Routes)
        replays = [replay for cases in found.routes[route].values() for replay in cases]
        return [text for replay in replays if (text := bytes(replay.data).decode().strip()).startswith(opening)]

    def cassette(self, name: str) -> list[str]:
        """The bodies of a cassette: single-quoted YAML scalars, folded over lines."""
        text = (self._root / "hyperliquid_sdk" / f"{name}.yaml").read_text()
        bodies = re.findall(r"\n\s+string: '((?:[^']|'')*)'", text)
        return [re.sub(r"\s*\n\s*", " ", body).replace("''", "'") for body in bodies]
