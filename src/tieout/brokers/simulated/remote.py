"""A `BrokerAdapter` for a simulated venue that runs as a process of its own (`server.py`), over HTTP."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from decimal import Decimal
from typing import NoReturn, TypeVar

import aiohttp
import msgspec

from tieout.brokers.base import AccountInfo, Capabilities, OrderRequest
from tieout.errors import (
    ActionRefused,
    OutcomeUnknown,
    SourceIncomplete,
    SourceMalformed,
    SourceRefused,
    SourceThrottled,
    SourceTimeout,
    SourceUnreachable,
)
from tieout.model.amounts import fits
from tieout.model.instrument import Instrument, wrong_in
from tieout.model.rules import finding
from tieout.model.snapshot import Activity, Balance, Fill, Order, Position

from . import protocol
from .adapter import CAPABILITIES
from .faults import Call
from .protocol import PATHS, Found, OrderId, Refusal, Rows, Time

T = TypeVar("T")
Row = TypeVar("Row", Position, Balance, Order, Fill, Activity)

_REFUSALS = (
    protocol.REFUSED_STATUS, protocol.THROTTLED_STATUS, protocol.FORBIDDEN_STATUS, protocol.BAD_REQUEST_STATUS,
)  # fmt: skip

_POSITIONS = msgspec.json.Decoder(Rows[Position])
_BALANCES = msgspec.json.Decoder(Rows[Balance])
_OPEN_ORDERS = msgspec.json.Decoder(Rows[Order])
_FILLS = msgspec.json.Decoder(Rows[Fill])
_ACTIVITIES = msgspec.json.Decoder(Rows[Activity])


class RemoteSimulatedBroker:
    """One account at a simulated venue over HTTP.

    Args:
        url: Of the process, such as ``http://127.0.0.1:8080``.
        account: Which of its accounts.
        timeout_s: In seconds for a whole call; later is no answer.
    """

    def __init__(self, url: str, account: str, *, timeout_s: float = 10.0) -> None:
        self.name = f"simulated:{account}"
        self._base = f"{url}/v1/{account}/"
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    async def get_positions(self) -> tuple[Position, ...]:
        """Every position of the account."""
        return await self._rows("get_positions", _POSITIONS)

    async def get_balances(self) -> tuple[Balance, ...]:
        """Every currency with a total other than 0."""
        return await self._rows("get_balances", _BALANCES)

    async def get_open_orders(self) -> tuple[Order, ...]:
        """Every live order, oldest first."""
        return await self._rows("get_open_orders", _OPEN_ORDERS)

    async def get_fills(self, since: datetime) -> tuple[Fill, ...]:
        """Every fill from *since* on, oldest first."""
        assert since.tzinfo is not None, "an aware time"
        return await self._rows("get_fills", _FILLS, {"since": since.isoformat()})

    async def get_activities(self, since: datetime) -> tuple[Activity, ...]:
        """Every activity from *since* on, oldest first."""
        assert since.tzinfo is not None, "an aware time"
        return await self._rows("get_activities", _ACTIVITIES, {"since": since.isoformat()})

    async def get_order(
        self, *, broker_order_id: str | None = None, client_order_id: str | None = None
    ) -> Order | None:
        """The order that bears the ids given, live or ended; None where the venue says that it knows none."""
        ids = {"broker_order_id": broker_order_id, "client_order_id": client_order_id}
        params = {name: value for name, value in ids.items() if value}
        assert params, "an id to look for"
        found = self._decode("get_order", await self._ask("get_order", params), Found)
        if found.known != (found.order is not None):
            raise SourceMalformed(self.name, "get_order", "an answer that contradicts itself")
        return self._checked("get_order", found.order) if found.order else None

    async def get_account_info(self) -> AccountInfo:
        """The account as the venue names it."""
        return self._decode("get_account_info", await self._ask("get_account_info"), AccountInfo)

    async def get_instruments(self, assets: Collection[str]) -> tuple[Instrument, ...]:
        """What the venue says of *assets*."""
        call: Call = "get_instruments"
        asked = {"assets": msgspec.json.encode(tuple(assets)).decode()}
        rows = self._decode(call, await self._ask(call, asked), Rows[Instrument]).rows
        if any(row.asset not in assets or wrong_in(row) is not None for row in rows):
            raise SourceMalformed(self.name, call, "an instrument that breaks the rules, or was not asked for")
        return rows

    async def server_time(self) -> datetime:
        """The venue's clock."""
        return self._decode("server_time", await self._ask("server_time"), Time).now

    async def submit_order(self, request: OrderRequest) -> Order:
        """Send an order once. Whatever breaks after it may have left is `OutcomeUnknown`."""
        return await self._act("submit_order", request)

    async def cancel_order(self, *, broker_order_id: str | None = None, client_order_id: str | None = None) -> Order:
        """Ask for an order's end; answered the same when repeated."""
        assert broker_order_id or client_order_id, "an id to look for"
        ids = OrderId(broker_order_id=broker_order_id, client_order_id=client_order_id)
        return await self._act("cancel_order", ids)

    def capabilities(self) -> Capabilities:
        """Everything there is in the port."""
        return CAPABILITIES

    async def close(self) -> None:
        """Close the connections. Safe to repeat."""
        self._closed = True
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _open(self) -> aiohttp.ClientSession:
        # Made on the first call, because a session belongs to the loop that is running.
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=self._timeout)
        return self._session

    async def _rows(
        self, call: Call, decoder: msgspec.json.Decoder[Rows[Row]], params: Mapping[str, str] | None = None
    ) -> tuple[Row, ...]:
        try:
            body = decoder.decode(await self._ask(call, params))
        except msgspec.DecodeError as error:
            raise SourceMalformed(self.name, call, "an answer that cannot be read") from error
        rows = tuple(self._checked(call, row) for row in body.rows)
        if not body.complete:
            raise SourceIncomplete(self.name, call, "the venue answered only a part", rows)
        return rows

    async def _ask(self, call: Call, params: Mapping[str, str] | None = None) -> bytes:
        """The body of a read that the venue answered, whole or in part."""
        if self._closed:
            raise SourceUnreachable(self.name, call, "closed")
        try:
            async with self._open().get(self._base + PATHS[call], params=params) as response:
                body, status, headers = await response.read(), response.status, response.headers
        except TimeoutError:
            raise SourceTimeout(self.name, call, "no answer in time") from None
        except (aiohttp.ClientError, OSError) as error:
            raise SourceUnreachable(self.name, call, type(error).__name__) from error
        if status not in (200, protocol.PARTIAL_STATUS):
            _fail(self.name, call, status, headers.get("Retry-After"))
        return body

    async def _act(self, call: Call, message: OrderRequest | OrderId) -> Order:
        if self._closed:
            raise ActionRefused(call, "closed")
        try:
            async with self._open().post(self._base + PATHS[call], data=protocol.encode(message)) as response:
                body, status = await response.read(), response.status
        except TimeoutError:
            raise OutcomeUnknown(call, "no answer in time") from None
        except (aiohttp.ClientError, OSError) as error:
            raise OutcomeUnknown(call, type(error).__name__) from error
        if status in _REFUSALS:
            raise ActionRefused(call, _reason(body, status))
        if status != 200:
            raise OutcomeUnknown(call, f"status {status}")
        try:
            return self._checked(call, self._decode(call, body, Order))
        except SourceMalformed as error:
            raise OutcomeUnknown(call, "an answer that cannot be read") from error

    def _decode(self, call: Call, body: bytes, kind: type[T]) -> T:
        try:
            return msgspec.json.decode(body, type=kind)
        except msgspec.DecodeError as error:
            raise SourceMalformed(self.name, call, "an answer that cannot be read") from error

    def _checked(self, call: Call, row: Row) -> Row:
        """*row*, unless it breaks the rules of the model."""
        values = [getattr(row, name) for name in row.__struct_fields__]
        if not all(fits(value) for value in values if isinstance(value, Decimal)):
            raise SourceMalformed(self.name, call, "a number that is none")
        if finding(row) is not None:
            raise SourceMalformed(self.name, call, "a row that breaks the rules")
        return row


def _fail(name: str, call: Call, status: int, retry_after: str | None) -> NoReturn:
    why = f"status {status}"
    if status == protocol.TIMEOUT_STATUS:
        raise SourceTimeout(name, call, why)
    if status == protocol.THROTTLED_STATUS:
        seconds = int(retry_after) if retry_after and retry_after.isdecimal() else None
        raise SourceThrottled(name, call, why, seconds)
    if status in (401, protocol.FORBIDDEN_STATUS):
        raise SourceRefused(name, call, why)
    if status >= 500:
        raise SourceUnreachable(name, call, why)
    raise SourceMalformed(name, call, why)


def _reason(body: bytes, status: int) -> str:
    try:
        return msgspec.json.decode(body, type=Refusal).reason
    except msgspec.DecodeError:
        return f"status {status}"
