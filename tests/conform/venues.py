"""The venues that have an OpenAPI of their own. A further one is one more entry in `DOCUMENTED`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from tests.conform import alpaca, dydx_document
from tests.conform.openapi import Judged

DOCUMENTED: tuple[Callable[[], AbstractAsyncContextManager[Judged]], ...] = (
    alpaca.documented,
    dydx_document.documented,
)
