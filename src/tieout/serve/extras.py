"""Which extra of the package has a library that is not installed."""

from __future__ import annotations

OF_SERVICE = """
    sqlalchemy alembic asyncpg cryptography aiohttp fastapi starlette pydantic uvicorn nicegui pwdlib prometheus_client
    structlog
""".split()
EXTRA_OF = dict.fromkeys(OF_SERVICE, "service") | {
    "rfc3161_client": "timestamps",
    "opentelemetry": "traces",
    "joserfc": "oidc",
    "ccxt": "brokers",
    "tenacity": "brokers",
    "pyrate_limiter": "brokers",
    "ib_async": "ib",
    "ibflex": "statements",
    "pyarrow": "statements",
    "apscheduler": "live",
    "apprise": "live",
}


def extra_lacking(error: BaseException | None) -> str | None:
    """The extra that would have what could not be imported, None where that is no matter of extras.

    A command's own module may be what could not be imported, for the sake of another one behind it.
    """
    while error is not None:
        package = (error.name or "").partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
        if package in EXTRA_OF:
            return EXTRA_OF[package]
        error = error.__cause__
    return None
