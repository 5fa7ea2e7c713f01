"""Passwords, under argon2: hashed and compared on threads of their own, a few at a time, for each takes a quarter second."""

from __future__ import annotations

import asyncio

from pwdlib import PasswordHash

from tieout.errors import WordRefused

SHORTEST, LONGEST = 12, 256
QUEUE = 16  # logins that wait for their turn; more are sent away, so that nobody waits for minutes
AT_ONCE = 2  # so that a flood of logins leaves room for everything else; each takes 64 MB for that long


class Passwords:
    """Hashes and compares, by what is recommended unless told otherwise."""

    def __init__(self, argon2: PasswordHash | None = None) -> None:
        self._argon2 = argon2 or PasswordHash.recommended()
        self._free = asyncio.Semaphore(AT_ONCE)
        self._asked = 0
        self._nobody = ""  # what is compared where there is no such user, so that both take the same time

    async def hash(self, password: str) -> str:
        """What is stored of a password.

        Raises:
            WordRefused: It is too short, or too long.
        """
        require_strong(password)
        async with self._free:
            return await asyncio.to_thread(self._argon2.hash, password)

    @property
    def crowded(self) -> bool:
        """Whether as many wait as may."""
        return self._asked >= QUEUE

    async def fits(self, password: str, stored: str | None) -> bool:
        """Whether it is the one that was stored; where there is none, or an empty one, it takes as long to say no."""
        self._asked += 1
        try:
            async with self._free:
                if not self._nobody:
                    self._nobody = await asyncio.to_thread(self._argon2.hash, "nobody has this password")
                right = await asyncio.to_thread(self._argon2.verify, password[: LONGEST + 1], stored or self._nobody)
        finally:
            self._asked -= 1
        return right and bool(stored)


def require_strong(password: str) -> None:
    """Refuse what can be guessed, or is longer than anybody types.

    Raises:
        WordRefused: It is too short, or too long.
    """
    if not SHORTEST <= len(password) <= LONGEST:
        raise WordRefused(f"a password has {SHORTEST} to {LONGEST} characters; several words make a good one")
