"""The one place from which the conformance run speaks."""

from __future__ import annotations

import sys


def say(text: str) -> None:
    """Write one line to standard output."""
    sys.stdout.write(f"{text}\n")
