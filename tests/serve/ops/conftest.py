"""The service that tests ask."""

from tests.serve.api.conftest import stage

__all__ = ["stage"]
