"""The whole interface as one application."""

from __future__ import annotations

from fastapi import FastAPI

from tieout import __version__
from tieout.serve.api import accounts, audit, books, breaks, events, grants, health, metrics, overview, reports, session
from tieout.serve.api.guard import require_guarded
from tieout.serve.api.headers import SecurityHeaders
from tieout.serve.api.problems import answer_failures
from tieout.serve.api.shapes import describe
from tieout.serve.desk import Desk

ABOUT = "What differs between your books and your brokers, why, what was done about it, and what you may do."
MODULES = (health, metrics, overview, session, accounts, breaks, reports, audit, events, grants, books)
ROUTERS = tuple(each.router for each in MODULES)


def build_app(desk: Desk) -> FastAPI:
    """The interface over *desk*."""
    require_guarded(ROUTERS)
    app = FastAPI(
        title="Tieout",
        version=__version__,
        description=ABOUT,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        # What it would tell a collector by itself, where the environment names one, holds what people sent, and what failed.
        telemetry={"auto_configure": False, "tracing": False, "metrics": False, "logs": False},
    )
    app.state.desk = desk
    for router in ROUTERS:
        app.include_router(router)
    answer_failures(app)
    describe(app)
    app.add_middleware(SecurityHeaders)
    return app
