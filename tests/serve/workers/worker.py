"""A worker without its interface, which takes longer to load than the rest: `python -m tests.serve.workers.worker FILE`."""

from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path

from tieout.config import load
from tieout.serve.service import serving


async def work(file: Path) -> None:
    """Everything of a service, until it is killed."""
    async with serving(load(file, None)):
        await asyncio.Event().wait()


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    asyncio.run(work(Path(sys.argv[1])))
