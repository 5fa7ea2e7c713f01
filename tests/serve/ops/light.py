"""Services without pages, each a fork of what was loaded once: `python -m tests.serve.ops.light FILE`.

A line on standard input starts another one, whose process's number is written to standard output.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from pathlib import Path

from tieout.config import load
from tieout.serve.api.app import build_app
from tieout.serve.listening import listening
from tieout.serve.service import serving


async def work(file: Path) -> None:
    """Watch and listen, until it is killed."""
    config = load(file, None)
    async with serving(config) as desk, listening(build_app(desk), config.service, config.file):
        await asyncio.Event().wait()


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    for _ in sys.stdin:
        child = os.fork()
        if not child:
            asyncio.run(work(Path(sys.argv[1])))
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()
        os.waitpid(child, 0)
