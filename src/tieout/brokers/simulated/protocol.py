"""The words that the simulator's process and its clients share: paths, bodies, and how a failure is told over HTTP."""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec
from msgspec import Struct

from tieout.model.snapshot import Moment, Order, Snapshot

T = TypeVar("T")

DONE_STATUS = 204
PARTIAL_STATUS = 206
REFUSED_STATUS = 409
TIMEOUT_STATUS = 504
THROTTLED_STATUS = 429
UNAVAILABLE_STATUS = 503
FORBIDDEN_STATUS = 403
BAD_REQUEST_STATUS = 400

PATHS = {
    "get_positions": "positions",
    "get_balances": "balances",
    "get_open_orders": "open-orders",
    "get_fills": "fills",
    "get_activities": "activities",
    "get_order": "order",
    "get_account_info": "info",
    "get_instruments": "instruments",
    "server_time": "time",
    "submit_order": "orders",
    "cancel_order": "cancel",
}


class Rows(Struct, Generic[T], frozen=True):
    """The rows of a section. `complete` is the venue's word; a body without it is not believed."""

    rows: tuple[T, ...]
    complete: bool


class Found(Struct, frozen=True):
    """The answer to a look-up: `known` is the venue's word on whether there is such an order."""

    known: bool
    order: Order | None = None


class Time(Struct, frozen=True):
    """The venue's clock."""

    now: Moment


class OrderId(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which order is meant."""

    broker_order_id: str | None = None
    client_order_id: str | None = None


class Refusal(Struct, frozen=True):
    """Why the venue said no."""

    reason: str


class Truth(Struct, frozen=True):
    """An account as it truly stands, past every fault, with how often each client id was submitted."""

    snapshot: Snapshot
    submits: dict[str, int]


encode = msgspec.json.encode
