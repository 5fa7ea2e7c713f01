"""A secret as a value that never shows itself: in no text, log, failure, copy on disk or message to another process."""

from __future__ import annotations

import hmac
from typing import NoReturn

HIDDEN = "Secret(***)"
SHORTEST = 6  # what is shorter stands in texts that have nothing to do with it
_known: set[str] = set()


class Secret:
    """One secret. `reveal` is the only way to what it is; whoever calls it answers for where that goes."""

    __slots__ = ("__value",)

    def __init__(self, value: str) -> None:
        assert value, "a secret of nothing"
        self.__value = value
        if len(value) >= SHORTEST:
            _known.add(value)

    def reveal(self) -> str:
        """What it is."""
        return self.__value

    def __repr__(self) -> str:
        return HIDDEN

    __str__ = __repr__

    def __format__(self, _spec: str) -> str:
        return HIDDEN

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self.__value.encode(), other.__value.encode())

    def __hash__(self) -> int:
        return hash((Secret, self.__value))

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, _memo: object) -> Secret:
        return self

    def __reduce_ex__(self, _protocol: object) -> NoReturn:
        raise TypeError("a secret is not written down")


def scrubbed(text: str) -> str:
    """*text* with every secret that this process was given taken out, whoever wrote it in."""
    # The longest first: one may be a part of another.
    for value in sorted((each for each in tuple(_known) if each in text), key=len, reverse=True):
        text = text.replace(value, "***")
    return text
