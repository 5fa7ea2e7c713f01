"""Questions on a terminal: what is wanted, what no answer means, and why an answer is none. No answer is repeated.

What is typed by mistake may be a secret.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Collection, Mapping
from typing import TypeVar

from tieout.serve.render.text import inert

T = TypeVar("T")
Check = Callable[[str], T]
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]{0,63}")
_WEB = re.compile(r"https?://[^/@\s]+")
_LONGEST_WORD = 15  # of a variable's name that is one word; keys are longer


class Unanswered(Exception):
    """Whoever was asked went away."""


class Terminal:
    """Asks on standard error, and hears on standard input, line by line."""

    def say(self, text: str = "") -> None:
        """Something that is no question."""
        print("\n".join(inert(line) for line in text.split("\n")), file=sys.stderr)

    def ask(self, question: str, check: Check[T], *, default: str | None = None) -> T:
        """What was answered, as *check* makes it of the text; asked again for as long as that raises a `ValueError`.

        Raises:
            Unanswered: There is no answer to come.
        """
        shown = question if default is None else f"{question} [{default or 'none'}]"
        while True:
            print(f"{inert(shown)}: ", end="", file=sys.stderr, flush=True)
            text = self._heard() or default
            try:
                if text is None:
                    raise ValueError("An answer is needed here.")
                return check(text)
            except ValueError as error:
                self.say(f"  {error}")

    def choose(self, question: str, choices: Mapping[str, str], *, default: str) -> str:
        """The name of one of *choices*, by its number or its name.

        Raises:
            Unanswered: There is no answer to come.
        """
        wide, names = max(map(len, choices)), list(choices)

        def chosen(text: str) -> str:
            if text.isascii() and text.isdecimal() and 1 <= int(text) <= len(names):
                return names[int(text) - 1]
            if text.lower() in choices:
                return text.lower()
            raise ValueError(f"Type a number from 1 to {len(names)}, or the name beside it.")

        lines = [f"  {number}  {name:{wide}}  {choices[name]}" for number, name in enumerate(names, 1)]
        self.say("\n".join([question, *lines]))
        return self.ask("Number or name", chosen, default=default)

    def _heard(self) -> str:
        raw = sys.stdin.buffer.readline()
        if not raw:
            raise Unanswered
        return raw.decode("utf-8", "replace").strip()


def plain(text: str) -> str:
    """Any text that shows on a screen as it is."""
    if not text.isprintable() or "\ufffd" in text:
        raise ValueError("There is a character in it that cannot be seen, such as an arrow key's: type it anew.")
    return text


def a_name(text: str) -> str:
    """What an account may be called."""
    if _NAME.fullmatch(text) is None:
        raise ValueError("Use letters, digits, - and _ alone, 64 at most, and begin with a letter or digit.")
    return text


def a_path(text: str) -> str:
    """The path of a file or folder; ~ is one's own folder, as a shell has it."""
    return os.path.expanduser(plain(text))  # noqa: PTH111 - a path that begins otherwise stays as it was written


def a_variable(text: str) -> str:
    """The name of an environment variable, and nothing that could be what is in it."""
    if _VARIABLE.fullmatch(text) is None or ("_" not in text and len(text) > _LONGEST_WORD):
        raise ValueError(
            "That is no name of a variable: capital letters, digits and _, such as MY_KEY. The key itself is not asked for:"
            "\n  nothing of it was kept, but it stands on this screen now if you typed it."
        )
    return text


def other_than(taken: Collection[str]) -> Check[str]:
    """The name of another variable than those *taken*."""

    def check(text: str) -> str:
        if a_variable(text) in taken:
            raise ValueError("That variable holds something else already: each needs its own.")
        return text

    return check


def an_address(text: str) -> str:
    """Where something listens on the web."""
    if _WEB.fullmatch(text) is None:
        raise ValueError("Give an address without path, name or password, such as http://127.0.0.1:8080.")
    return text


def fits(pattern: str, what: str) -> Check[str]:
    """A text of that form; *what* says which."""

    def check(text: str) -> str:
        if re.fullmatch(pattern, text) is None:
            raise ValueError(what)
        return text

    return check
